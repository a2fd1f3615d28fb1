"""The `strokesynth` command, whose parts the scripts `generate.py`, `train.py` and `data_preprocessing.py` share.

Exit status: 0 when all went well, 2 for a wrong call or bad input, 1 where the work itself failed, 130 after Ctrl-C.
Whatever goes wrong with what was given is one line on stderr.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strokesynth import __version__
from strokesynth._files import atomic_write, check_writable

if TYPE_CHECKING:
    from strokesynth.ink import Ink
    from strokesynth.synthesizer import Synthesizer

TASKS = ("conditional_handwriting", "unconditional_handwriting")
LINE_PITCH = 4.2  # from baseline to baseline, in x-heights: people's lines reach about 2.5 up and 1.5 down
_PICTURES = (".svg", ".png", ".pdf")
_WINDOW_CHARACTERS = 200  # of which a picture of the window can still be looked at


def main(argv: Sequence[str] | None = None) -> int:
    """The ``strokesynth`` command."""
    commands = {"write": generate_main, "train": train_main, "prepare": prepare_main}
    parser = argparse.ArgumentParser("strokesynth", description="Text in, handwriting out.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("command", choices=commands, help="see strokesynth COMMAND --help")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of the command")
    args = parser.parse_args(argv)
    return commands[args.command](args.arguments, prog=f"{parser.prog} {args.command}")


def generate_main(argv: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """``generate.py`` and ``strokesynth write``."""
    from strokesynth.render import DrawingOptions

    parser = argparse.ArgumentParser(
        prog,
        description="Write a text by hand.",
        epilog="Each line of the text is written on a line of its own, all in one hand; laying them out on pages of "
        "paper is still to come. The same seed writes the same ink.",
    )
    parser.add_argument("text", nargs="?", help="what to write; - reads it from stdin, and so does a pipe")
    parser.add_argument("--file", metavar="FILE", help="read the text from this file (UTF-8)")
    parser.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        action="append",
        required=True,
        help="picture (.svg, .png, .pdf) or ink (.json, .npz) to write; may be given several times",
    )
    group = parser.add_argument_group("writing")
    group.add_argument("--bias", type=float, metavar="X", help="neatness: 0 is as trained, 2 is very regular")
    group.add_argument(
        "--seed", type=int, metavar="N", help="a whole number from 0 on; without it, always new"
    )
    group.add_argument("--style", metavar="FILE", help="go on in the hand of this ink (.svg, .json, .npz)")
    group.add_argument("--unconditional", action="store_true", help="let the network scribble without a text")
    group.add_argument("--points", type=int, metavar="N", help="how much it scribbles, in pen points (700)")
    group.add_argument("--weights", metavar="FILE", help="in place of those in the package")
    group = parser.add_argument_group("drawing")
    group.add_argument("--x-height-mm", type=float, metavar="MM", help=f"({DrawingOptions.x_height_mm})")
    group.add_argument("--stroke-width", type=float, metavar="MM", help=f"({DrawingOptions.stroke_width_mm})")
    group.add_argument("--color", help=f"#rrggbb or a CSS name ({DrawingOptions.color})")
    group.add_argument(
        "--attention", metavar="FILE", help="also draw the window over the text (.png, .pdf, .svg)"
    )
    args = parser.parse_args(argv)
    if args.unconditional:
        for name in ("text", "file", "style", "attention"):
            if getattr(args, name) is not None:
                parser.error(
                    f"--unconditional writes no text: leave out {name if name == 'text' else '--' + name}"
                )
    elif args.points is not None:
        parser.error("--points goes with --unconditional")
    elif args.text is not None and args.file is not None:
        parser.error("give the text or --file, not both")
    elif args.text is None and args.file is None and sys.stdin.isatty():
        parser.error("there is no text: give it as an argument, with --file or through a pipe")
    return _guarded(parser.prog, lambda: _generate(args))


def _generate(args: argparse.Namespace) -> None:
    from strokesynth.ink import Ink, check_output
    from strokesynth.render import DrawingOptions

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
    style = None if args.style is None else Ink.load(args.style)

    from strokesynth.synthesizer import load_synthesizer

    synthesizer = load_synthesizer(None if args.unconditional else args.weights, unconditional=args.weights)
    options = {"bias": args.bias, "seed": args.seed}
    window = None
    if args.unconditional:
        ink = synthesizer.write_freely(700 if args.points is None else args.points, **options)
    elif args.attention is not None:
        ink, window = synthesizer.trace(lines[0], style=style, **options)
    else:
        ink = _write_all(synthesizer, lines, style=style, **options)
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


def _write_all(synthesizer: Synthesizer, lines: list[str], **options: Any) -> Ink:
    """The lines in one hand, one below another; empty ones leave their place empty."""
    from strokesynth.alphabet import fold
    from strokesynth.ink import Ink

    if len(lines) < 2:
        return synthesizer.write("".join(lines), **options)
    rows = [row for row, line in enumerate(lines) if line.strip()]
    for row in rows:
        try:
            synthesizer.alphabet.check(fold(lines[row]))
        except ValueError as error:
            raise ValueError(f"line {row + 1}: {error}") from None
    if not rows:
        raise ValueError(f"all {len(lines)} lines of the text are empty: there is nothing to write")
    inks = synthesizer.write_lines([lines[row] for row in rows], one_hand=True, **options)
    strokes: list[Any] = []
    characters: list[Any] = []
    text = ""
    for row, ink in zip(rows, inks, strict=True):
        text += "\n" * (row - text.count("\n"))
        strokes += ink.translate(0.0, row * LINE_PITCH).strokes
        characters += [indices + len(text) for indices in ink.characters or ()]
        text += ink.text or ""
    return Ink.from_strokes(strokes, text, characters)


def prepare_main(argv: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """``data_preprocessing.py`` and ``strokesynth prepare``."""
    from strokesynth.corpus import TASKS as CORPUS_TASKS

    parser = argparse.ArgumentParser(
        prog, description="Prepare one corpus file for training from handwriting databases."
    )
    parser.add_argument(
        "--task", choices=CORPUS_TASKS, default=CORPUS_TASKS[0], help="what it is for (%(default)s)"
    )
    parser.add_argument("--iam", metavar="DIR", help="IAM-OnDB: its archives or what is unpacked from them")
    parser.add_argument("--unipen", metavar="DIR", help="UNIPEN train_r01_v07, original or parsed (.npz)")
    parser.add_argument("--npy", metavar="FILE", help="strokes-py3.npy, with sentences.txt beside it")
    parser.add_argument("-o", "--out", metavar="FILE", default="data/corpus.npz", help="corpus (%(default)s)")
    parser.add_argument("--workers", type=int, metavar="N", help="processes (one for each core)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="for composed lines (%(default)s)")
    args = parser.parse_args(argv)

    def work() -> None:
        from strokesynth.preparation import describe, prepare_corpus

        options = {name: getattr(args, name) for name in ("iam", "unipen", "npy", "workers", "seed")}
        print(describe(prepare_corpus(args.task, args.out, **options)))

    return _guarded(parser.prog, work)


def train_main(argv: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """``train.py`` and ``strokesynth train``."""
    from strokesynth.training import TrainingOptions

    parser = argparse.ArgumentParser(prog, description="Train a network on a corpus.")
    parser.add_argument(
        "--task", choices=TASKS, default=TASKS[0], help="with or without a text (%(default)s)"
    )
    parser.add_argument("--corpus", required=True, metavar="FILE", help="made by data_preprocessing.py")
    parser.add_argument("--out", required=True, metavar="DIR", type=Path, help="run folder, such as runs/x")
    parser.add_argument("--resume", action="store_true", help="go on with the run in that folder")
    parser.add_argument(
        "--init", metavar="WEIGHTS", help="start from the weights in this file (.safetensors)"
    )
    parser.add_argument(
        "--repeat",
        metavar="SOURCE=N",
        action="append",
        default=[],
        type=_repeat,
        help="how often an epoch has the lines of a source, such as composed=0.5; may be given several times",
    )
    parser.add_argument("--hidden-size", type=int, metavar="N", help="cells of each layer (400)")
    group = parser.add_argument_group("training")
    for option in fields(TrainingOptions):
        assert not isinstance(option.default, str)
        kind = type(option.default)
        metavar = "N" if kind is int else "X"
        flag = "--" + option.name.replace("_", "-")
        group.add_argument(flag, type=kind, default=option.default, metavar=metavar, help="%(default)s")
    args = parser.parse_args(argv)
    return _guarded(parser.prog, lambda: _train(args))


def _train(args: argparse.Namespace) -> None:
    import torch

    from strokesynth.corpus import Corpus
    from strokesynth.handwriting import HandwritingTask
    from strokesynth.nn.transfer import warm_start
    from strokesynth.training import TrainingOptions, prepare_process, train
    from strokesynth.weights_file import load_weights

    prepare_process()  # before the first product: threads take its settings from the one that starts them
    if args.init and args.resume:
        raise ValueError("--init starts a new run and --resume goes on with one: give only one of them")
    options = TrainingOptions(
        **{option.name: getattr(args, option.name) for option in fields(TrainingOptions)}
    )
    task = HandwritingTask(
        args.task,
        Corpus.load(args.corpus),
        batch_size=options.batch_size,
        seed=options.seed,
        config={} if args.hidden_size is None else {"hidden_size": args.hidden_size},
        repeats=dict(args.repeat),
    )
    if args.init:
        start = load_weights(args.init)
        if start.alphabet != task.alphabet:
            raise ValueError(f"{args.init!r} has another alphabet: {start.alphabet.characters!r}")
        warm_start(task.network, start.network)
    if "RANK" in os.environ and "WORLD_SIZE" in os.environ:  # started by torchrun
        torch.distributed.init_process_group("gloo")
    train(task, args.out, options, resume=args.resume)


def _repeat(text: str) -> tuple[str, float]:
    source, _, number = text.partition("=")
    try:
        count = float(number)
    except ValueError:
        count = -1.0
    if not source or not 0 <= count < 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not SOURCE=N with a number N from 0 on")
    return source, count


def _guarded(prog: str, work: Callable[[], None]) -> int:
    """Do the work; turn what went wrong into one line on stderr and an exit status."""
    try:
        work()
    except KeyboardInterrupt:
        return 130
    except (ValueError, OSError) as error:
        print(f"{prog}: error: {' '.join(str(error).split())}", file=sys.stderr)
        # A network that fails (SynthesisError) and a full disk are not the fault of what was given.
        given = isinstance(error, (ValueError, FileNotFoundError)) and not isinstance(error, RuntimeError)
        return 2 if given else 1
    return 0
