"""The front door: text in, ink out. See `load_synthesizer` and `Synthesizer.write`."""

from __future__ import annotations

import itertools
import math
import operator
import os
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from strokesynth.alphabet import fold
from strokesynth.ink import Ink
from strokesynth.nn.synthesis import PredictionNetwork, SynthesisNetwork
from strokesynth.sampling import SampledLine, sample_freely, sample_lines
from strokesynth.weights_file import Weights, load_weights

WEIGHTS = Path(__file__).parent / "weights"

DEFAULT_BIAS = 1.0
"""Of `write`: neat, with little of the variety of people lost (Graves 2013, section 5.4; 0 is as trained)."""

DEFAULT_FREE_BIAS = 0.5
"""Of `write_freely`."""

PIECE = 60
"""Characters written in one go, about; longer lines than people's are put together from pieces."""

ATTEMPTS = 5
"""How often a line is tried that runs away (its window never reaches the end of the text) or collapses."""

WORD_GAP, LETTER_GAP = 2.0, 0.25  # between pieces, in x-heights; people leave about two between words
_LETTERS_TO_LEVEL = 6
_SPAN, _LEAST_ADVANCE = 8, 0.4  # characters; x-heights a character: see `_collapsed`
_BATCH = 64  # lines written at once; more are hardly faster and only take memory
_MAX_POINTS = 100_000


class SynthesisError(ValueError, RuntimeError):
    """The network did not get to the end of a text, however often it tried."""


class WritingTrace(NamedTuple):
    """Ink and how the network came to it."""

    ink: Ink
    window: NDArray[np.float32]  # (n, U + 1) weight of each character, and of the end mark, at each point


class _Piece(NamedTuple):
    """A part of a line that is written in one go."""

    line: int
    start: int  # within the line
    text: str  # single blanks only
    places: tuple[int, ...]  # index in the line of each character
    gap: float  # before it, in x-heights


class _Line(NamedTuple):
    """What was written for one text."""

    text: str
    pieces: list[tuple[_Piece, SampledLine]]


