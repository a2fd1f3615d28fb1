"""Pages: a text of any length in one hand, laid out on sheets of paper in millimetres. See `write_page`."""

from __future__ import annotations

import math
import operator
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from strokesynth._files import atomic_write, check_writable
from strokesynth.ink import Ink
from strokesynth.layout import Layout, Paragraph, Passage, PlacedLine, lay_out, read_passages, vary
from strokesynth.paper import MARGIN, Paper
from strokesynth.spelling import OnUnsupported, spell
from strokesynth.style import Style, styles
from strokesynth.words import Word, even_gaps, split_words

if TYPE_CHECKING:
    from strokesynth.alphabet import Alphabet
    from strokesynth.proofread import Proofreader
    from strokesynth.render.sheets import SheetDrawing
    from strokesynth.synthesizer import Synthesizer

PIECE = 40
"""Characters written in one go, about: many short pieces at once are faster than few long ones."""

_BATCH = 64
_PRIMER = "the quick brown fox jumps over"  # chooses a hand where there is no style
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
        """What the sheet says, line by line."""
        return "\n".join(line.text for line in self.lines)

    @property
    def ink(self) -> Ink:
        """All lines as one ink, in units of the x-height: the first baseline is y = 0, the left edge x = 0."""
        origin = np.array([min(line.left for line in self.lines), self.lines[0].baseline])
        return Ink.from_lines(
            [
                replace(line.ink, strokes=tuple((stroke - origin) / self.x_height for stroke in line.strokes))
                for line in self.lines
            ]
        )

    def _repr_svg_(self) -> str:
        from strokesynth.render.sheets import draw_sheet, to_svg

        return to_svg(draw_sheet(self, background="#ffffff"))


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
        """What the page says, line by line."""
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
        options, for drawings, are the fields of `render.sheets.SheetOptions` (color, stroke_width_mm, rules, …).
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
        from strokesynth.render.sheets import SheetOptions, draw_sheet, to_png, to_svg

        SheetOptions.of(options)
        if suffix == ".pdf":
            from strokesynth.render.pdf import write_pdf

            def all_sheets() -> Iterator[SheetDrawing]:
                return (draw_sheet(sheet, **options) for sheet in self)

            return _write_all([path], lambda file, _: write_pdf(file, all_sheets()))
        if suffix == ".png":
            return _write_all(
                self._paths(path),
                lambda file, k: file.write_bytes(
                    to_png(draw_sheet(self[k], **{"background": "#ffffff", **options}), dpi)
                ),
            )
        return _write_all(
            self._paths(path),
            lambda file, k: file.write_text(to_svg(draw_sheet(self[k], **options), declare=True), "utf-8"),
        )

    def _paths(self, path: Path) -> list[Path]:
        """The file of each sheet."""
        if len(self) == 1:
            return [path]
        digits = len(str(len(self)))
        return [path.with_name(f"{path.stem}-{sheet.number:0{digits}}{path.suffix}") for sheet in self]


