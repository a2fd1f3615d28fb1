"""Normalisation against synthetic writing whose baseline, x-height and path are known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from strokesynth.ink import Ink
from strokesynth.ink.normalize import Baseline, estimate_baseline, normalize
from strokesynth.ink.resample import dense_curve, flatten, remove_jumps, resample, smooth

LETTERS = "nnlungnnlunnpnnunldnunnn"


def writing(text: str = LETTERS, noise: float = 0.0, step: float = 0.05, seed: int = 0) -> list[np.ndarray]:
    """Two arches a letter in x-heights: n, u on the core line; l, d and capitals rise above; g, p go below."""
    rng = np.random.default_rng(seed)
    strokes = []
    for i, letter in enumerate(text):
        height = {"l": 1.9, "d": 1.9}.get(letter, 1.55 if letter.isupper() else 1.0)
        depth = 0.8 if letter in "gp" else 0.0
        t = np.arange(0.0, 2.0 + 1e-9, step)
        first = t < 1.0
        top = np.where(first, height, 1.0 if letter.islower() else height)
        bottom = np.where(first, 0.0, depth)
        y = bottom - (top + bottom) * np.sin(np.pi * (t % 1.0)) ** 2
        strokes.append(np.column_stack([1.2 * i + 0.5 * t, y]) + rng.normal(0.0, noise, (len(t), 2)))
    return strokes


def device(
    strokes: list[np.ndarray], scale: float = 1.0, slope: float = 0.0, dx: float = 0.0, dy: float = 0.0
) -> Ink:
    """The strokes turned by `slope`, in units of `scale` per x-height, moved."""
    c, s = np.cos(np.arctan(slope)), np.sin(np.arctan(slope))
    return Ink.from_strokes([stroke @ np.array([[c, s], [-s, c]]) * scale + [dx, dy] for stroke in strokes])


def distance(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Distance of each point (n, 2) from a polyline (m, 2), by brute force."""
    start, along = line[:-1], np.diff(line, axis=0)
    t = ((points[:, None] - start) * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-12)
    foot = start + np.clip(t, 0.0, 1.0)[..., None] * along
    return np.linalg.norm(points[:, None] - foot, axis=-1).min(axis=1)


@pytest.mark.parametrize("slope", [-0.13, -0.02, 0.0, 0.08])
@pytest.mark.parametrize("scale", [0.02, 1.0, 180.0])
def test_baseline_of_a_line_is_found(slope: float, scale: float) -> None:
    found = estimate_baseline(device(writing(noise=0.02), scale, slope, 31.0 * scale, -70.0 * scale))
    # The origin of the synthetic line lies at (31, -70) x-heights.
    at_origin = found.intercept + found.slope * 31.0 * scale
    assert found.slope == pytest.approx(slope, abs=0.01)
    assert at_origin == pytest.approx(-70.0 * scale, abs=0.12 * scale)
    assert found.x_height * np.cos(np.arctan(found.slope)) == pytest.approx(scale, rel=0.08)


def test_normalised_line_stands_on_zero() -> None:
    ink = normalize(device(writing(), 140.0, -0.06, 4000.0, 900.0))
    tops = np.array(
        [stroke[:, 1].min() for stroke, letter in zip(ink.strokes, LETTERS, strict=True) if letter in "nu"]
    )
    bottoms = np.array(
        [s[:, 1].max() for s, letter in zip(ink.strokes, LETTERS, strict=True) if letter in "nuld"]
    )
    assert np.abs(tops + 1.0).max() < 0.1
    assert np.abs(bottoms).max() < 0.1
    assert min(stroke[:, 0].min() for stroke in ink.strokes) == 0.0
    assert all(stroke.dtype == np.float32 for stroke in ink.strokes)


def test_a_drifting_line_is_straightened() -> None:
    """Half a sine of 0.8 x-heights over the line: on a straight baseline the middle or the ends would be off."""
    bent = [stroke + np.array([0.0, 0.8]) * np.sin(np.pi * stroke[:, :1] / 29.0) for stroke in writing()]
    ink = normalize(device(bent, 90.0, 0.03))
    kept = [s for s, letter in zip(ink.strokes, LETTERS, strict=True) if letter in "nu"]
    assert max(abs(float(stroke[:, 1].max())) for stroke in kept) < 0.25
    assert max(abs(float(stroke[:, 1].min()) + 1.0) for stroke in kept) < 0.25
    straight = estimate_baseline(device(writing(), 90.0))
    assert max((abs(y) for _, y in straight.drift), default=0.0) < 0.1 * 90.0


