"""Device-independent points: from what a tablet recorded to few, geometrically placed points.

A tablet samples a pen in time, so that its points tell how fast it is and how fine its grid is. Here a
stroke becomes a smooth curve again and gets points where the *curve* needs them: close together in bends, far
apart where it runs straight, so that every chord leaves the curve by about the same small distance (its
sagitta). All strokes of an ink are worked on as one long array, split only by index arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, maximum_filter1d

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FINE = 0.04  # step of the dense curve, x-heights
MAX_FINE = 200_000  # points of the dense curve; beyond it the unit is not an x-height


def flatten(strokes: Sequence[NDArray[np.floating]]) -> tuple[Floats, Ints]:
    """Strokes as one array of points (n, 2) and the number of points of each (s,)."""
    if not len(strokes):
        return np.zeros((0, 2)), np.zeros(0, dtype=np.int64)
    lengths = np.array([len(stroke) for stroke in strokes], dtype=np.int64)
    return np.concatenate(strokes).astype(np.float64), lengths


def split(points: Floats, lengths: Ints) -> list[Floats]:
    """The inverse of `flatten`; strokes without a point vanish."""
    ends = np.cumsum(lengths).tolist()
    return [points[start:end] for start, end in zip([0, *ends], ends, strict=False) if end > start]


def remove_repeats(points: Floats, lengths: Ints) -> tuple[Floats, Ints]:
    """Drop every point equal to the one before it in the same stroke."""
    stroke = np.repeat(np.arange(len(lengths)), lengths)
    keep = np.ones(len(points), dtype=bool)
    x, y = points.T
    keep[1:] = (x[1:] != x[:-1]) | (y[1:] != y[:-1]) | (stroke[1:] != stroke[:-1])
    if keep.all():
        return points, lengths
    return points[keep], np.bincount(stroke[keep], minlength=len(lengths))


def remove_jumps(points: Floats, lengths: Ints, size: float) -> tuple[Floats, Ints]:
    """Undo sensor glitches: steps no hand makes, much longer than `size` (about an x-height) and other steps.

    Up to three points that jump away and come back are dropped; where the pen itself is elsewhere after the
    jump, the stroke is split.
    """
    step = np.hypot(*np.diff(points, axis=0).T) if len(points) > 1 else np.zeros(0)
    step[np.cumsum(lengths)[:-1] - 1] = 0.0  # from stroke to stroke the pen may go anywhere
    moving = step[step > 0]
    if len(moving) < 8:
        return points, lengths
    limit = max(3.0 * size, 15.0 * float(np.median(moving)))
    if not (step > limit).any():
        return points, lengths
    clean: list[Floats] = []
    for stroke in split(points, lengths):
        jumps = np.flatnonzero(np.hypot(*np.diff(stroke, axis=0).T) > limit) + 1
        pieces = np.split(stroke, jumps)
        if len(pieces) > 1:
            longest = max(pieces, key=len)
            pieces = [piece for piece in pieces if len(piece) > 3 or piece is longest]
        joined = [pieces[0]]
        for piece in pieces[1:]:
            if np.hypot(*(piece[0] - joined[-1][-1])) <= limit:
                joined[-1] = np.concatenate([joined[-1], piece])
            else:
                joined.append(piece)
        clean.extend(joined)
    return flatten(clean)


def grid_step(points: Floats, lengths: Ints) -> float:
    """The tablet's grid: the smallest coordinate change that is at all frequent, in units of the points."""
    change = np.abs(np.diff(points, axis=0))
    change = np.delete(change, np.cumsum(lengths)[:-1] - 1, axis=0)
    moves = [axis[axis > 0] for axis in change.T]
    smallest = [np.partition(move, len(move) // 20)[len(move) // 20] for move in moves if len(move) >= 10]
    return float(max(smallest, default=0.0))


@lru_cache(maxsize=256)
def _flat_gaussian(width: float) -> Floats:
    """Kernel 2G - G*G, G a Gaussian of `width` samples; it keeps parabolas, so small loops do not shrink."""
    radius = max(1, round(4.0 * width))
    offset = np.arange(-radius, radius + 1) / width
    narrow, wide = np.exp(-(offset**2) / 2), np.exp(-(offset**2) / 4)
    kernel = 2.0 * narrow / narrow.sum() - wide / wide.sum()
    return np.asarray(kernel / kernel.sum())


@lru_cache(maxsize=256)
def _gaussian(width: float) -> Floats:
    radius = max(1, round(3.0 * width))
    kernel = np.exp(-((np.arange(-radius, radius + 1) / width) ** 2) / 2)
    return np.asarray(kernel / kernel.sum())


class _Padding:
    """Index arithmetic that continues each stroke beyond its ends by its own reflection."""

    def __init__(self, lengths: Ints, pad: int) -> None:
        first = np.cumsum(lengths) - lengths
        room = lengths + 2 * pad
        position = np.arange(room.sum()) - np.repeat(np.cumsum(room) - room + pad, room)
        start, last = np.repeat(first, room), np.repeat(lengths - 1, room)
        self.before, self.after = position < 0, position > last
        self.inside = ~(self.before | self.after)
        mirrored = np.where(self.before, -position, np.where(self.after, 2 * last - position, position))
        self.source = start + np.minimum(np.maximum(mirrored, 0), last)
        self.first, self.last = start[self.before], (start + last)[self.after]

    def smooth(self, values: Floats, kernel: Floats, odd: bool) -> Floats:
        """Smooth values (n, ...) along the strokes; with `odd` reflection the end values stay exactly."""
        padded = values[self.source]
        if odd:
            padded[self.before] = 2.0 * values[self.first] - padded[self.before]
            padded[self.after] = 2.0 * values[self.last] - padded[self.after]
        return np.asarray(correlate1d(padded, kernel, axis=0)[self.inside])


def dense_curve(points: Floats, lengths: Ints, smoothing: float) -> tuple[Floats, Ints]:
    """The smooth curve (m, 2) through recorded points in steps of about `FINE`; its points per stroke (s,).

    Cubic Hermite pieces over chord length with Bessel tangents, then smoothed along the curve by a Gaussian
    of standard deviation `smoothing`. Points must not repeat. Ends stay where they are.
    """
    n = len(points)
    last = np.cumsum(lengths) - 1
    gap = np.zeros(n, dtype=bool)
    gap[last] = True  # the step after these points leads to another stroke
    delta = np.zeros((n, 2))
    delta[:-1] = points[1:] - points[:-1]
    delta[gap] = 0.0
    chord = np.hypot(delta[:, 0], delta[:, 1])
    direction = delta / np.where(gap, 1.0, chord)[:, None]
    # Zero at the ends and at the starts of strokes.
    ahead, behind = chord[:, None], np.append(0.0, chord[:-1])[:, None]
    weight = ahead + behind
    came = np.concatenate([direction[-1:], direction[:-1]])
    tangent = (direction * behind + came * ahead) / np.where(weight > 0, weight, 1.0)
    tangent[last] = came[last]
    starts = last - lengths + 1
    tangent[starts] = direction[starts]

    # The strokes lie one after another on one axis of arc length; a gap has length 0.
    arc = np.cumsum(chord) - chord
    total = arc[last] - arc[starts]
    count = np.maximum(1, np.ceil(total / FINE).astype(np.int64)) + 1
    count[lengths == 1] = 1
    if count.sum() > MAX_FINE:
        raise ValueError(
            f"strokes are {total.sum():.0f} units long altogether, expected at most "
            f"{MAX_FINE * FINE:.0f}: resampling works in x-heights, normalise the ink first"
        )
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    s = np.repeat(total / np.maximum(count - 1, 1), count) * offset
    at = s + np.repeat(arc[starts], count)
    # Strokes meet on the axis (end of one = start of the next), hence the clip to the own stroke.
    piece = np.clip(
        np.searchsorted(arc, at, side="right") - 1,
        np.repeat(starts, count),
        np.repeat(np.maximum(last - 1, starts), count),
    )
    length = chord[piece]
    safe = np.where(length > 0, length, 1.0)
    u = np.minimum(np.maximum((at - arc[piece]) / safe, 0.0), 1.0)[:, None]
    right = np.minimum(piece + 1, np.repeat(last, count))
    curve = (
        points[piece]
        + delta[piece] * (u * u * (3.0 - 2.0 * u))
        + (tangent[piece] * (1.0 - u) - tangent[right] * u) * (u * (1.0 - u) * length[:, None])
    )
    if smoothing > 0 and len(curve):
        kernel = _flat_gaussian(round(smoothing / FINE, 1))
        curve = _Padding(count, len(kernel) // 2).smooth(curve, kernel, odd=True)
    return curve, count


def resample(
    strokes: Sequence[NDArray[np.floating]],
    *,
    sagitta: float = 0.03,
    shortest: float = 0.10,
    longest: float = 0.90,
    smoothing: float = 0.05,
    dot: float = 0.15,
) -> list[NDArray[np.float32]]:
    """Place points by equal sagitta along smoothed strokes.

    A chord of length h across a curve of curvature kappa leaves it by kappa h^2 / 8; the local step is
    therefore h = sqrt(8 sagitta / kappa), within [shortest, longest], varying smoothly along the stroke. The
    first and last point of a stroke and its cusps stay; between them the points are spread evenly in the
    integral of 1 / h.

    Args:
        strokes: arrays (n, 2) in x-heights.
        sagitta: aimed distance between the curve and its chords, x-heights.
        shortest, longest: bounds of the step, x-heights.
        smoothing: standard deviation of the Gaussian along the curve, x-heights; a coarse grid widens it.
        dot: a stroke whose bounding box has a smaller diagonal becomes one point, its middle.

    Returns:
        One float32 array (m, 2), m >= 1, for each stroke that has a point.
    """
    curve, count = smooth(strokes, smoothing=smoothing, dot=dot)
    if not len(curve):
        return []
    step = np.zeros(len(curve))
    delta = np.diff(curve, axis=0)
    step[:-1] = np.hypot(delta[:, 0], delta[:, 1])
    last = np.cumsum(count) - 1
    first = last - count + 1
    step[last] = 0.0

    # Turning angle at each inner point of the dense curve.
    turn = np.zeros(len(curve))
    a, b = delta[:-1], delta[1:]
    turn[1:-1] = np.arctan2(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0], (a * b).sum(axis=1))
    turn[first] = turn[last] = 0.0

    spacing = np.maximum(0.5 * (step + np.append(0.0, step[:-1])), 0.25 * FINE)
    padding, kernel = _Padding(count, 6), _gaussian(1.5)
    # Left and right turns cancel, so that the jitter of a slow pen counts for little.
    curvature = np.abs(padding.smooth(turn, kernel, odd=False)) / padding.smooth(spacing, kernel, odd=False)
    density = np.sqrt(np.minimum(np.maximum(curvature / (8.0 * sagitta), longest**-2), shortest**-2))
    density = padding.smooth(density, _gaussian(1.0), odd=False)

    # A cusp turns by more than a radian within 0.2 x-heights; of equals the sharpest point is taken.
    turn = np.abs(turn)
    sharp = padding.smooth(turn, np.ones(5), odd=False) + 1e-3 * turn
    cusp = (sharp > 1.0) & (sharp >= maximum_filter1d(sharp, 9))
    cusp[1:] &= ~cusp[:-1]
    offset = np.arange(len(curve)) - np.repeat(first, count)
    cusp &= (offset > 3) & (offset < np.repeat(count, count) - 4)

    rise = np.zeros(len(curve))
    rise[1:] = 0.5 * (density[1:] + density[:-1]) * step[:-1]
    level = np.cumsum(rise)
    knots = np.sort(np.concatenate([first, last[count > 1], np.flatnonzero(cusp)]))
    stroke_of = np.searchsorted(last, knots)
    inner = np.append(stroke_of[1:] == stroke_of[:-1], False)  # knots that start a section
    width = np.append(level[knots[1:]] - level[knots[:-1]], 0.0)
    intervals = np.where(inner, np.maximum(1, np.rint(width).astype(np.int64)), 1)
    index = np.arange(intervals.sum()) - np.repeat(np.cumsum(intervals) - intervals, intervals)
    fraction = index / np.repeat(intervals, intervals)
    target = np.repeat(level[knots], intervals) + fraction * np.repeat(width, intervals)
    # Between strokes `level` stands still; a whole unit for each stroke keeps them apart.
    apart = np.repeat(np.arange(len(count)), count).astype(np.float64)
    owner = np.repeat(stroke_of, intervals)
    placed = np.column_stack([np.interp(target + owner, level + apart, curve[:, i]) for i in (0, 1)])
    exact = fraction == 0.0
    placed[exact] = curve[knots]
    return [part.astype(np.float32) for part in split(placed, np.bincount(owner, minlength=len(count)))]


def smooth(
    strokes: Sequence[NDArray[np.floating]], *, smoothing: float = 0.05, dot: float = 0.15
) -> tuple[Floats, Ints]:
    """The dense smooth curve that `resample` follows, x-heights: points (m, 2) and points per stroke (s,)."""
    points, lengths = flatten([stroke for stroke in strokes if len(stroke)])
    if not len(points):
        return points, lengths
    if not np.isfinite(points).all():
        raise ValueError("strokes hold NaN or infinite coordinates, expected finite numbers")
    points, lengths = remove_repeats(points, lengths)
    first = np.cumsum(lengths) - lengths
    low, high = np.minimum.reduceat(points, first), np.maximum.reduceat(points, first)
    small = np.hypot(*(high - low).T) < dot
    if small.any():
        keep = ~np.repeat(small, lengths)
        keep[first] = True
        points[first[small]] = 0.5 * (low + high)[small]
        points, lengths = points[keep], np.where(small, 1, lengths)
    stairs = grid_step(points, lengths)
    return dense_curve(points, lengths, min(max(smoothing, 0.8 * stairs), 3.0 * smoothing))