class Synthesizer:
    """Writes text with the synthesis network, and without text with the prediction network.

    Texts are folded to ASCII first (see `strokesynth.alphabet.fold`). The ink is normalised: x-height 1, baseline
    y = 0, left edge x = 0; `ink.text` is the folded text, and `ink.characters` says for each point
    which of its characters the pen was writing, never a blank.

    Arguments that its methods share:

    * bias: a number ≥ 0 that makes writing neater and less varied; None stands for `DEFAULT_BIAS`.
    * style: ink that says its text (`ink.text`), normalised and resampled (`strokesynth.normalize.normalize`), up to
      a line of it; the network reads it first and goes on in the same hand (Graves 2013, section 5.5).
    * seed: a whole number ≥ 0. The same call with the same seed gives the same ink, bit for bit, on the same
      machine; None gives other ink every time.
    """

    def __init__(self, weights: Weights, unconditional: str | os.PathLike[str] | None = None) -> None:
        """Use `load_synthesizer`. `unconditional` is the weights file for `write_freely`, read when needed."""
        if not isinstance(weights.network, SynthesisNetwork):
            raise ValueError(
                f"writing text needs weights of conditional_handwriting; these are of {weights.task}"
            )
        self.network = weights.network
        self.alphabet = weights.alphabet
        self._free_path = WEIGHTS / "prediction.safetensors" if unconditional is None else unconditional

    def write(
        self, text: str, *, bias: float | None = None, style: Ink | None = None, seed: int | None = None
    ) -> Ink:
        """The text on one line, however long.

        Raises ValueError for a text that is empty, blank or has characters that cannot be written (named with
        their positions), and for arguments out of range; SynthesisError, a ValueError, if the network fails.
        """
        (line,) = self._write([text], bias, style, seed)
        return _ink(line)

    def write_lines(
        self,
        texts: Sequence[str],
        *,
        bias: float | None = None,
        style: Ink | None = None,
        seed: int | None = None,
        one_hand: bool = False,
    ) -> list[Ink]:
        """Each text on a line of its own, all in one batch. See `write`.

        Each is in another hand, unless there is a style, or `one_hand` lets the longest choose for all.
        """
        if isinstance(texts, str):
            raise ValueError(f"texts is a list of lines, not one string: [{texts[:30]!r}], or call write()")
        return [_ink(line) for line in self._write(list(texts), bias, style, seed, one_hand)]

    def trace(
        self, text: str, *, bias: float | None = None, style: Ink | None = None, seed: int | None = None
    ) -> WritingTrace:
        """As `write`, with the window over the text at each point of the ink."""
        (line,) = self._write([text], bias, style, seed)
        return WritingTrace(_ink(line), _window(line))

    def write_freely(self, points: int = 700, *, bias: float | None = None, seed: int | None = None) -> Ink:
        """Writing of about so many points without a text: it looks like words and says nothing.

        Goes on to the end of the last stroke. Raises ValueError for arguments out of range.
        """
        if not 1 <= (count := _whole("points", points)) <= _MAX_POINTS:
            raise ValueError(f"points is {points!r}; expected 1 to {_MAX_POINTS}")
        bias = DEFAULT_FREE_BIAS if bias is None else _bias(bias)
        offsets = sample_freely(self._free_network, count, _derived(_seed(seed), 0, 0, 0), bias=bias)
        ink = Ink.from_offsets(offsets)
        return ink.translate(-ink.bounds[0], 0.0)

    @cached_property
    def _free_network(self) -> PredictionNetwork:
        weights = load_weights(self._free_path, self.network.output.weight.device)
        if not isinstance(weights.network, PredictionNetwork):
            needed = "writing freely needs weights of unconditional_handwriting"
            raise ValueError(f"{needed}; {str(self._free_path)!r} is of {weights.task}")
        return weights.network

    def _write(
        self,
        texts: list[str],
        bias: float | None,
        style: Ink | None,
        seed: int | None,
        one_hand: bool = False,
    ) -> list[_Line]:
        texts = [self._readable(text, i if len(texts) > 1 else None) for i, text in enumerate(texts)]
        bias = DEFAULT_BIAS if bias is None else _bias(bias)
        style = None if style is None else self._usable(style)
        entropy = _seed(seed)
        lines = [_pieces(i, text) for i, text in enumerate(texts)]
        hands = [list(itertools.chain(*lines))] if one_hand and lines else lines
        # The longest piece chooses the hand, in which the others go on.
        longest = [max(pieces, key=lambda piece: len(piece.text)) for pieces in hands]
        written = self._sample(longest, bias, style, entropy)
        for pieces, piece in zip(hands, longest, strict=True):
            hand = style or Ink.from_offsets(written[piece].offsets, piece.text)
            written |= self._sample([p for p in pieces if p is not piece], bias, hand, entropy)
        return [_Line(text, [(p, written[p]) for p in line]) for text, line in zip(texts, lines, strict=True)]

    def _sample(
        self, pieces: list[_Piece], bias: float, style: Ink | None, entropy: int
    ) -> dict[_Piece, SampledLine]:
        """Write the pieces; their offsets start from the origin. Raises SynthesisError if one never succeeds."""
        prime, start = None, np.zeros(3, np.float32)
        if style is not None:
            prime = (style.to_offsets(), self.alphabet.encode(f"{style.text} "))
            start[:2] = style.strokes[-1][-1]
        written: dict[_Piece, SampledLine] = {}
        missing = pieces
        for attempt in range(ATTEMPTS):
            for batch in (missing[k : k + _BATCH] for k in range(0, len(missing), _BATCH)):
                codes = [self.alphabet.encode(piece.text, with_end=True) for piece in batch]
                seeds = [_derived(entropy, piece.line, piece.start, attempt) for piece in batch]
                lines = sample_lines(self.network, codes, seeds, bias=bias, prime=prime)
                written |= {piece: line for piece, line in zip(batch, lines, strict=True) if line.finished}
            # What only looks collapsed may be a row of dots: it is tried again, and kept if that does not help.
            missing = [piece for piece in missing if piece not in written or _collapsed(written[piece])]
        for piece in pieces:
            if piece not in written:
                raise SynthesisError(
                    f"the network did not come to the end of {piece.text!r} in {ATTEMPTS} attempts"
                )
            written[piece].offsets[0] += start
        return written

    def _readable(self, text: str, line: int | None) -> str:
        """The folded text, or ValueError; `line` is named where there are several."""
        where = "" if line is None else f"line {line + 1}: "
        if not isinstance(text, str):
            raise ValueError(f"{where}the text is a str, not {type(text).__name__}")
        folded = fold(text)
        try:
            self.alphabet.check(folded)
        except ValueError as error:
            raise ValueError(f"{where}{error}") from None
        return folded

    def _usable(self, style: Ink) -> Ink:
        """The style with its text as the network needs it, or ValueError."""
        if style.text is None:
            raise ValueError("style is ink that says its text, and here ink.text is None")
        try:
            text = " ".join(self._readable(style.text, None).split())
        except ValueError as error:
            raise ValueError(f"style: {error}") from None
        left, top, right, bottom = style.bounds
        height, density = bottom - top, style.n_points / len(text)
        if not (height < 8 and abs(top + bottom) < 8 and right - left < 4 * (len(text) + 1) and density < 40):
            raise ValueError(
                f"style is not normalised ink: it is {height:.3g} high, from {top:.3g} to {bottom:.3g}, and "
                f"{right - left:.3g} wide with {density:.0f} points a character; normalize(ink) makes it so"
            )
        return Ink(style.translate(-left, 0.0).strokes, text)


