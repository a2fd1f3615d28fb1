"""What every command does with bad input and Ctrl-C."""

from __future__ import annotations

import sys
from collections.abc import Callable


def guarded(prog: str, work: Callable[[], None]) -> int:
    """Do the work; turn what went wrong into one line on stderr and an exit status."""
    try:
        work()
    except KeyboardInterrupt:
        return 130
    except (ValueError, OSError) as error:
        print(f"{prog}: error: {' '.join(str(error).split())}", file=sys.stderr)
        # A network that fails (SynthesisError) and a full disk are not the fault of what was given.
        given = isinstance(error, (ValueError, FileNotFoundError)) and not isinstance(error, RuntimeError)
        return 2 if given else 1
    return 0
