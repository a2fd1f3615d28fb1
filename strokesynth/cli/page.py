"""The part of ``generate.py`` that writes pages: its options, and what they do."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from strokesynth.cli._flags import default

if TYPE_CHECKING:
    from strokesynth.synthesis.synthesizer import Synthesizer

# What each argument is called as a keyword of `write_page`.
_OPTIONS = {
    "paper": "paper",
    "orientation": "orientation",
    "margins": "margins",
    "mirrored": "mirrored",
    "margin_line": "margin_line",
    "line_pitch": "line_pitch_mm",
    "align": "align",
    "indent": "indent_mm",
    "paragraph_space": "paragraph_space",
    "variation": "variation",
    "x_height_mm": "x_height_mm",
}
PAGE_ONLY = (*list(_OPTIONS)[:-1], "ruled", "grid", "date", "heading", "no_rules", "dpi")


def add_page_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that go with --page. None of them has a value unless it is given."""
    from strokesynth.page.layout import ALIGNMENTS, Layout
    from strokesynth.page.page import Page
    from strokesynth.page.paper import ORIENTATIONS, PAPERS, PITCH, Paper

    paper, layout = partial(default, Paper.of), partial(default, Layout.of)
    group = parser.add_argument_group("pages (with --page)")
    number: dict[str, Any] = {"type": float, "metavar": "MM"}
    group.add_argument(
        "--paper",
        type=_paper,
        metavar="NAME",
        help=f"{', '.join(PAPERS)} or WIDTHxHEIGHT in mm ({paper('size')})",
    )
    group.add_argument("--orientation", choices=ORIENTATIONS, help=f"({paper('orientation')})")
    group.add_argument(
        "--margins", nargs="+", **number, help=f"one, or top right bottom left ({paper('margins'):g})"
    )
    group.add_argument(
        "--mirrored",
        action="store_true",
        default=None,
        help="left and right margin change places on even sheets",
    )
    rules = group.add_mutually_exclusive_group()
    for ruling, shown in (("ruled", "rules at this distance"), ("grid", "squares of this size")):
        usual = PITCH[ruling]
        rules.add_argument(f"--{ruling}", nargs="?", const=usual, **number, help=f"{shown} ({usual:g})")
    group.add_argument("--margin-line", action="store_true", default=None, help="draw it")
    group.add_argument("--no-rules", action="store_true", default=None, help="write on them, but draw none")
    group.add_argument("--align", choices=ALIGNMENTS, help=f"({layout('align')})")
    group.add_argument("--line-pitch", **number, help="from baseline to baseline (by the rules, or x-height)")
    group.add_argument("--indent", **number, help=f"of the first line of a paragraph ({layout('indent'):g})")
    group.add_argument(
        "--paragraph-space",
        type=float,
        metavar="N",
        help="lines between paragraphs (1, or none where they are indented)",
    )
    group.add_argument("--date", metavar="TEXT", help="a line at the top right")
    group.add_argument("--heading", metavar="TEXT", help="a larger line in the middle above the text")
    group.add_argument(
        "--variation",
        type=float,
        metavar="X",
        help=f"irregularity of the hand, 0 for none ({layout('variation'):g})",
    )
    group.add_argument("--dpi", type=float, metavar="N", help=f"of PNG files ({default(Page.save, 'dpi'):g})")


def write_pages(args: argparse.Namespace, text: str, load: Callable[[], Synthesizer], **writing: Any) -> None:
    """Write the text as a page to all of `args.out`; `load` gives the synthesizer once the rest is checked."""
    from strokesynth._checks import positive
    from strokesynth.page.drawing import SheetOptions
    from strokesynth.page.layout import Paragraph
    from strokesynth.page.page import Page, check_page_output
    from strokesynth.synthesis.pages import write_page

    look = {"stroke_width_mm": args.stroke_width, "color": args.color}
    look["rules"] = False if args.no_rules else None
    look = {name: value for name, value in look.items() if value is not None}
    SheetOptions.of(look)
    dpi = default(Page.save, "dpi") if args.dpi is None else positive("dpi", args.dpi)
    drawn = {path: check_page_output(path) in (".svg", ".pdf", ".png") for path in args.out}
    options = {option: getattr(args, name) for name, option in _OPTIONS.items()}
    options = {option: value for option, value in options.items() if value is not None}
    if len(options.get("margins", ())) == 1:
        options["margins"] = options["margins"][0]
    for ruling in ("ruled", "grid"):
        if (pitch := getattr(args, ruling)) is not None:
            options |= {"ruling": ruling, "pitch_mm": pitch}
    parts: list[str | Paragraph] = [text]
    if args.heading is not None:
        parts.insert(0, Paragraph(args.heading, align="center", scale=1.4, indent=0.0))
    if args.date is not None:
        parts.insert(0, Paragraph(args.date, align="right", indent=0.0))
    with _progress_bar() as progress:
        page = write_page(load(), parts, progress=progress, **options, **writing)
    for path in args.out:
        page.save(path, dpi=dpi, **(look if drawn[path] else {}))


@contextmanager
def _progress_bar() -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, counting characters, with the time that is left."""
    from tqdm import tqdm

    with tqdm(desc="writing", unit="characters", disable=None, leave=False, total=1) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


def _paper(text: str) -> str | tuple[float, float]:
    """A name as it is, or WIDTHxHEIGHT as numbers."""
    width, _, height = text.lower().partition("x")
    try:
        return float(width), float(height)
    except ValueError:
        return text