def load_synthesizer(
    path: str | os.PathLike[str] | None = None,
    device: str | torch.device = "cpu",
    unconditional: str | os.PathLike[str] | None = None,
) -> Synthesizer:
    """The synthesizer with the weights in the package, or others.

    path: weights of conditional_handwriting, as a training run leaves them. unconditional: of
    unconditional_handwriting, for `write_freely`; read when first needed.
    Raises FileNotFoundError where there is no such file, ValueError where it holds no such weights, or the device
    cannot be used.
    """
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(
            f"device {str(device)!r} cannot be used here: {str(error).splitlines()[0]}"
        ) from None
    return Synthesizer(
        load_weights(WEIGHTS / "synthesis.safetensors" if path is None else path, device), unconditional
    )


def _pieces(line: int, text: str) -> list[_Piece]:
    """The text in parts of about equal length, cut at blanks; within a word only where it is longer than a part."""
    words = [match.span() for match in re.finditer(rf"\S{{1,{PIECE}}}", text)]
    begin, length = words[0][0], words[-1][1] - words[0][0]
    count = math.ceil(length / PIECE)
    pieces = []
    for _, part in itertools.groupby(words, lambda word: int((sum(word) / 2 - begin) / length * count)):
        spans = list(part)
        start, end = spans[0][0], spans[-1][1]
        # Of several blanks in a row the first one stays.
        places = tuple(i for i in range(start, end) if text[i - 1 : i + 1] != "  ")
        gap = WORD_GAP if text[start - 1 : start] == " " else LETTER_GAP
        pieces.append(_Piece(line, start, "".join(text[i] for i in places), places, gap))
    return pieces


def _ink(line: _Line) -> Ink:
    """The pieces of a line side by side on one baseline."""
    strokes: list[NDArray[np.float32]] = []
    characters: list[NDArray[np.int32]] = []
    right = 0.0
    for piece, written in line.pieces:
        inked = np.array([k for k, c in enumerate(piece.text) if c != " "])  # no point belongs to a blank
        owner = np.array(piece.places)[inked[written.window[:, inked].argmax(1)]]
        ink = _level(Ink.from_offsets(written.offsets, line.text, owner), piece.text)
        ink = ink.translate(right + (piece.gap if strokes else 0.0) - ink.bounds[0], 0.0)
        right = ink.bounds[2]
        strokes += ink.strokes
        characters += ink.characters or ()
    return Ink.from_strokes(strokes, line.text, characters)


def _collapsed(line: SampledLine) -> bool:
    """Whether the pen stood still while the window went on: letters scribbled on one another.

    Between characters that are `_SPAN` apart people move on by 0.55 x-heights a character and more, where the
    network loses itself by 0.2.
    """
    x = np.cumsum(line.offsets[:, 0])
    seen = np.unique(line.characters)
    middle = np.array([np.median(x[line.characters == c]) for c in seen])
    advance = (middle[_SPAN:] - middle[:-_SPAN]) / (seen[_SPAN:] - seen[:-_SPAN])
    return bool((advance < _LEAST_ADVANCE).any())


def _level(ink: Ink, text: str) -> Ink:
    """The ink of `text` with its baseline straightened to y = 0.

    The network sees movements, not places, so that its lines may climb or sag without its noticing. Text with too
    few letters and digits to show where it stands is left alone.
    """
    if sum(c.isalnum() for c in text) < _LETTERS_TO_LEVEL:
        return ink
    from strokesynth.normalize import estimate_baseline  # SciPy takes longer to import than a line to write

    baseline = estimate_baseline(ink, text, x_height=1.0)
    points = baseline.level(np.concatenate(ink.strokes).astype(np.float64))
    ends = np.cumsum([len(stroke) for stroke in ink.strokes])[:-1]
    return Ink.from_strokes(np.split(points, ends), ink.text, ink.characters)


def _window(line: _Line) -> NDArray[np.float32]:
    """The windows of the pieces over the whole text; a piece's end mark is the blank after it."""
    window = np.zeros((sum(len(w.offsets) for _, w in line.pieces), len(line.text) + 1), np.float32)
    row = 0
    for piece, written in line.pieces:
        columns = [*piece.places, piece.places[-1] + 1]
        window[row : row + len(written.window), columns] = written.window
        row += len(written.window)
    return window


def _derived(entropy: int, line: int, start: int, attempt: int) -> int:
    """The seed of one attempt at one piece: independent of all others, and of how many there are."""
    sequence = np.random.SeedSequence(entropy, spawn_key=(line, start, attempt))
    return int(sequence.generate_state(1, np.uint64)[0])


def _seed(seed: int | None) -> int:
    if seed is None:
        return int(np.random.SeedSequence().entropy)  # type: ignore[arg-type]  # fresh from the system
    if (number := _whole("seed", seed)) < 0:
        raise ValueError(f"seed is {seed!r}; expected a whole number of at least 0")
    return number


def _whole(name: str, value: int) -> int:
    if isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}; expected a whole number")
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(f"{name} is {value!r}; expected a whole number") from None


def _bias(bias: float) -> float:
    try:
        number = float(bias)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"bias is {bias!r}; expected a finite number of at least 0")
    return number
