"""Ink in .xml files: text lines of IAM-OnDB, in the XML of its whiteboard, and InkML."""

from __future__ import annotations

import numpy as np

from strokesynth._xml import local_name, parse, scan
from strokesynth.ink import inkml
from strokesynth.ink.ink import Ink


def parse_strokes(xml: bytes) -> list[np.ndarray]:
    """Strokes, float32 (n, 2) each, of one line file. Raises ValueError if it is no such file."""
    values: list[str] = []  # x0, y0, x1, y1, …
    starts: list[int] = []  # index of the first point of each stroke

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "Point":
            values.append(attributes["x"])
            values.append(attributes["y"])
        elif tag == "Stroke":
            starts.append(len(values) // 2)

    try:
        scan(xml, start)
    except KeyError as error:
        raise ValueError(f"a Point without {error}") from error
    points = np.array(values, dtype=np.float32).reshape(-1, 2)
    return [stroke for stroke in np.split(points, starts)[1:] if len(stroke)]


def decode(data: bytes) -> Ink:
    """The ink in an .xml file, which may be InkML or a line of IAM-OnDB: the root element tells.

    Raises ValueError on other XML, and as `inkml.decode` and `parse_strokes`.
    """
    root = parse(data)
    if local_name(root) == "ink":
        return inkml.from_element(root)
    if local_name(root) == "WhiteboardCaptureSession":
        return Ink.from_strokes(parse_strokes(data))
    raise ValueError(
        f"ink in an .xml file is InkML (<ink>) or a line of IAM-OnDB (<WhiteboardCaptureSession>), "
        f"not <{local_name(root)}>"
    )
