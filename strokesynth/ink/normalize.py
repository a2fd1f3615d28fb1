"""Any ink of one line to normalised ink: baseline level on y = 0, x-height 1, left edge at x = 0, few points.

The baseline is found in the manner of Bengio and LeCun, "Word normalization for on-line handwritten word
recognition" (ICPR 1994): the lowest points of downstrokes lie on the baseline or the descender line, the
highest points of upstrokes on the core line (top of an x) or the line of ascenders and capitals. These
parallel lines are fitted to the local extrema by expectation-maximisation, started where the extrema are
densest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from strokesynth.ink.ink import Ink
from strokesynth.ink.resample import Floats, Ints, flatten, remove_jumps, remove_repeats, resample, split

# Lines of writing in x-heights above the baseline, and how closely extrema keep to them.
BASE, CORE, CAPITAL, ASCENDER, DESCENDER = 0.0, 1.0, 1.55, 1.85, -0.75
SPREAD_TIGHT, SPREAD_LOOSE = 0.13, 0.28
HALF = 60  # cells of the grid search to either side
OUTLIER_DENSITY = 0.1 / 0.9 / 4.0  # one extremum in ten lies anywhere within four x-heights
KNOT, START, WALK = 2.5, 0.4, 0.15  # drift: x-heights between knots, its deviation at the start and per knot
MOST_KNOTS = 4000  # a line ten times as long as any; its x-height is wrong
LEAST = 25.0, 12.0, 400.0  # the x-height is at least a stroke's width, all height, all width divided by these
SLOPE_SPREAD = 0.04  # standard deviation of the slope of a baseline (IAM-OnDB: median -0.02, 1 % beyond 0.1)
SLOPES = np.tan(np.deg2rad(np.arange(-12.0, 12.01, 0.75)))

_ABOVE = np.array([CORE, CAPITAL, ASCENDER, BASE, DESCENDER])
_SPREAD = np.array([SPREAD_TIGHT, SPREAD_TIGHT, SPREAD_LOOSE, SPREAD_TIGHT, SPREAD_LOOSE])

# How many local tops each character has on the core line, the capital line and the ascender line,
# and how many bottoms on the baseline and the descender line.
_SHAPES = {
    "aceosz": (1, 0, 0, 1, 0), "nuvx": (2, 0, 0, 2, 0), "r": (1, 0, 0, 1, 0), "mw": (3, 0, 0, 2.5, 0),
    "i": (1, 0, 0, 1, 0), "b": (1, 0, 1, 1, 0), "d": (1, 0, 1, 1.5, 0), "hk": (1, 0, 1, 2, 0),
    "l": (0, 0, 1, 1, 0), "t": (0, 1, 0, 1, 0), "f": (0.3, 0, 1, 0.5, 0.5), "gq": (1.5, 0, 0, 0.7, 1),
    "y": (2, 0, 0, 0.7, 1), "j": (1, 0, 0, 0, 1), "p": (1.5, 0, 0, 1, 1),
    "ABCDEFGILOPSTZ": (0, 1, 0, 1, 0), "HKMNRUVWXY": (0, 2, 0, 2, 0), "JQ": (0, 1, 0, 1, 0.3),
    "0123456789": (0, 1, 0, 1, 0), "!?#%&$@": (0, 1, 0, 1, 0), "/\\()[]{}|": (0, 0.4, 0.6, 0.5, 0.5),
}  # fmt: skip
_SHAPE = {character: counts for group, counts in _SHAPES.items() for character in group}
_ENGLISH = (0.70, 0.08, 0.22, 0.9, 0.1)  # the same where the text is not known

# Marks that touch none of the lines: their middle (above the baseline), width and height.
_MARKS = {
    "-": (0.5, 0.7, 0.1), "_": (-0.1, 1.0, 0.1), "=": (0.55, 0.7, 0.35), "+": (0.6, 0.8, 0.8),
    "~": (0.6, 0.9, 0.3), ".": (0.05, 0.1, 0.1), ",": (-0.05, 0.15, 0.35), ":": (0.45, 0.15, 0.8),
    ";": (0.35, 0.2, 1.0), "'": (1.4, 0.1, 0.4), "`": (1.4, 0.2, 0.4), '"': (1.4, 0.35, 0.4),
    "*": (1.1, 0.7, 0.7), "^": (1.3, 0.6, 0.45), "<": (0.6, 0.7, 0.9), ">": (0.6, 0.7, 0.9),
}  # fmt: skip

FREEDOM = 0.12
"""How far the logarithm of a line's x-height may be from that of its writer's other lines."""

_NO_EXTENT = "the ink has no extent (all its points are equal), expected writing, or x_height to be given"


@dataclass(frozen=True)
class Baseline:
    """The line y = intercept + slope x + drift(x) the writing stands on, and its x-height, in units of the ink.

    Few people write quite straight, on a whiteboard least of all: `drift` holds (x, y) pairs in between which
    the gentle departure from the straight line is linear; it is empty for short ink.
    """

    slope: float
    intercept: float
    x_height: float
    drift: tuple[tuple[float, float], ...] = ()

    def level(self, points: Floats) -> Floats:
        """Points (n, 2) turned until the baseline is level, moved to y = 0 and scaled to x-height 1."""
        norm = float(np.hypot(1.0, self.slope))
        c, s = 1.0 / norm, self.slope / norm
        x, y = points[:, 0], points[:, 1] - self.intercept
        if self.drift:
            y = y - np.interp(x, *np.transpose(self.drift))
        return np.column_stack([c * x + s * y, c * y - s * x]) / (self.x_height * c)


def estimate_baseline(ink: Ink, text: str | None = None, *, x_height: float | None = None) -> Baseline:
    """Find slope, baseline and x-height of one line of writing.

    Args:
        ink: one line or word, y down, any unit.
        text: what it says, default `ink.text`; tells for instance that the tops of "IBM 1984" are capitals.
        x_height: keep to this x-height (for instance the writer's usual one) and find only the line.

    Raises:
        ValueError: the ink has no points, coordinates that are not finite, or no extent.
    """
    points, lengths, rough = _clean(ink)
    return _fit(points, lengths, rough, ink.text if text is None else text, x_height)


def normalize(
    ink: Ink,
    *,
    x_height: float | None = None,
    baseline: Baseline | None = None,
    sagitta: float = 0.03,
    smoothing: float = 0.05,
) -> Ink:
    """Normalise one line of writing, whatever the device: see the module's first lines.

    Args:
        ink: one line or word, y down, any unit. Its text, where known, helps to find the lines.
        x_height: x-height in units of the ink, where it is known better than this one line tells.
        baseline: the whole baseline, where known; nothing is estimated then.
        sagitta, smoothing: see `resample`.

    Returns:
        Ink with baseline y = 0, x-height 1 (top of an x at y = -1), smallest x 0; same text, no `characters`.

    Raises:
        ValueError: the ink has no points, coordinates that are not finite, no extent while `x_height` is not
            given, or strokes of more than 8,000 x-heights.
    """
    points, lengths, rough = _clean(ink)
    if baseline is None:
        baseline = _fit(points, lengths, rough, ink.text, x_height)
    strokes = resample(split(baseline.level(points), lengths), sagitta=sagitta, smoothing=smoothing)
    left = np.array([min(float(stroke[:, 0].min()) for stroke in strokes), 0.0], dtype=np.float32)
    return Ink.from_strokes([stroke - left for stroke in strokes], text=ink.text)


def normalize_together(inks: Sequence[Ink], texts: Sequence[str | None]) -> list[Ink]:
    """Normalise lines of one writer, which share an x-height: that of a single short line is uncertain.

    A line keeps a tenth of freedom around the median of all, each weighing as much as it has characters.
    Raises ValueError as `normalize`, naming the line by its index.
    """
    baselines: list[Baseline] = []
    for i, (ink, text) in enumerate(zip(inks, texts, strict=True)):
        try:
            baselines.append(estimate_baseline(ink, text))
        except ValueError as error:
            raise ValueError(f"line {i}: {error}") from None
    own = np.log([baseline.x_height for baseline in baselines])
    near = pooled(own, [len(text or "") + 1 for text in texts])
    result = []
    for ink, text, baseline, before, after in zip(inks, texts, baselines, own, near, strict=True):
        if before != after:
            baseline = estimate_baseline(ink, text, x_height=float(np.exp(after)))
        result.append(normalize(Ink.from_strokes(ink.strokes, text), baseline=baseline))
    return result


def pooled(log_heights: Floats, weights: Sequence[float]) -> Floats:
    """Logarithms of x-heights (n,), each drawn to within `FREEDOM` of their weighted median."""
    order = np.argsort(log_heights, kind="stable")
    total = np.cumsum(np.asarray(weights, np.float64)[order])
    usual = log_heights[order[np.searchsorted(total, total[-1] / 2)]]
    return np.clip(log_heights, usual - FREEDOM, usual + FREEDOM)


def _clean(ink: Ink) -> tuple[Floats, Ints, float]:
    """Points (n, 2) and stroke lengths (s,) without repeated points and sensor jumps; a rough x-height."""
    points, lengths = flatten([stroke for stroke in ink.strokes if len(stroke)])
    if not len(points):
        raise ValueError("the ink has no points, expected at least one stroke of shape (n, 2)")
    if not np.isfinite(points).all():
        bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
        raise ValueError(
            f"point {bad[0]} of the ink is {points[bad[0]].tolist()} ({len(bad)} such points), "
            "expected finite coordinates"
        )
    points, lengths = remove_repeats(points, lengths)
    rough = _rough_height(points)
    return *remove_jumps(points, lengths, rough), rough


def _rough_height(points: Floats) -> float:
    """Height of the middle of the writing at its best slope: the x-height within a factor of two."""
    sample = points[:: 1 + len(points) // 250]
    x = sample[:, 0] - sample[:, 0].mean()
    level = np.sort(sample[:, 1] - SLOPES[:, None] * x, axis=1)
    spread = level[:, (4 * len(x)) // 5] - level[:, len(x) // 5]
    width = float(np.ptp(x))
    floor = 1e-3 * (width + float(np.ptp(sample[:, 1]))) + 1e-12
    # A short word leans by chance: its slope must pay for itself.
    letters = 1.4 * (width + floor) / (spread[len(SLOPES) // 2] + floor)
    cost = np.log(spread + floor) + (SLOPES / SLOPE_SPREAD) ** 2 / (2.0 * letters)
    return 1.2 * float(spread[np.argmin(cost)])


def _least_height(points: Floats, lengths: Ints) -> float:
    """A height that the x-height cannot be much below, since a lone dash has no height of its own to tell."""
    first = np.cumsum(lengths) - lengths
    low, high = np.minimum.reduceat(points, first), np.maximum.reduceat(points, first)
    width, height = high.max(axis=0) - low.min(axis=0)
    return float(max((high - low)[:, 0].max() / LEAST[0], height / LEAST[1], width / LEAST[2]))


def _extrema(points: Floats, lengths: Ints, least: float) -> tuple[Floats, Floats]:
    """Local bottoms and tops (n, 3): x, y and prominence, at least `least`; the ends of strokes count too."""
    last = np.cumsum(lengths) - 1
    first = last - lengths + 1
    y = points[:, 1]
    # One sentinel before each stroke, beyond all extrema, keeps the strokes apart.
    place = np.arange(len(points)) + np.repeat(np.arange(len(lengths)), lengths) + 1
    height = np.maximum.reduceat(y, first) - np.minimum.reduceat(y, first)
    limit = np.repeat(height, lengths)
    found = []
    for sign in (1.0, -1.0):
        signal = np.full(len(points) + len(lengths) + 1, -1e18)
        signal[place] = sign * y
        peaks, about = find_peaks(signal, prominence=least)
        index = np.searchsorted(place, peaks)
        prominence = np.minimum(about["prominences"], limit[index])
        keep = prominence >= least
        found.append(np.column_stack([points[index[keep]], prominence[keep]]))
    return found[0], found[1]


def _shares(text: str | None) -> Floats:
    """Expected shares (5,): of tops on core, capital, ascender line; of bottoms on base, descender line."""
    counts = np.zeros(5)
    for character, times in Counter(text or "").items():
        counts += times * np.array(_SHAPE.get(character, (0,) * 5))
    if counts[:3].sum() == 0:
        counts = np.array(_ENGLISH)
    tops, bottoms = counts[:3] / counts[:3].sum(), counts[3:] / max(counts[3:].sum(), 1e-9)
    return np.concatenate([tops, bottoms])


def _fit(points: Floats, lengths: Ints, rough: float, text: str | None, x_height: float | None) -> Baseline:
    if x_height is not None and not (np.isfinite(x_height) and x_height > 0):
        raise ValueError(f"x_height is {x_height}, expected a positive number in units of the ink")
    letters = [character for character in text or "" if not character.isspace()]
    if letters and all(character in _MARKS for character in letters):
        return _fit_marks(points, letters, x_height)
    rough = x_height or max(rough, _least_height(points, lengths))
    if rough <= 0 or not np.isfinite(rough):
        rough = max(float(np.ptp(points[:, 1])), float(np.ptp(points[:, 0])))
    if rough <= 0:
        raise ValueError(_NO_EXTENT)
    bottoms, tops = _extrema(points, lengths, 0.3 * rough)
    if not (len(bottoms) and len(tops)):  # all strokes flat
        bottom = points[np.argmax(points[:, 1])]
        return Baseline(0.0, float(bottom[1]), float(rough))

    shares = _shares(text)
    middle = float(points[:, 0].mean())
    x = np.concatenate([tops[:, 0], bottoms[:, 0]]) - middle
    y = np.concatenate([tops[:, 1], bottoms[:, 1]])
    weight = np.clip(np.concatenate([tops[:, 2], bottoms[:, 2]]) / rough, 0.0, 1.0)
    is_top = np.arange(len(x)) < len(tops)
    slope, intercept, height = _start(x, y, weight, is_top, shares, rough, x_height)
    share = np.where(is_top[:, None], shares * [1, 1, 1, 0, 0], shares * [0, 0, 0, 1, 1]) / _SPREAD
    slope, intercept, height = _refine(x, y, weight, share, (slope, intercept, height), x_height)
    knots, drift = _drift(x / height, (y - intercept - slope * x) / height, weight, is_top, share)
    if not len(knots):
        return Baseline(slope, intercept - slope * middle, height)
    knots, drift = knots * height, drift * height
    straight = y - np.interp(x, knots, drift)
    slope, intercept, height = _refine(x, straight, weight, share, (slope, intercept, height), x_height)
    course = tuple(zip((knots + middle).tolist(), drift.tolist(), strict=True))
    return Baseline(slope, intercept - slope * middle, height, course)


def _start(
    x: Floats,
    y: Floats,
    weight: Floats,
    is_top: NDArray[np.bool_],
    shares: Floats,
    rough: float,
    x_height: float | None,
) -> tuple[float, float, float]:
    """Slope, intercept and x-height where the extrema are densest on the expected lines (grid search)."""
    width = float(np.ptp(x))
    slopes = SLOPES if width > 2.0 * rough else np.zeros(1)
    cell = 0.08 * rough
    level = y - slopes[:, None] * x  # (slopes, extrema)
    centre = float(np.median(y))
    bins = np.clip(np.rint((level - centre) / cell).astype(np.int64) + HALF, 0, 2 * HALF)
    row = np.arange(len(slopes))[:, None] * (2 * HALF + 1)
    kernel = np.exp(-0.5 * (np.arange(-4, 5) / 1.5) ** 2)

    cells = (2 * HALF + 1) * len(slopes)

    def density(which: NDArray[np.bool_]) -> Floats:
        counts = np.bincount((row + bins[:, which]).ravel(), np.tile(weight[which], len(slopes)), cells)
        smoothed = np.convolve(counts, kernel, mode="same")  # rows meet only at their nearly empty rims
        return smoothed.reshape(len(slopes), 2 * HALF + 1)

    top, bottom = density(is_top), density(~is_top)
    prior = -0.5 * (slopes / SLOPE_SPREAD) ** 2
    # Roughly in nats: a peak that gains one extremum is worth one.
    best = int(np.argmax(top.max(axis=1) + bottom.max(axis=1) + prior))
    top, bottom = top[best], bottom[best]

    heights = np.array([x_height]) if x_height else rough * np.geomspace(0.35, 2.8, 27)
    base = np.arange(HALF // 3, 2 * HALF - HALF // 3)

    def at(values: Floats, above: float) -> Floats:
        """Density on the line `above` the baseline: (heights, baselines)."""
        index = base - np.rint(above * heights / cell).astype(np.int64)[:, None]
        return np.asarray(values[np.minimum(np.maximum(index, 0), 2 * HALF)])

    loose = np.ones(5) / 5.0  # ascenders and descenders keep less closely to their lines
    top[[0, -1]] = bottom[[0, -1]] = 0.0  # the outermost cells hold what lies beyond
    high, low = np.convolve(top, loose, mode="same"), np.convolve(bottom, loose, mode="same")
    lines = (top, CORE), (high, CAPITAL), (high, ASCENDER), (bottom, BASE), (low, DESCENDER)
    score = np.tile(-0.5 * (np.log(heights / rough) / 0.5)[:, None] ** 2, len(base))
    for share, line in zip(shares, lines, strict=True):
        if share > 0:
            score += share * at(*line)
    i, j = np.unravel_index(int(np.argmax(score)), score.shape)
    return float(slopes[best]), float(centre + (base[j] - HALF) * cell), float(heights[i])


def _refine(
    x: Floats,
    y: Floats,
    weight: Floats,
    share: Floats,
    start: tuple[float, float, float],
    x_height: float | None,
) -> tuple[float, float, float]:
    """Expectation-maximisation of five parallel lines y = intercept + slope x - above height and outliers."""
    slope, intercept, height = start
    expected = height
    powers = np.column_stack([np.ones(5), _ABOVE, _ABOVE**2])
    data = np.stack([x, np.ones_like(x), y], axis=1)
    squares = data[:, :, None] * data[:, None, :]  # (extrema, 3, 3)
    squares = squares.reshape(len(x), 9)
    for _ in range(10):
        residual = (y - intercept - slope * x)[:, None] / height + _ABOVE
        likely = share * np.exp(-0.5 * (residual / _SPREAD) ** 2)
        responsibilities = likely * (weight / (likely.sum(axis=1) + OUTLIER_DENSITY))[:, None]
        # Precisions, summed over the lines: (extrema, 3).
        lines = (responsibilities / (_SPREAD * height) ** 2) @ powers
        moments = (lines.T @ squares).reshape(3, 3, 3)
        # Normal equations of (slope, intercept, height), with priors on the slope and, weakly, on the height.
        normal, right = np.empty((3, 3)), np.empty(3)
        normal[:2, :2], right[:2] = moments[0, :2, :2], moments[0, :2, 2]
        normal[:2, 2] = normal[2, :2] = -moments[1, :2, 1]
        normal[2, 2], right[2] = moments[2, 1, 1], -moments[1, 1, 2]
        normal[[0, 1, 2], [0, 1, 2]] += SLOPE_SPREAD**-2, 1e-9 * height**-2, (0.3 * expected) ** -2
        right += 0.0, 1e-9 * height**-2 * intercept, (0.3 * expected) ** -2 * expected
        before = intercept - height
        if x_height:
            slope, intercept = np.linalg.solve(normal[:2, :2], right[:2] - normal[:2, 2] * height)
        else:
            slope, intercept, fitted = np.linalg.solve(normal, right)
            height = min(max(float(fitted), 0.7 * height), 1.4 * height)
        if abs(intercept - height - before) < 0.002 * height:
            break
    return float(slope), float(intercept), float(height)


def _drift(
    x: Floats, y: Floats, weight: Floats, is_top: NDArray[np.bool_], share: Floats
) -> tuple[Floats, Floats]:
    """The most likely gentle course (knots, heights) of the lines through extrema, everything in x-heights.

    A random walk over knots, each seen through the extrema around it: found by dynamic programming (Viterbi)
    over a grid of heights, then smoothed.
    """
    if not 3 * KNOT < np.ptp(x) < MOST_KNOTS * KNOT:
        return np.zeros(0), np.zeros(0)
    knots = np.arange(x.min(), x.max() + KNOT, KNOT)
    grid = np.arange(-1.5, 1.51, 0.1)
    # Log-likelihood of a top and of a bottom as a table over its height, -5 ... 5 x-heights.
    heights = np.arange(-5.0, 5.01, 0.05)
    density = np.exp(-0.5 * ((heights[:, None] + _ABOVE) / _SPREAD) ** 2)  # (heights, lines)
    table = np.log(density @ np.stack([share[~is_top][0], share[is_top][0]], axis=1) + OUTLIER_DENSITY)
    cell = np.rint((y[:, None] - grid) / 0.05).astype(np.int64) + len(heights) // 2
    cell = np.minimum(np.maximum(cell, 0), len(heights) - 1)
    evidence = weight[:, None] * table[cell, is_top[:, None].astype(np.int64)]  # (extrema, grid)
    near = np.abs(x - knots[:, None]) <= 0.5 * KNOT
    score = near @ evidence  # (knots, grid)
    step = -0.5 * ((grid[:, None] - grid) / WALK) ** 2  # from row to column
    best, came = score[0] - 0.5 * (grid / START) ** 2, []
    for seen in score[1:]:
        path = best[:, None] + step
        came.append(path.argmax(axis=0))
        best = path.max(axis=0) + seen
    course = [int(best.argmax())]
    for back in reversed(came):
        course.append(int(back[course[-1]]))
    return knots, np.asarray(gaussian_filter1d(grid[course[::-1]], 1.2, mode="nearest"))


def _fit_marks(points: Floats, marks: list[str], x_height: float | None) -> Baseline:
    """Baseline of punctuation that touches no line: from where such marks usually are, and how large."""
    middle, width, height = np.mean([_MARKS[mark] for mark in marks], axis=0)
    low, high = points.min(axis=0), points.max(axis=0)
    if x_height is None:
        x_height = float(max((high - low)[0] / (width * len(marks)), (high - low)[1] / height))
        if x_height <= 0:
            raise ValueError(_NO_EXTENT)
    return Baseline(0.0, float(0.5 * (low + high)[1] + middle * x_height), x_height)
