"""Marks over, under and through letters, drawn as a hand would after the letter.

The network writes the base letter; `draw_marks` finds its points through `Ink.characters` and sets the mark where
it belongs. Marks are a few points each, in x-heights, y down, and lean with the writing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from strokesynth.ink import Ink

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Mark:
    """Strokes about an anchor on the letter: the middle of its top or bottom, or a point of its stem."""

    place: Literal["above", "below", "tail", "beside", "through", "shape"]
    strokes: tuple[tuple[tuple[float, float], ...], ...] = ()

    @property
    def height(self) -> float:
        """How far the mark reaches from its anchor."""
        return max((abs(y) for stroke in self.strokes for _, y in stroke), default=0.0)


def _arc(
    start: float, end: float, width: float, height: float, y: float = 0.0
) -> tuple[tuple[float, float], ...]:
    """A part of an ellipse from one angle to another (degrees, clockwise from the right as y runs down)."""
    angles = np.deg2rad(np.linspace(start, end, 4 + abs(round((end - start) / 45))))
    return tuple((width * math.cos(a), y + height * math.sin(a)) for a in angles)


_TILDE = (
    (-0.34, -0.08),
    (-0.26, -0.22),
    (-0.14, -0.25),
    (0.02, -0.16),
    (0.16, -0.08),
    (0.28, -0.12),
    (0.36, -0.28),
)

# fmt: off
MARKS: dict[str, Mark] = {
    "\u0300": Mark("above", (((-0.24, -0.42), (-0.08, -0.24), (0.1, 0.0)),)),  # grave
    "\u0301": Mark("above", (((0.26, -0.46), (0.1, -0.24), (-0.06, 0.0)),)),  # acute
    "\u0302": Mark("above", (((-0.28, 0.0), (-0.12, -0.22), (0.02, -0.38), (0.14, -0.2), (0.28, -0.02)),)),
    "\u0303": Mark("above", (_TILDE,)),
    "\u0304": Mark("above", (((-0.32, -0.12), (0.0, -0.15), (0.34, -0.16)),)),  # macron
    "\u0306": Mark("above", (_arc(190, -10, 0.29, 0.3, -0.32),)),  # breve
    "\u0307": Mark("above", (((0.0, -0.16),),)),  # dot
    "\u0308": Mark("above", (((-0.2, -0.15),), ((0.22, -0.17),))),  # diaeresis
    # hook
    "\u0309": Mark("above", (((-0.14, -0.36), (0.0, -0.46), (0.14, -0.36), (0.04, -0.18), (0.02, -0.02)),)),
    "\u030a": Mark("above", (_arc(-100, 275, 0.19, 0.2, -0.22),)),  # ring
    "\u030b": Mark("above", (((0.0, -0.44), (-0.2, 0.0)), ((0.36, -0.44), (0.14, 0.0)))),  # double acute
    "\u030c": Mark(
        "above", (((-0.28, -0.36), (-0.12, -0.14), (0.0, 0.0), (0.12, -0.16), (0.3, -0.38)),)
    ),  # caron
    "\u031b": Mark("beside", (((-0.04, 0.1), (0.16, 0.04), (0.2, -0.18)),)),  # horn
    "\u0323": Mark("below", (((0.0, 0.34),),)),  # dot
    "\u0326": Mark("below", (((0.06, 0.24), (0.06, 0.4), (-0.1, 0.62)),)),  # comma
    "\u0327": Mark(
        "tail", (((0.0, 0.0), (-0.03, 0.16), (0.14, 0.24), (0.13, 0.42), (-0.05, 0.5), (-0.2, 0.46)),)
    ),
    "\u0328": Mark(
        "tail", (((0.0, 0.0), (-0.14, 0.16), (-0.16, 0.34), (-0.02, 0.44), (0.16, 0.38)),)
    ),  # ogonek
    "\u0331": Mark("below", (((-0.32, 0.3), (0.34, 0.28)),)),  # macron
    "\u0335": Mark("through", (((-0.32, 0.03), (0.34, -0.03)),)),  # bar
    "\u0337": Mark("through", (((0.28, -0.22), (-0.28, 0.22)),)),  # short slash
    # slash, in halves of the letter's box
    "\u0338": Mark("through", (((1.25, -1.3), (0.0, 0.0), (-1.25, 1.3)),)),
    "€": Mark("through", (((-0.3, -0.16), (0.55, -0.18)), ((-0.32, 0.16), (0.45, 0.14)))),
    "£": Mark("through", (((-0.32, 0.03), (0.42, -0.03)),)),
    "¥": Mark("through", (((-0.36, 0.0), (0.38, -0.02)), ((-0.36, 0.28), (0.38, 0.26)))),
    "¢": Mark("through", (((0.0, -0.85), (0.0, 0.85)),)),
    "ı": Mark("shape"),  # without its dot
    "¿": Mark("shape"),  # turned upside down, and so are the next
    "¡": Mark("shape"),
    "°": Mark("shape"),  # small and raised
    "·": Mark("shape"),  # raised
}
"""The mark of each combining character, and of the signs that a letter of the alphabet is changed into."""
# fmt: on

_COMMA_ABOVE = Mark("above", (((0.12, -0.48), (-0.04, -0.3), (0.0, -0.04)),))
_APOSTROPHE = Mark("beside", (((0.2, -0.12), (0.22, 0.1), (0.1, 0.36)),))

# Where a stroke goes through a letter: the height, as a share of the letter's from its top, and which of the points
# that the letter has there, the leftmost, the rightmost or the middle.
_THROUGH = {
    **{c: (0.22, "middle") for c in "dhH"},
    **{"b": (0.22, "left"), "D": (0.5, "left"), "L": (0.45, "left"), "l": (0.45, "middle")},
    **{
        "t": (0.62, "middle"),
        "T": (0.55, "middle"),
        "C": (0.5, "left"),
        "Y": (0.55, "middle"),
        "j": (0.4, "middle"),
    },
}
_ASCENDERS = frozenset("bdfhklt")
_DESCENDERS = frozenset("gjpqy")
_GAP = 0.24  # between a letter and its mark
_DOT = 0.5  # x-heights: what is larger is no dot of an i
_JITTER = {"size": 0.08, "turn": 0.08, "shift": 0.03}  # standard deviations: share, radians, x-heights


def draw_marks(
    ink: Ink, base: str, marks: Sequence[str], slant: float, rng: np.random.Generator
) -> tuple[Ink, NDArray[np.int64]]:
    """The ink with the marks of its letters, each as soon as the pen is lifted after the letter.

    Args:
        ink: normalised writing of `base`, with characters that index into it.
        base: what the network wrote.
        marks: for each character of `base` its marks (keys of `MARKS`), from the letter outwards; mostly "".
        slant: of the writing, as a tangent (`strokesynth.synthesis.style.measure`).
        rng: of the little differences between one mark and the next.

    Returns:
        The ink, whose new points carry the character they are over, and for each of its points the index it had
        before, -1 for those of marks.
    """
    if ink.characters is None:
        raise ValueError("marks need ink that knows which points belong to which letter (ink.characters)")
    slant = min(max(slant, -0.5), 0.8)
    upright = np.array([[1.0, slant], [0.0, 1.0]])  # x + slant y: as if written without slant
    strokes = [stroke.astype(np.float64) @ upright.T for stroke in ink.strokes]
    owners = list(ink.characters)
    first = np.cumsum([0] + [len(stroke) for stroke in strokes])
    origins = [np.arange(a, b) for a, b in zip(first[:-1], first[1:])]
    dots = _dots_of_i(strokes, owners, base)
    gone: set[int] = set()
    after: dict[int, list[tuple[Floats, int]]] = {}  # by stroke
    for letter, keys in enumerate(marks):
        mine = [i for i, owner in enumerate(owners) if (owner == letter).any()]  # strokes of the letter
        if not keys or not mine:
            continue
        shape = [_dense(strokes[i][owners[i] == letter]) for i in mine if i not in dots]
        body = np.concatenate(shape or [_dense(strokes[i][owners[i] == letter]) for i in mine])
        box = _Box(body, base[letter])
        last = mine[-1]
        for key in keys:
            mark = _of_letter(key, base[letter])
            if mark.place in ("above", "shape") and base[letter] in "ij" and key not in "¿¡°·":
                gone |= {i for i, owner in dots.items() if owner == letter}
            if mark.place == "shape":
                for i in mine:
                    if 2 * (owners[i] == letter).sum() > len(owners[i]):
                        strokes[i] = _reshaped(key, strokes[i], body)
                continue
            anchor, scale = box.anchor(mark, key)
            jitter = 1.0 + _JITTER["size"] * float(rng.standard_normal())
            turn = _JITTER["turn"] * float(rng.standard_normal())
            shift = _JITTER["shift"] * rng.standard_normal(2)
            rotation = jitter * np.array(
                [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
            )
            for stroke in mark.strokes:
                drawn = anchor + shift + (np.array(stroke) * scale) @ rotation.T
                drawn[1:-1] += 0.3 * _JITTER["shift"] * rng.standard_normal(drawn[1:-1].shape)
                after.setdefault(last, []).append((drawn, letter))
    new: list[tuple[Floats, NDArray[np.int32], NDArray[np.int64]]] = []
    for i, parts in enumerate(zip(strokes, owners, origins)):
        if i not in gone:
            new.append(parts)
        for drawn, letter in after.get(i, []):
            none = np.full(len(drawn), -1)
            new.append((drawn, np.full(len(drawn), letter, np.int32), none))
    leaning = np.array([[1.0, -slant], [0.0, 1.0]])
    result = Ink.from_strokes([s @ leaning.T for s, _, _ in new], ink.text, [o for _, o, _ in new])
    return result, np.concatenate([origin for _, _, origin in new])


class _Box:
    """Where marks go on one upright letter."""

    def __init__(self, body: Floats, base: str) -> None:
        self.body, self.base = body, base
        # The window may give a letter a point or two of its neighbours.
        self.left, self.right = np.percentile(body[:, 0], (4, 96))
        capital = base.isupper() or base.isdigit() or base in _ASCENDERS
        low, high = ((-2.4, -1.35) if capital else (-1.35, -0.8)) if base.isalnum() else (-9.0, 9.0)
        self.top = float(np.clip(body[:, 1].min(), low, high))
        low, high = (0.3, 1.6) if base in _DESCENDERS else (-0.1, 0.3)
        self.bottom = float(np.clip(body[:, 1].max(), low, high)) if base.isalnum() else body[:, 1].max()
        self._used = {"above": 0.0, "below": 0.0, "tail": 0.0, "beside": 0.0, "through": 0.0}

    def anchor(self, mark: Mark, key: str) -> tuple[Floats, Floats]:
        """Where the next mark goes, and how it is stretched (x, y)."""
        x, height, scale = 0.5 * (self.left + self.right), self.bottom - self.top, np.ones(2)
        used = self._used[mark.place]
        self._used[mark.place] += mark.height + 0.12
        if mark.place == "above":
            if self.base in "ij":
                x = _near(self.body, self.top + 0.2, "middle", height)
            y = self.top - _GAP - used
        elif mark.place == "below":
            y = self.bottom + used
        elif mark.place == "tail":
            if key == "\u0328":  # an ogonek hangs from the right
                x = min(_near(self.body, self.bottom - 0.1, "right", height), self.right) - 0.03
            y = self.bottom - 0.03
        elif mark.place == "beside":
            x, y = self.right, self.top
        else:
            share, where = _THROUGH.get(self.base, (0.5, ""))
            y = self.top + share * height
            x = _near(self.body, y, where, height) if where else x
            if key == "\u0338":  # as large as the letter
                scale = 0.5 * np.array([max(self.right - self.left, 0.5), height])
        return np.array([x, y]), scale


def _near(body: Floats, y: float, which: str, height: float) -> float:
    """Where the letter is at this height, x: its leftmost or rightmost stem, or the middle of them all."""
    away = np.abs(body[:, 1] - y)
    x = body[away <= max(0.08 * height, float(away.min()) + 0.02), 0]
    return float({"left": x.min, "right": x.max}.get(which, lambda: 0.5 * (x.min() + x.max()))())


def _of_letter(key: str, base: str) -> Mark:
    """The mark as the letter wears it: ď and ľ with an apostrophe, ģ with a comma above, ķ with one below."""
    if key == "\u030c" and base in "dtlL":
        return _APOSTROPHE
    if key == "\u0327" and base == "g":
        return _COMMA_ABOVE
    if key == "\u0327" and base in "klnrGKLNRdD":
        return MARKS["\u0326"]
    return MARKS[key]


def _dots_of_i(strokes: Sequence[Floats], owners: Sequence[NDArray[np.int32]], base: str) -> dict[int, int]:
    """Strokes (by index) that are the dot of an i or j (by its place in `base`): the nearest one that is below.

    Often the dot comes after the whole word, when the window is letters further on.
    """
    stems: dict[int, float] = {}
    for letter, character in enumerate(base):
        if character in "ij":
            parts = [
                s[(o == letter) & (s[:, 1] > -1.15)] for s, o in zip(strokes, owners) if (o == letter).any()
            ]
            points = np.concatenate(parts)
            if len(points):
                stems[letter] = float(points[np.argmin(points[:, 1]), 0])
    dots = {}
    for i, (stroke, owner) in enumerate(zip(strokes, owners)):
        middle, size = stroke.mean(axis=0), np.ptp(stroke, axis=0)
        written = base[int(np.bincount(owner).argmax())]
        if not stems or not (middle[1] < -1.05 and np.hypot(*size) < _DOT) or written in "'\"`^*~°·.":
            continue
        nearest = min(stems, key=lambda letter: abs(stems[letter] - middle[0]))
        if abs(stems[nearest] - middle[0]) < 1.0:
            dots[i] = nearest
    return dots


def _reshaped(key: str, stroke: Floats, body: Floats) -> Floats:
    """The stroke of a letter whose points are `body`, turned upside down or raised."""
    low, high = body.min(axis=0), body.max(axis=0)
    if key in "¿¡":  # on the line of the letters, hanging below it
        return low + high - stroke - [0.0, low[1] + 1.0]
    if key == "°":
        return np.array([low[0], -1.6]) + 0.5 * (stroke - low)
    return stroke - [0.0, 0.5] if key == "·" else stroke


def _dense(points: Floats, step: float = 0.05) -> Floats:
    """The points (n, 2) with others between them, so that extremes and crossings can be read off."""
    if len(points) < 2:
        return points
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.linspace(0.0, along[-1], 2 + int(along[-1] / step))
    return np.column_stack([np.interp(at, along, points[:, i]) for i in (0, 1)])
