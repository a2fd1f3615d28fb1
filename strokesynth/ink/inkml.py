"""Ink as InkML, and ink from the InkML of other programs.

W3C, Ink Markup Language (InkML), Recommendation 20 September 2011, https://www.w3.org/TR/InkML/. In InkML as in our
ink X runs to the right and Y **down** (its table of channel names: "increasing downward for +ve orientation"), unless
a channel has orientation="-ve".

We write millimetres, with the height of the x and all that InkML has no word for (`Ink.characters`, and texts that
XML cannot hold) as JSON in an annotation, so that what we wrote comes back bit for bit. Of other programs' InkML is
read what ink is: the pen-down traces in their order, in millimetres where the file tells the size of its units and
otherwise in its own numbers, and the text. Colours, times, pressure and tilt are passed over.
"""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strokesynth._checks import positive
from strokesynth._xml import ID, local_name, parse, writable
from strokesynth.ink.drawing import DrawingOptions
from strokesynth.ink.ink import Ink

NAMESPACE = "http://www.w3.org/2003/InkML"
ANNOTATION = "strokesynth-ink"  # type of the annotation that holds what InkML has no word for
TRUTH = ("truth", "transcription", "label")  # types of annotation that are the text, the first that is there

_MILLIMETRES = {"m": 1000.0, "cm": 10.0, "mm": 1.0, "in": 25.4, "pt": 25.4 / 72, "pc": 25.4 / 6}

# A number with its qualifier, a letter, or, last, a character that starts no value. A number that follows another
# without a blank must have a sign: 1.5.5 is not 1.5 and .5.
_VALUE = re.compile(
    r"""(?:([!'"])\s*)?(\#[0-9A-Fa-f]+|(?:[-+]|(?<![\w.]))(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]\#[0-9A-Fa-f]+)"""
    r"""|([TF*?])|(\S)"""
)


def encode(ink: Ink, *, x_height_mm: float = DrawingOptions.x_height_mm) -> bytes:
    """The InkML file of an ink whose unit is the x-height, in millimetres.

    x_height_mm: height of a lower-case x, as in `DrawingOptions`. Numbers have nine significant digits, from which
    float32 comes back exactly. Raises ValueError if the height is not positive.
    """
    x_height_mm = positive("x_height_mm", x_height_mm)
    root = ET.Element("ink", xmlns=NAMESPACE)
    if ink.text is not None:
        ET.SubElement(root, "annotation", type=TRUTH[0]).text = writable(ink.text)
    extra = {
        "version": 1,
        "x_height_mm": x_height_mm,
        "text": ink.text,
        "characters": None if ink.characters is None else [c.tolist() for c in ink.characters],
    }
    ET.SubElement(root, "annotation", type=ANNOTATION).text = json.dumps(extra, separators=(",", ":"))
    context = ET.SubElement(ET.SubElement(root, "definitions"), "context", {ID: "pen"})
    # The format within an ink source, where the Recommendation lets it stand and some readers want it.
    channels = ET.SubElement(ET.SubElement(context, "inkSource", {ID: "tablet"}), "traceFormat")
    for name in "XY":
        ET.SubElement(channels, "channel", name=name, type="decimal", units="mm")
    for number, stroke in enumerate(ink.strokes):
        trace = ET.SubElement(root, "trace", {ID: f"s{number}", "contextRef": "#pen"})
        points = (stroke.astype(np.float64) * x_height_mm).tolist()
        trace.text = ", ".join(f"{_decimal(x)} {_decimal(y)}" for x, y in points)
    ET.indent(root, " ")
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def decode(data: bytes) -> Ink:
    """The ink in an InkML file.

    Raises ValueError on XML that `_xml.parse` refuses and on what is not InkML, naming the trace and the point;
    on InkML without a pen-down trace; and on mappings to a canvas that are not affine.
    """
    return from_element(parse(data))


def from_element(root: ET.Element) -> Ink:
    """The ink in the root element of an InkML document, as `decode`."""
    for element in root.iter():
        element.tag = local_name(element)  # many programs leave the namespace out
    if root.tag != "ink":
        raise ValueError(f"InkML is expected, whose root element is <ink>; here it is <{root.tag}>")
    strokes = _Reader(root).strokes()
    if not strokes:
        raise ValueError("this InkML holds no ink: there is no <trace> with a point of the pen on the paper")
    extra = _own_annotation(root)
    if extra is None:
        return Ink.from_strokes(strokes, _text(root))
    x_height_mm = positive("x_height_mm", extra.get("x_height_mm"))
    try:
        return Ink.from_strokes(
            (s / x_height_mm for s in strokes), extra.get("text"), extra.get("characters")
        )
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the annotation {ANNOTATION!r} does not fit the traces ({error}); without it they can be read"
        ) from error


