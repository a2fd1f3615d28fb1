"""Words on paper: paragraphs, lines, sheets. Lengths are in millimetres on paper and in x-heights within ink.

What is laid out is ink that has been written already (see `strokesynth.ink.words`), so that every width is the true
one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strokesynth._checks import check_choice, positive
from strokesynth.ink import Ink
from strokesynth.ink.words import Word, break_word, join
from strokesynth.page.paper import Paper

ALIGNMENTS = ("left", "center", "right", "justify")

X_HEIGHT = 2.3
_X_HEIGHT_OF_PITCH = 0.29  # on ruled paper
_LINE_PITCH = 3.5  # x-heights, where no rules say it
_LEAST_PITCH = 2.9  # x-heights: a line of writing needs so many rules of a grid
_ASCENT, _DESCENT = 2.2, 0.9  # of ordinary writing; what goes further is measured
_RULE_SLACK = 0.4  # times the pitch: larger writing fits the next rule even if that is so much too near
_LEAST_WIDTH = 3.0  # x-heights of a line
_BLANK = 1.0  # x-heights that a blank at the start of a line indents it

# Deviations of human variation and the words over which they last: Ornstein–Uhlenbeck processes from word to word.
_SLANT, _SIZE, _RISE, _GAP = (0.02, 40), (0.015, 25), (0.04, 6), (0.08, 1)
_START = 0.2  # x-heights: of where lines start
_MOST = 2.0  # deviations


@dataclass(frozen=True)
class Paragraph:
    """A part of a text with its own look; None is as the page has it.

    text          may have line breaks; blank lines divide it further
    align         "left", "center", "right" or "justify"
    scale         of the writing; a heading may have 1.4
    indent        of the first line, mm; centred lines and those on the right have none
    space_before  in lines
    new_page      starts on a new sheet
    """

    text: str
    align: str | None = None
    scale: float = 1.0
    indent: float | None = None
    space_before: float | None = None
    new_page: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise ValueError(f"the text of a paragraph is a str, not {type(self.text).__name__}")
        if self.align is not None:
            check_choice("align", self.align, ALIGNMENTS)
        if not 0.2 <= positive("scale", self.scale) <= 5.0:
            raise ValueError(f"the scale of a paragraph is from 0.2 to 5; got {self.scale!r}")
        for name in ("indent", "space_before"):
            if getattr(self, name) is not None:
                positive(name, getattr(self, name), zero=True)


@dataclass(frozen=True)
class Layout:
    """How a text is laid out. `Layout.of` fills in what depends on the paper, and checks everything.

    x_height      height of a lower-case x, mm
    line_pitch    from baseline to baseline, mm; with rules, baselines are on the next one
    align         "left", "center", "right" or "justify": by wider blanks only, all but the last line of a paragraph
    indent        of the first line of each paragraph, mm
    space         between paragraphs, in lines
    variation     of slant, size, baseline, blanks and line starts: 1 is a steady hand, 0 none
    """

    x_height: float
    line_pitch: float
    align: str
    indent: float
    space: float
    variation: float

    @classmethod
    def of(
        cls,
        paper: Paper,
        *,
        x_height: float | None = None,
        line_pitch: float | None = None,
        align: str = "left",
        indent: float = 0.0,
        space: float | None = None,
        variation: float = 1.0,
    ) -> Layout:
        """The layout with its defaults for this paper.

        On ruled paper the x-height is 0.29 of the pitch, else 2.3 mm; lines are on every rule that leaves them 2.9
        x-heights, or 3.5 x-heights apart. Paragraphs have a blank line between them, unless they are indented.
        Raises ValueError for sizes that are not positive and for unknown alignments.
        """
        check_choice("align", align, ALIGNMENTS)
        usual = _X_HEIGHT_OF_PITCH * paper.pitch if paper.ruling == "ruled" else X_HEIGHT
        size = positive("the x-height", usual if x_height is None else x_height)
        if line_pitch is None:
            rules = np.ceil(_LEAST_PITCH * size / paper.pitch - 1e-6)
            line_pitch = _LINE_PITCH * size if paper.ruling == "blank" else float(rules) * paper.pitch
        indent = positive("the indent", indent, zero=True)
        space = (0.0 if indent else 1.0) if space is None else positive("the space", space, zero=True)
        pitch = positive("the pitch of lines", line_pitch)
        variation = positive("the variation", variation, zero=True)
        if variation > 5:
            raise ValueError(f"variation is from 0, none, to 5; got {variation:g}")
        return cls(size, pitch, align, indent, space, variation)

    def check_room(self, passages: Sequence[Passage], paper: Paper) -> None:
        """Raise ValueError where the paper has no room for a line, or for a few letters on it."""
        area = paper.area(1)
        for scale, indent in {(passage.scale, passage.indent) for passage in passages}:
            unit = self.x_height * scale
            if area.right - area.left - indent < _LEAST_WIDTH * unit:
                raise ValueError(
                    f"there is no room for letters of x-height {unit:g} mm on lines of "
                    f"{area.right - area.left:g} mm" + (f" with an indent of {indent:g} mm" if indent else "")
                )
            if paper.next_rule(area.top + _ASCENT * unit) + _DESCENT * unit > area.bottom:
                raise ValueError(
                    f"there is no room for a line of x-height {unit:g} mm between margins "
                    f"{area.bottom - area.top:g} mm apart"
                )


class Passage(NamedTuple):
    """A stretch of text that the author broke no line in."""

    text: str
    line: int  # its number in the whole text, from 1
    align: str
    scale: float
    indent: float  # mm
    space: float  # lines before it
    new_page: bool


@dataclass(frozen=True, eq=False)
class PlacedLine:
    """A line of writing on its sheet.

    ink is normalised as everywhere (x-height 1, baseline y = 0, left edge x = 0; with text and characters);
    left, baseline and x_height are in mm.
    """

    ink: Ink
    left: float
    baseline: float
    x_height: float

    @property
    def text(self) -> str:
        """The text of the line, in which a broken word ends in its hyphen."""
        return self.ink.text or ""

    @property
    def strokes(self) -> list[NDArray[np.float64]]:
        """The strokes in mm on the sheet, (n, 2) each."""
        place = np.array([self.left, self.baseline])
        return [stroke.astype(np.float64) * self.x_height + place for stroke in self.ink.strokes]


def read_passages(text: str | Sequence[str | Paragraph], layout: Layout) -> list[Passage]:
    """A text in passages: blank lines end paragraphs, a single line break stays one, a form feed starts a sheet.

    Each further blank line leaves a line free. Blanks (or tabs, for four) at the start of a line indent it.
    Raises ValueError where there is nothing to write.
    """
    if isinstance(text, Paragraph):
        text = [text]
    if not isinstance(text, str | Sequence):
        raise ValueError(f"the text is a str or a list of paragraphs, not {type(text).__name__}")
    parts = [text] if isinstance(text, str) else list(text)
    passages: list[Passage] = []
    number = 0
    for part in parts:
        paragraph = part if isinstance(part, Paragraph) else Paragraph(part)
        indent = layout.indent if paragraph.indent is None else paragraph.indent
        first = layout.space if paragraph.space_before is None else paragraph.space_before
        blank_lines: int | None = None  # since the last passage; None at the start
        new_page = paragraph.new_page
        for line in re.split("\r\n|[\n\r\x85\u2028]|(?=\f)", paragraph.text.replace("\u2029", "\n\n")):
            number += not line.startswith("\f")
            new_page |= line.startswith("\f")
            line = line.removeprefix("\f").expandtabs(4)
            if not (words := line.strip()):
                blank_lines = None if blank_lines is None else blank_lines + 1
                continue
            starts = blank_lines != 0
            space = first if blank_lines is None else layout.space + blank_lines - 1 if blank_lines else 0.0
            own = (len(line) - len(line.lstrip())) * _BLANK * layout.x_height * paragraph.scale
            align = paragraph.align or layout.align
            passages.append(
                Passage(words, number, align, paragraph.scale, own + starts * indent, space, new_page)
            )
            blank_lines, new_page = 0, False
    if not passages:
        raise ValueError(
            "the text is empty, or has nothing but blanks and line breaks: there is nothing to write"
        )
    return passages


def lay_out(
    passages: Sequence[Passage],
    words: Sequence[Sequence[Word]],
    paper: Paper,
    layout: Layout,
    rng: np.random.Generator,
) -> list[list[PlacedLine]]:
    """The lines on each sheet: `words[i]` are those of `passages[i]`, with the blank before each.

    rng: for the starts of lines, which vary with `layout.variation`.
    Raises ValueError where a line is too high for the sheet. `Layout.check_room` tells before there is ink.
    """
    sheets: list[list[PlacedLine]] = [[]]
    baseline = 0.0
    for passage, own in zip(passages, words, strict=True):
        if passage.new_page and sheets[-1]:
            sheets.append([])
        space = passage.space
        for ink, x in _lines(own, passage, paper, layout, rng):
            unit = layout.x_height * passage.scale
            _, top, _, bottom = ink.bounds
            above, below = max(-top, _ASCENT) * unit, max(bottom, _DESCENT) * unit
            step = layout.line_pitch * (max(passage.scale, 1.0) + space)
            area = paper.area(len(sheets))
            if sheets[-1]:
                next_baseline = paper.next_rule(baseline + step - _slack(paper))
                if next_baseline + below > area.bottom:
                    sheets.append([])
                    area = paper.area(len(sheets))
            if not sheets[-1]:
                next_baseline = paper.next_rule(area.top + above)
                if next_baseline + below > area.bottom:
                    raise ValueError(
                        f"the line {ink.text!r} is {above + below:.1f} mm high, more than there is room for "
                        f"between margins {area.bottom - area.top:g} mm apart"
                    )
            baseline, space = next_baseline, 0.0
            sheets[-1].append(PlacedLine(ink, area.left + x, baseline, unit))
    return sheets


def vary(words: Sequence[Word], amount: float, rng: np.random.Generator) -> list[Word]:
    """The words with the small irregularities of a person's hand, which come and go: slant, size, baseline, blanks.

    amount: 1 for a steady hand, 0 for none.
    """
    if not amount:
        return list(words)
    slants, sizes, rises, gaps = (
        wander(len(words), amount * deviation, length, rng)
        for deviation, length in (_SLANT, _SIZE, _RISE, _GAP)
    )
    return [
        word.transform((1 + size) * np.array([[1.0, -slant], [0.0, 1.0]]), rise)._replace(
            gap=word.gap * float(np.exp(gap))
        )
        for word, slant, size, rise, gap in zip(words, slants, sizes, rises, gaps, strict=True)
    ]


def wander(count: int, deviation: float, length: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A stationary Ornstein–Uhlenbeck process of mean 0 at 0 … count - 1, cut off at two deviations."""
    decay = float(np.exp(-1.0 / length))
    noise = rng.normal(size=count) * np.sqrt(1 - decay**2)
    values, value = np.empty(count), rng.normal()
    for i in range(count):
        value = values[i] = decay * value + noise[i]
    return deviation * values.clip(-_MOST, _MOST)


