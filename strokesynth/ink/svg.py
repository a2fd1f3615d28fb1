"""Ink as SVG in true millimetres, one open path per stroke; and back.

The sheet is sized in mm and its viewBox has one unit to the millimetre, so pen plotters and printers draw at
scale. The points themselves, the text and the characters travel along as the JSON of `json_npz.to_json` in a
`<metadata>` element, which is what `decode` reads: a saved SVG is the ink, not a picture of it. (Moving the
paths in a drawing program therefore does not change what is read back.) SVG without it is read by `svg_paths`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strokesynth._xml import local_name, parse, writable
from strokesynth.ink import svg_paths
from strokesynth.ink.drawing import Drawing, draw
from strokesynth.ink.ink import Ink
from strokesynth.ink.json_npz import from_json, to_json

NAMESPACE = "http://www.w3.org/2000/svg"
METADATA_ID = "strokesynth-ink"


def to_svg(ink: Ink, **options: Any) -> str:
    """The ink as an SVG document, without XML declaration; options are those of `DrawingOptions`."""
    root = drawing_element(draw(ink, **options))
    metadata = ET.Element("metadata", id=METADATA_ID)
    metadata.text = to_json(ink).decode("ascii")
    root.insert(0, metadata)
    if ink.text is not None:
        title = ET.Element("title")
        title.text = writable(ink.text)
        root.insert(0, title)
    return ET.tostring(root, encoding="unicode")


def encode(ink: Ink, **options: Any) -> bytes:
    """The SVG file of an ink: `to_svg` in UTF-8 with its declaration."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{to_svg(ink, **options)}\n'.encode()


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


def drawing_element(drawing: Drawing) -> ET.Element:
    """The drawing as an `<svg>` element: a background, and one `<path>` per stroke in a `<g>`."""
    width, height = _number(drawing.width), _number(drawing.height)
    size = {"width": f"{width}mm", "height": f"{height}mm", "viewBox": f"0 0 {width} {height}"}
    root = ET.Element("svg", {"xmlns": NAMESPACE, "version": "1.1", **size})
    if drawing.background is not None:
        ET.SubElement(root, "rect", width=width, height=height, fill=drawing.background)
    pen = {
        "fill": "none",
        "stroke": drawing.color,
        "stroke-width": _number(drawing.stroke_width),
        "stroke-linecap": "round",
        "stroke-linejoin": "round",
    }
    group = ET.SubElement(root, "g", pen)
    for curves in drawing.curves:
        ET.SubElement(group, "path", d=path_data(curves))
    return root


def path_data(curves: NDArray[np.float64]) -> str:
    """SVG path data of Béziers (k, 4, 2) that follow one another, to a thousandth of a unit."""
    start, *rest = [_number(v) for v in np.concatenate([curves[0, 0], curves[:, 1:].ravel()])]
    return f"M{start} {rest[0]}C{' '.join(rest[1:])}"


def _number(value: float) -> str:
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
