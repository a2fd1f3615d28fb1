"""Hands are told apart by measure."""

import numpy as np
import pytest
from makers import ladder

from strokesynth import Ink
from strokesynth.synthesis.measures import Measure, measure


def test_measures_of_plain_strokes():
    assert measure(ladder()) == pytest.approx(Measure(0, 0.9, 1, 0, 2, 0), abs=1e-6)
    assert measure(ladder(slant=0.3)).slant == pytest.approx(0.3, abs=1e-6)
    assert measure(ladder(width=2.0)).width == pytest.approx(1.8)
    square = Ink.from_strokes([[(0, 0), (1, 0), (1, -1), (0, -1)]], " o")
    assert measure(square).turning == pytest.approx(np.pi) and measure(square).width == 1.0
    around = Ink.from_strokes(
        [[(0, 0), (-1, 0.1), (-2, 0), (-1, -0.1)]], "o"
    )  # through the angle of 180 degrees
    assert measure(around).turning < 4.0


def test_slant_is_that_of_downstrokes_alone():
    """A joined zigzag: down along (-0.2, 2), up along (1, -2), with a level stroke in between now and then."""
    points, strokes = [np.array([0.0, -2.0])], []
    for _ in range(6):
        points += [points[-1] + (-0.2, 2.0)]
        points += [points[-1] + (1.0, -2.0)]
    strokes = [np.array(points), np.array([[0, -1], [5, -1.1]]), np.array([[0, 0], [4.0, 1.0]])]
    assert measure(Ink.from_strokes(strokes, "n" * 12)).slant == pytest.approx(0.1, abs=1e-6)


def test_proportions_are_percentiles():
    y = np.linspace(-2, 1, 101)
    found = measure(Ink.from_strokes([np.column_stack([0 * y, y])], "abc def"))
    assert (found.ascent, found.descent) == pytest.approx((1.91, 0.94), abs=1e-6)
    assert found.lifts == pytest.approx(1 / 6)
    ink = Ink.from_strokes([[(0, 0), (1, -1)], [(5, 0), (6, -1)], [(2, 0), (2, 0)]], " ab cd\t")
    assert (measure(ink).width, measure(ink).lifts) == pytest.approx((6 / 5, 3 / 4))


def test_turning_counts_both_ways():
    t = np.linspace(0, 2 * np.pi, 101)
    eight = np.concatenate(
        [np.column_stack([np.sin(t), 1 - np.cos(t)]), -np.column_stack([-np.sin(t), 1 - np.cos(t)])[1:]]
    )
    assert measure(Ink.from_strokes([eight], "ab")).turning == pytest.approx(2 * np.pi, rel=0.02)


def test_the_unit_of_distance():
    """The square root of the mean over six numbers, each in deviations of its own."""
    one = Measure(0.1, 1.0, 1.0, 4.0, 1.8, 0.5)
    for k, spread in enumerate((0.06, 0.12, 0.13, 0.7, 0.13, 0.35)):
        values = list(one)
        values[k] += 2 * spread
        assert one.distance(Measure(*values)) == pytest.approx(2 / np.sqrt(6))


def test_the_distance_of_hands_is_in_their_own_variation():
    one, other = measure(ladder()), measure(ladder(slant=0.3))
    assert one.distance(one) == 0 and one.distance(other) == other.distance(one) > 2
    assert one.distance(measure(ladder(slant=0.01))) < 0.5


@pytest.mark.parametrize("text", [None, "", "  "])
def test_measuring_needs_text(text):
    with pytest.raises(ValueError, match="ink.text is"):
        measure(Ink.from_strokes([[(0, 0), (1, 1)]], text))
