"""From handwriting databases to a corpus: read, normalise, leave out what would teach nonsense, report.

Lines are normalised in groups of one writer (an IAM-OnDB form, some consecutive UNIPEN samples), because the
x-height of one short line is uncertain and that of several is not. A recogniser's corpus is judged in the same
way, but holds each line as the recogniser will meet it: normalised by itself, without a look at its text.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
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
from strokesynth.datasets.iam import close_punctuation, read_iam
from strokesynth.datasets.isolated import Hand, hands
from strokesynth.datasets.sample import ReadReport, Sample
from strokesynth.datasets.strokes_npy import read_strokes_npy
from strokesynth.datasets.unipen import read_unipen
from strokesynth.datasets.unipen_npz import read_unipen_npz
from strokesynth.ink import Ink
from strokesynth.ink.normalize import Baseline, estimate_baseline, normalize

Prepared = tuple[Sample, np.ndarray]  # a sample and its normalised offsets (n, 3)


@dataclass(frozen=True)
class Limits:
    """What a normalised line may look like; anything else is left out. Lengths in x-heights.

    Attributes:
        top, bottom: how far ink may reach above and below the baseline.
        points: fewest and most points per character.
        width: least and most width per character, in lines of at least eight characters.
        mismatch: by what factor a line may be wider or narrower than its text and its writer's other lines
            let expect; such lines are mostly mislabelled.
        longest: most points of a line.
    """

    top: float = 5.5
    bottom: float = 4.0
    points: tuple[float, float] = (3.0, 40.0)
    width: tuple[float, float] = (0.3, 2.6)
    mismatch: float = 1.6
    longest: int = 1000


LIMITS = {
    "generation": Limits(),
    "recognition": Limits(7.0, 5.0, (2.0, 60.0), (0.2, 4.0), 2.2, 2500),
}

COMPOSED_POINTS = {"generation": 4_200_000, "recognition": 2_000_000}
WORDS_OF_WRITER = 60  # a few writers wrote thousands

_MOST = 8  # samples of one character by one writer
_MOST_ALONE = 3  # of these, how many a recogniser sees by themselves
_LEAST_CHARACTERS = 10  # of a writer who composes
_GROUP = 40  # UNIPEN samples of one writer whose x-height is pooled
_FREEDOM = 0.12  # how far the logarithm of a line's x-height may be from that of its group


@dataclass
class Account:
    """What became of the samples of one source."""

    read: int = 0
    kept: int = 0
    points: int = 0
    characters: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def keep(self, sample: Sample, offsets: np.ndarray) -> Prepared:
        """Count a sample that goes into the corpus."""
        self.kept += 1
        self.points += len(offsets)
        self.characters += len(sample.text)
        return sample, offsets

    def add(self, report: ReadReport) -> None:
        """Count what a reader could not read."""
        self.read += len(report.skipped)
        # The particulars after the colon would make every reason a different one.
        self.dropped.update(f"unreadable: {reason.split(':')[0]}" for _, reason in report.skipped)
        self.notes += report.notes

    def as_dict(self) -> dict[str, Any]:
        """Return the account as it stands in the report."""
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
    prepared: list[Prepared] = []
    accounts: dict[str, Account] = {}
    with multiprocessing.get_context().Pool(workers) as pool:
        job = _Job(task, pool, seed, accounts, progress)
        composition = None
        if unipen is not None:
            composition = pool.apply_async(_hands, (str(unipen),))  # the longest single piece of work
        if iam is not None:
            prepared += job.lines("iam", partial(read_iam, iam), lambda s: s.id.rsplit("-", 1)[0])
        if npy is not None:
            prepared += job.lines("npy", partial(read_strokes_npy, npy), None)
        if unipen is not None:
            prepared += job.lines("unipen-text", partial(_read_unipen, unipen, "text"), lambda s: s.writer)
            words = job.lines(
                "unipen-words",
                partial(_read_unipen, unipen, "words"),
                lambda s: s.writer,
                most=WORDS_OF_WRITER,
            )
            assert composition is not None
            found, account = composition.get()
            accounts["unipen-chars"] = account
            pieces = job.compositions(found, words)
            if task == "recognition":
                pieces = job.alone(words + job.characters(found) + pieces)
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
    """The report of :func:`prepare_corpus` in lines to read."""
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
    """One run of prepare_corpus: what its stages share."""

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
    ) -> list[Prepared]:
        """Normalised lines or words of one source, the good ones; ``most`` of each writer.

        Consecutive samples of one ``group`` share an x-height.
        """
        account = self.accounts[source] = Account()
        report = ReadReport()
        chunks = _grouped(self._first(read(report=report), most, account), group)
        result = []
        for samples in self._bar(self.pool.imap(partial(_normalize, task=self.task), chunks), source):
            account.read += len(samples)
            for sample, offsets in samples:
                if isinstance(offsets, str):
                    account.dropped[offsets] += 1
                else:
                    result.append(account.keep(replace(sample, source=source), offsets))
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

    def characters(self, found: list[Hand]) -> list[Prepared]:
        """The isolated characters, for a recogniser."""
        account = self.accounts["unipen-chars"]
        result = []
        for hand in found:
            for text, samples in hand.characters.items():
                for i, strokes in enumerate(samples[:_MOST_ALONE]):
                    id = f"{hand.writer}/{ord(text)}/{i}"
                    sample = Sample(_NO_INK, text, hand.writer, hand.split, "unipen-chars", id)
                    result.append(account.keep(sample, Ink.from_strokes(strokes).to_offsets()))
        return result

    def compositions(self, found: list[Hand], words: list[Prepared]) -> list[Prepared]:
        """Lines of characters and lines of words, of one writer each."""
        of_writer: dict[str, list[tuple[Sample, np.ndarray]]] = {}
        for sample, offsets in words:
            of_writer.setdefault(sample.writer, []).append((sample, offsets))
        for hand in found:
            own = of_writer.get(hand.writer, [])[:400]
            hand.words = [(s.text, list(Ink.from_offsets(o).strokes)) for s, o in own if len(s.text) > 1]
        # Who wrote more of the alphabet writes more: few writers have all the rare characters.
        shares = np.array([len(hand.characters) ** 2 for hand in found])
        lend_symbols(found, Random(self.seed))
        points = COMPOSED_POINTS[self.task] * shares / shares.sum()
        work: list[tuple[str, Any, int, int]]
        work = [("composed", hand, int(n), self.seed) for hand, n in zip(found, points, strict=True)]
        if self.task == "generation":
            work += [("unipen-words", own, 0, self.seed) for own in of_writer.values()]
            account = self.accounts["unipen-words"]
            account.notes.append(f"the {account.kept} good words were joined; kept are lines of them")
            account.kept = account.points = account.characters = 0
        composed = self.accounts["composed"] = Account()
        result = []
        for made in self._bar(self.pool.imap(_compose, work), "composing", len(work)):
            for sample, offsets in made:
                if sample.source == "composed":
                    composed.read += 1
                result.append(self.accounts[sample.source].keep(sample, offsets))
        return result

    def alone(self, prepared: list[Prepared]) -> list[Prepared]:
        """Each normalised by itself, as a recogniser has to; their accounts keep what was measured before."""
        again = self.pool.imap(_alone_again, prepared, chunksize=64)
        return list(self._bar(again, "normalising", len(prepared)))

    def _bar(self, items: Iterable[Any], name: str, total: int | None = None) -> Iterable[Any]:
        return tqdm(items, desc=name, total=total, unit=" groups", disable=not self.progress, smoothing=0.05)


def _read_unipen(path: str | Path, kind: str, report: ReadReport | None = None) -> Iterator[Sample]:
    """UNIPEN samples of one kind, from the parsed arrays if they are there, else from the original files."""
    parsed = (Path(path) / f"{kind}.npz").is_file()
    return (read_unipen_npz if parsed else read_unipen)(path, kinds=[kind], report=report)


def _hands(path: str) -> tuple[list[Hand], Account]:
    report = ReadReport()
    found, dropped = hands(_read_unipen(path, "chars", report), least=_LEAST_CHARACTERS, most=_MOST)
    account = Account(read=report.read, dropped=dropped)
    account.add(report)
    return found, account


def _grouped(samples: Iterable[Sample], group: Callable[[Sample], str] | None) -> Iterator[list[Sample]]:
    """Consecutive samples of the same group, at most ``_GROUP`` at a time."""
    for _, members in groupby(samples, group or (lambda _: "")):
        while chunk := list(islice(members, _GROUP)):
            yield chunk


def _normalize(samples: Sequence[Sample], task: str) -> list[tuple[Sample, np.ndarray | str]]:
    """Offsets of each sample of a group, or the reason to leave it out. The ink itself is not handed back."""
    limits = LIMITS[task]
    texts = [_text(sample) for sample in samples]
    reasons = [_unfit(sample, text) for sample, text in zip(samples, texts, strict=True)]
    baselines: list[Baseline | None] = []
    for i, (sample, text) in enumerate(zip(samples, texts, strict=True)):
        try:
            baselines.append(estimate_baseline(sample.ink, text) if reasons[i] is None else None)
        except ValueError:
            baselines.append(None)
            reasons[i] = "no baseline found"
    heights = [(np.log(b.x_height), len(t)) for b, t in zip(baselines, texts, strict=True) if b]
    usual = _weighted_median(heights) if heights else 0.0
    results: list[tuple[Sample, np.ndarray | str]] = []
    widths: list[tuple[int, float]] = []
    for i, (sample, text, baseline) in enumerate(zip(samples, texts, baselines, strict=True)):
        result: np.ndarray | str = reasons[i] or ""
        if baseline:
            own = np.log(baseline.x_height)
            near = np.clip(own, usual - _FREEDOM, usual + _FREEDOM)
            if near != own:
                baseline = estimate_baseline(sample.ink, text, x_height=float(np.exp(near)))
            ink = normalize(sample.ink, baseline=baseline)
            result = _implausible(text, ink, limits) or ink.to_offsets()
            if not isinstance(result, str):
                widths.append((i, float(np.log(ink.bounds[2] / _expected_width(text)))))
        # Without its ink, which is as large as the result, a sample costs little on its way back.
        bare = replace(sample, text=text, ink=_NO_INK)
        results.append((bare, result))
    if widths:
        middle = float(np.median([w for _, w in widths]))
        for i, width in widths:
            if len(texts[i]) >= 8 and abs(width - middle) > np.log(limits.mismatch):
                results[i] = (results[i][0], "as wide as another text")
    if task == "recognition":
        for i, sample in enumerate(samples):
            if texts[i] and (not isinstance(results[i][1], str) or _in_test(sample)):
                results[i] = (results[i][0], _alone(Ink(sample.ink.strokes)))
    return results


def _alone(ink: Ink) -> np.ndarray | str:
    """The offsets of ink normalised as a recogniser has to, or the reason why that cannot be done."""
    try:
        return normalize(ink).to_offsets()
    except ValueError:
        return "no baseline found"


def _alone_again(prepared: Prepared) -> Prepared:
    """A prepared sample with its offsets normalised without its text; those of a single dot stay as they are."""
    sample, offsets = prepared
    result = _alone(Ink.from_offsets(offsets))
    return prepared if isinstance(result, str) else (sample, result)


def _in_test(sample: Sample) -> bool:
    """Whether published figures count this line, so that none may be left out, however bad."""
    return sample.source == "iam" and sample.split.startswith("testset")


_NO_INK = Ink.from_strokes([np.zeros((1, 2))])


def _text(sample: Sample) -> str:
    text = close_punctuation(sample.text) if sample.source == "iam" else sample.text
    return " ".join(text.split())


def _unfit(sample: Sample, text: str) -> str | None:
    """Why a sample cannot be used whatever its normalised ink, or None."""
    if not text:
        return "no text"
    if not (text.isascii() and text.isprintable()):
        return "text is not printable ASCII"
    if sample.source == "iam" and "#" in text:
        return "struck-out or unreadable writing (#)"
    width, height = np.ptp(np.concatenate(sample.ink.strokes), axis=0)
    # One line of n characters is about 0.35 n times as wide as high, whatever its unit.
    if len(text) >= 8 and width < 0.1 * len(text) * height:
        return "not one line: too high for its width"
    return None


def _several_rows(ink: Ink) -> bool:
    """Whether the pen returned to the left and went on in a lower row, or one long line sags as if it had.

    Then the strokes from some one on start to the left of what was written before and lie lower, on average.
    """
    counts = np.array([len(s) for s in ink.strokes])
    points, first = np.concatenate(ink.strokes), np.cumsum(counts) - counts
    middle = np.add.reduceat(points[:, 1], first) / counts
    left = points[first[1:], 0]
    right = np.maximum.accumulate(np.maximum.reduceat(points[:, 0], first))[:-1]
    before, sums = np.cumsum(counts)[:-1], np.cumsum(counts * middle)
    after = len(points) - before
    lower = (sums[-1] - sums[:-1]) / after - sums[:-1] / before
    return bool(((lower > 1.3) & (left < right - 3) & (np.minimum(before, after) > 0.1 * len(points))).any())


def _implausible(text: str, ink: Ink, limits: Limits) -> str | None:
    """Why normalised ink does not look like one line of ``text``, or None."""
    _, top, right, bottom = ink.bounds
    density = ink.n_points / len(text)
    if -top > limits.top or bottom > limits.bottom:
        return "too high for one line"
    if _several_rows(ink):
        return "several rows, or not level"
    if not limits.points[0] <= density <= limits.points[1]:
        return f"{'few' if density < limits.points[0] else 'many'} points for its text"
    if len(text) >= 8 and not limits.width[0] <= right / len(text) <= limits.width[1]:
        return f"too {'narrow' if right / len(text) < limits.width[0] else 'wide'} for its text"
    if ink.n_points > limits.longest:
        return "too long"
    return None


def _expected_width(text: str) -> float:
    """About how wide text is, in any unit."""
    return sum(0.6 if c in "iljtfI.,:;'!|()[]" else 1.6 if c in "mwMWQ@%" else 1.0 for c in text)


def _weighted_median(pairs: Sequence[tuple[float, float]]) -> float:
    values, weights = np.array(sorted(pairs)).T
    return float(values[np.searchsorted(np.cumsum(weights), weights.sum() / 2)])


def _compose(work: tuple[str, Any, int, int]) -> list[Prepared]:
    """Lines of one writer: composed of characters (by a hand, about so many points) or joined from words."""
    source, of, points, seed = work
    result: list[Prepared] = []
    owner = of if source == "composed" else of[0][0]
    rng = Random(f"{seed} {source} {owner.writer}")  # a sequence of its own, whoever comes first
    if source == "composed":
        inks = composed_lines(of, points, rng)
    else:
        inks = joined_words([(s.text, Ink.from_offsets(o).strokes) for s, o in of], rng)
    for i, ink in enumerate(inks):
        id = f"{source}/{owner.writer}/{i}"
        sample = Sample(_NO_INK, ink.text or "", owner.writer, owner.split, source, id)
        result.append((sample, ink.to_offsets()))
    return result
