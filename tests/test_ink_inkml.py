"""InkML comes back as it was written, and other programs' InkML is read as the Recommendation says."""

import json
import math
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from makers import LAUGHS, random_ink

from strokesynth.ink import Ink
from strokesynth.ink.inkml import NAMESPACE, decode, encode

INKML = f"{{{NAMESPACE}}}"
ID = "{http://www.w3.org/XML/1998/namespace}id"


def read(body, attributes=f'xmlns="{NAMESPACE}"'):
    """The strokes in an <ink> of this body, as lists."""
    return [s.tolist() for s in decode(f"<ink {attributes}>{body}</ink>".encode()).strokes]


def channels(*names, **attributes):
    """A trace format of channels; attributes of all of them, or of one: X={...}."""
    common = {k: v for k, v in attributes.items() if not isinstance(v, dict)}
    return "<traceFormat>{}</traceFormat>".format(
        "".join(
            "<channel name='{}' {}/>".format(
                n, " ".join(f"{k}='{v}'" for k, v in {**common, **attributes.get(n, {})}.items())
            )
            for n in names
        )
    )


# --- what we write ---------------------------------------------------------------------------------


@pytest.mark.parametrize("x_height_mm", [3.0, 0.7, 1e-3, 250])
@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e6, 1e-30, 1e30])
def test_what_is_written_comes_back_bit_for_bit(unit, x_height_mm):
    ink = random_ink(5, unit=unit)
    assert decode(encode(ink, x_height_mm=x_height_mm)) == ink


def test_files_have_true_sizes():
    data = encode(Ink.from_strokes([[[0, -1], [2, 0.5]], [[1, 1]]], "i<", [[0, 1], [0]]), x_height_mm=4)
    assert data.startswith(b"<?xml")
    root = ET.fromstring(data)
    assert root.tag == f"{INKML}ink"
    context = root.find(f"{INKML}definitions/{INKML}context")
    found = [(c.get("name"), c.get("type"), c.get("units")) for c in context.iter(f"{INKML}channel")]
    assert found == [("X", "decimal", "mm"), ("Y", "decimal", "mm")]
    traces = root.findall(f"{INKML}trace")
    assert [t.text for t in traces] == ["0 -4, 8 2", "4 4"]
    assert {t.get("contextRef") for t in traces} == {"#" + context.get(ID)}
    assert root.find(f"{INKML}annotation[@type='truth']").text == "i<"
    # The traces are the ink; nothing else has the numbers.
    moved = data.replace(b"0 -4, 8 2", b"0 -8, 8 2")
    assert decode(moved).strokes[0].tolist() == [[0, -2], [2, 0.5]]


def test_numbers_have_no_exponent():
    text = ET.fromstring(encode(Ink.from_strokes([[[1e-7, 3e20]]]))).find(f"{INKML}trace").text
    assert text == "0.000000300000001 900000003000000000000" or re.fullmatch(r"[\d.]+ \d+", text)
    assert [float(v) for v in text.split()] == pytest.approx([3e-7, 9e20], rel=1e-7)


def test_no_text_is_no_annotation_of_text():
    root = ET.fromstring(encode(Ink.from_strokes([[[0, 0]]])))
    assert root.find(f"{INKML}annotation[@type='truth']") is None


@pytest.mark.parametrize("value", [0, -1, math.nan, "tall", None])
def test_heights_that_are_none(value):
    with pytest.raises(ValueError, match="x_height_mm"):
        encode(random_ink(), x_height_mm=value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "another version"),
        ({"x_height_mm": 0}, "x_height_mm"),
        ({"x_height_mm": None}, "x_height_mm"),
        ({"characters": [[0]]}, "does not fit the traces .*without it"),
        ({"characters": 7}, "does not fit the traces"),
        ({"text": 7}, "does not fit the traces"),
    ],
)
def test_an_annotation_that_does_not_fit(change, message):
    ink = Ink.from_strokes([[[0, 0], [1, 1]]], "a", [[0, 0]])
    root = ET.fromstring(encode(ink))
    annotation = root.find(f"{INKML}annotation[@type='strokesynth-ink']")
    annotation.text = json.dumps({**json.loads(annotation.text), **change})
    with pytest.raises(ValueError, match=message):
        decode(ET.tostring(root))


# --- values of a trace -----------------------------------------------------------------------------

BUTTONS = (
    "<traceFormat><channel name='X' type='integer'/><channel name='Y' type='integer'/><intermittentChannels>"
    "<channel name='B1' type='boolean' default='F'/><channel name='B2' type='boolean' default='F'/>"
    "</intermittentChannels></traceFormat>"
)


