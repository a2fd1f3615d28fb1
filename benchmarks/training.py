"""Training speed of the synthesis network, in points a second.

One update is what `train.py` does with a batch: forward, backward, clipping of the gradient's norm, Adam, moving
average of the weights. The same update of the same network written plainly (`benchmarks/reference.py`) takes
turns with it, in the same process and so with the same settings. Points and text are random: the arithmetic
does not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

import benchmarks
from benchmarks.reference import PlainSynthesisNetwork, plain_loss
from strokesynth.nn.lstm import product_dtype
from strokesynth.nn.mixture import log_likelihood, split_outputs
from strokesynth.nn.synthesis import SynthesisNetwork
from strokesynth.training import TrainingOptions, _Run

POINTS_A_CHARACTER = 12


def product_rate(rows: int, dtype: torch.dtype) -> Callable[[], object]:
    """A hundred of the products that one step of a layer makes: (rows, 477) by (477, 1600)."""
    left, right = torch.randn(rows, 477, dtype=dtype), torch.randn(477, 1600, dtype=dtype)
    out = torch.empty(rows, 1600, dtype=dtype)

    def work() -> None:
        for _ in range(100):
            torch.mm(left, right, out=out)

    return work


def ceilings(rounds: int) -> list[dict[str, Any]]:
    """What the machine itself allows: rates of matrix products, in GFLOP a second."""
    rows = []
    for dtype in (torch.float32, torch.bfloat16):
        for size in (64, 256):
            time = benchmarks.medians({"": product_rate(size, dtype)}, rounds)[""]
            name = f"{size}x477 @ 477x1600, {str(dtype).removeprefix('torch.')}"
            rows.append({"matrix product": name, "GFLOP/s": 100 * 2 * size * 477 * 1600 / time / 1e9})
    return rows


class RandomLines:
    """A training task (`strokesynth.training.Task`) of one batch; `loss_of` gives the sum over its points."""

    figures = ()

    def __init__(
        self, name: str, network: nn.Module, loss_of: Callable[[nn.Module], Tensor], points: int
    ) -> None:
        self.name, self.network, self.loss_of, self.points = name, network, loss_of, points

    def loss(self, network: nn.Module, key: object) -> tuple[Tensor, int]:
        """The loss and the number of points."""
        return self.loss_of(network), self.points


def updates(batch: int, points: int, reference: bool, folder: Path) -> dict[str, Callable[[], object]]:
    """The updates to compare, by name."""
    generator = torch.Generator().manual_seed(0)
    ink = torch.randn(points + 1, batch, 3, generator=generator)
    ink[..., 2] = (torch.rand(points + 1, batch, generator=generator) < 0.05).float()
    x, target = ink[:-1], ink[1:]
    codes = torch.randint(1, 96, (batch, points // POINTS_A_CHARACTER + 1), generator=generator)
    text = SynthesisNetwork().one_hot(codes)

    def update(name: str, network: nn.Module, loss: Callable[[nn.Module], Tensor]) -> Callable[[], object]:
        task: Any = RandomLines(name, network, loss, batch * points)
        run = _Run(task, folder, TrainingOptions(batch_size=batch), resume=False)
        return lambda: run._update([0])  # one key; the work ignores it

    fast = update(
        "fast", SynthesisNetwork(), lambda net: -log_likelihood(split_outputs(net(x, text)[0]), target).sum()
    )
    plain = update(
        "plain", PlainSynthesisNetwork(), lambda net: plain_loss(net(x, text), target) * batch * points
    )

    def fast_in_float32() -> None:
        always = mock.Mock(return_value=torch.float32)
        with (
            mock.patch("strokesynth.nn.lstm.product_dtype", always),
            mock.patch("strokesynth.nn.window.product_dtype", always),
        ):
            fast()

    works: dict[str, Callable[[], object]] = {}
    if product_dtype(torch.device("cpu")) == torch.bfloat16:
        works["strokesynth, products in bfloat16"] = fast
    works["strokesynth, all in float32"] = fast_in_float32
    if reference:
        works["plain PyTorch, LSTMCell and autograd"] = plain
    return works


def main() -> None:
    """Command line."""
    parser = benchmarks.parser(__doc__)
    parser.set_defaults(rounds=3)
    parser.add_argument("--batch", type=int, default=64, help="lines in a batch (default: %(default)s)")
    parser.add_argument("--points", type=int, default=330, help="points in a line (default: %(default)s)")
    parser.add_argument("--no-reference", action="store_true", help="leave the plain network out")
    options = benchmarks.parse(parser)
    with TemporaryDirectory() as folder:
        works = updates(options.batch, options.points, not options.no_reference, Path(folder))
        times = benchmarks.medians(works, options.rounds)
    count = options.batch * options.points
    rows = [{"update": name, "points/s": count / time, "seconds": time} for name, time in times.items()]
    title = f"training, batch {options.batch}, {options.points} points"
    benchmarks.show({title: rows, "ceilings": ceilings(options.rounds)}, options.json)


if __name__ == "__main__":
    main()
