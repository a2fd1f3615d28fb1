"""UNIPEN train_r01_v07 parsed into arrays: `text.npz`, `words.npz`, `chars.npz`. Quick to read.

Each file holds, without pickles: points int16 (N, 2), x right, y down, each sample relative to its first point;
stroke_lengths int32; strokes_per_sample int16; label and writer, uint8 ASCII joined by newline.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from strokesynth.datasets.sample import Label, ReadReport, Sample
from strokesynth.datasets.unipen import KINDS, SOURCES, unipen_split
from strokesynth.ink import Ink

_ARRAYS = ("points", "stroke_lengths", "strokes_per_sample", "label", "writer")


def read_unipen_npz(
    path: str | Path, *, kinds: Iterable[str] = KINDS, report: ReadReport | None = None
) -> Iterator[Sample]:
    """Yield the samples of `text.npz`, `words.npz` and `chars.npz` in the folder `path`, kind by kind.

    "text" are two or more words (one line for most contributors, several rows for some), "words" single words,
    "chars" isolated characters. `source` is "unipen-" and the kind, `split` comes from `unipen_split`, the
    strokes are in tablet units, which differ from contributor to contributor: 80 to 1270 an inch.

    Raises FileNotFoundError if a file of `kinds` is missing, ValueError if one is damaged or another's.
    """
    report = report if report is not None else ReadReport()
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"UNIPEN has no kind {kind!r}; there are {', '.join(KINDS)}")
        yield from _read_kind(Path(path) / f"{kind}.npz", kind, report)


def _read_kind(file: Path, kind: str, report: ReadReport) -> Iterator[Sample]:
    points, stroke_lengths, strokes_per_sample, labels, writers = _load(file)
    stroke_ends = np.cumsum(stroke_lengths)
    last_strokes = np.cumsum(strokes_per_sample)
    splits = {writer: unipen_split(writer) for writer in set(writers)}
    start = first = 0
    for i, (text, writer, last) in enumerate(zip(labels, writers, last_strokes.tolist(), strict=True)):
        ends = stroke_ends[first:last].tolist()
        if not ends:
            report.skip(f"{kind}/{i}", "no strokes")
            continue
        recorded = points[start : ends[-1]].astype(np.float32)
        strokes = [recorded[a - start : b - start] for a, b in zip([start, *ends], ends, strict=False)]
        start, first = ends[-1], last
        report.read += 1
        # Marks that the transcriber of contributor kai left without a label.
        text = text.replace(r"\@", "")
        ink = Ink.from_strokes(strokes, text=text)
        yield Sample(ink, Label(text, writer, splits[writer], SOURCES[kind], f"{kind}/{i}"))


def _load(file: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str], list[str]]:
    if not file.exists():
        raise FileNotFoundError(f"UNIPEN: no file {file}")
    try:
        with open(file, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
            points, lengths, counts, label, writer = (archive[name] for name in _ARRAYS)
        labels = label.tobytes().decode("ascii").split("\n")
        writers = writer.tobytes().decode("ascii").split("\n")
    except (zipfile.BadZipFile, EOFError, OSError, KeyError, ValueError, AttributeError) as error:
        raise ValueError(f"{file} is damaged or lacks one of {', '.join(_ARRAYS)}: {error}") from error
    fits = (
        points.ndim == 2
        and points.shape[1] == 2
        and lengths.sum() == len(points)
        and counts.sum() == len(lengths)
        and len(labels) == len(writers) == len(counts)
    )
    if not fits or lengths.min(initial=1) < 1 or counts.min(initial=1) < 0:
        raise ValueError(
            f"{file}: the arrays do not fit together: {len(points)} points in strokes of {lengths.sum()}, "
            f"{len(lengths)} strokes in samples of {counts.sum()}, {len(counts)} samples, "
            f"{len(labels)} labels, {len(writers)} writers"
        )
    return points, lengths, counts, labels, writers
