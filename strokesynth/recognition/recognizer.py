"""The front door of reading: ink in, text out. See `load_recognizer` and `Recognizer.read`."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from strokesynth._batches import by_length
from strokesynth._checks import whole
from strokesynth.alphabet import Alphabet
from strokesynth.ink import Ink
from strokesynth.ink.lines import is_page, strokes_of_lines
from strokesynth.ink.normalize import Baseline, estimate_baseline, normalize
from strokesynth.nn.recognition import RecognitionNetwork
from strokesynth.nn.weights import Weights, load_weights, packaged
from strokesynth.recognition.decoding import (
    Hypothesis,
    beam_search,
    ctc_log_likelihood,
    ctc_log_likelihoods,
    greedy_batch,
)
from strokesynth.recognition.features import Trace, trace
from strokesynth.recognition.language_model import LanguageModel
from strokesynth.recognition.reading import Evidence, PageReading, Reading, point_characters
from strokesynth.recognition.segmentation import FeatureRows

DEFAULT_BEAM = 16
"""How many prefixes beam search keeps."""

DEFAULT_WEIGHT = 0.7
"""The weight of the language model's log-probability against the network's."""

INSERTION_BONUS = 1.7
"""What every character of a reading is credited with in a search with a language model, in nats and before the
model's weight. It is about what a character costs on average; without it short readings have an advantage."""

_BATCH_ROWS = 16_384  # rows of features in a batch, padding included: 30 lines of usual length
_CHUNK = 64  # lines that are prepared at a time and sorted by length
_AIR = 4  # the index of the feature that says whether the pen is up; see `strokesynth.recognition.features`


class Posteriors(NamedTuple):
    """What the network sees in one ink."""

    log_probs: NDArray[np.float32]  # (T', C), of the CTC blank (code 0) and of each character
    positions: NDArray[np.float64]  # (T', 2), where the pen is at each frame, in normalised ink


class _Line(NamedTuple):
    """An ink prepared for the network."""

    place: int  # its index among the inks that were given
    ink: Ink
    baseline: Baseline | None
    trace: Trace

    def evidence(self, log_probs: Tensor, alphabet: Alphabet) -> Evidence:
        """What is kept of this line and its frames (T', C) to find its characters later."""
        rows = FeatureRows(
            self.trace.points.astype(np.float32),
            self.trace.strokes.astype(np.int32),
            self.trace.features[:, _AIR] > 0.5,
        )
        return Evidence(self.ink, self.baseline, rows, log_probs.half().numpy(), alphabet)


class Alignment(NamedTuple):
    """Which character of a text each point of an ink belongs to.

    characters: for each stroke an int array (n,) of indices into the text; a blank has no points. nll: the negative
    log-likelihood of the text in nats a character, -log p(text | ink) / length.
    """

    characters: list[NDArray[np.int64]]
    nll: float


