"""``recognize.py`` and ``strokesynth read``: handwriting in, text out; and how well that goes."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from strokesynth._files import atomic_write, check_writable
from strokesynth.cli._guard import guarded

if TYPE_CHECKING:
    from strokesynth.evaluation.recognition import RecognitionEvaluation
    from strokesynth.recognition.recognizer import Recognizer

_EVALUATION = ("split", "source", "limit", "report")  # options that go with --evaluate only
_CONFUSIONS = 20  # of those printed


def recognize_main(argv: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """``recognize.py`` and ``strokesynth read``."""
    from strokesynth import __version__

    parser = argparse.ArgumentParser(
        prog,
        description="Read handwriting from strokes.",
        epilog="A page is read line by line. A file that cannot be read is one line on stderr and does not stop the "
        "others. Exit status: 0 when all files were read, 1 when some were not, 2 when none was or the call is wrong.",
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="ink (.svg, .json, .npz, .inkml, .xml)")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object for each file, on a line of its own"
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    group = parser.add_argument_group("reading")
    group.add_argument(
        "--beam", type=int, metavar="N", help="search with so many prefixes, not for the best path"
    )
    group.add_argument("--language-model", action="store_true", help="let a language model of English help")
    group.add_argument(
        "--language-model-file", metavar="FILE", help="this one (.npz), in place of that in the package"
    )
    group.add_argument("--weight", type=float, metavar="X", help="of the language model")
    group.add_argument(
        "--alternatives", type=int, default=0, metavar="N", help="also give so many other readings"
    )
    group.add_argument("--weights", metavar="FILE", help="of the network, in place of those in the package")
    group = parser.add_argument_group("measuring")
    group.add_argument(
        "--evaluate",
        metavar="CORPUS",
        help="read the lines of a corpus (data_preprocessing.py --task recognition)",
    )
    group.add_argument(
        "--split", action="append", metavar="NAME", help="of the corpus; may be given several times"
    )
    group.add_argument("--source", action="append", metavar="NAME", help="of the corpus; likewise")
    group.add_argument("--limit", type=int, metavar="N", help="so many lines, evenly spread")
    group.add_argument("--report", metavar="FILE", help="also write all figures to this file (.json)")
    args = parser.parse_args(argv)
    if args.evaluate is None:
        if given := [f"--{name}" for name in _EVALUATION if getattr(args, name) is not None]:
            parser.error(f"{', '.join(given)} goes with --evaluate")
        if not args.files:
            parser.error("there is nothing to read: give files of ink, or --evaluate and a corpus")
    else:
        for name in ("files", "json", "alternatives"):
            if getattr(args, name):
                parser.error(
                    f"--evaluate reads a corpus: leave out {'the files' if name == 'files' else '--' + name}"
                )
        if args.limit is not None and args.limit < 1:
            parser.error(f"--limit is {args.limit}; expected at least 1")
    args.language_model = args.language_model or args.language_model_file is not None
    if args.weight is not None and not args.language_model:
        parser.error("--weight goes with --language-model")
    if args.evaluate is not None:
        return guarded(parser.prog, lambda: _evaluate(args))
    failed = 0

    def work() -> None:
        nonlocal failed
        failed = _read_files(args, parser.prog)

    status = guarded(parser.prog, work)
    return status or (0 if not failed else 1 if failed < len(args.files) else 2)


def _read_files(args: argparse.Namespace, prog: str) -> int:
    """Read and print them one by one; how many could not be read."""
    from strokesynth.recognition.recognizer import load_recognizer

    recognizer = load_recognizer(args.weights, language_model=args.language_model_file)
    options = {
        "beam": args.beam,
        "language_model": args.language_model,
        "weight": args.weight,
        "alternatives": args.alternatives,
    }
    recognizer.check(**options)  # what is wrong with the call is no fault of the files
    failed = 0
    for path in args.files:
        try:
            found = _read_file(recognizer, path, options)
        except (ValueError, OSError) as error:
            failed += 1
            message = " ".join(str(error).split())
            where = "" if str(path) in message else f"{path}: "
            print(f"{prog}: error: {where}{message}", file=sys.stderr)
            continue
        if args.json:
            print(json.dumps(found), flush=True)
        else:
            _print(found, path if len(args.files) > 1 else None)
    return failed


def _read_file(recognizer: Recognizer, path: str, options: dict[str, Any]) -> dict[str, Any]:
    """What one file says, as JSON has it."""
    from strokesynth import __version__
    from strokesynth.ink import Ink

    page = recognizer.read_page(Ink.load(path), **options)
    model = {"version": __version__, "note": recognizer.note}
    return {"file": str(path), **page.to_dict(), "model": model}


def _print(found: dict[str, Any], path: str | None) -> None:
    """The text; with the file's name before each line where there are several files, and alternatives indented."""
    for line in found["lines"]:
        print(line["text"] if path is None else f"{path}: {line['text']}")
        for other in line["alternatives"]:
            print(f"    {other['confidence']:.3f}  {other['text']}")
    sys.stdout.flush()


