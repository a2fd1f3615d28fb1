"""The options of writing: stated, explained and checked in one place, for the library and for the command."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Protocol, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from strokesynth._checks import check_bias, whole
from strokesynth.ink import Ink
from strokesynth.synthesis.spelling import OnUnsupported
from strokesynth.synthesis.style import Style

LIMIT = 0.15
"""Negative log-likelihood, in nats a character, up to which a word is readable: one character in seven is in doubt."""

CANDIDATES = 4
"""Writings of what could not be read, at each attempt."""

FREE_POINTS = 700
"""Pen points that are written without a text, about a line of them."""


@runtime_checkable
class WordReader(Protocol):
    """What judges written words, as `strokesynth.synthesis.proofread.Proofreader` does: see its methods."""

    candidates: int

    def word_nlls(self, texts: Sequence[str], inks: Sequence[Ink]) -> list[NDArray[np.float64]]:
        """Negative log-likelihood of each word of each line, in nats."""

    def readable(self, word: str, nll: float) -> bool:
        """Whether a word of this negative log-likelihood need not be written again."""


def _option(default: Any, explanation: str, **flag: Any) -> Any:
    """A field with what the command says about it, and arguments of `add_argument` for its flag."""
    return field(default=default, metadata={"flag": {"help": explanation, **flag}})


@dataclass(frozen=True)
class WritingOptions:
    """How a text is written. Raises ValueError for whatever cannot be used.

    bias            a number ≥ 0 that makes writing neater and less varied; None is the style's, or the default
    style           a name of `styles()`, a `Style`, or ink that is used as one; None leaves the hand to the seed
    seed            a whole number ≥ 0; None is another every time
    on_unsupported  "error", "skip" or "replace": what happens to characters that cannot be written
    proofread       whether what was written is read and, where it cannot be, written again; or what reads it
    candidates      writings of what could not be read at each attempt; None is `CANDIDATES`
    limit           nats a character above which a word is written again; None is `LIMIT`
    one_hand        lets the longest of several lines choose the hand of all, where there is no style
    """

    bias: float | None = _option(
        None, "neatness: 0 is as trained, 2 is very regular", type=float, metavar="X"
    )
    style: str | Style | Ink | None = _option(
        None, "a hand by its name, or a file with a style or ink", metavar="NAME"
    )
    seed: int | None = _option(
        None, "a whole number from 0 on; without it, always new", type=int, metavar="N"
    )
    on_unsupported: OnUnsupported = _option(
        "error",
        "what to do about characters that cannot be written (%(default)s)",
        choices=get_args(OnUnsupported),
    )
    proofread: bool | WordReader = False
    candidates: int | None = _option(
        None, f"writings of what cannot be read ({CANDIDATES})", type=int, metavar="N"
    )
    limit: float | None = _option(
        None, f"nats a character above which a word cannot be read ({LIMIT})", type=float, metavar="X"
    )
    one_hand: bool = False

    def __post_init__(self) -> None:
        if self.bias is not None:
            check_bias(self.bias)
        if self.seed is not None:
            whole("seed", self.seed, least=0)
        if self.on_unsupported not in get_args(OnUnsupported):
            known = ", ".join(get_args(OnUnsupported))
            raise ValueError(f"on_unsupported is {self.on_unsupported!r}; expected {known}")
        if not isinstance(self.proofread, bool | WordReader):
            raise ValueError(f"proofread is True, False or a Proofreader, not {self.proofread!r}")
        if self.reading and self.proofread is not True:
            raise ValueError(
                f"{' and '.join(self.reading)} go with proofread=True, not with {self.proofread!r}"
            )
        check_reading(**self.reading)
        _ = self.hand

    @cached_property
    def hand(self) -> Style | None:
        """The style that is meant."""
        return None if self.style is None else Style.of(self.style)

    @property
    def reading(self) -> dict[str, Any]:
        """What is given of `candidates` and `limit`."""
        given = {"candidates": self.candidates, "limit": self.limit}
        return {name: value for name, value in given.items() if value is not None}

    def keywords(self, *left_out: str) -> dict[str, Any]:
        """The options as arguments of the methods that take them, without those named."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in left_out}


def check_reading(candidates: Any = CANDIDATES, limit: Any = LIMIT) -> None:
    """Raise ValueError unless these are a whole number of at least 1 and a finite number of at least 0."""
    whole("candidates", candidates, least=1)
    if isinstance(limit, bool) or not (math.isfinite(limit) and limit >= 0):
        raise ValueError(f"limit is {limit!r}; expected a number of nats a character of at least 0")
