"""Writing speed: a fresh start, one line of 40 characters, 32 such lines in one batch.

The start is that of a whole new process: interpreter, imports, loading of the weights in the package.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import Any

import benchmarks

# Forty characters each.
LINES = (
    "The quick brown fox jumps over lazy dogs",
    "We shall walk by the river until evening",
    "Bring bread, two lemons & a dozen eggs!!",
    "Room 318 is open from 9:30 until 17:45h.",
)


def measure(rounds: int, weights: str | None = None) -> list[dict[str, Any]]:
    """Seconds, and points a second where there are points."""
    from strokesynth import load_synthesizer

    synthesizer = load_synthesizer(weights)
    batch = list(itertools.islice(itertools.cycle(LINES), 32))
    seeds = itertools.count()
    counts: dict[str, list[int]] = {"one line": [], "32 lines": []}

    def start() -> None:
        program = f"import strokesynth; strokesynth.load_synthesizer({weights!r})"
        subprocess.run([sys.executable, "-c", program], check=True)

    def one() -> None:
        seed = next(seeds)
        ink = synthesizer.write(LINES[seed % len(LINES)], seed=seed)
        counts["one line"].append(ink.n_points)

    def many() -> None:
        inks = synthesizer.write_lines(batch, seed=next(seeds))
        counts["32 lines"].append(sum(ink.n_points for ink in inks))

    times = benchmarks.medians({"start": start, "one line": one, "32 lines": many}, rounds)
    rows: list[dict[str, Any]] = [
        {"what": "start: import and load", "seconds": times["start"], "points/s": None}
    ]
    for name in counts:
        mean = sum(counts[name]) / len(counts[name])
        rows.append(
            {"what": f"{name} of 40 characters", "seconds": times[name], "points/s": mean / times[name]}
        )
    return rows


def main() -> None:
    """Command line."""
    parser = benchmarks.parser(__doc__)
    parser.add_argument("--weights", metavar="FILE", help="other weights than those in the package")
    options = benchmarks.parse(parser)
    benchmarks.show({"generation": measure(options.rounds, options.weights)}, options.json)


if __name__ == "__main__":
    main()
