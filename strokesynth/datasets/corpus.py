"""The prepared training set: one ``.npz`` without pickles, and which of its samples belong to which split and source.

A file holds, for N samples of P points together,

========= ================ =====================================================================
format    int              version of this layout
task      uint8 ASCII      ``generation`` or ``recognition``: what the samples were chosen for
offsets   float16 (P, 3)   dx, dy, end-of-stroke of all samples, one after another
lengths   int32 (N,)       points of each sample
text      uint8 ASCII      the N texts of the labels (:class:`Label`), joined by newline; likewise
writer    uint8 ASCII      the writers,
source    uint8 ASCII      the sources,
split     uint8 ASCII      the splits
id        uint8 ASCII      and the ids
========= ================ =====================================================================

The ink is normalised (:mod:`strokesynth.ink.normalize`): x-height 1, baseline y = 0, left edge x = 0.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from strokesynth._files import atomic_write
from strokesynth.datasets.sample import TEST, TEST_V, Label, Sample

FORMAT = 1
TASKS = ("generation", "recognition")
HELD_OUT = (TEST_V, TEST)
"""Splits that nothing is trained on unless they are named: one of IAM-OnDB, and UNIPEN's writers kept aside."""

# Positions are kept on a grid of 1/1024 x-height: a step of up to two x-heights is then exact in
# float16, so that rounding cannot add up along a line as it would if each offset were rounded alone.
_GRID = 1024.0
_TEXTS = ("text", "writer", "source", "split", "id")


