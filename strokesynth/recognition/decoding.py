"""Connectionist temporal classification: from frames of class probabilities to text.

Graves, Fernández, Gomez & Schmidhuber (2006, "Connectionist temporal classification", ICML): a path names one
class for every frame; the labelling it stands for, B(path), has repeated classes merged and then blanks left
out (section 3.1). Class 0 is the blank, the others are the codes of an alphabet.

Everything works in float64, on log-probabilities as `log_softmax` gives them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn import functional as F

from strokesynth.nn.ctc import BLANK
from strokesynth.recognition.language_model import LanguageModel

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class Hypothesis(NamedTuple):
    """One reading of the frames."""

    codes: Ints  # (U,)
    score: float  # what hypotheses are sorted by: acoustic + weight · language + insertion_bonus · U
    acoustic: float  # log p(codes | frames), summed over the paths that the beam kept
    language: float  # log p(codes, end of line) by the language model; 0 without one


def greedy(log_probs: ArrayLike | Tensor) -> Ints:
    """Best path decoding (Graves et al. 2006, section 3.2): log_probs (T, C) → codes (U,).

    The scores need not be normalised. Raises ValueError for another shape, or for NaN.
    """
    scores = _tensor(log_probs)
    if scores.ndim != 2:
        raise ValueError(f"log_probs has shape (T, C), got {tuple(scores.shape)}")
    return greedy_batch(scores[:, None], [len(scores)])[0]


def greedy_batch(log_probs: ArrayLike | Tensor, lengths: ArrayLike | Tensor) -> list[Ints]:
    """Best path decoding of B inputs: log_probs (T, B, C), of which the first `lengths` (B,) frames count.

    Raises ValueError for shapes or lengths that do not fit, or for NaN within the frames that count.
    """
    scores = _tensor(log_probs)
    if scores.ndim != 3 or scores.shape[2] < 2:
        raise ValueError(f"log_probs has shape (T, B, C), C at least 2, got {tuple(scores.shape)}")
    frames, batch, _ = scores.shape
    counted = np.arange(frames) < _lengths(lengths, frames, batch)[:, None]  # (B, T)
    # The best codes are found on the tensor's own device, so that only one code a frame is copied from there. NaN
    # counts as greater than any number.
    highest, best = (_numpy(part).T for part in scores.max(-1))
    if np.isnan(highest[counted]).any():
        raise ValueError("log_probs has NaN")
    before = np.pad(best, ((0, 0), (1, 0)), constant_values=BLANK)[:, :-1]
    emitted = counted & (best != BLANK) & (best != before)
    return np.split(best[emitted], np.cumsum(emitted.sum(1))[:-1])


def beam_search(
    log_probs: ArrayLike | Tensor,
    *,
    beam: int = 16,
    n_best: int = 1,
    language_model: LanguageModel | None = None,
    weight: float = 0.5,
    insertion_bonus: float = 0.0,
    cutoff: float = 1e-4,
) -> list[Hypothesis]:
    """Prefix beam search (Hannun et al. 2014, arXiv:1408.2873, algorithm 1): log_probs (T, C) → up to `n_best`.

    The hypotheses differ in their codes and come best first, by

        log p(codes | frames) + weight · log p(codes) + insertion_bonus · len(codes),

    where the middle term, which includes the end of the line, needs a `language_model`. After each frame the `beam`
    best prefixes remain; a beam as wide as there are prefixes makes the search exact. At each frame only codes
    with a probability of at least `cutoff` lengthen a prefix (with 0 all of them), so that frames that are almost
    certainly blank cost next to nothing.

    Raises ValueError for log_probs of another shape or out of range, for a beam narrower than n_best, and for a
    language model of another number of codes.
    """
    frames = _checked(log_probs)
    if not 1 <= n_best <= beam:
        raise ValueError(f"n_best goes from 1 to the beam's width, got {n_best} and {beam}")
    if not (0 <= cutoff < 1 and 0 <= weight < math.inf and math.isfinite(insertion_bonus)):
        raise ValueError(
            f"cutoff is a probability below 1, weight at least 0, insertion_bonus finite; "
            f"got {cutoff}, {weight} and {insertion_bonus}"
        )
    if language_model is not None:
        _check_classes(language_model, frames.shape[1])
    floor = math.log(cutoff) if cutoff else -math.inf
    allowed = frames[:, 1:] >= max(floor, np.finfo(np.float64).min)
    prefixes = _Prefixes(language_model)
    # The beam: prefixes, by number, with the log-probability of all paths that end in a blank and in a character.
    nodes, blank, character = np.zeros(1, np.int64), np.zeros(1), np.full(1, -np.inf)
    language, bonus = np.zeros(1), np.zeros(1)
    for frame, likely in zip(frames, allowed, strict=True):
        last, parents = prefixes.last(nodes), prefixes.parents(nodes)
        either = np.logaddexp(blank, character)
        stay_blank, stay_character = either + frame[BLANK], character + frame[last]
        codes = np.flatnonzero(likely) + 1  # (K,)
        if not len(codes):
            blank, character = stay_blank, stay_character
            continue
        # Each prefix with each code after it, (W, K); a code that repeats the last needs a blank in between.
        grown = np.where(codes == last[:, None], blank[:, None], either[:, None]) + frame[codes]
        # What grows into a prefix that is already in the beam is counted there.
        child, parent = np.nonzero(parents[:, None] == nodes)
        column = np.searchsorted(codes, last[child])
        allowed_here = np.append(codes, -1)[column] == last[child]
        child, parent, column = child[allowed_here], parent[allowed_here], column[allowed_here]
        stay_character[child] = np.logaddexp(stay_character[child], grown[parent, column])
        grown[parent, column] = -np.inf
        stay_scores = np.logaddexp(stay_blank, stay_character) + weight * language + bonus
        grown_scores = grown + (weight * language + bonus + insertion_bonus)[:, None]
        # The language model only lowers scores: prefixes that fall out of the beam without it need not be looked up.
        asked = grown_scores.max(1) > (stay_scores.min() if len(nodes) == beam else -np.inf)
        if not asked.any():
            blank, character = stay_blank, stay_character
            continue
        said = np.zeros(grown.shape)
        said[asked] = prefixes.predictions(nodes[asked], codes)
        scores = np.concatenate([stay_scores, (grown_scores + weight * said).ravel()])
        kept = np.argpartition(-scores, beam)[:beam] if len(scores) > beam else np.arange(len(scores))
        kept = np.sort(kept[scores[kept] > -np.inf])
        staying = kept[kept < len(nodes)]
        source, column = np.divmod(kept[len(staying) :] - len(nodes), len(codes))
        new = prefixes.extend(nodes[source], codes[column])
        nodes = np.concatenate([nodes[staying], new])
        blank = np.concatenate([stay_blank[staying], np.full(len(new), -np.inf)])
        character = np.concatenate([stay_character[staying], grown[source, column]])
        language = np.concatenate([language[staying], language[source] + said[source, column]])
        bonus = np.concatenate([bonus[staying], bonus[source] + insertion_bonus])
    acoustic = np.logaddexp(blank, character)
    language = language + prefixes.predictions(nodes, np.zeros(1, np.int64))[:, 0]  # the end of the line
    scores = acoustic + weight * language + bonus
    best = [i for i in np.argsort(-scores, kind="stable")[:n_best] if scores[i] > -np.inf]
    if not best:
        raise ValueError(f"no codes have any probability when those below {cutoff} are left out")
    return [
        Hypothesis(prefixes.codes(int(nodes[i])), float(scores[i]), float(acoustic[i]), float(language[i]))
        for i in best
    ]


class _Prefixes:
    """All prefixes that a search has met, each under a number that it keeps; number 0 is the empty prefix."""

    def __init__(self, language_model: LanguageModel | None) -> None:
        self._model = language_model
        self._numbers: dict[tuple[int, int], int] = {}
        self._parents, self._last = np.full(1024, -1, np.int64), np.zeros(1024, np.int64)
        self._texts = [""]  # of each prefix; kept only for a language model

    def last(self, nodes: Ints) -> Ints:
        """The last code of each; the empty prefix counts as ending in a blank."""
        return self._last[nodes]

    def parents(self, nodes: Ints) -> Ints:
        """The prefixes one shorter, -1 for the empty one."""
        return self._parents[nodes]

    def extend(self, nodes: Ints, codes: Ints) -> Ints:
        """The prefixes `nodes` (n,) with one more code each."""
        numbers = []
        for pair in zip(nodes.tolist(), codes.tolist(), strict=True):
            number = self._numbers.get(pair)
            if number is None:
                number = self._numbers[pair] = len(self._numbers) + 1
                if number == len(self._last):
                    self._parents = np.concatenate([self._parents, self._parents])
                    self._last = np.concatenate([self._last, self._last])
                self._parents[number], self._last[number] = pair
                if self._model is not None:
                    self._texts.append(self._texts[pair[0]] + self._model.alphabet.characters[pair[1] - 1])
            numbers.append(number)
        return np.array(numbers, np.int64)

    def predictions(self, nodes: Ints, codes: Ints) -> Floats:
        """Log-probabilities (W, K) of `codes` after `nodes` by the language model; without one, zeros."""
        if self._model is None or not len(nodes):
            return np.zeros((len(nodes), len(codes)))
        rows = [self._model.probabilities(self._texts[node]) for node in nodes.tolist()]
        return np.log(np.stack(rows)[:, codes])

    def codes(self, node: int) -> Ints:
        """The prefix itself."""
        codes = []
        while node:
            codes.append(self._last[node])
            node = int(self._parents[node])
        return np.array(codes[::-1], np.int64)


def ctc_log_likelihood(log_probs: ArrayLike | Tensor, codes: ArrayLike | Tensor) -> float:
    """Log p(codes | frames), all paths together: log_probs (T, C), codes (U,). -inf with too few frames.

    Raises ValueError for log_probs of another shape or out of range, and for codes that are none.
    """
    return float(ctc_log_likelihoods([log_probs], [codes])[0])


def ctc_log_likelihoods(
    log_probs: Sequence[ArrayLike | Tensor], codes: Sequence[ArrayLike | Tensor]
) -> Floats:
    """Log p(codes | frames) of B inputs (B,), each with log_probs (T, C) of its own length and codes (U,).

    The forward variables of Graves et al. 2006, eqs 5–8, in float64. Raises as `ctc_log_likelihood`, and where there
    are not as many codes as inputs.
    """
    if not len(log_probs) and not len(codes):
        return np.zeros(0)
    frames, lengths, labels = _batch(log_probs, codes)
    padded = np.zeros((len(labels), max([1, *map(len, labels)])), np.int64)
    for row, label in zip(padded, labels, strict=True):
        row[: len(label)] = label
    sizes = np.array(list(map(len, labels)), np.int64)
    losses = F.ctc_loss(
        torch.from_numpy(frames),
        torch.from_numpy(padded),
        torch.from_numpy(lengths),
        torch.from_numpy(sizes),
        blank=BLANK,
        reduction="none",
    )
    return -np.asarray(losses.numpy(), np.float64)


def align(log_probs: ArrayLike | Tensor, codes: ArrayLike | Tensor) -> Ints:
    """Which frames emit each code on the most probable path: log_probs (T, C), codes (U,) → (U, 2).

    The first frame and one past the last; blanks between codes belong to none. The path is Viterbi's, over
    the states of the forward variables (Graves et al. 2006, section 4.1).

    Raises ValueError where no path has these codes, as with too few frames (a code that repeats the one
    before it needs a blank in between), and otherwise as `ctc_log_likelihood`.
    """
    (found,) = align_batch([log_probs], [codes])
    if found is None:
        numbers = np.asarray(_numpy(codes))
        needed = len(numbers) + int((numbers[1:] == numbers[:-1]).sum())
        frames = len(_checked(log_probs))
        if frames < needed:
            raise ValueError(f"{len(numbers)} codes need at least {needed} frames, got {frames}")
        raise ValueError("no path has these codes: some have probability zero wherever they could be")
    return found


def align_batch(
    log_probs: Sequence[ArrayLike | Tensor], codes: Sequence[ArrayLike | Tensor]
) -> list[Ints | None]:
    """As `align` for B inputs, each with log_probs (T, C) of its own length; None where there is no path."""
    frames, ends, labels = _batch(log_probs, codes)
    frames = np.minimum(frames, 0.0)  # rounding may have left a probability above 1
    states = _states(labels)
    skips, rows = _skips(states), np.arange(len(labels))
    best = _before_the_first_frame(states.shape)
    steps = np.zeros((len(frames), *states.shape), np.int8)  # by how many states the best path moved on
    for t, frame in enumerate(frames):
        ways = np.stack([best, *_shifted(best, skips)])
        steps[t] = ways.argmax(0)
        new = ways.max(0) + np.take_along_axis(frame, states, axis=1)
        best = np.where((t < ends)[:, None], new, best)
    state = np.array([2 * len(label) for label in labels], np.int64)  # the blank after the last code
    state = np.where(best[rows, np.maximum(state - 1, 0)] > best[rows, state], state - 1, state)
    possible = best[rows, state] > -np.inf
    path = np.zeros((len(frames), len(labels)), np.int64)
    for t in range(len(frames) - 1, -1, -1):
        path[t] = state
        state = np.where(t < ends, state - steps[t, rows, state], state)
    result: list[Ints | None] = []
    for way, end, label, exists in zip(path.T, ends, labels, possible, strict=True):
        inside = np.arange(
            1, 2 * len(label), 2
        )  # states never decrease along a path: each is one stretch of it
        edges = [np.searchsorted(way[:end], inside, side) for side in ("left", "right")]
        result.append(np.stack(edges, axis=1) if exists else None)
    return result


def _tensor(values: ArrayLike | Tensor) -> Tensor:
    return values if isinstance(values, Tensor) else torch.from_numpy(np.array(values))


def _numpy(values: Any) -> NDArray[Any]:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _checked(log_probs: ArrayLike | Tensor) -> Floats:
    """`log_probs` (T, C) as float64, or a ValueError that says what it should be."""
    if isinstance(log_probs, Tensor):
        log_probs = log_probs.detach().cpu().double()
    frames = np.asarray(log_probs, dtype=np.float64)
    if frames.ndim != 2 or frames.shape[1] < 2:
        raise ValueError(f"log_probs has shape (T, C), C at least 2, got {frames.shape}")
    if np.isnan(frames).any():
        raise ValueError("log_probs has NaN")
    with np.errstate(over="ignore"):
        totals = np.exp(frames).sum(-1)
    wrong = (totals > 1.05) | (totals == 0)  # rounding to half precision is within this, logits are far off
    if wrong.any():
        raise ValueError(
            "log_probs are logs of probabilities, as log_softmax gives; "
            f"at frame {np.argwhere(wrong)[0, 0]} these sum to {totals[wrong][0]:.3g}"
        )
    return frames


def _batch(
    log_probs: Sequence[ArrayLike | Tensor], codes: Sequence[ArrayLike | Tensor]
) -> tuple[Floats, Ints, list[Ints]]:
    """Frames (T, B, C) of B inputs, padded with zeros, T at least 1; how many each has (B,); and the codes of each."""
    if len(codes) != len(log_probs):
        raise ValueError(f"expected codes for each of {len(log_probs)} inputs, got {len(codes)}")
    inputs = [_checked(one) for one in log_probs]
    lengths = np.array(list(map(len, inputs)), np.int64)
    classes = inputs[0].shape[1] if inputs else 2
    frames = np.zeros((max([1, *lengths.tolist()]), len(inputs), classes))
    for i, one in enumerate(inputs):
        if one.shape[1] != classes:
            raise ValueError(f"input {i} has {one.shape[1]} classes and input 0 has {classes}")
        frames[: len(one), i] = one
    return frames, lengths, [_codes(c, classes) for c in codes]


def _lengths(lengths: ArrayLike | Tensor, frames: int, batch: int) -> Ints:
    numbers = np.asarray(_numpy(lengths))
    if numbers.shape != (batch,) or not np.issubdtype(numbers.dtype, np.integer):
        raise ValueError(f"expected {batch} integer lengths, got shape {numbers.shape} of {numbers.dtype}")
    if batch and not 0 <= numbers.min() <= numbers.max() <= frames:
        raise ValueError(f"lengths go from 0 to the {frames} frames, got {numbers.tolist()}")
    return numbers.astype(np.int64)


def _codes(codes: ArrayLike | Tensor, classes: int) -> Ints:
    """The codes (U,), checked."""
    numbers = np.asarray(_numpy(codes))
    if numbers.ndim != 1 or (numbers.size and not np.issubdtype(numbers.dtype, np.integer)):
        raise ValueError(f"codes are a 1-D array of integers, got shape {numbers.shape} of {numbers.dtype}")
    if numbers.size and not 1 <= numbers.min() <= numbers.max() < classes:
        raise ValueError(f"codes go from 1 to {classes - 1}, got {numbers.tolist()}")
    return numbers.astype(np.int64)


def _states(codes: Sequence[Ints]) -> Ints:
    """Codes with a blank before, between and after them, padded with blanks: (B, S), the states of a path."""
    states = np.full((len(codes), 2 * max(map(len, codes), default=0) + 1), BLANK, np.int64)
    for row, label in zip(states, codes, strict=True):
        row[1 : 2 * len(label) : 2] = label
    return states


def _skips(states: Ints) -> NDArray[np.bool_]:
    """Which states (…, S) can be reached from the state two before: codes that do not repeat the code before them."""
    skips = np.zeros(states.shape, bool)
    skips[..., 2:] = (states[..., 2:] != BLANK) & (states[..., 2:] != states[..., :-2])
    return skips


def _before_the_first_frame(shape: tuple[int, ...]) -> Floats:
    """Log-probabilities (…, S) from which the first frame comes to the first blank or the first code (eq 5)."""
    alpha = np.full(shape, -np.inf)
    alpha[..., 0] = 0.0
    return alpha


def _shifted(alpha: Floats, skips: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """`alpha` (…, S) of the state before each, and of the state two before where the one between may be skipped."""
    one, two = np.full_like(alpha, -np.inf), np.full_like(alpha, -np.inf)
    one[..., 1:] = alpha[..., :-1]
    two[..., 2:] = np.where(skips[..., 2:], alpha[..., :-2], -np.inf)
    return one, two


def _check_classes(model: LanguageModel, classes: int) -> None:
    if model.alphabet.size != classes:
        raise ValueError(
            f"the language model has {model.alphabet.size} codes, log_probs has {classes} classes"
        )
