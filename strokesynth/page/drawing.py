"""Sheets of a page as drawings, in millimetres, and as SVG and PNG. PDF is in `page.pdf`."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strokesynth._checks import positive
from strokesynth.ink.curves import beziers
from strokesynth.ink.drawing import hex_color
from strokesynth.ink.raster import MAX_PIXELS, MM_PER_INCH, path
from strokesynth.ink.svg import DECLARATION, add_paths, document, pen
from strokesynth.page.layout import PlacedLine
from strokesynth.page.paper import Paper


@dataclass(frozen=True)
class SheetOptions:
    """How a sheet is drawn. Raises ValueError on sizes that are not positive and on unknown colours.

    stroke_width_mm  width of the pen
    color            of the pen: #rgb, #rrggbb or a CSS colour name
    rules            whether the rules are drawn, which are `rule_width_mm` wide in `rule_color`
    margin_color     of the margin line
    background       a colour, or None for nothing
    """

    stroke_width_mm: float = 0.35
    color: str = "#000000"
    rules: bool = True
    rule_width_mm: float = 0.15
    rule_color: str = "#b4c3da"
    margin_color: str = "#e3a3a3"
    background: str | None = None

    def __post_init__(self) -> None:
        for name in ("stroke_width_mm", "rule_width_mm"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))
        for name in ("color", "rule_color", "margin_color", "background"):
            if getattr(self, name) is not None or name != "background":
                object.__setattr__(self, name, hex_color(getattr(self, name)))

    @classmethod
    def of(cls, options: dict[str, Any]) -> SheetOptions:
        """The options by name; ValueError for others."""
        known = {field.name for field in fields(cls)}
        if unknown := set(options) - known:
            raise ValueError(f"pages are drawn with the options {sorted(known)}, not {sorted(unknown)}")
        return cls(**options)


@dataclass(frozen=True)
class SheetDrawing:
    """Rules and writing on a sheet of width x height millimetres, origin at its top left, y down.

    rules: colour and segments (k, 2, 2) of each kind, if there are any. curves: for each stroke, in writing order,
    the Béziers (k, 4, 2) of `curves.beziers`.
    """

    width: float
    height: float
    rules: tuple[tuple[str, NDArray[np.float64]], ...]
    curves: tuple[NDArray[np.float64], ...]
    look: SheetOptions
    title: str


def draw_sheet(
    paper: Paper, number: int, lines: Iterable[PlacedLine], title: str, **options: Any
) -> SheetDrawing:
    """The drawing of sheet `number`, from 1, of this paper with these lines on it.

    options are the fields of `SheetOptions`. Raises ValueError on others.
    """
    look = SheetOptions.of(options)
    kinds = ((look.rule_color, paper.rules()), (look.margin_color, paper.margin_rule(number)))
    rules = tuple((color, rule) for color, rule in kinds if look.rules and len(rule))
    curves = tuple(
        # In x-heights, where a dot has its length.
        beziers(stroke) * line.x_height + (line.left, line.baseline)
        for line in lines
        for stroke in line.ink.strokes
    )
    return SheetDrawing(paper.width, paper.height, rules, curves, look, title)


def to_svg(drawing: SheetDrawing, *, declare: bool = False) -> str:
    """An SVG document of true size: one open path per stroke in a layer "1 writing", the rules in "2 rules".

    The layers are as Inkscape has them; vpype takes their numbers. `declare` puts the XML declaration before it.
    """
    from svgwrite.extensions import Inkscape

    look = drawing.look
    svg = document(f"{drawing.width:g}", f"{drawing.height:g}", drawing.title, look.background)
    inkscape = Inkscape(svg)
    if drawing.rules:
        width = f"{look.rule_width_mm:g}"
        layer = svg.add(inkscape.layer("2 rules", id="layer2", fill="none", stroke_width=width))
        for color, lines in drawing.rules:
            for line in lines:
                (x0, y0), (x1, y1) = line.round(3)
                layer.add(svg.path(f"M{x0:g} {y0:g}L{x1:g} {y1:g}", stroke=color))
    layer = inkscape.layer("1 writing", id="layer1", **pen(look.color, f"{look.stroke_width_mm:g}"))
    svg.add(add_paths(layer, drawing.curves))
    return f"{DECLARATION if declare else ''}{svg.tostring()}\n"


def to_png(drawing: SheetDrawing, dpi: float = 300.0) -> bytes:
    """A PNG file of width_mm / 25.4 * dpi pixels across. Raises ValueError for more than 2**28 pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.collections import LineCollection, PathCollection
    from matplotlib.figure import Figure
    from matplotlib.transforms import Affine2D

    dpi = positive("dpi", dpi)
    columns, rows = (max(1, round(size / MM_PER_INCH * dpi)) for size in (drawing.width, drawing.height))
    if columns * rows > MAX_PIXELS:
        raise ValueError(f"the picture would have {columns} x {rows} pixels at {dpi:g} dpi; lower dpi")
    look, points = drawing.look, 72 / MM_PER_INCH
    # matplotlib before 3.11 rounds the size in pixels down; the millionth keeps it from losing one.
    size = ((columns + 1e-6) / dpi, (rows + 1e-6) / dpi)
    figure = Figure(size, dpi=dpi, facecolor=look.background or "none")
    mm = Affine2D().scale(1 / MM_PER_INCH, -1 / MM_PER_INCH).translate(0, drawing.height / MM_PER_INCH)
    for color, lines in drawing.rules:
        rules = LineCollection(list(lines), colors=color, linewidths=look.rule_width_mm * points)
        rules.set_transform(mm + figure.dpi_scale_trans)
        figure.add_artist(rules)
    pen: dict[str, Any] = {
        "linewidths": look.stroke_width_mm * points,
        "capstyle": "round",
        "joinstyle": "round",
    }
    writing = PathCollection(
        [path(curves) for curves in drawing.curves], facecolors="none", edgecolors=look.color, **pen
    )
    writing.set_transform(mm + figure.dpi_scale_trans)
    figure.add_artist(writing)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()
