"""What the machine itself allows: how many multiplications it makes a second, how often it reads the weights.

A point costs two operations a weight when it is written (one multiplication, one addition), and three times as many
in training, where the backward pass has twice the products of the forward pass. One line at a time, each point
reads all weights for one product each, so that reading is the limit; in batches it is arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import benchmarks

SHAPES = ((1600, 499), (1600, 899), (1600, 899), (30, 400), (121, 1200))
"""Shapes of the synthesis network's weights: three layers, the window, the output."""

WEIGHTS = sum(rows * columns for rows, columns in SHAPES)
_TIMES = 50  # products, or readings of all weights, in a round


@dataclass(frozen=True)
class Ceilings:
    """The best of what was measured, and all of it as rows of a table."""

    operations: dict[torch.dtype, float]  # a second, in matrix products
    readings: float  # of all weights in float32, a second
    rows: list[dict[str, Any]]

    def training(self, dtype: torch.dtype) -> float:
        """Points a second in training with products in `dtype`."""
        return self.operations[dtype] / (6 * WEIGHTS)

    @property
    def one_line(self) -> float:
        """Points a second, one line at a time, with weights in float32."""
        return self.readings

    @property
    def batch(self) -> float:
        """Points a second in large batches, with products in float32."""
        return self.operations[torch.float32] / (2 * WEIGHTS)


def measure(rounds: int) -> Ceilings:
    """Products in all types that the processor has units for; weights read by products and by plain sums.

    Of each the fastest round, since that is possible.
    """
    operations: dict[torch.dtype, float] = {}
    rows: list[dict[str, Any]] = []
    for dtype in _types():
        for size in (64, 256):
            timed = benchmarks.take_turns({"": products(size, dtype)}, rounds)[""]
            operations[dtype] = max(operations.get(dtype, 0.0), timed.best)
            kind = str(dtype).removeprefix("torch.")
            rows.append(_row(f"product {size}x480 @ 480x1600, {kind}", timed.best / 1e9, "GFLOP"))
    works = {"matrix-vector products": vectors(), "sums": sums()}
    readings = {name: timed.best for name, timed in benchmarks.take_turns(works, rounds).items()}
    for name, rate in readings.items():
        rows.append(_row(f"reading {WEIGHTS / 1e6:.2f} M weights, float32, {name}", rate, "readings"))
    best = max(readings.values())
    rows.append(_row("the same in bytes", 4e-9 * WEIGHTS * best, "GB"))
    return Ceilings(operations, best, rows)


def products(rows: int, dtype: torch.dtype) -> benchmarks.Work:
    """Products of the size that a step of a layer makes: (rows, 480) by (480, 1600); it counts operations."""
    if dtype == torch.int8:
        left, right = (torch.randint(-99, 99, shape, dtype=dtype) for shape in ((rows, 480), (480, 1600)))
        multiply: Callable[[], object] = lambda: torch._int_mm(left, right)  # noqa: E731
    else:
        left, right = torch.randn(rows, 480).to(dtype), torch.randn(480, 1600).to(dtype)
        out = torch.empty(rows, 1600, dtype=dtype)
        multiply = lambda: torch.mm(left, right, out=out)  # noqa: E731

    def work() -> float:
        for _ in range(_TIMES):
            multiply()
        return _TIMES * 2.0 * rows * 480 * 1600

    return work


def vectors() -> benchmarks.Work:
    """The products that one point of one line needs; it counts how often all weights were read."""
    pairs = [(torch.randn(shape), torch.randn(shape[1]), torch.empty(shape[0])) for shape in SHAPES]

    def work() -> float:
        for _ in range(_TIMES):
            for weight, vector, out in pairs:
                torch.mv(weight, vector, out=out)
        return _TIMES

    return work


def sums() -> benchmarks.Work:
    """The sum of as many numbers; it counts as `vectors` does."""
    weights: Tensor = torch.randn(WEIGHTS)

    def work() -> float:
        for _ in range(_TIMES):
            weights.sum()
        return _TIMES

    return work


def _types() -> list[torch.dtype]:
    """Float32, and the types that the processor multiplies faster."""
    has = {
        torch.bfloat16: getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False),
        torch.int8: getattr(torch.cpu, "_is_vnni_supported", lambda: False),
    }
    return [torch.float32, *(dtype for dtype, supported in has.items() if supported())]


def _row(what: str, rate: float, unit: str) -> dict[str, Any]:
    return {"ceiling": what, "per second": rate, "of": unit}


def main() -> None:
    """Command line."""
    options = benchmarks.parse(benchmarks.parser(__doc__))
    benchmarks.show({"ceilings of the machine": measure(options.rounds).rows}, options.json)


if __name__ == "__main__":
    main()
