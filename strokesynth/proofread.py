"""Proofreading: what was written is read, and written again where it cannot be.

Several writings of one text and a recogniser that ranks them more than halve the errors of handwriting synthesis
(Afonin et al. 2023, arXiv:2306.03103). The measure is the likelihood of the intended text under the recogniser, which
also tells apart writings that are read alike.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from strokesynth.ink import Ink

if TYPE_CHECKING:
    from strokesynth.recognizer import Recognizer

LIMIT = 0.07
"""Nats a character by which the reader may be surprised: about one character in fourteen is in doubt."""

WORD_LIMIT = 0.15
"""The same for a word by itself, which is harder to read than among others."""

CANDIDATES = 4
"""Writings of a line at each attempt, where there are few lines: writing some together takes hardly more time."""

_ALONE = (
    1.5  # nats for a letter by itself, which may be another one as well: only what is clearly wrong counts
)


class Proofreader:
    """Judges written lines by how likely a reader is to find their text in them.

    recognizer: the reader; None takes the one in the package, when first needed. limit: nats a character above
    which a line is written again, as often as `strokesynth.synthesizer.ATTEMPTS` allows; the best attempt is kept.
    word_limit: likewise for the words of a page, of each of which the best attempt is kept. candidates: writings at
    each attempt, where there are few lines to write. Raises ValueError for a limit or number out of range.
    """

    def __init__(
        self,
        recognizer: Recognizer | None = None,
        *,
        limit: float = LIMIT,
        word_limit: float = WORD_LIMIT,
        candidates: int = CANDIDATES,
    ) -> None:
        """Keep what is needed for judging."""
        for name, value in (("limit", limit), ("word_limit", word_limit)):
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} is {value!r}; expected a number of nats a character of at least 0")
        if isinstance(candidates, bool) or not isinstance(candidates, int) or candidates < 1:
            raise ValueError(f"candidates is {candidates!r}; expected a whole number of at least 1")
        self._given, self.limit, self.word_limit, self.candidates = recognizer, limit, word_limit, candidates

    @cached_property
    def recognizer(self) -> Recognizer:
        """The reader."""
        from strokesynth.recognizer import load_recognizer

        return self._given or load_recognizer()

    def surprise(self, texts: Sequence[str], inks: Sequence[Ink]) -> list[float]:
        """Nats a character that a reader would be surprised by each of the texts: -log p(text | ink) / length.

        0 for texts without a letter or digit, infinite where the ink is too short for the text.
        """
        result = [0.0] * len(texts)
        judged = [i for i, text in enumerate(texts) if any(c.isalnum() for c in text)]
        judged = [i for i in judged if inks[i].bounds[:2] != inks[i].bounds[2:]]
        with warnings.catch_warnings():
            # A scribble may look like two lines; it is a bad line all the same.
            warnings.simplefilter("ignore", UserWarning)
            likely = self.recognizer.log_likelihoods([inks[i] for i in judged], [texts[i] for i in judged])
        for i, value in zip(judged, likely.tolist(), strict=True):
            result[i] = -value / len(texts[i])
        return result

    def readable(self, word: str, surprise: float) -> bool:
        """Whether a word by itself, of so much surprise, need not be written again."""
        return surprise <= (self.word_limit if sum(c.isalnum() for c in word) > 1 else _ALONE)