def write_page(
    synthesizer: Synthesizer,
    text: str | Sequence[str | Paragraph],
    *,
    paper: str | tuple[float, float] = "A4",
    orientation: str = "portrait",
    margins: float | Sequence[float] = MARGIN,
    mirrored: bool = False,
    ruling: str = "blank",
    pitch_mm: float | None = None,
    margin_line: bool = False,
    x_height_mm: float | None = None,
    line_pitch_mm: float | None = None,
    align: str = "left",
    indent_mm: float = 0.0,
    paragraph_space: float | None = None,
    variation: float = 1.0,
    bias: float | None = None,
    style: str | Style | Ink | None = None,
    seed: int | None = None,
    on_unsupported: OnUnsupported = "error",
    proofread: bool | Proofreader = True,
    candidates: int | None = None,
    limit: float | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Page:
    """Write a text on pages of paper, all in one hand.

    Lines are broken by the widths of the words as they were written, and stand on the rules.

    Args:
        synthesizer: writes the words, about forty characters in one go.
        text: in which a blank line ends a paragraph, a line break stays one and a form feed starts a sheet;
            or a list of such texts and of `Paragraph`, for headings, a date line and the like.
        paper, orientation, margins, mirrored, ruling, margin_line: see `Paper.of`; pitch_mm is the pitch there.
        x_height_mm, line_pitch_mm, align, indent_mm, variation: see `Layout`; paragraph_space is the space there.
        bias, seed, on_unsupported: as for `Synthesizer.write`. The seed also chooses the hand where there is no style.
        proofread, candidates, limit: as there; pages are proofread unless told otherwise.
        style: as there; without one, a bundled style.
        progress: called with the numbers of characters written and to be written, now and then.

    A word wider than the line is broken, after a sign such as "-" or "/" or with a hyphen.

    Raises ValueError for a text with nothing to write or with characters that cannot be written (named with
    their line and position), for margins that leave no room and for options out of range; SynthesisError, a
    ValueError, if the network fails.
    """
    sheet_paper = Paper.of(
        paper,
        orientation=orientation,
        margins=margins,
        mirrored=mirrored,
        ruling=ruling,
        pitch=pitch_mm,
        margin_line=margin_line,
    )
    layout = Layout.of(
        sheet_paper,
        x_height=x_height_mm,
        line_pitch=line_pitch_mm,
        align=align,
        indent=indent_mm,
        space=paragraph_space,
        variation=variation,
    )
    passages = _spelled(read_passages(text, layout), synthesizer.alphabet, on_unsupported)
    layout.check_room(passages, sheet_paper)
    hands, pieces, human = _entropy(seed).spawn(3)
    hand = _hand(synthesizer, style, bias, hands)
    reader = synthesizer.proofreader(proofread, candidates, limit) or False
    words = _write_words(synthesizer, passages, hand, bias, reader, pieces, progress)
    rng = np.random.default_rng(human)
    varied = iter(vary([word for own in words for word in own], layout.variation, rng))
    words = [[next(varied) for _ in own] for own in words]
    lines = lay_out(passages, words, sheet_paper, layout, rng)
    return Page(
        tuple(Sheet(k, sheet_paper, tuple(own), layout.x_height) for k, own in enumerate(lines, start=1))
    )


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


def _spelled(passages: Sequence[Passage], alphabet: Alphabet, on_unsupported: OnUnsupported) -> list[Passage]:
    """The passages as they can be written; one warning for all that was changed."""
    if on_unsupported not in get_args(OnUnsupported):
        raise ValueError(
            f"on_unsupported is {on_unsupported!r}; expected {', '.join(get_args(OnUnsupported))}"
        )
    result, notes = [], []
    for passage in passages:
        where = f"line {passage.line}: "
        try:
            spelling = spell(passage.text, alphabet, on_unsupported)
        except ValueError as error:
            if on_unsupported == "error":
                raise ValueError(f"{where}{error}") from None
            notes.append(f"{where}{error}")
            continue
        if spelling.unsupported:
            notes.append(where + alphabet.describe(spelling.unsupported, advise=False))
        result.append(passage._replace(text=" ".join(spelling.text.split())))
    if not result:
        raise ValueError(f"nothing is left to write: {'; '.join(notes[:5])}")
    if notes:
        done = "left out" if on_unsupported == "skip" else "replaced"
        more = f"; and in {len(notes) - 5} more lines" if len(notes) > 5 else ""
        message = f"characters that cannot be written were {done}: {'; '.join(notes[:5])}{more}"
        warnings.warn(message, UserWarning, stacklevel=4)
    return result


def _hand(
    synthesizer: Synthesizer,
    style: str | Style | Ink | None,
    bias: float | None,
    entropy: np.random.SeedSequence,
) -> str | Style | Ink:
    """What all pieces are written in the style of: what is given, a bundled style, or ink in any hand."""
    if style is not None:
        return style
    seed = int(entropy.generate_state(1, np.uint64)[0])
    if known := styles():
        return known[seed % len(known)]
    return synthesizer.write(_PRIMER, bias=bias, seed=seed)


def _write_words(
    synthesizer: Synthesizer,
    passages: Sequence[Passage],
    hand: str | Style | Ink,
    bias: float | None,
    proofread: bool | Proofreader,
    entropy: np.random.SeedSequence,
    progress: Callable[[int, int], object] | None,
) -> list[list[Word]]:
    """The words of each passage, written once.

    The text is written in pieces of equal length, in one go through all passages: where a piece begins and ends
    has nothing to do with lines on paper, and the shortest line is written as well as the others.
    """
    counts = [len(passage.text.split()) for passage in passages]
    pieces = cut_pieces([word for passage in passages for word in passage.text.split()], PIECE)
    total, done = sum(map(len, pieces)), 0

    def write(texts: Sequence[str]) -> list[list[Word]]:
        seed = int(entropy.spawn(1)[0].generate_state(1, np.uint64)[0])
        inks = synthesizer.write_lines(texts, bias=bias, style=hand, seed=seed, proofread=proofread)
        return [split_words(ink) for ink in inks]

    words: list[Word] = []
    for start in range(0, len(pieces), _BATCH):
        batch = pieces[start : start + _BATCH]
        written = write(batch)
        # Where the network left out a word, or did not lift the pen before it, each is written by itself.
        failed = {k: batch[k].split() for k, own in enumerate(written) if len(own) != len(batch[k].split())}
        again = iter(write([word for own in failed.values() for word in own]) if failed else ())
        for k in failed:
            written[k] = [word for _ in failed[k] for word in next(again)]
        words += [word for own in written for word in own]
        done += sum(map(len, batch))
        if progress is not None:
            progress(done, total)
    ends = np.cumsum(counts).tolist()
    words = even_gaps(words)
    return [words[end - count : end] for end, count in zip(ends, counts, strict=True)]


def cut_pieces(words: Sequence[str], length: int) -> list[str]:
    """The words in pieces of about equal length, of about so many characters at most."""
    count = math.ceil((sum(map(len, words)) + len(words)) / length)
    ends = np.cumsum([len(word) + 1 for word in words])
    number = np.ceil(ends / ends[-1] * count)
    bounds = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(words)]
    return [" ".join(words[a:b]) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


def _entropy(seed: int | None) -> np.random.SeedSequence:
    try:
        return np.random.SeedSequence(seed if seed is None else operator.index(seed))
    except (TypeError, ValueError):
        raise ValueError(f"seed is {seed!r}; expected a whole number of at least 0") from None
