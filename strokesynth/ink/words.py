"""Written lines taken apart into words, which are then ink to be laid out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strokesynth.ink.ink import Ink, joint_legibility

_GAP_CAP = 1.5  # x-heights: a blank that wide is one for sure
_DISSENT = 0.04  # x-heights of blank that outweigh one point whose window was on another word
_FEW = 25.0  # points that a stroke counts for at least: a comma would soon be lost to the next word
_HYPHEN, _HYPHEN_HEIGHT, _HYPHEN_GAP = 0.55, 0.45, 0.25
_BREAK_EARLIER = 0.3  # share of the letters that fit which may be given up to break after a sign
_USUAL_GAP = 1.6
_GAP_RANGE = (0.7, 1.4)  # times the writer's usual blank; other blanks are slips


class Word(NamedTuple):
    """One word as it was written, in x-heights: left edge x = 0, baseline y = 0."""

    text: str
    points: NDArray[np.float64]  # (n, 2)
    lengths: NDArray[np.int64]  # (s,) points of each stroke
    characters: NDArray[np.int64]  # (n,) index into the text
    gap: float  # blank before it in x-heights; nan at the start of what was written in one go
    legibility: float | None = None  # that of the ink it was taken from, see `Ink`

    @property
    def width(self) -> float:
        """The distance from the left edge to the right one, in x-heights."""
        return float(self.points[:, 0].max())

    def transform(self, matrix: NDArray[np.float64], rise: float = 0.0) -> Word:
        """The word under a linear map (2, 2) and then moved up by `rise`; the left edge stays x = 0."""
        points = self.points @ matrix.T - (0.0, rise)
        points[:, 0] -= points[:, 0].min()
        return self._replace(points=points)


def split_words(ink: Ink) -> list[Word]:
    """The words of a written line, by its blanks.

    Each stroke goes to one word. The window that tells where the pen was in the text (`ink.characters`) is a few
    points early or late between words, so blanks have their say as well: with the strokes in order of their
    middles, the words are the cut of them into runs with the widest blanks between, and the fewest points whose
    window was on another word; by dynamic programming over all cuts. Where a word has no stroke, as the pen was
    not lifted or the network left it out, the words cannot be told apart, and there are none in the list.
    Raises ValueError where the ink does not say its characters.
    """
    if ink.text is None or ink.characters is None:
        raise ValueError("a line is taken apart by its characters, and this ink does not say any")
    spans = word_spans(ink.text)
    left, right = (np.array([f(s[:, 0]) for s in ink.strokes], dtype=float) for f in (np.min, np.max))
    order = np.argsort((left + right) / 2, kind="stable")
    starts = np.array([start for start, _ in spans])
    votes = np.zeros((len(ink.strokes), len(spans)))
    for row, characters in zip(votes, ink.characters, strict=True):
        np.add.at(
            row, np.searchsorted(starts, characters, side="right") - 1, max(1.0, _FEW / len(characters))
        )
    cuts = best_cuts(left[order], right[order], votes[order])
    if any(first == last for first, last in zip(cuts[:-1], cuts[1:], strict=True)):
        return []
    words: list[Word] = []
    edge = np.nan
    for (start, end), first, last in zip(spans, cuts[:-1], cuts[1:], strict=True):
        members = np.sort(order[first:last])  # in writing order
        points = np.concatenate([ink.strokes[i] for i in members]).astype(np.float64)
        characters = np.concatenate([ink.characters[i] for i in members]).clip(start, end - 1) - start
        lengths = np.array([len(ink.strokes[i]) for i in members])
        low, high = points[:, 0].min(), points[:, 0].max()
        points[:, 0] -= low
        text, gap = ink.text[start:end], low - edge
        words.append(Word(text, points, lengths, characters.astype(np.int64), gap, ink.legibility))
        edge = high
    return words


def word_spans(text: str) -> list[tuple[int, int]]:
    """First and last + 1 character of each word between blanks."""
    spans, start = [], 0
    for word in text.split(" "):
        if word:
            spans.append((start, start + len(word)))
        start += len(word) + 1
    return spans


def best_cuts(left: NDArray[np.float64], right: NDArray[np.float64], votes: NDArray[np.float64]) -> list[int]:
    """The best cuts of S strokes into W runs, some perhaps empty: W + 1 places from 0 to S.

    left, right (S,): edges of the strokes; votes (S, W): points of each that belong to each word. The score of a
    cut is the sum of its blanks (each up to `_GAP_CAP`) less `_DISSENT` for every point in another word's run.
    """
    strokes, words = votes.shape
    blank = np.zeros(strokes + 1)
    blank[1:-1] = np.minimum.accumulate(left[::-1])[::-1][1:] - np.maximum.accumulate(right)[:-1]
    blank = np.minimum(blank, _GAP_CAP)
    # dissent[w, i] is the penalty of the first i strokes if all of them were in word w.
    dissent = np.zeros((words, strokes + 1))
    dissent[:, 1:] = _DISSENT * np.cumsum(votes.sum(1, keepdims=True) - votes, axis=0).T
    score = -dissent[0]  # score of the first i strokes as the words so far
    chosen = np.zeros((words, strokes + 1), dtype=int)  # where the last of these words starts
    places = np.arange(strokes + 1)
    for w in range(1, words):
        # The word takes strokes j … i - 1 after a blank at j, or nothing, and then there is no blank.
        start = score + blank + dissent[w]
        best = np.maximum.accumulate(start)
        where = np.maximum.accumulate(np.where(start == best, places, 0))
        taken = np.full(strokes + 1, -np.inf)
        taken[1:] = best[:-1] - dissent[w, 1:]
        chosen[w] = np.where(taken >= score, np.concatenate([[0], where[:-1]]), places)
        score = np.maximum(taken, score)
    cuts = [strokes]
    for w in range(words - 1, 0, -1):
        cuts.append(int(chosen[w, cuts[-1]]))
    return [0, *reversed(cuts)]


def even_gaps(words: Sequence[Word]) -> list[Word]:
    """The words with a blank before each: as written, or the usual one of this hand where that is missing.

    Blanks far from the usual one are brought nearer.
    """
    gaps = np.array([word.gap for word in words])
    known = gaps[np.isfinite(gaps)]
    usual = max(float(np.median(known)), _USUAL_GAP / 2) if len(known) else _USUAL_GAP
    gaps = np.where(np.isfinite(gaps), gaps, usual).clip(_GAP_RANGE[0] * usual, _GAP_RANGE[1] * usual)
    return [word._replace(gap=float(gap)) for word, gap in zip(words, gaps, strict=True)]


def join(words: Sequence[Word], stretch: float = 0.0) -> Ink:
    """The words on one baseline, with their blanks made wider by `stretch` x-heights."""
    points, characters, x, start = [], [], 0.0, 0
    for i, word in enumerate(words):
        x += word.gap + stretch if i else 0.0
        points.append(word.points + (x, 0.0))
        characters.append(word.characters + start)
        x += word.width
        start += len(word.text) + 1
    ends = np.cumsum(np.concatenate([word.lengths for word in words]))[:-1]
    return Ink.from_strokes(
        np.split(np.concatenate(points), ends),
        " ".join(word.text for word in words),
        np.split(np.concatenate(characters), ends),
        joint_legibility([(word.text, word.legibility) for word in words]),
    )


def break_word(word: Word, room: float) -> tuple[Word, Word | None]:
    """The start of a word that is no wider than `room`, and the rest.

    It ends after a sign such as - or / if one comes late enough, else with a hyphen. Where not even one
    character fits, the whole word is made smaller instead and there is no rest.
    """
    count = len(word.text)
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, word.characters, word.points[:, 0])
    np.maximum.at(high, word.characters, word.points[:, 0])
    width = np.maximum.accumulate(high) - np.minimum.accumulate(low)  # width of the first k + 1 characters
    signs = np.array([not c.isalnum() for c in word.text])
    width = width + np.where(signs, 0.0, _HYPHEN_GAP + _HYPHEN)
    inked = np.isfinite(low)
    inside = np.logical_or.accumulate(inked) & np.append(
        np.logical_or.accumulate(inked[::-1])[::-1][1:], False
    )
    fitting = np.flatnonzero((width <= room) & inside)
    if not len(fitting):
        return word.transform(np.eye(2) * (room / word.width)), None
    last = int(fitting[-1])
    late = fitting[signs[fitting] & (fitting >= last * (1 - _BREAK_EARLIER))]
    last = int(late[-1]) if len(late) else last
    head, tail = _part(word, word.characters <= last), _part(word, word.characters > last)
    head = head._replace(text=word.text[: last + 1])
    tail = tail._replace(text=word.text[last + 1 :], characters=tail.characters - (last + 1))
    return (head if signs[last] else _with_hyphen(head)), tail


def _part(word: Word, mine: NDArray[np.bool_]) -> Word:
    """The points of a word that are `mine` (n,); strokes are cut where that changes."""
    stroke = np.repeat(np.arange(len(word.lengths)), word.lengths)
    run = np.cumsum(np.append(0, (np.diff(stroke) != 0) | (np.diff(mine.astype(int)) != 0)))
    lengths = np.unique(run[mine], return_counts=True)[1]
    points = word.points[mine].copy()
    points[:, 0] -= points[:, 0].min()
    return word._replace(points=points, lengths=lengths, characters=word.characters[mine])


def _with_hyphen(word: Word) -> Word:
    x = word.width + _HYPHEN_GAP + _HYPHEN * np.linspace(0.0, 1.0, 3)
    y = -_HYPHEN_HEIGHT - np.array([0.0, 0.04, 0.05])
    return word._replace(
        text=f"{word.text}-",
        points=np.concatenate([word.points, np.column_stack([x, y])]),
        lengths=np.append(word.lengths, 3),
        characters=np.append(word.characters, [len(word.text)] * 3),
    )
