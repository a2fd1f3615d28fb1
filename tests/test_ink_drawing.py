"""Drawings pass through the points, have their true size, and are the same in every format."""

import io
import json
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pytest
from makers import random_ink
from PIL import Image
from scipy.interpolate import CubicSpline

from strokesynth.ink import Ink
from strokesynth.ink.curves import beziers
from strokesynth.ink.drawing import draw
from strokesynth.ink.json_npz import to_json
from strokesynth.ink.raster import to_pdf, to_png
from strokesynth.ink.svg import decode, encode, to_svg

SVG = "{http://www.w3.org/2000/svg}"


def along(curves, t):
    """Points at t in 0..1 of each Bézier (k, 4, 2), by de Casteljau's construction."""
    points = curves
    while points.shape[1] > 1:
        points = (1 - t) * points[:, :-1] + t * points[:, 1:]
    return points[:, 0]


def numbers(text):
    return [float(number) for number in re.findall(r"-?[\d.]+", text)]


# --- curves --------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 4, 50])
def test_curves_pass_through_the_points(n):
    points = np.random.default_rng(n).normal(size=(n, 2)).cumsum(axis=0)
    curves = beziers(points)
    assert curves.shape == (n - 1, 4, 2)
    np.testing.assert_allclose(along(curves, 0.0), points[:-1])
    np.testing.assert_allclose(along(curves, 1.0), points[1:])


def test_curves_are_the_natural_spline_over_centripetal_parameters():
    turn = np.linspace(0, 9, 60)
    points = np.stack([0.2 * turn + np.cos(turn), np.sin(turn)], axis=1)
    times = np.concatenate([[0], np.sqrt(np.hypot(*np.diff(points, axis=0).T)).cumsum()])
    oracle = CubicSpline(times, points, bc_type="natural")
    for t in (0.2, 0.5, 0.9):
        np.testing.assert_allclose(
            along(beziers(points), t), oracle(times[:-1] + t * np.diff(times)), atol=1e-12
        )


def test_curves_are_smooth_where_the_pen_is():
    turn = np.linspace(0, 2 * np.pi, 9)  # an o of nine points
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    inner = beziers(circle)[1:-1]  # the ends of a spline are straighter
    radius = np.hypot(*np.concatenate([along(inner, t) for t in np.linspace(0, 1, 9)]).T)
    assert np.abs(radius - 1).max() < 0.02  # a polyline is off by 0.076


def test_sharp_turns_stay_sharp():
    down, up = np.linspace([0, -2], [0, 0], 5), np.linspace([0, 0], [0.3, -2], 5)
    cusp = np.concatenate([down, up[1:]])
    curves = beziers(cusp)
    points = np.concatenate([along(curves, t) for t in np.linspace(0, 1, 9)])
    assert points[:, 1].max() < 1e-9  # no loop below the tip
    arrive, leave = curves[3, 3] - curves[3, 2], curves[4, 1] - curves[4, 0]
    assert arrive @ leave < 0


def test_repeated_points_are_drawn_once():
    points = np.array([[0, 0], [1, 0], [1, 0], [1, 0], [2, 1], [2, 1]], dtype=np.float32)
    np.testing.assert_array_equal(beziers(points), beziers([[0, 0], [1, 0], [2, 1]]))


def test_curves_scale_with_the_ink():
    points = np.random.default_rng(0).normal(size=(12, 2))
    np.testing.assert_allclose(beziers(7 * points + 3), 7 * beziers(points) + 3, atol=1e-12)


@pytest.mark.parametrize("stroke", [np.zeros((0, 2)), np.zeros((3, 3)), np.zeros(2)])
def test_curves_of_no_stroke(stroke):
    with pytest.raises(ValueError, match="shape"):
        beziers(stroke)


# --- SVG -----------------------------------------------------------------------------------------


def test_svg_is_sized_in_millimetres():
    ink = Ink.from_strokes([[[1, -2], [11, 0.5]], [[3, 0], [4, -1], [5, 0]]])
    root = ET.fromstring(encode(ink, x_height_mm=4, margin_mm=3, stroke_width_mm=0.5, color="navy"))
    assert (root.tag, root.get("width"), root.get("height")) == (f"{SVG}svg", "46mm", "16mm")
    assert root.get("viewBox") == "0 0 46 16"
    (group,) = root.findall(f"{SVG}g")
    assert group.attrib == {
        "fill": "none",
        "stroke": "#000080",
        "stroke-width": "0.5",
        "stroke-linecap": "round",
        "stroke-linejoin": "round",
    }
    first, second = (path.get("d") for path in group.findall(f"{SVG}path"))
    assert re.fullmatch(r"M3 3C[-\d. ]+", first) and "Z" not in first.upper()
    assert numbers(first)[-2:] == [43, 13]
    assert numbers(second)[:2] == [11, 11] and len(numbers(second)) == 2 + 2 * 6