@dataclass(frozen=True, eq=False)
class Corpus:
    """Labelled, normalised ink, in the order in which it was read.

    Attributes:
        task: ``"generation"`` or ``"recognition"``.
        points: float16 (P, 3), the offsets of all samples one after another.
        lengths: int32 (N,), points of each sample.
        texts, writers, sources, splits, ids: (N,) arrays of str.
    """

    task: str
    points: np.ndarray
    lengths: np.ndarray
    texts: np.ndarray
    writers: np.ndarray
    sources: np.ndarray
    splits: np.ndarray
    ids: np.ndarray

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ValueError(f"a corpus is for one of {', '.join(TASKS)}, not for {self.task!r}")
        if self.points.ndim != 2 or self.points.shape[1] != 3 or self.points.dtype.kind != "f":
            raise ValueError(
                f"the points of a corpus are floating-point numbers (P, 3), not {self.points.dtype} {self.points.shape}"
            )
        if self.lengths.ndim != 1 or self.lengths.dtype.kind not in "iu":
            raise ValueError(
                f"the lengths of a corpus are whole numbers (N,), not {self.lengths.dtype} {self.lengths.shape}"
            )
        if (self.lengths < 1).any() or self.lengths.sum(dtype=np.int64) != len(self.points):
            raise ValueError(
                f"the lengths of a corpus are at least 1 and add up to its {len(self.points)} points; "
                f"these add up to {self.lengths.sum(dtype=np.int64)}"
            )
        for name in _TEXTS:
            if len(getattr(self, name + "s")) != len(self.lengths):
                raise ValueError(
                    f"a corpus of {len(self.lengths)} samples has {len(getattr(self, name + 's'))} {name}s"
                )
        object.__setattr__(self, "_starts", np.concatenate([[0], np.cumsum(self.lengths, dtype=np.int64)]))
        self._check_finite()

    def _check_finite(self) -> None:
        finite = np.isfinite(self.points).all(axis=1)
        if finite.all():
            return
        row = int(np.argmin(finite))
        starts: np.ndarray = self._starts  # type: ignore[attr-defined]
        i = int(np.searchsorted(starts, row, side="right")) - 1
        raise ValueError(
            f"sample {i} of the corpus ({self.ids[i]!s} of {self.sources[i]!s}) has numbers that are not finite: "
            f"offset {row - starts[i]} is {self.points[row].tolist()}"
        )

    @classmethod
    def from_samples(cls, samples: Iterable[Sample], task: str) -> Corpus:
        """The corpus of ``samples`` with normalised ink (see :meth:`from_offsets`)."""
        return cls.from_offsets(((s.label, s.ink.to_offsets()) for s in samples), task)

    @classmethod
    def from_offsets(cls, pairs: Iterable[tuple[Label, np.ndarray]], task: str) -> Corpus:
        """The corpus of labels and their normalised offsets (n, 3).

        Raises:
            ValueError: a part of a label is not one line of printable ASCII, or an offset is not finite.
        """
        points: list[np.ndarray] = [np.zeros((0, 3), np.float16)]
        fields: dict[str, list[str]] = {name: [] for name in _TEXTS}
        for label, offsets in pairs:
            points.append(_quantize(offsets))
            for name, column in fields.items():
                value = getattr(label, name)
                if not (value.isascii() and value.isprintable()):
                    raise ValueError(f"{name} {value!r} of sample {label.id!r} is not printable ASCII")
                column.append(value)
        lengths = np.array([len(p) for p in points[1:]], np.int32)
        columns = [np.array(fields[name], str) for name in _TEXTS]
        return cls(task, np.concatenate(points), lengths, *columns)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Corpus:
        """Read a corpus.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is not a corpus, is cut short, has another version, or numbers that are not finite.
        """
        path = Path(path)
        make = "make one with data_preprocessing.py"
        if not path.is_file():
            raise FileNotFoundError(f"no corpus at {path}: {make}")
        try:
            # An open file, because np.load leaves one open when it fails; a single array has no `files`.
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                missing = sorted({"format", "task", "offsets", "lengths", *_TEXTS} - set(archive.files))
                if "format" in missing:
                    raise ValueError(
                        f"{path} is an .npz archive but not a corpus (it has no 'format'): {make}"
                    )
                if int(archive["format"]) != FORMAT:
                    raise ValueError(
                        f"{path} is a corpus of version {int(archive['format'])}; "
                        f"this program reads version {FORMAT}: {make}"
                    )
                if missing:
                    raise ValueError(f"{path} lacks the arrays {', '.join(missing)} of a corpus: {make}")
                arrays = {name: archive[name] for name in archive.files}
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, TypeError) as error:
            raise ValueError(f"{path} is cut short or not a corpus ({error}): {make}") from error
        except ValueError as error:
            if str(path) in str(error):
                raise
            raise ValueError(f"{path} is not a corpus ({error}): {make}") from error
        try:
            columns = [_split(arrays[name]) for name in _TEXTS]
            task = bytes(arrays["task"]).decode("ascii")
            return cls(task, arrays["offsets"], arrays["lengths"], *columns)
        except ValueError as error:
            raise ValueError(f"{path} is damaged: {error}") from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the corpus to ``path``; an interrupted write leaves what was there before."""
        texts: dict[str, Any] = {name: _join(getattr(self, name + "s")) for name in _TEXTS}
        with atomic_write(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(
                file,
                format=np.int32(FORMAT),
                task=_join([self.task]),
                offsets=self.points,
                lengths=self.lengths,
                **texts,
            )

    def __len__(self) -> int:
        return len(self.lengths)

    def __repr__(self) -> str:
        return f"<Corpus for {self.task}: {len(self)} samples, {len(self.points)} points>"

    def offsets(self, i: int) -> np.ndarray:
        """Offsets of sample ``i``: float32 (n, 3)."""
        if not -len(self) <= i < len(self):
            raise IndexError(f"sample {i} of a corpus of {len(self)}")
        start, end = self._starts[i % len(self) : i % len(self) + 2]  # type: ignore[attr-defined]
        return self.points[start:end].astype(np.float32)

    def select(
        self, split: str | Sequence[str] | None = None, source: str | Sequence[str] | None = None
    ) -> np.ndarray:
        """Indices (int64, ascending) of the samples of these splits and sources; None takes all of them.

        Raises:
            ValueError: the corpus has no such split or source at all.
        """
        chosen = np.ones(len(self), bool)
        for what, wanted, column in (("split", split, self.splits), ("source", source, self.sources)):
            if wanted is None:
                continue
            names = [wanted] if isinstance(wanted, str) else list(wanted)
            known = np.unique(column)
            if unknown := sorted(set(names) - set(known)):
                raise ValueError(f"no {what} {', '.join(unknown)} in this corpus; it has {', '.join(known)}")
            chosen &= np.isin(column, names)
        return np.flatnonzero(chosen)


def take(corpus: Corpus, indices: np.ndarray) -> Corpus:
    """The corpus of these samples only, in this order."""
    points = [corpus.points[:0], *(corpus.offsets(int(i)).astype(np.float16) for i in indices)]
    columns = [getattr(corpus, name + "s")[indices] for name in _TEXTS]
    return Corpus(corpus.task, np.concatenate(points), corpus.lengths[indices], *columns)


def spread(indices: np.ndarray, count: int) -> np.ndarray:
    """Choose at most `count` of the indices, evenly spread."""
    return indices[np.linspace(0, len(indices) - 1, min(count, len(indices))).round().astype(int)]


def _quantize(offsets: np.ndarray) -> np.ndarray:
    """Offsets (n, 3) as float16 whose running sum stays within the grid of the given one."""
    offsets = np.asarray(offsets, np.float64)
    positions = np.round(np.cumsum(offsets[:, :2], axis=0) * _GRID) / _GRID
    steps = np.diff(positions, axis=0, prepend=np.zeros((1, 2)))
    return np.concatenate([steps, offsets[:, 2:]], axis=1).astype(np.float16)


def _join(texts: Iterable[str]) -> np.ndarray:
    return np.frombuffer("\n".join(texts).encode("ascii"), np.uint8)


def _split(joined: np.ndarray) -> np.ndarray:
    return np.array(bytes(joined).decode("ascii").split("\n"), str) if len(joined) else np.zeros(0, str)
