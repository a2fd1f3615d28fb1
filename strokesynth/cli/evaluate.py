"""``evaluate.py`` and ``strokesynth evaluate``: how well it writes, in figures and pictures."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strokesynth._files import atomic_write, check_writable
from strokesynth.cli._guard import guarded

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from strokesynth.assessment import Assessment, Result
    from strokesynth.legibility import Progress

SECTIONS = {
    "legibility": ("legibility", "legibility_proofread", "real"),
    "characters": ("characters", "characters_proofread"),
    "bias": ("bias",),
    "variety": ("variety",),
    "nats": ("nats",),
    "speed": ("speed",),
}
"""What can be chosen, and the parts of each."""

REPORT = "evaluation.json"
FORMAT = "strokesynth-evaluation"
_COUNTS = ("seed", "lines", "per_character")  # options that are numbers
_FLATTERS = "it is the reader that proofreads, and flatters what it proofread: give another with --reader"
_GOOD = {"letters": 0.97, "digits": 0.97, "marks": 0.8}  # share of writings recognised; less is named


def evaluate_main(argv: Sequence[str] | None = None, *, prog: str | None = None) -> int:
    """``evaluate.py`` and ``strokesynth evaluate``."""
    from strokesynth import __version__

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
    parser.add_argument("--seed", type=int, metavar="N", help="of the texts and the writing (0)")
    parser.add_argument("--lines", type=int, metavar="N", help="of each kind (200)")
    parser.add_argument("--per-character", type=int, metavar="N", help="writings of each character (50)")
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
    from strokesynth import recognizer, synthesizer
    from strokesynth.assessment import QUICK, Assessment, Options
    from strokesynth.corpus import Corpus

    given = {name: getattr(args, name) for name in _COUNTS if getattr(args, name) is not None}
    options = replace(QUICK if args.quick else Options(), **given)
    weights = args.weights or synthesizer.WEIGHTS / "synthesis.safetensors"
    readers = _readers(args.reader, recognizer.WEIGHTS)
    proofreader = _digest(recognizer.WEIGHTS / "recognition.safetensors")
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
    report = _Report(args.out, _plain(setup), warnings, resume=args.resume)
    loaded = {name: recognizer.load_recognizer(path) for name, path in readers.items()}
    print(f"written with {weights}")
    for name, reader in loaded.items():
        print(f"read by {name}: {reader.note.split(';')[0]}")
    report.warn()
    assessment = Assessment(
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


def _go(assessment: Assessment, report: _Report, parts: Sequence[str]) -> None:
    """Measure, print and save the parts that are not there yet."""
    for part in parts:
        if not assessment.available(part):
            what = {"real": "--corpus", "nats": "--generation-corpus"}[part]
            print(f"\n{_TITLES[part]}: left out, as there is no {what}")
            continue
        if part not in report.parts:
            report.add(part, assessment.parts[part]())
        print(f"\n{_TITLES[part]}")
        for line in _TABLES[part](report.parts[part]):
            print(f"  {line}".rstrip(), flush=True)
        if part == "variety" and assessment.corpus is None:
            print("  nothing to compare with, as there is no --corpus")
    report.draw()


class _Report:
    """The folder with the figures, as they come, and pictures of them."""

    def __init__(self, folder: Path, setup: dict[str, Any], warnings: Sequence[str], *, resume: bool) -> None:
        self.folder, self.file, self.warnings = folder, folder / REPORT, list(warnings)
        self.head = {"format": FORMAT, "setup": setup, "warnings": self.warnings}
        self.parts: dict[str, Any] = {}
        if resume:
            self._load(setup)
        elif self.file.exists():
            raise ValueError(
                f"{str(folder)!r} already holds an evaluation: --resume goes on with it, --out names another folder"
            )
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"--out is {str(folder)!r}, a file; expected the name of a folder")

    def open(self) -> None:
        """Make the folder, and be sure that the figures can be saved there before they are measured."""
        self.folder.mkdir(parents=True, exist_ok=True)
        check_writable(self.file)

    def _load(self, setup: dict[str, Any]) -> None:
        try:
            document = json.loads(self.file.read_bytes())
        except FileNotFoundError:
            raise FileNotFoundError(
                f"{str(self.folder)!r} holds no evaluation to resume: there is no {REPORT} in it"
            ) from None
        except ValueError as error:
            raise ValueError(f"{self.file} is not a report of an evaluation ({error})") from error
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ValueError(f"{self.file} is not a report of an evaluation")
        before, started = document["setup"], f"the evaluation in {str(self.folder)!r} was started with"
        options = before["options"]
        if changed := [key for key, value in setup["options"].items() if options.get(key) != value]:
            raise ValueError(f"{started} {', '.join(f'{key} {options.get(key)}' for key in changed)}")
        if other := [name for name in setup if before.get(name) != setup[name]]:
            raise ValueError(f"{started} other files: {', '.join(other)}")
        self.parts = document["parts"]

    def add(self, part: str, result: Result) -> None:
        """Save what a part found."""
        from strokesynth.plots import plot_lines

        name = {"legibility": "worst", "legibility_proofread": "worst-proofread"}.get(part)
        if name is not None and result.sheet:
            inks, titles = zip(*result.sheet, strict=True)
            self._save(plot_lines(inks, titles, columns=2, width=14.0), name)
        self.parts[part] = _plain(result.figures)
        with atomic_write(self.file) as temporary:
            document = json.dumps(self.head | {"parts": self.parts}, indent=1)
            temporary.write_text(document + "\n", encoding="utf-8")

    def draw(self) -> None:
        """Save the charts of what is there."""
        from strokesynth.charts import CHARTS
        from strokesynth.synthesizer import DEFAULT_BIAS

        for name, (chart, needed) in CHARTS.items():
            if self.parts.keys() & set(needed):
                more = {"default": DEFAULT_BIAS} if name == "bias" else {}
                self._save(chart(self.parts, **more), name)

    def _save(self, figure: Figure, name: str) -> None:
        with atomic_write(self.folder / f"{name}.png") as temporary:
            figure.savefig(temporary)

    def warn(self) -> None:
        """Say what is to be known about the figures."""
        for warning in self.warnings:
            print(f"WARNING: {warning}", flush=True)


def _readers(given: Sequence[str] | None, weights: Path) -> dict[str, Path]:
    """The readers' files by name; without any given, the one in the package, which also proofreads."""
    if given:
        return {name: Path(name) for name in given}
    return {"reader": weights / "recognition.safetensors"}


