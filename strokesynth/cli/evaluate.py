"""``evaluate.py`` and ``strokesynth evaluate``: how well it writes, in figures and pictures."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from strokesynth.cli._guard import guarded
from strokesynth.evaluation.report import TABLES, TITLES, Report, plain

if TYPE_CHECKING:
    from strokesynth.evaluation.legibility import Advance
    from strokesynth.evaluation.synthesis import SynthesisEvaluation

SECTIONS = {
    "legibility": ("legibility", "legibility_proofread", "real"),
    "characters": ("characters", "characters_proofread"),
    "bias": ("bias",),
    "variety": ("variety",),
    "nats": ("nats",),
    "speed": ("speed",),
}
"""What can be chosen, and the parts of each."""
_COUNTS = ("seed", "lines", "per_character")  # options that are numbers
_FLATTERS = "it is the reader that proofreads, and flatters what it proofread: give another with --reader"


def evaluate_main(argv: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """``evaluate.py`` and ``strokesynth evaluate``."""
    from strokesynth import __version__
    from strokesynth.evaluation.synthesis import Options

    parser = argparse.ArgumentParser(
        prog,
        description="Measure how well the synthesis network writes: how legible that is to a recogniser, by kind of "
        "line, by character and against the bias, with and without proofreading; how varied; how likely held-out ink "
        "is to it; how fast it writes. Prints the figures and saves them with pictures. The same seed gives the same "
        "figures, but for the speed.",
        epilog="Without a corpus there is nothing to compare with: the parts on people's writing are left out. Ctrl-C "
        "keeps what is measured, and --resume goes on.",
    )
    parser.add_argument(
        "--out", default="runs/evaluation", type=Path, metavar="FOLDER", help="for the report (%(default)s)"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the evaluation in that folder")
    parser.add_argument(
        "--only", nargs="+", choices=SECTIONS, metavar="SECTION", help=f"of: {', '.join(SECTIONS)}"
    )
    parser.add_argument("--quick", action="store_true", help="a first look in a minute or so; says little")
    parser.add_argument(
        "--no-proofread", action="store_true", help="leave out what is proofread, which takes longest"
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help=f"of the texts and the writing ({Options.seed})"
    )
    parser.add_argument("--lines", type=int, metavar="N", help=f"of each kind ({Options.lines})")
    parser.add_argument(
        "--per-character", type=int, metavar="N", help=f"writings of each character ({Options.per_character})"
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    group = parser.add_argument_group("files")
    group.add_argument(
        "--weights", metavar="FILE", help="of the synthesis network, in place of those in the package"
    )
    group.add_argument(
        "--reader",
        action="append",
        metavar="FILE",
        help="weights of a recogniser to read with, best one that has nothing to do with the proofreading one; may be "
        "given several times, the first is the main one",
    )
    group.add_argument(
        "--corpus",
        metavar="FILE",
        help="people's lines to compare with (data_preprocessing.py --task recognition)",
    )
    group.add_argument(
        "--generation-corpus",
        metavar="FILE",
        help="for the nats per point (data_preprocessing.py --task generation)",
    )
    args = parser.parse_args(argv)
    return guarded(parser.prog, lambda: _evaluate(args))


def _evaluate(args: argparse.Namespace) -> None:
    from strokesynth.datasets.corpus import Corpus
    from strokesynth.evaluation.synthesis import QUICK, Options, SynthesisEvaluation
    from strokesynth.nn.weights import packaged
    from strokesynth.recognition import recognizer
    from strokesynth.synthesis import synthesizer

    given = {name: getattr(args, name) for name in _COUNTS if getattr(args, name) is not None}
    options = replace(QUICK if args.quick else Options(), **given)
    weights = args.weights or packaged("synthesis.safetensors")
    readers = {name: Path(name) for name in args.reader or ()} or {
        "reader": packaged("recognition.safetensors")
    }
    proofreader = _digest(packaged("recognition.safetensors"))
    shas = {name: _digest(path) for name, path in readers.items()}
    setup = {
        "options": asdict(options),
        "weights": _digest(weights),
        "proofreader": proofreader,
        "readers": shas,
        "corpus": args.corpus and _digest(args.corpus),
        "generation_corpus": args.generation_corpus and _digest(args.generation_corpus),
    }
    warnings = [f"{name}: {_FLATTERS}" for name, sha in shas.items() if sha == proofreader]
    report = Report(args.out, plain(setup), warnings, resume=args.resume)
    loaded = {name: recognizer.load_recognizer(path) for name, path in readers.items()}
    print(f"written with {weights}")
    for name, reader in loaded.items():
        print(f"read by {name}: {reader.note.split(';')[0]}")
    report.warn()
    assessment = SynthesisEvaluation(
        synthesizer.load_synthesizer(args.weights),
        loaded,
        options,
        corpus=None if args.corpus is None else Corpus.load(args.corpus),
        generation_corpus=None if args.generation_corpus is None else Corpus.load(args.generation_corpus),
        bar=_bar,
    )
    report.open()
    parts = [part for section in args.only or SECTIONS for part in SECTIONS[section]]
    if args.no_proofread:
        parts = [part for part in parts if not part.endswith("_proofread")]
    try:
        _go(assessment, report, parts)
    except KeyboardInterrupt:
        print(f"\nstopped; what was measured is in {args.out}, and --resume goes on", file=sys.stderr)
        raise
    report.warn()
    print(f"\nfigures and pictures: {args.out}")


def _go(assessment: SynthesisEvaluation, report: Report, parts: Sequence[str]) -> None:
    """Measure, print and save the parts that are not there yet."""
    for part in parts:
        if not assessment.available(part):
            what = {"real": "--corpus", "nats": "--generation-corpus"}[part]
            print(f"\n{TITLES[part]}: left out, as there is no {what}")
            continue
        if part not in report.parts:
            report.add(part, assessment.parts[part]())
        print(f"\n{TITLES[part]}")
        for line in TABLES[part](report.parts[part]):
            print(f"  {line}".rstrip(), flush=True)
        if part == "variety" and assessment.corpus is None:
            print("  nothing to compare with, as there is no --corpus")
    report.draw()


def _digest(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


@contextmanager
def _bar(what: str, steps: int) -> Iterator[Advance]:
    from tqdm import tqdm

    with tqdm(total=steps, desc=what, unit="line", leave=False) as bar:
        yield bar.update
