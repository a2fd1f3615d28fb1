"""The front door: text in, ink out. See `load_synthesizer` and `Synthesizer.write`."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from strokesynth._checks import check_bias, seed_sequence, whole
from strokesynth.ink import Ink
from strokesynth.nn.sampling import SampledLine, sample_freely, sample_lines
from strokesynth.nn.synthesis import PredictionNetwork, SynthesisNetwork
from strokesynth.nn.weights import Weights, load_weights, packaged
from strokesynth.synthesis.pages import write_page
from strokesynth.synthesis.pieces import (
    Line,
    Piece,
    WrittenPiece,
    after_style,
    collapsed,
    cut_pieces,
    put_together,
    settle,
    window_of,
)
from strokesynth.synthesis.proofread import Proofreader, repair
from strokesynth.synthesis.spelling import OnUnsupported, spell, spell_all
from strokesynth.synthesis.style import Style

if TYPE_CHECKING:
    from strokesynth.page.layout import Paragraph
    from strokesynth.page.page import Page

DEFAULT_BIAS = 1.0
"""Of `write`: neat, with little of the variety of people lost (Graves 2013, section 5.4; 0 is as trained)."""

DEFAULT_FREE_BIAS = 0.5
"""Of `write_freely`."""

ATTEMPTS = 5
"""How often a line is tried that runs away (its window never reaches the end of the text) or collapses."""

_TOGETHER = 24  # lines written in hardly more time than one
_BATCH = 64  # lines written at once; more are hardly faster and only take memory
_MAX_POINTS = 100_000
# Purposes of seeds, see `_derived`.
_MARKS, _REPAIR, _FREELY = 1, 2, 3


class SynthesisError(ValueError, RuntimeError):
    """The network did not get to the end of a text, however often it tried."""


class WritingTrace(NamedTuple):
    """Ink and how the network came to it."""

    ink: Ink
    window: NDArray[np.float32]  # (n, U + 1) weight of each character, and of the end mark, at each point


class Synthesizer:
    """Writes text with the synthesis network, and without text with the prediction network.

    The ink is normalised: x-height 1, baseline y = 0, left edge x = 0. `ink.text` is the text as it can be read,
    composed (NFC), with typographic variants folded (`strokesynth.alphabet.fold`) and what no Latin letter
    resembles spelled out (`strokesynth.synthesis.spelling`); `ink.characters` says for each point which of
    its characters the pen was writing, never a blank.

    Arguments that its methods share:

    * bias: a number ≥ 0 that makes writing neater and less varied; None stands for the style's, or `DEFAULT_BIAS`.
    * style: the hand to write in: a name of `styles()`, a `Style`, or ink that says its text (`ink.text`), normalised
      and resampled (`strokesynth.ink.normalize.normalize`), up to a line of it. The network reads it first and
      goes on in the same hand (Graves 2013, section 5.5), for every line and every call alike.
    * seed: a whole number ≥ 0. The same call with the same seed gives the same ink, bit for bit, on the same
      machine; None gives other ink every time.
    * on_unsupported: what happens to characters that cannot be written (see `supported_characters`): "error" names
      each with its position, "skip" leaves them out, "replace" writes the nearest there is (`Alphabet.suggest`)
      or "?"; the last two with a UserWarning that names what was changed.
    * proofread: have what was written read, and words that cannot be read written again (see
      `strokesynth.synthesis.proofread`); `ink.legibility` then says how sure the reader is in the end. limit: nats a
      character above which a word is written again; candidates: writings of it at each attempt. A `Proofreader`
      in place of True brings its own.
    """

    def __init__(self, weights: Weights, unconditional: str | os.PathLike[str] | None = None) -> None:
        """Use `load_synthesizer`. `unconditional` is the weights file for `write_freely`, read when needed."""
        if not isinstance(weights.network, SynthesisNetwork):
            raise ValueError(
                f"writing text needs weights of conditional_handwriting; these are of {weights.task}"
            )
        self.network = weights.network
        self.alphabet = weights.alphabet
        self._free_path = packaged("prediction.safetensors") if unconditional is None else unconditional

    def write(
        self,
        text: str,
        *,
        bias: float | None = None,
        style: str | Style | Ink | None = None,
        seed: int | None = None,
        on_unsupported: OnUnsupported = "error",
        proofread: bool | Proofreader = False,
        candidates: int | None = None,
        limit: float | None = None,
    ) -> Ink:
        """The text on one line, however long.

        Raises ValueError for a text that is empty, blank or has characters that cannot be written (named with
        their positions), and for arguments out of range; SynthesisError, a ValueError, if the network fails.
        """
        reader = self.proofreader(proofread, candidates, limit)
        (line,) = self._write([text], bias, style, seed, on_unsupported, reader)
        return put_together(line)[0]

    def write_lines(
        self,
        texts: Sequence[str],
        *,
        bias: float | None = None,
        style: str | Style | Ink | None = None,
        seed: int | None = None,
        one_hand: bool = False,
        on_unsupported: OnUnsupported = "error",
        proofread: bool | Proofreader = False,
        candidates: int | None = None,
        limit: float | None = None,
    ) -> list[Ink]:
        """Each text on a line of its own, all in one batch. See `write`.

        Each is in another hand, unless there is a style, or `one_hand` lets the longest choose for all.
        """
        if isinstance(texts, str):
            raise ValueError(f"texts is a list of lines, not one string: [{texts[:30]!r}], or call write()")
        reader = self.proofreader(proofread, candidates, limit)
        lines = self._write(list(texts), bias, style, seed, on_unsupported, reader, one_hand)
        return [put_together(line)[0] for line in lines]

    def write_page(self, text: str | Sequence[str | Paragraph], **options: Any) -> Page:
        """The text on pages of paper, all in one hand: see `strokesynth.synthesis.pages.write_page` for the options."""
        return write_page(self, text, **options)

    def trace(
        self,
        text: str,
        *,
        bias: float | None = None,
        style: str | Style | Ink | None = None,
        seed: int | None = None,
        on_unsupported: OnUnsupported = "error",
    ) -> WritingTrace:
        """As `write` without proofreading, with the window over the text at each point of the ink."""
        (line,) = self._write([text], bias, style, seed, on_unsupported, None)
        ink, origin = put_together(line)
        return WritingTrace(ink, window_of(line, ink, origin))

    def write_freely(self, points: int = 700, *, bias: float | None = None, seed: int | None = None) -> Ink:
        """Writing of about so many points without a text: it looks like words and says nothing.

        Goes on to the end of the last stroke. Raises ValueError for arguments out of range.
        """
        if not 1 <= (count := whole("points", points)) <= _MAX_POINTS:
            raise ValueError(f"points is {points!r}; expected 1 to {_MAX_POINTS}")
        bias = DEFAULT_FREE_BIAS if bias is None else check_bias(bias)
        offsets = sample_freely(
            self._free_network, count, _derived(_entropy(seed), 0, 0, 0, _FREELY), bias=bias
        )
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
        style: str | Style | Ink | None,
        seed: int | None,
        on_unsupported: OnUnsupported,
        reader: Proofreader | None,
        one_hand: bool = False,
    ) -> list[Line]:
        spellings = spell_all(texts, self.alphabet, on_unsupported)
        given = None if style is None else Style.of(style)
        if bias is None:
            bias = DEFAULT_BIAS if given is None or given.bias is None else given.bias
        bias = check_bias(bias)
        upright, lean = (None, None) if given is None else given.upright
        hand = None if upright is None else self._readable(upright)
        entropy = _entropy(seed)
        lines = [cut_pieces(i, spelling.base) for i, spelling in enumerate(spellings)]
        together = one_hand or hand is not None
        hands = [list(itertools.chain(*lines))] if together and lines else lines
        # The longest piece chooses the hand, in which the others go on.
        first = [] if hand else [max(pieces, key=lambda piece: len(piece.text)) for pieces in hands]
        written = self._sample(first, bias, None, entropy, reader)
        for number, pieces in enumerate(hands):
            own = hand or written[first[number]].ink
            written |= self._sample([p for p in pieces if p not in written], bias, own, entropy, reader)
            if reader is not None:
                again = partial(
                    self._again, bias=bias, style=own, entropy=entropy, hand=number, reader=reader
                )
                kept = repair([(piece.text, written[piece]) for piece in pieces], again, reader)
                written |= dict(zip(pieces, kept, strict=True))
        return [
            Line(
                spelling,
                [(p, written[p], _derived(entropy, p.line, p.start, 0, _MARKS)) for p in line],
                lean,
            )
            for spelling, line in zip(spellings, lines, strict=True)
        ]

    def _sample(
        self, pieces: list[Piece], bias: float, style: Ink | None, entropy: int, reader: Proofreader | None
    ) -> dict[Piece, WrittenPiece]:
        """Write the pieces, in the hand of the style. Raises SynthesisError if one never succeeds."""
        best: dict[Piece, tuple[float, WrittenPiece]] = {}  # by how bad they are
        missing = pieces
        for attempt in range(ATTEMPTS):
            if not missing:
                break
            copies = 1
            if reader is not None:
                copies = max(1, min(reader.candidates, _TOGETHER // max(1, len(missing))))
            jobs = [(piece, attempt + ATTEMPTS * copy) for piece in missing for copy in range(copies)]
            seeds = [_derived(entropy, piece.line, piece.start, number) for piece, number in jobs]
            lines = self._lines([piece.text for piece, _ in jobs], seeds, bias, style)
            done = [(piece, line) for (piece, _), line in zip(jobs, lines, strict=True) if line.finished]
            writings = [settle(line, piece.text) for piece, line in done]
            if reader is None:
                # What only looks collapsed may be a row of dots, and is better than nothing.
                bad = [float(collapsed(line)) for _, line in done]
            else:
                read = reader.word_nlls([piece.text for piece, _ in done], [w.ink for w in writings])
                writings = [w._replace(word_nlls=values) for w, values in zip(writings, read, strict=True)]
                bad = [float(values.sum()) for values in read]
            for (piece, _), writing, value in zip(done, writings, bad, strict=True):
                if piece not in best or value < best[piece][0]:
                    best[piece] = (value, writing)
            missing = [p for p in missing if p not in best or (reader is None and best[p][0] > 0)]
        for piece in pieces:
            if piece not in best:
                raise SynthesisError(
                    f"the network did not come to the end of {piece.text!r} in {ATTEMPTS} attempts"
                )
        return {piece: writing for piece, (_, writing) in best.items()}

    def _again(
        self,
        texts: list[str],
        number: int,
        *,
        bias: float,
        style: Ink,
        entropy: int,
        hand: int,
        reader: Proofreader,
    ) -> list[list[WrittenPiece]]:
        """Several writings of each text, for a round of `repair`."""
        jobs = [
            (text, k * reader.candidates + copy)
            for k, text in enumerate(texts)
            for copy in range(reader.candidates)
        ]
        seeds = [_derived(entropy, hand, place, number, _REPAIR) for _, place in jobs]
        lines = self._lines([text for text, _ in jobs], seeds, bias, style)
        found: list[list[WrittenPiece]] = [[] for _ in texts]
        for (text, place), line in zip(jobs, lines, strict=True):
            if line.finished:
                found[place // reader.candidates].append(settle(line, text))
        return found

    def _lines(self, texts: list[str], seeds: list[int], bias: float, style: Ink | None) -> list[SampledLine]:
        """Texts of one piece each as the network writes them, from the origin, in the hand of the style."""
        prime, start, blank = None, np.zeros(3, np.float32), ""
        if style is not None:
            prime, blank = (style.to_offsets(), self.alphabet.encode(style.text or "")), " "
            start[:2] = style.strokes[-1][-1]
        result: list[SampledLine] = []
        for k in range(0, len(texts), _BATCH):
            codes = [self.alphabet.encode(blank + text, with_end=True) for text in texts[k : k + _BATCH]]
            lines = sample_lines(self.network, codes, seeds[k : k + _BATCH], bias=bias, prime=prime)
            if style is not None:
                lines = [after_style(line, text) for line, text in zip(lines, texts[k:], strict=False)]
                for line in lines:
                    line.offsets[0] += start
            result += lines
        return result

    @cached_property
    def _proofreader(self) -> Proofreader:
        return Proofreader()

    def proofreader(
        self, proofread: bool | Proofreader, candidates: int | None = None, limit: float | None = None
    ) -> Proofreader | None:
        """The one that is meant by these arguments, see the class: None for False."""
        options = {"candidates": candidates, "limit": limit}
        given = {name: value for name, value in options.items() if value is not None}
        if given and proofread is not True:
            raise ValueError(f"{' and '.join(given)} go with proofread=True, not with {proofread!r}")
        if isinstance(proofread, Proofreader):
            return proofread
        if not isinstance(proofread, bool):
            raise ValueError(f"proofread is True, False or a Proofreader, not {proofread!r}")
        if given:
            return Proofreader(self._proofreader.recognizer, **given)  # type: ignore[arg-type]
        return self._proofreader if proofread else None

    def _readable(self, style: Ink) -> Ink:
        """The ink of a style as the network reads it: from the left edge on, with the base letters of its text."""
        try:
            text = " ".join(spell(style.text or "", self.alphabet).base.split())
        except ValueError as error:
            raise ValueError(f"style: {error}") from None
        return Ink(style.translate(-style.bounds[0], 0.0).strokes, text)


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
    return Synthesizer(
        load_weights(packaged("synthesis.safetensors") if path is None else path, device), unconditional
    )


def _entropy(seed: int | None) -> int:
    return int(seed_sequence(seed).entropy)  # type: ignore[arg-type]


def _derived(entropy: int, line: int, start: int, number: int, purpose: int | None = None) -> int:
    """The seed of one writing of one piece: independent of all others, and of how many there are.

    Whatever else needs random numbers names its purpose, and counts lines, places and numbers of its own.
    """
    key = (line, start, number) if purpose is None else (line, start, number, purpose)
    sequence = np.random.SeedSequence(entropy, spawn_key=key)
    return int(sequence.generate_state(1, np.uint64)[0])