def _digest(path: str | Path) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def _plain(value: Any) -> Any:
    """The value as it comes back from JSON, with None for numbers that are not finite."""
    return json.loads(json.dumps(value), parse_constant=lambda _: None)


@contextmanager
def _bar(what: str, steps: int) -> Iterator[Progress]:
    from tqdm import tqdm

    with tqdm(total=steps, desc=what, unit="line", leave=False) as bar:
        yield bar.update


# --- tables -----------------------------------------------------------------------------------------------

_TITLES = {
    "legibility": "Legibility by kind of line, as written",
    "legibility_proofread": "Legibility by kind of line, proofread",
    "real": "The same readers on lines that people wrote (held out)",
    "characters": "Characters, each in its usual company, as written",
    "characters_proofread": "Characters, each in its usual company, proofread",
    "bias": "Plain sentences against the bias, not proofread",
    "variety": "How far apart two writings of a word are, in x-heights",
    "nats": "Nats of held-out ink",
    "speed": "Speed",
}


def _legibility(figures: Mapping[str, Any]) -> Iterator[str]:
    for reader, rows in figures["readers"].items():
        yield f"read by {reader}"
        yield _scores_head("")
        for kind, score in rows.items():
            yield _scores(kind, score)
        yield f"{'failed altogether':20}{sum(s['failed'] for s in rows.values()):>61} of {_total(rows)}"


