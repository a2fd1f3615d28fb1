"""Drawing ink: the same curves, in millimetres, for every format.

`Drawing` is what all formats draw; `svg` and `raster` (PNG and PDF) only write it down.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strokesynth._checks import positive
from strokesynth.ink.curves import beziers
from strokesynth.ink.ink import Ink


@dataclass(frozen=True)
class DrawingOptions:
    """How ink is drawn. Raises ValueError on sizes that are not positive and on unknown colours.

    x_height_mm      height of a lower-case x
    stroke_width_mm  width of the pen
    color            of the pen: #rgb, #rrggbb or a CSS colour name
    margin_mm        around the points of the ink
    background       a colour as above, or None for nothing
    """

    x_height_mm: float = 3.0
    stroke_width_mm: float = 0.4
    color: str = "#000000"
    margin_mm: float = 2.0
    background: str | None = None

    def __post_init__(self) -> None:
        for name in ("x_height_mm", "stroke_width_mm", "margin_mm"):
            object.__setattr__(self, name, positive(name, getattr(self, name), zero=name == "margin_mm"))
        object.__setattr__(self, "color", hex_color(self.color))
        if self.background is not None:
            object.__setattr__(self, "background", hex_color(self.background))


@dataclass(frozen=True)
class Drawing:
    """Curves on a sheet of width x height millimetres, origin at its top left, y down.

    curves: for each stroke the Béziers (k, 4, 2) of `curves.beziers`. Colours are #rrggbb.
    """

    width: float
    height: float
    curves: tuple[NDArray[np.float64], ...]
    stroke_width: float
    color: str
    background: str | None


def draw(ink: Ink, **options: Any) -> Drawing:
    """The drawing of an ink whose unit is the x-height: its points with a margin around them.

    options are the fields of `DrawingOptions`. Raises ValueError on others, and on a drawing without area.
    """
    known = {field.name for field in fields(DrawingOptions)}
    if unknown := set(options) - known:
        raise ValueError(f"drawings know the options {sorted(known)}, not {sorted(unknown)}")
    pen = DrawingOptions(**options)
    left, top, right, bottom = ink.bounds
    width = (right - left) * pen.x_height_mm + 2 * pen.margin_mm
    height = (bottom - top) * pen.x_height_mm + 2 * pen.margin_mm
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise ValueError(f"a drawing of {width:g} x {height:g} mm has no area; give it a margin_mm above 0")
    origin = np.array([left, top])
    curves = tuple((beziers(s) - origin) * pen.x_height_mm + pen.margin_mm for s in ink.strokes)
    return Drawing(width, height, curves, pen.stroke_width_mm, pen.color, pen.background)


def hex_color(color: str) -> str:
    """The colour as #rrggbb, from #rgb, #rrggbb or a CSS name in any case; ValueError otherwise."""
    if isinstance(color, str):
        text = color.strip().lower()
        if re.fullmatch("#[0-9a-f]{6}", text):
            return text
        if re.fullmatch("#[0-9a-f]{3}", text):
            return "#" + "".join(2 * digit for digit in text[1:])
        from matplotlib.colors import CSS4_COLORS  # here, because most drawings do not need it

        if text in CSS4_COLORS:
            return str(CSS4_COLORS[text]).lower()
    raise ValueError(f"a colour is #rgb, #rrggbb or a CSS name such as navy; got {color!r}")