def test_the_example_of_the_recommendation():
    """The trace of the <trace> element's section; the values are those of the table beside it."""
    trace = "1125 18432,'23'43,\"7\"-8,3-5,7 -3,6 2,6 8,3 6 T,2 4*T,3 6,3-6 F F"
    assert read(f"{BUTTONS}<trace>{trace}</trace>") == [
        [
            [1125, 18432],
            [1148, 18475],
            [1178, 18510],
            [1211, 18540],
            [1251, 18567],
            [1297, 18596],
            [1349, 18633],
            [1404, 18676],
            [1461, 18723],
            [1521, 18776],
            [1584, 18823],
        ]
    ]


@pytest.mark.parametrize(
    ("trace", "expected"),
    [
        ("1 2,3 4", [[1, 2], [3, 4]]),
        (" \n 1\t2\n,\r\n3   4 , ", [[1, 2], [3, 4]]),
        ("1-2,-3-4,+5+6", [[1, -2], [-3, -4], [5, 6]]),
        ("1.5 .5,-.25 1e2,2.E-1 1E+1", [[1.5, 0.5], [-0.25, 100], [0.2, 10]]),
        ("#FF #10,-#a#0", [[255, 16], [-10, 0]]),
        ("!1 !2,'3 '4,5 6,!7 8", [[1, 2], [4, 6], [9, 12], [7, 20]]),  # each channel has its own qualifier
        ("1 2,* 3,4 *", [[1, 2], [1, 3], [4, 3]]),
        ("0 0,'1'2,*'3,* *", [[0, 0], [1, 2], [2, 5], [3, 8]]),
        ("0 0,'1'1,\"1\"2,* *,* *", [[0, 0], [1, 1], [3, 4], [6, 9], [10, 16]]),
        ("0 0,1 1,\"0\"1,' 1 ' -1", [[0, 0], [1, 1], [2, 3], [3, 2]]),
        ("1 2,? 5,3 ?,7 8", [[1, 2], [7, 8]]),
        ("1 2,'1'1,? ?,1 1", [[1, 2], [2, 3], [3, 4]]),
        ("5 5", [[5, 5]]),
    ],
)
def test_values(trace, expected):
    np.testing.assert_allclose(read(f"<trace>{trace}</trace>")[0], np.float32(expected))


def plain_decoder(points):
    """Values of one channel by the definition: sums, and sums of sums, of what is between explicit values.

    points: (order, number or "*") in turn; an order of None is that of the point before.
    """
    orders, numbers = [], []
    for order, number in points:
        orders.append(orders[-1] if order is None else order)
        numbers.append(numbers[-1] if number == "*" else number)
    values = []
    for i, (order, number) in enumerate(zip(orders, numbers)):
        if order == 0:
            values.append(number)
        elif order == 1:
            values.append(values[i - 1] + number)
        else:
            values.append(2 * values[i - 1] - values[i - 2] + number)
    return values


@pytest.mark.parametrize("seed", range(20))
def test_values_against_the_definition(seed):
    rng = np.random.default_rng(seed)
    channels_in, texts = [], []
    for _ in range(2):
        points = [(0, int(rng.integers(-99, 99))), (1, int(rng.integers(-9, 9)))]
        for _ in range(30):
            order = [None, None, 0, 1, 2][rng.integers(5)]
            wild = order is None and rng.random() < 0.3
            points.append((order, "*" if wild else int(rng.integers(-9, 9))))
        channels_in.append(points)
        texts.append(
            [
                ("" if order is None else rng.choice(["", " "]).join(["!'\""[order], ""]))
                + (
                    str(number)
                    if number == "*" or rng.random() < 0.7
                    else f"{'-' * (number < 0)}#{abs(number):X}"
                )
                for order, number in points
            ]
        )
    trace = ",".join(rng.choice([" ", "  "]).join(point) for point in zip(*texts))
    expected = np.stack([plain_decoder(points) for points in channels_in], axis=1)
    assert read(f"<trace>{trace}</trace>") == [expected.tolist()]


