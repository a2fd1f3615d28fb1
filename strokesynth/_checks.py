"""Checks of arguments: each raises a ValueError that says what was given and what is expected."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np


def positive(name: str, value: Any, *, zero: bool = False) -> float:
    """The value as a finite float above 0 (or 0, where `zero` allows it); ValueError otherwise."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and (number > 0 or zero and number == 0)):
        raise ValueError(
            f"{name} must be a finite number {'of at least' if zero else 'above'} 0; got {value!r}"
        )
    return number


def check_choice(name: str, value: str, known: Sequence[str]) -> None:
    """Raise ValueError unless the value is one of those known."""
    if value not in known:
        raise ValueError(f"{name} is {', '.join(known[:-1])} or {known[-1]}; got {value!r}")


def whole(name: str, value: Any, *, least: int | None = None) -> int:
    """The value as an int; ValueError where it is no whole number (as True is none), or less than `least`."""
    expected = "a whole number" if least is None else f"a whole number of at least {least}"
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or (least is not None and number < least):
        raise ValueError(f"{name} is {value!r}; expected {expected}")
    return number


def seed_sequence(seed: int | None) -> np.random.SeedSequence:
    """The start of random numbers: the seed, a whole number of at least 0, or for None one that the system gives."""
    return np.random.SeedSequence(None if seed is None else whole("seed", seed, least=0))


def check_bias(bias: Any) -> float:
    """The bias of sampling as a finite float of at least 0; ValueError otherwise."""
    try:
        number = float(bias)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"bias is {bias!r}; expected a finite number of at least 0")
    return number
