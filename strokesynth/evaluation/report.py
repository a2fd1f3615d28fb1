"""The report of an evaluation: its folder with figures and pictures, and tables of what was measured."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strokesynth._files import atomic_write, check_writable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from strokesynth.evaluation.synthesis import Result

REPORT = "evaluation.json"
FORMAT = "strokesynth-evaluation"
_GOOD = {"letters": 0.97, "digits": 0.97, "marks": 0.8}  # share of writings recognised; less is named


class Report:
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
        self.parts[part] = plain(result.figures)
        with atomic_write(self.file) as temporary:
            document = json.dumps(self.head | {"parts": self.parts}, indent=1)
            temporary.write_text(document + "\n", encoding="utf-8")

    def draw(self) -> None:
        """Save the charts of what is there."""
        from strokesynth.evaluation.charts import CHARTS
        from strokesynth.synthesis.synthesizer import DEFAULT_BIAS

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


def plain(value: Any) -> Any:
    """The value as it comes back from JSON, with None for numbers that are not finite."""
    return json.loads(json.dumps(value), parse_constant=lambda _: None)


# --- tables -----------------------------------------------------------------------------------------------

TITLES = {
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
    from strokesynth.evaluation.synthesis import GROUPS

    writings = figures["of"]
    for reader, found in figures["readers"].items():
        yield f"read by {reader}, {writings} writings of each: " + ", ".join(
            f"{group} {100 * share:.1f} %" for group, share in found["groups"].items()
        )
        for group, good in _GOOD.items():
            weak = sorted(
                (times / writings, c)
                for c, times in found["recognised"].items()
                if GROUPS[group](c) and times < good * writings
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


TABLES = {
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