@pytest.mark.parametrize(
    ("trace", "message"),
    [
        ("1 2,3", r"trace 0: point 1, '3': the number of values is 1, not 2 \(X Y\)"),
        ("1 2 3,4 5 6", "point 0, '1 2 3': the number of values is 3"),
        ("10 0 9 14 8 28", "number of values is 6"),
        ("1 2,nan 3", "point 1, 'nan 3': 'n' starts no value"),
        ("1 2,3 inf", "point 1.*'i' starts no value"),
        ("1.5.5", "'.' starts no value"),
        ("1 2;3 4", "';' starts no value"),
        ("1 2,3 -", "'-' starts no value"),
        ("1 2,'3 '", "starts no value"),
        ("1 #", "'#' starts no value"),
        ("1 T", "T stands for a boolean"),
        ("'1 2", "starts with values; ' refers"),
        ('1 "2', 'starts with values; " refers'),
        ("* 2", r"starts with values; \* refers"),
        ("1 1e999", "beyond what a float can hold"),
        (f"1 #{'F' * 400}", "too large"),
        ("1 1e308,'0'1e308", "beyond what"),
        ("1 1e39", "finite"),
        ("", "holds no ink"),
        (" , ,", "holds no ink"),
        ("? 1, 1 ?", "holds no ink"),
    ],
)
def test_values_that_are_none(trace, message):
    with pytest.raises(ValueError, match=message):
        read(f"<trace>{trace}</trace>")


def test_errors_name_the_trace():
    with pytest.raises(ValueError, match=r"trace 2 \(id 'c'\): point 1, '3': the number"):
        read("<trace>1 1</trace><trace type='penUp'>1 1</trace><trace xml:id='c'>1 2,3</trace>")
    with pytest.raises(ValueError, match="…") as caught:
        read(f"<trace>1 2,{'8 ' * 10_000}</trace>")
    assert len(str(caught.value)) < 200


# --- channels --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "trace"),
    [
        (("X", "Y"), "1 2,3 4"),
        (("Y", "X"), "2 1,4 3"),
        (("X", "Y", "T"), "1 2 1568887311402,3 4 1568887311410"),
        (("T", "Y", "F", "X"), "0 2 0.5 1,'7 4 *3"),
        (("OA", "X", "OE", "Y", "S"), "90 1 ? 2 T,? 3 45 4F"),
    ],
)
def test_channels_in_any_order(names, trace):
    assert read(f"{channels(*names)}<trace>{trace}</trace>") == [[[1, 2], [3, 4]]]


def test_intermittent_channels_may_be_left_out():
    assert read(f"{BUTTONS}<trace>1 2,3 4 T,5 6 T F</trace>") == [[[1, 2], [3, 4], [5, 6]]]
    with pytest.raises(ValueError, match=r"is 5, not 2 to 4 \(X Y B1 B2\)"):
        read(f"{BUTTONS}<trace>1 2 T F T</trace>")
    with pytest.raises(ValueError, match="is 1, not 2 to 4"):
        read(f"{BUTTONS}<trace>1</trace>")


def test_traces_without_x_and_y():
    with pytest.raises(ValueError, match="trace 0: .*channels X T; X and Y must be"):
        read(f"{channels('X', 'T')}<trace>1 2</trace>")


def test_orientation():
    assert read(f"{channels('X', 'Y')}<trace>1 2</trace>") == [[[1, 2]]]
    assert read(f"{channels('X', 'Y', Y={'orientation': '-ve'})}<trace>1 2</trace>") == [[[1, -2]]]
    assert read(f"{channels('Y', 'X', X={'orientation': '-ve'})}<trace>1 2</trace>") == [[[-2, 1]]]
    with pytest.raises(ValueError, match="orientation of channel X is .* not 'left'"):
        read(f"{channels('X', 'Y', orientation='left')}<trace>1 2</trace>")


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        ("mm", "mm", [1, 1]),
        ("cm", "mm", [10, 1]),
        ("in", "pt", [25.4, 25.4 / 72]),
        ("m", "pc", [1000, 25.4 / 6]),
        ("dev", "dev", [1, 1]),
        ("em", "em", [1, 1]),
        ("furlong", "mm", [1, 1]),  # of which nothing can be known
    ],
)
def test_units(x, y, expected):
    body = f"{channels('X', 'Y', X={'units': x}, Y={'units': y})}<trace>1 1</trace>"
    np.testing.assert_allclose(read(body)[0], [expected], rtol=1e-6)


def source(x, y, units="dev", reference="id='a'"):
    properties = "".join(
        f"<channelProperty channel='{name}' name='resolution' value='{value}' units='{unit}'/>"
        for name, (value, unit) in {"X": x, "Y": y}.items()
    )
    return (
        f"<inkSource {reference}>{channels('X', 'Y', type='integer', units=units)}"
        f"<channelProperties>{properties}</channelProperties></inkSource>"
    )


