"""Ink as the judge of handwriting sees it: the pen's way in equal steps, smoothed, without time or point density.

What tells writers apart must be their hand, not their tablet, nor how a network places points. So a line's strokes
are drawn again as smooth curves (`strokesynth.ink.resample.smooth`, wider than for training data) and get a point every
`STEP` x-heights; the way through the air between two strokes gets a few, which say where the pen went.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strokesynth.ink.resample import FINE, smooth

Floats = NDArray[np.float64]
Path = NDArray[np.float32]

STEP = 0.16
"""Between the points of a stroke, in x-heights."""

SMOOTHING = 0.12
"""Standard deviation of the Gaussian along the curve, in x-heights; recordings for training have 0.05."""

FEATURES = 8
"""Number of features of a point."""

_HOP_STEP, _HOP_POINTS = 0.5, 6  # between points in the air, and at most so many of them between two strokes
_REACH = 3.0  # x-heights to the left of the rightmost ink beyond which a late dot or bar is simply far


def pen_path(offsets: NDArray[np.floating]) -> Path:
    """The pen's way (n, 4): x, y, in the air (0 or 1), first point of a stroke (0 or 1).

    offsets: (m, 3) of one normalised line: dx, dy, end-of-stroke; x-heights, y down, baseline y = 0.
    Raises ValueError on another shape, no point at all, or numbers that are not finite.
    """
    offsets = np.asarray(offsets, np.float64)
    if offsets.ndim != 2 or offsets.shape[1] != 3 or not len(offsets):
        raise ValueError(f"expected the offsets of a line, (n, 3) with n >= 1; got {offsets.shape}")
    points = np.cumsum(offsets[:, :2], axis=0)
    curve, count = smooth(np.split(points, np.flatnonzero(offsets[:-1, 2] > 0.5) + 1), smoothing=SMOOTHING)
    # Every point of the dense curve has a place on an axis on which the points of the path are the whole numbers.
    last = np.cumsum(count) - 1
    first = last - count + 1
    steps = np.where(count > 1, np.maximum(1, np.rint((count - 1) * (FINE / STEP))), 0).astype(np.int64)
    hop = np.hypot(*(curve[first[1:]] - curve[last[:-1]]).T)
    hops = np.clip(np.rint(hop / _HOP_STEP), 1, _HOP_POINTS).astype(np.int64) + 1
    starts = np.concatenate([[0], np.cumsum(steps[:-1] + hops)])
    share = (np.arange(len(curve)) - np.repeat(first, count)) / np.repeat(np.maximum(count - 1, 1), count)
    place = np.repeat(starts, count) + share * np.repeat(steps, count)
    row = np.arange(starts[-1] + steps[-1] + 1)
    stroke = np.searchsorted(starts, row, side="right") - 1
    path = np.empty((len(row), 4), np.float32)
    path[:, 0], path[:, 1] = np.interp(row, place, curve[:, 0]), np.interp(row, place, curve[:, 1])
    path[:, 2] = row > (starts + steps)[stroke]
    path[:, 3] = row == starts[stroke]
    return path


def path_features(path: Path) -> NDArray[np.float32]:
    """Features (n, `FEATURES`) of a pen's way: direction (2), step, height, air, start, turn, distance from the front.

    The front is the rightmost ink so far: dots and bars that were written late are behind it.
    """
    points, air = path[:, :2].astype(np.float64), path[:, 2]
    move = np.diff(points, axis=0, prepend=points[:1])
    step = np.hypot(move[:, 0], move[:, 1])
    direction = move / np.maximum(step, 0.3 * STEP)[:, None]
    before = np.concatenate([direction[:1], direction[:-1]])
    cross = before[:, 0] * direction[:, 1] - before[:, 1] * direction[:, 0]
    turn = np.arctan2(cross, (before * direction).sum(1))
    front = np.maximum.accumulate(points[:, 0]) - points[:, 0]
    columns = [
        direction[:, 0],
        direction[:, 1],
        np.minimum(step, 2.0),
        np.clip(points[:, 1], -6.0, 4.0),
        air,
        path[:, 3],
        turn,
        np.minimum(front, _REACH),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def vary(path: Path, rng: np.random.Generator) -> Path:
    """The way as the same hand might have left it elsewhere: measured, placed and recorded a little differently.

    Size and baseline vary by what their estimates miss, smoothness and noise by what devices do. Slant and shapes,
    which belong to the writer, stay.
    """
    size, aspect, tilt = rng.normal(0.0, (0.06, 0.02, 0.01))
    points = path[:, :2].astype(np.float64)
    down = path[:, 2] == 0
    inner = np.zeros(len(path), bool)
    inner[1:-1] = down[:-2] & down[1:-1] & down[2:] & (path[1:-1, 3] == 0)
    points[down] += rng.normal(0.0, rng.uniform(0.0, 0.015), (int(down.sum()), 2))
    for _ in range(int(rng.integers(0, 4))):
        middle = 0.5 * (points[:-2] + points[2:])
        share = rng.uniform(0.0, 0.5)
        points[1:-1] = np.where(
            inner[1:-1, None], points[1:-1] + share * (middle - points[1:-1]), points[1:-1]
        )
    points *= np.exp([size + aspect, size])
    points[:, 1] += tilt * (points[:, 0] - points[:, 0].mean()) + rng.normal(0.0, 0.08)
    return np.column_stack([points, path[:, 2:]]).astype(np.float32)