def test_svg_paths_are_the_curves():
    ink = random_ink()
    drawing = draw(ink)
    root = ET.fromstring(to_svg(ink))
    paths = root.findall(f".//{SVG}path")
    assert len(paths) == len(ink.strokes)
    for path, curves in zip(paths, drawing.curves):
        expected = np.concatenate([curves[0, 0], curves[:, 1:].ravel()])
        np.testing.assert_allclose(numbers(path.get("d")), expected, atol=0.0005001)
        assert path.get("d").count("M") == 1


def test_svg_dots_have_a_length():
    for dot in ([[5, 5]], [[5, 5], [5, 5]]):
        root = ET.fromstring(to_svg(Ink.from_strokes([dot])))
        x0, y0, *_, x1, y1 = numbers(root.find(f".//{SVG}path").get("d"))
        assert (x0, y0, y1) == (2, 2, 2) and 0 < x1 - x0 < 0.1


def test_svg_background_and_title():
    root = ET.fromstring(to_svg(Ink.from_strokes([[[0, 0], [1, 1]]], "a<b&\x07"), background="#FFE"))
    assert root.find(f"{SVG}title").text == "a<b&\ufffd"
    rect = root.find(f"{SVG}rect")
    assert (rect.get("fill"), rect.get("width")) == ("#ffffee", "7")
    plain = ET.fromstring(to_svg(Ink.from_strokes([[[0, 0], [1, 1]]])))
    assert plain.find(f"{SVG}rect") is None and plain.find(f"{SVG}title") is None


HOSTILE = [
    "</title><script>alert(1)</script>",
    "]]>&lt;&amp;&#0;<!-- --><![CDATA[ x ]]>",
    "\"quotes\" 'and' <ink id='strokesynth-ink'>{}</ink>",
    "tab\tand\nline Zoë \u4e2d \U0001f58b",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_title_breaks_out_of_its_element(text):
    ink = Ink.from_strokes([[[0, 0], [1, 1]]], text)
    root = ET.fromstring(encode(ink))
    assert [element.tag.removeprefix(SVG) for element in root.iter()] == [
        "svg",
        "title",
        "defs",
        "metadata",
        "g",
        "path",
    ]
    assert root.find(f"{SVG}title").text == text
    assert json.loads(root.find(f"{SVG}metadata").text)["text"] == text
    assert decode(encode(ink)).text == text


def test_svg_is_the_same_every_time():
    ink = random_ink()
    data = encode(ink, background="white")
    assert encode(ink, background="white") == data
    # In another process as well: nothing counts up, and no time of day is in it.
    program = (
        "import sys; from strokesynth import Ink; Ink.load(sys.argv[1]).save(sys.argv[2], background='white')"
    )
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, name) for name in ("a.svg", "b.svg")]
        files[0].write_bytes(data)
        subprocess.run([sys.executable, "-c", program, *files], check=True, cwd=Path(__file__).parents[1])
        assert files[1].read_bytes() == data


def test_svg_with_the_layout_of_earlier_versions_is_read():
    ink = random_ink()
    json_text = to_json(ink).decode()
    earlier = (
        '<svg xmlns="http://www.w3.org/2000/svg" version="1.1" width="9mm" height="9mm" viewBox="0 0 9 9">'
        f'<title>abc</title><metadata id="strokesynth-ink">{escape(json_text)}</metadata><g fill="none"/></svg>'
    )
    assert to_json(decode(earlier.encode())) == json_text.encode()


def test_jupyter_shows_svg():
    assert ET.fromstring(random_ink()._repr_svg_()).tag == f"{SVG}svg"


def test_svg_with_entities_is_refused():
    whole = encode(Ink.from_strokes([[[0, 0]]], "lol")).decode()
    declared = '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    hostile = whole.replace("<svg", declared + "<svg", 1).replace(">lol<", ">&b;<", 1)
    assert hostile != whole
    with pytest.raises(ValueError, match="DOCTYPE svg"):
        decode(hostile.encode())
    external = whole.replace("<svg", '<!DOCTYPE svg SYSTEM "file:///etc/hostname"><svg', 1)
    with pytest.raises(ValueError, match="DOCTYPE"):
        decode(external.encode())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "broken XML"),
        (encode(random_ink())[:-20], "broken XML"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>', "no stroked path"),
        (encode(random_ink()).replace(b'"version":1', b'"version":9'), "version 9"),
    ],
)
def test_svg_that_holds_no_ink(data, message):
    with pytest.raises(ValueError, match=message):
        decode(data)


