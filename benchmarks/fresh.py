"""Time and memory of a work in a process of its own, where nothing that ran before can have left memory behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_PROGRAM = """
import importlib, json, sys
from benchmarks import Timed, fresh, take_turns
module, name, arguments, rounds, threads = json.loads(sys.argv[1])
if threads:
    import torch
    torch.set_num_threads(threads)
work = getattr(importlib.import_module(module), name)(*arguments)
timed = take_turns({"": work}, rounds)[""] if rounds else Timed([], [work()])
print(json.dumps({"seconds": timed.seconds, "made": timed.made, "megabytes": fresh.peak_megabytes()}))
"""


def measure(
    module: str, name: str, *arguments: Any, rounds: int = 0, threads: int | None = None
) -> dict[str, Any]:
    """Seconds and amounts of the rounds, and peak memory in MB, of the work that `module.name(*arguments)` makes.

    Without rounds the work is done once.
    """
    call = [sys.executable, "-c", _PROGRAM, json.dumps([module, name, arguments, rounds, threads])]
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True, cwd=root)
    return json.loads(done.stdout.splitlines()[-1])


def peak_megabytes() -> float:
    """The most memory that this program has held at once (resident), in MB of 1,000,000 bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # getrusage would not do: on Linux its figure is at least what the parent held when it started this process.
        return 1024e-6 * int(status.read_text().partition("VmHWM:")[2].split()[0])
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1e-6 if sys.platform == "darwin" else 1024e-6)
