"""How fast strokesynth trains and writes on this machine: `python -m benchmarks`, or one of its modules.

Times are wall-clock medians of several runs after a warm-up, with the machine described beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def parser(description: str | None) -> argparse.ArgumentParser:
    """Options that all benchmarks have."""
    parser = argparse.ArgumentParser(
        description=(description or "").strip(), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--rounds", type=int, default=5, help="runs the median is of (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="threads of torch (default: its own choice)")
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line and set the number of threads."""
    import torch

    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds is {options.rounds}; expected at least 1")
    if options.threads is not None:
        if options.threads < 1:
            parser.error(f"--threads is {options.threads}; expected at least 1")
        torch.set_num_threads(options.threads)
    return options


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def medians(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each work after one warm-up.

    The works take turns, so that a change of the machine's load or clock meets all of them alike.
    """
    for work in works.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            times[name].append(seconds(work))
    return {name: statistics.median(values) for name, values in times.items()}


def machine() -> dict[str, Any]:
    """Processor, cores, threads and versions, as far as the system tells."""
    import torch

    from strokesynth.nn.lstm import product_dtype

    name = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        models = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        name = models[0] if models else name
    return {
        "processor": name,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "products": str(product_dtype(torch.device("cpu"))).removeprefix("torch."),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def show(tables: dict[str, list[dict[str, Any]]], as_json: bool) -> None:
    """Print tables, each a title with rows of the same keys, as text or as JSON, with the machine."""
    if as_json:
        print(json.dumps({"machine": machine(), **tables}, indent=2))
        return
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    for title, rows in tables.items():
        cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells)]
        print(f"\n{title}")
        for first, *others in cells:
            numbers = (cell.rjust(width) for cell, width in zip(others, widths[1:]))
            print("  " + "  ".join([first.ljust(widths[0]), *numbers]))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return "" if value is None else str(value)