@pytest.mark.parametrize(
    ("x", "y", "units", "expected"),
    [
        ((1000, "1/in"), (500, "1/in"), "dev", [2.54, 5.08]),
        ((0.1, "mm"), (0.02, "cm"), "dev", [10, 20]),
        # The programs of Microsoft and Wacom write it like this.
        ((100, "1/cm"), (50, "1/cm"), "cm", [10, 20]),
        ((7, "1/dev"), (8, "1/dev"), "dev", [100, 100]),
    ],
)
def test_resolution(x, y, units, expected):
    for body in (source(x, y, units), f"<context>{source(x, y, units)}</context>"):
        np.testing.assert_allclose(read(f"{body}<trace>100 100</trace>")[0], [expected], rtol=1e-6)


@pytest.mark.parametrize("value", ["0", "-3", "fine", "nan"])
def test_resolutions_that_are_none(value):
    with pytest.raises(ValueError, match="resolution of channel X"):
        read(source((value, "1/mm"), (1, "1/mm")) + "<trace>1 1</trace>")


# --- contexts, groups, canvases --------------------------------------------------------------------


def test_contexts_by_reference_and_in_place():
    definitions = (
        "<definitions>"
        + channels("Y", "X").replace("<traceFormat", "<traceFormat xml:id='yx'")
        + source((10, "1/mm"), (5, "1/mm"), reference="xml:id='src'")
        + "<context xml:id='flipped' traceFormatRef='#yx'/><context xml:id='tablet' inkSourceRef='#src'/>"
        "<context xml:id='child' contextRef='#flipped'/>"
        "</definitions>"
    )
    body = (
        definitions + "<trace>1 2</trace>"
        "<trace contextRef='#flipped'>1 2</trace>"
        "<trace contextRef='#child'>1 2</trace>"
        "<trace contextRef='#tablet'>10 10</trace>"
        "<traceGroup contextRef='#flipped'><trace>1 2</trace><traceGroup><trace>1 2</trace>"
        "<trace contextRef='#tablet'>10 10</trace></traceGroup></traceGroup>"
        "<context contextRef='#flipped'/><trace>1 2</trace>"
        "<trace contextRef='#DefaultContext'>1 2</trace>"
        f"<context>{channels('T', 'X', 'Y')}</context><trace>0 1 2</trace>"
    )
    plain, flipped, tablet = [[1, 2]], [[2, 1]], [[1, 2]]
    assert read(body) == [
        plain,
        flipped,
        flipped,
        tablet,
        flipped,
        flipped,
        tablet,
        flipped,
        plain,
        plain,
    ]


def test_a_context_keeps_what_the_next_does_not_say():
    body = f"<context>{channels('Y', 'X')}</context><trace>1 2</trace><context timestampRef='#t'/><trace>1 2</trace>"
    assert read(body) == [[[2, 1]], [[2, 1]]]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<trace contextRef='#gone'>1 2</trace>", "no <context> with the id 'gone'"),
        ("<context traceFormatRef='#gone'/><trace>1 2</trace>", "no <traceFormat> with the id 'gone'"),
        (
            "<context xml:id='a' contextRef='#b'/><context xml:id='b' contextRef='#a'/><trace>1 2</trace>",
            "refers to itself",
        ),
    ],
)
def test_references_that_lead_nowhere(body, message):
    with pytest.raises(ValueError, match=message):
        read(body)


def canvas(mapping, surface=""):
    return f"<context>{surface}<canvasTransform>{mapping}</canvasTransform>{channels('X', 'Y')}</context>"


def test_affine_canvas_transforms():
    affine = "<mapping type='affine'><affine>0 2 5, -1 0 7</affine></mapping>"
    assert read(canvas(affine) + "<trace>1 2,3 4</trace>") == [[[9, 6], [13, 4]]]
    surface = f"<canvas>{channels('X', 'Y', units='cm', Y={'orientation': '-ve'})}</canvas>"
    assert read(canvas(affine, surface) + "<trace>1 2,3 4</trace>") == [[[90, -60], [130, -40]]]
    assert read(canvas("<mapping type='identity'/>") + "<trace>1 2</trace>") == [[[1, 2]]]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("<mapping type='mathml'/>", "this one is mathml"),
        ("<mapping type='affine'><affine>1 0, 0 1</affine></mapping>", "two rows of three"),
        ("<mapping type='affine'><affine>1 0 0, 0 y 0</affine></mapping>", "not 'y'"),
        ("<mapping type='affine'><bind source='Y'/><bind source='X'/></mapping>", r"\['Y', 'X'\]"),
    ],
)
def test_canvas_transforms_that_are_not_read(mapping, message):
    with pytest.raises(ValueError, match=message):
        read(canvas(mapping) + "<trace>1 2</trace>")


# --- traces ----------------------------------------------------------------------------------------