@dataclass(frozen=True)
class _Format:
    """The way in which the values of a point become a place.

    A point has the values `names`, of which those from `least` on (the intermittent channels) may be left out;
    columns (x, y, 1) of its X and Y become ink by `matrix` (2, 3).
    """

    names: tuple[str, ...]
    least: int
    matrix: NDArray[np.float64]


class _Channel:
    """The values of one channel along one trace: <trace> in the Recommendation."""

    def __init__(self) -> None:
        self.order = 0  # order of the differences that are given, 0 for the value itself
        self.number = 0.0  # the last that was given
        self.value: float | None = None
        self.difference = 0.0  # between the last two values

    def next(self, qualifier: str, number: str, letter: str) -> float:
        """The value after one more of (qualifier, number) or letter; NaN where none was recorded."""
        if letter == "?":
            return math.nan
        if letter and letter != "*":
            raise ValueError(f"{letter} stands for a boolean, and a number is expected")
        if number:
            self.number = _hexadecimal(number) if "#" in number else float(number)
        if qualifier:
            self.order = "!'\"".index(qualifier)
        if self.value is None and (self.order or letter):
            raise ValueError(f"a trace starts with values; {qualifier or letter} refers to what was before")
        # A wildcard goes on as before, whatever the order: it repeats the last number.
        before = self.number if self.value is None else self.value
        self.value = self.number
        if self.order == 1:
            self.value += before
        elif self.order == 2:
            self.value += before + self.difference
        if not math.isfinite(self.value):
            raise ValueError("a value beyond what a float can hold")
        self.difference = self.value - before
        return self.value


