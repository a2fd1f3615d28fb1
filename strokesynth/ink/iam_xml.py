"""The strokes in a line of IAM-OnDB, in the XML of its whiteboard."""

from __future__ import annotations

import numpy as np

from strokesynth._xml import scan


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