def test_text_tells_that_tops_are_capitals() -> None:
    capitals = device(writing("NUNNUNUN"), 50.0)
    known = estimate_baseline(capitals, "MUNNUNUM")
    unknown = estimate_baseline(capitals)
    assert known.x_height == pytest.approx(50.0, rel=0.08)
    assert unknown.x_height == pytest.approx(1.55 * 50.0, rel=0.08)
    assert normalize(Ink.from_strokes(capitals.strokes, text="MUNNUNUM")).text == "MUNNUNUM"


def test_given_x_height_is_kept() -> None:
    ink = device(writing(), 100.0)
    found = estimate_baseline(ink, x_height=80.0)
    assert found.x_height == 80.0
    height = normalize(ink).bounds[3] - normalize(ink).bounds[1]
    assert normalize(ink, x_height=80.0).bounds[3] - normalize(ink, x_height=80.0).bounds[1] == pytest.approx(
        height * 100.0 / 80.0, rel=0.06
    )


def test_known_baseline_is_used_as_given() -> None:
    ink = Ink.from_strokes([np.array([[10.0, 30.0], [14.0, 10.0]])])
    level = normalize(ink, baseline=Baseline(slope=0.0, intercept=30.0, x_height=20.0))
    np.testing.assert_allclose(level.strokes[0][[0, -1]], [[0.0, 0.0], [0.2, -1.0]], atol=1e-6)


def test_writing_on_a_slope_comes_out_as_if_level() -> None:
    level = normalize(device(writing(noise=0.01)))
    for turned in (
        device(writing(noise=0.01), 0.02, 0.1),
        device(writing(noise=0.01), 50.0, -0.12, 1e4, -1e4),
    ):
        other = normalize(turned)
        for one, two in zip(level.strokes, other.strokes, strict=True):
            assert distance(one, two).max() < 0.06


def test_fast_and_slow_tablets_give_the_same_points() -> None:
    slow, fast = normalize(device(writing(step=0.01))), normalize(device(writing(step=0.1), 70.0))
    assert abs(slow.n_points - fast.n_points) < 0.06 * slow.n_points
    for one, two in zip(slow.strokes, fast.strokes, strict=True):
        assert distance(one, two).max() < 0.06


def test_normalising_twice_changes_little() -> None:
    once = normalize(device(writing(noise=0.003), 120.0, 0.03))
    again = estimate_baseline(once)
    assert (again.slope, again.intercept, again.x_height) == pytest.approx((0.0, 0.0, 1.0), abs=0.03)
    twice = normalize(once, baseline=Baseline(0.0, 0.0, 1.0))
    assert abs(once.n_points - twice.n_points) < 0.2 * once.n_points
    for one, two in zip(once.strokes, twice.strokes, strict=True):
        assert distance(one, two).max() < 0.06


def test_stairs_of_a_coarse_tablet_become_smooth() -> None:
    angle = np.linspace(0.3, 2.6, 400)
    arc = np.column_stack([3.0 * np.cos(angle), 3.0 * np.sin(angle)])
    stairs = np.round(arc / 0.12) * 0.12
    (out,) = resample([stairs])
    turn = np.diff(np.unwrap(np.arctan2(*np.diff(out, axis=0).T[::-1])))
    assert np.abs(np.hypot(*out.T) - 3.0).max() < 0.08
    assert np.abs(turn).max() < 0.6  # the stairs themselves turn by pi / 2
    assert len(out) < 30


def test_glitch_is_dropped_and_a_true_jump_splits() -> None:
    line = np.column_stack([np.linspace(0.0, 8.0, 81), 0.1 * np.sin(np.arange(81))])
    glitch = line.copy()
    glitch[40] = [40.0, -30.0]
    points, lengths = remove_jumps(glitch, np.array([81]), size=1.0)
    np.testing.assert_array_equal(points, np.delete(line, 40, axis=0))
    assert lengths.tolist() == [80]
    apart = line + np.where(np.arange(81) < 50, 0.0, 9.0)[:, None]
    points, lengths = remove_jumps(apart, np.array([81]), size=1.0)
    np.testing.assert_array_equal(points, apart)
    assert lengths.tolist() == [50, 31]


