"""What tells hands apart, in numbers: slant, width, pen lifts, curvature and proportions of a line."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from strokesynth.ink import Ink


class Measure(NamedTuple):
    """What tells hands apart, in numbers. See `measure`."""

    slant: float  # of downstrokes, as a tangent: 0 is upright, 0.27 leans 15 degrees to the right
    width: float  # x-heights a character, blanks included
    lifts: float  # strokes a letter: about 1.3 in print, 0.5 in joined writing
    turning: float  # radians that the pen turns a letter
    ascent: float  # x-heights above the baseline that 3 % of the points exceed
    descent: float  # x-heights below the baseline that 2 % of the points exceed

    def distance(self, other: Measure) -> float:
        """Between two hands, in units of how much lines of one hand differ."""
        return float(np.sqrt(np.mean(((np.array(self) - np.array(other)) / _SPREAD) ** 2)))


_SPREAD = np.array([0.06, 0.12, 0.13, 0.7, 0.13, 0.35])  # of lines in one hand, standard deviations


def measure(ink: Ink) -> Measure:
    """Slant, width, pen lifts, curvature and proportions of one line of normalised ink that says its text.

    Raises ValueError where the text is missing or blank.
    """
    letters = sum(not c.isspace() for c in ink.text or "")
    if not letters:
        raise ValueError(f"measuring a hand needs ink that says its text, and ink.text is {ink.text!r}")
    steps = [np.diff(stroke.astype(np.float64), axis=0) for stroke in ink.strokes]
    step = np.concatenate(steps)
    down = step[step[:, 1] > 0.5 * np.hypot(*step.T)]
    slant = -down[:, 0].sum() / max(down[:, 1].sum(), 1e-9)
    angles = [np.diff(np.arctan2(s[:, 1], s[:, 0])) for s in steps]
    turning = np.abs((np.concatenate(angles) + np.pi) % (2 * np.pi) - np.pi).sum()
    y = np.concatenate(ink.strokes)[:, 1]
    left, _, right, _ = ink.bounds
    return Measure(
        slant=float(slant),
        width=(right - left) / len((ink.text or "").strip()),
        lifts=len(ink.strokes) / letters,
        turning=float(turning) / letters,
        ascent=-float(np.percentile(y, 3)),
        descent=float(np.percentile(y, 98)),
    )
