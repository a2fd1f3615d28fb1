"""Marks sit over, under and through the right points, in order, and lean with the writing."""

import unicodedata

import numpy as np
import pytest

from strokesynth.ink import Ink
from strokesynth.synthesis.accents import MARKS, draw_marks

# Upright letters, drawn by hand for these tests: strokes of (x, y), about one x-height wide.
LETTERS = {
    "o": [[(0.4, -1), (0, -0.5), (0.4, 0), (0.8, -0.5), (0.4, -1)]],
    "i": [[(0.1, -1), (0.1, 0)], [(0.1, -1.5)]],
    "j": [[(0.3, -1), (0.3, 0.6), (0, 0.8)], [(0.3, -1.5)]],
    "g": [[(0.6, -1), (0, -0.5), (0.6, -0.1)], [(0.7, -1), (0.6, 0.9), (0, 0.9)]],
    "d": [[(0.6, -0.9), (0, -0.5), (0.6, 0)], [(0.7, -1.9), (0.7, 0)]],
    "h": [[(0.1, -1.9), (0.1, 0)], [(0.1, -0.7), (0.5, -1), (0.7, 0)]],
    "l": [[(0.2, -1.9), (0.2, 0)]],
    "O": [[(0.6, -1.6), (0, -0.8), (0.6, 0), (1.2, -0.8), (0.6, -1.6)]],
    "D": [[(0.1, -1.6), (0.1, 0)], [(0.1, -1.6), (1, -0.8), (0.1, 0)]],
    "C": [[(1, -1.4), (0.4, -1.6), (0, -0.8), (0.4, 0), (1, -0.2)]],
    "?": [[(0, -1.5), (0.5, -1.5), (0.3, -0.8), (0.3, -0.4)], [(0.3, 0)]],
    ".": [[(0.1, 0.0)]],
    "'": [[(0.1, -1.6), (0.1, -1.3)]],
}


def write(base: str, advance=1.5, slant=0.0) -> Ink:
    strokes, owners = [], []
    for k, c in enumerate(base):
        for stroke in LETTERS.get(c, []):
            points = np.array(stroke, float) + [k * advance, 0.0]
            strokes.append(points - np.outer(points[:, 1], [slant, 0.0]))
            owners.append(np.full(len(stroke), k))
    return Ink.from_strokes(strokes, base, owners)


def mark(base: str, marks: list[str], slant=0.0, seed=0):
    """The ink with its marks, the points of the marks in one array, and the origins."""
    before = write(base, slant=slant)
    ink, origin = draw_marks(before, base, marks, slant, np.random.default_rng(seed))
    assert len(origin) == ink.n_points
    points = np.concatenate(ink.strokes)
    old = np.concatenate(before.strokes)
    kept = origin >= 0
    if not any(set(m) & set("¿¡°·") for m in marks):
        np.testing.assert_allclose(points[kept], old[origin[kept]], atol=1e-5)
    return ink, points[~kept], origin


ABOVE = [key for key, m in MARKS.items() if m.place == "above"]
BELOW = [key for key, m in MARKS.items() if m.place in ("below", "tail")]


@pytest.mark.parametrize("key", ABOVE)
@pytest.mark.parametrize(("base", "top"), [("o", -1.0), ("O", -1.6), ("h", -1.9), ("g", -1.0)])
def test_marks_above(key, base, top):
    for seed in range(5):
        ink, drawn, _ = mark(f"{base}{base}", ["", key], seed=seed)
        letter = np.concatenate([np.array(s) for s in LETTERS[base]]) + [1.5, 0.0]
        middle = 0.5 * (letter[:, 0].min() + letter[:, 0].max())
        assert abs(0.5 * (drawn[:, 0].min() + drawn[:, 0].max()) - middle) < 0.25
        assert top - 1.0 < drawn[:, 1].min() and drawn[:, 1].max() < top - 0.02


