"""Reading speed: a fresh start, one line of 40 characters, 256 such lines in batches.

The ink is our own network's, in a tablet's units, so that it is normalised as any other.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import benchmarks
from benchmarks import fresh
from benchmarks.generation import LINES
from strokesynth import load_recognizer, load_synthesizer

if TYPE_CHECKING:
    from strokesynth import Ink, Recognizer

COUNT = 256


def start(weights: str | None = None) -> benchmarks.Work:
    """A new process that is ready to read."""

    def work() -> float:
        program = f"import strokesynth; strokesynth.load_recognizer({weights!r})"
        subprocess.run([sys.executable, "-c", program], check=True)
        return 1

    return work


def loading(weights: str | None = None) -> benchmarks.Work:
    """Loading of the weights alone; what a fresh process then holds is the least it needs."""

    def work() -> float:
        load_recognizer(weights)
        return 1

    return work


def written() -> list[Ink]:
    """Sixteen lines of 40 characters."""
    return [ink.scale(40.0) for ink in load_synthesizer().write_lines(list(LINES) * 4, seed=0)]


def lines(
    count: int = 1,
    weights: str | None = None,
    recognizer: Recognizer | None = None,
    inks: list[Ink] | None = None,
) -> benchmarks.Work:
    """`count` lines read together; it counts them."""
    reader, turns = recognizer or load_recognizer(weights), itertools.cycle(inks or written())

    def work() -> float:
        return len(reader.read_lines(list(itertools.islice(turns, count))))

    return work


def measure(rounds: int, *, weights: str | None = None, memory: bool = True) -> list[dict[str, Any]]:
    """Rows of the table."""
    recognizer, inks = load_recognizer(weights), written()
    many = f"reading, {COUNT} lines"
    works = {
        "import and load, to read": start(weights),
        "reading, one line": lines(1, recognizer=recognizer, inks=inks),
        many: lines(COUNT, recognizer=recognizer, inks=inks),
    }
    calls: dict[str, tuple[Any, ...]] = {
        "import and load, to read": ("loading", weights),
        "reading, one line": ("lines", 1, weights),
        many: ("lines", COUNT, weights),
    }
    rows = []
    for name, timed in benchmarks.take_turns(works, rounds).items():
        peak = fresh.measure(__name__, *calls[name])["megabytes"] if memory else None
        rows.append(benchmarks.row(name, timed, "lines" if name.startswith("reading") else "", peak=peak))
    return rows


def main() -> None:
    """Command line."""
    parser = benchmarks.parser(__doc__)
    parser.add_argument("--weights", metavar="FILE", help="other weights than those in the package")
    options = benchmarks.parse(parser)
    benchmarks.show({"reading": measure(options.rounds, weights=options.weights)}, options.json)


if __name__ == "__main__":
    from benchmarks import recognition  # under its own name, by which a fresh process finds it

    recognition.main()
