"""Styles: hands to write in, each a short line of ink that the network reads before it writes.

Priming (Graves 2013, arXiv:1308.0850, section 5.5) on the same ink every time keeps all lines, and all later
calls, in one hand, and a long text from drifting out of it. Left to itself the network would fall back to its usual
slant and width within words, so these two are taken off the style before it is read, and given back to what is
written: they are then exactly those of the style. The bundled styles are writing of our own network.
"""

from __future__ import annotations

import difflib
import json
import os
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strokesynth._files import atomic_write
from strokesynth.alphabet import Alphabet
from strokesynth.ink import Ink
from strokesynth.ink.json_npz import from_json, to_json
from strokesynth.synthesis.spelling import spell

FORMAT = "strokesynth-style"
VERSION = 1
BUNDLED = Path(__file__).parents[1] / "styles"

COMMON_WIDTH = 1.05
"""Width of the network's own hand, in x-heights a character."""

_MOST_SLANT, _MOST_STRETCH = 0.8, 1.8
_LETTERS_TO_MEASURE = 10


@dataclass(frozen=True)
class Style:
    """A hand to write in.

    name    any text that is not blank.
    ink     normalised and resampled (`strokesynth.ink.normalize.normalize`), with its text; up to a line of it, ended
            cleanly, since the network goes on from there. 20 to 40 characters are enough, and more take longer.
    bias    the neatness that suits the hand, for calls that name none; or None.

    Raises ValueError when the ink says no text or cannot be normalised ink.
    """

    name: str
    ink: Ink
    bias: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ValueError(f"the name of a style is a str that is not blank, got {self.name!r}")
        if not isinstance(self.ink, Ink):
            raise ValueError(f"the ink of a style is an Ink, not {type(self.ink).__name__}")
        if self.bias is not None and not _is_bias(self.bias):
            raise ValueError(f"the bias of a style is None or a number from 0 to 100, got {self.bias!r}")
        if self.ink.text is None:
            raise ValueError("style is ink that says its text, and here ink.text is None")
        try:
            characters = len(spell(self.ink.text, Alphabet()).base)
        except ValueError as error:
            raise ValueError(f"style: {error}") from None
        left, top, right, bottom = self.ink.bounds
        height, density = bottom - top, self.ink.n_points / characters
        if not (
            height < 8 and abs(top + bottom) < 8 and right - left < 4 * (characters + 1) and density < 40
        ):
            raise ValueError(
                f"style is not normalised ink: it is {height:.3g} high, from {top:.3g} to {bottom:.3g}, and "
                f"{right - left:.3g} wide with {density:.0f} points a character; Style.from_ink(ink) normalises it"
            )

    @cached_property
    def upright(self) -> tuple[Ink, NDArray[np.float64]]:
        """The ink upright and of common width, and the map (2, 3) that gives both back; not of a few letters."""
        hand = measure(self.ink)
        slant = min(max(hand.slant, -_MOST_SLANT), _MOST_SLANT)
        stretch = min(max(hand.width / COMMON_WIDTH, 1 / _MOST_STRETCH), _MOST_STRETCH)
        if sum(not c.isspace() for c in self.ink.text or "") < _LETTERS_TO_MEASURE:
            slant, stretch = 0.0, 1.0
        slanted = np.array([[stretch, -slant, 0.0], [0.0, 1.0, 0.0]])
        upright = np.array([[1.0, slant, 0.0], [0.0, stretch, 0.0]]) / stretch
        return self.ink.transform(upright), slanted

    @classmethod
    def from_ink(
        cls, ink: Ink, text: str | None = None, *, name: str = "own", bias: float | None = None
    ) -> Style:
        """The style of any ink of one line, in any unit, that says `text` (default `ink.text`).

        Raises ValueError as `strokesynth.ink.normalize.normalize`, and where there is no text.
        """
        from strokesynth.ink.normalize import normalize  # SciPy is slow to import, and few need this

        if text is not None and not isinstance(text, str):
            raise ValueError(f"text is what the ink says, a str, not {type(text).__name__}")
        text = ink.text if text is None else text
        return cls(name, normalize(Ink.from_strokes(ink.strokes, text)), bias)

    @classmethod
    def of(cls, style: str | Style | Ink) -> Style:
        """The style that is meant: by the name of a bundled one, itself, or ink that is used as one."""
        if isinstance(style, str):
            return _bundled(style)
        if isinstance(style, Ink):
            return cls("ink", style)
        if not isinstance(style, Style):
            raise ValueError(f"style is a name of styles(), a Style or Ink, not {type(style).__name__}")
        return style

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the style to a .json file, whole or not at all.

        Raises ValueError on another suffix or an unwritable place, FileNotFoundError where the folder is missing.
        """
        _check_suffix(path)
        document = {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "bias": None if self.bias is None else float(self.bias),
            "ink": json.loads(to_json(self.ink)),
        }
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="ascii")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Style:
        """Read a style that `save` wrote.

        Raises FileNotFoundError where there is no file; ValueError, naming the file, where it holds no style, or one
        of a version that this package does not read.
        """
        _check_suffix(path)
        data = Path(path).read_bytes()
        try:
            return _from_json(data)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def styles() -> list[str]:
    """Names of the bundled styles, for `style=`.

    plain     upright print of common width
    narrow    the same, close and thin
    wide      large round letters far apart
    easy      wide print that leans back a little
    backhand  print of common width that leans back
    brisk     print that leans forward
    steep     print that leans forward by 30 degrees
    round     wide, half joined, leaning forward
    flowing   wide and joined, leaning forward by 25 degrees
    """
    return sorted(file.stem for file in BUNDLED.glob("*.json"))


class Measure(NamedTuple):
    """What tells hands apart, in numbers. See `measure`."""

    slant: float  # of downstrokes, as a tangent: 0 is upright, 0.27 leans 15 degrees to the right
    width: float  # x-heights a character, blanks included
    lifts: float  # strokes a letter: about 1.3 in print, 0.5 in joined writing
    turning: float  # radians that the pen turns a letter
    ascent: float  # x-heights above the baseline that 3 % of the points exceed
    descent: float  # x-heights below the baseline that 2 % of the points exceed

    def distance(self, other: Measure) -> float:
        """Between two hands, in units of how much lines of one hand differ."""
        return float(np.sqrt(np.mean(((np.array(self) - np.array(other)) / _SPREAD) ** 2)))


_SPREAD = np.array([0.06, 0.12, 0.13, 0.7, 0.13, 0.35])  # of lines in one hand, standard deviations


def measure(ink: Ink) -> Measure:
    """Slant, width, pen lifts, curvature and proportions of one line of normalised ink that says its text.

    Raises ValueError where the text is missing or blank.
    """
    letters = sum(not c.isspace() for c in ink.text or "")
    if not letters:
        raise ValueError(f"measuring a hand needs ink that says its text, and ink.text is {ink.text!r}")
    steps = [np.diff(stroke.astype(np.float64), axis=0) for stroke in ink.strokes]
    step = np.concatenate(steps)
    down = step[step[:, 1] > 0.5 * np.hypot(*step.T)]
    slant = -down[:, 0].sum() / max(down[:, 1].sum(), 1e-9)
    angles = [np.diff(np.arctan2(s[:, 1], s[:, 0])) for s in steps]
    turning = np.abs((np.concatenate(angles) + np.pi) % (2 * np.pi) - np.pi).sum()
    y = np.concatenate(ink.strokes)[:, 1]
    left, _, right, _ = ink.bounds
    return Measure(
        slant=float(slant),
        width=(right - left) / len((ink.text or "").strip()),
        lifts=len(ink.strokes) / letters,
        turning=float(turning) / letters,
        ascent=-float(np.percentile(y, 3)),
        descent=float(np.percentile(y, 98)),
    )


@cache
def _bundled(name: str) -> Style:
    known = styles()
    if name not in known:
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        file = " A style file is read with Style.load(path)." if "." in name or os.sep in name else ""
        raise ValueError(f"there is no style {name!r}; there are {', '.join(known)}.{hint}{file}")
    return Style.load(BUNDLED / f"{name}.json")


def _from_json(data: bytes) -> Style:
    try:
        document = json.loads(data)
        ink = json.dumps(document["ink"] if isinstance(document, dict) and "ink" in document else None)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not a JSON document ({error})") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        found = document.get("format") if isinstance(document, dict) else None
        raise ValueError(f'not a style: "format" is {found!r}, not {FORMAT!r}')
    if document.get("version") != VERSION:
        raise ValueError(
            f"a style of version {document.get('version')!r}; this package reads version {VERSION}"
        )
    return Style(document.get("name"), from_json(ink), document.get("bias"))  # type: ignore[arg-type]


def _is_bias(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100


def _check_suffix(path: str | os.PathLike[str]) -> None:
    if Path(path).suffix.lower() != ".json":
        raise ValueError(f"{path}: a style is a .json file; the suffix here is {Path(path).suffix!r}")
