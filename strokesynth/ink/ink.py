"""Ink: what a pen wrote.

Two forms of the same thing are used throughout the package:

* **strokes**: a tuple of float32 arrays (n, 2), one per pen-down trace in writing order; x runs to the
  right and y **down**. In normalised ink the unit is the x-height (the height of a lower-case x), the
  baseline is y = 0 and the leftmost point has x = 0.
* **offsets**: one float32 array (n, 3) of dx, dy and end-of-stroke (1 on the last point of a stroke, else
  0), the form the networks of Graves 2013 (arXiv:1308.0850, section 4) read and write. The first row is
  the step from the origin, that is the position of the first point.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strokesynth._files import atomic_write
from strokesynth.ink.files import decoder, encoder


@dataclass(frozen=True, eq=False)
class Ink:
    """Strokes in writing order, with the text they are meant to say where it is known. Immutable.

    strokes     at least one array (n, 2), n >= 1, of finite numbers; kept as read-only float32.
                A stroke of one point is a dot.
    text        what the ink says, or None.
    characters  for each stroke an integer array (n,): the index into `text` of the character that each
                point belongs to; or None.
    legibility  of ink that was proofread (`strokesynth.synthesis.proofread`): how sure a reader is of the text, from 0
                to 1, as the mean (geometric) probability of a character; so 1 - legibility estimates its error rate.
                None where nobody has read it.

    Raises ValueError when the parts do not fit together.
    """

    strokes: tuple[NDArray[np.float32], ...]
    text: str | None = None
    characters: tuple[NDArray[np.int32], ...] | None = None
    legibility: float | None = None

    def __post_init__(self) -> None:
        if self.text is not None and not isinstance(self.text, str):
            raise ValueError(f"the text of ink is a str or None, not {type(self.text).__name__}")
        strokes = _strokes(self.strokes)
        if not strokes:
            raise ValueError("ink needs at least one stroke, and none was given")
        object.__setattr__(self, "strokes", strokes)
        if self.characters is not None:
            object.__setattr__(self, "characters", _characters(self.characters, strokes, self.text))
        if self.legibility is not None:
            object.__setattr__(self, "legibility", _legibility(self.legibility))

    # --- strokes <-> offsets ---------------------------------------------------------------------

    @classmethod
    def from_strokes(
        cls,
        strokes: Iterable[ArrayLike],
        text: str | None = None,
        characters: Iterable[ArrayLike] | None = None,
        legibility: float | None = None,
    ) -> Ink:
        """Ink from arrays (n, 2) of x (right) and y (down), one per stroke; see the class for the rest."""
        known = None if characters is None else tuple(characters)
        return cls(tuple(strokes), text, known, legibility)  # type: ignore[arg-type]

    @classmethod
    def from_offsets(
        cls, offsets: ArrayLike, text: str | None = None, characters: ArrayLike | None = None
    ) -> Ink:
        """Ink from offsets (n, 3): dx, dy, end-of-stroke.

        characters: (n,) indices into `text`, one per row. The last row ends a stroke whatever it says, so
        that a sequence cut short is still ink. Steps are summed in float64.
        Raises ValueError on another shape, numbers that are not finite, or end-of-stroke other than 0 and 1.
        """
        rows = np.asarray(offsets, dtype=np.float64)
        if rows.ndim != 2 or rows.shape[1] != 3 or not len(rows):
            raise ValueError(
                f"offsets have shape (n, 3) with n >= 1: dx, dy, end of stroke; got {rows.shape}"
            )
        if not np.isfinite(rows).all():
            row = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
            raise ValueError(f"offsets must be finite; row {row} is {rows[row].tolist()}")
        ends = rows[:, 2]
        if not np.isin(ends, (0.0, 1.0)).all():
            row = int(np.flatnonzero(~np.isin(ends, (0.0, 1.0)))[0])
            raise ValueError(
                f"end-of-stroke (third column of offsets) is 0 or 1; row {row} has {ends[row]:g}"
            )
        cuts = np.flatnonzero(ends[:-1]) + 1
        strokes = np.split(rows[:, :2].cumsum(axis=0), cuts)
        if characters is None:
            return cls.from_strokes(strokes, text)
        indices = np.asarray(characters)
        if indices.shape != (len(rows),):
            raise ValueError(
                f"characters have one index per offset, shape ({len(rows)},); got shape {indices.shape}"
            )
        return cls.from_strokes(strokes, text, np.split(indices, cuts))

    def to_offsets(self) -> NDArray[np.float32]:
        """Offsets (n, 3), the inverse of `from_offsets`.

        Rounding does not add up along the line: each step leads from where the steps before it really
        ended, so every point comes back within a float32 rounding of the steps next to it.
        """
        points = np.concatenate(self.strokes).astype(np.float64)
        # A difference of two multiples of `grid` is itself a float32 when `grid` is no finer than twice the
        # spacing of float32 at that step; so round each point to the coarser grid of its two steps first.
        lengths = np.abs(np.diff(points, axis=0, prepend=0.0)).astype(np.float32)
        # The spacing at zero is a denormal number, which some programs make the processor take for zero.
        spacing = 2.0 * np.maximum(np.spacing(lengths), np.finfo(np.float32).tiny).astype(float)
        grid = spacing.copy()
        grid[:-1] = np.maximum(spacing[:-1], spacing[1:])
        steps = np.diff(np.round(points / grid) * grid, axis=0, prepend=0.0)
        offsets = np.zeros((len(points), 3), dtype=np.float32)
        offsets[:, :2] = steps
        offsets[np.cumsum([len(s) for s in self.strokes]) - 1, 2] = 1.0
        return offsets

    # --- measures and maps -----------------------------------------------------------------------

    @property
    def n_points(self) -> int:
        """Number of points in all strokes together."""
        return sum(len(s) for s in self.strokes)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(left, top, right, bottom): the smallest and largest x and y of all points."""
        low = np.min([s.min(axis=0) for s in self.strokes], axis=0)
        high = np.max([s.max(axis=0) for s in self.strokes], axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    def transform(self, matrix: ArrayLike) -> Ink:
        """The ink under an affine map: 2x3, or 3x3 with the last row 0 0 1, acting on columns (x, y, 1)."""
        m = np.asarray(matrix, dtype=np.float64)
        if m.shape not in ((2, 3), (3, 3)):
            raise ValueError(f"an affine map has shape (2, 3) or (3, 3); got {m.shape}")
        if not np.isfinite(m).all():
            raise ValueError(f"an affine map has finite numbers only; got {m.tolist()}")
        if len(m) == 3 and m[2].tolist() != [0.0, 0.0, 1.0]:
            raise ValueError(f"the last row of a 3x3 affine map is 0 0 1; got {m[2].tolist()}")
        strokes = (s @ m[:2, :2].T + m[:2, 2] for s in self.strokes)
        return Ink.from_strokes(strokes, self.text, self.characters, self.legibility)

    def translate(self, dx: float, dy: float) -> Ink:
        """The ink moved by dx to the right and dy down."""
        return self.transform([[1.0, 0.0, dx], [0.0, 1.0, dy]])

    def scale(self, sx: float, sy: float | None = None) -> Ink:
        """The ink scaled about the origin, by sx both ways or by sx across and sy down."""
        return self.transform([[sx, 0.0, 0.0], [0.0, sx if sy is None else sy, 0.0]])

    def __eq__(self, other: object) -> bool:
        """Bit for bit the same strokes, text and characters, whatever a reader thinks of them."""
        if not isinstance(other, Ink):
            return NotImplemented
        return (
            self.text == other.text
            and _same_arrays(self.strokes, other.strokes)
            and (self.characters is None) == (other.characters is None)
            and _same_arrays(self.characters or (), other.characters or ())
        )

    def __repr__(self) -> str:
        text = "" if self.text is None else f"{self.text!r}, "
        return f"<Ink {text}{len(self.strokes)} strokes, {self.n_points} points>"

    def _repr_svg_(self) -> str:
        # The XML declaration on the first line has no place within a page of HTML.
        return encoder("ink.svg")(self).decode().partition("\n")[2].rstrip("\n")

    # --- files -----------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], **options: Any) -> None:
        """Write the ink to a file in the format its suffix names: .svg, .png, .pdf, .inkml, .json or .npz.

        options are those of `ink.svg.to_svg`, `ink.raster.to_png` and `ink.raster.to_pdf`
        (x_height_mm, stroke_width_mm, color, margin_mm, background; dpi for PNG) and of `ink.inkml.encode`
        (x_height_mm).
        The file appears whole or not at all, and the same ink gives the same bytes.
        Raises ValueError on an unknown suffix or an unwritable place, FileNotFoundError where the folder is missing.
        """
        data = encoder(path)(self, **options)
        with atomic_write(path) as temporary:
            temporary.write_bytes(data)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Ink:
        """Read ink from a file, by its suffix.

        .json, .npz  that `save` wrote.
        .svg         that `save` wrote, or the stroked lines in that of other programs (see `ink.svg_paths`).
        .inkml       of any program (see `ink.inkml`).
        .xml         InkML, or a text line of IAM-OnDB: the root element tells.

        What `save` wrote comes back exactly. Ink of other programs is in their units, or in millimetres:
        `normalize` brings it to x-heights.
        Raises ValueError, naming the file, on an unknown suffix, contents that are not such ink or a file that may
        not be read; FileNotFoundError where there is none.
        """
        decode = decoder(path)
        try:
            data = Path(path).read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ValueError(f"cannot read {str(path)!r}: {error.strerror or error}") from error
        try:
            return decode(data)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


# --- helpers -----------------------------------------------------------------------------------------


def _strokes(given: Iterable[ArrayLike]) -> tuple[NDArray[np.float32], ...]:
    """The strokes as read-only float32 arrays (n, 2), their own copies."""
    strokes = tuple(given)
    whole = [s for s in strokes if isinstance(s, np.ndarray) and s.dtype.kind == "f" and s.ndim == 2]
    if not strokes or len(whole) < len(strokes) or not all(len(s) and s.shape[1] == 2 for s in whole):
        return tuple(_stroke(s, i) for i, s in enumerate(strokes))
    with np.errstate(over="ignore"):
        points = np.concatenate(whole, dtype=np.float32, casting="same_kind")
    if not np.isfinite(points).all():  # to be told which stroke it is
        return tuple(_stroke(s, i) for i, s in enumerate(strokes))
    points.flags.writeable = False
    ends = np.cumsum([len(s) for s in whole]).tolist()
    return tuple(points[start:end] for start, end in zip([0, *ends], ends, strict=False))


def _stroke(stroke: ArrayLike, index: int) -> NDArray[np.float32]:
    """The stroke as a read-only float32 array (n, 2), its own copy."""
    try:
        with np.errstate(over="ignore"):  # a number too large for float32 becomes inf and is reported below
            points = np.array(stroke, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"stroke {index} is not an array of numbers (n, 2): {error}") from error
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"a stroke has shape (n, 2) with n >= 1: x, y; stroke {index} has {points.shape}")
    if not np.isfinite(points).all():
        row = int(np.flatnonzero(~np.isfinite(points).all(axis=1))[0])
        raise ValueError(f"points must be finite; point {row} of stroke {index} is {points[row].tolist()}")
    points.flags.writeable = False
    return points


