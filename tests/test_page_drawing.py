"""Sheets as SVG, PDF and PNG: true size, one open path for each stroke, rules on a layer of their own."""

import io
import re
import xml.etree.ElementTree as ET
import zlib
from dataclasses import replace

import numpy as np
import pytest
from makers import Typewriter
from PIL import Image

from strokesynth import Ink
from strokesynth.page.drawing import SheetOptions, to_png, to_svg
from strokesynth.synthesis import pages as pages_module
from strokesynth.synthesis.pages import write_page

SVG = "{http://www.w3.org/2000/svg}"
INKSCAPE = "{http://www.inkscape.org/namespaces/inkscape}"
PAPER = {"paper": (61.3, 47.5), "margins": (5, 6, 7, 12), "seed": 1}


@pytest.fixture(scope="module")
def pages():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages_module, "styles", lambda: [])
        return {
            "ruled": write_page(
                Typewriter(), "Dear Ada\n" * 7, ruling="ruled", pitch_mm=7, margin_line=True, **PAPER
            ),
            "blank": write_page(Typewriter(), "Dear Ada", **PAPER),
        }


def numbers(text):
    return np.array([float(number) for number in re.findall(r"-?\d+\.?\d*", text)])


def ends_of(strokes):
    """First and last point of each stroke: (s, 2, 2)."""
    return np.array([stroke[[0, -1]] for stroke in strokes])


# --- SVG -----------------------------------------------------------------------------------------------


def test_svg_is_of_true_size_with_layers(pages):
    sheet = pages["ruled"][0]
    root = ET.fromstring(to_svg(sheet.draw()))
    assert root.attrib["width"] == "61.3mm" and root.attrib["height"] == "47.5mm"
    assert root.attrib["viewBox"] == "0 0 61.3 47.5"
    assert root.find(f"{SVG}title").text == sheet.text
    rules, writing = root.findall(f"{SVG}g")
    for layer, label, name in ((rules, "2 rules", "layer2"), (writing, "1 writing", "layer1")):
        assert layer.get(f"{INKSCAPE}groupmode") == "layer" and layer.get("id") == name
        assert layer.get(f"{INKSCAPE}label") == label and layer.get("fill") == "none"
    assert not root.findall(f"{SVG}path") and not root.findall(f"{SVG}rect")


def test_svg_has_nothing_that_a_plotter_would_draw_beside_its_layers(pages):
    """Layers get their numbers in vpype by their labels, and takes the size from width and height."""
    root = ET.fromstring(to_svg(pages["ruled"][0].draw(), declare=True))
    assert [element.tag.removeprefix(SVG) for element in root] == ["title", "defs", "g", "g"]
    assert not list(root.find(f"{SVG}defs"))
    drawn = {element.tag.removeprefix(SVG) for layer in root.findall(f"{SVG}g") for element in layer}
    assert drawn == {"path"}
    sheet = pages["ruled"][0]
    assert len(root.findall(f".//{SVG}path")) == len(sheet.strokes) + len(sheet.paper.rules()) + len(
        sheet.paper.margin_rule(1)
    )


def test_svg_of_a_sheet_holds_any_text(pages):
    drawing = replace(pages["blank"][0].draw(), title="</title><g/>]]>&\x00\ud800 Zoë")
    root = ET.fromstring(to_svg(drawing).encode())
    assert root.find(f"{SVG}title").text == "</title><g/>]]>&\ufffd\ufffd Zoë"
    assert len(root.findall(f"{SVG}g")) == 1


def test_svg_is_the_same_every_time(pages):
    drawing = pages["ruled"][0].draw(background="white")
    assert to_svg(drawing) == to_svg(drawing)


def test_svg_has_an_open_path_for_each_stroke_in_order(pages):
    for sheet in pages["ruled"]:
        root = ET.fromstring(to_svg(sheet.draw()))
        paths = root.findall(f"{SVG}g[@id='layer1']/{SVG}path")
        found = [numbers(path.get("d")).reshape(-1, 2)[[0, -1]] for path in paths]
        np.testing.assert_allclose(found, ends_of(sheet.strokes), atol=6e-4)
        assert all(re.fullmatch(r"M[-\d. ]+C[-\d. ]+", path.get("d")) for path in paths)


def test_svg_has_the_rules(pages):
    sheet = pages["ruled"][1]
    root = ET.fromstring(to_svg(sheet.draw()))
    paths = root.findall(f"{SVG}g[@id='layer2']/{SVG}path")
    expected = np.concatenate([sheet.paper.rules(), sheet.paper.margin_rule(2)])
    np.testing.assert_allclose([numbers(path.get("d")).reshape(2, 2) for path in paths], expected, atol=6e-4)
    assert [path.get("stroke") for path in paths] == ["#b4c3da"] * (len(paths) - 1) + ["#e3a3a3"]


def test_rules_can_be_left_out(pages):
    layers = [
        [g.get("id") for g in ET.fromstring(to_svg(sheet.draw(**options))).findall(f"{SVG}g")]
        for sheet, options in ((pages["ruled"][0], {"rules": False}), (pages["blank"][0], {}))
    ]
    assert layers == [["layer1"], ["layer1"]]


def test_look(pages):
    look = {"color": "navy", "stroke_width_mm": 0.5, "rule_color": "#abc", "background": "white"}
    root = ET.fromstring(to_svg(pages["ruled"][0].draw(**look)))
    writing, rules = (root.find(f"{SVG}g[@id='layer{k}']") for k in (1, 2))
    assert writing.get("stroke") == "#000080" and writing.get("stroke-width") == "0.5"
    assert rules[0].get("stroke") == "#aabbcc" and root.find(f"{SVG}rect").get("fill") == "#ffffff"


