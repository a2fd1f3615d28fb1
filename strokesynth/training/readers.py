"""A reader at work on all lines of a corpus, in as many processes as there are cores."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from strokesynth._batches import by_length
from strokesynth.datasets.corpus import Corpus
from strokesynth.ink import Ink
from strokesynth.recognition.recognizer import Recognizer, load_recognizer

Result = TypeVar("Result")
Work = Callable[[Recognizer, list[Ink], list[str]], list[Result]]

_CHUNK = 256  # lines that a process is given at once


def read_each(
    corpus: Corpus,
    work: Work[Result],
    label: str,
    *,
    recognizer: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> list[Result]:
    """What `work` finds in each line of a corpus, in the order of the corpus.

    work: a function of a module, called with the reader, the normalised inks of some lines and their texts; it returns
    one result for each of them. label: what the progress bar says. recognizer: weights of the reader; None takes
    those in the package. workers: processes of one thread each; None takes one for each core.
    Raises as `load_recognizer`.
    """
    load_recognizer(recognizer)  # so that a wrong file is said here and once
    # Lines of similar length are read together; the longest first, so that the last piece of work is a short one.
    chunks = by_length(corpus.lengths, most=_CHUNK)[::-1]
    pieces = [
        (work, [corpus.offsets(int(i)) for i in chunk], corpus.texts[chunk].tolist()) for chunk in chunks
    ]
    found: dict[int, Result] = {}
    with ProcessPoolExecutor(
        workers or os.cpu_count(), get_context("spawn"), initializer=_load, initargs=(recognizer,)
    ) as pool:
        done = tqdm(pool.map(_call, pieces), label, len(pieces), unit=" batches", disable=not progress)
        for chunk, results in zip(chunks, done, strict=True):
            found.update(zip(chunk.tolist(), results, strict=True))
    return [found[i] for i in range(len(corpus))]


_reader: Recognizer  # of a worker process


def _load(path: str | os.PathLike[str] | None) -> None:
    global _reader
    torch.set_num_threads(1)
    _reader = load_recognizer(path)


def _call(piece: tuple[Work[Any], list[NDArray[np.float32]], list[str]]) -> list[Any]:
    work, offsets, texts = piece
    return work(_reader, [Ink.from_offsets(o) for o in offsets], texts)