def _characters(
    characters: Sequence[ArrayLike], strokes: Sequence[NDArray[np.float32]], text: str | None
) -> tuple[NDArray[np.int32], ...]:
    """The character indices as read-only int32 arrays that fit the strokes and the text."""
    if text is None:
        raise ValueError("characters are indices into the text, and the text is None")
    if len(characters) != len(strokes):
        raise ValueError(
            f"characters have one array per stroke: {len(strokes)} expected, {len(characters)} given"
        )
    result = []
    for i, (given, stroke) in enumerate(zip(characters, strokes, strict=True)):
        indices = np.asarray(given)
        if indices.shape != (len(stroke),) or indices.dtype.kind not in "iu":
            raise ValueError(
                f"characters of stroke {i} must be {len(stroke)} integers, one per point; "
                f"got {indices.dtype} of shape {indices.shape}"
            )
        if indices.min() < 0 or indices.max() >= len(text):
            raise ValueError(
                f"characters of stroke {i} run from {indices.min()} to {indices.max()}, "
                f"outside the {len(text)} characters of the text"
            )
        indices = indices.astype(np.int32)
        indices.flags.writeable = False
        result.append(indices)
    return tuple(result)


def joint_legibility(parts: Sequence[tuple[str, float | None]]) -> float | None:
    """The legibility of several texts together: the geometric mean over their characters, blanks left out.

    parts: each a text and its legibility. None where one of them has not been read, or there are none.
    """
    known = [(len("".join(text.split())), value) for text, value in parts if value is not None]
    if not known or len(known) < len(parts):
        return None
    counts, values = np.array([part for part in known if part[0]], float).reshape(-1, 2).T
    with np.errstate(divide="ignore"):
        return float(np.exp((counts * np.log(values)).sum() / max(1.0, counts.sum())))


def _legibility(given: object) -> float:
    """The number, checked."""
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not 0 <= given <= 1:
        raise ValueError(f"legibility is a number from 0 to 1 or None, not {given!r}")
    return float(given)


def _same_arrays(a: Sequence[NDArray[Any]], b: Sequence[NDArray[Any]]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
