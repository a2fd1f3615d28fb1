"""Augmentation keeps what is written and varies how; its parts are as large as their names say."""

import numpy as np
import pytest

from strokesynth.recognition.features import STEP
from strokesynth.training import augmentation
from strokesynth.training.augmentation import augment


@pytest.fixture
def line():
    x = np.linspace(0, 30, 600)
    return np.column_stack([x, -0.5 + 0.5 * np.sin(5 * x)]), np.array([200, 1, 3, 396])


def still(monkeypatch, *keep):
    for name in ("SLANT", "TURN", "STRETCH", "SIZE", "HEIGHT", "WAVE", "TREMOR", "BREAKING", "DENSITY"):
        if name not in keep:
            monkeypatch.setattr(augmentation, name, 0.0)


def test_without_any_of_it_the_line_stays_where_it_was(line, monkeypatch):
    still(monkeypatch)
    points, lengths, step = augment(*line, np.random.default_rng(0))
    np.testing.assert_allclose(points - points[0], line[0] - line[0][0], atol=1e-12)
    np.testing.assert_allclose(points[:, 1], line[0][:, 1], atol=1e-12)
    assert lengths.tolist() == line[1].tolist() and step == STEP


def test_slant_turn_and_size_are_those_of_an_affine_map(line, monkeypatch):
    still(monkeypatch, "SLANT", "TURN", "STRETCH", "SIZE", "HEIGHT")
    slants, sizes = [], []
    for seed in range(300):
        points, _, _ = augment(*line, np.random.default_rng(seed))
        inputs = np.column_stack([line[0], np.ones(len(line[0]))])
        matrix, rest, *_ = np.linalg.lstsq(inputs, points, rcond=None)
        assert rest.max() < 1e-9
        sizes.append(np.log(matrix[1, 1]))
        slants.append(matrix[1, 0] / matrix[1, 1])
        assert abs(matrix[0, 1]) < 0.1 * matrix[0, 0]  # stays nearly level
    assert np.std(slants) == pytest.approx(augmentation.SLANT, rel=0.2)
    assert np.std(sizes) == pytest.approx(augmentation.SIZE, rel=0.2)


def test_waves_and_tremor_are_small(line, monkeypatch):
    still(monkeypatch, "WAVE", "TREMOR")
    moves = np.array([augment(*line, np.random.default_rng(s))[0] - line[0] for s in range(40)])
    moves -= moves.mean(axis=1, keepdims=True)  # the middle of the line is its origin
    expected = np.sqrt(4 * augmentation.WAVE**2 / 2 + augmentation.TREMOR**2)
    assert np.sqrt((moves**2).mean()) == pytest.approx(expected, rel=0.25)


def test_broken_strokes_have_the_same_points(line, monkeypatch):
    still(monkeypatch, "BREAKING")
    monkeypatch.setattr(augmentation, "BREAKING", 1.0)
    counts = set()
    for seed in range(50):
        _, lengths, _ = augment(*line, np.random.default_rng(seed))
        assert lengths.sum() == 600 and lengths.min() >= 1
        assert set(np.cumsum(line[1])) <= set(np.cumsum(lengths))
        counts.add(len(lengths))
    assert counts == {4, 5, 6}


def test_the_same_seed_gives_the_same_line(line):
    a, b = (augment(*line, np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(a[0], b[0]) and a[2] == b[2]
