"""The pen's way that the judge of handwriting sees: equal steps, whatever placed the points."""

import numpy as np
import pytest

from strokesynth.ink import Ink
from strokesynth.training.writer_features import FEATURES, STEP, path_features, pen_path, vary


def circle(points, centre=(0.0, -1.0), radius=1.0):
    angle = np.linspace(0.0, 1.9 * np.pi, points)
    return np.column_stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)])


def offsets(*strokes):
    return Ink.from_strokes(list(strokes)).to_offsets()


def test_points_are_a_step_apart_and_on_the_curve():
    path = pen_path(offsets(circle(60)))
    distance = np.hypot(*np.diff(path[:, :2], axis=0).T)
    # The chord of an arc of STEP; a whole number of steps fits only nearly.
    np.testing.assert_allclose(distance, STEP, rtol=0.03)
    np.testing.assert_allclose(np.hypot(path[:, 0], path[:, 1] + 1.0), 1.0, atol=0.03)
    assert abs(len(path) - (1.9 * np.pi / STEP + 1)) < 1.5
    np.testing.assert_array_equal(path[:, 2], 0)
    np.testing.assert_array_equal(np.flatnonzero(path[:, 3]), [0])


def test_features_hardly_depend_on_where_points_were_recorded():
    dense, sparse = (path_features(pen_path(offsets(circle(n)))) for n in (400, 40))
    assert len(dense) == len(sparse)
    # Chords of 0.15 x-heights leave the circle by 0.003; directions differ by little more.
    assert np.abs(dense[1:] - sparse[1:]).max() < 0.06


def test_air_between_strokes_has_few_points_and_a_dot_one():
    bar = np.column_stack([np.zeros(20), np.linspace(-2.0, 0.0, 20)])
    path = pen_path(offsets(bar, [[2.0, 0.0]], bar + [50.0, 0.0]))
    starts = np.flatnonzero(path[:, 3])
    assert len(starts) == 3
    dot = starts[1]
    np.testing.assert_allclose(path[dot, :2], [2.0, 0.0], atol=1e-6)
    air = path[:, 2] == 1
    # Two x-heights of air are four steps of half of one, so three points between the ends; a long way has six.
    first, second = air[: dot + 1], air[dot:]
    assert first.sum() == 4 and second.sum() == 6
    assert not air[starts].any()
    np.testing.assert_allclose(np.diff(path[air][:4, 0]), 2.0 / 5, atol=1e-6)


def test_features_say_direction_height_and_what_was_written_late():
    right = np.column_stack([np.linspace(0.0, 4.0, 50), np.full(50, -1.0)])
    features = path_features(pen_path(offsets(right, [[1.0, -2.0]])))
    assert features.shape[1] == FEATURES and features.dtype == np.float32
    np.testing.assert_allclose(features[1:20, 0], 1.0, atol=1e-3)
    np.testing.assert_allclose(features[1:20, 1], 0.0, atol=1e-3)
    np.testing.assert_allclose(features[:20, 3], -1.0, atol=1e-3)
    np.testing.assert_allclose(features[-1, 7], 3.0, atol=1e-3)  # the dot is three x-heights behind


@pytest.mark.parametrize("bad", [np.zeros((0, 3)), np.zeros((4, 2)), np.full((4, 3), np.nan)])
def test_bad_offsets(bad):
    with pytest.raises(ValueError):
        pen_path(bad)


def test_variation_keeps_strokes_and_shape_and_is_a_function_of_the_generator():
    path = pen_path(offsets(circle(60), circle(60, (3.0, -1.0))))
    a, b, c = (vary(path, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 0.001
    np.testing.assert_array_equal(a[:, 2:], path[:, 2:])
    shapes = [np.corrcoef(v[:, 0], path[:, 0])[0, 1] for v in (a, c)]
    assert min(shapes) > 0.999