# --- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x_height_mm", "stroke_width_mm", "margin_mm"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "wide", None])
def test_sizes_that_are_none(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a finite number"):
        draw(random_ink(), **{name: value})


@pytest.mark.parametrize(
    "color", ["", "#12", "#12345g", "0.5", "C0", "tab:blue", 'red"/><script>', "none", None, 7]
)
def test_colours_that_are_none(color):
    with pytest.raises(ValueError, match=r"#rgb, #rrggbb or a CSS name .* got "):
        draw(random_ink(), color=color)


def test_colours():
    ink = random_ink()
    assert [draw(ink, color=c).color for c in ("#ABC", "#a1B2c3", " RebeccaPurple ")] == [
        "#aabbcc",
        "#a1b2c3",
        "#663399",
    ]


def test_unknown_options_are_named():
    with pytest.raises(ValueError, match=r"'x_height_mm'\], not \['colour'\]"):
        draw(random_ink(), colour="red")
    with pytest.raises(ValueError, match="dpi"):
        encode(random_ink(), dpi=300)


def test_a_drawing_needs_area():
    with pytest.raises(ValueError, match="margin_mm"):
        draw(Ink.from_strokes([[[0, 0], [4, 0]]]), margin_mm=0)


# --- PNG and PDF ---------------------------------------------------------------------------------


def pixels(ink, **options):
    with Image.open(io.BytesIO(to_png(ink, **options))) as image:
        image.load()
        return image


@pytest.mark.parametrize("dpi", [72, 96.0, 150, 299, 300])
@pytest.mark.parametrize("right", [1.0, 2.9253, 9.999])
def test_png_has_the_pixels_of_its_size(dpi, right):
    """Nothing may be rounded down, though 55 / 150 * 150 is 54.99…."""
    image = pixels(Ink.from_strokes([[[0, 0], [right, 2]]]), dpi=dpi, x_height_mm=2.5, margin_mm=1)
    assert image.size == (round((right * 2.5 + 2) / 25.4 * dpi), round(7 / 25.4 * dpi))
    assert image.info["dpi"] == pytest.approx((dpi, dpi), abs=0.02)
    assert "Software" not in image.info


def test_png_puts_ink_where_the_points_are():
    # 1 mm is 10 pixels: an upright from (2, 2) to (2, 12) mm, 1 mm wide, and a dot at (12, 7).
    ink = Ink.from_strokes([[[0, 0], [0, 10]], [[10, 5]]])
    image = pixels(ink, dpi=254, x_height_mm=1, stroke_width_mm=1, margin_mm=2, color="#204060")
    dark = np.asarray(image.convert("RGB"))[..., 0] < 128
    assert dark.shape == (140, 140)
    line, dot = dark[:, :70], dark[:, 70:]
    assert line.sum() == pytest.approx(1000 + np.pi * 25, rel=0.03)
    assert np.argwhere(line).mean(axis=0) == pytest.approx((69.5, 19.5), abs=0.2)
    assert dot.sum() == pytest.approx(np.pi * 25, rel=0.1)
    assert np.argwhere(dot).mean(axis=0) == pytest.approx((69.5, 49.5), abs=0.2)
    assert np.asarray(image)[20:120, 19].tolist() == [[0x20, 0x40, 0x60, 255]] * 100


def test_png_background():
    ink = Ink.from_strokes([[[0, 0], [1, 1]]])
    assert pixels(ink).getpixel((0, 0)) == (255, 255, 255, 255)
    assert pixels(ink, background="#123456").getpixel((0, 0)) == (0x12, 0x34, 0x56, 255)
    assert pixels(ink, background=None).getpixel((0, 0))[3] == 0


def test_png_limits():
    ink = Ink.from_strokes([[[0, 0], [1e5, 1e5]]])  # a tablet's units
    with pytest.raises(ValueError, match="pixels at 300 dpi.*normalise"):
        to_png(ink)
    with pytest.raises(ValueError, match="dpi must be"):
        to_png(random_ink(), dpi=0)


def test_pdf_page_has_its_true_size():
    data = to_pdf(Ink.from_strokes([[[0, 0], [10, 5]], [[3, 3]]]), x_height_mm=2, margin_mm=5)
    assert data.startswith(b"%PDF-")
    box = re.search(rb"/MediaBox \[([^\]]*)\]", data).group(1).decode()
    assert numbers(box) == pytest.approx([0, 0, 30 / 25.4 * 72, 20 / 25.4 * 72], abs=1e-3)


def test_drawing_leaves_pyplot_alone():
    import matplotlib.pyplot as plt

    before, backend = dict(plt.rcParams), plt.get_backend()
    to_png(random_ink())
    to_pdf(random_ink())
    assert plt.get_fignums() == [] and plt.get_backend() == backend and dict(plt.rcParams) == before
