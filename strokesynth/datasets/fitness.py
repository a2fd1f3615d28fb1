"""Which lines to leave out of a corpus: those that would teach nonsense, by their text and by their shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strokesynth.datasets.sample import IAM, Sample
from strokesynth.ink import Ink


@dataclass(frozen=True)
class Limits:
    """What a normalised line may look like; anything else is left out. Lengths in x-heights.

    Attributes:
        top, bottom: how far ink may reach above and below the baseline.
        points: fewest and most points per character.
        width: least and most width per character, in lines of at least eight characters.
        mismatch: by what factor a line may be wider or narrower than its text and its writer's other lines
            let expect; such lines are mostly mislabelled.
        longest: most points of a line.
    """

    top: float = 5.5
    bottom: float = 4.0
    points: tuple[float, float] = (3.0, 40.0)
    width: tuple[float, float] = (0.3, 2.6)
    mismatch: float = 1.6
    longest: int = 1000


LIMITS = {
    "generation": Limits(),
    "recognition": Limits(7.0, 5.0, (2.0, 60.0), (0.2, 4.0), 2.2, 2500),
}
"""The limits of each task of a corpus."""

_LONG = 8
"""From so many characters on, the width of a line tells something about its text."""


def unusable(sample: Sample, text: str) -> str | None:
    """Say why a recorded sample of ``text`` cannot be used whatever its normalised ink, or None."""
    if not text:
        return "no text"
    if not (text.isascii() and text.isprintable()):
        return "text is not printable ASCII"
    if sample.source == IAM and "#" in text:
        return "struck-out or unreadable writing (#)"
    width, height = np.ptp(np.concatenate(sample.ink.strokes), axis=0)
    # One line of n characters is about 0.35 n times as wide as high, whatever its unit.
    if len(text) >= _LONG and width < 0.1 * len(text) * height:
        return "not one line: too high for its width"
    return None


def implausible(text: str, ink: Ink, limits: Limits) -> str | None:
    """Say why normalised ink does not look like one line of ``text``, or None."""
    _, top, right, bottom = ink.bounds
    density = ink.n_points / len(text)
    if -top > limits.top or bottom > limits.bottom:
        return "too high for one line"
    if several_rows(ink):
        return "several rows, or not level"
    if not limits.points[0] <= density <= limits.points[1]:
        return f"{'few' if density < limits.points[0] else 'many'} points for its text"
    if len(text) >= _LONG and not limits.width[0] <= right / len(text) <= limits.width[1]:
        return f"too {'narrow' if right / len(text) < limits.width[0] else 'wide'} for its text"
    if ink.n_points > limits.longest:
        return "too long"
    return None


def mismatched(texts: Sequence[str], widths: Sequence[float], limits: Limits) -> list[bool]:
    """Tell which lines of one group are much wider or narrower, for their text, than the median of the group.

    widths: of the ink of each text, in one unit.
    """
    if not texts:
        return []
    ratios = [float(np.log(w / expected_width(text))) for text, w in zip(texts, widths, strict=True)]
    middle = float(np.median(ratios))
    return [
        len(text) >= _LONG and abs(ratio - middle) > np.log(limits.mismatch)
        for text, ratio in zip(texts, ratios, strict=True)
    ]


def several_rows(ink: Ink) -> bool:
    """Whether the pen returned to the left and went on in a lower row, or one long line sags as if it had.

    Then the strokes from some one on start to the left of what was written before and lie lower, on average.
    """
    counts = np.array([len(s) for s in ink.strokes])
    points, first = np.concatenate(ink.strokes), np.cumsum(counts) - counts
    middle = np.add.reduceat(points[:, 1], first) / counts
    left = points[first[1:], 0]
    right = np.maximum.accumulate(np.maximum.reduceat(points[:, 0], first))[:-1]
    before, sums = np.cumsum(counts)[:-1], np.cumsum(counts * middle)
    after = len(points) - before
    lower = (sums[-1] - sums[:-1]) / after - sums[:-1] / before
    return bool(((lower > 1.3) & (left < right - 3) & (np.minimum(before, after) > 0.1 * len(points))).any())


def expected_width(text: str) -> float:
    """Return about how wide text is, in widths of a common letter."""
    return sum(0.6 if c in "iljtfI.,:;'!|()[]" else 1.6 if c in "mwMWQ@%" else 1.0 for c in text)
