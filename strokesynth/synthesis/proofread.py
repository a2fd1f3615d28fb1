"""Proofreading: what was written is read, word by word, and the words that cannot be read are written again.

Several writings of one text and a recogniser that ranks them more than halve the errors of handwriting synthesis
(Afonin et al. 2023, arXiv:2306.03103). The measure is the likelihood of the intended text under the recogniser, which
also tells apart writings that are read alike; taken of each word, it says what has to be written again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from strokesynth.ink import Ink
from strokesynth.ink.words import Word, even_gaps, join, split_words, word_spans
from strokesynth.recognition.decoding import align_batch, ctc_log_likelihoods
from strokesynth.synthesis.options import CANDIDATES, LIMIT, WordReader, check_reading
from strokesynth.synthesis.pieces import WrittenPiece

if TYPE_CHECKING:
    from strokesynth.recognition.recognizer import Recognizer

# Characters that a word counts for at least: what a single one is meant to be is often a matter of taste.
_SHORT = 5


class Proofreader:
    """Judges written lines by how likely a reader is to find their words in them.

    recognizer: the reader; None takes the one in the package, when first needed. limit: nats a character above
    which a word is written again. candidates: writings of it at each attempt; the best of all is kept.
    Raises ValueError for a limit or number out of range.
    """

    def __init__(
        self,
        recognizer: Recognizer | None = None,
        *,
        limit: float = LIMIT,
        candidates: int = CANDIDATES,
    ) -> None:
        """Keep what is needed for judging."""
        check_reading(candidates, limit)
        self._given, self.limit, self.candidates = recognizer, limit, candidates

    @cached_property
    def recognizer(self) -> Recognizer:
        """The reader."""
        from strokesynth.recognition.recognizer import load_recognizer

        return self._given or load_recognizer()

    def word_nlls(self, texts: Sequence[str], inks: Sequence[Ink]) -> list[NDArray[np.float64]]:
        """Negative log-likelihood of each word of each line, in nats: -log p(word | its ink), (words,) a line.

        The inks are normalised. Which ink a word has is told by the most probable alignment of the whole line with its
        text; so a word is read among its neighbours. Infinite for all words where the ink is too short for the text.
        """
        result = [np.full(len(text.split()), math.inf) for text in texts]
        codes = [self.recognizer.alphabet.encode(text) for text in texts]
        read = dict(self.recognizer.frames(inks, normalized=True))
        alignments = align_batch(list(read.values()), [codes[i] for i in read])
        places: list[tuple[int, int]] = []
        frames: list[Tensor] = []
        labels: list[NDArray[np.int64]] = []
        for i, aligned in zip(read, alignments, strict=True):
            if aligned is None:
                continue
            for k, (start, end) in enumerate(word_spans(texts[i])):
                # The frames between two words are those of the blank, which belong to neither.
                first = 0 if start == 0 else aligned[start - 1, 1]
                last = len(read[i]) if end == len(texts[i]) else aligned[end, 0]
                places.append((i, k))
                frames.append(read[i][first:last])
                labels.append(codes[i][start:end])
        for (i, k), log_likelihood in zip(places, ctc_log_likelihoods(frames, labels), strict=True):
            result[i][k] = -log_likelihood
        return result

    def readable(self, word: str, nll: float) -> bool:
        """Whether a word of this negative log-likelihood need not be written again."""
        return nll <= self.limit * max(_SHORT, len(word))


ROUNDS = 3
"""How often words that still cannot be read are written again."""

_TOGETHER = 40  # characters written in one go: bad words are written side by side, as the words of a line are

Place = tuple[int, int]  # which piece, which of its words


class Repair:
    """Pieces that have been read, whose unreadable words are to be written again until they can be read.

    In turns, `wanted` says what is to be written, `take` is given writings of it, and `pieces` has the best of each
    word. A piece whose words are readable stays as it is; in the others, words keep their distances.
    """

    def __init__(self, pieces: Sequence[tuple[str, WrittenPiece]], reader: WordReader) -> None:
        """Take the text and the writing of each piece. Raises ValueError for a writing that was not read."""
        self._reader = reader
        self._written = [writing for _, writing in pieces]
        self._texts = {
            (i, k): word for i, (text, _) in enumerate(pieces) for k, word in enumerate(text.split())
        }
        self._nll = {(i, k): _word_nll(self._written[i], k) for i, k in self._texts}
        self._weak = {
            place for place, word in self._texts.items() if not reader.readable(word, self._nll[place])
        }
        self._better: set[Place] = set()
        self._found: dict[Place, Word] = {}
        self._original = {i: split_words(self._written[i].ink) for i in {i for i, _ in self._weak}}
        for i, words in self._original.items():
            for place in self._places(i):
                if words:
                    self._found[place] = words[place[1]]
                else:  # they cannot be told apart, and none can be kept
                    self._weak.add(place)
                    self._nll[place] = math.inf

    def wanted(self) -> list[str]:
        """The words that cannot be read yet, side by side as many as make a line."""
        return [" ".join(self._texts[place] for place in pack) for pack in self._packs()]

    def take(self, tried: Iterable[Sequence[WrittenPiece]]) -> None:
        """Keep of writings of each wanted line, which have been read, the words that are better than before."""
        for pack, writings in zip(self._packs(), tried, strict=True):
            for writing in writings:
                # Where the words cannot be told apart there are none.
                for k, (place, word) in enumerate(zip(pack, split_words(writing.ink), strict=False)):
                    if (value := _word_nll(writing, k)) < self._nll[place]:
                        self._found[place], self._nll[place] = word, value
                        self._better.add(place)
                        if self._reader.readable(self._texts[place], value):
                            self._weak.discard(place)

    def pieces(self) -> list[WrittenPiece]:
        """The pieces with the best that was found of each word."""
        result = list(self._written)
        for i in {i for i, _ in self._better}:
            places = self._places(i)
            if all(place in self._found for place in places):
                gaps = [word.gap for word in self._original[i]] or [math.nan] * len(places)
                words = [
                    self._found[place]._replace(gap=gap) for place, gap in zip(places, gaps, strict=True)
                ]
                nlls = np.array([self._nll[place] for place in places])
                result[i] = WrittenPiece(join(even_gaps(words)), None, nlls)
        return result

    def _places(self, piece: int) -> list[Place]:
        return [place for place in self._texts if place[0] == piece]

    def _packs(self) -> list[list[Place]]:
        packs: list[list[Place]] = []
        length = 0  # of the last pack, with a blank after each word
        for place in (place for place in self._texts if place in self._weak):
            word = self._texts[place]
            if not packs or length + len(word) > _TOGETHER:
                packs.append([])
                length = 0
            packs[-1].append(place)
            length += len(word) + 1
        return packs


def _word_nll(writing: WrittenPiece, word: int) -> float:
    if writing.word_nlls is None:
        raise ValueError("a piece is repaired where it was read, and this one was not")
    return float(writing.word_nlls[word])