class Recognizer:
    """Reads lines of handwriting.

    The ink is one line or word in any unit, y down; what `ink.text` says is not looked at. The same ink gives the same
    reading, alone or among others.

    Decoding takes the best path through the network's frames; `beam`, `language_model` or `alternatives` make it a
    beam search. Arguments that the methods share:

    * beam: how many prefixes the search keeps, from 1 on; None stands for `DEFAULT_BEAM` where a search is needed.
    * language_model: True for the one in the package (or the one given to `load_recognizer`), or another.
    * weight: how much its log-probability counts; None stands for `DEFAULT_WEIGHT`.
    * alternatives: how many other readings to give.
    * normalized: True for ink that is normalised already (`strokesynth.ink.normalize.normalize`), as that of a corpus
      is; it is then used as it is.

    The confidence of a reading is p(text | ink) to the power 1 / length, by the network alone: the geometric mean of
    its characters' probabilities, and about the share of them that is right (on IAM-OnDB 95 % where it is 0.95). To the
    power of the length it is the probability that all of them are right.
    """

    def __init__(
        self, weights: Weights, language_model: str | os.PathLike[str] | LanguageModel | None = None
    ) -> None:
        """See `load_recognizer`. `language_model`, a model or its file, is what True stands for in `read`."""
        if not isinstance(weights.network, RecognitionNetwork):
            raise ValueError(f"reading ink needs weights of recognition; these are of {weights.task}")
        self.network = weights.network
        self.alphabet = weights.alphabet
        self.note = weights.note
        self._model = packaged("language_model.npz") if language_model is None else language_model

    @cached_property
    def language_model(self) -> LanguageModel:
        """The language model that `language_model=True` stands for; read when first needed."""
        return self._model if isinstance(self._model, LanguageModel) else LanguageModel.load(self._model)

    def check(self, **options: Any) -> None:
        """Raise what `read` would raise for these options, so that long work can fail before it begins."""
        _Decoding.of(self, **options)

    def read(
        self,
        ink: Ink,
        *,
        beam: int | None = None,
        language_model: bool | LanguageModel = False,
        weight: float | None = None,
        alternatives: int = 0,
        normalized: bool = False,
    ) -> Reading:
        """What one line of ink says.

        Raises ValueError for ink without extent, of several lines (see `read_page`) or too long for one, and
        for arguments out of range.
        """
        decode = _Decoding.of(self, beam, language_model, weight, alternatives)
        ((_, reading),) = self._read([ink], decode, normalized, numbered=False)
        return reading

    def read_lines(
        self,
        inks: Sequence[Ink],
        *,
        beam: int | None = None,
        language_model: bool | LanguageModel = False,
        weight: float | None = None,
        alternatives: int = 0,
        normalized: bool = False,
    ) -> list[Reading]:
        """What each of many inks says, in their order; several times as fast as one by one. See `read`.

        An ink of several lines is read as if it were one, with a warning that names it.
        """
        if isinstance(inks, Ink):
            raise ValueError("inks is a list of Ink, one for each line; for one ink call read()")
        inks = list(inks)
        decode = _Decoding.of(self, beam, language_model, weight, alternatives)
        readings: dict[int, Reading] = dict(self._read(inks, decode, normalized, numbered=True))
        return [readings[i] for i in range(len(inks))]

    def read_page(
        self,
        ink: Ink,
        *,
        beam: int | None = None,
        language_model: bool | LanguageModel = False,
        weight: float | None = None,
        alternatives: int = 0,
    ) -> PageReading:
        """What each line of a page says, from top to bottom. See `read`.

        The lines are those of `strokesynth.split_rows`; the spans of their characters count in the strokes of the page.
        """
        lines = strokes_of_lines(ink)
        readings = self.read_lines(
            [Ink.from_strokes([ink.strokes[i] for i in line]) for line in lines],
            beam=beam,
            language_model=language_model,
            weight=weight,
            alternatives=alternatives,
        )
        return PageReading(reading.of_page(line) for reading, line in zip(readings, lines, strict=True))

    def posteriors(self, ink: Ink, *, normalized: bool = False) -> Posteriors:
        """The network's log-probabilities of characters at each frame, and where the frames lie."""
        ((line, log_probs),) = self._posteriors([ink], normalized, numbered=False)
        return Posteriors(log_probs.numpy(), line.trace.points[:: self.network.stride])

    def frames(self, inks: Sequence[Ink], *, normalized: bool = False) -> Iterator[tuple[int, Tensor]]:
        """The log-probabilities (T', C) of characters at each frame of many inks, each with its index.

        Those of like length come together, whatever the order of the inks. Raises ValueError as `read_lines`.
        """
        for line, log_probs in self._posteriors(list(inks), normalized, numbered=True):
            yield line.place, log_probs

    def log_likelihood(self, ink: Ink, text: str, *, normalized: bool = False) -> float:
        """Log p(text | ink) in nats by the network; -inf where the ink is too short for the text.

        Raises ValueError as `read`, and for characters outside the alphabet.
        """
        return float(self.log_likelihoods([ink], [text], normalized=normalized)[0])

    def log_likelihoods(
        self, inks: Sequence[Ink], texts: Sequence[str], *, normalized: bool = False
    ) -> NDArray[np.float64]:
        """Log p(text | ink) (n,) of n inks and their texts. See `log_likelihood`."""
        if len(inks) != len(texts):
            raise ValueError(f"each ink has one text; got {len(inks)} inks and {len(texts)} texts")
        codes = [self.alphabet.encode(text) for text in texts]
        result = np.zeros(len(texts))
        for i, log_probs in self.frames(inks, normalized=normalized):
            result[i] = ctc_log_likelihood(log_probs, codes[i])
        return result

    def align(
        self, inks: Sequence[Ink], texts: Sequence[str], *, normalized: bool = False
    ) -> list[Alignment | None]:
        """Which character of its text each point of each ink belongs to; None where the ink cannot say its text.

        That is an ink with fewer frames than its text needs, or a text without a visible character.
        Raises ValueError as `read_lines`, and for characters outside the alphabet.
        """
        if len(inks) != len(texts):
            raise ValueError(f"each ink has one text; got {len(inks)} inks and {len(texts)} texts")
        codes = [self.alphabet.encode(text) for text in texts]
        result: list[Alignment | None] = [None] * len(inks)
        for line, log_probs in self._posteriors(list(inks), normalized, numbered=True):
            text = texts[line.place]
            log_likelihood = ctc_log_likelihood(log_probs, codes[line.place])
            if text.strip() and log_likelihood > -math.inf:
                owner, _ = point_characters(line.evidence(log_probs, self.alphabet), text)
                result[line.place] = Alignment(owner, -log_likelihood / len(text))
        return result

    def _read(
        self, inks: list[Ink], decode: _Decoding, normalized: bool, numbered: bool
    ) -> Iterator[tuple[int, Reading]]:
        for lines, log_probs, frames in self._batches(inks, normalized, numbered):
            found = decode(log_probs, frames)  # for each line its readings as codes, the best first
            columns = [log_probs[: frames[i], i] for i, texts in enumerate(found) for _ in texts]
            likelihoods = iter(ctc_log_likelihoods(columns, [codes for texts in found for codes in texts]))
            for i, (line, texts) in enumerate(zip(lines, found, strict=True)):
                ranked = [
                    (self.alphabet.decode(codes), math.exp(next(likelihoods) / max(1, len(codes))))
                    for codes in texts
                ]
                evidence = line.evidence(log_probs[: frames[i], i], self.alphabet)
                yield line.place, Reading(*ranked[0], tuple(ranked[1:]), evidence)

    def _posteriors(
        self, inks: list[Ink], normalized: bool, numbered: bool
    ) -> Iterator[tuple[_Line, Tensor]]:
        for lines, log_probs, frames in self._batches(inks, normalized, numbered):
            for i, line in enumerate(lines):
                yield line, log_probs[: frames[i], i]

    def _batches(
        self, inks: list[Ink], normalized: bool, numbered: bool
    ) -> Iterator[tuple[list[_Line], Tensor, list[int]]]:
        """Lines of similar length, their log-probabilities (T', B, C) and how many frames (B,) each has."""
        for lines in self._chunks(inks, normalized, numbered):
            for batch in by_length([len(line.trace.points) for line in lines], padded=_BATCH_ROWS):
                chosen = [lines[i] for i in batch]
                yield chosen, *self._network([line.trace for line in chosen])

    def _chunks(self, inks: list[Ink], normalized: bool, numbered: bool) -> Iterator[list[_Line]]:
        """The inks prepared, so many at a time; while the network reads some, the next are prepared."""

        def prepare(start: int) -> list[_Line]:
            stop = min(start + _CHUNK, len(inks))
            return [_prepare(i, inks[i], normalized, numbered) for i in range(start, stop)]

        starts = range(0, len(inks), _CHUNK)
        if len(starts) < 2:
            yield from map(prepare, starts)
            return
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(prepare, 0)
            for start in starts[1:]:
                ready, coming = coming.result(), pool.submit(prepare, start)
                yield ready
            yield coming.result()

    @torch.inference_mode()
    def _network(self, traces: list[Trace]) -> tuple[Tensor, list[int]]:
        lengths = torch.tensor([len(t.features) for t in traces])
        features = torch.zeros(int(lengths.max()), len(traces), traces[0].features.shape[1])
        for column, t in enumerate(traces):
            features[: len(t.features), column] = torch.from_numpy(t.features)
        device = self.network.output.weight.device
        log_probs, frames = self.network(features.to(device), lengths.to(device))
        return log_probs.float().cpu(), frames.tolist()