def _bias(figures: Mapping[str, Any]) -> Iterator[str]:
    for reader, rows in figures["readers"].items():
        yield f"read by {reader}"
        yield _scores_head("bias")
        for score in rows:
            yield _scores(f"{score['bias']:g}", score)


def _characters(figures: Mapping[str, Any]) -> Iterator[str]:
    from strokesynth.assessment import GROUPS

    of = figures["of"]
    for reader, found in figures["readers"].items():
        yield f"read by {reader}, {of} writings of each: " + ", ".join(
            f"{group} {100 * share:.1f} %" for group, share in found["groups"].items()
        )
        for group, good in _GOOD.items():
            weak = sorted(
                (times / of, c)
                for c, times in found["recognised"].items()
                if GROUPS[group](c) and times < good * of
            )
            shown = ", ".join(f"{c} {100 * share:.0f}" for share, c in weak)
            yield f"{group} below {100 * good:.0f} %: {shown or 'none'}"
    marks = {"": "∅", " ": "␣"}
    worst = [(marks.get(c["written"], c["written"]), marks.get(c["read"], c["read"]), c["times"])
             for c in figures["confusions"][:12]]  # fmt: skip
    yield "most often (∅: nothing): " + ", ".join(f"{a} → {b} {times}" for a, b, times in worst)


def _variety(figures: Mapping[str, Any]) -> Iterator[str]:
    for kind, values in figures["x_heights"].items():
        yield f"{kind:14}{_between(values, 'mean', 3)}  {figures['pairs'][kind]:5} pairs"
    for row in figures["ratios"]:
        yield f"{row['of']} / {row['to']}: {_between(row, 'ratio', 2)}"
    yield f"words: {' '.join(figures['words']) or 'none that all have often enough'}"


def _nats(figures: Mapping[str, Any]) -> Iterator[str]:
    yield f"{'':20}{'a point':>10}{'a line':>10}{'squared error':>16}{'lines':>8}"
    for source, row in figures["sources"].items():
        lines = figures["lines"].get(source, sum(figures["lines"].values()))
        yield (
            f"{source:20}{row['nats_per_point']:>10.3f}{row['nats_per_sequence']:>10.1f}"
            f"{row['squared_error_per_point']:>16.2f}{lines:>8}"
        )


def _speed(figures: Mapping[str, Any]) -> Iterator[str]:
    for name, rate in figures["points_per_second"].items():
        yield f"{name}: {rate:,.0f} points/s"
    page, seconds = figures["page"]["characters"], figures["page"]["seconds"]
    factor = seconds["proofread"] / seconds["plain"]
    yield (
        f"page of {page} characters: {seconds['plain']:.1f} s, proofread {seconds['proofread']:.1f} s "
        f"({factor:.1f} times)"
    )
    yield ", ".join(f"{key} {value}" for key, value in figures["machine"].items())


_TABLES = {
    "legibility": _legibility,
    "legibility_proofread": _legibility,
    "real": _legibility,
    "characters": _characters,
    "characters_proofread": _characters,
    "bias": _bias,
    "variety": _variety,
    "nats": _nats,
    "speed": _speed,
}


def _scores_head(first: str) -> str:
    return f"{first:20}{'CER, %':>22}{'WER, %':>26}{'failed':>13} of lines"


def _scores(name: str, score: Mapping[str, Any]) -> str:
    rates = (_between({k: _times(score[m][k], 100) for k in score[m]}, "rate", 2) for m in ("cer", "wer"))
    cer, wer = rates
    return f"{name:20}{cer:>22}{wer:>26}{score['failed']:>13} of {score['lines']}"


def _between(values: Mapping[str, Any], name: str, digits: int) -> str:
    if values[name] is None:
        return "–"
    return f"{values[name]:.{digits}f} ({values['low']:.{digits}f} to {values['high']:.{digits}f})"


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else factor * value


def _total(rows: Mapping[str, Any]) -> int:
    return sum(score["lines"] for score in rows.values())
