"""Which lines are left out of a corpus, each reason at its limit."""

import numpy as np
import pytest
from makers import recorded_line as line

from strokesynth.datasets import Label, Sample
from strokesynth.datasets.fitness import (
    LIMITS,
    Limits,
    expected_width,
    implausible,
    mismatched,
    several_rows,
    unusable,
)
from strokesynth.ink import Ink


@pytest.mark.parametrize(
    "text, source, reason",
    [
        ("xnoh", "iam", None),
        ("", "iam", "no text"),
        ("xnöh", "iam", "text is not printable ASCII"),
        ("xn\toh", "iam", "text is not printable ASCII"),
        ("x # h", "iam", "struck-out or unreadable writing (#)"),
        ("x # h", "unipen-text", None),
    ],
)
def test_texts_that_cannot_be_used(text, source, reason):
    assert unusable(Sample(line("xnoh"), Label(text, "w", "trainset", source, "1")), text) == reason


@pytest.mark.parametrize(
    "text, height, reason",
    [
        ("12345678", 124.0, None),  # 100 wide, of eight characters: at most 125 high
        ("12345678", 126.0, "not one line: too high for its width"),
        ("1234567", 1000.0, None),  # of so few characters nothing is expected
    ],
)
def test_ink_much_higher_than_wide_is_no_line(text, height, reason):
    ink = Ink.from_strokes([[[5, 7], [105, 7 + height]]])
    assert unusable(Sample(ink, Label(text, "w", "trainset", "npy", "1")), text) == reason


def test_several_rows():
    one = line("xnoh lox noh", 1.0, (0, 0))
    two = Ink.from_strokes(
        [*one.strokes, *(s + np.float32([0, 3]) for s in line("xnoh lox", 1.0, (0, 0)).strokes)]
    )
    assert not several_rows(one) and several_rows(two)
    # Crossing a t or dotting an i goes back as well, but not down.
    dotted = Ink.from_strokes([*one.strokes, one.strokes[0] + np.float32([0, -1.5])])
    assert not several_rows(dotted)
    assert not several_rows(Ink.from_strokes(one.strokes[:1]))


@pytest.mark.parametrize(
    "back, down, share, expected",
    [
        (3.1, 1.4, 0.5, True),
        (2.9, 1.4, 0.5, False),  # hardly to the left
        (3.1, 1.2, 0.5, False),  # hardly lower
        (3.1, 1.4, 0.09, False),  # of too few points
        (3.1, 1.4, 0.11, True),
    ],
)
def test_several_rows_at_its_limits(back, down, share, expected):
    first = np.stack([np.linspace(0, 10, 100 - round(100 * share)), np.zeros(100 - round(100 * share))], 1)
    second = np.stack([np.linspace(10 - back, 11, round(100 * share)), np.full(round(100 * share), down)], 1)
    assert several_rows(Ink.from_strokes([first, second])) == expected


@pytest.mark.parametrize(
    "text, sx, sy, reason",
    [
        ("xnoh lox noh", 1, 1, None),
        ("xnoh lox noh", 1, 4, "too high for one line"),
        ("xnoh lox noh", 0.2, 1, "too narrow for its text"),
        ("xnoh lox noh", 4, 1, "too wide for its text"),
        ("xnoh lox noh" * 10, 1, 1, "few points for its text"),
        ("xn", 1, 1, "many points for its text"),
    ],
)
def test_implausible(text, sx, sy, reason):
    ink = line("xnoh lox noh", 50.0, (0, 0)).scale(sx / 50, sy / 50)
    thinned = Ink.from_strokes([s[::2] for s in ink.strokes])  # 8 points a stroke
    assert implausible(text, thinned, LIMITS["generation"]) == reason


def straight(width, top=-1.0, bottom=0.0, points=40):
    """A line from the upper left to the lower right."""
    return Ink.from_strokes([np.stack([np.linspace(0, width, points), np.linspace(top, bottom, points)], 1)])


@pytest.mark.parametrize(
    "ink, reason",
    [
        (straight(8), None),
        (straight(8, top=-2.0), None),
        (straight(8, top=-2.01), "too high for one line"),
        (straight(8, bottom=1.0), None),
        (straight(8, bottom=1.01), "too high for one line"),
        (straight(8, points=16), None),
        (straight(8, points=15), "few points for its text"),
        (straight(8, points=48), None),
        (straight(8, points=49), "too long"),
        (straight(8, points=57), "many points for its text"),
        (straight(4), None),
        (straight(3.9), "too narrow for its text"),
        (straight(16), None),
        (straight(16.1), "too wide for its text"),
    ],
)
def test_every_limit_is_the_last_that_is_kept(ink, reason):
    limits = Limits(top=2.0, bottom=1.0, points=(2.0, 7.0), width=(0.5, 2.0), longest=48)
    assert implausible("8 lettrs", ink, limits) == reason


