"""Ink from the SVG of other programs: the lines that a pen would follow.

W3C, Scalable Vector Graphics (SVG) 1.1 (Second Edition), 16 August 2011, https://www.w3.org/TR/SVG11/: chapters 7.6
(transform), 8.3 (path data), 9 (line, polyline, polygon) and appendix F.6 (arcs). Read is whatever is stroked; an
outline that is only filled has no middle line that could be told. Styles count as attributes, as `style=` and, for
elements with a class, as a style sheet that says stroke at all.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
from numpy.typing import NDArray

from strokesynth._xml import local_name

# Straight pieces of a curve, or of a quarter of an arc, which are off by at most 1/800 of a circle's radius
PIECES = 16

_ARGUMENTS = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "A": 7, "Z": 0}
_NUMBER = re.compile(r"[\s,]*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")
_FLAG = re.compile(r"[\s,]*([01])")
_COMMAND = re.compile(r"[\s,]*([A-Za-z])")
_TRANSFORM = re.compile(r"\s*,?\s*(matrix|translate|scale|rotate|skewX|skewY)\s*\(([^()]*)\)")
_UNSEEN = {"defs", "clipPath", "mask", "marker", "pattern", "symbol"}
_INHERITED = ("stroke", "fill", "visibility")

Matrix = NDArray[np.float64]


def strokes(root: ET.Element) -> list[NDArray[np.float64]]:
    """The stroked lines of an SVG document as points (n, 2), n >= 2, in the units of its outermost `<svg>`.

    Raises ValueError on path data and transforms that are broken, and where nothing is stroked.
    """
    sheets = " ".join(e.text or "" for e in root.iter() if local_name(e) == "style")
    found: list[NDArray[np.float64]] = []
    filled = _collect(root, np.eye(3), {}, "stroke" in sheets, found)
    if not found:
        why = "there is no stroked path, polyline, polygon or line in it"
        if filled:
            why = f"its {filled} shapes are filled, and an outline is not what a pen did"
        raise ValueError(f"this SVG holds no ink: {why}")
    return found


def _collect(
    element: ET.Element, matrix: Matrix, style: dict[str, str], sheet: bool, found: list[NDArray[np.float64]]
) -> int:
    """Add the lines of an element and all within it to `found`; the number of its shapes that are only filled."""
    tag = local_name(element)
    declared = (part.partition(":") for part in element.get("style", "").split(";"))
    own = {**element.attrib, **{name.strip(): value.strip() for name, _, value in declared}}
    if tag in _UNSEEN or own.get("display") == "none":
        return 0
    style = {**style, **{name: own[name] for name in _INHERITED if name in own}}
    if sheet and "class" in own:
        style.setdefault("stroke", "by class")
    if element.get("transform"):
        matrix = matrix @ _transform(element.get("transform", ""))
    lines: list[NDArray[np.float64]] = []
    if tag == "path":
        lines = path_points(element.get("d", ""))
    elif tag == "line":
        ends = [float(element.get(name, "0")) for name in ("x1", "y1", "x2", "y2")]
        lines = [np.array(ends).reshape(2, 2)]
    elif tag in ("polyline", "polygon"):
        corners = element.get("points", "").strip()
        if corners:
            lines = path_points(f"M{corners}{'Z' if tag == 'polygon' else ''}")
    hidden = style.get("visibility", "visible") != "visible"
    stroked = style.get("stroke", "none") not in ("none", "transparent")
    if stroked and not hidden:
        found += [line @ matrix[:2, :2].T + matrix[:2, 2] for line in lines]
    filled = int(bool(lines) and not stroked and style.get("fill") != "none")
    return filled + sum(_collect(child, matrix, style, sheet, found) for child in element)


def path_points(data: str) -> list[NDArray[np.float64]]:
    """The subpaths of SVG path data as points (n, 2), n >= 2: every end of a piece, and curves cut in `PIECES`.

    Raises ValueError on path data that are broken, with the place.
    """
    paths: list[list[NDArray[np.float64]]] = []
    here = start = control = np.zeros(2)
    position, command, before = 0, "", ""
    stop = len(data.rstrip())
    while position < stop:
        if match := _COMMAND.match(data, position):
            command, position = match[1], match.end()
        elif command in ("", "Z", "z"):
            raise _broken(data, position, "a command is expected")
        kind = command.upper()
        if kind not in _ARGUMENTS or not (paths or kind == "M"):
            raise _broken(data, position, f"{command} is no command" if paths else "path data start with M")
        arguments = []
        for i in range(_ARGUMENTS[kind]):
            match = (_FLAG if kind == "A" and i in (3, 4) else _NUMBER).match(data, position)
            if match is None:
                raise _broken(data, position, f"{command} has {_ARGUMENTS[kind]} numbers")
            arguments.append(float(match[1]))
            position = match.end()
        base = here if command.islower() else np.zeros(2)
        if kind in "HV":
            end = here.copy()
            end["HV".index(kind)] = base["HV".index(kind)] + arguments[0]
        else:
            end = start if kind == "Z" else base + arguments[-2:]
        if kind == "M":
            start = end
            paths.append([end[None]])
            command = "l" if command == "m" else "L"  # more pairs after those of M are lines
        else:
            if before == "Z":  # without an M the next subpath starts where the last did
                paths.append([start[None]])
            reflected = 2 * here - control  # control point of the curve before, for S and T
            if kind == "A":
                piece = _arc(here, end, *arguments[:5])
            elif kind in "CSQT":
                inner = [base + pair for pair in np.reshape(arguments[:-2], (-1, 2))]
                if kind == "S":
                    inner.insert(0, reflected if before in ("C", "S") else here)
                elif kind == "T":
                    inner.append(reflected if before in ("Q", "T") else here)
                piece = _bezier([here, *inner, end])
                control = inner[-1]
            else:
                piece = end[None]
            paths[-1].append(piece)
        here, before = end, kind
    return [np.concatenate(pieces) for pieces in paths if len(pieces) > 1]


def _bezier(controls: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Points (PIECES, 2) of a Bézier curve after its first, by de Casteljau's construction."""
    t = np.linspace(0, 1, PIECES + 1)[1:, None]
    points = [np.broadcast_to(c, (PIECES, 2)) for c in controls]
    while len(points) > 1:
        points = [(1 - t) * a + t * b for a, b in zip(points, points[1:], strict=False)]
    return points[0]