def test_the_pen_in_the_air_leaves_no_ink():
    body = "<trace type='penDown'>1 1</trace><trace type='penUp'>2 2</trace><trace type='indeterminate'>3 3</trace>"
    assert read(body) == [[[1, 1]], [[3, 3]]]
    with pytest.raises(ValueError, match="holds no ink"):
        read("<trace type='penUp'>2 2</trace>")


def test_traces_that_continue_are_one_stroke():
    body = (
        "<trace xml:id='a' continuation='begin'>1 1,2 2</trace><trace xml:id='other'>9 9</trace>"
        "<trace xml:id='b' continuation='middle' priorRef='#a'>3 3</trace>"
        "<trace xml:id='c' continuation='end' priorRef='#b'>'0'0</trace>"
    )
    with pytest.raises(ValueError, match=r"trace 3 \(id 'c'\).*starts with values"):
        read(body)
    assert read(body.replace("'0'0", "4 4")) == [[[1, 1], [2, 2], [3, 3], [4, 4]], [[9, 9]]]
    with pytest.raises(ValueError, match="continues the trace 'z'"):
        read("<trace continuation='end' priorRef='#z'>1 1</trace>")
    with pytest.raises(ValueError, match="continues the trace ''"):
        read("<trace continuation='end'>1 1</trace>")


def test_traces_in_definitions_are_no_ink():
    assert read("<definitions><trace>0 0</trace></definitions><trace>1 1</trace>") == [[[1, 1]]]


def test_the_namespace_may_be_missing_or_named():
    assert read("<trace>1 1</trace>", "") == [[[1, 1]]]
    data = f'<i:ink xmlns:i="{NAMESPACE}"><i:trace>1 1</i:trace></i:ink>'.encode("utf-16")
    assert decode(data).strokes[0].tolist() == [[1, 1]]


def test_ids_may_be_shared_by_traces_and_groups():
    body = "<traceGroup xml:id='0'><trace id='0'>1 1</trace><trace id='1'>2 2</trace></traceGroup>"
    assert read(body) == [[[1, 1]], [[2, 2]]]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", None),
        ("<annotation type='truth'> $x^2$\n</annotation>", "$x^2$"),
        ("<annotation type='writer'>me</annotation><annotation>note</annotation>", None),
        ("<annotation type='label'>b</annotation><annotation type='truth'>a</annotation>", "a"),
        ("<annotation type='Transcription'>a</annotation>", "a"),
        ("<traceGroup><annotation type='truth'>a</annotation><trace>1 1</trace></traceGroup>", "a"),
        (
            "<traceGroup><traceGroup><annotation type='truth'>a</annotation></traceGroup></traceGroup>",
            None,
        ),
        ("<traceGroup><annotation type='truth'>a</annotation></traceGroup><traceGroup/>", None),
    ],
)
def test_text(body, text):
    assert decode(f"<ink>{body}<trace>1 1</trace></ink>".encode()).text == text


# --- hostile and broken files ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "broken XML"),
        (encode(random_ink())[:-9], "broken XML"),
        (encode(random_ink())[:400], "broken XML"),
        (f"{LAUGHS}]><ink><trace>&l9;</trace></ink>".encode(), "DOCTYPE"),
        (b'<!DOCTYPE ink SYSTEM "file:///etc/passwd"><ink><trace>1 1</trace></ink>', "DOCTYPE"),
        (b"<ink>" + b"<traceGroup>" * 100_000, "within one another"),
        (b"<svg/>", "root element is <ink>; here it is <svg>"),
        (b"<ink/>", "holds no ink"),
    ],
)
def test_files_that_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        decode(data)


def test_long_traces():
    """Nothing is quadratic: a second at most each, where that would take minutes."""
    points = np.random.default_rng(0).integers(0, 9999, (100_000, 2))
    assert read(f"<trace>{','.join(f'{x} {y}' for x, y in points)}</trace>") == [points.tolist()]
    assert read(f"<trace>1 2,3 4{' ' * 100_000}</trace>") == [[[1, 2], [3, 4]]]
    with pytest.raises(ValueError, match="starts no value"):
        read(f"<trace>1 2,!{' ' * 100_000}</trace>")
    with pytest.raises(ValueError):
        read(f"<trace>{'1' * 100_000} {'!' * 100_000}</trace>")
    pieces = "".join(
        f"<trace id='{n}' continuation='middle' priorRef='#{n - 1}'>{n} 0</trace>" for n in range(1, 3_000)
    )
    (stroke,) = read(f"<trace id='0' continuation='begin'>0 0</trace>{pieces}")
    assert stroke == [[n, 0] for n in range(3_000)]
