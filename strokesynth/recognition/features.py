"""Ink as the recogniser sees it: equidistant rows along the pen's way, with direction, height and surroundings.

A row every `STEP` x-heights (arc-length resampling makes the reading independent of the device's sampling rate and
of the writer's speed); the way through the air between two strokes is walked too, in larger steps. Because dots
and crossbars are often written after the rest of their word, each row also carries a small map of all the ink in the
columns around it, whenever that was written; it continues the "vicinity" and "context map" features of
Liwicki and Bunke (HMM-based on-line recognition of handwritten whiteboard notes, IWFHR 2006).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strokesynth.ink import Ink

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STEP = 0.28
"""Distance between rows while the pen is down, in x-heights."""

_HOP_STEP, _HOP_ROWS = 0.55, 5.0  # x-heights between rows in the air, and the most rows between two strokes
_BANDS = np.arange(-3.0, 2.01, 0.5)  # heights of the rows of the map, in x-heights, y down
_CELL = 0.35  # width of a column of the map, in x-heights
_COLUMNS = np.arange(-2, 3)  # columns of the map, counted from the pen
_OWN = 7  # number of features of the row itself

FEATURES = _OWN + len(_BANDS) * len(_COLUMNS)
"""Number of features of a row."""

LIMIT = 20_000
"""The most rows that one ink may have: about a thousand characters."""


@dataclass(frozen=True)
class Trace:
    """The rows of one ink.

    features: float32 (n, `FEATURES`). points: float64 (n, 2), where the pen is. strokes: int64 (n,), the stroke
    it writes or, in the air, the next one.
    """

    features: NDArray[np.float32]
    points: Floats
    strokes: Ints


def trace(ink: Ink, *, step: float = STEP) -> Trace:
    """The rows of normalised ink (`strokesynth.ink.normalize.normalize`).

    Raises ValueError where they would be more than `LIMIT`.
    """
    lengths = np.array([len(stroke) for stroke in ink.strokes])
    return trace_points(np.concatenate(ink.strokes).astype(np.float64), lengths, step=step)


def trace_points(points: Floats, lengths: Ints, *, step: float = STEP) -> Trace:
    """The same as `trace` for the points (n, 2) of all strokes, one after another, and the strokes' lengths (s,)."""
    ends = np.cumsum(lengths)
    starts = ends - lengths
    # Every stroke begins with a segment of half a row on the spot, so that a dot has a row of its own.
    knots = np.insert(points, starts, points[starts], axis=0)
    air = np.zeros(len(knots), bool)
    first = starts + np.arange(len(starts))  # the inserted knots; the way to them is through the air
    air[first] = True
    way = np.zeros(len(knots))
    way[1:] = np.hypot(*np.diff(knots, axis=0).T)
    pace = np.where(air, np.minimum(way / _HOP_STEP, _HOP_ROWS), way / step)
    pace[first[1:]] = np.maximum(pace[first[1:]], 1.0)
    pace[first + 1] = 1.0
    pace[0] = 0.0
    place = np.cumsum(pace)
    count = int(place[-1]) + 1
    if count > LIMIT:
        raise ValueError(
            f"this ink is a pen's way of {count * step:.0f} x-heights, too long for one line "
            f"(at most {LIMIT * step:.0f})"
        )
    rows = np.arange(count) + 0.5 * (place[-1] - (count - 1))
    position = np.column_stack([np.interp(rows, place, knots[:, 0]), np.interp(rows, place, knots[:, 1])])
    knot = np.minimum(np.searchsorted(place, rows, side="left"), len(knots) - 1)
    up = air[knot]
    stroke = np.searchsorted(first, knot, side="right") - 1
    move = np.diff(position, axis=0, prepend=position[:1])
    distance = np.hypot(*move.T)
    own = np.column_stack(
        [
            move / np.maximum(distance, 0.3 * step)[:, None],  # direction; fades where the pen hardly moves
            np.minimum(distance, 2.0),
            position[:, 1],
            up,
            np.diff(stroke, prepend=stroke[:1]) > 0,  # a stroke begins
            np.minimum(np.abs(move[:, 0]), 2.0) * np.sign(move[:, 0]),
        ]
    )
    features = np.concatenate([own, _surroundings(position, ~up)], axis=1).astype(np.float32)
    return Trace(features, position, stroke)


def _surroundings(points: Floats, down: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How much ink (n, bands x columns) lies about each point, from 0 to 2, interpolated between cells."""
    left = float(points[:, 0].min()) + _COLUMNS[0] * _CELL
    x = (points[:, 0] - left) / _CELL
    y = np.clip((points[:, 1] - _BANDS[0]) / (_BANDS[1] - _BANDS[0]), 0.0, len(_BANDS) - 1.001)
    width = int(x.max()) + int(_COLUMNS[-1]) + 2
    column, band = x.astype(np.int64), y.astype(np.int64)
    right, low = x - column, y - band
    cell = column * len(_BANDS) + band
    size = width * len(_BANDS)
    amount = np.where(down, 0.6, 0.0)
    grid = np.zeros(size)
    for shift, share in (
        (0, (1 - right) * (1 - low)),
        (1, (1 - right) * low),
        (len(_BANDS), right * (1 - low)),
        (len(_BANDS) + 1, right * low),
    ):
        grid += np.bincount(cell + shift, amount * share, size)[:size]
    columns = np.minimum(grid, 2.0).reshape(width, len(_BANDS))
    around = column[:, None] + _COLUMNS
    share = right[:, None, None]
    near = (1 - share) * columns[around] + share * columns[around + 1]  # (n, columns, bands)
    return np.asarray(near.reshape(len(points), -1))
