"""The `strokesynth` command, whose parts the scripts `generate.py`, `recognize.py` and so on share.

Exit status: 0 when all went well, 2 for a wrong call or bad input, 1 where the work itself failed, 130 after Ctrl-C.
Whatever goes wrong with what was given is one line on stderr.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from strokesynth import __version__
from strokesynth.cli.evaluate import evaluate_main
from strokesynth.cli.recognize import recognize_main
from strokesynth.cli.train import prepare_main, train_main
from strokesynth.cli.write import generate_main

__all__ = [
    "evaluate_main",
    "generate_main",
    "main",
    "prepare_main",
    "recognize_main",
    "train_main",
]


def main(argv: Sequence[str] | None = None) -> int:
    """The ``strokesynth`` command."""
    commands = {
        "write": generate_main,
        "read": recognize_main,
        "prepare": prepare_main,
        "train": train_main,
        "evaluate": evaluate_main,
    }
    parser = argparse.ArgumentParser("strokesynth", description="Text in, handwriting out, and back.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("command", choices=commands, help="see strokesynth COMMAND --help")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the command")
    args = parser.parse_args(argv)
    return commands[args.command](args.arguments, prog=f"{parser.prog} {args.command}")
