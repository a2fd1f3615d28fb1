"""Documents: a `Page` is a text on as many sheets of paper as it needs, each a `Sheet`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strokesynth._files import atomic_write, check_writable
from strokesynth.ink import Ink
from strokesynth.ink.lines import stack_lines
from strokesynth.page.drawing import SheetDrawing, SheetOptions, draw_sheet, to_png, to_svg
from strokesynth.page.layout import PlacedLine
from strokesynth.page.paper import Paper
from strokesynth.page.pdf import write_pdf

_WHOLE = (".pdf",)  # formats that hold all sheets in one file
_DRAWN = (".svg", ".png", *_WHOLE)
_INK = (".inkml", ".json", ".npz")


@dataclass(frozen=True, eq=False)
class Sheet:
    """One side of paper. Lengths in mm, origin at its top left, y down.

    number    from 1
    lines     in writing order, from top to bottom
    x_height  of the page; a heading's own stands with its line
    """

    number: int
    paper: Paper
    lines: tuple[PlacedLine, ...]
    x_height: float

    @property
    def strokes(self) -> list[NDArray[np.float64]]:
        """All strokes in writing order, (n, 2) each, in mm on the sheet."""
        return [stroke for line in self.lines for stroke in line.strokes]

    @property
    def text(self) -> str:
        """The text of the sheet, line by line."""
        return "\n".join(line.text for line in self.lines)

    @property
    def ink(self) -> Ink:
        """All lines as one ink, in units of the x-height: the first baseline is y = 0, the left edge x = 0."""
        origin = np.array([min(line.left for line in self.lines), self.lines[0].baseline])
        return stack_lines(
            [
                replace(line.ink, strokes=tuple((stroke - origin) / self.x_height for stroke in line.strokes))
                for line in self.lines
            ]
        )

    def draw(self, **options: Any) -> SheetDrawing:
        """The sheet as a drawing; options are the fields of `SheetOptions`. Raises ValueError on others."""
        return draw_sheet(self.paper, self.number, self.lines, self.text, **options)

    def _repr_svg_(self) -> str:
        return to_svg(self.draw(background="#ffffff"))


@dataclass(frozen=True, eq=False)
class Page:
    """A text on as many sheets as it needs."""

    sheets: tuple[Sheet, ...]

    def __len__(self) -> int:
        return len(self.sheets)

    def __iter__(self) -> Iterator[Sheet]:
        return iter(self.sheets)

    def __getitem__(self, index: int) -> Sheet:
        return self.sheets[index]

    def __repr__(self) -> str:
        lines, paper = sum(len(sheet.lines) for sheet in self), self.sheets[0].paper
        return f"<Page of {len(self)} sheets {paper.width:g} x {paper.height:g} mm, {lines} lines>"

    @property
    def text(self) -> str:
        """The text of the page, line by line."""
        return "\n".join(sheet.text for sheet in self)

    def _repr_svg_(self) -> str:
        """The first sheet; each shows itself as well (`page[1]`)."""
        return self.sheets[0]._repr_svg_()

    def save(self, path: str | os.PathLike[str], *, dpi: float = 300.0, **options: Any) -> list[Path]:
        """Write the page in the format its suffix names, and return the paths of the files.

        .pdf                  one file with all sheets, in vectors of true size
        .svg, .png            a file for each sheet; a PNG has `dpi` dots to the inch
        .inkml, .json, .npz   the ink of each sheet (`Sheet.ink`) in a file of its own

        Several sheets are numbered: letter.svg becomes letter-1.svg, letter-2.svg, …
        options, for drawings, are the fields of `page.drawing.SheetOptions` (color, stroke_width_mm, rules, …).
        All files appear whole or none does, and the same page gives the same bytes.
        Raises ValueError on an unknown suffix or an unwritable place, FileNotFoundError where the folder is missing.
        """
        suffix = check_page_output(path)
        if suffix in _DRAWN:
            return self._save_drawings(Path(path), suffix, dpi, options)
        if options:
            raise ValueError(f"{path}: ink is saved without options, and here there are {sorted(options)}")
        extra = {"x_height_mm": self.sheets[0].x_height} if suffix == ".inkml" else {}
        return _write_all(
            self._paths(Path(path)),
            lambda file, number: self[number].ink.save(file, **extra),
        )

    def _save_drawings(self, path: Path, suffix: str, dpi: float, options: dict[str, Any]) -> list[Path]:
        SheetOptions.of(options)
        if suffix == ".pdf":

            def all_sheets() -> Iterator[SheetDrawing]:
                return (sheet.draw(**options) for sheet in self)

            return _write_all([path], lambda file, _: write_pdf(file, all_sheets()))
        if suffix == ".png":
            return _write_all(
                self._paths(path),
                lambda file, k: file.write_bytes(
                    to_png(self[k].draw(**{"background": "#ffffff", **options}), dpi)
                ),
            )
        return _write_all(
            self._paths(path),
            lambda file, k: file.write_text(to_svg(self[k].draw(**options), declare=True), "utf-8"),
        )

    def _paths(self, path: Path) -> list[Path]:
        """The file of each sheet."""
        if len(self) == 1:
            return [path]
        digits = len(str(len(self)))
        return [path.with_name(f"{path.stem}-{sheet.number:0{digits}}{path.suffix}") for sheet in self]


def check_page_output(path: str | os.PathLike[str]) -> str:
    """The suffix of a path that a page can be saved to; raises what `Page.save` would, before there is a page."""
    suffix = Path(path).suffix.lower()
    if suffix not in (*_DRAWN, *_INK):
        known = ", ".join((*_DRAWN, *_INK))
        raise ValueError(f"{path}: a page can be written to {known}; the suffix here is {suffix!r}")
    check_writable(path)
    return suffix


def _write_all(paths: Sequence[Path], write: Callable[[Path, int], object]) -> list[Path]:
    """Write every file under a temporary name first: all appear, or none."""
    with ExitStack() as stack:
        for number, path in enumerate(paths):
            write(stack.enter_context(atomic_write(path)), number)
    return list(paths)