def _lines(
    words: Sequence[Word], passage: Passage, paper: Paper, layout: Layout, rng: np.random.Generator
) -> Iterator[tuple[Ink, float]]:
    """The lines of a passage, and how far each is from the left margin in mm."""
    unit = layout.x_height * passage.scale
    area = paper.area(1)
    width = (area.right - area.left) / unit
    indent = passage.indent / unit if passage.align in ("left", "justify") else 0.0
    lines = fill(words, width - indent, width)
    for i, line in enumerate(lines):
        room = width - (indent if i == 0 else 0.0)
        free = room - sum(word.width for word in line) - sum(word.gap for word in line[1:])
        stretch = 0.0
        if passage.align == "justify" and i < len(lines) - 1 and len(line) > 1:
            stretch = free / (len(line) - 1)
        shift = min(layout.variation * _START * abs(rng.normal()), free) if passage.align == "left" else 0.0
        x = {"center": free / 2, "right": free}.get(passage.align, width - room + shift)
        yield join(line, stretch), x * unit


def fill(words: Sequence[Word], first: float, rest: float) -> list[list[Word]]:
    """The words in lines no wider than `first` for the first and `rest` for the others, in x-heights.

    Each line takes as many as go on it. A word wider than a line starts one and is broken (see `break_word`).
    """
    lines: list[list[Word]] = []
    used, room = np.inf, first
    for word in words:
        remaining: Word | None = word
        while remaining is not None:
            if used + remaining.gap + remaining.width <= room:
                lines[-1].append(remaining)
                used += remaining.gap + remaining.width
                break
            room = rest if lines else first
            head, remaining = (remaining, None) if remaining.width <= room else break_word(remaining, room)
            lines.append([head])
            used = head.width
    return lines


def _slack(paper: Paper) -> float:
    return 0.0 if paper.ruling == "blank" else _RULE_SLACK * paper.pitch
