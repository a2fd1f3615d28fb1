"""Other ways in which the same line might have been written: what a recogniser sees in training.

All of it happens to normalised ink before its features are taken, anew each time a line is seen: slant, size,
stretch, slope and height as people differ and the normalisation errs; a slow wave and a little tremor; strokes
that the device breaks in two; and rows more or less dense.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from strokesynth.recognition.features import STEP

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SLANT, TURN = 0.25, 0.035  # deviations of the shear, and of the angle in radians
STRETCH, SIZE = 0.12, 0.10  # deviations of the logarithms of width and size
HEIGHT = 0.10  # deviation of the shift, in x-heights
WAVE, TREMOR = 0.035, 0.012  # deviations of displacements, in x-heights
BREAKING, BREAKS = 0.25, 0.25  # share of lines with broken strokes; share of their strokes that break
DENSITY = 0.10  # deviation of the logarithm of the step between rows


def augment(points: Floats, lengths: Ints, rng: np.random.Generator) -> tuple[Floats, Ints, float]:
    """Points (n, 2) and stroke lengths (s,) as they might also have been written, and a step between rows."""
    angle, slant = rng.normal(0, TURN), rng.normal(0, SLANT)
    size, stretch = math.exp(rng.normal(0, SIZE)), math.exp(rng.normal(0, STRETCH))
    cosine, sine = math.cos(angle), math.sin(angle)
    # Long lines are turned less: their slope is known better.
    if (width := float(np.ptp(points[:, 0]))) > 20:
        sine *= 20 / width
    matrix = size * np.array([[stretch * cosine, stretch * sine], [-slant - sine, cosine]])
    middle = np.array([0.5 * (points[:, 0].min() + points[:, 0].max()), 0.0])
    moved = (points - middle) @ matrix
    moved[:, 1] += rng.normal(0, HEIGHT)
    moved += _wave(moved[:, 0], rng)
    moved += rng.normal(0, TREMOR, moved.shape)
    if rng.random() < BREAKING:
        lengths = _broken(lengths, rng)
    return moved, lengths, STEP * math.exp(rng.normal(0, DENSITY))


def _wave(x: Floats, rng: np.random.Generator) -> Floats:
    """Displacements (n, 2) of a few sines over x, a word to a letter long."""
    waves = 4
    rate = 2 * np.pi / np.exp(rng.uniform(np.log(0.8), np.log(8.0), waves))
    phase = rng.uniform(0, 2 * np.pi, (2, waves))
    height = rng.normal(0, WAVE, (2, waves))
    wave: Floats = np.einsum("dw,dnw->nd", height, np.sin(x[None, :, None] * rate + phase[:, None]))
    return wave


def _broken(lengths: Ints, rng: np.random.Generator) -> Ints:
    """The lengths with some strokes broken in two, somewhere inside."""
    broken: list[int] = []
    for length in lengths.tolist():
        if length >= 4 and rng.random() < BREAKS:
            at = int(rng.integers(2, length - 1))
            broken += [at, length - at]
        else:
            broken.append(length)
    return np.array(broken)