class _Reader:
    """One InkML document: its contexts, and its traces in order."""

    def __init__(self, root: ET.Element) -> None:
        self.root = root
        # The key has the tag as well, because in some data sets traces and groups have the same ids.
        self.definitions: dict[tuple[str, str], ET.Element] = {}
        for element in root.iter():
            name = element.get(ID) or element.get("id")
            if name:
                self.definitions.setdefault((element.tag, name), element)
        self.contexts: dict[str, dict[str, ET.Element]] = {}
        self.formats: dict[tuple[ET.Element | None, ...], _Format] = {}

    def strokes(self) -> list[NDArray[np.float64]]:
        """The points (n, 2) of each pen-down trace; pieces that continue one another are one."""
        pieces: list[list[NDArray[np.float64]]] = []  # of each stroke
        stroke_of: dict[str, int] = {}  # id of a trace → stroke
        for number, (trace, settings) in enumerate(self._traces(self.root, {})):
            if trace.get("type") == "penUp":
                continue
            name = trace.get(ID) or trace.get("id")
            where = f"trace {number}" + ("" if name is None else f" (id {name!r})")
            try:
                points = _points(trace.text or "", self._format(settings))
                prior = self._prior(trace, stroke_of)
            except (ValueError, OverflowError) as error:
                raise ValueError(f"{where}: {error}") from error
            stroke = len(pieces) if prior is None else prior
            if stroke == len(pieces):
                pieces.append([])
            pieces[stroke].append(points)
            if name is not None:
                stroke_of[name] = stroke
        return [stroke for stroke in map(np.concatenate, pieces) if len(stroke)]

    @staticmethod
    def _prior(trace: ET.Element, stroke_of: dict[str, int]) -> int | None:
        """The stroke that the trace continues, or None if it begins one."""
        if trace.get("continuation") not in ("middle", "end"):
            return None
        prior = trace.get("priorRef", "").removeprefix("#")
        if prior not in stroke_of:
            raise ValueError(
                f"it continues the trace {prior!r} (priorRef), which is not among the pen-down traces before it"
            )
        return stroke_of[prior]

    def _traces(
        self, parent: ET.Element, settings: dict[str, ET.Element]
    ) -> Iterator[tuple[ET.Element, dict[str, ET.Element]]]:
        """The traces in `parent` and its groups, each with the parts of its context by tag.

        A context between traces holds for those after it; one in <definitions> for those that refer to it
        or whose group does.
        """
        for child in parent:
            if child.tag in ("trace", "traceGroup"):
                own = settings
                if child.get("contextRef"):
                    own = self._referenced(child.get("contextRef", ""))
                if child.tag == "trace":
                    yield child, own
                else:
                    yield from self._traces(child, own)
            elif child.tag == "context":
                settings = self._context(child, settings)
            elif child.tag in ("traceFormat", "inkSource", "canvas", "canvasTransform"):
                settings = {**settings, **self._parts(child)}

    def _context(
        self, context: ET.Element | None, inherited: dict[str, ET.Element], depth: int = 0
    ) -> dict[str, ET.Element]:
        """The parts of a context by tag: its own, over those that it refers to, over those inherited."""
        if context is None:
            return inherited
        if depth > 100:
            raise ValueError(f"the context {context.get(ID)!r} refers to itself")
        if context.get("contextRef"):
            inherited = self._referenced(context.get("contextRef", ""), depth + 1)
        settings = dict(inherited)
        for tag in ("inkSource", "traceFormat", "canvas", "canvasTransform"):
            part = context.find(tag)
            if part is None and context.get(f"{tag}Ref"):
                part = self._find(tag, context.get(f"{tag}Ref", ""))
            if part is not None:
                settings.update(self._parts(part))
        return settings

    def _referenced(self, reference: str, depth: int = 0) -> dict[str, ET.Element]:
        """The parts of the context that is referred to; each is looked up once, as many traces share it."""
        if reference not in self.contexts:
            self.contexts[reference] = self._context(self._find("context", reference), {}, depth)
        return self.contexts[reference]

    @staticmethod
    def _parts(part: ET.Element) -> dict[str, ET.Element]:
        """The part of a context by its tag, and the trace format of an ink source with it."""
        described = part.find("traceFormat") if part.tag == "inkSource" else None
        return {part.tag: part} if described is None else {part.tag: part, "traceFormat": described}

    def _find(self, tag: str, reference: str) -> ET.Element | None:
        """The element that `#id` refers to; None for those that every document has, as #DefaultContext."""
        name = reference.removeprefix("#")
        if (tag, name) in self.definitions:
            return self.definitions[tag, name]
        if name.startswith("Default"):
            return None
        raise ValueError(f"there is no <{tag}> with the id {name!r} in this file")

    def _format(self, settings: dict[str, ET.Element]) -> _Format:
        """The format of traces in this context."""
        tags = ("traceFormat", "inkSource", "canvas", "canvasTransform")
        parts = tuple(settings.get(tag) for tag in tags)
        if parts not in self.formats:
            self.formats[parts] = self._new_format(*parts)
        return self.formats[parts]

    def _new_format(
        self,
        described: ET.Element | None,
        source: ET.Element | None,
        canvas: ET.Element | None,
        transform: ET.Element | None,
    ) -> _Format:
        affine = None if transform is None else self._affine(transform)
        if described is None or not len(described):  # the default format
            return _Format(("X", "Y"), 2, np.eye(2, 3) if affine is None else affine)
        regular = described.findall("channel")
        optional = described.findall("intermittentChannels/channel")
        names = tuple(channel.get("name", "") for channel in regular + optional)
        axes = {channel.get("name", ""): channel for channel in regular}
        if not {"X", "Y"} <= set(axes):
            raise ValueError(f"its points have the channels {' '.join(names)}; X and Y must be among them")
        if affine is None:
            matrix = _sizes(axes, source)
        else:  # after the transform the numbers are the canvas's
            surface = None if canvas is None else canvas.find("traceFormat")
            if surface is None and canvas is not None and canvas.get("traceFormatRef"):
                surface = self._find("traceFormat", canvas.get("traceFormatRef", ""))
            axes = {} if surface is None else {c.get("name", ""): c for c in surface.findall("channel")}
            sizes = _sizes(axes, None) if {"X", "Y"} <= set(axes) else np.eye(2, 3)
            matrix = sizes[:, :2] @ affine
        return _Format(names, len(regular), matrix)

    def _affine(self, transform: ET.Element) -> NDArray[np.float64] | None:
        """The matrix (2, 3) of a canvas transform, None for the identity."""
        mapping = transform.find("mapping")
        if mapping is not None and mapping.get("mappingRef"):
            mapping = self._find("mapping", mapping.get("mappingRef", ""))
        kind = "identity" if mapping is None else mapping.get("type", "unknown")
        if mapping is None or kind == "identity":
            return None
        sources = [bind.get("source") for bind in mapping.findall("bind") if bind.get("source")]
        if kind != "affine" or sources not in ([], ["X", "Y"]):
            raise ValueError(
                f"a canvas transform is read if it is the identity or affine in X, Y; this one is {kind} in {sources}"
            )
        rows = [row.split() for row in (mapping.findtext("affine") or mapping.text or "").split(",")]
        if [len(row) for row in rows] != [3, 3]:
            raise ValueError(f"an affine canvas transform has two rows of three numbers, not {rows}")
        return np.array([[_number(entry, "an affine mapping") for entry in row] for row in rows])