@pytest.mark.parametrize(("count", "pieces"), [(1, [80]), (3, [78]), (4, [40, 4, 37])])
def test_up_to_three_points_are_a_glitch(count: int, pieces: list[int]) -> None:
    line = np.column_stack([np.linspace(0.0, 8.0, 81), 0.1 * np.sin(np.arange(81))])
    line[40 : 40 + count] += [40.0, -30.0]
    assert remove_jumps(line, np.array([81]), size=1.0)[1].tolist() == pieces


def test_a_jump_is_longer_than_the_writing_and_than_other_steps() -> None:
    line = np.column_stack([np.linspace(0.0, 8.0, 81), np.zeros(81)])  # steps of 0.1: 15 of them are 1.5
    for size, jump, pieces in ((0.1, 1.45, 1), (0.1, 1.55, 2), (1.0, 2.9, 1), (1.0, 3.1, 2)):
        apart = line + np.where(np.arange(81) < 50, 0.0, jump - 0.1)[:, None] * [1.0, 0.0]
        assert len(remove_jumps(apart, np.array([81]), size=size)[1]) == pieces


def test_the_curve_through_uneven_points_of_a_circle_is_round() -> None:
    angle = np.cumsum(np.tile([0.1, 0.4], 8))
    points = np.column_stack([np.cos(angle), np.sin(angle)])
    curve, _ = dense_curve(points, np.array([16]), smoothing=0.0)
    inner = curve[10:-10]
    assert np.abs(np.hypot(*inner.T) - 1.0).max() < 0.003
    np.testing.assert_allclose(curve[[0, -1]], points[[0, -1]], atol=1e-12)


def test_two_points_are_a_straight_line_at_even_steps() -> None:
    curve, count = dense_curve(np.array([[0.0, 0.0], [1.0, 2.0]]), np.array([2]), smoothing=0.0)
    assert len(curve) == count[0] == np.ceil(np.sqrt(5.0) / 0.04) + 1
    np.testing.assert_allclose(curve, np.linspace([0.0, 0.0], [1.0, 2.0], len(curve)), atol=1e-12)


@pytest.mark.parametrize(("grid", "expected"), [(0.01, 0.05), (0.1, 0.08), (1.0, 0.15)])
def test_a_coarse_grid_is_smoothed_more_but_not_without_end(grid: float, expected: float) -> None:
    rng = np.random.default_rng(3)
    strokes = [np.cumsum(rng.choice([-grid, grid], (60, 2)), axis=0)]
    curve, _ = smooth(strokes, smoothing=0.05, dot=0.0)
    np.testing.assert_allclose(curve, dense_curve(*flatten(strokes), expected)[0])


def test_steps_keep_to_their_bounds() -> None:
    angle = np.linspace(0.0, 6.0 * np.pi, 600)
    (tight,) = resample([0.1 * np.column_stack([np.cos(angle), np.sin(angle)])], sagitta=1e-4, shortest=0.1)
    (straight,) = resample([np.array([[0.0, 0.0], [18.0, 0.0]])], longest=0.9)
    assert np.median(np.hypot(*np.diff(tight, axis=0).T)) == pytest.approx(0.1, rel=0.1)
    np.testing.assert_allclose(np.hypot(*np.diff(straight, axis=0).T), 0.9, rtol=1e-4)


def test_polyline_stays_within_a_twentieth_of_the_curve() -> None:
    strokes = writing(step=0.02)
    curve, count = smooth(strokes)
    parts = np.split(curve, np.cumsum(count)[:-1])
    placed = resample(strokes)
    off = np.concatenate([distance(part, points) for part, points in zip(parts, placed, strict=True)])
    raw = np.concatenate([distance(stroke, points) for stroke, points in zip(strokes, placed, strict=True)])
    assert np.percentile(off, 99) < 0.05
    assert np.percentile(raw, 99) < 0.08
    assert sum(map(len, placed)) <= 14 * len(strokes)


