"""How well lines were read: character and word error rates, their confidence intervals, and which characters fail.

An error rate is the number of edits (substitutions, insertions, deletions; Levenshtein distance) between all readings
and what was written, over the length of what was written, in characters or in words. It can exceed 1.

Both sides are first brought to one form by `canonical`, the only normalisation there is: runs of blanks count as
one, those at the ends not at all. Case and punctuation count. Words are what blanks separate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

Ints = NDArray[np.int64]

RESAMPLES = 2000
"""Number of times that the bootstrap draws the lines, or the groups of lines, anew."""


def canonical(text: str) -> str:
    """The text as it is scored: single blanks, none at the ends."""
    return " ".join(text.split())


class Edits(NamedTuple):
    """The numbers of edits that separate readings from references, line by line."""

    edits: Ints  # (n,)
    lengths: Ints  # (n,) of the references


@dataclass(frozen=True)
class ErrorRate:
    """Edits over length of all lines together, with the bounds of its confidence interval."""

    edits: int
    length: int
    low: float
    high: float

    @property
    def rate(self) -> float:
        """Edits over length; nan without any reference to compare with."""
        return self.edits / self.length if self.length else float("nan")

    def __str__(self) -> str:
        return f"{100 * self.rate:.2f} % ({100 * self.low:.2f} to {100 * self.high:.2f})"


class Confusion(NamedTuple):
    """A character that was read as another; "" on one side where there was none."""

    written: str
    read: str
    times: int


def character_edits(references: Sequence[str], readings: Sequence[str]) -> Edits:
    """Edits in characters of each reading. Raises ValueError when the two are not equally many."""
    pairs = _pairs(references, readings)
    return Edits(
        np.array([Levenshtein.distance(a, b) for a, b in pairs], np.int64),
        np.array([len(a) for a, _ in pairs], np.int64),
    )


def word_edits(references: Sequence[str], readings: Sequence[str]) -> Edits:
    """Edits in words of each reading. Raises ValueError when the two are not equally many."""
    pairs = [(a.split(), b.split()) for a, b in _pairs(references, readings)]
    return Edits(
        np.array([Levenshtein.distance(a, b) for a, b in pairs], np.int64),
        np.array([len(a) for a, _ in pairs], np.int64),
    )


def error_rate(
    found: Edits, groups: Sequence[Hashable] | None = None, *, level: float = 0.95, seed: int = 0
) -> ErrorRate:
    """The error rate of all lines, with a bootstrap confidence interval.

    groups: (n,) what belongs together, such as the writer of each line: whole groups are drawn with replacement
    (Davison and Hinkley 1997, section 3.8), because lines of one hand fail together, and an interval from single
    lines would be too narrow. None draws lines. The interval is that of percentiles over `RESAMPLES` draws.
    Raises ValueError where the groups do not match, or level is not between 0 and 1.
    """
    edits, lengths = (np.asarray(values, np.int64) for values in found)
    if groups is not None and len(groups) != len(edits):
        raise ValueError(f"each line has one group; got {len(edits)} lines and {len(groups)} groups")
    if not 0 < level < 1:
        raise ValueError(f"level is {level!r}; expected a number between 0 and 1")
    if not lengths.sum():
        return ErrorRate(int(edits.sum()), 0, float("nan"), float("nan"))
    if groups is not None:
        numbers: dict[Hashable, int] = {}
        index = np.array([numbers.setdefault(g, len(numbers)) for g in groups])
        edits = np.bincount(index, edits, len(numbers))
        lengths = np.bincount(index, lengths, len(numbers))
    rng = np.random.default_rng(seed)
    rates = np.empty(RESAMPLES)
    for k in range(RESAMPLES):
        drawn = rng.integers(0, len(edits), len(edits))
        rates[k] = edits[drawn].sum() / max(1, lengths[drawn].sum())
    low, high = np.quantile(rates, [0.5 - level / 2, 0.5 + level / 2])
    return ErrorRate(int(edits.sum()), int(lengths.sum()), float(low), float(high))


def confusions(references: Sequence[str], readings: Sequence[str]) -> list[Confusion]:
    """Count which characters were read as which, left out or added; the most frequent come first.

    They are those of one shortest sequence of edits for each line. Where several are equally short, any of them may
    be taken.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for written, read in _pairs(references, readings):
        for edit in Levenshtein.editops(written, read):
            a = "" if edit.tag == "insert" else written[edit.src_pos]
            b = "" if edit.tag == "delete" else read[edit.dest_pos]
            counts[a, b] += 1
    return [Confusion(*pair, times) for pair, times in sorted(counts.items(), key=lambda c: (-c[1], c[0]))]


def _pairs(references: Sequence[str], readings: Sequence[str]) -> list[tuple[str, str]]:
    if len(references) != len(readings):
        raise ValueError(
            f"each reference has one reading; got {len(references)} references and {len(readings)} readings"
        )
    return [(canonical(a), canonical(b)) for a, b in zip(references, readings, strict=True)]