@pytest.mark.parametrize("key", BELOW)
@pytest.mark.parametrize(("base", "bottom"), [("o", 0.0), ("O", 0.0)])
def test_marks_below(key, base, bottom):
    ink, drawn, _ = mark(f"{base}{base}", [key, ""])
    letter = np.concatenate([np.array(s) for s in LETTERS[base]])
    assert letter[:, 0].min() - 0.3 < drawn[:, 0].min() and drawn[:, 0].max() < letter[:, 0].max() + 0.3
    assert bottom - 0.15 < drawn[:, 1].min() and 0.2 < drawn[:, 1].max() < bottom + 0.9


def test_marks_belong_to_their_letter_and_follow_its_stroke():
    ink, _, origin = mark("oOo", ["", "\u0308", ""])
    assert [c.tolist()[0] for c in ink.characters] == [0, 1, 1, 1, 2]
    assert [len(s) for s in ink.strokes] == [5, 5, 1, 1, 5]
    assert origin.tolist() == [*range(10), -1, -1, *range(10, 15)]


def test_marks_lean_with_the_writing():
    _, upright, _ = mark("oo", ["\u0301", ""])
    _, leaning, _ = mark("oo", ["\u0301", ""], slant=0.4)
    np.testing.assert_allclose(leaning[:, 1], upright[:, 1], atol=1e-4)
    np.testing.assert_allclose(leaning[:, 0], upright[:, 0] - 0.4 * upright[:, 1], atol=1e-4)


@pytest.mark.parametrize("base", ["i", "j"])
@pytest.mark.parametrize("key", ["\u0301", "\u0308", "\u0304", "\u0307", "ı"])
def test_the_dot_goes_under_a_mark(base, key):
    ink, drawn, origin = mark(f"o{base}{base}o", ["", key, "", ""])
    left = np.concatenate(ink.strokes)[origin >= 0]
    dots = left[left[:, 1] < -1.2]
    assert len(dots) == 1 and dots[0, 0] > 3.0  # of the other one
    stem = 1.5 + LETTERS[base][0][0][0]
    if key != "ı":
        assert abs(drawn[:, 0].mean() - stem) < 0.2 and drawn[:, 1].max() < -1.05
    else:
        assert not len(drawn)


def test_a_mark_below_leaves_the_dot():
    ink, _, origin = mark("oi", ["", "\u0328"])
    assert (origin >= 0).sum() == write("oi").n_points


def test_a_dot_written_late_is_found():
    """After the whole word, when the window is elsewhere; an apostrophe is none."""
    strokes = [*write("io'").strokes[:1], *write("io'").strokes[2:], write("i").strokes[1]]
    ink = Ink.from_strokes(strokes, "io'", [np.full(len(s), k) for s, k in zip(strokes, (0, 1, 2, 1))])
    marked, origin = draw_marks(ink, "io'", ["\u0301", "", ""], 0.0, np.random.default_rng(1))
    assert (origin >= 0).sum() == ink.n_points - 1
    assert ink.n_points - 1 not in origin  # the late dot was the last point


def test_marks_are_stacked():
    _, one, _ = mark("oo", ["\u0302", ""])
    _, two, _ = mark("oo", ["\u0302\u0301", ""])
    assert np.allclose(one, two[: len(one)]) and two[len(one) :, 1].max() < one[:, 1].min() + 0.05


@pytest.mark.parametrize(
    ("base", "key", "crossed"),
    [
        ("d", "\u0335", (0.7, -1.48)),
        ("D", "\u0335", (0.1, -0.8)),
        ("l", "\u0337", (0.2, -1.0)),
        ("o", "\u0338", (0.4, -0.5)),
        ("O", "\u0338", (0.6, -0.8)),
    ],
)
def test_strokes_through(base, key, crossed):
    _, drawn, _ = mark(base, [key])
    # The polyline passes near the point that it should cross.
    ends = np.linspace(0, 1, 50)[:, None]
    line = np.concatenate([a + ends * (b - a) for a, b in zip(drawn[:-1], drawn[1:])])
    assert np.hypot(*(line - crossed).T).min() < 0.15
    assert drawn[:, 0].min() < crossed[0] - 0.15 and drawn[:, 0].max() > crossed[0] + 0.15


