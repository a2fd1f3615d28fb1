"""Lines of text put together from what one writer wrote in pieces: isolated characters and single words.

Corpora of running text hardly hold Q, X, Z, @ or brackets. Here each writer whose characters are known
writes dates, addresses, code and the like (:mod:`strokesynth.datasets.phrases`) in their own characters, and writers of
single words get lines of several words, with blanks.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from random import Random

import numpy as np

from strokesynth.datasets.isolated import WriterSamples
from strokesynth.datasets.phrases import phrase, phrase_with, plain, soup
from strokesynth.ink import Ink

# Characters of a composed line.
SHORTEST, LONGEST = 10, 45

Strokes = Sequence[np.ndarray]

# Blank space between the ink of neighbours, in x-heights: medians over IAM-OnDB and the text of UNIPEN, before and
# after each mark. Marks stand two to four times as far from letters as letters from each other, which readers count
# on: a dot as near as a letter is taken for a part of it.
_LETTERS, _DIGITS, _SYMBOLS = (0.25, 0.25), (0.5, 0.5), (0.7, 0.7)
_MARKS = {
    ".": (0.53, 0.9), ",": (0.57, 1.0), ":": (0.84, 0.95), ";": (0.6, 1.0), "'": (0.7, 0.35), "`": (0.7, 0.35),
    '"': (0.95, 0.8), "!": (0.8, 0.9), "?": (0.82, 0.9), "-": (0.66, 0.82), "@": (1.2, 1.05), "/": (0.6, 0.5),
    "_": (0.55, 0.77), "(": (0.7, 0.5), "[": (0.7, 0.5), "{": (0.7, 0.5), ")": (0.5, 0.7), "]": (0.5, 0.7),
    "}": (0.5, 0.7),
}  # fmt: skip
# Standard deviations of the logarithms of such gaps: from line to line, and from gap to gap.
_OF_LINE, _OF_GAP = 0.33, 0.3
# Between letters, each line has a mean gap in this range, around which its gaps vary. None is below the least.
_LETTER_GAP, _LETTER_JITTER, _LEAST = (0.08, 0.45), 0.13, 0.06
# Each line has a usual blank in this range, as wide as in running text.
_BLANK, _BLANK_JITTER = (1.1, 2.2), 0.25
# Texts to choose from, for a writer altogether and for one line.
_PHRASES, _CANDIDATES = 2500, 10
# How many of the rarest characters each line is chosen for.
_RARE = 12
# The share of lines in which these stand in any order.
_SOUP = 0.12


def compose(samples: WriterSamples, text: str, rng: Random) -> Ink:
    """Ink of ``text`` in the characters and words of one writer: x-height 1, baseline y = 0, left edge x = 0.

    Words of the writer are taken whole where the text has them, everything else character by character, each
    time another of the writer's samples, a little varied in size and turn.

    Raises:
        ValueError: the writer lacks a character of ``text``, or there is nothing to write.
    """
    words: dict[str, list[list[np.ndarray]]] = {}
    for word, strokes in samples.words:
        words.setdefault(word, []).append(strokes)
    line: list[np.ndarray] = []  # the points of each character or word
    lengths: list[int] = []  # the points of each stroke
    gap, blank = rng.uniform(*_LETTER_GAP), rng.uniform(*_BLANK)
    factor = math.exp(rng.gauss(0, _OF_LINE))
    pen = drift = 0.0
    for token in text.split(" "):
        last = ""
        for piece in _pieces(token, words):
            choices = words.get(piece) if len(piece) > 1 else samples.characters.get(piece)
            if not choices:
                raise ValueError(f"writer {samples.writer} has no {piece!r}, which {text!r} needs")
            strokes = rng.choice(choices)
            points = _vary(np.concatenate(strokes), rng)
            # The baseline wanders slowly, and every character stands a little off it.
            drift = 0.9 * drift + rng.gauss(0, 0.02)
            if last:
                pen += _gap(last, piece[0], gap, factor, rng)
            points += [pen - points[:, 0].min(), drift + rng.gauss(0, 0.03)]
            pen, last = points[:, 0].max(), piece[-1]
            line.append(points)
            lengths += map(len, strokes)
        pen += max(0.8, rng.gauss(blank, _BLANK_JITTER))
    if not line:
        raise ValueError(f"there is nothing to write in {text!r}")
    return Ink.from_strokes(np.split(np.concatenate(line), np.cumsum(lengths)[:-1]), text=text)


def lend_symbols(writers: Sequence[WriterSamples], rng: Random) -> None:
    """Give every writer the punctuation and symbols that they did not write, from others of their split.

    Few writers wrote all of them, and a brace hardly shows whose it is; letters and digits are never lent.
    """
    lenders: dict[tuple[str, str], list[list[list[np.ndarray]]]] = {}
    for writer in writers:
        for character, samples in writer.characters.items():
            if not character.isalnum():
                lenders.setdefault((writer.split, character), []).append(samples)
    for writer in writers:
        for (split, character), choices in lenders.items():
            if split == writer.split and character not in writer.characters:
                writer.characters[character] = rng.choice(choices)


def composed_lines(samples: WriterSamples, points: int, rng: Random) -> Iterator[Ink]:
    """Lines of 10 to 45 characters by one writer until about ``points`` points are used.

    Texts are made of phrases with the characters that have been written least so far, and of several such
    texts the one with the rarest characters is taken, so that all of them come to occur often.
    """
    known = frozenset(c for c, drawn in samples.characters.items() if drawn)
    phrases = [_own_words(phrase(rng), samples, rng) for _ in range(_PHRASES)]
    phrases += [phrase_with(rng, c) for c in sorted(known) if not c.isalnum() for _ in range(25)]
    phrases = [t for t in phrases if len(t) <= LONGEST and _writable(t, samples, known)]
    having = {c: [t for t in phrases if c in t] for c in sorted(known)}
    seen = Counter(dict.fromkeys(having, 0))
    while points > 0:
        rare = sorted(seen, key=seen.__getitem__)[:_RARE]
        if rng.random() < _SOUP:
            text = soup(rng, rare)
        else:
            texts = [_text(having, known, rare, rng) for _ in range(_CANDIDATES)]
            text = max(texts, key=lambda t: sum(1 / (3 + seen[c]) for c in t if c != " ") / len(t))
        seen.update(c for c in text if c in known)
        ink = compose(samples, text, rng)
        points -= ink.n_points
        yield ink


def joined_words(words: Sequence[tuple[str, Strokes]], rng: Random) -> Iterator[Ink]:
    """All of ``words`` of one writer (text, strokes), in order, as lines of two to six words.

    A line has at most 45 characters, unless a single word is longer.
    """
    start = 0
    while start < len(words):
        count, length = rng.randint(2, 6), 0
        line: list[tuple[str, Strokes]] = []
        for text, strokes in words[start : start + count]:
            length += len(text) + 1
            if line and length > LONGEST:
                break
            line.append((text, strokes))
        start += len(line)
        pen, drift, strokes_of_line = 0.0, 0.0, []
        # Writers who print letters far apart leave more between their words.
        blank = rng.uniform(*_BLANK) + max(0.3, float(np.mean([_widest_gap(strokes) for _, strokes in line])))
        for _, strokes in line:
            drift = 0.7 * drift + rng.gauss(0, 0.04)
            left = min(s[:, 0].min() for s in strokes)
            shift = np.array([pen - left, drift])
            strokes_of_line += [s + shift for s in strokes]
            pen = max(s[:, 0].max() for s in strokes_of_line) + max(0.8, rng.gauss(blank, _BLANK_JITTER))
        yield Ink.from_strokes(strokes_of_line, text=" ".join(text for text, _ in line))


def _pieces(token: str, words: Container[str]) -> list[str]:
    """Divide ``token`` into a known word with the characters around it, else into all its single characters."""
    low = len(token) - len(token.lstrip("\"'([{<*_"))
    high = len(token.rstrip("\"')]}>*_.,;:!?"))
    if high - low > 1 and token[low:high] in words:
        return [*token[:low], token[low:high], *token[high:]]
    return list(token)


def _gap(left: str, right: str, letters: float, factor: float, rng: Random) -> float:
    """Blank space between two characters of a word: of `letters` on average, the others `factor` times the usual."""
    if left.isalpha() and right.isalpha():
        return max(_LEAST, rng.gauss(letters, _LETTER_JITTER))
    usual = max(_around(left)[1], _around(right)[0])
    return max(_LEAST, usual * factor * math.exp(rng.gauss(0, _OF_GAP)))


def _around(character: str) -> tuple[float, float]:
    """The usual blank space before and after a character."""
    usual = _LETTERS if character.isalpha() else _DIGITS if character.isdigit() else _SYMBOLS
    return _MARKS.get(character, usual)


def _widest_gap(strokes: Strokes) -> float:
    """The widest vertical strip without ink inside a word."""
    edges = np.array(sorted((s[:, 0].min(), s[:, 0].max()) for s in strokes))
    return float(np.max(edges[1:, 0] - np.maximum.accumulate(edges[:, 1])[:-1], initial=0.0))


def _vary(points: np.ndarray, rng: Random) -> np.ndarray:
    """The same points (n, 2) a little larger or smaller and turned about the middle of their baseline."""
    middle = np.array([points[:, 0].mean(), 0.0])
    angle, sx, sy = rng.gauss(0, 0.025), 1 + rng.gauss(0, 0.035), 1 + rng.gauss(0, 0.035)
    cosine, sine = math.cos(angle), math.sin(angle)
    turned: np.ndarray = (points - middle) @ np.array(
        [[cosine * sx, sine * sy], [-sine * sx, cosine * sy]]
    ) + middle
    return turned


def _text(having: dict[str, list[str]], known: frozenset[str], rare: Sequence[str], rng: Random) -> str:
    """A text of the right length out of ``known`` characters: phrases ``having`` one of the ``rare`` ones."""
    text, enough = "", rng.randint(SHORTEST, 2 * LONGEST // 3)
    for attempt in range(20):
        wanted = rare[0] if not text else rng.choice(rare)
        more = rng.choice(having[wanted]) if having[wanted] else phrase_with(rng, wanted)
        if attempt > 12 or not having[wanted] and not known.issuperset(more.replace(" ", "")):
            more = wanted + plain(rng, known)
        if more not in text and len(text) + 1 + len(more) <= LONGEST:
            text = f"{text} {more}" if text else more
        if len(text) >= enough:
            break
    return text


def _own_words(text: str, samples: WriterSamples, rng: Random) -> str:
    """``text`` with most of its words replaced by words that the writer has whole."""
    if not samples.words:
        return text
    return " ".join(
        rng.choice(samples.words)[0] if len(t) > 2 and t.isalpha() and rng.random() < 0.7 else t
        for t in text.split(" ")
    )


def _writable(text: str, samples: WriterSamples, known: frozenset[str]) -> bool:
    if known.issuperset(text.replace(" ", "")):
        return True
    words = {word for word, _ in samples.words}
    return all(
        len(piece) > 1 or piece in known for token in text.split(" ") for piece in _pieces(token, words)
    )
