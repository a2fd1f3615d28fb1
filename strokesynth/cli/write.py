"""``generate.py`` and ``strokesynth write``: text in, handwriting out."""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strokesynth._files import atomic_write, check_writable
from strokesynth.cli._flags import Exclusive, add_flags, check_exclusive
from strokesynth.cli._guard import guarded
from strokesynth.cli.page import PAGE_ONLY, add_page_arguments, write_pages

if TYPE_CHECKING:
    from strokesynth.ink import Ink
    from strokesynth.synthesis.options import WritingOptions
    from strokesynth.synthesis.style import Style
    from strokesynth.synthesis.synthesizer import Synthesizer

# From baseline to baseline, in x-heights: people's lines reach about 2.5 up and 1.5 down.
LINE_PITCH = 4.2
_PICTURES = (".svg", ".png", ".pdf")
_WINDOW_CHARACTERS = 200  # of which a picture of the window can still be looked at

_EXCLUSIVE = (
    Exclusive(lambda args: args.page is None, PAGE_ONLY, "{flag} goes with --page"),
    Exclusive(
        lambda args: args.page is not None,
        ("text", "file", "attention"),
        "--page names the text: leave out {flag}",
    ),
    Exclusive(
        lambda args: not args.proofread or args.attention is not None or args.unconditional,
        ("candidates", "limit"),
        "{flag} goes with proofreading, and here nothing is proofread",
    ),
    Exclusive(
        lambda args: args.unconditional,
        ("text", "file", "page", "style", "attention"),
        "--unconditional writes no text: leave out {flag}",
    ),
    Exclusive(lambda args: not args.unconditional, ("points",), "{flag} goes with --unconditional"),
    Exclusive(lambda args: args.text is not None, ("file",), "give the text or {flag}, not both"),
)


def generate_main(argv: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """``generate.py`` and ``strokesynth write``."""
    parser = _parser(prog)
    args = parser.parse_args(argv)
    check_exclusive(parser, args, _EXCLUSIVE)
    sources = (args.text, args.file, args.page)
    if not args.unconditional and all(source is None for source in sources) and sys.stdin.isatty():
        parser.error("there is no text: give it as an argument, with --file or through a pipe")

    def work() -> None:
        with _warnings_in_one_line(parser.prog):
            (_generate if args.page is None else _generate_page)(args)

    return guarded(parser.prog, work)


def _parser(prog: str | None) -> argparse.ArgumentParser:
    from strokesynth.ink.drawing import DrawingOptions
    from strokesynth.page.drawing import SheetOptions
    from strokesynth.page.layout import X_HEIGHT
    from strokesynth.synthesis.options import FREE_POINTS, WritingOptions

    parser = argparse.ArgumentParser(
        prog,
        description="Write a text by hand.",
        epilog="Each line of the text is written on a line of its own, all in one hand; with --page they are "
        "broken to fit the paper, and blank lines end paragraphs. The same seed writes the same ink.",
    )
    parser.add_argument("text", nargs="?", help="what to write; - reads it from stdin, and so does a pipe")
    parser.add_argument("--file", metavar="FILE", help="read the text from this file (UTF-8)")
    parser.add_argument(
        "--page", metavar="FILE", help="write the text in this file on pages of paper (- for stdin)"
    )
    parser.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        action="append",
        required=True,
        help="picture (.svg, .png, .pdf) or ink (.inkml, .json, .npz) to write; may be given several times",
    )
    group = parser.add_argument_group("writing")
    add_flags(group, WritingOptions)
    group.add_argument("--list-styles", action=_ListStyles, help="show the names of the hands there are")
    group.add_argument(
        "--no-proofread",
        dest="proofread",
        action="store_false",
        help="keep what was written first, read or unread: about twice as fast",
    )
    group.add_argument("--unconditional", action="store_true", help="let the network scribble without a text")
    group.add_argument(
        "--points", type=int, metavar="N", help=f"how much it scribbles, in pen points ({FREE_POINTS})"
    )
    group.add_argument("--weights", metavar="FILE", help="in place of those in the package")
    group = parser.add_argument_group("drawing")
    group.add_argument(
        "--x-height-mm",
        type=float,
        metavar="MM",
        help=f"({DrawingOptions.x_height_mm}; pages: by the rules, or {X_HEIGHT})",
    )
    group.add_argument(
        "--stroke-width",
        type=float,
        metavar="MM",
        help=f"({DrawingOptions.stroke_width_mm}; pages: {SheetOptions.stroke_width_mm})",
    )
    group.add_argument("--color", help=f"#rrggbb or a CSS name ({DrawingOptions.color})")
    group.add_argument(
        "--attention",
        metavar="FILE",
        help="also draw the window over the text (.png, .pdf, .svg); without proofreading",
    )
    add_page_arguments(parser)
    return parser


