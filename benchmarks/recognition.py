"""Reading speed: a fresh start, one line of 40 characters, 256 such lines in batches.

The ink is our own network's, in a tablet's units, so that it is normalised as any other.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import Any

import benchmarks
from benchmarks.generation import LINES

COUNT = 256


def measure(rounds: int, weights: str | None = None) -> list[dict[str, Any]]:
    """Seconds, and lines a second where there are lines."""
    from strokesynth import load_recognizer, load_synthesizer

    recognizer = load_recognizer(weights)
    written = [ink.scale(40.0) for ink in load_synthesizer().write_lines(list(LINES) * 4, seed=0)]
    batch = list(itertools.islice(itertools.cycle(written), COUNT))
    turns = itertools.cycle(written)

    def start() -> None:
        program = f"import strokesynth; strokesynth.load_recognizer({weights!r})"
        subprocess.run([sys.executable, "-c", program], check=True)

    works = {
        "start: import and load": start,
        "one line of 40 characters": lambda: recognizer.read(next(turns)),
        f"{COUNT} lines of 40 characters": lambda: recognizer.read_lines(batch),
    }
    lines = (None, 1, COUNT)
    times = benchmarks.medians(works, rounds)
    return [
        {"what": name, "seconds": time, "lines/s": None if count is None else count / time}
        for (name, time), count in zip(times.items(), lines)
    ]


def main() -> None:
    """Command line."""
    parser = benchmarks.parser(__doc__)
    parser.add_argument("--weights", metavar="FILE", help="other weights than those in the package")
    options = benchmarks.parse(parser)
    benchmarks.show({"recognition": measure(options.rounds, options.weights)}, options.json)


if __name__ == "__main__":
    main()
