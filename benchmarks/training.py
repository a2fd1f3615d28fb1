"""Training speed of the synthesis network, in points a second.

One update is what `train.py` does with a batch: forward, backward, clipping of the gradient's norm, Adam, moving
average of the weights. The same update of the same network written plainly, and of one whose second and third layer
are `nn.LSTM` (`benchmarks/reference.py`), take turns with it, in the same process and so with the same settings.
Points and text are random: the arithmetic does not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

import benchmarks
from benchmarks import fresh
from benchmarks.ceilings import Ceilings
from benchmarks.ceilings import measure as measure_ceilings
from benchmarks.reference import PlainSynthesisNetwork, TorchLayersNetwork, plain_loss
from strokesynth.nn.mixture import log_likelihood, split_outputs
from strokesynth.nn.products import product_dtype, products_in
from strokesynth.nn.synthesis import SynthesisNetwork
from strokesynth.training.loop import TrainingOptions, _Run

BATCH, POINTS = 64, 330
POINTS_A_CHARACTER = 12


class RandomLines:
    """A training task (`strokesynth.training.loop.Task`) of one batch; `loss_of` gives the sum over its points."""

    unit = "point"
    figures = ()

    def __init__(
        self, name: str, network: nn.Module, loss_of: Callable[[nn.Module], Tensor], points: int
    ) -> None:
        self.name, self.network, self.loss_of, self.points = name, network, loss_of, points

    def loss(self, network: nn.Module, key: object) -> tuple[Tensor, int]:
        """The loss and the number of points."""
        return self.loss_of(network), self.points


def update(kind: str = "own", batch: int = BATCH, points: int = POINTS) -> benchmarks.Work:
    """An update of the "own", the "plain" or the "nn.LSTM" network with a batch of so many lines of so many points."""
    generator = torch.Generator().manual_seed(0)
    ink = torch.randn(points + 1, batch, 3, generator=generator)
    ink[..., 2] = (torch.rand(points + 1, batch, generator=generator) < 0.05).float()
    x, target = ink[:-1], ink[1:]
    own = SynthesisNetwork()
    text = own.one_hot(torch.randint(1, 96, (batch, points // POINTS_A_CHARACTER + 1), generator=generator))

    def own_loss(network: nn.Module) -> Tensor:
        outputs = network(x, text)
        return -log_likelihood(split_outputs(outputs[0] if network is own else outputs), target).sum()

    def plain(network: nn.Module) -> Tensor:
        return plain_loss(network(x, text), target) * batch * points

    network, loss = {
        "own": lambda: (own, own_loss),
        "nn.LSTM": lambda: (TorchLayersNetwork(own), own_loss),
        "plain": lambda: (PlainSynthesisNetwork(), plain),
    }[kind]()
    task: Any = RandomLines(kind, network, loss, batch * points)
    with TemporaryDirectory() as folder:
        run = _Run(task, Path(folder), TrainingOptions(batch_size=batch), resume=False)

    def work() -> float:
        run._update([0])  # one key; the task ignores it
        return batch * points

    return work


def in_float32(work: benchmarks.Work) -> benchmarks.Work:
    """The same work with products in float32, whatever the setting."""

    def patched() -> float:
        with products_in("float32"):
            return work()

    return patched


def measure(
    rounds: int,
    ceilings: Ceilings,
    *,
    batch: int = BATCH,
    points: int = POINTS,
    reference: bool = True,
    memory: bool = True,
) -> list[dict[str, Any]]:
    """Rows of the table."""
    works = {"training, all in float32": in_float32(update("own", batch, points))}
    dtypes = {name: torch.float32 for name in works}
    if product_dtype(torch.device("cpu")) == torch.bfloat16:
        works["training, products in bfloat16"] = update("own", batch, points)
        dtypes["training, products in bfloat16"] = torch.bfloat16
    if reference:
        works["training, layers 2 and 3 nn.LSTM"] = in_float32(update("nn.LSTM", batch, points))
        works["training, plain"] = update("plain", batch, points)
    times = benchmarks.take_turns(works, rounds)
    peak = fresh.measure(__name__, "update", "own", batch, points)["megabytes"] if memory else None
    return [
        benchmarks.row(
            name,
            timed,
            "points",
            plain=times.get("training, plain"),
            ceiling=ceilings.training(dtypes.get(name, torch.float32)),
            peak=peak if name in dtypes else None,
        )
        for name, timed in times.items()
    ]


def main() -> None:
    """Command line."""
    parser = benchmarks.parser(__doc__)
    parser.set_defaults(rounds=3)
    parser.add_argument("--batch", type=int, default=BATCH, help="lines in a batch (default: %(default)s)")
    parser.add_argument("--points", type=int, default=POINTS, help="points in a line (default: %(default)s)")
    parser.add_argument("--no-reference", action="store_true", help="leave the other networks out")
    options = benchmarks.parse(parser)
    ceilings = measure_ceilings(options.rounds)
    rows = measure(
        options.rounds,
        ceilings,
        batch=options.batch,
        points=options.points,
        reference=not options.no_reference,
    )
    title = f"updates with {options.batch} lines of {options.points} points"
    benchmarks.show({title: rows, "ceilings of the machine": ceilings.rows}, options.json)


if __name__ == "__main__":
    # The function is called under its own name, by which a fresh process finds it.
    from benchmarks import training

    training.main()
