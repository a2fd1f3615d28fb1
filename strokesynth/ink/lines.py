"""A page of ink to its lines, by where the strokes lie; and lines to one ink of a page.

Time would tell as well (the pen returns to the left), but not for ink that was corrected later or drawn by a
program. Position alone: the middles of up- and downstrokes crowd in the core of a line of writing, far less wide than
a line with its ascenders and descenders. Blurred mostly along the line they become one ridge for each line, which
may slope and bend (a text line as a ridge of blurred ink: Bukhari, Shafait and Breuel, "Script-independent handwritten
textlines segmentation using active contours", ICDAR 2009). Ridges are followed from column to column.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter

from strokesynth.ink.ink import Ink, joint_legibility

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# All lengths are in letter heights: the usual height of an up- or downstroke, a little more than the x-height.
_COLUMN, _CELL = 1.0, 0.1  # grid: columns and rows of cells
_BLUR = (0.42, 5.0)  # standard deviations, down and across
_CLIMB = 0.25  # a ridge may rise or fall so much within a column
_APART = 1.5  # what lies nearer together is one line
_ASIDE = 2.0  # likewise side by side, for a line may climb
_FAR, _PER_LETTER = 4.5, 0.3  # marks lie further off; every letter of a line takes away from that
_CLOSE = 0.6  # standard deviation that two lines do not keep within
_DEGREES = np.concatenate([np.arange(-40.0, -10.0), np.arange(-10.0, 10.0, 0.5), np.arange(10.0, 40.1)])
_SLOPES = np.tan(np.deg2rad(_DEGREES))
_BESIDE = 7.0  # lines of a page share at least so much of their width
_EVEN = 0.5  # and the one has at least so much of the writing of the other
_SLOPE_SPREAD = 0.06
_CELLS = 4_000_000  # cells of the grid; ink that needs more is no page


def split_rows(ink: Ink) -> list[Ink]:
    """The lines of a page of writing, from top to bottom; one ink for each, its strokes in the order of writing.

    ink: any unit, y down, lines within about 10 degrees of level (a page as a whole may be turned by more). Strokes are
    never cut: one that reaches over several lines goes to the one that has most of it. The result has `text`
    None. One line gives a list of one, with the text if there was one.
    """
    lines = strokes_of_lines(ink)
    if len(lines) == 1:
        return [ink]
    return [Ink.from_strokes([ink.strokes[i] for i in line]) for line in lines]


def strokes_of_lines(ink: Ink) -> list[Ints]:
    """The strokes of each line of a page, by their indices (s,) in the ink, ascending. See `split_rows`."""
    rows = stroke_rows(ink)
    return [np.flatnonzero(rows == row) for row in range(int(rows.max()) + 1)]


def stack_lines(lines: Sequence[Ink], rows: Sequence[int] | None = None, *, pitch: float = 0.0) -> Ink:
    """One ink of the lines of a page, the inverse of `split_rows`; its text has them one below another.

    lines: in writing order. rows: the row that each of them is in, rising from 0 on; rows without a line are empty
    lines of the text. None numbers the lines without a gap. pitch: by how much a row lies below the one before; with 0
    the lines stay where they are. The legibility is that of all lines together.
    Raises ValueError where there are no lines, or the rows are not those of the lines.
    """
    rows = range(len(lines)) if rows is None else rows
    if len(rows) != len(lines) or any(b <= a for a, b in zip([-1, *rows], rows, strict=False)):
        raise ValueError(f"rows are {list(rows)}; expected {len(lines)} rising numbers from 0 on, one a line")
    strokes: list[ArrayLike] = []
    characters: list[ArrayLike] | None = []
    text = ""
    for row, line in zip(rows, lines, strict=True):
        text += "\n" * (row - text.count("\n"))
        strokes += (line.translate(0.0, row * pitch) if pitch else line).strokes
        if characters is not None:
            known = line.characters
            characters = None if known is None else characters + [own + len(text) for own in known]
        text += line.text or ""
    legibility = joint_legibility([(line.text or "", line.legibility) for line in lines])
    return Ink.from_strokes(strokes, text, characters, legibility)


def is_page(ink: Ink) -> bool:
    """Whether lines of writing clearly stand one below another; one that only climbs does not count.

    Two neighbouring lines share some width, and neither has much less writing than the other: descenders and high
    capitals that happen to lie in one row have less than half of what is beside them.
    """
    rows = stroke_rows(ink)
    runs = _runs(ink)
    if runs is None or not rows.any():
        return False
    _, _, height, stroke = runs
    letter = _weighted_median(height, height)
    sides = np.array([(s[:, 0].min(), s[:, 0].max()) for s in ink.strokes], np.float64)
    left = np.array([sides[rows == k, 0].min() for k in range(rows.max() + 1)])
    right = np.array([sides[rows == k, 1].max() for k in range(rows.max() + 1)])
    common = np.minimum(right[1:], right[:-1]) - np.maximum(left[1:], left[:-1])
    writing = np.bincount(rows[stroke], height, rows.max() + 1)
    even = np.minimum(writing[1:], writing[:-1]) >= _EVEN * np.maximum(writing[1:], writing[:-1])
    return bool(((common > _BESIDE * letter) & even).any())


def stroke_rows(ink: Ink) -> Ints:
    """The row, from 0 at the top, of each stroke (s,) of the ink."""
    none = np.zeros(len(ink.strokes), np.int64)
    runs = _runs(ink)
    if runs is None:
        return none
    x, y, height, stroke = runs
    letter = _weighted_median(height, height)
    x, y, height = x / letter, y / letter, height / letter
    weight = np.minimum(height, 2.0)
    slope = _slope(x, y, weight)
    y = y - slope * x
    mean = np.average(y, weights=weight)
    if np.sqrt(np.average((y - mean) ** 2, weights=weight)) < _CLOSE:
        return none
    label, levels = _ridges(x, y, weight)
    if levels <= 1:
        return none
    # A stroke goes where most of it lies.
    votes = np.zeros((len(ink.strokes), levels))
    np.add.at(votes, (stroke, label), weight)
    rows = votes.argmax(1)
    seen = votes.any(axis=1)
    middle = np.array([0.5 * (s.min(0) + s.max(0)) for s in ink.strokes], np.float64) / letter
    middle[:, 1] -= slope * middle[:, 0]
    if not seen.all():
        # Dots and dashes belong to the line of the strokes about them; one above a line rather than one below.
        for i in np.flatnonzero(~seen):
            away = np.hypot(x - middle[i, 0], 1.5 * (y - middle[i, 1] - 0.4))
            rows[i] = label[away.argmin()]
    order = np.argsort([np.average(y[label == k], weights=weight[label == k]) for k in range(levels)])
    place = np.empty(levels, np.int64)
    place[order] = np.arange(levels)
    return np.unique(place[rows], return_inverse=True)[1].reshape(-1).astype(np.int64)


def _runs(ink: Ink) -> tuple[Floats, Floats, Floats, Ints] | None:
    """Up- and downstrokes: the middle x and y (n,) of each, its height, and its stroke; None where all is flat."""
    points = np.concatenate(ink.strokes).astype(np.float64)
    stroke = np.repeat(np.arange(len(ink.strokes)), [len(s) for s in ink.strokes])
    rise = np.diff(points[:, 1])
    step = np.hypot(*np.diff(points, axis=0).T)
    inside = np.diff(stroke) == 0
    # Where a device broke a stroke in two, the next point is where it would have been anyway.
    around = np.maximum(np.append(step[1:], 0.0), np.append(0.0, step[:-1]))
    heights = np.array([np.ptp(s[:, 1]) for s in ink.strokes], np.float64)
    same = inside | (step <= np.minimum(1.5 * around, 0.4 * _weighted_median(heights, heights)))
    piece = np.concatenate([[0], np.cumsum(~same)])
    moving = np.flatnonzero(same & (rise != 0))
    if not len(moving):
        return None
    # A run goes on while the direction and the stroke stay the same.
    new = (np.diff(np.sign(rise[moving])) != 0) | (np.diff(piece[moving]) != 0)
    first = np.concatenate([[0], np.flatnonzero(new) + 1])
    start, end = moving[first], moving[np.append(first[1:], len(moving)) - 1] + 1
    height = np.abs(points[end, 1] - points[start, 1])
    # The tremor of a pen is no stroke.
    keep = height >= 0.15 * _weighted_median(height, height)
    start, end = start[keep], end[keep]
    middle = 0.5 * (points[start] + points[end])
    return middle[:, 0], middle[:, 1], height[keep], stroke[start]


def _weighted_median(values: Floats, weights: Floats) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])


def _slope(x: Floats, y: Floats, weight: Floats) -> float:
    """The slope at which the runs crowd most."""
    level = y - _SLOPES[:, None] * (x - x.mean())
    low = level.min(axis=1, keepdims=True)
    bins = ((level - low) / 0.35).astype(np.int64)
    count = int(bins.max()) + 2
    if count > 20_000:
        return 0.0
    index = bins + np.arange(len(_SLOPES))[:, None] * count
    density = np.bincount(index.ravel(), np.tile(weight, len(_SLOPES)), count * len(_SLOPES))
    density = density.reshape(len(_SLOPES), count)
    density = density[:, :-1] + density[:, 1:]
    crowd = np.log((density**2).sum(axis=1)) - 0.5 * (_SLOPES / _SLOPE_SPREAD) ** 2 / 10
    return float(_SLOPES[crowd.argmax()])


def _ridges(x: Floats, y: Floats, weight: Floats) -> tuple[Ints, int]:
    """The ridge of each run (n,), and how many there are."""
    margin = 1.0
    left, top = x.min() - margin, y.min() - margin
    shape = int(np.ptp(y) / _CELL + 2 * margin / _CELL) + 2, int((np.ptp(x) + 2 * margin) / _COLUMN) + 2
    if shape[0] * shape[1] > _CELLS:
        return np.zeros(len(x), np.int64), 1
    row, column = ((y - top) / _CELL).astype(np.int64), ((x - left) / _COLUMN).astype(np.int64)
    grid = np.zeros(shape)
    np.add.at(grid, (row, column), weight)
    blurred = gaussian_filter(grid, (_BLUR[0] / _CELL, _BLUR[1] / _COLUMN), mode="constant", truncate=4.0)
    peak = (blurred[1:-1] > blurred[:-2]) & (blurred[1:-1] >= blurred[2:]) & (blurred[1:-1] > 1e-9)
    tops = [np.flatnonzero(p) + 1 for p in peak.T]
    # Follow the ridges: a peak goes on in the next column where the nearest peak there is near enough.
    name: list[Ints] = []
    count = 0
    before, names = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for here in tops:
        own = np.full(len(here), -1)
        if len(here) and len(before):
            away = np.abs(here[:, None] - before) * _CELL
            forth, back = away.argmin(1), away.argmin(0)
            pairs = np.flatnonzero((back[forth] == np.arange(len(here))) & (away.min(1) <= _CLIMB))
            own[pairs] = names[forth[pairs]]
        fresh = np.flatnonzero(own < 0)
        own[fresh] = count + np.arange(len(fresh))
        count += len(fresh)
        name.append(own)
        before, names = here, own
    # Each run climbs to the nearest peak of its column; there is one, for it lies there itself.
    label = np.empty(len(x), np.int64)
    for c in np.unique(column):
        there = np.flatnonzero(column == c)
        label[there] = name[c][np.abs(row[there, None] - tops[c]).argmin(1)]
    label = np.unique(label, return_inverse=True)[1].reshape(-1)
    return _merge(x, y, weight, label.astype(np.int64))


def _merge(x: Floats, y: Floats, weight: Floats, label: Ints) -> tuple[Ints, int]:
    """Join ridges that are parts of one line: side by side at one height, or too near, or too small."""
    while (count := int(label.max()) + 1) > 1:
        best, pair = np.inf, (0, 0)
        for a in range(count):
            for b in range(a + 1, count):
                cost = _distance(x, y, weight, label == a, label == b)
                if cost < best:
                    best, pair = cost, (a, b)
        if best >= 1.0:
            break
        label = np.where(label == pair[1], pair[0], label)
        label = np.unique(label, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return label, int(label.max()) + 1


def _distance(x: Floats, y: Floats, weight: Floats, a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """The distance of two ridges from being one line, which they are if it is below 1."""
    if weight[a].sum() > weight[b].sum():
        a, b = b, a
    # Against the part of the larger one that is nearest in x.
    gap = np.maximum(np.maximum(x[a].min() - x[b], x[b] - x[a].max()), 0.0)
    near = gap <= gap.min() + 6.0
    apart = abs(np.average(y[a], weights=weight[a]) - np.average(y[b][near], weights=weight[b][near]))
    overlap = min(x[a].max(), x[b].max()) - max(x[a].min(), x[b].min())
    reach = _ASIDE if overlap < 0.2 * np.ptp(x[a]) else _APART
    return float(apart / max(reach, _FAR - _PER_LETTER * weight[a].sum()))
