"""Pictures for looking at ink and at the networks that write it.

Every function returns a matplotlib Figure made without pyplot: it shows itself in Jupyter, is saved with
`figure.savefig(path)`, and leaves nothing behind. Ink is drawn with the curves of `strokesynth.ink.drawing`, y down.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from strokesynth.ink import Ink
from strokesynth.ink.curves import beziers
from strokesynth.ink.raster import path

COLORS = ("#1f5fa8", "#c8452d", "#2c8a57", "#8a4fa3", "#b7791f", "#16808c")  # on white, apart also in grey
INK_COLOR = "#1b1b2b"
_OVER = ("points", "characters", "step", "seconds")  # columns of a log, what curves are drawn over first


def plot_lines(
    inks: Iterable[Ink | ArrayLike],
    titles: Sequence[str] | None = None,
    *,
    columns: int = 1,
    width: float = 12.0,
    rules: bool = True,
) -> Figure:
    """A sheet of inks one below another (then in the next column), all at one scale.

    inks: Ink, or offsets (n, 3). titles: one per ink; the text of the ink where none are given.
    width: of the figure in inches. rules: draw the baseline and the x-height line of normalised ink (y = 0, -1).
    Raises ValueError when there is no ink or the titles do not match.
    """
    sheet = [ink if isinstance(ink, Ink) else Ink.from_offsets(ink) for ink in inks]
    if not sheet:
        raise ValueError("plot_lines needs at least one ink, and none was given")
    titles = [ink.text or "" for ink in sheet] if titles is None else list(titles)
    if len(titles) != len(sheet):
        raise ValueError(f"plot_lines needs one title per ink: {len(sheet)} inks, {len(titles)} titles")
    if columns < 1:
        raise ValueError(f"columns must be at least 1; got {columns}")
    left, top, right, bottom = np.array([ink.bounds for ink in sheet]).T
    if rules:  # they belong to the line
        top, bottom = np.minimum(top, -1.0), np.maximum(bottom, 0.0)
    # One ink that ran away upwards must not make a sheet without end, so its height counts like a width.
    column = 1.04 * max(right.max() - left.min(), (bottom - top).max(), 1.0)
    unit = width / columns / column  # inches
    title, gap = 0.16 / unit, 0.3
    strokes: list[NDArray[np.float64]] = []
    labels: list[tuple[float, float]] = []
    baselines: list[tuple[float, float]] = []
    height = 0.0
    per_column = -(-len(sheet) // columns)
    for i, ink in enumerate(sheet):
        if i % per_column == 0:
            x, y = (i // per_column + 0.02) * column - left.min(), 0.0
        labels.append((x + left.min(), y))
        baseline = y + title - top[i]
        baselines.append((x + left.min(), baseline))
        strokes += [beziers(s) + np.array([x, baseline]) for s in ink.strokes]
        y = baseline + bottom[i] + gap
        height = max(height, y)
    figure = Figure(figsize=(width, height * unit), dpi=100)
    ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    ax.set_xlim(0.0, columns * column)
    ax.set_ylim(height, 0.0)
    ax.axis("off")
    if rules:
        starts, levels = np.array(baselines).T
        pen: dict[str, Any] = {"colors": "#b9d2ea", "linewidths": 0.8, "zorder": 0}
        ax.hlines(levels, starts, starts + column / 1.04, linestyles="-", **pen)
        ax.hlines(levels - 1.0, starts, starts + column / 1.04, linestyles=":", **pen)
    _draw(ax, strokes, INK_COLOR, linewidth=max(0.6, 0.12 * unit * 72))
    for (x, y), text in zip(labels, titles, strict=True):
        ax.text(x, y + 0.1 * title, _plain(text), va="top", fontsize=7, color="#5a5a5a")
    return figure


def plot_ink(ink: Ink, by: str | None = None, *, points: bool = False, width: float = 12.0) -> Figure:
    """One ink, in one colour, or coloured by "stroke" or by "character" (needs `ink.characters`).

    points: also mark the points, the first of each stroke by a ring.
    """
    figure = Figure(figsize=(width, _height(ink, width)), dpi=100)
    ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    _draw_coloured(ax, ink, by)
    if points:
        ax.plot(*np.concatenate(ink.strokes).T, ".", color="#000000", markersize=2.5)
        ax.plot(
            *np.array([s[0] for s in ink.strokes]).T, "o", color="#000000", markersize=5, fillstyle="none"
        )
    _frame(ax, ink)
    ax.axis("off")
    return figure


def plot_attention(window: ArrayLike, text: str, ink: Ink | None = None, *, width: float = 12.0) -> Figure:
    """The soft window over the text (Graves 2013, figure 13), below the ink it wrote.

    window: (T, U) weight of each character at each step of the pen, eq. 46.
    text: the U characters, one row each, first at the top; an end mark may be missing from it.
    ink: where it has `characters`, it is coloured by them.
    """
    weights = np.asarray(window, dtype=np.float64)
    if weights.ndim != 2 or not weights.size:
        raise ValueError(f"window weights have shape (T, U): pen steps, characters; got {weights.shape}")
    steps, length = weights.shape
    if len(text) not in (length, length - 1):
        raise ValueError(f"the window has {length} characters and the text {len(text)}: {text!r}")
    rows = max(2.0, 0.16 * length)
    above = 0.0 if ink is None else _height(ink, width)
    figure = Figure(figsize=(width, rows + above + 0.5), dpi=100, layout="constrained")
    if ink is None:
        ax = figure.subplots()
    else:
        drawn, ax = figure.subplots(2, 1, height_ratios=(above, rows))
        _draw_coloured(drawn, ink, "character" if ink.characters is not None else None)
        _frame(drawn, ink)
        drawn.axis("off")
    image = ax.imshow(weights.T, aspect="auto", cmap="magma", interpolation="nearest", vmin=0.0)
    marks = [c if c.isprintable() and c != " " else "␣" for c in text] + ["end"] * (length - len(text))
    ax.set_yticks(range(length), marks, fontsize=7, family="DejaVu Sans Mono")
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel("pen step")
    figure.colorbar(image, ax=ax, label="window weight", pad=0.01)
    return figure


def plot_posteriors(
    probabilities: ArrayLike,
    positions: ArrayLike,
    characters: str,
    ink: Ink | None = None,
    *,
    least: float = 0.05,
    width: float = 12.0,
) -> Figure:
    """Draw what a recogniser sees along the ink: a stem for each character at each frame, below the ink.

    probabilities: (T, 1 + U), of the CTC blank and of each of the U characters. positions: (T, 2), where the pen is at
    each frame. characters: the U characters. ink: in the units of the positions; coloured by its `characters` where it
    has any. least: smallest probability that is drawn.
    Raises ValueError where the shapes do not fit.
    """
    p, at = np.asarray(probabilities, dtype=np.float64), np.asarray(positions, dtype=np.float64)
    if p.ndim != 2 or p.shape[1] != 1 + len(characters) or at.shape != (len(p), 2):
        raise ValueError(
            f"expected probabilities (T, {1 + len(characters)}) of the blank and {len(characters)} characters, "
            f"and positions (T, 2); got {p.shape} and {at.shape}"
        )
    above = 0.0 if ink is None else _height(ink, width)
    figure = Figure(figsize=(width, 2.4 + above), dpi=100, layout="constrained")
    if ink is None:
        ax = figure.subplots()
    else:
        # Equal scales are not forced, since the frames have to stand below the ink they belong to.
        drawn, ax = figure.subplots(2, 1, height_ratios=(above, 2.4), sharex=True)
        _draw_coloured(drawn, ink, "character" if ink.characters is not None else None)
        left, top, right, bottom = ink.bounds
        drawn.set_ylim(bottom + 0.5, top - 0.5)
        drawn.axis("off")
        ax.set_xlim(left - 0.5, right + 0.5)
    frames, codes = np.nonzero(p[:, 1:] >= least)
    x, y = at[frames, 0], p[frames, codes + 1]
    colors = [COLORS[c % len(COLORS)] for c in codes]
    ax.vlines(x, 0.0, y, colors=colors, linewidths=2.0)
    for place, height, code, color in zip(x, y, codes, colors, strict=True):
        if height >= 0.3 or height >= 3 * least:
            mark = characters[code] if characters[code] != " " else "␣"
            ax.text(place, height + 0.03, _plain(mark), color=color, fontsize=9, ha="center")
    ax.set_ylim(0.0, 1.2)
    ax.set_yticks([0.0, 0.5, 1.0])
    ax.set_ylabel("probability")
    ax.set_xlabel("place of the pen, x-heights")
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    return figure


def plot_density(
    log_density: ArrayLike | Callable[[NDArray[np.float64]], ArrayLike],
    extent: tuple[float, float, float, float],
    ink: Ink | None = None,
    *,
    size: int = 400,
    width: float = 8.0,
) -> Figure:
    """Draw where the pen may go next, as a density over the plane, with the ink that led to it on top.

    log_density: natural logarithm of the density, as a grid (rows, columns) over `extent`, first row at the top;
        or a function from points (m, 2) to log densities (m,), which is called once on a grid of `size` columns.
    extent: (left, top, right, bottom) in the units of the ink, y down, as `ink.bounds`.
    """
    left, top, right, bottom = (float(v) for v in extent)
    if not (left < right and top < bottom and np.isfinite([left, top, right, bottom]).all()):
        raise ValueError(
            f"extent is (left, top, right, bottom) with left < right and top < bottom; got {extent}"
        )
    ratio = (bottom - top) / (right - left)
    if callable(log_density):
        rows = max(2, round(size * ratio))
        x = left + (np.arange(size) + 0.5) / size * (right - left)
        y = top + (np.arange(rows) + 0.5) / rows * (bottom - top)
        points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
        grid = np.asarray(log_density(points), dtype=np.float64).reshape(rows, size)
    else:
        grid = np.asarray(log_density, dtype=np.float64)
    if grid.ndim != 2 or not grid.size or np.isnan(grid).any() or np.isneginf(grid).all():
        raise ValueError(
            f"log_density is a grid (rows, columns) of log densities, none NaN; got shape {grid.shape}"
        )
    figure = Figure(figsize=(width, max(1.5, width * ratio)), dpi=100, layout="constrained")
    ax = figure.subplots()
    # Densities of this kind span many powers of e; the root of the density shows peaks and their surroundings.
    image = ax.imshow(
        np.exp(0.5 * (grid - grid.max())), extent=(left, right, bottom, top), cmap="OrRd", vmin=0.0, vmax=1.0
    )
    if ink is not None:
        _draw(ax, map(beziers, ink.strokes), INK_COLOR, linewidth=1.5)
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    figure.colorbar(image, ax=ax, label="√ density", pad=0.01)
    return figure


def plot_training_curves(
    log: str | os.PathLike[str] | Iterable[Mapping[str, Any]], *, width: float = 10.0
) -> Figure:
    """Loss and learning rate of a training over the points or characters it has seen.

    log: a CSV file, or rows, with any of the columns points, characters, step, seconds, train_*, valid_*,
        learning_rate.
        Each pair train_x / valid_x of columns gets a panel of its own. Empty and missing values are passed over,
        and a last line cut short is too.
    Raises ValueError when nothing in it can be drawn, FileNotFoundError when the file is missing.
    """
    rows = _read_rows(Path(log)) if isinstance(log, str | os.PathLike) else list(log)
    names = list(dict.fromkeys(name for row in rows for name in row if name is not None))
    columns = {name: np.array([_float(row.get(name)) for row in rows]) for name in names}
    columns = {name: values for name, values in columns.items() if np.isfinite(values).any()}
    over = next((name for name in _OVER if name in columns), None)
    measures = list(dict.fromkeys(n.split("_", 1)[1] for n in columns if n.startswith(("train_", "valid_"))))
    if over is None or not measures:
        raise ValueError(
            f"a training log has numbers in a column {', '.join(_OVER)} and in columns train_... or valid_...; "
            f"this one has {len(rows)} rows with the columns {names}"
        )
    panels = [*measures, *(["learning_rate"] if "learning_rate" in columns else [])]
    ratios = [1 if name == "learning_rate" else 3 for name in panels]
    figure = Figure(figsize=(width, 0.9 * sum(ratios) + 0.8), dpi=100, layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    for ax, panel in zip(axes, panels, strict=True):
        drawn = []
        for name, label, style in (
            (f"train_{panel}", "training", {"color": COLORS[0], "alpha": 0.7}),
            (f"valid_{panel}", "validation", {"color": COLORS[1], "marker": "o", "markersize": 3}),
            (panel, "", {"color": "#5a5a5a"}),
        ):
            if name not in columns:
                continue
            there = np.isfinite(columns[name]) & np.isfinite(columns[over])
            ax.plot(columns[over][there], columns[name][there], label=label, **style)
            drawn.append(columns[name][there])
        _trim(ax, drawn)
        ax.set_ylabel(panel.replace("_", " "))
        ax.grid(color="#e4e4e4")
        if panel != "learning_rate":
            ax.legend(frameon=False, fontsize=8)
    axes[-1].set_xlabel(f"{over} seen" if over in ("points", "characters") else over)
    return figure


# --- helpers -----------------------------------------------------------------------------------------


def _draw(ax: Axes, curves: Iterable[NDArray[np.float64]], color: str | list[str], linewidth: float) -> None:
    """Béziers (k, 4, 2), each array one open path; `color` is one colour or one for each path."""
    pen: dict[str, Any] = {"linewidths": linewidth, "capstyle": "round", "joinstyle": "round"}
    ax.add_collection(PathCollection([path(c) for c in curves], facecolors="none", edgecolors=color, **pen))


def _draw_coloured(ax: Axes, ink: Ink, by: str | None, linewidth: float = 2.0) -> None:
    curves = [beziers(s) for s in ink.strokes]
    if by is None:
        _draw(ax, curves, INK_COLOR, linewidth)
    elif by == "stroke":
        _draw(ax, curves, [COLORS[i % len(COLORS)] for i in range(len(curves))], linewidth)
    elif by == "character":
        if ink.characters is None:
            raise ValueError(
                'by="character" needs ink that knows its characters; here ink.characters is None'
            )
        pieces, colors = [], []
        for stroke, curve, characters in zip(ink.strokes, curves, ink.characters, strict=True):
            moved = (stroke[1:] != stroke[:-1]).any(axis=1)  # one Bézier leads to each point that moved
            owner = characters[1:][moved] if moved.any() else characters[:1]
            for run in np.split(np.arange(len(curve)), np.flatnonzero(np.diff(owner)) + 1):
                pieces.append(curve[run])
                colors.append(COLORS[owner[run[0]] % len(COLORS)])
        _draw(ax, pieces, colors, linewidth)
    else:
        raise ValueError(f'ink is coloured by None, "stroke" or "character"; got {by!r}')


def _frame(ax: Axes, ink: Ink) -> None:
    """Show all of the ink at equal scales, y down."""
    left, top, right, bottom = ink.bounds
    ax.set_xlim(left - 0.5, right + 0.5)
    ax.set_ylim(bottom + 0.5, top - 0.5)
    ax.set_aspect("equal", adjustable="box")


def _height(ink: Ink, width: float) -> float:
    """Height in inches of a figure of this width that shows the ink at equal scales, within reason."""
    left, top, right, bottom = ink.bounds
    return float(np.clip(width * (bottom - top + 1) / (right - left + 1), 0.4, width))


def _plain(text: str) -> str:
    """The text as matplotlib shows it letter by letter, without its mathematics between dollar signs."""
    return text.replace("$", r"\$")


def _read_rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8", errors="replace") as lines:
        return list(csv.DictReader(lines))


def _float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return np.nan


def _trim(ax: Axes, series: Sequence[NDArray[np.float64]]) -> None:
    """Leave the first steep part of a loss out of the picture, where it would flatten all that follows."""
    values = np.concatenate(series)
    low, high = values.min(), values.max()
    usual = float(np.percentile(values, 97))
    if high - low > 4 * (usual - low) > 0:
        ax.set_ylim(low - 0.05 * (usual - low), usual + 0.15 * (usual - low))
