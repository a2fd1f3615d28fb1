"""Character segmentation: from the frames at which CTC recognises characters to the points of ink that form each.

CTC says where it recognises a character, not how far it reaches (Graves et al. 2006, section 1: no segmentation), so
that boundaries are drawn here: within a stroke between the places of recognition, and strokes that hold no such place
(dots, crossbars, further strokes of a capital, in whatever order they were written) go to the character they lie
nearest to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BETWEEN = (
    0.5  # where the boundary lies on the way from one place of recognition to the next, as a share of it
)
_OUT_OF_TURN = (
    0.4  # by how many x-heights a character must be nearer to a stroke that was not written in its turn
)
_WIDE = 2.5  # strokes wider than this, in x-heights, are not marks, and were written in turn
_ARC = 0.15  # how much a distance along the stroke counts, against one across the paper


class FeatureRows(NamedTuple):
    """The rows of a `strokesynth.recognition.features.Trace` without their features, in little memory."""

    points: NDArray[np.float32]  # (n, 2), normalised
    strokes: NDArray[np.int32]  # (n,)
    air: NDArray[np.bool_]  # (n,), whether the pen is up


def owners(strokes: Sequence[Floats], rows: FeatureRows, places: Ints) -> list[Ints]:
    """For each stroke an int array (n,): the character, an index into `places`, that each of its points belongs to.

    strokes: arrays (n, 2), level as the rows' points are, of the ink that the rows were taken from.
    places: (u,) ascending, at least one: the row at which each character was recognised.
    """
    stroke = _stroke_of_rows(strokes, rows)
    down = np.flatnonzero(~rows.air)
    # A character that was recognised while the pen was up is moved to the nearest ink.
    after = np.minimum(np.searchsorted(down, places), len(down) - 1)
    before = np.maximum(after - 1, 0)
    places = down[np.where(np.abs(down[before] - places) < np.abs(down[after] - places), before, after)]
    result = [np.full(len(s), -1, np.int64) for s in strokes]
    for i in np.unique(stroke[places]):
        result[i] = _cut(
            strokes[i], rows, down[stroke[down] == i], places, np.flatnonzero(stroke[places] == i)
        )
    _adopt(strokes, result, [down[stroke[down] == i] for i in range(len(strokes))], places)
    return result


def spans(owner: Sequence[Ints], character: int) -> tuple[tuple[int, int, int], ...]:
    """(stroke, start, stop) of each run of points that belong to the character."""
    found = []
    for i, characters in enumerate(owner):
        edges = np.flatnonzero(np.diff((characters == character).astype(np.int8), prepend=0, append=0))
        found += [(i, int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
    return tuple(found)


def _stroke_of_rows(strokes: Sequence[Floats], rows: FeatureRows) -> Ints:
    """The stroke (n,) that each row lies on, by index; normalisation may have cut some strokes and dropped others."""
    count = int(rows.strokes.max()) + 1
    if count == len(strokes):
        return rows.strokes.astype(np.int64)
    points = np.concatenate(strokes)
    stroke = np.repeat(np.arange(len(strokes)), [len(s) for s in strokes])
    names = np.empty(count, np.int64)
    for k in range(count):
        own = np.flatnonzero((rows.strokes == k) & ~rows.air)
        middle = rows.points[own[len(own) // 2]] if len(own) else rows.points[np.argmax(rows.strokes == k)]
        names[k] = stroke[((points - middle) ** 2).sum(1).argmin()]
    return names[rows.strokes]


def _cut(stroke: Floats, rows: FeatureRows, own: Ints, places: Ints, characters: Ints) -> Ints:
    """The owner of each point of a stroke with the rows `own`, on which these characters were recognised."""
    recognised = places[characters]
    cuts = recognised[:-1] + _BETWEEN * np.diff(recognised)  # fractions of rows
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(stroke, axis=0).T))])
    share = (cuts - own[0]) / max(1, own[-1] - own[0])
    low = np.floor(cuts).astype(np.int64)
    high = np.minimum(low + 1, len(rows.points) - 1)
    point = rows.points[low] + (cuts - low)[:, None] * (rows.points[high] - rows.points[low])
    starts = np.zeros(len(characters), np.int64)
    for k, (p, s) in enumerate(zip(point, share, strict=True), start=1):
        away = ((stroke - p) ** 2).sum(1) + (_ARC * (way - s * way[-1])) ** 2
        # The characters stay in order, and each has a point as long as there are enough points.
        starts[k] = min(max(int(away.argmin()), int(starts[k - 1]) + 1), len(stroke))
    spare = len(stroke) - np.arange(len(characters), 0, -1)
    if spare[0] >= 0:
        starts = np.minimum(starts, spare)
    return characters[np.searchsorted(starts, np.arange(len(stroke)), side="right") - 1]


def _adopt(strokes: Sequence[Floats], owner: list[Ints], own: list[Ints], places: Ints) -> None:
    """Give strokes without a place of recognition to the character that lies nearest."""
    left, right = np.full(len(places), np.inf), np.full(len(places), -np.inf)
    for stroke, characters in zip(strokes, owner, strict=True):
        if characters[0] >= 0:
            np.minimum.at(left, characters, stroke[:, 0])
            np.maximum.at(right, characters, stroke[:, 0])
    inked = np.isfinite(left)
    turn = 0
    for i, stroke in enumerate(strokes):
        if len(own[i]):
            turn = int(np.searchsorted(places, own[i][0]))  # the next character to be recognised
        if owner[i][0] >= 0:
            continue
        low, high = stroke[:, 0].min(), stroke[:, 0].max()
        gap = np.maximum(np.maximum(left - high, low - right), 0.0)
        with np.errstate(invalid="ignore"):  # a character without a stroke lies from inf to -inf
            apart = gap + 0.5 * np.abs(0.5 * (left + right) - 0.5 * (low + high))
        apart = np.where(inked, apart, np.inf)
        late = np.ones(len(places), bool)
        late[max(0, turn - 1) : turn + 1] = False
        apart = apart + np.where(late, np.inf if high - low > _WIDE else _OUT_OF_TURN, 0.0)
        nearest = int(apart.argmin())
        owner[i][:] = nearest
        left[nearest], right[nearest] = min(left[nearest], low), max(right[nearest], high)