def _points(text: str, described: _Format) -> NDArray[np.float64]:
    """The places (n, 2) in the text of a trace; points whose X or Y was not recorded (?) are left out."""
    most, least = len(described.names), described.least
    x_column, y_column = described.names.index("X"), described.names.index("Y")
    x, y = _Channel(), _Channel()
    places = []
    for number, point in enumerate(text.split(",")):
        values = _VALUE.findall(point)
        if not values:
            continue
        try:
            for *_, stray in values:
                if stray:
                    raise ValueError(f"{stray!r} starts no value")
            if not least <= len(values) <= most:
                expected = f"{least}" if least == most else f"{least} to {most}"
                names = " ".join(described.names)
                raise ValueError(f"the number of values is {len(values)}, not {expected} ({names})")
            places.append((x.next(*values[x_column][:3]), y.next(*values[y_column][:3])))
        except (ValueError, OverflowError) as error:
            raise ValueError(f"point {number}, {_shortened(point)!r}: {error}") from error
    positions = np.array(places, dtype=np.float64).reshape(-1, 2)
    positions = positions[~np.isnan(positions).any(axis=1)]
    return positions @ described.matrix[:, :2].T + described.matrix[:, 2]


def _sizes(axes: dict[str, ET.Element], source: ET.Element | None) -> NDArray[np.float64]:
    """The matrix (2, 3) from the numbers of the channels X and Y to ink.

    To millimetres if both channels have a size, the Recommendation's default being mm; else only to right and down.
    """
    sizes = [_size(axes[name], source) for name in "XY"]
    if None in sizes:
        sizes = [1.0, 1.0]
    signs = []
    for name in "XY":
        orientation = axes[name].get("orientation", "+ve")
        if orientation not in ("+ve", "-ve"):
            raise ValueError(f"the orientation of channel {name} is +ve or -ve, not {orientation!r}")
        signs.append(-1.0 if orientation == "-ve" else 1.0)
    return np.eye(2, 3) * (np.array(sizes, dtype=np.float64) * signs)[:, None]


def _size(channel: ET.Element, source: ET.Element | None) -> float | None:
    """Millimetres in one unit of the channel; None if that is known to nobody but the device."""
    for element in () if source is None else source.iter("channelProperty"):
        if (element.get("channel"), element.get("name")) == (channel.get("name"), "resolution"):
            # The numbers then count steps of that size, whatever the units of the channel: this is what
            # the programs of Microsoft and Wacom mean, which write units="cm" beside whole numbers of 1/1000 cm.
            value = positive(f"resolution of channel {channel.get('name')}", element.get("value"))
            per, inverse, unit = element.get("units", "dev").rpartition("/")
            if unit not in _MILLIMETRES or per.strip() not in ("", "1"):
                return None
            return _MILLIMETRES[unit] / value if inverse else _MILLIMETRES[unit] * value
    return _MILLIMETRES.get(channel.get("units", "mm"))


def _own_annotation(root: ET.Element) -> dict[str, Any] | None:
    """The annotation that `encode` put beside the traces, or None in the file of another program."""
    for annotation in root.findall("annotation"):
        if annotation.get("type") == ANNOTATION:
            try:
                extra = json.loads(annotation.text or "")
            except (json.JSONDecodeError, RecursionError) as error:
                raise ValueError(f"the annotation {ANNOTATION!r} is not JSON ({error})") from error
            if not isinstance(extra, dict) or extra.get("version") != 1:
                raise ValueError(f"the annotation {ANNOTATION!r} is of another version; this package reads 1")
            return extra
    return None


def _text(root: ET.Element) -> str | None:
    """The text of the whole ink: said of <ink> itself, or of a trace group that is the only one."""
    groups = root.findall("traceGroup")
    for parent in (root, *groups) if len(groups) == 1 else (root,):
        texts = {(a.get("type") or "").lower(): (a.text or "").strip() for a in parent.findall("annotation")}
        for kind in TRUTH:
            if texts.get(kind):
                return texts[kind]
    return None


def _decimal(value: float) -> str:
    """Nine significant digits without an exponent, which not every reader of type="decimal" takes."""
    return np.format_float_positional(value, precision=9, unique=False, fractional=False, trim="-")


def _hexadecimal(text: str) -> float:
    sign, _, digits = text.partition("#")
    return float(int(sign + digits, 16))


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{what} has numbers only, not {text!r}") from None


def _shortened(text: str) -> str:
    text = " ".join(text[:60].split())
    return text if len(text) <= 40 else f"{text[:40]}…"