def test_a_page_shows_its_first_sheet(pages):
    root = ET.fromstring(pages["ruled"]._repr_svg_())
    assert root.find(f"{SVG}title").text == pages["ruled"][0].text
    assert ET.fromstring(pages["ruled"][1]._repr_svg_()).find(f"{SVG}title").text == pages["ruled"][1].text


def test_dots_are_drawn():
    class Dots(Typewriter):
        def write_lines(self, texts, **options):
            return [Ink.from_strokes([[[0.2, -0.1]]], text, [[0]]) for text in texts]

    drawing = write_page(Dots(), ".", style="plain", seed=1)[0].draw()
    (dot,) = drawing.curves
    assert 0.01 < np.ptp(dot[..., 0]) < 0.05


# --- PDF -----------------------------------------------------------------------------------------------


def read_pdf(data):
    """Page sizes in mm and contents, by the cross-reference table (ISO 32000-1, 7.5)."""
    start = int(re.search(rb"startxref\n(\d+)\n%%EOF\n$", data)[1])
    table = re.match(rb"xref\n0 (\d+)\n0000000000 65535 f \n((?:\d{10} 00000 n \n)+)trailer", data[start:])
    offsets = [int(line.split()[0]) for line in table[2].splitlines()]
    assert len(offsets) == int(table[1]) - 1
    objects = {}
    for number, offset in enumerate(offsets, start=1):
        objects[number] = re.match(rb"%d 0 obj\n(.*?)\nendobj\n" % number, data[offset:], re.DOTALL)[1]
    root = int(re.search(rb"/Root (\d+) 0 R", data[start:])[1])
    tree = objects[int(re.search(rb"/Pages (\d+) 0 R", objects[root])[1])]
    kids = [int(n) for n in re.findall(rb"(\d+) 0 R", tree)]
    assert int(re.search(rb"/Count (\d+)", tree)[1]) == len(kids)
    for kid in kids:
        box = numbers(re.search(rb"/MediaBox \[(.*?)\]", objects[kid])[1].decode())
        content = objects[int(re.search(rb"/Contents (\d+) 0 R", objects[kid])[1])]
        length, stream = re.match(
            rb"<< /Length (\d+) .*?>>\nstream\n(.*)\nendstream", content, re.DOTALL
        ).groups()
        assert len(stream) == int(length)
        yield box / 72 * 25.4, zlib.decompress(stream).decode()


def test_pdf_has_all_sheets_in_true_size(pages, tmp_path):
    assert pages["ruled"].save(tmp_path / "a.pdf") == [tmp_path / "a.pdf"]
    sheets = list(read_pdf((tmp_path / "a.pdf").read_bytes()))
    assert len(sheets) == len(pages["ruled"]) == 2
    for sheet, (box, content) in zip(pages["ruled"], sheets, strict=True):
        np.testing.assert_allclose(box, [0, 0, 61.3, 47.5], atol=1e-4)
        first, *commands = content.splitlines()
        a, b, c, d, e, f = numbers(first)
        assert (b, c, e) == (0, 0, 0)
        np.testing.assert_allclose([a, -d, f / 47.5], 72 / 25.4, rtol=1e-5)
        curves = [numbers(line).reshape(-1, 2)[[0, -1]] for line in commands if " c " in line]
        np.testing.assert_allclose(curves, ends_of(sheet.strokes), atol=6e-4)
        lines = [numbers(line).reshape(2, 2) for line in commands if " l " in line]
        rules = np.concatenate([sheet.paper.rules(), sheet.paper.margin_rule(sheet.number)])
        np.testing.assert_allclose(lines, rules, atol=6e-4)
        assert "0.0000 0.0000 0.0000 RG 0.3500 w 1 J 1 j" in commands


def test_pdf_is_the_same_every_time(pages, tmp_path):
    files = [pages["ruled"].save(tmp_path / name, color="#203060")[0] for name in ("a.pdf", "b.pdf")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert b"Date" not in files[0].read_bytes() and b"0.1255 0.1882 0.3765 RG" in zlib.decompress(
        re.search(rb"stream\n(.*?)\nendstream", files[0].read_bytes(), re.DOTALL)[1]
    )


# --- PNG -----------------------------------------------------------------------------------------------


def test_png_shows_what_is_drawn_where_it_is(pages):
    sheet = pages["blank"][0]
    picture = Image.open(io.BytesIO(to_png(sheet.draw(background="#ffffff"), dpi=254)))
    assert picture.size == (613, 475)
    dark = np.argwhere(np.asarray(picture.convert("L")) < 128)[:, ::-1] / 10  # mm
    points = np.concatenate(sheet.strokes)
    # Half a pen's width around the points, and half a pixel on either side.
    np.testing.assert_allclose(dark.min(axis=0), points.min(axis=0) - 0.175, atol=0.2)
    np.testing.assert_allclose(dark.max(axis=0) + 0.1, points.max(axis=0) + 0.175, atol=0.2)


def test_png_has_rules_and_no_background(pages):
    picture = Image.open(io.BytesIO(to_png(pages["ruled"][0].draw(rule_width_mm=0.5), dpi=254)))
    y = int(pages["ruled"][0].paper.rules()[-1, 0, 1] * 10)
    assert picture.getpixel((600, y)) == (0xB4, 0xC3, 0xDA, 255)
    assert picture.getpixel((600, y - 20))[3] == 0


# --- options -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"color": "inkish"}, "inkish"),
        ({"color": None}, "a colour is"),
        ({"rule_width_mm": 0}, "rule_width_mm must be a finite number above 0"),
        ({"margin": 3}, r"not \['margin'\]"),
    ],
)
def test_bad_looks(options, message):
    with pytest.raises(ValueError, match=message):
        SheetOptions.of(options)
