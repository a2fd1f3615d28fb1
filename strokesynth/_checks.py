"""Checks of arguments: each raises a ValueError that says what was given and what is expected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


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
