"""Isolated characters by one writer: which of them to trust, how large they are, where they stand.

Databases of isolated characters (UNIPEN) record no baseline, and a few per cent of their samples are
not what the label says: a stroke is missing, or the label is wrong. Here such samples are found by
looking at their nearest neighbours, one scale per writer is estimated, and each character is put where type
has it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from strokesynth.datasets.sample import Sample
from strokesynth.ink.resample import resample

Strokes = Sequence[np.ndarray]

# Bottom and top of printed characters in x-heights above the baseline (y upwards here, as in type).
EXTENT: dict[str, tuple[float, float]] = {
    **dict.fromkeys("acemnorsuvwxz", (0.0, 1.0)),
    **dict.fromkeys("bdfhkl", (0.0, 1.75)),
    **dict.fromkeys("gpqy", (-0.75, 1.0)),
    **{"i": (0.0, 1.45), "j": (-0.75, 1.45), "t": (0.0, 1.5)},
    **dict.fromkeys("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (0.0, 1.65)),
    **dict.fromkeys("0123456789", (0.0, 1.5)),
    **dict.fromkeys("!?&%#", (0.0, 1.6)),
    **dict.fromkeys("()[]{}", (-0.3, 1.7)),
    **dict.fromkeys("/\\", (-0.2, 1.7)),
    **dict.fromkeys("<>", (0.2, 1.1)),
    **{"|": (-0.4, 1.7), "$": (-0.2, 1.7), "@": (-0.2, 1.3), "*": (0.75, 1.5), "+": (0.2, 1.1)},
    **{".": (0.0, 0.1), ",": (-0.35, 0.1), ":": (0.0, 0.85), ";": (-0.35, 0.85)},
    **{"'": (1.15, 1.65), '"': (1.15, 1.65), "`": (1.2, 1.65), "^": (1.0, 1.5)},
    **{"-": (0.55, 0.6), "=": (0.4, 0.8), "~": (0.5, 0.75), "_": (-0.2, -0.15)},
}
# Flat characters have a width to be measured by instead of a height.
WIDTH = {"-": 0.6, "=": 0.75, "~": 0.9, "_": 0.9, ".": 0.1}

# The widest character that is kept, in x-heights.
_WIDEST = 2.6
# How far the size of a character may be from that of the writer's others.
_SIZE_RANGE = (0.75, 1.3)
# Maps of the shape: cells to a side, points along the path, orientations told apart.
_GRID, _POINTS, _ORIENTATIONS = 7, 48, 4
# Principal directions that features are reduced to, samples of each character to compare with, nearest
# neighbours that are looked at, and how many of them must have the same label.
_DIRECTIONS, _REFERENCE, _NEIGHBOURS, _AGREEING = 48, 160, 12, 2


@dataclass
class WriterSamples:
    """Characters and words by one writer, normalised: x-height 1, baseline y = 0 (down), left edge x = 0.

    Attributes:
        characters: for each character the writer's samples of it, each a list of strokes (n, 2).
        words: (text, strokes) of words that the writer wrote.
    """

    writer: str
    split: str
    characters: dict[str, list[list[np.ndarray]]] = field(default_factory=dict)
    words: list[tuple[str, list[np.ndarray]]] = field(default_factory=list)


def characters_by_writer(
    samples: Iterable[Sample], *, least: int = 10, most: int = 8
) -> tuple[list[WriterSamples], Counter[str]]:
    """Sort isolated characters by writer, leave out the doubtful ones, and normalise the others.

    Args:
        samples: recorded characters; anything but a single printable one is left out.
        least: writers with fewer different characters are left out.
        most: samples kept of each character of a writer, the first ones.

    Returns:
        What each writer wrote, in the order of their first samples, and how many samples were left out, by reason.
    """
    dropped: Counter[str] = Counter()
    kept: list[Sample] = []
    seen: Counter[tuple[str, str]] = Counter()
    for sample in samples:
        seen[sample.writer, sample.text] += 1
        if sample.text not in EXTENT:
            dropped["not one printable character"] += 1
        elif seen[sample.writer, sample.text] > most:
            dropped["enough of this character by this writer"] += 1
        else:
            kept.append(sample)
    of_writer = defaultdict(list)
    for sample in kept:
        of_writer[sample.writer].append((sample.text, sample.ink.strokes))
    scales = {writer: writer_scale(drawn) for writer, drawn in of_writer.items()}
    measured = [s for s in kept if scales[s.writer] > 0]
    dropped["writer without letters and digits"] += len(kept) - len(measured)
    if not measured:
        return [], +dropped
    looks = plausible(
        [s.text for s in measured], [s.ink.strokes for s in measured], [scales[s.writer] for s in measured]
    )
    dropped["does not look like its label"] += int((~looks).sum())
    found: dict[str, WriterSamples] = {}
    for sample in (s for s, good in zip(measured, looks, strict=True) if good):
        by_writer = found.setdefault(sample.writer, WriterSamples(sample.writer, sample.split))
        strokes = resample(place(sample.ink.strokes, sample.text, scales[sample.writer]))
        if max(s[:, 0].max() for s in strokes) > _WIDEST:
            dropped["too wide"] += 1
            continue
        by_writer.characters.setdefault(sample.text, []).append(strokes)
    enough = [writer for writer in found.values() if len(writer.characters) >= least]
    dropped[f"writer with fewer than {least} characters"] += sum(
        len(drawn)
        for writer in found.values()
        if len(writer.characters) < least
        for drawn in writer.characters.values()
    )
    return enough, +dropped


def size(strokes: Strokes, character: str) -> float:
    """Measure ``character`` by its height, or by its width if it is a flat one; in units of the ink."""
    low, high = _box(strokes)
    extent = high - low
    if character == ".":
        return float(extent.max())
    return float(extent[0] if character in WIDTH else extent[1])


def standard_size(character: str) -> float:
    """The size that ``character`` should have, in x-heights."""
    bottom, top = EXTENT[character]
    return WIDTH.get(character, top - bottom)


def writer_scale(samples: Sequence[tuple[str, Strokes]]) -> float:
    """Units per x-height of one writer, from their isolated letters and digits (character, strokes).

    The median, over the characters, of the median ratio of measured to standard height. Zero if
    there is no letter or digit.
    """
    ratios = defaultdict(list)
    for character, strokes in samples:
        if character.isalnum():
            ratios[character].append(size(strokes, character) / standard_size(character))
    return float(np.median([np.median(r) for r in ratios.values()])) if ratios else 0.0


def place(strokes: Strokes, character: str, scale: float) -> list[np.ndarray]:
    """``strokes`` of ``character`` at x-height 1 on the baseline y = 0, y down, left edge at x = 0.

    The size relative to ``scale`` (units per x-height) is kept within a range around the standard one.
    Characters that stand on the baseline are put there; all others are centred on their standard extent.
    """
    relative = size(strokes, character) / (scale * standard_size(character))
    factor = np.clip(relative, *_SIZE_RANGE) / relative / scale if relative > 0 else 1 / scale
    low, high = _box(strokes)
    bottom, top = EXTENT[character]
    y = -high[1] * factor if bottom == 0 else -(bottom + top) / 2 - (low[1] + high[1]) / 2 * factor
    shift = np.array([-low[0] * factor, y])
    return [(stroke * factor + shift).astype(np.float32) for stroke in strokes]


def plausible(characters: Sequence[str], samples: Sequence[Strokes], scales: Sequence[float]) -> np.ndarray:
    """Tell which samples look like what they are labelled: bool (N,).

    Every sample is compared with about the same number of samples of every character (shape by where its
    path runs in which direction; size relative to its writer's scale), and is kept if enough of its nearest
    neighbours have its label: a lone bar called "F" finds itself among dashes. The samples compared with
    have been chosen in the same way (the edited nearest-neighbour rule of Wilson, 1972).
    """
    features = np.concatenate([_shapes(samples), _sizes(samples, scales)], axis=1)
    features -= features.mean(0)
    # The leading directions hold nearly all of the variance and make the search several times cheaper.
    _, axes = np.linalg.eigh(features.T @ features)
    features = (features @ axes[:, -_DIRECTIONS:]).astype(np.float32)
    # A full stop, a comma and an apostrophe differ in where they stand, which nobody knows here.
    names, codes = np.unique(["." if c in ".,'" else c for c in characters], return_inverse=True)
    rng = np.random.default_rng(0)
    reference = np.concatenate(
        [rng.permutation(np.flatnonzero(codes == c))[:_REFERENCE] for c in range(len(names))]
    )
    reference = reference[_agree(features, codes, reference, reference)]
    return _agree(features, codes, np.arange(len(codes)), reference)


def _agree(features: np.ndarray, codes: np.ndarray, rows: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Whether each of ``rows`` has enough of its own ``codes`` among its neighbours in ``reference``: bool."""
    known, squares = features[reference], (features[reference] ** 2).sum(1)
    count = min(_NEIGHBOURS, len(reference) - 1)
    result = []
    for part in np.array_split(rows, len(rows) // 2048 + 1):
        distances = squares - 2 * features[part] @ known.T
        # A sample says nothing about its own label.
        distances[part[:, None] == reference] = np.inf
        nearest = np.argpartition(distances, count - 1, axis=1)[:, :count]
        result.append((codes[reference[nearest]] == codes[part, None]).sum(1) >= _AGREEING)
    return np.concatenate(result)


def _box(strokes: Strokes) -> tuple[np.ndarray, np.ndarray]:
    points = np.concatenate(strokes)
    return points.min(0), points.max(0)


def _sizes(samples: Sequence[Strokes], scales: Sequence[float]) -> np.ndarray:
    """(N, 2): logarithms of width and height in x-heights, weighted to matter about as much as the shape."""
    extents = np.array([np.subtract(*_box(s)[::-1]) / scale for s, scale in zip(samples, scales)])
    return 0.08 * np.log(extents + 0.1)


def _shapes(samples: Sequence[Strokes]) -> np.ndarray:
    """(N, 7 · 7 · 5) maps of the path in a box of its own size: its amount, and by orientation."""
    places = np.zeros((len(samples), _POINTS, 2))
    directions = np.zeros((len(samples), _POINTS, 2))
    for row, strokes in enumerate(samples):
        points = np.concatenate(strokes).astype(np.float64)
        steps = np.diff(points, axis=0)
        lengths = np.hypot(steps[:, 0], steps[:, 1])
        # From stroke to stroke the pen is up.
        lengths[np.cumsum([len(s) for s in strokes])[:-1] - 1] = 0
        along = np.concatenate([[0], np.cumsum(lengths)])
        low, high = points.min(0), points.max(0)
        middle, extent = (low + high) / 2, max((high - low).max(), 1e-6)
        at = (np.arange(_POINTS) + 0.5) / _POINTS * along[-1]
        for axis in (0, 1):
            places[row, :, axis] = (np.interp(at, along, points[:, axis]) - middle[axis]) / extent
        if along[-1] > 0:
            segment = np.clip(np.searchsorted(along, at) - 1, 0, len(steps) - 1)
            directions[row] = steps[segment] / np.maximum(lengths[segment], 1e-6)[:, None]
    # The doubled angle makes a line and its reverse one.
    angle = 2 * np.arctan2(directions[..., 1], directions[..., 0])
    speed = np.hypot(directions[..., 0], directions[..., 1])
    channels = [np.ones_like(speed)] + [
        speed * np.maximum(0, np.cos(angle - 2 * np.pi * k / _ORIENTATIONS)) for k in range(_ORIENTATIONS)
    ]
    position = np.clip((places + 0.5) * (_GRID - 1), 0, _GRID - 1.001)
    corner, part = position.astype(int), position % 1
    cells = _GRID * _GRID
    rows = np.arange(len(samples))[:, None] * cells
    maps = np.zeros((len(channels), len(samples) * cells))
    for right in (0, 1):
        for down in (0, 1):
            weight = np.abs(1 - right - part[..., 0]) * np.abs(1 - down - part[..., 1])
            cell = rows + (corner[..., 1] + down) * _GRID + corner[..., 0] + right
            for channel, values in zip(maps, channels):
                channel += np.bincount(cell.ravel(), (weight * values).ravel(), len(channel))
    maps = np.sqrt(maps.reshape(len(channels), len(samples), cells).transpose(1, 0, 2) / _POINTS)
    return maps.reshape(len(samples), -1)
