"""How well a recogniser reads the lines of a corpus: what `recognize.py --evaluate` prints."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strokesynth._batches import by_length
from strokesynth.datasets.corpus import Corpus
from strokesynth.evaluation.metrics import (
    Confusion,
    ErrorRate,
    canonical,
    character_edits,
    confusions,
    error_rate,
    word_edits,
)
from strokesynth.ink import Ink
from strokesynth.recognition.reading import Reading
from strokesynth.recognition.recognizer import Recognizer

_LINES = 128  # read at a time, between two movements of the progress bar
_BINS = (0.0, 0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0)  # of confidence

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Worst:
    """A line that was read badly."""

    id: str
    written: str
    read: str
    edits: int
    confidence: float


@dataclass(frozen=True)
class Calibration:
    """Lines whose confidence lies between two bounds."""

    low: float
    high: float
    lines: int
    character_error: float


@dataclass(frozen=True)
class RecognitionEvaluation:
    """How well lines were read.

    cer, wer: with intervals by bootstrap over writers. auc: the probability that of two lines, one read without an
    error and one with, the former has the higher confidence. See `strokesynth.evaluation.metrics` for what counts as an
    error.
    """

    lines: int
    writers: int
    cer: ErrorRate
    wer: ErrorRate
    right_lines: float
    auc: float
    calibration: tuple[Calibration, ...]
    worst: tuple[Worst, ...]
    confusions: tuple[Confusion, ...]
    lines_per_second: float

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        result = asdict(self)
        result["cer"]["rate"], result["wer"]["rate"] = self.cer.rate, self.wer.rate
        result["confusions"] = [c._asdict() for c in self.confusions]
        return {key: _finite(value) for key, value in result.items()}


def read_corpus(
    recognizer: Recognizer,
    corpus: Corpus,
    indices: Ints,
    *,
    progress: Callable[[int], object] = lambda lines: None,
    **options: Any,
) -> list[Reading]:
    """The readings of these lines of a corpus, whose ink is normalised. `options` are those of `read_lines`."""
    readings: dict[int, Reading] = {}
    # Lines of similar length are read faster together.
    for batch in by_length(corpus.lengths[indices], most=_LINES):
        inks = [Ink.from_offsets(corpus.offsets(int(i))) for i in indices[batch]]
        readings.update(
            zip(batch.tolist(), recognizer.read_lines(inks, normalized=True, **options), strict=True)
        )
        progress(len(batch))
    return [readings[i] for i in range(len(indices))]


def evaluate(
    recognizer: Recognizer,
    corpus: Corpus,
    indices: Ints,
    *,
    worst: int = 10,
    progress: Callable[[int], object] = lambda lines: None,
    **options: Any,
) -> RecognitionEvaluation:
    """Read lines of a corpus and compare with their texts. Raises ValueError where there is no line."""
    if not len(indices):
        raise ValueError("there is no line to read")
    start = time.perf_counter()
    readings = read_corpus(recognizer, corpus, indices, progress=progress, **options)
    seconds = time.perf_counter() - start
    return score(
        [str(t) for t in corpus.texts[indices]],
        readings,
        writers=[str(w) for w in corpus.writers[indices]],
        ids=[str(i) for i in corpus.ids[indices]],
        worst=worst,
        seconds=seconds,
    )


def score(
    written: Sequence[str],
    readings: Sequence[Reading],
    *,
    writers: Sequence[str],
    ids: Sequence[str],
    worst: int = 10,
    seconds: float = float("nan"),
) -> RecognitionEvaluation:
    """Compare readings with what was written."""
    texts = [reading.text for reading in readings]
    confidence = np.array([reading.confidence for reading in readings])
    characters, words = character_edits(written, texts), word_edits(written, texts)
    right = characters.edits == 0
    # Lines are ranked by their share of errors, but so that the shortest do not crowd out all others.
    badness = characters.edits / np.maximum(characters.lengths, 10)
    calibration = []
    for low, high in zip(_BINS, _BINS[1:], strict=False):
        inside = (confidence >= low) & ((confidence < high) | (high == 1.0))
        length = int(characters.lengths[inside].sum())
        error = float(characters.edits[inside].sum() / length) if length else float("nan")
        calibration.append(Calibration(low, high, int(inside.sum()), error))
    return RecognitionEvaluation(
        len(readings),
        len(set(writers)),
        error_rate(characters, writers),
        error_rate(words, writers),
        float(right.mean()),
        _auc(confidence[right], confidence[~right]),
        tuple(calibration),
        tuple(
            Worst(ids[i], canonical(written[i]), texts[i], int(characters.edits[i]), readings[i].confidence)
            for i in np.argsort(-badness, kind="stable")[:worst]
            if characters.edits[i]
        ),
        tuple(confusions(written, texts)),
        len(readings) / seconds,
    )


def _auc(high: NDArray[np.float64], low: NDArray[np.float64]) -> float:
    """Probability that one of `high` is greater than one of `low`, ties counted half."""
    if not len(high) or not len(low):
        return float("nan")
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, side="left") + np.searchsorted(ordered, high, side="right")
    return float(below.mean() / (2 * len(low)))


def _finite(value: Any) -> Any:
    """The value with None for numbers that JSON does not know."""
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
