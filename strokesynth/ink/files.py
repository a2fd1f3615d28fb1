"""Which formats ink is written to and read from: the suffix of a file names its format.

The formats themselves are in modules of their own and are registered in `strokesynth.ink`, so that `Ink` knows none of
them and each of them knows `Ink`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from strokesynth._files import check_writable

Encode = Callable[..., bytes]
"""Turns an `Ink`, with options of the format, into the bytes of a file."""

Decode = Callable[[bytes], Any]
"""Turns the bytes of a file into an `Ink`."""

T = TypeVar("T")

_ENCODERS: dict[str, Encode] = {}
_DECODERS: dict[str, Decode] = {}


def register(suffix: str, *, encode: Encode | None = None, decode: Decode | None = None) -> None:
    """Let files of this suffix, such as ".svg", be written by `encode` and read by `decode`."""
    if encode is not None:
        _ENCODERS[suffix] = encode
    if decode is not None:
        _DECODERS[suffix] = decode


def encoder(path: str | os.PathLike[str]) -> Encode:
    """The encoder for a file of this name. Raises ValueError on a suffix that no format has."""
    return _by_suffix(path, _ENCODERS, "written to")


def decoder(path: str | os.PathLike[str]) -> Decode:
    """The decoder for a file of this name. Raises ValueError on a suffix that no format has."""
    return _by_suffix(path, _DECODERS, "read from")


def check_output(path: str | os.PathLike[str]) -> None:
    """Raise what `Ink.save` would for this path, before there is ink: long work calls it first."""
    encoder(path)
    check_writable(path)


def _by_suffix(path: str | os.PathLike[str], table: dict[str, T], what: str) -> T:
    suffix = Path(path).suffix.lower()
    if suffix not in table:
        raise ValueError(f"{path}: ink can be {what} {', '.join(table)}; the suffix here is {suffix!r}")
    return table[suffix]
