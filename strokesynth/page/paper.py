"""Paper: its size, margins and rules. All lengths in millimetres, origin at the top left of the sheet, y down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strokesynth._checks import check_choice, positive

PAPERS = {
    "A3": (297.0, 420.0),
    "A4": (210.0, 297.0),
    "A5": (148.0, 210.0),
    "A6": (105.0, 148.0),
    "Letter": (215.9, 279.4),
    "Legal": (215.9, 355.6),
}
"""Width and height of upright paper, ISO 216 and ANSI/ASME Y14.1."""

ORIENTATIONS = ("portrait", "landscape")
RULINGS = ("blank", "ruled", "grid")
MARGIN = 20.0
PITCH = {"blank": 8.0, "ruled": 8.0, "grid": 5.0}
"""From one rule to the next where nothing else is said, in mm."""
_LEAST_PITCH = 1.0
_LARGEST = 5000.0  # no paper has longer sides; a larger number is likely to be in another unit
_MARGIN_LINE_GAP = 3.0


class Margins(NamedTuple):
    """The four margins in the order of CSS."""

    top: float
    right: float
    bottom: float
    left: float


class Area(NamedTuple):
    """The area that may be written on."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Paper:
    """Sheets of one kind, numbered from 1. `Paper.of` makes one from names and checks everything."""

    width: float
    height: float
    margins: Margins
    mirrored: bool
    ruling: str
    pitch: float
    margin_line: bool

    @classmethod
    def of(
        cls,
        size: str | tuple[float, float] = "A4",
        *,
        orientation: str = "portrait",
        margins: float | Sequence[float] = MARGIN,
        mirrored: bool = False,
        ruling: str = "blank",
        pitch: float | None = None,
        margin_line: bool = False,
    ) -> Paper:
        """The paper that is asked for.

        size         a name of `PAPERS` in any case, or (width, height)
        orientation  "portrait" or "landscape", which lays down paper that stands
        margins      one for all sides, or (top, right, bottom, left)
        mirrored     on even sheets left and right margin change places, as in a bound book
        ruling       "blank", "ruled" or "grid"
        pitch        of the rules; 8 for ruled paper and 5 for a grid where there is none given
        margin_line  a line down the sheet beside the writing

        Raises ValueError for anything else, and for margins that leave no room on the paper.
        """
        check_choice("orientation", orientation, ORIENTATIONS)
        check_choice("ruling", ruling, RULINGS)
        pitch = PITCH[ruling] if pitch is None else positive("the pitch of the rules", pitch)
        if pitch < _LEAST_PITCH:
            raise ValueError(f"the pitch of the rules is at least {_LEAST_PITCH:g} mm; got {pitch:g}")
        width, height = _size(size)
        if orientation == "landscape":
            width, height = max(width, height), min(width, height)
        sides = _margins(margins)
        for name, room, one, other in (
            ("width", width, sides.left, sides.right),
            ("height", height, sides.top, sides.bottom),
        ):
            if one + other >= room:
                raise ValueError(
                    f"margins of {one:g} and {other:g} mm leave nothing of the {name} of paper of "
                    f"{width:g} x {height:g} mm"
                )
        return cls(width, height, sides, bool(mirrored), ruling, pitch, bool(margin_line))

    def area(self, number: int) -> Area:
        """The area of sheet `number` that may be written on."""
        top, right, bottom, left = self.margins
        if self.mirrored and number % 2 == 0:
            left, right = right, left
        return Area(left, top, self.width - right, self.height - bottom)

    def next_rule(self, y: float) -> float:
        """The first y at or below `y` where a baseline may lie: any on blank paper, else that of a rule."""
        if self.ruling == "blank":
            return y
        start = self._first_rule
        return start + max(math.ceil((y - start) / self.pitch - 1e-6), 0) * self.pitch

    def rules(self) -> NDArray[np.float64]:
        """The lines printed on every sheet: (k, 2, 2) ends x, y. Level ones from top to bottom, then upright ones."""
        if self.ruling == "blank":
            return np.zeros((0, 2, 2))
        last = self.height - (self.margins.bottom if self.ruling == "ruled" else 1e-6)
        ys = np.arange(self._first_rule, last + 1e-6, self.pitch)
        lines = [[(0.0, y), (self.width, y)] for y in ys]
        if self.ruling == "grid":
            xs = np.arange(self.pitch, self.width - 1e-6, self.pitch)
            lines += [[(x, 0.0), (x, self.height)] for x in xs]
        return np.array(lines).reshape(-1, 2, 2)

    def margin_rule(self, number: int) -> NDArray[np.float64]:
        """The margin line of sheet `number`, a little to the left of the writing: (1, 2, 2), or (0, 2, 2)."""
        if not self.margin_line:
            return np.zeros((0, 2, 2))
        x = self.area(number).left
        x -= min(_MARGIN_LINE_GAP, x / 2)
        return np.array([[(x, 0.0), (x, self.height)]])

    @property
    def _first_rule(self) -> float:
        """Ruled paper has its first rule one pitch below the margin; a grid covers the sheet from its corner."""
        return self.pitch + (self.margins.top if self.ruling == "ruled" else 0.0)


def _size(size: str | tuple[float, float]) -> tuple[float, float]:
    if isinstance(size, str):
        names = {name.lower(): name for name in PAPERS}
        if size.strip().lower() not in names:
            raise ValueError(f"paper is {', '.join(PAPERS)} or (width, height) in mm; got {size!r}")
        return PAPERS[names[size.strip().lower()]]
    try:
        width, height = size
    except (TypeError, ValueError):
        raise ValueError(f"paper is {', '.join(PAPERS)} or (width, height) in mm; got {size!r}") from None
    width, height = positive("the width of the paper", width), positive("the height of the paper", height)
    if max(width, height) > _LARGEST:
        raise ValueError(f"paper of {width:g} x {height:g} mm: sizes are in millimetres, up to {_LARGEST:g}")
    return width, height


def _margins(margins: float | Sequence[float]) -> Margins:
    given = (margins,) * 4 if isinstance(margins, int | float) else tuple(np.ravel(margins).tolist())
    if len(given) != 4:
        raise ValueError(f"margins are one number of mm, or (top, right, bottom, left); got {margins!r}")
    return Margins(*(positive("a margin", value, zero=True) for value in given))
