"""Words that a reader cannot read, written again in the same hand and put in the place of the bad ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from strokesynth.ink.words import Word, even_gaps, join, split_words
from strokesynth.lines import Writing
from strokesynth.proofread import Proofreader

ROUNDS = 3
"""How often words that still cannot be read are written again."""

_TOGETHER = 40  # characters written in one go: bad words are written side by side, as the words of a line are

Place = tuple[int, int]  # which piece, which of its words


def repair(
    pieces: Sequence[tuple[str, Writing]],
    write: Callable[[list[str], int], list[list[Writing]]],
    reader: Proofreader,
) -> list[Writing]:
    """The pieces, each a text and a writing that has been read, with the best writing of each unreadable word.

    write: gives for each text in a list, and the number of the round, some writings in the hand of the pieces. A piece
    whose words are readable stays as it is; in the others, words keep their distances.
    """
    texts = {(i, k): word for i, (text, _) in enumerate(pieces) for k, word in enumerate(text.split())}
    surprise = {(i, k): _surprise(pieces[i][1], k) for i, k in texts}
    found: dict[Place, Word] = {}
    weak = {place for place, word in texts.items() if not reader.readable(word, surprise[place])}
    original = {i: split_words(pieces[i][1].ink) for i in {i for i, _ in weak}}
    for i, words in original.items():
        for place in [place for place in texts if place[0] == i]:
            if words:
                found[place] = words[place[1]]
            else:  # they cannot be told apart, and none can be kept
                weak.add(place)
                surprise[place] = math.inf
    better = set()
    for number in range(ROUNDS):
        places = [place for place in texts if place in weak]
        if not places:
            break
        for place, word, value in _again(places, texts, write, reader, number):
            if value < surprise[place]:
                found[place], surprise[place] = word, value
                better.add(place)
                if reader.readable(texts[place], value):
                    weak.discard(place)
    result = [writing for _, writing in pieces]
    for i in {i for i, _ in better}:
        places = [place for place in texts if place[0] == i]
        if all(place in found for place in places):
            values = np.array([surprise[place] for place in places])
            gaps = [word.gap for word in original[i]] or [math.nan] * len(places)
            words = [found[place]._replace(gap=gap) for place, gap in zip(places, gaps, strict=True)]
            result[i] = Writing(join(even_gaps(words)), None, values)
    return result


def _surprise(writing: Writing, word: int) -> float:
    if writing.surprise is None:
        raise ValueError("a piece is repaired where it was read, and this one was not")
    return float(writing.surprise[word])


def _again(
    places: Sequence[Place],
    texts: dict[Place, str],
    write: Callable[[list[str], int], list[list[Writing]]],
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
    read = reader.surprise([line for _, line, _ in tried], [writing.ink for _, _, writing in tried])
    return [
        (place, word, float(value))
        for (pack, _, writing), values in zip(tried, read, strict=True)
        for place, word, value in zip(pack, split_words(writing.ink), values, strict=False)
        # Where the words cannot be told apart there are none.
    ]
