"""Flags of a command: made from options that are stated in the library, and checked against each other."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, NamedTuple


def add_flags(group: argparse._ArgumentGroup, options: type, **changes: dict[str, Any]) -> None:
    """A flag for each field of a dataclass of options whose metadata have one.

    changes: of each field that needs it, what is otherwise than its metadata say.
    """
    for field in fields(options):
        if "flag" in field.metadata:
            arguments = {"default": field.default, **field.metadata["flag"], **changes.get(field.name, {})}
            group.add_argument(flag(field.name), **arguments)


def flag(name: str) -> str:
    """How an argument is written in a call: with dashes, unless it is the text itself."""
    return name if name == "text" else "--" + name.replace("_", "-")


def default(function: Callable[..., Any], name: str) -> Any:
    """What a parameter of a function is where nothing is given."""
    return inspect.signature(function).parameters[name].default


class Exclusive(NamedTuple):
    """Arguments that must not be given in some calls. None, their default, says that they are not."""

    applies: Callable[[argparse.Namespace], bool]
    names: Sequence[str]
    message: str  # with {flag}


def check_exclusive(
    parser: argparse.ArgumentParser, args: argparse.Namespace, rules: Sequence[Exclusive]
) -> None:
    """Show the usage and end where the arguments break one of the rules."""
    for rule in rules:
        for name in rule.names if rule.applies(args) else ():
            if getattr(args, name) is not None:
                parser.error(rule.message.format(flag=flag(name)))