def test_letters_that_wear_marks_their_own_way():
    _, beside, _ = mark("do", ["\u030c", ""])  # ď
    assert beside[:, 0].min() > 0.65 and beside[:, 1].min() > -2.3 and beside[:, 1].max() < -1.2
    _, above, _ = mark("go", ["\u0327", ""])  # ģ
    assert above[:, 1].max() < -1.0
    _, below, _ = mark("lo", ["\u0327", ""])  # ļ
    assert below[:, 1].min() > 0.1
    _, bars, _ = mark("C", ["€"])
    assert len(bars) == 4 and bars[:, 0].min() < 0.0


def test_signs_made_of_others():
    ink, drawn, origin = mark("o?", ["", "¿"])
    assert not len(drawn)
    turned, plain = np.concatenate(ink.strokes[1:]), np.concatenate(write("o?").strokes[1:])
    assert turned[:, 1].min() == pytest.approx(-1.0, abs=1e-5) and turned[:, 1].max() == pytest.approx(
        0.5, abs=1e-5
    )
    np.testing.assert_allclose(turned[0] - turned[-1], plain[-1] - plain[0], atol=1e-5)
    ink, _, _ = mark("oo", ["", "°"])
    degree = ink.strokes[1]
    assert np.ptp(degree[:, 1]) == pytest.approx(0.5, abs=1e-5) and degree[:, 1].max() < -1.0
    ink, _, _ = mark("l.", ["", "·"])
    assert ink.strokes[1][0, 1] == pytest.approx(-0.5)


def test_the_same_seed_draws_the_same_and_others_differ():
    assert (
        mark("oo", ["\u0303", ""])[0]
        == mark("oo", ["\u0303", ""])[0]
        != mark("oo", ["\u0303", ""], seed=1)[0]
    )
    _, two, _ = mark("oo", ["\u0303", "\u0303"])
    first, second = np.split(two, 2)
    assert np.abs(first + [1.5, 0] - second).max() > 0.01


def test_every_mark_is_known_by_its_name():
    combining = [key for key in MARKS if unicodedata.combining(key)]
    assert {unicodedata.normalize("NFD", c)[-1] for c in "àáâãāăȧäảåőčơạșçęḇ"} <= set(combining)


def test_letters_without_points_stay_unmarked():
    ink = Ink.from_strokes([[(0, 0), (1, -1)]], "ab", [[0, 0]])
    same, origin = draw_marks(ink, "ab", ["", "\u0301"], 0.0, np.random.default_rng(0))
    assert same.n_points == 2 and origin.tolist() == [0, 1]
    with pytest.raises(ValueError, match="which points belong to which letter"):
        draw_marks(Ink.from_strokes([[(0, 0)]]), "a", ["\u0301"], 0.0, np.random.default_rng(0))


@pytest.mark.parametrize("key", list(MARKS))
@pytest.mark.parametrize("base", ["c", "C", "i", "d", "g", "?"])
def test_any_mark_goes_with_any_letter_wherever_its_points_are(base, key):
    """The window may give a letter a few points only, and those of others."""
    for points in (
        [(0.3, -0.5)],
        [(0.2, -1.6), (0.3, -1.2)],
        [(0.0, 1.5), (2.0, -3.0)],
        [(1.0, 0.1), (1.0, 0.1)],
    ):
        ink = Ink.from_strokes([points], base, [[0] * len(points)])
        marked, origin = draw_marks(ink, base, [key], 0.3, np.random.default_rng(1))
        assert len(origin) == marked.n_points and np.abs(np.concatenate(marked.strokes)).max() < 6
