"""The front door: text in, ink out. See `load_synthesizer` and `Synthesizer.write`."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from strokesynth._checks import check_bias, whole
from strokesynth.ink import Ink
from strokesynth.nn.sampling import sample_freely
from strokesynth.nn.style_encoder import StyleVectors
from strokesynth.nn.styled import StyledNetwork
from strokesynth.nn.synthesis import PredictionNetwork, SynthesisNetwork
from strokesynth.nn.weights import Weights, load_weights, packaged
from strokesynth.synthesis.options import FREE_POINTS, WordReader, WritingOptions
from strokesynth.synthesis.pages import write_page
from strokesynth.synthesis.pieces import Line, put_together, window_of
from strokesynth.synthesis.proofread import Proofreader
from strokesynth.synthesis.session import Seeds, Session, WritingHand
from strokesynth.synthesis.spelling import OnUnsupported, spell, spell_all
from strokesynth.synthesis.style import Style, draw_prior

if TYPE_CHECKING:
    from strokesynth.page.layout import Paragraph
    from strokesynth.page.page import Page

DEFAULT_BIAS = 1.0
"""The bias of `write`: neat, with little of the variety of people lost (Graves 2013, section 5.4; 0 is as trained)."""

DEFAULT_FREE_BIAS = 0.5
"""The bias of `write_freely`."""

_MAX_POINTS = 100_000
_KEPT = 8  # styles whose networks are kept, 15 MB each


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
      and resampled (`strokesynth.ink.normalize.normalize`), up to a line of it. A network that knows styles imitates
      it (`strokesynth.nn.styled`); another reads the ink first and goes on in the same hand (Graves 2013, section
      5.5). Without a style, the seed draws a hand for each line from those that people might have.
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
        if not isinstance(weights.network, SynthesisNetwork | StyledNetwork):
            raise ValueError(
                "writing text needs weights of styled_handwriting or conditional_handwriting; these are of "
                f"{weights.task}"
            )
        if isinstance(weights.network, StyledNetwork):
            self.styled: StyledNetwork | None = weights.network
            self.network = weights.network.average()
        else:
            self.styled, self.network = None, weights.network
        self._folded: OrderedDict[tuple[bytes, bytes], SynthesisNetwork] = OrderedDict()
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
        proofread: bool | WordReader = False,
        candidates: int | None = None,
        limit: float | None = None,
    ) -> Ink:
        """The text on one line, however long.

        Raises ValueError for a text that is empty, blank or has characters that cannot be written (named with
        their positions), and for arguments out of range; SynthesisError, a ValueError, if the network fails.
        """
        options = WritingOptions(bias, style, seed, on_unsupported, proofread, candidates, limit)
        (line,) = self._lines([text], options)
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
        proofread: bool | WordReader = False,
        candidates: int | None = None,
        limit: float | None = None,
    ) -> list[Ink]:
        """Each text on a line of its own, all in one batch. See `write`.

        Each is in another hand, unless there is a style, or `one_hand` lets the longest choose for all.
        """
        if isinstance(texts, str):
            raise ValueError(f"texts is a list of lines, not one string: [{texts[:30]!r}], or call write()")
        options = WritingOptions(bias, style, seed, on_unsupported, proofread, candidates, limit, one_hand)
        return [put_together(line)[0] for line in self._lines(list(texts), options)]

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
        (line,) = self._lines([text], WritingOptions(bias, style, seed, on_unsupported))
        ink, origin = put_together(line)
        return WritingTrace(ink, window_of(line, ink, origin))

    def write_freely(
        self, points: int = FREE_POINTS, *, bias: float | None = None, seed: int | None = None
    ) -> Ink:
        """Writing of about so many points without a text: it looks like words and says nothing.

        Goes on to the end of the last stroke. Raises ValueError for arguments out of range.
        """
        if not 1 <= (count := whole("points", points)) <= _MAX_POINTS:
            raise ValueError(f"points is {points!r}; expected 1 to {_MAX_POINTS}")
        bias = DEFAULT_FREE_BIAS if bias is None else check_bias(bias)
        offsets = sample_freely(self._free_network, count, Seeds.of(seed).free(), bias=bias)
        ink = Ink.from_offsets(offsets)
        return ink.translate(-ink.bounds[0], 0.0)

    @cached_property
    def _free_network(self) -> PredictionNetwork:
        weights = load_weights(self._free_path, self.network.output.weight.device)
        if not isinstance(weights.network, PredictionNetwork):
            needed = "writing freely needs weights of unconditional_handwriting"
            raise ValueError(f"{needed}; {str(self._free_path)!r} is of {weights.task}")
        return weights.network

    def _lines(self, texts: list[str], options: WritingOptions) -> list[Line]:
        """The texts as they were written, ready to be put together."""
        spellings = spell_all(texts, self.alphabet, options.on_unsupported)
        style, bias = options.hand, options.bias
        if bias is None:
            bias = DEFAULT_BIAS if style is None or style.bias is None else style.bias
        seeds = Seeds.of(options.seed)
        session = Session(self.alphabet, float(bias), seeds, self._reader(options))
        return session.write(spellings, self._hands(style, len(texts), options.one_hand, seeds))

    def _hands(self, style: Style | None, count: int, together: bool, seeds: Seeds) -> list[WritingHand]:
        """What each of so many lines is written in: the style, one hand for all, or each in another."""
        if style is None:
            different = 1 if together else count
            if self.styled is not None and self.styled.prior.fitted:
                drawn = draw_prior(self.styled, [seeds.hand(number) for number in range(different)])
                # Not folded, so that a line is the same whatever is written in other hands beside it.
                hands = [
                    WritingHand(self.styled, keeps=True, style=StyleVectors(*parts))
                    for parts in zip(*drawn, strict=True)
                ]
            else:
                hands = [WritingHand(self.network) for _ in range(different)]
            return hands * count if together else hands
        if self.styled is not None:
            prime = self._readable(style.ink) if style.prime and style.ink is not None else None
            return [replace(self._in_style(style.vectors(self.styled)), prime=prime)] * count
        upright, transform = style.upright
        return [WritingHand(self.network, self._readable(upright), transform)] * count

    def _in_style(self, style: StyleVectors) -> WritingHand:
        """A style folded into a network of its own; those of the last few styles are kept."""
        assert self.styled is not None
        key = (style.hand.cpu().numpy().tobytes(), style.characters.cpu().numpy().tobytes())
        network = self._folded.pop(key, None)
        if network is None:
            network = self.styled.fold(style)
        self._folded[key] = network
        while len(self._folded) > _KEPT:
            self._folded.popitem(last=False)
        return WritingHand(network, keeps=True)

    @cached_property
    def _proofreader(self) -> Proofreader:
        return Proofreader()

    def proofreader(
        self, proofread: bool | WordReader, candidates: int | None = None, limit: float | None = None
    ) -> WordReader | None:
        """The reader that these arguments mean (see the class); None where nothing is proofread."""
        return self._reader(WritingOptions(proofread=proofread, candidates=candidates, limit=limit))

    def _reader(self, options: WritingOptions) -> WordReader | None:
        if not isinstance(options.proofread, bool):
            return options.proofread
        if options.reading:
            return Proofreader(self._proofreader.recognizer, **options.reading)
        return self._proofreader if options.proofread else None

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

    path: weights of styled_handwriting or conditional_handwriting, as a training run leaves them. unconditional: of
    unconditional_handwriting, for `write_freely`; read when first needed.
    Raises FileNotFoundError where there is no such file, ValueError where it holds no such weights, or the device
    cannot be used.
    """
    return Synthesizer(
        load_weights(packaged("synthesis.safetensors") if path is None else path, device), unconditional
    )
