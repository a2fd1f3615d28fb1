"""Drawing pen points from the networks, one step for a whole batch at a time.

Graves (2013, arXiv:1308.0850): bias, section 5.4; primed sampling, section 5.5. Each line has its own stream of
random numbers, so that what is written depends on its seed and not on the other lines of the batch, except
for rounding: a product of one row and one of many rows add in different orders, which shows in the last digits.
The same batch on the same machine is the same bit for bit.

On a CPU one thread does it all, whatever torch is set to: the products of a step are too small to share out (for
one line, a second core makes it slower), and how a product is shared out also shows in the last digits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from strokesynth.nn.mixture import sample, split_outputs
from strokesynth.nn.synthesis import PredictionNetwork, SynthesisNetwork, SynthesisState
from strokesynth.nn.window import WindowState

TERMINAL_GAP = 0.5
"""Where a training line ends for the network: a last pen-down point this far (x-heights) right of the ink, on the
baseline. It teaches the window to leave the last character once everything is written, late dots and crosses
included; sampling stops just before it."""

_NOISE_BLOCK = 64  # steps of random numbers drawn at once
_UNSEEN = 1e-6  # weight of the window below which a text might as well not be there


class SampledLine(NamedTuple):
    """What the synthesis network wrote for one text of U characters."""

    offsets: NDArray[np.float32]  # (n, 3)
    characters: NDArray[np.int64]  # (n,) index of the character that the window was on
    window: NDArray[np.float32]  # (n, U + 1) window weights at each point; the last column is the end mark
    finished: bool  # False if the window had not left the text after the allowed number of points


def with_terminal(offsets: NDArray[np.float32]) -> NDArray[np.float32]:
    """The line (n, 3) with its terminal point (see `TERMINAL_GAP`) appended: (n + 1, 3)."""
    positions = np.cumsum(offsets[:, :2], axis=0, dtype=np.float64)
    last = (positions[:, 0].max() + TERMINAL_GAP - positions[-1, 0], -positions[-1, 1], 1.0)
    return np.concatenate([offsets, np.array([last], np.float32)])


def start_point(batch: int, device: torch.device | None = None) -> Tensor:
    """The input before the first point, (batch, 3): no movement, pen up."""
    return torch.tensor([[0.0, 0.0, 1.0]], device=device).repeat(batch, 1)


class NoiseStreams:
    """Uniform random numbers for B lines, each from its own seed."""

    def __init__(self, seeds: Sequence[int]) -> None:
        # Not torch.Generator, which looks at 32 bits of a seed only.
        self._generators = [np.random.default_rng(seed) for seed in seeds]
        self._step = 0
        self._block = torch.empty(0)

    def next(self) -> Tensor:
        """The next four numbers of every line: (B, 4) on [0, 1)."""
        at = self._step % _NOISE_BLOCK
        if at == 0:
            drawn = [g.random((_NOISE_BLOCK, 4), dtype=np.float32) for g in self._generators]
            self._block = torch.from_numpy(np.stack(drawn))
        self._step += 1
        return self._block[:, at]

    def keep(self, rows: Tensor) -> None:
        """Go on with these lines only."""
        self._generators = [self._generators[i] for i in rows.tolist()]
        if len(self._block):
            self._block = self._block[rows]


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@_one_thread()
@torch.no_grad()
def sample_lines(
    network: SynthesisNetwork,
    codes: Sequence[NDArray[np.int64]],
    seeds: Sequence[int],
    *,
    bias: float | Sequence[float] = 1.0,
    prime: tuple[NDArray[np.float32], NDArray[np.int64]] | None = None,
    points_per_character: float = 30.0,
) -> list[SampledLine]:
    """Write B texts at once.

    Args:
        network: in evaluation mode.
        codes: B arrays of character codes, each ending in the end mark.
        seeds: B seeds of the random numbers.
        bias: ≥ 0, for all or for each line (section 5.4).
        prime: offsets (n, 3) of real ink and the codes of its text without end mark, after which the network
            goes on in the same hand (section 5.5). The first offset of each line then starts at the last point
            of that ink.
        points_per_character: a line that needs more is given up (`finished` False).

    A line ends when the pen is up and the window is on the end mark, more than on any character.
    """
    device = network.output.weight.device
    batch = len(codes)
    before = prime[1] if prime is not None else np.zeros(0, np.int64)
    texts = [torch.from_numpy(np.concatenate([before, c])) for c in codes]
    lengths = torch.tensor([len(t) for t in texts], device=device)
    text = network.one_hot(torch.nn.utils.rnn.pad_sequence(texts, batch_first=True).to(device), lengths)
    biases = torch.as_tensor(bias, dtype=torch.float32, device=device).expand(batch)
    limits = torch.tensor([math.ceil(points_per_character * len(c)) for c in codes], device=device)
    if prime is None:
        state, x = network.initial_state(batch), start_point(batch, device)
    else:
        state, x = _prime_state(network, prime[0], text, len(before))
    noise = NoiseStreams(seeds)
    rows = torch.arange(batch, device=device)  # the lines still being written
    finished = torch.zeros(batch, dtype=torch.bool, device=device)
    drawn: list[tuple[Tensor, Tensor, Tensor]] = []  # of each step: rows, points, window weights
    for step in range(int(limits.max()) + 1):
        outputs, phi, state = network.step(network.standardize(x), text, state)
        ended = _at_end(phi, lengths) & (x[:, 2] > 0.5) & (step > 0)
        stop = ended | (limits <= step)
        if stop.any():
            finished[rows[ended]] = True
            keep = torch.nonzero(~stop)[:, 0]
            if not len(keep):
                break
            rows, text, lengths, limits, biases, outputs, phi = (
                part[keep] for part in (rows, text, lengths, limits, biases, outputs, phi)
            )
            state = _select(state, keep)
            noise.keep(keep.cpu())
        x = network.unstandardize(sample(split_outputs(outputs, biases), noise.next().to(device)))
        drawn.append((rows, x, phi))
    return _lines(drawn, [len(c) for c in codes], len(before), finished.tolist())


@_one_thread()
@torch.no_grad()
def sample_freely(
    network: PredictionNetwork, points: int, seed: int, *, bias: float = 0.0
) -> NDArray[np.float32]:
    """Offsets (n, 3) from the prediction network: `points` of them, and on to the end of the last stroke.

    The pen is lifted after at most half as many points again.
    """
    device = network.output.weight.device
    state, x = network.initial_state(1), start_point(1, device)
    noise = NoiseStreams([seed])
    drawn: list[Tensor] = []
    while len(drawn) < points or (drawn[-1][0, 2] < 0.5 and len(drawn) < points + points // 2):
        outputs, state = network.step(network.standardize(x), state)
        x = network.unstandardize(sample(split_outputs(outputs, bias), noise.next().to(device)))
        drawn.append(x)
    offsets = torch.cat(drawn).cpu().numpy()
    offsets[-1, 2] = 1.0
    return offsets


def _prime_state(
    network: SynthesisNetwork, offsets: NDArray[np.float32], text: Tensor, before: int
) -> tuple[SynthesisState, Tensor]:
    """State after the network has seen real ink, and the ink's last point as the next input.

    The first `before` characters of text (B, U, C) are those of the ink, the same in every line; only when the window
    begins to see what comes after them do the lines part, and up to there one stands for all.
    """
    batch = len(text)
    real = torch.from_numpy(offsets).to(text.device)
    inputs = network.standardize(torch.cat([start_point(1, text.device), real[:-1]]))
    state, lines = network.initial_state(1), 1
    for x in inputs:
        _, phi, after = network.step(x.expand(lines, -1), text[:lines], state)
        if lines < batch and phi[0, before:].sum() > _UNSEEN:
            lines = batch
            state = _select(state, torch.zeros(batch, dtype=torch.int64, device=text.device))
            _, _, after = network.step(x.expand(lines, -1), text, state)
        state = after
    if lines < batch:
        state = _select(state, torch.zeros(batch, dtype=torch.int64, device=text.device))
    return state, real[-1].expand(batch, -1).clone()


def _at_end(phi: Tensor, lengths: Tensor) -> Tensor:
    """Whether the window (B, U) is on the last of the `lengths` (B,) places: (B,).

    Padding has no say. Where the window has left the text by far, all weights are equally small, and that is the
    end as well.
    """
    last = lengths[:, None] - 1
    places = torch.arange(phi.shape[1], device=phi.device)
    return phi.gather(1, last)[:, 0] >= phi.masked_fill(places >= last, 0.0).amax(1)


def _select(state: SynthesisState, rows: Tensor) -> SynthesisState:
    first = WindowState(*(part[rows] for part in state.first))
    return SynthesisState(first, tuple((h[rows], c[rows]) for h, c in state.layers))


def _lines(
    drawn: list[tuple[Tensor, Tensor, Tensor]], lengths: list[int], before: int, finished: list[bool]
) -> list[SampledLine]:
    """Take the steps apart into lines: each line's points are those of its row, in the order of the steps."""
    rows, points, windows = (torch.cat(parts).cpu() for parts in zip(*drawn, strict=True))
    order = rows.argsort(stable=True)
    counts = torch.bincount(rows, minlength=len(lengths)).tolist()
    result = []
    pieces = zip(points[order].split(counts), windows[order].split(counts), lengths, finished, strict=True)
    for offsets, weights, length, done in pieces:
        window = weights[:, before : before + length].numpy()
        result.append(SampledLine(offsets.numpy(), window[:, :-1].argmax(1), window.copy(), done))
    return result
