"""Ink as PNG and PDF through matplotlib: the same curves and millimetres as the SVG.

Figures are made without pyplot, so nothing global changes; files carry no date and no program version.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from strokesynth._checks import positive
from strokesynth.ink.drawing import Drawing, draw
from strokesynth.ink.ink import Ink

if TYPE_CHECKING:  # importing matplotlib takes a good part of a second, and not all who load ink will draw it
    from matplotlib.figure import Figure
    from matplotlib.path import Path

MM_PER_INCH = 25.4
MAX_PIXELS = 2**28  # a gigabyte of picture


def to_png(ink: Ink, *, dpi: float = 300.0, background: str | None = "#ffffff", **options: Any) -> bytes:
    """The ink as a PNG file of width_mm / 25.4 * dpi pixels across; options are those of `DrawingOptions`.

    The background is white unless another is given; None makes it transparent.
    Raises ValueError on a bad option and on a picture of more than 2**28 pixels.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    dpi = positive("dpi", dpi)
    drawing = draw(ink, background=background, **options)
    columns, rows = (max(1, round(size / MM_PER_INCH * dpi)) for size in (drawing.width, drawing.height))
    if columns * rows > MAX_PIXELS:
        raise ValueError(
            f"the picture would have {columns} x {rows} pixels at {dpi:g} dpi ({drawing.width:.0f} x "
            f"{drawing.height:.0f} mm); lower dpi or x_height_mm, or normalise the ink to x-height 1 first"
        )
    buffer = io.BytesIO()
    # matplotlib before 3.11 rounds the size in pixels down; the millionth keeps it from losing one.
    canvas = FigureCanvasAgg(figure(drawing, (columns + 1e-6) / dpi, (rows + 1e-6) / dpi, dpi))
    canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def to_pdf(ink: Ink, **options: Any) -> bytes:
    """The ink as a PDF file of one page in its true size; options are those of `DrawingOptions`."""
    from matplotlib.backends.backend_pdf import FigureCanvasPdf

    drawing = draw(ink, **options)
    buffer = io.BytesIO()
    canvas = FigureCanvasPdf(figure(drawing, drawing.width / MM_PER_INCH, drawing.height / MM_PER_INCH))
    canvas.print_pdf(buffer, metadata=dict.fromkeys(("CreationDate", "Creator", "Producer")))
    return buffer.getvalue()


def figure(drawing: Drawing, width: float, height: float, dpi: float = 72.0) -> Figure:
    """The drawing on a matplotlib figure of width x height inches, its top left in the corner of the figure."""
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch
    from matplotlib.transforms import Affine2D

    result = Figure(figsize=(width, height), dpi=dpi, facecolor=drawing.background or "none")
    inches = Affine2D().scale(1 / MM_PER_INCH, -1 / MM_PER_INCH).translate(0, height) + result.dpi_scale_trans
    pen: dict[str, Any] = {
        "fill": False,
        "edgecolor": drawing.color,
        "linewidth": drawing.stroke_width / MM_PER_INCH * 72,  # points
        "capstyle": "round",
        "joinstyle": "round",
        "snap": False,
    }
    for curves in drawing.curves:
        result.add_artist(PathPatch(path(curves), transform=inches, **pen))
    return result


def path(curves: NDArray[np.float64]) -> Path:
    """The matplotlib path of Béziers (k, 4, 2) that follow one another."""
    from matplotlib.path import Path

    vertices = np.concatenate([curves[0, :1], curves[:, 1:].reshape(-1, 2)])
    return Path(vertices, [Path.MOVETO] + [Path.CURVE4] * (len(vertices) - 1))