def test_the_width_of_a_short_text_tells_nothing():
    assert implausible("7 lettr", straight(100), Limits()) is None


def test_mismatched_lines_of_a_group():
    """A common letter is 1 wide, an i 0.6, an m 1.6; the median of the group says how wide that is."""
    texts = ["aaaaaaaa", "iiiiiiiiii", "mmmmm mmmm", "aaaaaaaa", "aaaaaaa"]
    right = [8.0, 6.0, 9 * 1.6 + 1, 8.0, 7.0]
    limits = Limits(mismatch=1.5)
    assert mismatched(texts, [3 * w for w in right], limits) == [False] * 5
    for factor, bad in ((1.49, False), (1.51, True), (1 / 1.49, False), (1 / 1.51, True)):
        for k in range(4):
            widths = [3 * w * (factor if k == i else 1) for i, w in enumerate(right)]
            assert mismatched(texts, widths, limits) == [bad and i == k for i in range(5)]
    # Seven letters are too few to tell.
    assert not any(mismatched(texts, [*right[:4], 100.0], limits))
    assert mismatched([], [], limits) == []


def strip(width, height, points=40, left=0.0, bottom=0.0):
    """Zigzag ink of one stroke from the bottom left to the right."""
    y = bottom - height * (np.arange(points) % 2)
    return Ink.from_strokes([np.column_stack([left + np.linspace(0, width, points), y])])


@pytest.mark.parametrize(
    ("good", "bad", "reason"),
    [
        ({"height": 5.4}, {"height": 5.6}, "too high for one line"),
        ({"bottom": 3.9, "height": 1}, {"bottom": 4.1, "height": 1}, "too high for one line"),
        ({"points": 30}, {"points": 29}, "few points for its text"),
        ({"points": 400}, {"points": 401}, "many points for its text"),
        ({"width": 3.1}, {"width": 2.9}, "too narrow for its text"),
        ({"width": 25.9}, {"width": 26.1}, "too wide for its text"),
    ],
)
def test_the_bounds_of_what_is_plausible(good, bad, reason):
    text, usual = "ten signs.", {"width": 10, "height": 1.5}
    assert implausible(text, strip(**usual | good), LIMITS["generation"]) is None
    assert implausible(text, strip(**usual | bad), LIMITS["generation"]) == reason


def test_a_line_may_have_so_many_points_and_a_short_one_any_width():
    text = "x" * 40
    assert implausible(text, strip(40, 1, 1000), LIMITS["generation"]) is None
    assert implausible(text, strip(40, 1, 1001), LIMITS["generation"]) == "too long"
    assert implausible(text, strip(40, 1, 1001), LIMITS["recognition"]) is None
    for width in (0.5, 60):
        assert implausible("seven s", strip(width, 1.5), LIMITS["generation"]) is None
        assert implausible("eight si", strip(width, 1.5), LIMITS["generation"]) is not None
    assert implausible("ten signs.", strip(10, 1.5), Limits(top=1.4)) == "too high for one line"


def rows(down, back, share):
    """A long row of 100 strokes, then `share` of that in a row `down` lower that starts `back` left of its end."""
    first = [np.array([[k, 0.0], [k + 0.5, 0.0]]) for k in range(100)]
    second = [np.array([[99.5 - back + k, down], [100 - back + k, down]]) for k in range(round(100 * share))]
    return Ink.from_strokes([*first, *second])


def test_the_bounds_of_several_rows():
    assert several_rows(rows(down=1.4, back=60, share=0.5))
    assert not several_rows(rows(down=1.2, back=60, share=0.5))
    assert not several_rows(rows(down=-1.4, back=60, share=0.5))
    assert several_rows(rows(down=1.4, back=3.2, share=0.5))
    assert not several_rows(rows(down=1.4, back=2.8, share=0.5))
    assert several_rows(rows(down=1.4, back=60, share=0.13))
    assert not several_rows(rows(down=1.4, back=60, share=0.1))
    joined = rows(down=1.4, back=60, share=0.5)
    one_stroke = Ink.from_strokes([*joined.strokes[:100], np.concatenate(joined.strokes[100:])])
    assert several_rows(one_stroke)


def test_expected_widths():
    assert expected_width("ax ") == 3.0
    assert expected_width("il.") == pytest.approx(1.8) and expected_width("mW") == pytest.approx(3.2)
