"""The recogniser's rows: equidistant, independent of sampling, with the ink around them whenever it was written."""

import numpy as np
import pytest

from strokesynth.ink import Ink
from strokesynth.recognition.features import _OWN, FEATURES, LIMIT, STEP, trace


def wave(n, start=0.0, width=6.0):
    x = np.linspace(0, width, n)
    return np.column_stack([x + start, -0.5 - 0.5 * np.sin(3 * x)])


@pytest.fixture
def ink():
    return Ink.from_strokes([wave(400), wave(300, 8.0, 3.0), [[2.0, -1.6]]])


def test_rows_are_equidistant_on_the_pens_way(ink):
    rows = trace(ink)
    down = rows.features[:, 4] == 0
    steps = np.hypot(*np.diff(rows.points, axis=0).T)
    within = down[1:] & down[:-1] & (np.diff(rows.strokes) == 0)
    # A chord is a little shorter than its arc; the row after a stroke's begin is nearer.
    assert np.median(steps[within]) == pytest.approx(STEP, rel=0.03)
    assert steps[within].max() <= STEP + 1e-6
    length = sum(np.hypot(*np.diff(s.astype(float), axis=0).T).sum() for s in ink.strokes)
    assert down.sum() == pytest.approx(length / STEP + 3, abs=4)


def test_every_row_lies_on_the_ink_of_its_stroke_or_in_the_air_before_it(ink):
    rows = trace(ink)
    assert sorted(set(rows.strokes.tolist())) == [0, 1, 2]
    assert (np.diff(rows.strokes) >= 0).all()
    for point, stroke, up in zip(rows.points, rows.strokes, rows.features[:, 4], strict=True):
        if up:
            a, b = ink.strokes[stroke - 1][-1].astype(float), ink.strokes[stroke][0].astype(float)
            share = (point - a) @ (b - a) / ((b - a) @ (b - a))
            assert np.hypot(*(a + share * (b - a) - point)) < 1e-6 and -1e-6 <= share <= 1 + 1e-6
        else:
            assert np.hypot(*(ink.strokes[stroke] - point).T).min() < 0.02


def test_a_dot_has_a_row_and_the_air_between_strokes_too(ink):
    rows = trace(ink)
    down = rows.features[:, 4] == 0
    assert (down & (rows.strokes == 2)).sum() >= 1
    for stroke in (1, 2):
        assert (~down & (rows.strokes == stroke)).sum() >= 1


def test_the_sampling_rate_does_not_matter(ink):
    sparse = Ink.from_strokes([wave(200), wave(150, 8.0, 3.0), [[2.0, -1.6]]])
    a, b = trace(ink), trace(sparse)
    assert abs(len(a.points) - len(b.points)) <= 1
    n = min(len(a.points), len(b.points))
    assert np.abs(a.points[:n] - b.points[:n]).max() < 0.3
    assert np.median(np.abs(a.features[:n] - b.features[:n])) < 0.02


def test_where_the_line_lies_to_the_left_or_right_does_not_matter(ink):
    a, b = trace(ink), trace(ink.translate(37.0, 0.0))
    np.testing.assert_allclose(a.features, b.features, atol=1e-4)


def test_the_map_shows_ink_written_later():
    """A stem with and without the dot that comes at the end of the word: only the map of the stem's rows changes."""
    stem, rest = [[1.0, -1.0], [1.0, 0.0]], [[1.5, 0.0], [9.0, -0.1]]
    without = trace(Ink.from_strokes([stem, rest]))
    with_dot = trace(Ink.from_strokes([stem, rest, [[1.0, -1.7]]]))
    n = 4
    np.testing.assert_allclose(without.features[:n, :_OWN], with_dot.features[:n, :_OWN], atol=1e-6)
    change = (with_dot.features[:n, _OWN:] - without.features[:n, _OWN:]).reshape(n, -1, 11)  # columns, bands
    assert change.sum(axis=(0, 1)).argmax() in (2, 3)  # 2.0 to 1.5 above the baseline
    assert change[:, 2].sum() > 0.5 and abs(change[:, :, 6:]).max() < 1e-6


def test_the_map_against_a_plain_loop(ink):
    rows = trace(ink)
    down = rows.features[:, 4] == 0
    left = rows.points[:, 0].min() - 2 * 0.35
    x, y = (rows.points[:, 0] - left) / 0.35, (np.clip(rows.points[:, 1], -3, 1.999) + 3) / 0.5
    grid = np.zeros((int(x.max()) + 4, 12))
    for a, b in zip(x[down], y[down], strict=True):
        i, j = int(a), int(b)
        for di in (0, 1):
            for dj in (0, 1):
                grid[i + di, j + dj] += 0.6 * abs(1 - di - (a - i)) * abs(1 - dj - (b - j))
    grid = np.minimum(grid, 2)
    for row in range(0, len(x), 7):
        i, share = int(x[row]), x[row] - int(x[row])
        for column in range(5):
            expected = (1 - share) * grid[i + column - 2, :11] + share * grid[i + column - 1, :11]
            found = rows.features[row, _OWN + 11 * column : _OWN + 11 * (column + 1)]
            np.testing.assert_allclose(found, expected, atol=1e-3)


def test_small_ink():
    rows = trace(Ink.from_strokes([[[0.0, 0.0]]]))
    assert rows.features.shape == (2, FEATURES) and np.isfinite(rows.features).all()


def test_endless_ink_is_refused():
    x = np.linspace(0, LIMIT * STEP + 10, 1000)
    with pytest.raises(ValueError, match="too long for one line"):
        trace(Ink.from_strokes([np.column_stack([x, 0 * x])]))
