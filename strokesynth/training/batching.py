"""Batches of samples of similar length, padded and time-major."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from strokesynth._batches import by_length


def batches(
    lengths: np.ndarray,
    batch_size: int,
    *,
    seed: int,
    epoch: int,
    repeats: np.ndarray | None = None,
    usual_length: int | None = None,
    pool: int | None = None,
) -> list[np.ndarray]:
    """The batches of one epoch: arrays of indices into ``lengths``, at most ``batch_size`` each.

    The samples are shuffled; within every pool of ``pool`` samples they are sorted by length and cut
    into batches, so that little of a batch is padding; then the batches are shuffled. The result depends on
    the arguments alone: a training resumes by calling this again and skipping what it has done.

    Args:
        lengths: (N,) points of each sample.
        repeats: (N,) how often each sample occurs in an epoch, on average: 2.5 stands for 2 or 3 times,
            by chance, anew in each epoch. None takes every sample once.
        usual_length: points of a usual sample. A batch then has as many points, padding included, as ``batch_size``
            such samples, so that batches of short samples hold more of them; None counts samples.
        pool: samples; None takes those of a hundred batches.
    """
    lengths = np.asarray(lengths)
    if batch_size < 1:
        raise ValueError(f"batch_size is at least 1, not {batch_size}")
    rng = np.random.default_rng([seed, epoch])
    order = np.arange(len(lengths))
    if repeats is not None:
        repeats = np.asarray(repeats, float)
        if repeats.shape != lengths.shape or not (repeats >= 0).all():
            raise ValueError(f"repeats is one number >= 0 for each of the {len(lengths)} samples")
        order = np.repeat(order, np.floor(repeats + rng.random(len(order))).astype(int))
    order = rng.permutation(order)
    limit = {"most": batch_size} if usual_length is None else {"padded": batch_size * usual_length}
    pool = 100 * batch_size if pool is None else pool
    result = []
    for start in range(0, len(order), pool):
        part = order[start : start + pool]
        result += [part[batch] for batch in by_length(lengths[part], **limit)]
    return [result[i] for i in rng.permutation(len(result))]


class Batch(NamedTuple):
    """B samples side by side, padded with zeros to the longest (T points, U codes)."""

    offsets: np.ndarray  # float32 (T, B, 3)
    mask: np.ndarray  # float32 (T, B): 1 on points, 0 on padding
    codes: np.ndarray  # int64 (U, B)
    code_mask: np.ndarray  # float32 (U, B)


def collate(samples: Sequence[tuple[np.ndarray, np.ndarray]]) -> Batch:
    """Samples of (offsets (n, 3), codes (m,)) as one time-major :class:`Batch`."""
    if not samples:
        raise ValueError("a batch needs at least one sample")
    size = len(samples)
    steps, places = (max(len(s[part]) for s in samples) for part in (0, 1))
    batch = Batch(
        np.zeros((steps, size, 3), np.float32),
        np.zeros((steps, size), np.float32),
        np.zeros((places, size), np.int64),
        np.zeros((places, size), np.float32),
    )
    for column, (offsets, codes) in enumerate(samples):
        batch.offsets[: len(offsets), column] = offsets
        batch.mask[: len(offsets), column] = 1
        batch.codes[: len(codes), column] = codes
        batch.code_mask[: len(codes), column] = 1
    return batch
