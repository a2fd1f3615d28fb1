"""Finds with a reader which character each point of a corpus belongs to; style encoders are trained on this.

The result is a file beside the corpus, because it takes minutes for a large one and depends on nothing else.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from strokesynth._files import atomic_write
from strokesynth.datasets.corpus import Corpus
from strokesynth.ink import Ink
from strokesynth.recognition.recognizer import Recognizer, load_recognizer

FORMAT = 1
NOBODY = -1
"""Stands in place of a character for the points of a line in which the reader cannot find its text."""

_CHUNK = 256  # lines aligned at once


def align_corpus(
    corpus: Corpus,
    *,
    recognizer: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> NDArray[np.int16]:
    """Give each point of the corpus (P,) the index into its line's text of the character that it belongs to.

    recognizer: weights of the reader; None takes those in the package. workers: processes of one thread each; None
    takes one for each core. Points of a line that cannot say its text have `NOBODY`.
    Raises as `load_recognizer`.
    """
    load_recognizer(recognizer)  # so that a wrong file is reported here, and only once
    order = np.argsort(-corpus.lengths, kind="stable")
    chunks = [order[k : k + _CHUNK] for k in range(0, len(order), _CHUNK)]
    work = [([corpus.offsets(int(i)) for i in chunk], corpus.texts[chunk].tolist()) for chunk in chunks]
    lines: list[NDArray[np.int16]] = [np.zeros(0, np.int16)] * len(corpus)
    with ProcessPoolExecutor(
        workers or os.cpu_count(), get_context("spawn"), initializer=_load, initargs=(recognizer,)
    ) as pool:
        found = tqdm(pool.map(_align, work), "aligning", len(work), unit=" batches", disable=not progress)
        for chunk, owners in zip(chunks, found, strict=True):
            for i, owner in zip(chunk, owners, strict=True):
                lines[i] = owner
    return np.concatenate([np.zeros(0, np.int16), *lines])


def alignment_file(corpus: str | os.PathLike[str]) -> Path:
    """The file in which the alignment of a corpus file is kept, beside it."""
    path = Path(corpus)
    return path.with_name(f"{path.stem}.characters.npz")


def save_alignment(path: str | os.PathLike[str], characters: NDArray[np.int16]) -> None:
    """Write what `align_corpus` gave, whole or not at all."""
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, format=np.int32(FORMAT), characters=characters)


def load_alignment(path: str | os.PathLike[str], corpus: Corpus) -> NDArray[np.int16]:
    """Read the alignment of this corpus.

    Raises FileNotFoundError where there is none, ValueError where the file is no alignment or of another corpus.
    """
    path = Path(path)
    make = "make one with data_preprocessing.py --align"
    if not path.is_file():
        raise FileNotFoundError(f"no alignment at {path}: {make}")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            version, characters = int(archive["format"]), archive["characters"]
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise ValueError(f"{path} is not an alignment, or is cut short ({error}): {make}") from error
    if version != FORMAT:
        raise ValueError(f"{path} is an alignment of version {version}; this program reads version {FORMAT}")
    texts = np.repeat(np.array([len(text) for text in corpus.texts], np.int64), corpus.lengths)
    if characters.shape != (len(corpus.points),) or not (
        (characters >= NOBODY).all() and (characters < texts).all()
    ):
        raise ValueError(f"{path} is not the alignment of this corpus of {len(corpus.points)} points: {make}")
    return characters.astype(np.int16)


_reader: Recognizer  # the reader of a worker process


def _load(path: str | os.PathLike[str] | None) -> None:
    global _reader
    torch.set_num_threads(1)
    _reader = load_recognizer(path)


def _align(lines: tuple[list[NDArray[np.float32]], list[str]]) -> list[NDArray[np.int16]]:
    offsets, texts = lines
    found = _reader.align([Ink.from_offsets(o) for o in offsets], texts, normalized=True)
    return [
        np.full(len(o), NOBODY, np.int16)
        if owner is None
        else np.concatenate(owner.characters).astype(np.int16)
        for o, owner in zip(offsets, found, strict=True)
    ]
