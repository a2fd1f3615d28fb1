"""Lines of any length: cut into pieces that the network writes in one go, and put together again."""

from __future__ import annotations

import itertools
import math
import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strokesynth.ink import Ink
from strokesynth.nn.sampling import SampledLine
from strokesynth.synthesis.accents import draw_marks
from strokesynth.synthesis.measures import measure
from strokesynth.synthesis.spelling import Spelling

PIECE_LENGTH = 60
"""Characters written in one go, about; longer lines than people's are put together from pieces."""

WORD_GAP, LETTER_GAP = 2.0, 0.25  # between pieces, in x-heights; people leave about two between words
_STRAY_GAP, _STRAY_DOT = 0.8, 0.15  # x-heights: no letter has such a gap between its strokes
_LETTERS_TO_LEVEL = 6
_SPAN, _LEAST_ADVANCE = 8, 0.4  # characters; x-heights a character: see `collapsed`


class Piece(NamedTuple):
    """A part of a line that is written in one go."""

    line: int
    start: int  # within the base letters of the line
    text: str  # single blanks only
    places: tuple[int, ...]  # index in the base letters of the line of each character
    gap: float  # before it, in x-heights


class WrittenPiece(NamedTuple):
    """A piece as it was written."""

    ink: Ink  # level, says its base letters; no point belongs to a blank
    # The window (n, U + 1) over the base letters at each point; None where words of several writings were put together.
    window: NDArray[np.float32] | None = None
    # Negative log-likelihood of each word, see `Proofreader.word_nlls`; None where nobody has read it.
    word_nlls: NDArray[np.float64] | None = None


class Line(NamedTuple):
    """What was written for one text: its pieces in order, each with a seed for what is drawn over it."""

    spelling: Spelling
    pieces: list[tuple[Piece, WrittenPiece, int]]
    # The map (2, 3) that gives the slant and width of the hand to what was written.
    transform: NDArray[np.float64] | None = None


def cut_pieces(line: int, text: str) -> list[Piece]:
    """The text in parts of about equal length, cut at blanks; within a word only where it is longer than a part."""
    words = [match.span() for match in re.finditer(rf"\S{{1,{PIECE_LENGTH}}}", text)]
    begin, length = words[0][0], words[-1][1] - words[0][0]
    count = math.ceil(length / PIECE_LENGTH)
    pieces = []
    for _, part in itertools.groupby(words, lambda word: int((sum(word) / 2 - begin) / length * count)):
        spans = list(part)
        start, end = spans[0][0], spans[-1][1]
        # Of several blanks in a row the first one stays.
        places = tuple(i for i in range(start, end) if text[i - 1 : i + 1] != "  ")
        gap = WORD_GAP if text[start - 1 : start] == " " else LETTER_GAP
        pieces.append(Piece(line, start, "".join(text[i] for i in places), places, gap))
    return pieces


def after_style(written: SampledLine, text: str) -> SampledLine:
    """A line that was written after a style as " " and `text`, without that blank and what came with it.

    The network may have something to add to the style, a dot or a crossing: the strokes at the start during which the
    window never leaves the blank, which stand apart to the left of the letter they are said to belong to, or which are
    dots, with which no letter begins. Only before a letter or digit, since a mark may be as short.
    """
    blank, window = written.window[:, 0], written.window[:, 1:]
    ends = (np.flatnonzero(written.offsets[:, 2]) + 1).tolist()
    arrived = window.max(axis=1) > blank
    points = np.cumsum(written.offsets[:, :2], axis=0)
    first = window[:, :-1].argmax(axis=1) == 0
    start = 0
    for end in ends[:-1] if text[0].isalnum() else ():
        stroke, rest = points[start:end], points[end:, 0][first[end:]]
        late = arrived.any() and not arrived[start:end].any()
        apart = len(rest) > 0 and rest.min() - stroke[:, 0].max() > _STRAY_GAP
        dot = np.ptp(stroke, axis=0).max() < _STRAY_DOT
        if not (late or apart or dot):
            break
        start = end
    offsets, window = written.offsets[start:].copy(), window[start:]
    offsets[0, :2] += written.offsets[:start, :2].sum(axis=0)
    return SampledLine(offsets, window[:, :-1].argmax(axis=1), window, written.finished)


