"""Drawing pen points from the networks, one step for a whole batch at a time.

Graves (2013, arXiv:1308.0850): bias, section 5.4; primed sampling, section 5.5. Each line has its own stream of
random numbers, so that what is written depends on its seed and not on the other lines of the batch.

On a CPU with a C compiler the steps are compiled (`strokesynth.nn.kernel`), and a line is the same bit for bit whatever
is written beside it, with any number of threads. Elsewhere, and with STROKESYNTH_NATIVE=0 in the environment, the
steps are the plain ones of the networks: there a line is the same except for rounding, since a product of one row and
one of many rows add in different orders, and only the same batch on the same machine is the same bit for bit. Both
ways take the same steps but for rounding; over many points a difference in the last digit grows into other ink of the
same hand.

The plain steps leave a CPU's other cores alone, whatever torch is set to: the products of a step are too small to
share out (for one line, a second core makes it slower), and how a product is shared out also shows in the last digits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from strokesynth.nn.kernel.writer import Hands, Lines, LinesState, Writer, writer_of
from strokesynth.nn.mixture import sample, split_outputs
from strokesynth.nn.style_encoder import StyleVectors
from strokesynth.nn.styled import StyledNetwork
from strokesynth.nn.synthesis import PredictionNetwork, SynthesisNetwork, SynthesisState
from strokesynth.nn.window import WindowState

TERMINAL_GAP = 0.5
"""Where a training line ends for the network: a last pen-down point this far (x-heights) right of the ink, on the
baseline. It teaches the window to leave the last character once everything is written, late dots and crosses
included; sampling stops just before it."""

_BLOCK = 64  # steps of random numbers drawn at once, and of the compiled kind made at once
_UNSEEN = 1e-6  # weight of the window below which a text might as well not be there
_PRIMED = 16  # points of a style between two looks at the window
_AHEAD = 40  # characters after a style of which the window may see something


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
        # torch.Generator would look at only 32 bits of a seed.
        self._generators = [np.random.default_rng(seed) for seed in seeds]
        self._step = 0
        self._block = torch.empty(0)

    def next(self) -> Tensor:
        """The next four numbers of every line: (B, 4) on [0, 1)."""
        at = self._step % _BLOCK
        if at == 0:
            self._block = torch.from_numpy(self.block(range(len(self._generators))))
        self._step += 1
        return self._block[:, at]

    def block(self, lines: Iterable[int]) -> NDArray[np.float32]:
        """The random numbers of the next steps of these lines, (B, steps, 4), with zeros for the other lines."""
        numbers = np.zeros((len(self._generators), _BLOCK, 4), np.float32)
        for line in lines:
            self._generators[line].random(out=numbers[line], dtype=np.float32)
        return numbers

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


class _Order(NamedTuple):
    """B lines that are to be written."""

    texts: list[NDArray[np.int64]]  # codes, those of the style first and the end mark last
    before: int  # characters of the style
    style: NDArray[np.float32] | None  # its offsets (n, 3)
    seeds: Sequence[int]
    biases: list[float]
    limits: list[int]  # points after which a line is given up
    styled: tuple[StyledNetwork, StyleVectors] | None  # a style for each line, and the network it is for


class _Written(NamedTuple):
    """The part of one line that has been written."""

    offsets: NDArray[np.float32]  # (n, 3)
    phi: NDArray[np.float32]  # (n, U) the window's weights, style and padding included
    finished: bool


@torch.no_grad()
def sample_lines(
    network: SynthesisNetwork | StyledNetwork,
    codes: Sequence[NDArray[np.int64]],
    seeds: Sequence[int],
    *,
    styles: StyleVectors | None = None,
    bias: float | Sequence[float] = 1.0,
    prime: tuple[NDArray[np.float32], NDArray[np.int64]] | None = None,
    points_per_character: float = 30.0,
) -> list[SampledLine]:
    """Write B texts at once.

    Args:
        network: in evaluation mode; a styled one needs `styles`. For all lines in one style, fold it
            (`StyledNetwork.fold`) and give the network that comes of it.
        codes: B arrays of character codes, each ending in the end mark.
        seeds: B seeds of the random numbers.
        styles: B styles, of each line its own.
        bias: ≥ 0, for all or for each line (section 5.4).
        prime: offsets (n, 3) of real ink and the codes of its text without end mark, after which the network
            goes on in the same hand (section 5.5). The first offset of each line then starts at the last point
            of that ink.
        points_per_character: a line that needs more is given up (`finished` False).

    A line ends when the pen is up and the window is on the end mark, more than on any character. Raises ValueError
    where the styles are not those that the network needs, or `prime` is given as well.
    """
    styled = _styled(network, styles, len(codes))
    if styled is not None and prime is not None:
        raise ValueError("lines in styles of their own cannot go on after real ink; give `styles` or `prime`")
    pen = network.pen if isinstance(network, StyledNetwork) else network
    style, before = prime if prime is not None else (None, np.zeros(0, np.int64))
    order = _Order(
        [np.concatenate([before, text]) for text in codes],
        len(before),
        style,
        seeds,
        np.broadcast_to(np.asarray(bias, np.float32), len(codes)).tolist(),
        [math.ceil(points_per_character * len(text)) for text in codes],
        styled,
    )
    writer = writer_of(pen)
    written = _write(pen, order) if writer is None else _write_compiled(writer, order)
    result = []
    for (offsets, phi, finished), text in zip(written, codes, strict=True):
        window = phi[:, len(before) : len(before) + len(text)].copy()
        result.append(SampledLine(offsets, window[:, :-1].argmax(1), window, finished))
    return result


def _styled(
    network: SynthesisNetwork | StyledNetwork, styles: StyleVectors | None, lines: int
) -> tuple[StyledNetwork, StyleVectors] | None:
    if not isinstance(network, StyledNetwork):
        if styles is not None:
            raise ValueError(f"`styles` are for a StyledNetwork; the network is a {type(network).__name__}")
        return None
    if styles is None:
        raise ValueError(
            "a StyledNetwork needs `styles`, one for each line; for one in all lines, see its `fold`"
        )
    sizes, letters = network.config.style, network.config.pen.alphabet_size
    expected = [(lines, sizes.hand_size), (lines, letters, sizes.character_size)]
    if (found := [tuple(part.shape) for part in styles]) != expected:
        raise ValueError(f"the styles of {lines} lines are {found}; expected shapes {expected}")
    if not all(bool(part.isfinite().all()) for part in styles):
        raise ValueError("the styles hold numbers that are not finite")
    return network, StyleVectors(*(part.to(network.offset_mean) for part in styles))


@torch.no_grad()
def sample_freely(
    network: PredictionNetwork, points: int, seed: int, *, bias: float = 0.0
) -> NDArray[np.float32]:
    """Offsets (n, 3) from the prediction network: `points` of them, and on to the end of the last stroke.

    The pen is lifted after at most half as many points again.
    """
    most = points + points // 2
    writer = writer_of(network)
    if writer is None:
        offsets = _write_freely(network, points, most, seed, bias)
    else:
        lines = Lines(writer, [np.zeros(0, np.int64)], [bias], points, [most])
        ((offsets, _),) = _to_the_end(lines, [seed])
    offsets[-1, 2] = 1.0
    return offsets


# --- compiled steps ------------------------------------------------------------------------------------


def _write_compiled(writer: Writer, order: _Order) -> list[_Written]:
    hands = None if order.styled is None else _hands(*order.styled)
    lines = Lines(writer, order.texts, order.biases, limits=order.limits, hands=hands)
    if order.style is not None:
        style = np.ascontiguousarray(order.style, np.float32)
        lines.knowledge, done = _primed(writer, style, order.texts[0][: order.before])
        if done < len(style):
            lines.follow(style[done:])
    return [
        _Written(offsets, phi, bool(finished))
        for (offsets, phi), finished in zip(_to_the_end(lines, order.seeds), lines.finished, strict=True)
    ]


@_one_thread()
def _hands(network: StyledNetwork, styles: StyleVectors) -> Hands:
    """Each line's own, computed by itself: many rows at once may be added in another order."""
    biases = [network.biases(hand[None].clone()) for hand in styles.hand]
    joined = [torch.cat(parts).numpy() for parts in zip(*biases, strict=True)]
    return Hands(network.columns_of(styles.characters).numpy(), joined)


