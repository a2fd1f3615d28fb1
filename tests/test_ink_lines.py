"""Pages of zigzags and dots, whose lines are known."""

import numpy as np
import pytest

from strokesynth import Ink
from strokesynth.ink.lines import is_page, split_rows, stack_lines, stroke_rows, strokes_of_lines


def line(width=30, seed=0):
    """A line of words like "mum ill", x-height 1: zigzags, some with ascenders and descenders, and dots."""
    rng = np.random.default_rng(seed)
    strokes, x = [], 0.0
    while x < width:
        points = []
        for _ in range(rng.integers(3, 9)):
            top, bottom = rng.choice([-1, -1, -1, -1.9]), rng.choice([0, 0, 0, 0, 0.8])
            points += [[x, bottom + rng.normal(0, 0.06)], [x + 0.35, top + rng.normal(0, 0.06)]]
            x += 0.7
        strokes.append(np.array(points))
        strokes.append(np.array([[x - 1.0, -1.6]]))  # a dot, afterwards
        x += 1.2
    return strokes


def page(count, pitch=3.0, bend=0.0, turn=0.0, widths=None):
    """Strokes and the row of each."""
    strokes, rows = [], []
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    for k in range(count):
        for points in line(30 if widths is None else widths[k], seed=k):
            points = points + [0.0, k * pitch]
            points[:, 1] += bend * np.sin(points[:, 0] / 12 + k)
            strokes.append(points @ [[c, s], [-s, c]])
            rows.append(k)
    return strokes, np.array(rows)


@pytest.mark.parametrize("pitch", [3.0, 4.2, 12.0])
@pytest.mark.parametrize("turn", [-8.0, 0.0, 5.0])
def test_pages(pitch, turn):
    strokes, rows = page(6, pitch, turn=turn)
    assert (stroke_rows(Ink.from_strokes(strokes)) == rows).all()
    assert is_page(Ink.from_strokes(strokes))


def test_bent_lines():
    strokes, rows = page(5, 4.0, bend=0.7)
    assert (stroke_rows(Ink.from_strokes(strokes)) == rows).all()


@pytest.mark.parametrize("scale", [0.02, 50.0])
def test_unit_and_place_do_not_matter(scale):
    strokes, rows = page(4)
    ink = Ink.from_strokes(strokes).scale(scale).translate(300 * scale, -70 * scale)
    assert (stroke_rows(ink) == rows).all()


def test_order_of_writing_does_not_matter():
    strokes, rows = page(5)
    order = np.random.default_rng(3).permutation(len(strokes))
    assert (stroke_rows(Ink.from_strokes([strokes[i] for i in order])) == rows[order]).all()


def test_short_last_line():
    strokes, rows = page(3, 3.5, widths=[30, 30, 4])
    assert (stroke_rows(Ink.from_strokes(strokes)) == rows).all()


def test_split_keeps_strokes_and_their_order():
    strokes, rows = page(3)
    parts = split_rows(Ink.from_strokes(strokes))
    assert len(parts) == 3
    for k, part in enumerate(parts):
        assert part == Ink.from_strokes([s for s, r in zip(strokes, rows, strict=True) if r == k])


@pytest.mark.parametrize("turn", [-35.0, -10.0, 0.0, 20.0, 90.0])
def test_one_line_is_no_page(turn):
    strokes, _ = page(1, turn=turn)
    assert not is_page(Ink.from_strokes(strokes))


def test_one_line_stays_as_it_is():
    ink = Ink.from_strokes(line(), "mum ill")
    assert split_rows(ink) == [ink]


@pytest.mark.parametrize(
    "strokes",
    [
        [[[0, 0]]],
        [[[0, 0], [5, 0]], [[0, 9], [5, 9]]],
        [[[2, 2], [2, 2]]],
        [[[0, 0], [0, 1e30]], [[1e30, 0], [1e-30, 5]]],
        [[[0, 0], [0, 1]], [[1e6, 1e6], [1e6, 1e6 + 1]]],
    ],
)
def test_odd_ink(strokes):
    rows = stroke_rows(Ink.from_strokes(strokes))
    assert len(rows) == len(strokes) and rows.min() == 0


# --- lines to a page ------------------------------------------------------------------------------------


def test_lines_become_one_ink():
    one = Ink.from_strokes([[[0.0, 0.0], [1.0, -1.0]], [[2.0, 0.0]]], "ab", [[0, 0], [1]], 0.9)
    two = Ink.from_strokes([[[5.0, 3.0]]], "c d", [[2]], 0.25)
    ink = stack_lines([one, two], [1, 3])
    assert ink.text == "\nab\n\nc d"
    assert [s.tolist() for s in ink.strokes] == [s.tolist() for s in (*one.strokes, *two.strokes)]
    assert [ink.text[i] for i in np.concatenate(ink.characters)] == ["a", "a", "b", "d"]
    # Two characters of 0.9 and, the blank left out, two of 0.25.
    assert ink.legibility == pytest.approx((0.9**2 * 0.25**2) ** 0.25)
    assert stack_lines([one, two]).text == "ab\nc d"


def test_lines_of_which_something_is_not_known():
    known = Ink.from_strokes([[[0.0, 0.0]]], "a", [[0]], 0.5)
    unread = Ink.from_strokes([[[0.0, 0.0]]], "a", [[0]])
    assert stack_lines([known, unread]).legibility is None
    unowned = stack_lines([known, Ink.from_strokes([[[0.0, 0.0]]], "b", legibility=0.0)])
    assert unowned.characters is None and unowned.text == "a\nb" and unowned.legibility == 0.0
    nothing = stack_lines([Ink.from_strokes([[[0.0, 0.0]]])])
    assert nothing.text == "" and nothing.legibility is None
    for rows in ([0], [0, 0], [1, 0], [-1, 0]):
        with pytest.raises(ValueError, match=r"expected 2 rising numbers"):
            stack_lines([known, unread], rows)
    with pytest.raises(ValueError, match="at least one stroke"):
        stack_lines([])


def test_stacked_lines_are_split_again():
    lines = [Ink.from_strokes(line(seed=k), f"line {k}") for k in range(3)]
    stacked = stack_lines(lines, [0, 2, 3], pitch=4.0)
    assert stacked.text == "line 0\n\nline 1\nline 2"
    placed = [ink.translate(0.0, 4.0 * row) for ink, row in zip(lines, (0, 2, 3), strict=True)]
    assert stacked == stack_lines(placed, [0, 2, 3])
    assert [part.strokes[0].tolist() for part in split_rows(stacked)] == [
        p.strokes[0].tolist() for p in placed
    ]
    sizes = [len(ink.strokes) for ink in lines]
    order = np.random.default_rng(0).permutation(sum(sizes))
    shuffled = Ink.from_strokes([stacked.strokes[i] for i in order])
    found = strokes_of_lines(shuffled)
    expected = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    assert [sorted(order[strokes]) for strokes in found] == [part.tolist() for part in expected]
    assert all((np.diff(strokes) > 0).all() for strokes in found)
