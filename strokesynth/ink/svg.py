"""Ink as SVG in true millimetres, one open path per stroke; and back.

The sheet is sized in mm and its viewBox has one unit to the millimetre, so pen plotters and printers draw at
scale. The points themselves, the text and the characters travel along as the JSON of `json_npz.to_json` in a
`<metadata>` element, which is what `decode` reads: a saved SVG is the ink, not a picture of it. (Moving the
paths in a drawing program therefore does not change what is read back.) SVG without it is read by `svg_paths`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strokesynth._xml import local_name, parse, writable
from strokesynth.ink import svg_paths
from strokesynth.ink.drawing import draw
from strokesynth.ink.ink import Ink
from strokesynth.ink.json_npz import from_json, to_json

NAMESPACE = "http://www.w3.org/2000/svg"
METADATA_ID = "strokesynth-ink"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'


def to_svg(ink: Ink, **options: Any) -> str:
    """The ink as an SVG document, without XML declaration; options are those of `DrawingOptions`."""
    drawing = draw(ink, **options)
    svg = document(_number(drawing.width), _number(drawing.height), ink.text, drawing.background)
    svg.add(_Metadata(to_json(ink).decode("ascii")))
    group = svg.g(**pen(drawing.color, _number(drawing.stroke_width)))
    svg.add(add_paths(group, drawing.curves))
    return str(svg.tostring())


def encode(ink: Ink, **options: Any) -> bytes:
    """The SVG file of an ink: `to_svg` in UTF-8 with its declaration."""
    return f"{DECLARATION}{to_svg(ink, **options)}\n".encode()


def decode(data: bytes) -> Ink:
    """The ink in an SVG file: of `encode`, the ink as it was; of other programs, the lines that are stroked.

    Raises ValueError on XML that `_xml.parse` refuses, and on what is not SVG or has no such lines.
    """
    root = parse(data)
    if local_name(root) != "svg":
        raise ValueError(f"SVG is expected, whose root element is <svg>; here it is <{local_name(root)}>")
    for element in root.iter(f"{{{NAMESPACE}}}metadata"):
        if element.get("id") == METADATA_ID:
            return from_json(element.text or "")
    return Ink.from_strokes(svg_paths.strokes(root))


def document(width: str, height: str, title: str | None, background: str | None) -> Any:
    """An `svgwrite.Drawing` of true size in millimetres, with a title and a background where there are any."""
    import svgwrite  # here, because reading SVG does not need it

    # debug would validate every attribute by SVG's grammar, which takes longer than all the rest.
    svg = svgwrite.Drawing(size=(f"{width}mm", f"{height}mm"), viewBox=f"0 0 {width} {height}", debug=False)
    if title is not None:
        svg.set_desc(title=writable(title))
    if background is not None:
        svg.add(svg.rect(size=(width, height), fill=background))
    return svg


def pen(color: str, width: str) -> dict[str, str]:
    """The attributes of a group whose paths a round pen draws."""
    return {
        "fill": "none",
        "stroke": color,
        "stroke_width": width,
        "stroke_linecap": "round",
        "stroke_linejoin": "round",
    }


def add_paths(group: Any, strokes: Iterable[NDArray[np.float64]]) -> Any:
    """The svgwrite group with one open path for each stroke, given as Béziers (k, 4, 2), added to it."""
    from svgwrite.path import Path

    for curves in strokes:
        group.add(Path(path_data(curves), factory=group))
    return group


def path_data(curves: NDArray[np.float64]) -> str:
    """SVG path data of Béziers (k, 4, 2) that follow one another, to a thousandth of a unit."""
    # Python's floats are quicker to write as text than NumPy's.
    values = np.concatenate([curves[0, 0], curves[:, 1:].ravel()]).tolist()
    start, *rest = [_number(value) for value in values]
    return f"M{start} {rest[0]}C{' '.join(rest[1:])}"


def _number(value: float) -> str:
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


class _Metadata:
    """The `<metadata>` element with the ink, as svgwrite takes it: svgwrite's own holds elements, not text."""

    elementname = "metadata"

    def __init__(self, text: str) -> None:
        self.text = text

    def get_xml(self) -> ET.Element:
        element = ET.Element(self.elementname, id=METADATA_ID)
        element.text = self.text
        return element
