"""Proofreading: what was written is read, word by word, and the words that cannot be read are written again.

Several writings of one text and a recogniser that ranks them more than halve the errors of handwriting synthesis
(Afonin et al. 2023, arXiv:2306.03103). The measure is the likelihood of the intended text under the recogniser, which
also tells apart writings that are read alike; taken of each word, it says what has to be written again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from strokesynth._checks import whole
from strokesynth.ink import Ink
from strokesynth.ink.words import Word, even_gaps, join, split_words, word_spans
from strokesynth.recognition.decoding import align_batch, ctc_log_likelihoods
from strokesynth.synthesis.pieces import WrittenPiece

if TYPE_CHECKING:
    from strokesynth.recognition.recognizer import Recognizer

LIMIT = 0.15
"""Negative log-likelihood, in nats a character, up to which a word is readable: one character in seven is in doubt."""

CANDIDATES = 4
"""Writings of what could not be read, at each attempt."""

_SHORT = (
    5  # characters that a word counts for at least: of a single one, what it is is often a matter of taste
)


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
        if isinstance(limit, bool) or not (math.isfinite(limit) and limit >= 0):
            raise ValueError(f"limit is {limit!r}; expected a number of nats a character of at least 0")
        self._given, self.limit = recognizer, limit
        self.candidates = whole("candidates", candidates, least=1)

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


def repair(
    pieces: Sequence[tuple[str, WrittenPiece]],
    write: Callable[[list[str], int], list[list[WrittenPiece]]],
    reader: Proofreader,
) -> list[WrittenPiece]:
    """The pieces, each a text and a writing that has been read, with the best writing of each unreadable word.

    write: gives for each text in a list, and the number of the round, some writings in the hand of the pieces. A piece
    whose words are readable stays as it is; in the others, words keep their distances.
    """
    texts = {(i, k): word for i, (text, _) in enumerate(pieces) for k, word in enumerate(text.split())}
    nll = {(i, k): _word_nll(pieces[i][1], k) for i, k in texts}
    found: dict[Place, Word] = {}
    weak = {place for place, word in texts.items() if not reader.readable(word, nll[place])}
    original = {i: split_words(pieces[i][1].ink) for i in {i for i, _ in weak}}
    for i, words in original.items():
        for place in [place for place in texts if place[0] == i]:
            if words:
                found[place] = words[place[1]]
            else:  # they cannot be told apart, and none can be kept
                weak.add(place)
                nll[place] = math.inf
    better = set()
    for number in range(ROUNDS):
        places = [place for place in texts if place in weak]
        if not places:
            break
        for place, word, value in _again(places, texts, write, reader, number):
            if value < nll[place]:
                found[place], nll[place] = word, value
                better.add(place)
                if reader.readable(texts[place], value):
                    weak.discard(place)
    result = [writing for _, writing in pieces]
    for i in {i for i, _ in better}:
        places = [place for place in texts if place[0] == i]
        if all(place in found for place in places):
            values = np.array([nll[place] for place in places])
            gaps = [word.gap for word in original[i]] or [math.nan] * len(places)
            words = [found[place]._replace(gap=gap) for place, gap in zip(places, gaps, strict=True)]
            result[i] = WrittenPiece(join(even_gaps(words)), None, values)
    return result


def _word_nll(writing: WrittenPiece, word: int) -> float:
    if writing.word_nlls is None:
        raise ValueError("a piece is repaired where it was read, and this one was not")
    return float(writing.word_nlls[word])


def _again(
    places: Sequence[Place],
    texts: dict[Place, str],
    write: Callable[[list[str], int], list[list[WrittenPiece]]],
    reader: Proofreader,
    number: int,
) -> list[tuple[Place, Word, float]]:
    """New writings of the words at these places, side by side as many as make a line, and how bad each is."""
    packs: list[list[Place]] = [[]]
    for place in places:
        if packs[-1] and sum(len(texts[p]) + 1 for p in packs[-1]) + len(texts[place]) > _TOGETHER:
            packs.append([])
        packs[-1].append(place)
    lines = [" ".join(texts[place] for place in pack) for pack in packs]
    tried = [
        (pack, line, writing)
        for pack, line, writings in zip(packs, lines, write(lines, number), strict=True)
        for writing in writings
    ]
    read = reader.word_nlls([line for _, line, _ in tried], [writing.ink for _, _, writing in tried])
    return [
        (place, word, float(value))
        for (pack, _, writing), values in zip(tried, read, strict=True)
        for place, word, value in zip(pack, split_words(writing.ink), values, strict=False)
        # Where the words cannot be told apart there are none.
    ]
