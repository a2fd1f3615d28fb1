"""Strokes as smooth curves: one open path of cubic Béziers through the points of each stroke."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

CORNER = np.deg2rad(120.0)  # where a stroke turns by more, its curve has a corner
DOT = 0.01  # length of a dot in x-heights; many programs do not draw a line of length 0


def beziers(stroke: ArrayLike) -> NDArray[np.float64]:
    """Cubic Béziers (k, 4, 2) through the points (n, 2) of a stroke; each starts where the one before it ends.

    An interpolating spline with continuous curvature over centripetal parameters (E. T. Y. Lee, "Choosing nodes
    in parametric curve interpolation", CAD 21(6), 1989): steps h = sqrt(distance), which keep it close to its
    chords where points are unevenly spaced. Its second derivative is 0 at both ends and at corners, so that a
    sharp turn stays sharp and bends nothing around it. Points equal to the one before them are left out; a dot
    (no other point) is one very short Bézier.

    Measured by the distance of dropped points of recorded strokes, this came closer than Catmull–Rom splines,
    chord-length splines and Hobby's curves.
    """
    p = np.asarray(stroke, dtype=np.float64)
    if p.ndim != 2 or p.shape[1] != 2 or not len(p):
        raise ValueError(f"a stroke has shape (n, 2) with n >= 1; got {p.shape}")
    p = np.concatenate([p[:1], p[1:][(p[1:] != p[:-1]).any(axis=1)]])
    if len(p) == 1:
        return (p + np.outer([0.0, 1 / 3, 2 / 3, 1.0], [DOT, 0.0]))[None]
    chord = np.diff(p, axis=0)
    h = np.sqrt(np.hypot(*chord.T))[:, None]  # (k, 1)
    second = _second_derivatives(chord / h, h[:, 0], free=~_corners(chord))
    start, end = second[:-1], second[1:]
    # The derivative at both ends of a piece, times h / 3, leads to its inner control points.
    a = p[:-1] + (chord - h**2 * (2 * start + end) / 6) / 3
    b = p[1:] - (chord + h**2 * (start + 2 * end) / 6) / 3
    return np.stack([p[:-1], a, b, p[1:]], axis=1)


def _corners(chord: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the k - 1 inner points of a stroke are corners, from its chords (k, 2)."""
    z = chord[:, 0] + 1j * chord[:, 1]
    return np.abs(np.angle(z[1:] * z[:-1].conj())) > CORNER


def _second_derivatives(
    velocity: NDArray[np.float64], h: NDArray[np.float64], free: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Second derivatives (k + 1, 2) of the cubic spline with chords of this velocity (k, 2) and steps h (k,).

    At inner points that are `free` (k - 1,) the first derivative is continuous:
    h[i-1] s[i-1] + 2 (h[i-1] + h[i]) s[i] + h[i] s[i+1] = 6 (velocity[i] - velocity[i-1]);
    at all others s = 0.
    """
    from scipy.linalg import solve_banded  # SciPy is slow to import, and not all who read ink draw it

    bands = np.zeros((3, len(h) + 1))  # row 0 above, row 1 on, row 2 below the diagonal
    bands[1] = 1.0
    bands[0, 2:] = np.where(free, h[1:], 0.0)
    bands[1, 1:-1] = np.where(free, 2 * (h[:-1] + h[1:]), 1.0)
    bands[2, :-2] = np.where(free, h[:-1], 0.0)
    right = np.zeros((len(h) + 1, 2))
    right[1:-1] = np.where(free[:, None], 6 * np.diff(velocity, axis=0), 0.0)
    return np.asarray(solve_banded((1, 1), bands, right))
