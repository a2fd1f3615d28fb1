"""The difference of two writings of the same word, for generated ones beside those of people.

Lines are normalised alike, whoever wrote them, and cut into words where a reader found these, so that scribble counts
for nothing. The difference of two writings of a word is the mean distance, in x-heights, between the points of one
and those of the other that belong together, after dynamic time warping (Sakoe and Chiba 1978, "Dynamic programming
algorithm optimization for spoken word recognition"): the words are laid on each other by their centres, their
strokes taken in writing order.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from strokesynth.datasets.corpus import Corpus, spread
from strokesynth.ink import Ink
from strokesynth.ink.normalize import estimate_baseline, normalize
from strokesynth.ink.words import split_words
from strokesynth.recognition.reading import Reading

SPACING = 0.15
"""Distance between the points of a word that are compared, in x-heights."""

LINES = (
    "So they had not been there with the others",
    "It was all that you and the children have",
    "We are for this and not for the older one",
    "She was with him from that hour when they met",
    "Some of his letters were from her and the boy",
    "I have their word, which would not have been",
    "He will say more about the man who has this",
    "The one that you could not have had for less",
)
"""Lines that are written to be compared. Their `WORDS` are also common in whatever people wrote."""

WORDS = frozenset(
    """the and was with that have had his for from which were not this are been they you him their would there
    when will one all has her more about could""".split()
)

LEAST_PAIRS = 5
"""Number of pairs that a word needs of each kind, so that it counts."""

_DRAWS = 2000
_OF_ONE = 20  # lines of one writer

Floats = NDArray[np.float64]


class WrittenWord(NamedTuple):
    """One word as someone wrote it."""

    word: str
    hand: Hashable  # who wrote it: a writer, a style
    line: Hashable  # the line it is from; words of one line are not compared with each other
    place: Hashable  # its place in its text, which two writings of one text share
    shape: Floats  # (n, 2) as `shape` gives it


def as_read(ink: Ink) -> Ink:
    """Written ink normalised as a line of unknown text, as the lines of a recognition corpus are."""
    return normalize(Ink(ink.strokes), baseline=estimate_baseline(Ink(ink.strokes), text=""))


def shape(strokes: Iterable[NDArray[np.floating]], spacing: float = SPACING) -> Floats:
    """Points (n, 2) along strokes (k, 2) in writing order, about equally far apart, their centre at the origin.

    Each stroke has its ends, and as many points between as make the distance nearest to `spacing`; a dot has one.
    """
    rows = []
    for stroke in strokes:
        points = np.asarray(stroke, np.float64)
        way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
        count = 1 if way[-1] == 0 else 1 + max(1, round(way[-1] / spacing))
        at = np.linspace(0.0, way[-1], count)
        rows.append(np.column_stack([np.interp(at, way, points[:, axis]) for axis in (0, 1)]))
    result: Floats = np.concatenate(rows)
    return result - result.mean(0)


def difference(a: Floats, b: Floats) -> float:
    """Mean distance of points a (n, 2) and b (m, 2) along the best warping of one onto the other, in their unit.

    Sakoe and Chiba's symmetric form: a step in both counts twice, so that every warping has the weight n + m, by
    which the sum of distances is divided. Raises ValueError where one has no points.
    """
    if not len(a) or not len(b):
        raise ValueError(f"warping needs points on both sides; got {len(a)} and {len(b)}")
    distance = np.hypot(a[:, None, 0] - b[None, :, 0], a[:, None, 1] - b[None, :, 1])
    best = np.append(0.0, np.full(len(b), np.inf))  # best cost of the points so far with the first j of b
    for row in distance:
        arrived = np.minimum(best[1:] + row, best[:-1] + 2 * row)
        # Going on along the row adds its distances, and once they are taken off this is a running minimum.
        along = np.cumsum(row)
        best[0] = np.inf
        best[1:] = along + np.minimum.accumulate(arrived - along)
    return float(best[-1] / (len(a) + len(b)))


def lines_of_people(corpus: Corpus, sources: Sequence[str], most: int, seed: int) -> NDArray[np.int64]:
    """Indices of at most so many lines of a corpus that have several of `WORDS`.

    Of the first of these sources that has any, so that all were written on the same instrument; of some writers as many
    as they have, up to `_OF_ONE`, since pairs need several lines of one; of any split.
    """
    some: list[int] = []
    for source in sources:
        lines = np.flatnonzero(corpus.sources == source).tolist()
        some = [i for i in lines if len(WORDS.intersection(str(corpus.texts[i]).split())) > 1]
        if some:
            break
    indices, chosen = np.array(some, np.int64), list[int]()
    writers = corpus.writers[indices]
    for writer in np.random.default_rng(seed).permutation(np.unique(writers)):
        chosen += spread(indices[writers == writer], _OF_ONE).tolist()
    return np.array(sorted(chosen[:most]), np.int64)


def cut_words(
    ink: Ink, text: str, reading: Reading, *, hand: Hashable, line: Hashable, label: Hashable = None
) -> list[WrittenWord]:
    """The `WORDS` of a line of normalised ink that its reader read as they are in the text.

    `label` names the text where several lines have the same: its words can then be found again in those.
    """
    written = text.split()
    edits = Levenshtein.opcodes(written, reading.text.split())
    right = {
        e.dest_start + k: e.src_start + k
        for e in edits
        if e.tag == "equal"
        for k in range(e.src_end - e.src_start)
        if written[e.src_start + k] in WORDS
    }
    if not right:
        return []
    owner = [np.full(len(stroke), -1) for stroke in ink.strokes]
    for index, character in enumerate(reading.characters):
        for stroke, start, stop in character.spans:
            owner[stroke][start:stop] = index
    if any((of < 0).any() for of in owner):
        return []
    result = []
    for k, word in enumerate(split_words(Ink.from_strokes(ink.strokes, reading.text, owner))):
        if k in right:
            strokes = np.split(word.points, np.cumsum(word.lengths)[:-1])
            result.append(WrittenWord(word.text, hand, line, (label, right[k]), shape(strokes)))
    return result


def pairs(
    writings: Sequence[WrittenWord], *, one_hand: bool, one_text: bool, most: int, seed: int
) -> dict[str, list[tuple[WrittenWord, WrittenWord]]]:
    """Pair the writings of each word in different lines: of one hand or of two, at one place in a text or at any.

    A word has at most `most` pairs. Of those in one hand, about equally many come from each hand that has several.
    """
    rng = Random(seed)
    groups: dict[tuple[str, Hashable, Hashable], list[WrittenWord]] = defaultdict(list)
    for w in writings:
        groups[w.word, w.place if one_text else None, w.hand if one_hand else None].append(w)
    found: dict[str, dict[Hashable, list[tuple[WrittenWord, WrittenWord]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for (word, _, hand), group in groups.items():
        # The writings of many people make millions of pairs.
        some = rng.sample(group, min(len(group), max(most, _OF_ONE)))
        for a, b in itertools.combinations(some, 2):
            if a.line != b.line and (a.hand == b.hand) == one_hand:
                found[word][hand].append((a, b))
    result = {}
    for word, by_hand in found.items():
        shuffled = [rng.sample(of, len(of)) for of in by_hand.values()]
        turns = [pair for turn in itertools.zip_longest(*shuffled) for pair in turn if pair is not None]
        result[word] = turns[:most]
    return result


class Comparison(NamedTuple):
    """Mean differences over words, in x-heights, with 95 % intervals by bootstrap over words."""

    words: tuple[str, ...]
    pairs: dict[str, int]
    means: dict[str, tuple[float, float, float]]  # mean, low, high of each kind of pair
    ratios: dict[tuple[str, str], tuple[float, float, float]]


def compare(
    kinds: Mapping[str, Mapping[str, Sequence[float]]],
    ratios: Iterable[tuple[str, str]] = (),
    *,
    seed: int = 0,
) -> Comparison:
    """The mean difference of each kind of pair, given as {kind: {word: differences}}, and ratios of these means.

    Only words of which every kind has `LEAST_PAIRS` count, and each of them alike, whatever its number of pairs.
    Without such a word, all means are nan.
    """
    words = sorted(
        word
        for word in set().union(*kinds.values())
        if all(len(of.get(word, ())) >= LEAST_PAIRS for of in kinds.values())
    )
    table = {kind: np.array([np.mean(of[word]) for word in words]) for kind, of in kinds.items()}
    drawn = np.random.default_rng(seed).integers(0, max(1, len(words)), (_DRAWS, len(words)))

    def interval(value: float, draws: Floats) -> tuple[float, float, float]:
        low, high = np.quantile(draws, [0.025, 0.975])
        return float(value), float(low), float(high)

    nothing = (float("nan"),) * 3
    means, quotients = dict.fromkeys(kinds, nothing), dict.fromkeys(ratios, nothing)
    if words:
        draws = {kind: values[drawn].mean(1) for kind, values in table.items()}
        for kind, values in table.items():
            means[kind] = interval(values.mean(), draws[kind])
        for a, b in quotients:
            quotients[a, b] = interval(table[a].mean() / table[b].mean(), draws[a] / draws[b])
    counts = {kind: sum(len(of[word]) for word in words) for kind, of in kinds.items()}
    return Comparison(tuple(words), counts, means, quotients)
