"""Hands are told apart by measure."""

import numpy as np
import pytest

from strokesynth import Ink
from strokesynth.synthesis.measures import Measure, measure


def ladder(slant=0.0, width=1.0, n=10) -> Ink:
    """Letters l of two x-heights, each one stroke."""
    strokes = [[(k * width + 2 * slant, -2), (k * width, 0)] for k in range(n)]
    return Ink.from_strokes(strokes, "l" * n)


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


def test_the_distance_of_hands_is_in_their_own_variation():
    one, other = measure(ladder()), measure(ladder(slant=0.3))
    assert one.distance(one) == 0 and one.distance(other) == other.distance(one) > 2
    assert one.distance(measure(ladder(slant=0.01))) < 0.5


@pytest.mark.parametrize("text", [None, "", "  "])
def test_measuring_needs_text(text):
    with pytest.raises(ValueError, match="ink.text is"):
        measure(Ink.from_strokes([[(0, 0), (1, 1)]], text))
