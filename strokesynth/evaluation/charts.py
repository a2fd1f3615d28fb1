"""Charts of what `strokesynth.evaluation.synthesis` found, as matplotlib Figures made without pyplot.

Each takes the parts of a report, `{part: figures}`, of which those that are missing are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from strokesynth.evaluation import texts
from strokesynth.plots import COLORS

Parts = Mapping[str, Mapping[str, Any]]

_REAL_NAMES = {
    "letters": "real lines,\nletters",
    "digits": "real lines,\nwith digits",
    "symbols": "real lines,\nwith symbols",
}
_GREY = "#8a8a8a"


def chart_legibility(parts: Parts, *, width: float = 10.0) -> Figure:
    """Character error rates by class of line, with and without proofreading, and of real lines; a row a reader.

    Raises ValueError where no part has any.
    """
    ways = [
        (name, label, color)
        for name, label, color in (
            ("legibility", "as written", COLORS[0]),
            ("legibility_proofread", "proofread", COLORS[2]),
        )
        if name in parts
    ]
    shown = [name for name, _, _ in ways] + ["real"] * ("real" in parts)
    if not shown:
        raise ValueError("there is no legibility to draw among the parts: " + (", ".join(parts) or "none"))
    readers = list(parts[shown[0]]["readers"])
    figure, axes = _rows(len(readers), 3.2, width)
    for ax, reader in zip(axes, readers, strict=True):
        for k, (name, label, color) in enumerate(ways):
            at = np.arange(len(texts.CLASSES)) + (k - (len(ways) - 1) / 2) * 0.38
            _bars(ax, at, [parts[name]["readers"][reader][kind] for kind in texts.CLASSES], label, color)
        ticks = list(texts.CLASSES) if ways else []
        if "real" in parts:
            scores = parts["real"]["readers"][reader]
            _bars(ax, np.arange(len(scores)) + len(ticks), list(scores.values()), "written by people", _GREY)
            ticks += [_REAL_NAMES[kind] for kind in scores]
        ax.set_xticks(range(len(ticks)), ticks, fontsize=8)
        ax.set_ylabel("wrong characters, %")
        ax.set_title(f"read by {reader}", fontsize=9, loc="left")
        ax.legend(frameon=False, fontsize=8)
    return figure


def chart_bias(parts: Parts, *, default: float | None = None, width: float = 7.0) -> Figure:
    """Character errors and failed lines of sentences against the bias, a curve for each reader.

    default: the bias to mark. Raises ValueError where there is no such part.
    """
    if "bias" not in parts:
        raise ValueError("there is no bias to draw among the parts: " + (", ".join(parts) or "none"))
    figure, (upper, lower) = _rows(2, 2.4, width)
    for k, (reader, rows) in enumerate(parts["bias"]["readers"].items()):
        color = COLORS[k % len(COLORS)]
        x = [row["bias"] for row in rows]
        low, high = ([_percent(row["cer"][end]) for row in rows] for end in ("low", "high"))
        upper.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)
        upper.plot(x, [_percent(row["cer"]["rate"]) for row in rows], "o-", color=color, label=reader, ms=4)
        lower.plot(x, [_percent(row["failed_share"]) for row in rows], "o-", color=color, ms=4)
    for ax, name in ((upper, "wrong characters, %"), (lower, "failed lines, %")):
        ax.set_ylim(bottom=0.0)
        ax.set_ylabel(name)
        if default is not None:
            ax.axvline(default, color=_GREY, linewidth=0.8, linestyle=":")
    lower.set_xlabel("bias" + (", with the default dotted" if default is not None else ""))
    upper.legend(frameon=False, fontsize=8)
    return figure


def chart_characters(parts: Parts, *, width: float = 10.0) -> Figure:
    """A heat map, in ASCII order, of how often the main reader recognised each printable ASCII character.

    Raises ValueError where there is no such part.
    """
    ways = [
        (name, label)
        for name, label in (("characters", "as written"), ("characters_proofread", "proofread"))
        if name in parts
    ]
    if not ways:
        raise ValueError("there are no characters to draw among the parts: " + (", ".join(parts) or "none"))
    figure, axes = _rows(len(ways), 0.34 * width, width)
    for ax, (name, label) in zip(axes, ways, strict=True):
        reader, found = next(iter(parts[name]["readers"].items()))
        grid = np.full(96, np.nan)
        for character, times in found["recognised"].items():
            grid[ord(character) - 32] = 100 * times / parts[name]["of"]
        image = ax.imshow(grid.reshape(6, 16), cmap="RdYlBu", alpha=0.8, vmin=40.0, vmax=100.0, aspect="auto")
        for k, value in enumerate(grid.tolist()):
            if np.isfinite(value):
                mark = r"\$" if chr(32 + k) == "$" else chr(32 + k)
                place: dict[str, Any] = {"ha": "center", "color": "#1b1b2b"}
                ax.text(k % 16, k // 16 - 0.02, mark, va="bottom", fontsize=13, **place)
                ax.text(k % 16, k // 16 + 0.12, f"{value:.0f}", va="top", fontsize=7, **place)
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_title(f"{label}, {parts[name]['of']} of each, read by {reader}", fontsize=9, loc="left")
        figure.colorbar(image, ax=ax, label="recognised, %", extend="min", pad=0.01)
    return figure


def chart_variety(parts: Parts, *, width: float = 7.0) -> Figure:
    """The mean distance of two writings of a word, for each kind of pair. Raises ValueError without that part."""
    if "variety" not in parts:
        raise ValueError("there is no variety to draw among the parts: " + (", ".join(parts) or "none"))
    found = parts["variety"]["x_heights"]
    figure, (ax,) = _rows(1, 0.8 + 0.36 * len(found), width)
    for k, (kind, values) in enumerate(found.items()):
        mean, low, high = (np.nan if values[key] is None else values[key] for key in ("mean", "low", "high"))
        color = _GREY if kind.endswith(("writer", "writers")) else COLORS[0]
        ax.barh(k, mean, 0.6, color=color, xerr=[[mean - low], [high - mean]], ecolor="#1b1b2b", capsize=3)
    ax.set_yticks(range(len(found)), list(found), fontsize=9)
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    ax.grid(axis="x", color="#e4e4e4")
    ax.set_xlabel("mean distance of two writings of a word, x-heights (grey: people)")
    return figure


CHARTS: dict[str, tuple[Callable[..., Figure], tuple[str, ...]]] = {
    "legibility": (chart_legibility, ("legibility", "legibility_proofread", "real")),
    "bias": (chart_bias, ("bias",)),
    "characters": (chart_characters, ("characters", "characters_proofread")),
    "variety": (chart_variety, ("variety",)),
}
"""The charts by name: the function that draws each, and the parts of which it needs one."""


def _rows(count: int, height: float, width: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, height * count), dpi=100, layout="constrained")
    axes = figure.subplots(count, 1, squeeze=False)[:, 0].tolist()
    for ax in axes:
        ax.grid(axis="y", color="#e4e4e4")
        ax.set_axisbelow(True)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    return figure, axes


def _bars(ax: Axes, at: Any, scores: list[Mapping[str, Any]], label: str, color: str) -> None:
    rate, low, high = (np.array([_percent(s["cer"][key]) for s in scores]) for key in ("rate", "low", "high"))
    errors = np.nan_to_num([rate - low, high - rate]).clip(0.0)
    ax.bar(at, rate, 0.36, yerr=errors, color=color, ecolor="#1b1b2b", capsize=2, label=label)
    for x, y, top in zip(at, rate, rate + errors[1], strict=True):
        if np.isfinite(y):
            ax.annotate(
                f"{y:.1f}", (x, top), (0, 2), textcoords="offset points", ha="center", fontsize=7, color=color
            )


def _percent(share: float | None) -> float:
    return float("nan") if share is None else 100 * share