def _primed(writer: Writer, style: NDArray[np.float32], text: NDArray[np.int64]) -> tuple[LinesState, int]:
    """The state of a line after the first points of a style, and the number of these points.

    They are those before the window sees what comes after the text of the style. Up to there the state is the same
    for all that is written in the style: one line stands for all, and for the calls that follow.
    The writer remembers the last style. Other threads may replace it at any time, so it is looked at once only.
    """
    key = (style.tobytes(), text.tobytes())
    known = writer.primed
    if known is None or known[0] != key:
        known = writer.primed = (key, *_see(writer, style, text))
    return known[1:]


def _see(writer: Writer, style: NDArray[np.float32], text: NDArray[np.int64]) -> tuple[LinesState, int]:
    lines = Lines(writer, [np.concatenate([text, np.full(_AHEAD, -1)])])
    known = lines.knowledge
    for done in range(0, len(style), _PRIMED):
        phi = lines.follow(style[done : done + _PRIMED])
        if phi[0, :, len(text) :].sum(1).max() > _UNSEEN:
            return known, done
        known = lines.knowledge
    return known, len(style)


def _to_the_end(lines: Lines, seeds: Sequence[int]) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Each line's points (n, 3) and window (n, U)."""
    noise = NoiseStreams(seeds)
    parts: list[list[tuple[NDArray[np.float32], NDArray[np.float32]]]] = [[] for _ in seeds]
    while len(writing := lines.writing):
        points, phi, counts = lines.write(noise.block(writing))
        for line in writing:
            count = counts[line]
            parts[line].append((points[line, :count].copy(), phi[line, :count].copy()))
    return [(np.concatenate([p for p, _ in own]), np.concatenate([w for _, w in own])) for own in parts]


