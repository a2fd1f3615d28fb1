"""From handwriting databases to a corpus: read, normalise, leave out what would teach nonsense, report.

This is the job and its account; what a line must look like is in `fitness`, how it is normalised in `normalization`.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from tqdm import tqdm

from strokesynth._files import atomic_write, check_writable
from strokesynth.datasets.composition import composed_lines, joined_words, lend_symbols
from strokesynth.datasets.corpus import TASKS, Corpus
from strokesynth.datasets.iam import read_iam
from strokesynth.datasets.isolated import WriterSamples, characters_by_writer
from strokesynth.datasets.normalization import Labelled, normalize_again, normalize_group
from strokesynth.datasets.sample import (
    COMPOSED,
    IAM,
    NPY,
    UNIPEN_CHARS,
    UNIPEN_TEXT,
    UNIPEN_WORDS,
    Label,
    ReadReport,
    Sample,
)
from strokesynth.datasets.strokes_npy import read_strokes_npy
from strokesynth.datasets.unipen import read_unipen
from strokesynth.datasets.unipen_npz import read_unipen_npz
from strokesynth.ink import Ink

COMPOSED_POINTS = {"generation": 4_200_000, "recognition": 2_000_000}
"""About how many points of a corpus are those of composed lines, by task."""

WORDS_OF_WRITER = 60
"""Words that are kept of each writer: a few wrote thousands."""

# Samples that are kept of one character by one writer, and how many of these a recogniser sees by themselves.
_MOST, _MOST_ALONE = 8, 3
# Different characters that lines are composed of, at least.
_LEAST_CHARACTERS = 10
# Words of one writer that lines are composed of, at most.
_MOST_WORDS = 400
# Samples that are normalised together, at most.
_GROUP = 40

# Source, what the writer wrote, about how many points to compose (words are all used), and the seed.
_Composition = tuple[str, WriterSamples, int, int]


@dataclass
class Account:
    """What became of the samples of one source."""

    read: int = 0
    kept: int = 0
    points: int = 0
    characters: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def keep(self, label: Label, offsets: np.ndarray) -> Labelled:
        """Count a sample that goes into the corpus."""
        self.kept += 1
        self.points += len(offsets)
        self.characters += len(label.text)
        return label, offsets

    def add(self, report: ReadReport) -> None:
        """Count what a reader could not read."""
        self.read += len(report.skipped)
        # The particulars after the colon would make every reason a different one.
        self.dropped.update(f"unreadable: {reason.split(':')[0]}" for _, reason in report.skipped)
        self.notes += report.notes

    def as_dict(self) -> dict[str, Any]:
        """Return the account as the report has it."""
        return {
            "read": self.read,
            "kept": self.kept,
            "dropped": dict(self.dropped.most_common()),
            "points": self.points,
            "characters": self.characters,
            "points_per_character": round(self.points / max(1, self.characters), 2),
            "notes": self.notes,
        }


def prepare_corpus(
    task: str,
    out: str | Path,
    *,
    iam: str | Path | None = None,
    unipen: str | Path | None = None,
    npy: str | Path | None = None,
    workers: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> dict[str, Any]:
    """Make the corpus file ``out`` for ``task`` from the databases given, and its report beside it (.json).

    Args:
        task: ``"generation"`` or ``"recognition"``.
        iam: folder of IAM-OnDB (:func:`read_iam`).
        unipen: folder with text.npz, words.npz, chars.npz, or the original UNIPEN.
        npy: strokes-py3.npy, with sentences.txt beside it.
        workers: processes; None takes one for each core.
        seed: for what is composed; the same seed and data give the same corpus.

    Returns:
        The report: per source what was read, kept and dropped and why; counts of all characters.

    Raises:
        ValueError, FileNotFoundError: as the readers; no database given; ``out`` cannot be written.
    """
    if task not in TASKS:
        raise ValueError(f"task is one of {', '.join(TASKS)}, not {task!r}")
    if iam is None and unipen is None and npy is None:
        raise ValueError("nothing to prepare: give at least one of iam, unipen and npy")
    out = check_writable(out)
    begin = time.monotonic()
    prepared: list[Labelled] = []
    accounts: dict[str, Account] = {}
    with multiprocessing.get_context().Pool(workers) as pool:
        job = _Job(task, pool, seed, accounts, progress)
        if unipen is not None:
            # The longest single piece of work is begun first.
            isolated = pool.apply_async(_read_characters, (str(unipen),))
        if iam is not None:
            prepared += job.lines(IAM, partial(read_iam, iam), _form)
        if npy is not None:
            prepared += job.lines(NPY, partial(read_strokes_npy, npy), None)
        if unipen is not None:
            prepared += job.lines(UNIPEN_TEXT, partial(_read_unipen, unipen, "text"), _writer)
            read_words = partial(_read_unipen, unipen, "words")
            words = job.lines(UNIPEN_WORDS, read_words, _writer, most=WORDS_OF_WRITER)
            found, accounts[UNIPEN_CHARS] = isolated.get()
            pieces = job.compositions(found, words)
            if task == "recognition":
                pieces = job.again(words + job.characters(found) + pieces)
            prepared += pieces
    corpus = Corpus.from_offsets(prepared, task)
    corpus.save(out)
    counts = Counter("".join(corpus.texts))
    report = {
        "task": task,
        "samples": len(corpus),
        "points": len(corpus.points),
        "seconds": round(time.monotonic() - begin, 1),
        "sources": {source: account.as_dict() for source, account in accounts.items()},
        "splits": {str(name): int((corpus.splits == name).sum()) for name in np.unique(corpus.splits)},
        "characters": {chr(c): counts[chr(c)] for c in range(32, 127)},
    }
    with atomic_write(out.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(report, indent=1) + "\n")
    return report


def describe(report: dict[str, Any]) -> str:
    """Put the report of :func:`prepare_corpus` in lines to read."""
    lines = [
        f"{report['samples']} samples, {report['points']} points for {report['task']}, {report['seconds']:.0f} s"
    ]
    for source, account in report["sources"].items():
        lines.append(
            f"{source}: {account['read']} read, {account['kept']} kept, "
            f"{account['points']} points, {account['points_per_character']} per character"
        )
        lines += [f"    {count:6d} dropped: {reason}" for reason, count in account["dropped"].items()]
        lines += [f"    note: {note}" for note in account["notes"]]
    rare = sorted(report["characters"].items(), key=lambda item: item[1])[:12]
    lines.append("rarest characters: " + "  ".join(f"{c} {n}" for c, n in rare))
    return "\n".join(lines)


@dataclass
class _Job:
    """One run of :func:`prepare_corpus`: what its stages share."""

    task: str
    pool: Any
    seed: int
    accounts: dict[str, Account]
    progress: bool

    def lines(
        self,
        source: str,
        read: Callable[..., Iterator[Sample]],
        group: Callable[[Sample], str] | None,
        most: int | None = None,
    ) -> list[Labelled]:
        """Read one source and normalise its lines or words, at most ``most`` of each writer; returns the good ones.

        Consecutive samples of one ``group`` share an x-height.
        """
        account = self.accounts[source] = Account()
        report = ReadReport()
        chunks = _grouped(self._first(read(report=report), most, account), group)
        result = []
        for samples in self._bar(self.pool.imap(partial(normalize_group, task=self.task), chunks), source):
            account.read += len(samples)
            for label, offsets in samples:
                if isinstance(offsets, str):
                    account.dropped[offsets] += 1
                else:
                    result.append(account.keep(label, offsets))
        account.add(report)
        return result

    @staticmethod
    def _first(samples: Iterator[Sample], most: int | None, account: Account) -> Iterator[Sample]:
        """The first ``most`` samples of each writer."""
        seen: Counter[str] = Counter()
        for sample in samples:
            seen[sample.writer] += 1
            if most is None or seen[sample.writer] <= most:
                yield sample
            else:
                account.read += 1
                account.dropped[f"more than {most} by one writer"] += 1

    def characters(self, found: list[WriterSamples]) -> list[Labelled]:
        """Label the isolated characters, for a recogniser."""
        account = self.accounts[UNIPEN_CHARS]
        result = []
        for samples in found:
            for text, drawn in samples.characters.items():
                for i, strokes in enumerate(drawn[:_MOST_ALONE]):
                    id = f"{samples.writer}/{ord(text)}/{i}"
                    label = Label(text, samples.writer, samples.split, UNIPEN_CHARS, id)
                    result.append(account.keep(label, Ink.from_strokes(strokes).to_offsets()))
        return result

    def compositions(self, found: list[WriterSamples], words: list[Labelled]) -> list[Labelled]:
        """Compose lines of characters, and for synthesis join words to lines, of one writer each."""
        by_writer: dict[str, WriterSamples] = {}
        for label, offsets in words:
            samples = by_writer.setdefault(label.writer, WriterSamples(label.writer, label.split))
            samples.words.append((label.text, list(Ink.from_offsets(offsets).strokes)))
        for samples in found:
            if samples.writer in by_writer:
                written = by_writer[samples.writer].words[:_MOST_WORDS]
                samples.words = [(text, strokes) for text, strokes in written if len(text) > 1]
        # Who wrote more of the alphabet writes more: few writers have all the rare characters.
        shares = np.array([len(samples.characters) ** 2 for samples in found])
        lend_symbols(found, Random(self.seed))
        points = COMPOSED_POINTS[self.task] * shares / shares.sum()
        work: list[_Composition] = [
            (COMPOSED, samples, int(n), self.seed) for samples, n in zip(found, points, strict=True)
        ]
        if self.task == "generation":
            work += [(UNIPEN_WORDS, samples, 0, self.seed) for samples in by_writer.values()]
            account = self.accounts[UNIPEN_WORDS]
            account.notes.append(f"the {account.kept} good words were joined; kept are lines of them")
            account.kept = account.points = account.characters = 0
        composed = self.accounts[COMPOSED] = Account()
        result = []
        for lines in self._bar(self.pool.imap(_compose, work), "composing", len(work)):
            for label, offsets in lines:
                if label.source == COMPOSED:
                    composed.read += 1
                result.append(self.accounts[label.source].keep(label, offsets))
        return result

    def again(self, prepared: list[Labelled]) -> list[Labelled]:
        """Normalise each by itself, as a recogniser has to; their accounts keep what was measured before."""
        result = self.pool.imap(normalize_again, prepared, chunksize=64)
        return list(self._bar(result, "normalising", len(prepared)))

    def _bar(self, items: Iterable[Any], name: str, total: int | None = None) -> Iterable[Any]:
        return tqdm(items, desc=name, total=total, unit=" groups", disable=not self.progress, smoothing=0.05)


def _read_unipen(path: str | Path, kind: str, report: ReadReport | None = None) -> Iterator[Sample]:
    """UNIPEN samples of one kind, from the parsed arrays if they are there, else from the original files."""
    parsed = (Path(path) / f"{kind}.npz").is_file()
    return (read_unipen_npz if parsed else read_unipen)(path, kinds=[kind], report=report)


def _read_characters(path: str) -> tuple[list[WriterSamples], Account]:
    """The isolated characters of UNIPEN by writer, and their account."""
    report = ReadReport()
    samples = _read_unipen(path, "chars", report)
    found, dropped = characters_by_writer(samples, least=_LEAST_CHARACTERS, most=_MOST)
    account = Account(read=report.read, dropped=dropped)
    account.add(report)
    return found, account


def _grouped(samples: Iterable[Sample], group: Callable[[Sample], str] | None) -> Iterator[list[Sample]]:
    """Consecutive samples of the same group, at most ``_GROUP`` at a time."""
    for _, members in groupby(samples, group or (lambda _: "")):
        while chunk := list(islice(members, _GROUP)):
            yield chunk


def _form(sample: Sample) -> str:
    """The form of IAM-OnDB that a line stands on."""
    return sample.id.rsplit("-", 1)[0]


def _writer(sample: Sample) -> str:
    return sample.writer


def _compose(work: _Composition) -> list[Labelled]:
    """Lines of one writer, of characters or of words."""
    source, samples, points, seed = work
    # Every writer has random numbers of their own, whoever is composed first.
    rng = Random(f"{seed} {source} {samples.writer}")
    inks = composed_lines(samples, points, rng) if source == COMPOSED else joined_words(samples.words, rng)
    return [
        (
            Label(ink.text or "", samples.writer, samples.split, source, f"{source}/{samples.writer}/{i}"),
            ink.to_offsets(),
        )
        for i, ink in enumerate(inks)
    ]
