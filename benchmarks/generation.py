"""Writing speed: a fresh start, one line of 40 characters, 32 such lines in one batch, a page of 1,800 characters.

The 32 lines are also written in one hand that is folded into the weights, and each in a hand of its own. Where the
weights know no styles, they are made to take some that change nothing: the work is the same.

The start is that of a whole new process: interpreter, imports, loading of the weights in the package. The plain
network (`benchmarks/reference.py`) has the same weights and writes a line of as many points; it has no batches, and
knows nothing of pages, so that it is their yardstick as well, point for point. Ceilings: one line reads all weights at
each point, here in float32 (in fewer bits they can be read more often: above 100 %); in batches and pages it is
arithmetic that counts.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch

import benchmarks
from benchmarks import fresh
from benchmarks.ceilings import Ceilings
from benchmarks.ceilings import measure as measure_ceilings
from benchmarks.reference import plain_sample, plain_twin
from strokesynth import load_synthesizer
from strokesynth.nn.kernel.library import SWITCH
from strokesynth.nn.sampling import sample_lines
from strokesynth.nn.style_encoder import StyleVectors
from strokesynth.nn.styled import StyledConfig, StyledNetwork

if TYPE_CHECKING:
    from strokesynth import Synthesizer
    from strokesynth.nn.synthesis import SynthesisNetwork

# Forty characters each.
LINES = (
    "The quick brown fox jumps over lazy dogs",
    "We shall walk by the river until evening",
    "Bring bread, two lemons & a dozen eggs!!",
    "Room 318 is open from 9:30 until 17:45h.",
)
# A text of our own, so that anybody may have it.
PAGE = (
    "Dear Ada, thank you for the long letter. The garden is quiet now, but the pears came in late this year and the "
    "kitchen smells of them from morning until night. We walked along the river on Sunday; the bridge is closed, so "
    "we went back by the mill and had tea with the old captain, who asked after you and your brother. He told us "
    "again about the winter of the great flood, when boats were tied to the church door. "
)
CHARACTERS = 1800  # of a page
_PLAIN_POINTS = 300  # hardly fewer than a line has


def text_of(characters: int) -> str:
    """So much plain English, cut where it may be."""
    return (PAGE * (characters // len(PAGE) + 1))[:characters].strip()


def start(weights: str | None = None) -> benchmarks.Work:
    """A new process that is ready to write."""

    def work() -> float:
        program = f"import strokesynth; strokesynth.load_synthesizer({weights!r})"
        subprocess.run([sys.executable, "-c", program], check=True)
        return 1

    return work


def loading(weights: str | None = None) -> benchmarks.Work:
    """Loading of the weights alone; what a fresh process then holds is the least it needs."""

    def work() -> float:
        load_synthesizer(weights)
        return 1

    return work


def lines(
    count: int = 1, characters: int = 40, weights: str | None = None, synthesizer: Synthesizer | None = None
) -> benchmarks.Work:
    """`count` lines in one batch, new ones at each call; it counts points."""
    writer = synthesizer or load_synthesizer(weights)
    texts = LINES if characters == 40 else (text_of(characters),)
    seeds = itertools.count()

    def work() -> float:
        seed = next(seeds)
        batch = list(itertools.islice(itertools.cycle(texts), seed, seed + count))
        return sum(ink.n_points for ink in writer.write_lines(batch, seed=seed))

    return work


def hands(
    count: int = 1, weights: str | None = None, synthesizer: Synthesizer | None = None
) -> benchmarks.Work:
    """32 lines in `count` hands, 1 or 32, new lines at each call; it counts points."""
    if count not in (1, 32):
        raise ValueError(f"32 lines in {count} hands; expected 1 hand or 32")
    writer = synthesizer or load_synthesizer(weights)
    network: SynthesisNetwork | StyledNetwork = writer.network
    if not isinstance(network, StyledNetwork):
        network = StyledNetwork(StyledConfig(pen=writer.network.config)).eval()
        network.start_from(writer.network)
    sizes, letters = network.config.style, network.config.pen.alphabet_size
    numbers = torch.Generator().manual_seed(0)
    drawn = [
        torch.randn(32, *size, generator=numbers)
        for size in ((sizes.hand_size,), (letters, sizes.character_size))
    ]
    styles = StyleVectors(*drawn) if count == 32 else None
    if styles is None:
        network = network.fold(StyleVectors(*(part[0] for part in drawn)))
    codes = [
        writer.alphabet.encode(text, with_end=True) for text in itertools.islice(itertools.cycle(LINES), 32)
    ]
    calls = itertools.count()

    def work() -> float:
        seeds = range(32 * (call := next(calls)), 32 * (call + 1))
        return sum(len(line.offsets) for line in sample_lines(network, codes, seeds, styles=styles))

    return work


def pages(
    characters: int = CHARACTERS,
    proofread: bool = False,
    weights: str | None = None,
    synthesizer: Synthesizer | None = None,
) -> benchmarks.Work:
    """A text of so many characters on A4 sheets; it counts points."""
    writer = synthesizer or load_synthesizer(weights)
    seeds = itertools.count()

    def work() -> float:
        page = writer.write_page(text_of(characters), paper="A4", seed=next(seeds), proofread=proofread)
        return sum(len(stroke) for sheet in page for stroke in sheet.strokes)

    return work


def plain_line(weights: str | None = None, synthesizer: Synthesizer | None = None) -> benchmarks.Work:
    """One line of the plain network; it counts points."""
    writer = synthesizer or load_synthesizer(weights)
    network, _ = plain_twin(writer.network)
    codes = torch.from_numpy(writer.alphabet.encode(LINES[0], with_end=True))
    text = writer.network.one_hot(codes[None])
    seeds = itertools.count()

    def work() -> float:
        return len(plain_sample(network, text, _PLAIN_POINTS, seed=next(seeds)))

    return work


def not_compiled(work: benchmarks.Work) -> benchmarks.Work:
    """The same work where there is no compiler, so to say."""

    def switched() -> float:
        with mock.patch.dict(os.environ, {SWITCH: "0"}):
            return work()

    return switched


def measure(
    rounds: int, ceilings: Ceilings, *, weights: str | None = None, memory: bool = True
) -> list[dict[str, Any]]:
    """Rows of the table."""
    shared = load_synthesizer(weights)
    plain = "writing, one line, plain"
    works = {
        "import and load, to write": start(weights),
        "writing, one line": lines(1, synthesizer=shared),
        "writing, one line, not compiled": not_compiled(lines(1, synthesizer=shared)),
        plain: plain_line(synthesizer=shared),
        "writing, 32 lines": lines(32, synthesizer=shared),
        "writing, 32 lines, not compiled": not_compiled(lines(32, synthesizer=shared)),
        "writing, 32 lines, one hand": hands(1, synthesizer=shared),
        "writing, 32 lines, 32 hands": hands(32, synthesizer=shared),
        "A4 page, not proofread": pages(synthesizer=shared),
        "A4 page, proofread": pages(proofread=True, synthesizer=shared),
    }
    times = benchmarks.take_turns(works, rounds)
    # What makes the same work in a fresh process.
    calls: dict[str, tuple[Any, ...]] = {
        "import and load, to write": ("loading", weights),
        "writing, one line": ("lines", 1, 40, weights),
        plain: ("plain_line", weights),
        "writing, 32 lines": ("lines", 32, 40, weights),
        "writing, 32 lines, one hand": ("hands", 1, weights),
        "writing, 32 lines, 32 hands": ("hands", 32, weights),
        "A4 page, not proofread": ("pages", CHARACTERS, False, weights),
        "A4 page, proofread": ("pages", CHARACTERS, True, weights),
    }
    peaks = {name: fresh.measure(__name__, *call)["megabytes"] for name, call in calls.items() if memory}
    rows = []
    for name, timed in times.items():
        starting, page = name.startswith("import"), name.startswith("A4")
        one = ceilings.one_line if "one line" in name else ceilings.batch
        rows.append(
            benchmarks.row(
                name,
                timed,
                "" if starting else "pages" if page else "points",
                each=1 if page else None,
                plain=None if starting else times[plain],
                ceiling=None if starting else one,
                peak=peaks.get(name),
            )
        )
    return rows


def main() -> None:
    """Command line."""
    parser = benchmarks.parser(__doc__)
    parser.add_argument("--weights", metavar="FILE", help="other weights than those in the package")
    options = benchmarks.parse(parser)
    ceilings = measure_ceilings(options.rounds)
    rows = measure(options.rounds, ceilings, weights=options.weights)
    benchmarks.show({"writing": rows, "ceilings of the machine": ceilings.rows}, options.json)


if __name__ == "__main__":
    from benchmarks import generation  # under its own name, by which a fresh process finds it

    generation.main()
