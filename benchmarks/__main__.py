"""All benchmarks in one table, with the ceilings of the machine: `python -m benchmarks --json FILE`.

Of each work: what it makes in a second and how long it takes (median of the rounds, fastest and slowest), how many
times faster than a plain implementation that is, what share of the machine's ceiling, and the most memory that a
process of its own held at once. Everything that takes turns with its reference runs in the same process.
"""

import benchmarks
from benchmarks import ceilings, generation, recognition, training

parser = benchmarks.parser(__doc__)
parser.add_argument(
    "--no-memory", action="store_true", help="leave the peak memory out, which takes extra runs"
)
options = benchmarks.parse(parser)
rounds, memory = options.rounds, not options.no_memory
limits = ceilings.measure(rounds)
rows = [
    *training.measure(rounds, limits, memory=memory),
    *generation.measure(rounds, limits, memory=memory),
    *recognition.measure(rounds, memory=memory),
]
benchmarks.show({"strokesynth": rows, "ceilings of the machine": limits.rows}, options.json)
