"""How legible written ink is: a recogniser reads it as a stranger would, and what it reads is compared with the text.

The reader is given the ink alone, normalises it itself and takes the best path through its frames, without a
language model: what it cannot see it cannot guess.
"""

from __future__ import annotations

import re
import warnings
import zlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeGuard

import numpy as np
from rapidfuzz.distance import Levenshtein

from strokesynth._batches import by_length
from strokesynth.evaluation.metrics import ErrorRate, canonical, character_edits, error_rate, word_edits
from strokesynth.ink import Ink
from strokesynth.recognition.recognizer import Recognizer
from strokesynth.synthesis.session import SynthesisError
from strokesynth.synthesis.style import Style
from strokesynth.synthesis.synthesizer import Synthesizer

FAILED = 0.5
"""A line has failed when more than this share of its characters is wrong."""

_TOGETHER = 64  # lines written, or read, between two movements of the progress bar
_LETTERS = re.compile(r"[A-Za-z ,.;:!?'\"()-]*")
_DIGITS = re.compile(r"[A-Za-z0-9 ,.;:!?'\"()-]*")

Advance = Callable[[int], object]


def _silent(lines: int) -> None:
    """No progress bar."""


def write_lines(
    synthesizer: Synthesizer,
    texts: Sequence[str],
    *,
    seed: int,
    label: str,
    bias: float | None = None,
    style: str | Style | Ink | None = None,
    proofread: bool = False,
    progress: Advance = _silent,
) -> list[Ink | None]:
    """Ink of each text; None where the network did not come to its end.

    Lines of like length are written together. What is written depends on the arguments alone; another label gives
    other writings with the same seed.
    """
    inks: list[Ink | None] = [None] * len(texts)
    start = 0
    for batch in by_length([len(text) for text in texts], most=_TOGETHER):
        part = batch.tolist()
        numbers = np.random.SeedSequence([seed, zlib.crc32(label.encode()), start])
        start += len(part)
        first, *others = (int(n) for n in numbers.generate_state(1 + len(part)))

        def some(indices: list[int], seed: int) -> None:
            chosen = [texts[i] for i in indices]
            written = synthesizer.write_lines(chosen, bias=bias, style=style, seed=seed, proofread=proofread)
            for i, ink in zip(indices, written, strict=True):
                inks[i] = ink

        try:
            some(part, first)
        except SynthesisError:  # A single line failed, and the others are not to blame.
            for i, other in zip(part, others, strict=True):
                try:
                    some([i], other)
                except SynthesisError:
                    continue
        progress(len(part))
    return inks


def has_extent(ink: Ink | None) -> TypeGuard[Ink]:
    """Whether there is ink of more than a dot, since no other can be read."""
    return ink is not None and ink.bounds[:2] != ink.bounds[2:]


def read_lines(
    recognizer: Recognizer, inks: Sequence[Ink | None], *, progress: Advance = _silent
) -> list[str]:
    """The reader's text of each ink, empty where there is no ink or only a dot."""
    readings = [""] * len(inks)
    present = [(i, ink) for i, ink in enumerate(inks) if has_extent(ink)]
    for batch in by_length([sum(map(len, ink.strokes)) for _, ink in present], most=_TOGETHER):
        part = [present[k] for k in batch]
        with warnings.catch_warnings():
            # A scribble may look like two lines; it is a bad line all the same.
            warnings.simplefilter("ignore", UserWarning)
            found = recognizer.read_lines([ink for _, ink in part])
        for (i, _), reading in zip(part, found, strict=True):
            readings[i] = reading.text
        progress(len(part))
    progress(len(inks) - len(present))
    return readings


@dataclass(frozen=True)
class Legibility:
    """How some lines were read. See `strokesynth.evaluation.metrics` for what counts as an error, and `FAILED`."""

    lines: int
    cer: ErrorRate
    wer: ErrorRate
    failed: int

    @classmethod
    def of(
        cls, texts: Sequence[str], readings: Sequence[str], groups: Sequence[Hashable] | None = None
    ) -> Legibility:
        """Compare texts with what was read; `groups` say whose lines they are, see `metrics.error_rate`."""
        characters, words = character_edits(texts, readings), word_edits(texts, readings)
        return cls(
            len(texts),
            error_rate(characters, groups),
            error_rate(words, groups),
            int((characters.edits > FAILED * characters.lengths).sum()),
        )

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can hold it, rates as shares."""
        result = asdict(self)
        result["cer"]["rate"], result["wer"]["rate"] = self.cer.rate, self.wer.rate
        return result | {"failed_share": self.failed / max(1, self.lines)}


def worst(texts: Sequence[str], readings: Sequence[str], count: int) -> list[int]:
    """Indices of the lines with the largest share of errors, the worst first; none that was read right."""
    edits, lengths = character_edits(texts, readings)
    order = np.argsort(-(edits / np.maximum(lengths, 1)), kind="stable")
    return [int(i) for i in order[:count] if edits[i]]


def recognised(written: str, index: int, read: str) -> bool:
    """Whether the character at `index` of what was written is found in what was read.

    It is found if a shortest sequence of edits leaves it as it is. Where several are equally short, any of them may
    be taken. Raises ValueError for an index outside the text, or in a text that scoring would change.
    """
    if not 0 <= index < len(written):
        raise ValueError(f"index is {index}; {written!r} has {len(written)} characters")
    if canonical(written) != written:
        raise ValueError(f"blanks in a row or at the ends do not count, and {written!r} has some")
    edits = Levenshtein.opcodes(written, canonical(read))
    return any(e.tag == "equal" and e.src_start <= index < e.src_end for e in edits)


def kind_of(text: str) -> str:
    """The kind of a real line: "letters" (with the marks of prose), "digits" among them, or other "symbols"."""
    return "letters" if _LETTERS.fullmatch(text) else "digits" if _DIGITS.fullmatch(text) else "symbols"
