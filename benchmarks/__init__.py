"""How fast strokesynth trains, writes and reads on this machine: `python -m benchmarks`, or one of its modules.

Times are wall-clock, of several rounds after a warm-up, in which the works take turns. Nothing here fails for
being slow.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeAlias

Work: TypeAlias = Callable[[], float]
"""Something to time; it returns how much it made, in points, lines or whatever it is counted in."""


@dataclass
class Timed:
    """What the rounds of one work took and made."""

    seconds: list[float] = field(default_factory=list)
    made: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Made in a second: the median of the rounds."""
        return statistics.median(made / time for made, time in zip(self.made, self.seconds))

    @property
    def best(self) -> float:
        """Made in a second by the fastest round: of a ceiling, what is possible."""
        return max(made / time for made, time in zip(self.made, self.seconds))

    def over(self, other: Timed) -> float:
        """How many times the rate of `other`: the median of the rounds, each against the one beside it."""
        pairs = zip(self.made, self.seconds, other.made, other.seconds)
        return statistics.median((made / time) / (more / longer) for made, time, more, longer in pairs)


def take_turns(works: dict[str, Work], rounds: int) -> dict[str, Timed]:
    """Time each work `rounds` times after one warm-up.

    The works take turns, so that a change of the machine's load or clock meets all of them alike.
    """
    for work in works.values():
        work()
    result = {name: Timed() for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            made = work()
            result[name].seconds.append(time.perf_counter() - start)
            result[name].made.append(made)
    return result


def row(
    what: str,
    timed: Timed,
    unit: str = "",
    *,
    each: float | None = None,
    plain: Timed | None = None,
    ceiling: float | None = None,
    peak: float | None = None,
) -> dict[str, Any]:
    """A row of the table: median, fastest and slowest round, and what they are measured against.

    `each` is how many of the `unit` a round makes, where that is not what the work counts; `plain` the rounds of the
    reference; `ceiling` the most that the machine could make of what the work counts, in a second; `peak` the memory.
    """
    middle = statistics.median(timed.seconds)
    return {
        "what": what,
        "per second": (timed.rate if each is None else each / middle) if unit else None,
        "of": unit or None,
        "seconds": middle,
        "from": min(timed.seconds),
        "to": max(timed.seconds),
        "x plain": None if plain is None else timed.over(plain),
        "% of ceiling": None if ceiling is None else 100 * timed.rate / ceiling,
        "peak MB": peak,
    }


def parser(description: str | None) -> argparse.ArgumentParser:
    """Options that all benchmarks have."""
    parser = argparse.ArgumentParser(
        description=(description or "").strip(), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--json",
        nargs="?",
        const="-",
        metavar="FILE",
        help="write JSON as well; without FILE, print it instead",
    )
    parser.add_argument("--rounds", type=int, default=5, help="of which the median is (default: %(default)s)")
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


def machine() -> dict[str, Any]:
    """Processor, cores, threads, versions and date, as far as the system tells."""
    import torch

    from strokesynth.nn.products import product_dtype

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
        "date": date.today().isoformat(),
    }


def show(tables: dict[str, list[dict[str, Any]]], json_to: str | None = None) -> None:
    """Print tables, each a title with rows of the same keys, and the machine; JSON to a file, or instead ("-")."""
    if json_to is not None:
        text = json.dumps({"machine": machine(), **tables}, indent=2)
        if json_to == "-":
            print(text)
            return
        Path(json_to).write_text(text + "\n", encoding="utf-8")
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    for title, rows in tables.items():
        cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*cells)]
        print(f"\n{title}")
        for first, *others in cells:
            numbers = (cell.rjust(width) for cell, width in zip(others, widths[1:]))
            print("  " + "  ".join([first.ljust(widths[0]), *numbers]).rstrip())


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return "" if value is None else str(value)
