"""Lines written by the compiled step (step.c): the networks' weights as it reads them, and the state of a batch.

The arithmetic is that of `SynthesisNetwork.step`, `PredictionNetwork.step` and `strokesynth.nn.mixture.sample`, which
are the reference. Float32 throughout; each number is a sum over the inputs in one order, so that a line is the same bit
for bit whatever is written beside it, and with any number of threads.

Weights that float16 holds exactly are kept in it. Then the letters of a style, which are sums of such weights, are
rounded to float16, too: whether folded into a network (`StyledNetwork.fold`) or of one line among others (`Hands`).
"""

from __future__ import annotations

import ctypes
import functools
import math
import os
import weakref
from collections.abc import Iterable, Sequence
from ctypes import Structure, c_int32, c_int64, c_void_p
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from strokesynth.nn.kernel import library
from strokesynth.nn.lstm import LSTM
from strokesynth.nn.synthesis import PredictionNetwork, SynthesisConfig, SynthesisNetwork

MOST_THREADS = 4
"""More have too little to do in a step to be worth the wait for one another."""

_LITTLE = 20_000_000  # products: a few milliseconds of work, less than it may take to get help
_GATES = 4
_LAYERS = 3
_WRITING, _FINISHED = 0, 1


class _Product(Structure):
    _fields_ = (("weights", c_void_p), ("panels", c_int32), ("inputs", c_int32), ("before", c_int64))


class _Network(Structure):
    _fields_ = (
        *((name, c_int32) for name in ("units", "gaussians", "components")),
        ("mean", c_void_p),
        ("deviation", c_void_p),
        ("layers", _Product * 3),
        ("to_window", _Product),
        ("to_mixture", _Product),
    )


# What a line is from step to step, and the rest of a batch.
_STATE = ("hidden", "cells", "points", "kappa", "seen", "which", "outside")
_BATCH = (
    *("window", "outputs", "adding", "biases", "first", "text", "lengths", "least", "limits", "bias"),
    *("at_end", "state"),
)


class _Batch(Structure):
    _fields_ = (
        *((name, c_int32) for name in ("lines", "places", "letters", "kinds", "hands")),
        ("step", c_int64),
        ("drawn", c_int64),
        *((name, c_void_p) for name in (*_STATE, *_BATCH)),
    )


class _Block(Structure):
    _fields_ = (
        ("steps", c_int32),
        ("threads", c_int32),
        *((name, c_void_p) for name in ("given", "noise", "drawn", "phi", "counts", "active", "scratch")),
        ("scratch_size", c_int64),
    )


