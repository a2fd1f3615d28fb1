"""Results of reading: the text, the confidence in it, and which ink forms which character."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strokesynth.alphabet import Alphabet
from strokesynth.ink import Ink
from strokesynth.ink.normalize import Baseline
from strokesynth.nn.recognition import RecognitionNetwork
from strokesynth.recognition.decoding import align
from strokesynth.recognition.segmentation import FeatureRows, owners, spans

Span = tuple[int, int, int]
"""A stroke, its first point and one past its last."""


@dataclass(frozen=True)
class ReadCharacter:
    """One character of a reading.

    confidence: the network's probability of it where it was recognised. spans: the ink that says it, as (stroke, start,
    stop) in the strokes and points of the ink that was read, which is the whole page in `Recognizer.read_page`; each
    point belongs to one character at most, and blanks have none. box: left, top, right, bottom of that ink in its
    units, or None.
    """

    text: str
    confidence: float
    spans: tuple[Span, ...]
    box: tuple[float, float, float, float] | None


@dataclass(frozen=True)
class Reading:
    """What one ink says. `str(reading)` is its text.

    text: without blanks at its ends, with one blank between words. confidence: 0 to 1, see `Recognizer`.
    alternatives: (text, confidence) of other readings, the most likely first, where they were asked for.
    """

    text: str
    confidence: float
    alternatives: tuple[tuple[str, float], ...] = ()
    _evidence: Evidence | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return self.text

    @cached_property
    def characters(self) -> tuple[ReadCharacter, ...]:
        """The characters of the text with the ink that says each; worked out when first asked for."""
        return () if self._evidence is None or not self.text else _locate(self._evidence, self.text)

    def of_page(self, strokes: NDArray[np.int64]) -> Reading:
        """The same with spans in the strokes of a page, of which the line has those with these indices (s,)."""
        if self._evidence is None:
            return self
        return replace(self, _evidence=self._evidence._replace(stroke_indices=strokes))

    def to_dict(self) -> dict[str, Any]:
        """Text, confidence and alternatives as JSON can hold them; confidences have four decimal places."""
        alternatives = [{"text": text, "confidence": round(c, 4)} for text, c in self.alternatives]
        return {"text": self.text, "confidence": round(self.confidence, 4), "alternatives": alternatives}


class PageReading(tuple[Reading, ...]):
    """The readings of a page's lines, from top to bottom. `str(page)` is its text."""

    __slots__ = ()

    def __str__(self) -> str:
        return self.text

    @property
    def text(self) -> str:
        """What the page says, line by line."""
        return "\n".join(reading.text for reading in self)

    @property
    def confidence(self) -> float:
        """The geometric mean, over all characters of the page, of the confidences of their lines."""
        sizes = [max(1, len(reading.text)) for reading in self]
        logs = [math.log(max(reading.confidence, 1e-30)) for reading in self]
        return math.exp(sum(n * log for n, log in zip(sizes, logs, strict=True)) / sum(sizes))

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it, confidences with four decimal places.

        Text and confidence of the page, its lines, and the characters of all of them, each with the number of its
        line, its spans in the strokes of the page, and its box. Alternatives stand with their line; a page of one line
        has them as well.
        """
        characters = [
            {
                "text": c.text,
                "confidence": round(c.confidence, 4),
                "line": number,
                "spans": [list(span) for span in c.spans],
                "box": None if c.box is None else list(c.box),
            }
            for number, reading in enumerate(self)
            for c in reading.characters
        ]
        lines = [reading.to_dict() for reading in self]
        return {
            "text": self.text,
            "confidence": round(self.confidence, 4),
            "alternatives": lines[0]["alternatives"] if len(lines) == 1 else [],
            "lines": lines,
            "characters": characters,
        }


class Evidence(NamedTuple):
    """What is kept of an ink to find its characters later, about 35 kB for a line."""

    ink: Ink
    baseline: Baseline | None  # None where the ink was normalised already
    rows: FeatureRows
    log_probs: NDArray[np.float16]  # (T', C)
    alphabet: Alphabet
    # Of a line of a page: (s,), the indices of its strokes in the page.
    stroke_indices: NDArray[np.int64] | None = None


def point_characters(evidence: Evidence, text: str) -> tuple[list[NDArray[np.int64]], NDArray[np.float64]]:
    """Which character of the text each point of the ink belongs to, whatever the ink was read as.

    Returns for each stroke an int array (n,) of indices into `text`, never that of a blank, and the network's
    probability of each character (U,) where it was recognised.
    Raises ValueError for a text without a visible character, and where no path through the frames says the text.
    """
    log_probs = evidence.log_probs.astype(np.float64)
    codes = evidence.alphabet.encode(text)
    inked = np.array([k for k, c in enumerate(text) if c != " "], np.int64)
    if not len(inked):
        raise ValueError(f"ink is aligned to visible characters, and the text is {text!r}")
    aligned = align(log_probs, codes)
    peaks = np.array([a + log_probs[a:b, c].argmax() for (a, b), c in zip(aligned, codes, strict=True)])
    confidences = np.exp(log_probs[peaks, codes]).clip(0.0, 1.0)
    rows = evidence.rows
    strokes = [s.astype(np.float64) for s in evidence.ink.strokes]
    if evidence.baseline is not None:
        strokes = [evidence.baseline.level(s) for s in strokes]
        left = min(float(s[:, 0].min()) for s in strokes)
        strokes = [s - [left, 0.0] for s in strokes]
    places = np.minimum(peaks[inked] * RecognitionNetwork.stride, len(rows.points) - 1)
    return [inked[owner] for owner in owners(strokes, rows, places)], confidences


def _locate(evidence: Evidence, text: str) -> tuple[ReadCharacter, ...]:
    """The characters of the text with the ink of each."""
    ink = evidence.ink
    owner, confidences = point_characters(evidence, text)
    found = {k: spans(owner, k) for k, c in enumerate(text) if c != " "}
    page = evidence.stroke_indices

    def counted(own: tuple[Span, ...]) -> tuple[Span, ...]:
        return own if page is None else tuple((int(page[i]), start, stop) for i, start, stop in own)

    return tuple(
        ReadCharacter(c, float(confidences[k]), counted(found.get(k, ())), _box(ink, found.get(k, ())))
        for k, c in enumerate(text)
    )


def _box(ink: Ink, own: tuple[Span, ...]) -> tuple[float, float, float, float] | None:
    if not own:
        return None
    return Ink.from_strokes([ink.strokes[i][start:stop] for i, start, stop in own]).bounds
