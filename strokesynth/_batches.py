"""Batches of things of similar length, so that little of a batch is padding."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.int64]


def by_length(lengths: ArrayLike, *, most: int | None = None, padded: int | None = None) -> list[Ints]:
    """Indices into `lengths` (n,) in batches, from the shortest to the longest; equal ones stay in order.

    most: how many a batch has at most. padded: how long all of a batch may be together when each is padded to the
    longest; what is longer than that makes a batch by itself. None sets no such limit.
    """
    lengths = np.asarray(lengths)
    order = np.argsort(lengths, kind="stable")
    result, first = [], 0
    while first < len(order):
        count = len(order) - first if most is None else min(most, len(order) - first)
        if padded is not None:
            # The longest comes last, and the others are padded to it.
            sizes = np.arange(1, count + 1) * lengths[order[first : first + count]]
            count = max(1, int(np.searchsorted(sizes, padded, side="right")))
        result.append(order[first : first + count])
        first += count
    return result