class Writer:
    """The weights of a network as the compiled step reads them; see `writer_of`."""

    def __init__(self, step: ctypes.CDLL, network: SynthesisNetwork | PredictionNetwork, half: bool) -> None:
        config = network.config
        self.step, lanes = step, step.strokesynth_lanes()
        self.letters = config.alphabet_size if isinstance(config, SynthesisConfig) else 0
        self.gaussians = config.window_components if isinstance(config, SynthesisConfig) else 0
        layers = _layers(network)
        packed = [_by_unit(layer.weights, lanes) for layer in layers]
        sums = [(network.output.weight, network.output.bias)]
        if isinstance(network, SynthesisNetwork):
            sums.insert(0, (network.first.w_hp, network.first.b_p))
        packed += [_by_sum(weights, lanes) for weights, _ in sums]
        # All weights in one piece of memory, for which the system has large pages.
        arena = _aligned((sum(weights.size for weights in packed),), np.float16 if half else np.float32)
        mean, deviation = _numpy(network.offset_mean), _numpy(network.offset_std)
        self.weights = arena.size
        self._kept: list[NDArray[Any]] = [arena, mean, deviation]
        # What comes from outside the layers at first: no movement, pen up, no letter.
        self.start = np.array([*(-mean / deviation), 1.0], np.float32)
        products, before = [], 0
        for weights in packed:
            own, arena = np.split(arena, [weights.size])
            own[:] = weights.ravel()
            products.append(_Product(own.ctypes.data, *weights.shape[:2], before))
            before += weights.shape[0]
        # What is known after the last style: see `strokesynth.nn.sampling`.
        self.primed: tuple[tuple[bytes, bytes], LinesState, int] | None = None
        self.stride = products[0].panels * lanes
        self.window_size = products[3].panels * _GATES * lanes if self.letters else 0
        self.output_size = products[-1].panels * _GATES * lanes
        self.columns = _aligned((_LAYERS, products[0].panels, self.letters, _GATES * lanes), arena.dtype.type)
        for columns, layer in zip(self.columns, layers, strict=True):
            columns[:] = _by_unit(layer.letters, lanes).reshape(columns.shape)
        # What one hand has: (LAYERS, panels, letters, 4 lanes) and (panels of all products, 1, 4 lanes).
        self._biases = [
            bias.detach().clone() for bias in (*(layer.bias for layer in layers), *(b for _, b in sums))
        ]
        self.biases = self._packed([bias[:, None] for bias in self._biases])
        self.network = _Network(
            config.hidden_size,
            self.gaussians,
            config.components,
            mean.ctypes.data,
            deviation.ctypes.data,
            (_Product * 3)(*products[:3]),
            products[3] if self.letters else _Product(),
            products[-1],
        )

    def _packed(self, biases: Sequence[Tensor]) -> NDArray[np.float32]:
        """Of each product (outputs, hands) → (panels of all products, hands, 4 lanes)."""
        lanes = self.step.strokesynth_lanes()
        packed = [(_by_unit if k < _LAYERS else _by_sum)(bias, lanes) for k, bias in enumerate(biases)]
        size = sum(map(len, packed)), biases[0].shape[1], _GATES * lanes
        result = _aligned(size)
        np.concatenate([part.reshape(-1, *size[1:]) for part in packed], out=result)
        return result

    def biases_of(self, hands: Hands) -> NDArray[np.float32]:
        """(panels of all products, B, 4 lanes)."""
        *layers, outputs = (torch.from_numpy(added).T for added in hands.biases)
        to_window = torch.zeros(len(self._biases[_LAYERS]), outputs.shape[1])  # which hands leave alone
        added = [*layers, to_window, outputs]
        return self._packed([bias[:, None] + own for bias, own in zip(self._biases, added, strict=True)])

    def fold(self, letters: NDArray[np.int32], styles: NDArray[np.float32]) -> NDArray[Any]:
        """What letters (n,) in styles (n, S) add to the gates: (LAYERS, panels, n, 4 lanes)."""
        panels, width = self.columns.shape[1], self.columns.shape[3]
        result = _aligned((_LAYERS, panels, len(letters), width), self.columns.dtype.type)
        arrays = (array.ctypes.data_as(c_void_p) for array in (letters, styles, result))
        columns = self.columns.ctypes.data_as(c_void_p)
        self.step.strokesynth_fold(ctypes.byref(self.network), columns, self.letters, *styles.shape, *arrays)
        return result


class Hands(NamedTuple):
    """A hand for each of B lines, for a network whose window sees A letters and S numbers of style beside them."""

    characters: NDArray[np.float32]  # (B, A, S) the style of each letter
    biases: Sequence[
        NDArray[np.float32]
    ]  # more for the gates, three of (B, 4H), and the outputs, (B, 6 M + 1)


class Block(NamedTuple):
    """What some steps wrote in B lines with texts of up to U places."""

    points: NDArray[np.float32]  # (B, steps, 3) offsets
    phi: NDArray[np.float32]  # (B, steps, U) the window's weights before each
    counts: NDArray[np.int32]  # (B,) points written


class LinesState(NamedTuple):
    """What a network knows of the lines it writes. The state of one line may be taken over by many lines."""

    step: int
    arrays: tuple[NDArray[Any], ...]  # as `_STATE`; lines first