def _arc(
    start: NDArray[np.float64], end: NDArray[np.float64], rx: float, ry: float, angle: float, *flags: float
) -> NDArray[np.float64]:
    """Points of an elliptical arc after its first: appendix F.6.5, with radii as F.6.6 corrects them."""
    large, sweep = flags
    radii = np.abs([rx, ry])
    if not radii.all() or np.array_equal(start, end):
        return end[None]
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    turn = np.array([[cos, -sin], [sin, cos]])
    # On a circle of radius 1, where the two ends are at a and -a from their middle.
    a = turn.T @ ((start - end) / 2) / radii
    square = float(a @ a)
    if square > 1:
        radii, a, square = radii * np.sqrt(square), a / np.sqrt(square), 1.0
    centre = np.sqrt(1 / square - 1) * np.array([a[1], -a[0]]) * (1 if large != sweep else -1)
    first, last = (np.arctan2(*(end_ - centre)[::-1]) for end_ in (a, -a))
    extent = (last - first) % (2 * np.pi) - (0 if sweep else 2 * np.pi)
    pieces = int(np.ceil(PIECES * abs(extent) / (np.pi / 2) - 1e-9))
    angles = first + extent * np.linspace(0, 1, pieces + 1)[1:]
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = (circle + centre) * radii @ turn.T + (start + end) / 2
    points[-1] = end
    return points


def _transform(text: str) -> Matrix:
    """The matrix (3, 3) of a transform attribute."""
    matrix, position, stop = np.eye(3), 0, len(text.rstrip())
    while position < stop:
        match = _TRANSFORM.match(text, position)
        numbers = [] if match is None else [float(v) for v in _NUMBER.findall(match[2])]
        step = None if match is None else _step(match[1], numbers)
        if match is None or step is None:
            raise _broken(text, position, "no transform of SVG 1.1")
        matrix, position = matrix @ step, match.end()
    return matrix


def _step(name: str, v: list[float]) -> Matrix | None:
    """The matrix of one transform; None where it has not as many numbers."""
    a, b, c, d, e, f = 1.0, 0.0, 0.0, 1.0, 0.0, 0.0
    if name == "matrix" and len(v) == 6:
        a, b, c, d, e, f = v
    elif name == "translate" and len(v) in (1, 2):
        e, f = [*v, 0.0][:2]
    elif name == "scale" and len(v) in (1, 2):
        a, d = v[0], v[-1]
    elif name == "rotate" and len(v) in (1, 3):
        cos, sin, (x, y) = np.cos(np.radians(v[0])), np.sin(np.radians(v[0])), v[1:] or (0.0, 0.0)
        a, b, c, d, e, f = cos, sin, -sin, cos, x - cos * x + sin * y, y - sin * x - cos * y
    elif name == "skewX" and len(v) == 1:
        c = np.tan(np.radians(v[0]))
    elif name == "skewY" and len(v) == 1:
        b = np.tan(np.radians(v[0]))
    else:
        return None
    return np.array([[a, c, e], [b, d, f], [0.0, 0.0, 1.0]])


def _broken(text: str, position: int, why: str) -> ValueError:
    return ValueError(f"{why}, and at character {position} there is {text[position : position + 20]!r}")