def load_recognizer(
    path: str | os.PathLike[str] | None = None,
    device: str | torch.device = "cpu",
    language_model: str | os.PathLike[str] | LanguageModel | None = None,
) -> Recognizer:
    """The recogniser with the weights in the package, or others.

    path: weights of recognition, as a training run leaves them. language_model: a file of
    `LanguageModel.save`, or the model, in place of the one in the package; read when first needed.
    Raises FileNotFoundError where there is no such file, ValueError where it holds no such weights, or the device
    cannot be used.
    """
    return Recognizer(
        load_weights(packaged("recognition.safetensors") if path is None else path, device), language_model
    )


class _Decoding(NamedTuple):
    """How frames become readings."""

    alphabet: Alphabet
    beam: int | None  # prefixes that the search keeps; None for the best path
    language_model: LanguageModel | None
    weight: float
    most: int  # how many readings to give

    @classmethod
    def of(
        cls,
        recognizer: Recognizer,
        beam: int | None = None,
        language_model: bool | LanguageModel = False,
        weight: float | None = None,
        alternatives: int = 0,
    ) -> _Decoding:
        """From the arguments of `Recognizer.read`. Raises ValueError for those out of range."""
        for name, value, least in (
            ("beam", 1 if beam is None else beam, 1),
            ("alternatives", alternatives, 0),
        ):
            whole(name, value, least=least)
        if weight is not None and not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"weight is {weight!r}; expected a number of at least 0")
        if not isinstance(language_model, (bool, LanguageModel)):
            raise ValueError(f"language_model is True, False or a LanguageModel, not {language_model!r}")
        model = recognizer.language_model if language_model is True else language_model or None
        if model is not None and model.alphabet != recognizer.alphabet:
            raise ValueError("the language model has another alphabet than the network")
        if model is not None or alternatives:
            beam = max(DEFAULT_BEAM if beam is None else beam, 2 * alternatives + 1)
        return cls(
            recognizer.alphabet, beam, model, DEFAULT_WEIGHT if weight is None else weight, alternatives + 1
        )

    def __call__(self, log_probs: Tensor, frames: list[int]) -> list[list[NDArray[np.int64]]]:
        """For each of B inputs, log_probs (T', B, C), its different readings as codes, the best first."""
        if self.beam is None:
            return [[self._tidy(codes)] for codes in greedy_batch(log_probs, frames)]
        found = []
        for i, length in enumerate(frames):
            different: dict[bytes, NDArray[np.int64]] = {}
            for hypothesis in self._search(log_probs[:length, i], self.beam):
                codes = self._tidy(hypothesis.codes)
                different.setdefault(codes.tobytes(), codes)
            found.append(list(different.values())[: self.most])
        return found

    def _search(self, log_probs: Tensor, beam: int) -> list[Hypothesis]:
        bonus = 0.0 if self.language_model is None else self.weight * INSERTION_BONUS
        # Twice as many as asked for, because some differ only in blanks at their ends and count as one.
        return beam_search(
            log_probs,
            beam=beam,
            n_best=min(beam, 2 * self.most),
            language_model=self.language_model,
            weight=self.weight,
            insertion_bonus=bonus,
        )

    def _tidy(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Without blanks at the ends, and with one between words."""
        return self.alphabet.encode(" ".join(self.alphabet.decode(codes).split()))


def _prepare(index: int, ink: Ink, normalized: bool, numbered: bool) -> _Line:
    """The ink as the network sees it, or ValueError that says which ink it is where there are several."""
    try:
        if not isinstance(ink, Ink):
            raise ValueError(f"expected Ink, got {type(ink).__name__}")
        if normalized:
            return _Line(index, ink, None, trace(ink))
        if is_page(ink):
            page = (
                "this ink has several lines of writing, one below another, and is read line by line: "
                "read_page(ink) does so, and strokesynth.split_rows(ink) gives the lines"
            )
            if not numbered:
                raise ValueError(page)
            # A page in a long list is no reason to leave the others unread.
            warnings.warn(f"ink {index} of the list: {page}", stacklevel=2)
        baseline = estimate_baseline(ink, text="")  # the text of the ink must not help reading it
        return _Line(index, ink, baseline, trace(normalize(ink, baseline=baseline)))
    except ValueError as error:
        if numbered:
            raise ValueError(f"ink {index} of the list: {error}") from error
        raise
