"""Time and memory against the length of a line, the batch and the pages: `python -m benchmarks.scaling -o scaling`.

Each point of a curve is measured in a process of its own: the median of some rounds after a warm-up, and the most
memory that the process held. A straight line is fitted to each curve; what is linear, as all of it should be but where
the curve says otherwise, has an R² near 1. Writes scaling.png and scaling.json.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import benchmarks
from benchmarks import fresh


@dataclass(frozen=True)
class Curve:
    """One work in several sizes; `arguments` holds None where the size goes."""

    title: str
    size: str  # what is varied
    module: str
    work: str
    arguments: tuple[Any, ...]
    sizes: tuple[int, ...]


CURVES = (
    Curve(
        "training, 64 lines",
        "points in a line",
        "benchmarks.training",
        "update",
        ("own", 64, None),
        (80, 160, 240, 330, 500, 700),
    ),
    Curve(
        "training, 330 points",
        "lines in a batch",
        "benchmarks.training",
        "update",
        ("own", None, 330),
        (8, 16, 32, 64, 96, 128),
    ),
    Curve(
        "writing one line",
        "characters",
        "benchmarks.generation",
        "lines",
        (1, None),
        (10, 20, 40, 60, 120, 240, 480),
    ),
    Curve(
        "writing lines of 40 characters",
        "lines in a batch",
        "benchmarks.generation",
        "lines",
        (None, 40),
        (1, 8, 16, 32, 64, 128, 256),
    ),
    Curve(
        "writing pages, not proofread",
        "characters",
        "benchmarks.generation",
        "pages",
        (None, False),
        (450, 900, 1800, 3600, 7200),
    ),
)


def straight(sizes: Sequence[float], values: Sequence[float]) -> tuple[float, float, float]:
    """Slope and offset of the line with the least squared error, and the share R² of the variance on it."""
    slope, offset = np.polyfit(sizes, values, 1)
    rest = np.var(np.asarray(values) - (slope * np.asarray(sizes) + offset))
    return float(slope), float(offset), float(1 - rest / max(float(np.var(values)), 1e-30))


def trace(
    curve: Curve, rounds: int, threads: int | None, sizes: Sequence[int] | None = None
) -> dict[str, Any]:
    """Measure a curve: seconds (all rounds), amounts made and megabytes at each size, and the fits."""
    sizes = list(sizes or curve.sizes)
    seconds, made, megabytes = [], [], []
    for size in sizes:
        arguments = [size if argument is None else argument for argument in curve.arguments]
        found = fresh.measure(curve.module, curve.work, *arguments, rounds=rounds, threads=threads)
        seconds.append(found["seconds"])
        made.append(statistics.mean(found["made"]))
        megabytes.append(found["megabytes"])
        middle = statistics.median(found["seconds"])
        print(
            f"{curve.title}: {size} {curve.size}, {middle:.3g} s, {megabytes[-1]:.0f} MB",
            file=sys.stderr,
            flush=True,
        )
    middles = [statistics.median(times) for times in seconds]
    fits = {"seconds": straight(sizes, middles), "megabytes": straight(sizes, megabytes)}
    result = {"size": curve.size, "sizes": sizes, "seconds": seconds, "made": made, "megabytes": megabytes}
    return result | {f"{name} per size, offset, R2": fit for name, fit in fits.items()}


def plot(found: dict[str, dict[str, Any]], path: Path) -> None:
    """Two rows of small pictures: time above, memory below."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.4 * len(found), 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(found), squeeze=False)
    for column, (title, curve) in zip(axes.T, found.items()):
        sizes, times = curve["sizes"], curve["seconds"]
        middles = [statistics.median(rounds) for rounds in times]
        column[0].plot(sizes, middles, "o-")
        column[0].fill_between(sizes, [min(r) for r in times], [max(r) for r in times], alpha=0.25)
        column[1].plot(sizes, curve["megabytes"], "s-", color="tab:orange")
        for axis, name in zip(column, ("seconds", "megabytes")):
            slope, offset, share = curve[f"{name} per size, offset, R2"]
            ends = np.array([0, max(sizes)])
            axis.plot(ends, slope * ends + offset, "--", color="gray", linewidth=0.8)
            unit = {"seconds": "s", "megabytes": "MB"}[name]
            axis.set_title(f"{slope:.3g} {unit} each + {offset:.3g} {unit}, R² {share:.3f}", fontsize=8)
            axis.set(xlim=(0, None), ylim=(0, 1.08 * axis.get_ylim()[1]), ylabel=name, xlabel=curve["size"])
        column[0].set_title(f"{title}\n{column[0].get_title()}", fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Command line."""
    parser = benchmarks.parser(__doc__)
    parser.set_defaults(rounds=3)
    parser.add_argument("-o", "--out", metavar="PATH", default="scaling", help="without suffix (%(default)s)")
    parser.add_argument(
        "--only", metavar="WORD", help="of the curves those whose title has this word, such as training"
    )
    parser.add_argument("--largest", type=int, metavar="N", help="leave out sizes above this")
    options = benchmarks.parse(parser)
    chosen = [curve for curve in CURVES if (options.only or "") in curve.title]
    if not chosen:
        parser.error(f"--only {options.only}: no such curve among {', '.join(c.title for c in CURVES)}")
    found = {}
    for curve in chosen:
        sizes = [size for size in curve.sizes if size <= (options.largest or size)]
        if len(sizes) < 3:
            parser.error(
                f"--largest {options.largest} leaves {sizes} of {curve.title!r}; a line needs three sizes"
            )
        found[curve.title] = trace(curve, options.rounds, options.threads, sizes)
    out = Path(options.out)
    plot(found, out.with_name(out.name + ".png"))
    text = json.dumps({"machine": benchmarks.machine(), **found}, indent=2)
    out.with_name(out.name + ".json").write_text(text + "\n", encoding="utf-8")
    rows = [
        {
            "curve": title,
            "against": curve["size"],
            **{
                heading: value
                for unit, name in (("s", "seconds"), ("MB", "megabytes"))
                for heading, value in zip(
                    (f"{unit} each", f"{unit} at 0", f"R² ({unit})"), curve[f"{name} per size, offset, R2"]
                )
            },
            "most MB": max(curve["megabytes"]),
        }
        for title, curve in found.items()
    ]
    benchmarks.show({"scaling": rows}, options.json)


if __name__ == "__main__":
    main()
