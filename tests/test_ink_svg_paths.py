"""Lines in other programs' SVG: each piece against its formula, styles and transforms by hand."""

import re
from math import comb

import numpy as np
import pytest
from makers import random_ink

from strokesynth.ink.svg import decode, encode
from strokesynth.ink.svg_paths import PIECES, path_points

T = np.linspace(0, 1, PIECES + 1)[:, None]


def read(body, attributes='stroke="black"'):
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>{body}</svg>'
    return [s.tolist() for s in decode(svg.encode()).strokes]


def bernstein(*controls):
    """Points of a Bézier curve by its polynomial."""
    n = len(controls) - 1
    return sum(
        comb(n, k) * T**k * (1 - T) ** (n - k) * np.array(c, dtype=float) for k, c in enumerate(controls)
    )


# --- path data -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("M1 2L3 4", [[[1, 2], [3, 4]]]),
        ("M 1,2 3,4 5,6", [[[1, 2], [3, 4], [5, 6]]]),
        ("m1 2 3 4 5 6", [[[1, 2], [4, 6], [9, 12]]]),
        ("M1-2.5.5-1e1", [[[1, -2.5], [0.5, -10]]]),
        ("M1 2H5V7h-1v-2l1,1", [[[1, 2], [5, 2], [5, 7], [4, 7], [4, 5], [5, 6]]]),
        ("M0 0L1 1M2 2L3 3m1 1l1 1", [[[0, 0], [1, 1]], [[2, 2], [3, 3]], [[4, 4], [5, 5]]]),
        ("M0 0H1V1ZM5 5h1", [[[0, 0], [1, 0], [1, 1], [0, 0]], [[5, 5], [6, 5]]]),
        ("M1 1h1v1z l-1-1", [[[1, 1], [2, 1], [2, 2], [1, 1]], [[1, 1], [0, 0]]]),
        ("M1 1m2 2l0 0", [[[3, 3], [3, 3]]]),  # a place alone draws nothing, a line of no length a dot
        ("M1 1z", [[[1, 1], [1, 1]]]),
        ("", []),
        (" ", []),
    ],
)
def test_straight_pieces(data, expected):
    assert [p.tolist() for p in path_points(data)] == expected


@pytest.mark.parametrize(
    ("data", "controls"),
    [
        ("M1 2C3 4 5 -6 7 8", [[(1, 2), (3, 4), (5, -6), (7, 8)]]),
        ("M1 2c2 2 4-8 6 6", [[(1, 2), (3, 4), (5, -6), (7, 8)]]),
        ("M1 2Q3 4 5 -6", [[(1, 2), (3, 4), (5, -6)]]),
        ("M0 0C0 1 1 1 1 0S3 -1 3 0", [[(0, 0), (0, 1), (1, 1), (1, 0)], [(1, 0), (1, -1), (3, -1), (3, 0)]]),
        ("M0 0S1 1 2 0s1 1 2 0", [[(0, 0), (0, 0), (1, 1), (2, 0)], [(2, 0), (3, -1), (3, 1), (4, 0)]]),
        (
            "M0 0q1 1 2 0t2 0t2 0",
            [[(0, 0), (1, 1), (2, 0)], [(2, 0), (3, -1), (4, 0)], [(4, 0), (5, 1), (6, 0)]],
        ),
        ("M0 0q1 1 2 0 1 1 2 0", [[(0, 0), (1, 1), (2, 0)], [(2, 0), (3, 1), (4, 0)]]),
        ("M0 0T2 0", [[(0, 0), (0, 0), (2, 0)]]),
        ("M0 0C0 1 1 1 1 0T2 0", [[(0, 0), (0, 1), (1, 1), (1, 0)], [(1, 0), (1, 0), (2, 0)]]),
    ],
)
def test_curves_are_their_polynomials(data, controls):
    (points,) = path_points(data)
    pieces = [bernstein(*c)[1:] for c in controls]
    np.testing.assert_allclose(points, np.concatenate([[controls[0][0]], *pieces]), atol=1e-12)