def _options(args: argparse.Namespace) -> WritingOptions:
    """The options of writing as they were given."""
    from strokesynth.synthesis.options import WritingOptions

    return WritingOptions(
        bias=args.bias,
        style=None if args.style is None else _style(args.style),
        seed=args.seed,
        on_unsupported=args.on_unsupported,
        proofread=args.proofread,
        candidates=args.candidates,
        limit=args.limit,
        one_hand=args.page is None,
    )


def _generate_page(args: argparse.Namespace) -> None:
    options = _options(args)
    text = _read_text("-", None) if args.page == "-" else _read_text(None, args.page)

    def load() -> Synthesizer:
        from strokesynth.synthesis.synthesizer import load_synthesizer

        return load_synthesizer(args.weights)

    write_pages(args, text, load, **options.keywords("one_hand"))


def _generate(args: argparse.Namespace) -> None:
    from strokesynth.ink import check_output
    from strokesynth.ink.drawing import DrawingOptions

    # What can be wrong with the call is found before the work.
    for path in args.out:
        check_output(path)
    drawing = {"x_height_mm": args.x_height_mm, "stroke_width_mm": args.stroke_width, "color": args.color}
    drawing = {name: value for name, value in drawing.items() if value is not None}
    DrawingOptions(**drawing)
    if args.attention is not None:
        if Path(args.attention).suffix.lower() not in _PICTURES:
            raise ValueError(f"{args.attention}: the window can be drawn as {', '.join(_PICTURES)}")
        check_writable(args.attention)
    lines = [] if args.unconditional else _read_text(args.text, args.file).splitlines()
    if args.attention is not None and (len(lines) != 1 or len(lines[0]) > _WINDOW_CHARACTERS):
        raise ValueError(f"--attention shows one line of at most {_WINDOW_CHARACTERS} characters")
    options = _options(args)

    from strokesynth.synthesis.synthesizer import load_synthesizer

    synthesizer = load_synthesizer(None if args.unconditional else args.weights, unconditional=args.weights)
    window = None
    if args.unconditional:
        points = {} if args.points is None else {"points": args.points}
        ink = synthesizer.write_freely(**points, bias=options.bias, seed=options.seed)
    elif args.attention is not None:
        unread = options.keywords("proofread", "candidates", "limit", "one_hand")
        ink, window = synthesizer.trace(lines[0], **unread)
    else:
        ink = _write_all(synthesizer, lines, options)
    for path in args.out:
        ink.save(path, **(drawing if Path(path).suffix.lower() in _PICTURES else {}))
    if window is not None:
        from strokesynth.plots import plot_attention

        with atomic_write(args.attention) as temporary:
            plot_attention(window, ink.text or "", ink).savefig(temporary)


def _read_text(text: str | None, file: str | None) -> str:
    """The text from the argument, the file, or stdin."""
    if text is not None and text != "-":
        return text
    try:
        return sys.stdin.read() if file is None else Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file or 'stdin'} is not text in UTF-8: {error}") from None


def _style(name: str) -> str | Style | Ink:
    """A hand by its name, or what the file of that name holds: a style, or ink."""
    from strokesynth.ink import Ink
    from strokesynth.synthesis.style import FORMAT, Style, styles

    path = Path(name)
    if name in styles() or not (path.suffix or path.exists()):
        return Style.of(name)
    if path.suffix.lower() == ".json" and FORMAT.encode() in path.read_bytes()[:200]:
        return Style.load(path)
    return Ink.load(path)


class _ListStyles(argparse.Action):
    """Prints the names of the styles, like --help, whatever else is asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from strokesynth.synthesis.style import styles

        print(*styles(), sep="\n")
        parser.exit()


@contextmanager
def _warnings_in_one_line(prog: str) -> Iterator[None]:
    """Show what the library warns its users of without a line of its source."""

    def show(message: Warning | str, category: type[Warning], *place: Any, **_: Any) -> None:
        if category is UserWarning:
            print(f"{prog}: warning: {message}", file=sys.stderr)
        else:
            before(message, category, *place, **_)

    with warnings.catch_warnings():
        before = warnings.showwarning
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield


def _write_all(synthesizer: Synthesizer, lines: list[str], options: WritingOptions) -> Ink:
    """The lines in one hand, one below another; empty ones leave their place empty."""
    from strokesynth.ink.lines import stack_lines
    from strokesynth.synthesis.spelling import spell

    if len(lines) < 2:
        return synthesizer.write("".join(lines), **options.keywords("one_hand"))
    rows = [row for row, line in enumerate(lines) if line.strip()]
    for row in rows:
        try:
            spell(lines[row], synthesizer.alphabet, options.on_unsupported)
        except ValueError as error:
            raise ValueError(f"line {row + 1}: {error}") from None
    if not rows:
        raise ValueError(f"all {len(lines)} lines of the text are empty: there is nothing to write")
    inks = synthesizer.write_lines([lines[row] for row in rows], **options.keywords())
    return stack_lines(inks, rows, pitch=LINE_PITCH)