def _evaluate(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from strokesynth.datasets.corpus import Corpus, spread
    from strokesynth.evaluation.recognition import evaluate
    from strokesynth.recognition.recognizer import DEFAULT_BEAM, load_recognizer

    if args.report is not None:
        check_writable(args.report)
    recognizer = load_recognizer(args.weights, language_model=args.language_model_file)
    corpus = Corpus.load(args.evaluate)
    if corpus.task != "recognition":
        raise ValueError(f"{args.evaluate} is a corpus for {corpus.task}: make one with --task recognition")
    indices = corpus.select(args.split, args.source)
    if args.limit is not None:
        indices = spread(indices, args.limit)
    if not len(indices):
        raise ValueError(f"{args.evaluate} has no line of these splits and sources")
    ways: dict[str, dict[str, Any]] = {"best path": {}}
    if args.beam is not None:
        ways[f"beam of {args.beam}"] = {"beam": args.beam}
    if args.language_model:
        beam = DEFAULT_BEAM if args.beam is None else args.beam
        ways[f"beam of {beam} and language model"] = {
            "beam": args.beam,
            "language_model": True,
            "weight": args.weight,
        }
    for options in ways.values():
        recognizer.check(**options)
    results = {}
    for name, options in ways.items():
        with tqdm(total=len(indices), unit="line", desc=name, leave=False) as bar:
            results[name] = evaluate(recognizer, corpus, indices, progress=bar.update, **options)
    _show(results)
    if args.report is not None:
        report = {
            "corpus": str(args.evaluate),
            "split": args.split,
            "source": args.source,
            "weights": args.weights,
            "note": recognizer.note,
            "scoring": "runs of blanks count as one, those at the ends not at all; case and punctuation count",
            "results": {name: result.to_dict() for name, result in results.items()},
        }
        with atomic_write(args.report) as temporary:
            temporary.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def _show(results: dict[str, RecognitionEvaluation]) -> None:
    first = next(iter(results.values()))
    print(
        f"{first.lines} lines of {first.writers} writers, {first.cer.length} characters, {first.wer.length} words"
    )
    print("scored with runs of blanks as one and none at the ends; case and punctuation count")
    print("intervals: 95 %, bootstrap over writers\n")
    print(f"{'':34}{'CER':>24}{'WER':>26}{'right lines':>13}{'AUC':>7}{'lines/s':>9}")
    for name, result in results.items():
        print(
            f"{name:34}{result.cer!s:>24}{result.wer!s:>26}{100 * result.right_lines:>11.1f} %"
            f"{result.auc:>7.3f}{result.lines_per_second:>9.0f}"
        )
    name, last = list(results.items())[-1]
    print(f"\nconfidence and errors ({name}):")
    for part in last.calibration:
        if part.lines:
            error = 100 * part.character_error
            print(f"  {part.low:.2f} to {part.high:.2f}  {part.lines:6} lines  CER {error:5.1f} %")
    print("\nworst lines:")
    for line in last.worst:
        print(
            f"  {line.id}: {line.edits} edits, confidence {line.confidence:.2f}\n    {line.written}\n    {line.read}"
        )
    print("\nwritten → read (nothing: ∅):")
    marks = {"": "∅", " ": "␣"}
    shown = [
        f"{marks.get(c.written, c.written)} → {marks.get(c.read, c.read)} {c.times:5}"
        for c in last.confusions[:_CONFUSIONS]
    ]
    for start in range(0, len(shown), 5):
        print("  " + "   ".join(shown[start : start + 5]))