@pytest.mark.parametrize("large", [0, 1])
@pytest.mark.parametrize("sweep", [0, 1])
@pytest.mark.parametrize(("rx", "ry", "angle"), [(5, 5, 0), (6, 4, 0), (6, 4, 30), (9, 3, -100)])
def test_arcs_are_on_their_ellipse(rx, ry, angle, large, sweep):
    (points,) = path_points(f"M1 2A{rx} {ry} {angle} {large}{sweep}5 4")
    np.testing.assert_allclose(points[[0, -1]], [[1, 2], [5, 4]], atol=1e-12)
    # Made a circle of radius 1, all points have one distance from one centre, and the turn is what the flags say.
    phi = np.radians(angle)
    round_ = points @ np.array([[np.cos(phi), -np.sin(phi)], [np.sin(phi), np.cos(phi)]]) / [rx, ry]
    rows = np.column_stack([2 * round_, np.ones(len(round_))])
    solution, *_ = np.linalg.lstsq(rows, (round_**2).sum(axis=1), rcond=None)
    centre = solution[:2]
    np.testing.assert_allclose(np.hypot(*(round_ - centre).T), 1, atol=1e-9)
    angles = np.unwrap(np.arctan2(*(round_ - centre).T[::-1]))
    turn = angles[-1] - angles[0]
    assert (turn > 0) == bool(sweep) and (abs(turn) > np.pi) == bool(large)
    assert np.abs(np.diff(angles)).max() <= np.pi / 2 / PIECES + 1e-9


def test_arcs_out_of_range():
    (straight,) = path_points("M0 0A0 5 0 0 1 4 0")
    assert straight.tolist() == [[0, 0], [4, 0]]
    (grown,) = path_points("M0 0A1 1 0 0 1 4 0")  # a radius too small becomes 2: half a circle
    np.testing.assert_allclose(np.hypot(*(grown - [2, 0]).T), 2)
    assert grown[:, 1].min() == pytest.approx(-2)
    assert [p.tolist() for p in path_points("M1 1a2 2 0 1 1 0 0")] == [[[1, 1], [1, 1]]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("L1 1", "start with M, and at character"),
        ("1 1", "a command is expected, and at character 0"),
        ("M1", "M has 2 numbers, and at character 2"),
        ("M1 1L2 2 3", "L has 2 numbers"),
        ("M1 1L2 x", "at character 6 there is ' x'"),
        ("M1 1zz5 5", "a command is expected"),
        ("M1 1B2 2", "B is no command"),
        ("M0 0A1 1 0 2 0 5 5", "A has 7 numbers, and at character 10"),
        ("M0 0C1 1 2 2", "C has 6 numbers"),
        ("M0 0 nan 1", "n is no command, and at character 6 there is 'an 1'"),
    ],
)
def test_path_data_that_are_broken(data, message):
    with pytest.raises(ValueError, match=message):
        path_points(data)


# --- documents -------------------------------------------------------------------------------------