class Lines:
    """B lines that are being written.

    texts: B arrays of character codes, -1 where a place is empty; of the prediction network, B empty ones. least,
    limits: points before which a line does not end, and after which it is given up. A line ends where the pen is up
    and the window on the last place of its text, more than on any other; without a text, where the pen is up.
    hands: of each line its own, where the network is made for that; then no place of a text may be empty.
    """

    def __init__(
        self,
        writer: Writer,
        texts: Sequence[NDArray[np.int64]],
        biases: Sequence[float] | None = None,
        least: int = 1,
        limits: Sequence[int] | None = None,
        hands: Hands | None = None,
    ) -> None:
        self._writer, self._threads = writer, _threads()
        self.count, self._places = len(texts), max(map(len, texts))
        letters, first = writer.letters, np.zeros(self.count, np.int32)
        adding, bias_of = writer.columns, writer.biases
        if hands is not None:
            # A line has few letters, here counted from 0 in each line.
            own, texts = zip(*(np.unique(codes, return_inverse=True) for codes in texts), strict=True)
            letters, first[1:] = max(map(len, own)), np.cumsum([len(codes) for codes in own])[:-1]
            styles = [line[codes] for line, codes in zip(hands.characters, own, strict=True)]
            adding = writer.fold(np.concatenate(own).astype(np.int32), np.concatenate(styles))
            bias_of = writer.biases_of(hands)
        text = np.full((self.count, self._places), -1, np.int32)
        for row, codes in zip(text, texts, strict=True):
            row[: len(codes)] = codes
        self.arrays: dict[str, NDArray[Any]] = {
            "hidden": _aligned((self.count, 2, 3, writer.stride)),
            "cells": _aligned((self.count, 3, writer.stride)),
            "points": np.tile(np.array([0, 0, 1], np.float32), (self.count, 1)),
            "kappa": np.zeros((self.count, writer.gaussians), np.float32),
            "seen": np.zeros(self.count, np.int32),
            "which": np.zeros((self.count, letters), np.int32),
            "outside": np.tile(np.pad(writer.start, (0, letters)), (self.count, 1)),
            "window": _aligned((self.count, writer.window_size)),
            "outputs": _aligned((self.count, writer.output_size)),
            "adding": adding,
            "biases": bias_of,
            "first": first,
            "text": text,
            "lengths": np.array([len(codes) for codes in texts], np.int32),
            "least": np.full(self.count, least, np.int64),
            "limits": np.zeros(self.count, np.int64) if limits is None else np.array(limits, np.int64),
            "bias": np.zeros(self.count, np.float32) if biases is None else np.array(biases, np.float32),
            "at_end": np.ones(self.count, np.int32),
            "state": np.zeros(self.count, np.int32),
        }
        self._active = np.empty(self.count, np.int32)
        self._scratch = _aligned((self._threads, writer.step.strokesynth_scratch_size(self.count)))
        pointers = {name: array.ctypes.data for name, array in self.arrays.items()}
        sizes = {"letters": letters, "kinds": adding.shape[2], "hands": bias_of.shape[1]}
        self._batch = _Batch(lines=self.count, places=self._places, **sizes, **pointers)

    @property
    def writing(self) -> NDArray[np.int64]:
        """The lines that have not ended."""
        return np.flatnonzero(self.arrays["state"] == _WRITING)

    @property
    def finished(self) -> NDArray[np.bool_]:
        """Whether each line has come to its end, (B,)."""
        return self.arrays["state"] == _FINISHED

    @property
    def outputs(self) -> NDArray[np.float32]:
        """The network's outputs at the last step, (B, 6 M + 1)."""
        return self.arrays["outputs"][:, : 6 * self._writer.network.components + 1]

    @property
    def knowledge(self) -> LinesState:
        """A copy of what the network knows of its lines."""
        return LinesState(self._batch.step, tuple(self.arrays[name].copy() for name in _STATE))

    @knowledge.setter
    def knowledge(self, state: LinesState) -> None:
        self._batch.step = state.step
        for name, array in zip(_STATE, state.arrays, strict=True):
            self.arrays[name][...] = array

    def follow(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """See real ink, offsets (n, 3), in every line. Returns the window's weights (B, n, U) before each point."""
        return self._run(len(points), given=np.ascontiguousarray(points, np.float32)).phi

    def write(self, noise: NDArray[np.float32]) -> Block:
        """Go on by n points, or to the end of every line; noise (B, n, 4) is uniform on [0, 1)."""
        return self._run(noise.shape[1], noise=np.ascontiguousarray(noise, np.float32))

    def _run(self, steps: int, **inputs: NDArray[np.float32]) -> Block:
        block = Block(
            np.empty((self.count, steps, 3), np.float32),
            np.empty((self.count, steps, self._places), np.float32),
            np.zeros(self.count, np.int32),
        )
        given, noise = (inputs[name].ctypes.data if name in inputs else None for name in ("given", "noise"))
        others = (array.ctypes.data for array in (*block, self._active, self._scratch))
        work = steps * len(self.writing) * self._writer.weights
        threads = self._threads if work > _LITTLE else 1
        steps_of = _Block(steps, threads, given, noise, *others, self._scratch.shape[1])
        run = self._writer.step.strokesynth_run
        run(*(ctypes.byref(part) for part in (self._writer.network, self._batch, steps_of)))
        return block


def _threads() -> int:
    """The number of threads: as many as torch takes, but no more than processors, since threads wait busily."""
    if hasattr(os, "sched_getaffinity"):
        available = len(os.sched_getaffinity(0))
    else:
        available = os.cpu_count() or 1
    return max(1, min(torch.get_num_threads(), available, MOST_THREADS))


class _Layer(NamedTuple):
    """A layer's weights."""

    weights: Tensor  # (4H, inputs), inputs in the order own output, layer below, pen
    letters: Tensor  # (4H, letters)
    bias: Tensor  # (4H,)


def _layers(network: SynthesisNetwork | PredictionNetwork) -> list[_Layer]:
    result: list[_Layer] = []
    if isinstance(network, SynthesisNetwork):
        first, size = network.first, network.config.hidden_size
        result.append(
            _Layer(torch.cat([first.w_sh[:, :size], first.w_ih], 1), first.w_sh[:, size:], first.bias)
        )
    for layer in cast(Iterable[LSTM], network.layers):
        sizes = [layer.input_size - layer.hidden_size - 3, layer.hidden_size] if result else [0, 0]
        pen, letters, below = layer.w_ih.split([3, *sizes], 1)
        result.append(_Layer(torch.cat([layer.w_hh, below, pen], 1), letters, layer.bias))
    return result


def _by_unit(weights: Tensor, lanes: int) -> NDArray[np.float32]:
    """(4H, I) → (panels, I, 4, lanes): panels of units, filled up with zeros."""
    return _panels(weights.detach().unflatten(0, (_GATES, -1)), lanes)


def _by_sum(weights: Tensor, lanes: int) -> NDArray[np.float32]:
    """(O, I) → (panels, I, 1, 4 lanes)."""
    return _panels(weights.detach()[None], _GATES * lanes)


def _panels(rows: Tensor, width: int) -> NDArray[np.float32]:
    """(G, O, I) → (panels, I, G, width)."""
    padded = torch.nn.functional.pad(rows, (0, 0, 0, -rows.shape[1] % width))
    return padded.unflatten(1, (-1, width)).permute(1, 3, 0, 2).numpy()


def _numpy(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.detach().numpy().copy()


def _aligned(shape: tuple[int, ...], dtype: type[np.floating[Any]] = np.float32) -> NDArray[Any]:
    """Zeros that start on a cache line."""
    size = math.prod(shape)
    room: NDArray[Any] = np.zeros(size + 64 // np.dtype(dtype).itemsize, dtype)
    skip = -room.ctypes.data % 64 // room.itemsize
    return room[skip : skip + size].reshape(shape)


def writer_of(network: SynthesisNetwork | PredictionNetwork) -> Writer | None:
    """The compiled step with the network's present weights; None where there is none for it.

    Packed weights are kept as long as the network lives, and packed again when its weights have changed. Raises
    ValueError where the environment asks for a compiled step that there cannot be, see `library.chosen`.
    """
    instructions = library.chosen()
    if instructions is None or not _suits(network):
        return None
    content = (instructions, *(_sum_of(t) for t in network.state_dict().values()))
    if (kept := _writers.get(network)) is None or kept[0] != content:
        kept = _writers[network] = (content, _new_writer(network, instructions))
    return kept[1]


_writers: weakref.WeakKeyDictionary[torch.nn.Module, tuple[tuple[Any, ...], Writer | None]] = (
    weakref.WeakKeyDictionary()
)


def _suits(network: torch.nn.Module) -> bool:
    if type(network) not in (SynthesisNetwork, PredictionNetwork):
        return False
    return all(t.dtype == torch.float32 and t.device.type == "cpu" for t in network.state_dict().values())


def _sum_of(tensor: Tensor) -> tuple[int, int]:
    """A checksum of the bits, since weights change in many ways, not all of which torch takes note of."""
    bits = tensor.detach().contiguous().view(-1).numpy().view(np.uint32)
    pairs = len(bits) // 2 * 2
    return int(bits[:pairs].view(np.uint64).sum()), int(bits[pairs:].sum())


def _new_writer(network: SynthesisNetwork | PredictionNetwork, instructions: str) -> Writer | None:
    products = [layer.weights for layer in _layers(network)] + [network.output.weight]
    if isinstance(network, SynthesisNetwork):
        products.append(network.first.w_hp)
    half = all(torch.equal(p, p.half().float()) for p in products)
    half = half and all(bool(layer.letters.half().isfinite().all()) for layer in _layers(network))
    for exact in (True, False) if half else (False,):
        if (step := _checked(exact, instructions)) is not None:
            return Writer(step, network, exact)
    return None


@functools.cache
def _checked(half: bool, instructions: str) -> ctypes.CDLL | None:
    """The compiled step, if it agrees with the plain one: a compiler may be wrong, too."""
    step = library.load(half, instructions)
    if step is None:
        return None
    with torch.random.fork_rng(devices=[]):
        network = SynthesisNetwork(SynthesisConfig(35, 3, 3, 5))
    with torch.no_grad():
        for number, weights in enumerate(network.parameters()):
            weights.copy_(
                torch.arange(weights.numel()).add(number).sin().mul(0.3).half().float().view_as(weights)
            )
        return step if all(_agrees(step, network, half, styled) for styled in (False, True)) else None


def _agrees(step: ctypes.CDLL, network: SynthesisNetwork, half: bool, styled: bool) -> bool:
    """Whether the step gives what the plain one does; `styled`: in a hand of its own, of letters with two numbers."""
    codes, points = torch.tensor([[1, 2, 0, 2]]), torch.arange(36.0).sin().view(12, 3)
    text, biases, hands = network.one_hot(codes), None, None
    if styled:
        style = torch.tensor([[0.5, -1.0], [0.25, 0.75], [-0.75, 0.0]])
        text[..., 3:] = style[codes]
        biases = [torch.arange(float(size))[None].cos() for size in (140, 140, 140, 19)]
        hands = Hands(style.expand(7, -1, -1).numpy(), [added.expand(7, -1).numpy() for added in biases])
    lines = Lines(Writer(step, network, half), [codes[0].numpy()] * 7, hands=hands)
    state, x = network.initial_state(1), torch.tensor([[0.0, 0.0, 1.0]])
    for point in points:
        outputs, _, state = network.step(network.standardize(x), text, state, biases=biases)
        lines.follow(point[None].numpy())
        x = point[None]
    found = torch.from_numpy(lines.outputs)
    # Letters in a style are rounded to the type of the weights.
    tolerance = 1e-3 if half and styled else 1e-4
    return torch.allclose(found, outputs.expand_as(found), atol=tolerance, rtol=tolerance)