def collapsed(line: SampledLine) -> bool:
    """Whether the pen stood still while the window went on: letters scribbled on one another.

    Between characters that are `_SPAN` apart people move on by 0.55 x-heights a character and more, where the
    network loses itself by 0.2.
    """
    x = np.cumsum(line.offsets[:, 0])
    seen, counts = np.unique(line.characters, return_counts=True)
    ordered = x[np.lexsort((x, line.characters))]
    middle = ordered[np.cumsum(counts) - counts + counts // 2]  # the medians of each character
    advance = (middle[_SPAN:] - middle[:-_SPAN]) / (seen[_SPAN:] - seen[:-_SPAN])
    return bool((advance < _LEAST_ADVANCE).any())


def settle(written: SampledLine, text: str) -> WrittenPiece:
    """What the network wrote for a piece, as ink on a level baseline."""
    inked = np.array([k for k, c in enumerate(text) if c != " "])
    owner = inked[written.window[:, inked].argmax(1)]
    return WrittenPiece(_level(Ink.from_offsets(written.offsets, text, owner)), written.window)


def put_together(line: Line) -> tuple[Ink, NDArray[np.int64]]:
    """The pieces of a line side by side on one baseline, with their marks.

    Also tells for each point which of the points that the network wrote it is, counted over all pieces; -1 for marks.
    """
    spelling = line.spelling
    text_places = np.array(spelling.places)
    strokes: list[NDArray[np.float32]] = []
    characters: list[NDArray[np.int32]] = []
    origins: list[NDArray[np.int64]] = []
    right, before = 0.0, 0
    for piece, written, seed in line.pieces:
        ink = written.ink if line.transform is None else written.ink.transform(line.transform)
        origin = np.arange(ink.n_points)
        marks = [spelling.marks[place] for place in piece.places]
        if any(marks):
            ink, origin = draw_marks(ink, piece.text, marks, measure(ink).slant, np.random.default_rng(seed))
        gap = piece.gap * (1.0 if line.transform is None else float(line.transform[0, 0]))
        ink = ink.translate(right + (gap if strokes else 0.0) - ink.bounds[0], 0.0)
        right = ink.bounds[2]
        strokes += ink.strokes
        characters += [text_places[list(piece.places)][own] for own in ink.characters or ()]
        origins.append(np.where(origin < 0, -1, origin + before))
        before += written.ink.n_points
    ink = Ink.from_strokes(strokes, spelling.text, characters, _legibility(line))
    return ink, np.concatenate(origins)


def window_of(line: Line, ink: Ink, origin: NDArray[np.int64]) -> NDArray[np.float32]:
    """The window (n, U + 1) over the text and its end mark at each point of `put_together`.

    The end mark of a piece is the blank after it; a mark's points have all the weight on their letter.
    """
    text = line.spelling.text
    text_places = (*line.spelling.places, len(text))
    window = np.zeros((sum(w.ink.n_points for _, w, _ in line.pieces), len(text) + 1), np.float32)
    row = 0
    for piece, written, _ in line.pieces:
        columns = [text_places[place] for place in (*piece.places, piece.places[-1] + 1)]
        if written.window is None:
            raise ValueError(
                f"{piece.text!r} was put together from several writings, and has no window of its own"
            )
        window[row : row + len(written.window), columns] = written.window
        row += len(written.window)
    owner = np.concatenate(ink.characters or ())
    drawn = np.eye(len(text) + 1, dtype=np.float32)[owner] if (origin < 0).any() else 0.0
    return np.where(origin[:, None] < 0, drawn, window[origin]).astype(np.float32)


def _legibility(line: Line) -> float | None:
    """The legibility of the pieces together; None unless all have been read."""
    known = [writing.word_nlls for _, writing, _ in line.pieces if writing.word_nlls is not None]
    if len(known) < len(line.pieces):
        return None
    text = " ".join(piece.text for piece, _, _ in line.pieces)
    return legibility(text, float(np.concatenate(known).sum()))


def _level(ink: Ink) -> Ink:
    """The ink with its baseline straightened to y = 0.

    The network sees movements, not places, so that its lines may climb or sag without its noticing. Its x-height is
    kept: between the halves of a line, what can be estimated of it does not even correlate. Text with too few
    letters and digits to show where it stands is left alone.
    """
    text = ink.text or ""
    if sum(c.isalnum() for c in text) < _LETTERS_TO_LEVEL:
        return ink
    # SciPy takes longer to import than a line to write.
    from strokesynth.ink.normalize import estimate_baseline

    baseline = estimate_baseline(ink, text, x_height=1.0)
    points = baseline.level(np.concatenate(ink.strokes).astype(np.float64))
    ends = np.cumsum([len(stroke) for stroke in ink.strokes])[:-1]
    return Ink.from_strokes(np.split(points, ends), text, ink.characters)


def legibility(text: str, nll: float) -> float:
    """`Ink.legibility` of a text whose negative log-likelihood under the reader is `nll` nats: between 0 and 1."""
    return math.exp(-nll / max(1, len("".join(text.split()))))