def test_shapes_in_document_order():
    body = (
        '<path d="M0 0L1 1M2 2L3 3"/><g><polyline points="1,2 3,4 5,6"/></g><line x1="1" x2="2" y2="3"/>'
        '<polygon points="0 0 1 0 1 1"/><path/><polyline points=""/>'
    )
    assert read(body) == [
        [[0, 0], [1, 1]],
        [[2, 2], [3, 3]],
        [[1, 2], [3, 4], [5, 6]],
        [[1, 0], [2, 3]],
        [[0, 0], [1, 0], [1, 1], [0, 0]],
    ]


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ("matrix(1 2 3 4 5 6)", [1 + 6 + 5, 2 + 8 + 6]),
        ("translate(10)", [11, 2]),
        ("translate(10,-3)", [11, -1]),
        ("scale(2)", [2, 4]),
        ("scale(2 3)", [2, 6]),
        ("rotate(90)", [-2, 1]),
        ("rotate(90 1 1)", [0, 1]),
        ("skewX(45)", [3, 2]),
        ("skewY(45)", [1, 3]),
        (" translate(10 0) , scale(2)rotate(90)", [6, 2]),
    ],
)
def test_transforms(transform, expected):
    path = '<path d="M0 0M1 2L1 2"/>'
    for body in (f'<g transform="{transform}">{path}</g>', path.replace("/>", f' transform="{transform}"/>')):
        np.testing.assert_allclose(read(body), [[expected, expected]], atol=1e-6)
    nested = f'<g transform="{transform}"><g transform="translate(1 2)"><line/></g></g>'
    np.testing.assert_allclose(read(nested), [[expected, expected]], atol=1e-6)


@pytest.mark.parametrize(
    "transform", ["translate(1 2 3)", "spin(3)", "scale()", "translate(1", "matrix(1 2 3)"]
)
def test_transforms_that_are_none(transform):
    with pytest.raises(ValueError, match="no transform of SVG 1.1, and at character 0"):
        read(f'<g transform="{transform}"><line/></g>')


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ('<line stroke="#000"/>', 1),
        ('<line style="fill:none; stroke : red"/>', 1),
        ('<g stroke="red"><line/><line stroke="none"/><line style="stroke:none"/></g>', 1),
        ('<g style="stroke:red"><g><line/></g></g><line/>', 1),
        (
            '<line stroke="red"/><line stroke="red" visibility="hidden"/><g display="none"><line stroke="red"/></g>',
            1,
        ),
        ('<defs><line stroke="red"/></defs><clipPath><line stroke="red"/></clipPath><line stroke="red"/>', 1),
        ("<style>.a{fill:none;stroke:#000}</style><line class='a'/><line/>", 1),
        ('<line stroke="red" fill="blue"/>', 1),
    ],
)
def test_what_is_stroked_is_ink(body, count):
    assert len(read(body, "")) == count


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "no stroked path"),
        ("<rect stroke='red' width='3' height='4'/><text>hello</text>", "no stroked path"),
        ("<path d='M0 0L1 1L0 1Z'/><g fill='blue'><path d='M0 0L1 1L0 1Z'/></g>", "its 2 shapes are filled"),
        ("<path d='M0 0L1 1' fill='none'/>", "no stroked path"),
        ("<line stroke='red' x1='1cm'/>", "1cm"),
        ("<path stroke='red' d='M0 0L1e39 1'/>", "finite"),
        ("<path stroke='red' d='M0 0L1'/>", "L has 2 numbers"),
    ],
)
def test_documents_without_ink(body, message):
    with pytest.raises(ValueError, match=message):
        read(body, "")


def test_our_own_drawing_without_its_metadata():
    ink = random_ink()
    svg = re.sub(rb"<metadata.*</metadata>", b"", encode(ink, x_height_mm=4, margin_mm=2))
    found = decode(svg)
    assert found.text is None and len(found.strokes) == len(ink.strokes)
    left, top, *_ = ink.bounds
    for line, stroke in zip(found.strokes, ink.strokes):
        if len(stroke) > 1:  # a dot is drawn with a length
            np.testing.assert_allclose(line[::PIECES], (stroke - [left, top]) * 4 + 2, atol=0.001)


def test_other_documents_are_named():
    with pytest.raises(ValueError, match="root element is <svg>; here it is <html>"):
        decode(b"<html/>")


def test_long_paths():
    """Nothing is quadratic."""
    points = np.random.default_rng(0).integers(-999, 999, (30_000, 2))
    (stroke,) = path_points("M" + " ".join(f"{x},{y}" for x, y in points) + " " * 300_000)
    np.testing.assert_array_equal(stroke, points)