def test_small_loop_does_not_shrink() -> None:
    angle = np.linspace(0.0, 4.0 * np.pi, 200)
    curve, _ = smooth([0.2 * np.column_stack([np.cos(angle), np.sin(angle)])])
    middle = curve[len(curve) // 4 : -len(curve) // 4]
    assert np.hypot(*middle.T).mean() == pytest.approx(0.2, rel=0.03)


def test_equal_sagitta_on_circles() -> None:
    """On a circle of radius r the step is sqrt(8 sagitta r), and the chord's distance from the arc the sagitta."""
    angle = np.linspace(0.0, 1.9 * np.pi, 2000)
    for radius in (0.5, 1.0, 1.8):
        (out,) = resample([radius * np.column_stack([np.cos(angle), np.sin(angle)])], sagitta=0.035)
        steps = np.hypot(*np.diff(out, axis=0).T)
        assert np.median(steps) == pytest.approx(np.sqrt(8.0 * 0.035 * radius), rel=0.08)
        inner = steps[1:-1]
        assert inner.max() < 1.3 * inner.min()


def test_ends_and_cusps_are_kept() -> None:
    down, up = np.linspace([0.0, -1.5], [0.0, 0.0], 40), np.linspace([0.0, 0.0], [0.25, -1.0], 40)
    (out,) = resample([np.concatenate([down, up[1:]])])
    np.testing.assert_allclose(out[0], [0.0, -1.5], atol=1e-6)
    np.testing.assert_allclose(out[-1], [0.25, -1.0], atol=1e-6)
    assert np.hypot(*out.T).min() < 0.06


def test_strokes_do_not_touch_each_other() -> None:
    """Work on all strokes at once gives what each stroke gives alone."""
    strokes = [stroke.astype(np.float32) for stroke in writing("nul")]
    together = resample(strokes)
    for stroke, points in zip(strokes, together, strict=True):
        np.testing.assert_allclose(resample([stroke])[0], points, atol=1e-5)


def test_dots_become_one_point() -> None:
    scribble = np.array([[3.0, -2.0], [3.05, -2.02], [3.02, -1.97], [3.0, -2.0]])
    single, several = resample([np.array([[1.0, 2.0]]), scribble])
    np.testing.assert_allclose(single, [[1.0, 2.0]])
    np.testing.assert_allclose(several, [[3.025, -1.995]], atol=1e-6)
    assert resample([]) == []
    for end in ([0.0, -1.0], [1.0, 0.0], [0.12, -0.12]):  # strokes that are no dots
        (stroke,) = resample([np.array([[0.0, 0.0], end])])
        np.testing.assert_allclose(stroke[[0, -1]], [[0.0, 0.0], end], atol=1e-6)


def test_repeated_points_do_not_matter() -> None:
    strokes = writing("nun")
    doubled = [np.repeat(stroke, 3, axis=0) for stroke in strokes]
    for one, two in zip(normalize(device(strokes)).strokes, normalize(device(doubled)).strokes, strict=True):
        np.testing.assert_array_equal(one, two)


def test_marks_without_lines_go_to_their_usual_place() -> None:
    dash = Ink.from_strokes([np.array([[0.0, 50.0], [70.0, 50.0]])], text="-")
    assert normalize(dash).strokes[0][:, 1] == pytest.approx(-0.5, abs=1e-5)
    dot = Ink.from_strokes([np.array([[5.0, 5.0]])], text=".")
    assert normalize(dot, x_height=40.0).n_points == 1


def test_a_dash_is_at_most_twenty_five_x_heights_wide() -> None:
    found = estimate_baseline(Ink.from_strokes([[[0.0, 7.0], [1000.0, 7.0]]]))
    assert (found.slope, found.intercept, found.x_height) == pytest.approx((0.0, 7.0, 40.0))


def test_descenders_hang_below_the_baseline() -> None:
    """Most letters have a tail; the text tells that."""
    text = "gpgpnpgpgpngpgp"
    found = estimate_baseline(device(writing(text), 80.0), text)
    assert found.intercept == pytest.approx(0.0, abs=0.15 * 80)
    assert found.x_height == pytest.approx(80.0, rel=0.15)


def test_several_marks_share_the_width() -> None:
    dashes = Ink.from_strokes([[[0.0, 50.0], [60.0, 50.0]], [[80.0, 50.0], [140.0, 50.0]]], text="- -")
    found = estimate_baseline(dashes)
    assert (found.x_height, found.intercept, found.slope) == pytest.approx((100.0, 100.0, 0.0))


@pytest.mark.parametrize("slope", [0.06, -0.06])
def test_baseline_of_a_short_word_far_from_the_origin(slope: float) -> None:
    """The word is too short to drift; its baseline is where its bottoms are."""
    ink = device(writing("nunun"), 50.0, slope, 9000.0, 300.0)
    found = estimate_baseline(ink)
    assert not found.drift
    bottoms = np.array([stroke[stroke[:, 1].argmax()] for stroke in ink.strokes])
    assert found.intercept + found.slope * bottoms[:, 0] == pytest.approx(bottoms[:, 1], abs=6.0)


def test_a_few_letters_do_not_make_a_slope() -> None:
    """Two bars, of which the second stands higher: chance, rather than a line that rises by 8 degrees."""
    bars = [np.array([[x, -1.0 - up], [x + 0.1, -up]]) for x, up in ((0.0, 0.0), (10.0, 1.45))]
    assert abs(estimate_baseline(Ink.from_strokes([bar * 80 for bar in bars]), x_height=80.0).slope) < 0.08


def test_a_glitch_does_not_change_the_line() -> None:
    strokes = writing(step=0.04)
    broken = [stroke.copy() for stroke in strokes]
    broken[7][20] = [60.0, -40.0]
    plain, mended = normalize(device(strokes, 90.0)), normalize(device(broken, 90.0))
    assert len(mended.strokes) == len(plain.strokes)
    for one, two in zip(plain.strokes, mended.strokes, strict=True):
        assert distance(two, one).max() < 0.06


def test_any_scribble_has_a_finite_result() -> None:
    rng = np.random.default_rng(5)
    for _ in range(200):
        strokes = [rng.normal(0.0, rng.choice([0.01, 1.0, 300.0]), (rng.integers(1, 9), 2))
                   for _ in range(rng.integers(1, 6))]  # fmt: skip
        ink = Ink.from_strokes(strokes, text=str(rng.choice(["a", "-", "IBM", "' .", "the quick"])))
        if ink.n_points > 1:
            out = normalize(ink)
            assert out.bounds[0] == 0.0
            assert np.isfinite(out.bounds).all()
    flat = normalize(Ink.from_strokes([np.array([[0.0, 3.0], [50.0, 3.0]])]))
    assert flat.bounds[3] == flat.bounds[1] == 0.0


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="no extent"):
        normalize(Ink.from_strokes([np.array([[5.0, 5.0]]), np.array([[5.0, 5.0]])]))
    with pytest.raises(ValueError, match="no extent"):
        estimate_baseline(Ink.from_strokes([np.array([[5.0, 5.0]])], text="."))
    for height in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="x_height is"):
            normalize(device(writing("nn")), x_height=height)
    flat = np.column_stack([np.tile([0.0, 1e6], 50), np.arange(100.0)])
    with pytest.raises(ValueError, match="units long"):
        normalize(Ink.from_strokes([flat]), x_height=1.0)
    with pytest.raises(ValueError, match="NaN or infinite"):
        resample([np.array([[0.0, np.nan], [1.0, 1.0]])])
    with pytest.raises(ValueError, match="normalise the ink first"):
        resample([np.array([[0.0, 0.0], [1e6, 1e6]])])


@pytest.mark.parametrize("strokes", [
    [np.column_stack([np.linspace(0, 40, 60), 1e-4 * np.sin(np.arange(60))])],
    [np.column_stack([np.linspace(0, 1e6, 60), 1e-4 * np.sin(np.arange(60))])],
    [np.column_stack([1e-3 * np.sin(np.arange(60)), np.linspace(0, 40, 60)])],
    [np.array([[0, 0], [1e-9, 0]]), np.array([[1e6, 0], [1e6, 1e-9]])],
])  # fmt: skip
def test_ink_without_a_height_of_its_own_stays_within_bounds(strokes):
    """Dashes, bars and dots tell no x-height: what is made up for them must not be too small to work with."""
    ink = normalize(Ink.from_strokes(strokes))
    left, top, right, bottom = ink.bounds
    assert right - left < 1500 and bottom - top < 60 and ink.n_points < 10_000


def test_an_x_height_far_too_small_is_refused_before_it_costs_anything():
    x = np.linspace(0, 1e9, 400)
    with pytest.raises(ValueError, match="normalise the ink first"):
        normalize(Ink.from_strokes([np.column_stack([x, np.sin(x)])]), x_height=1.0)