# --- plain steps ---------------------------------------------------------------------------------------


@_one_thread()
def _write(network: SynthesisNetwork, order: _Order) -> list[_Written]:
    device = network.output.weight.device
    batch = len(order.texts)
    texts = [torch.from_numpy(text) for text in order.texts]
    lengths = torch.tensor([len(text) for text in texts], device=device)
    codes = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True).to(device)
    if order.styled is None:
        text, of_hands = network.one_hot(codes, lengths), None
    else:
        styled, styles = order.styled
        text, of_hands = styled.rows(codes, lengths, styles), styled.biases(styles.hand)
    biases = torch.tensor(order.biases, device=device)
    limits = torch.tensor(order.limits, device=device)
    if order.style is None:
        state, x = network.initial_state(batch), start_point(batch, device)
    else:
        state, x = _prime_state(network, order.style, text, order.before)
    noise = NoiseStreams(order.seeds)
    rows = torch.arange(batch, device=device)  # the lines still being written
    finished = torch.zeros(batch, dtype=torch.bool, device=device)
    drawn: list[tuple[Tensor, Tensor, Tensor]] = []  # of each step: rows, points, window weights
    for step in range(max(order.limits) + 1):
        outputs, phi, state = network.step(network.standardize(x), text, state, biases=of_hands)
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
            if of_hands is not None:
                of_hands = tuple(part[keep] for part in of_hands)
            state = _select(state, keep)
            noise.keep(keep.cpu())
        x = network.unstandardize(sample(split_outputs(outputs, biases), noise.next().to(device)))
        drawn.append((rows, x, phi))
    return _lines(drawn, finished.tolist())


@_one_thread()
def _write_freely(
    network: PredictionNetwork, points: int, most: int, seed: int, bias: float
) -> NDArray[np.float32]:
    device = network.output.weight.device
    state, x = network.initial_state(1), start_point(1, device)
    noise = NoiseStreams([seed])
    drawn: list[Tensor] = []
    while len(drawn) < points or (drawn[-1][0, 2] < 0.5 and len(drawn) < most):
        outputs, state = network.step(network.standardize(x), state)
        x = network.unstandardize(sample(split_outputs(outputs, bias), noise.next().to(device)))
        drawn.append(x)
    return torch.cat(drawn).cpu().numpy()


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
    shared = torch.nn.functional.pad(text[:1, :before], (0, 0, 0, _AHEAD))
    state, alone = network.initial_state(1), True
    for x in inputs:
        if alone:
            _, phi, after = network.step(x[None], shared, state)
            alone = bool(phi[0, before:].sum() <= _UNSEEN)
            if not alone:
                state = _select(state, torch.zeros(batch, dtype=torch.int64, device=text.device))
        if not alone:
            _, _, after = network.step(x.expand(batch, -1), text, state)
        state = after
    if alone:
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


def _lines(drawn: list[tuple[Tensor, Tensor, Tensor]], finished: list[bool]) -> list[_Written]:
    """Take the steps apart into lines: each line's points are those of its row, in the order of the steps."""
    rows, points, windows = (torch.cat(parts).cpu() for parts in zip(*drawn, strict=True))
    order = rows.argsort(stable=True)
    counts = torch.bincount(rows, minlength=len(finished)).tolist()
    pieces = zip(points[order].split(counts), windows[order].split(counts), finished, strict=True)
    return [_Written(offsets.numpy(), phi.numpy(), done) for offsets, phi, done in pieces]
