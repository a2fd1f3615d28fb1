"""Plots show what they are given, in the right place, and leave pyplot alone."""

import io

import numpy as np
import pytest
from makers import random_ink
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from strokesynth.ink import Ink
from strokesynth.plots import (
    COLORS,
    plot_attention,
    plot_density,
    plot_ink,
    plot_lines,
    plot_posteriors,
    plot_training_curves,
)


def strokes_of(figure):
    """(vertices, colour) of every path drawn as ink."""
    drawn = []
    for ax in figure.axes:
        for collection in ax.collections:
            if isinstance(collection, PathCollection):
                colors = [to_hex(c) for c in collection.get_edgecolors()]
                paths = collection.get_paths()
                drawn += [(p.vertices, colors[i % len(colors)]) for i, p in enumerate(paths)]
    return drawn


def rendered(figure):
    assert isinstance(figure, Figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return len(buffer.getvalue())


def test_lines_of_many_kinds():
    inks = [random_ink(i) for i in range(5)]
    figure = plot_lines([*inks, inks[0].to_offsets()], columns=2)
    assert rendered(figure) > 1000
    drawn = strokes_of(figure)
    assert len(drawn) == 6 * 4
    # Each ink keeps its shape and scale, only moved.
    points = [s for ink in [*inks, inks[0]] for s in ink.strokes]
    for (vertices, _), stroke in zip(drawn, points):
        np.testing.assert_allclose(vertices[-1] - vertices[0], beyond(stroke), atol=1e-5)
    # One below another, and the second column to the right of the first.
    y = [drawn[4 * i][0][0, 1] - inks[i % 5].strokes[0][0, 1] for i in range(6)]
    assert y[0] < y[1] < y[2] and y[3] < y[4] < y[5]
    assert min(v[:, 0].min() for v, _ in drawn[12:]) > max(v[:, 0].max() for v, _ in drawn[:12])
    left, right = figure.axes[0].get_xlim()
    bottom, top = figure.axes[0].get_ylim()
    width, height = figure.get_size_inches()
    assert (right - left) / width == pytest.approx((bottom - top) / height)  # the same scale both ways


def beyond(stroke):
    return stroke[-1] - stroke[0] if len(stroke) > 1 else [0.01, 0.0]


def test_lines_have_titles_as_written():
    ink = Ink.from_strokes([[[0, 0], [9, -1]]], "costs $5 or $6_x^2")
    figure = plot_lines([ink, ink], None)
    rendered(figure)  # matplotlib would stop at unbalanced mathematics
    assert [t.get_text() for t in figure.axes[0].texts] == [r"costs \$5 or \$6_x^2"] * 2
    assert [t.get_text() for t in plot_lines([ink], ["b"]).axes[0].texts] == ["b"]


def test_lines_of_an_ink_that_ran_away():
    figure = plot_lines([random_ink(), Ink.from_strokes([[[0, 0], [1, -5000]]])])
    assert figure.get_size_inches()[1] < 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(([],), "at least one ink"), (([random_ink()], ["a", "b"]), "1 inks, 2 titles")],
)
def test_lines_that_cannot_be_drawn(arguments, message):
    with pytest.raises(ValueError, match=message):
        plot_lines(*arguments)
    with pytest.raises(ValueError, match="columns"):
        plot_lines([random_ink()], columns=0)


def test_ink_by_stroke():
    figure = plot_ink(random_ink(), by="stroke", points=True)
    assert rendered(figure) > 1000
    assert [color for _, color in strokes_of(figure)] == list(COLORS[:4])


def test_ink_by_character_changes_colour_where_the_character_does():
    stroke = [[0, 0], [1, 0], [2, 0], [2, 0], [3, 0], [4, 0]]
    ink = Ink.from_strokes([stroke, [[9, 9]], [[5, 5], [5, 5]]], "abc", [[0, 0, 1, 1, 1, 2], [2], [1, 1]])
    pieces = [(v[0, 0], v[-1, 0], c) for v, c in strokes_of(plot_ink(ink, by="character"))]
    assert [(a, b) for a, b, _ in pieces[:3]] == [(0, 1), (1, 3), (3, 4)]
    assert [c for *_, c in pieces] == [COLORS[i] for i in (0, 1, 2, 2, 1)]


def test_ink_by_what_it_does_not_know():
    with pytest.raises(ValueError, match="characters is None"):
        plot_ink(Ink.from_strokes([[[0, 0]]]), by="character")
    with pytest.raises(ValueError, match='"stroke" or "character"; got \'word\''):
        plot_ink(random_ink(), by="word")


@pytest.mark.parametrize("ink", [None, random_ink(), Ink.from_strokes([[[0, 0], [5, 1]]])])
def test_attention_shows_steps_across_and_characters_down(ink):
    window = np.arange(12.0).reshape(4, 3)
    figure = plot_attention(window, "a ", ink)
    assert rendered(figure) > 1000
    (ax,) = [ax for ax in figure.axes if ax.images]
    np.testing.assert_array_equal(ax.images[0].get_array(), window.T)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["a", "\u2423", "end"]


@pytest.mark.parametrize("window", [np.zeros(3), np.zeros((0, 3)), np.zeros((5, 8))])
def test_attention_of_another_shape(window):
    with pytest.raises(ValueError, match="window"):
        plot_attention(window, "abc")


def test_density_is_highest_where_it_should_be():
    def log_density(points):
        return -50 * ((points - [2.0, -0.5]) ** 2).sum(axis=1)

    figure = plot_density(log_density, (0, -2, 4, 1), random_ink(), size=80)
    assert rendered(figure) > 1000
    image = figure.axes[0].images[0]
    row, column = np.unravel_index(np.argmax(image.get_array()), image.get_array().shape)
    left, right, bottom, top = image.get_extent()
    rows, columns = image.get_array().shape
    assert (rows, columns) == (60, 80) and (bottom, top) == (1, -2)
    assert left + (column + 0.5) / columns * (right - left) == pytest.approx(2.0, abs=0.06)
    assert top + (row + 0.5) / rows * (bottom - top) == pytest.approx(-0.5, abs=0.06)
    assert image.get_array().max() == 1.0


def test_density_from_a_grid():
    grid = np.log(np.array([[1.0, 4.0], [0.0, 1.0]]) + 1e-300)
    image = plot_density(grid, (0, 0, 1, 1)).axes[0].images[0]
    np.testing.assert_allclose(image.get_array(), [[0.5, 1.0], [0.0, 0.5]], atol=1e-12)


def test_density_that_is_none():
    with pytest.raises(ValueError, match="extent"):
        plot_density(np.zeros((2, 2)), (0, 0, 0, 1))
    with pytest.raises(ValueError, match="log_density"):
        plot_density(np.full((2, 2), np.nan), (0, 0, 1, 1))


def test_training_curves_pass_over_what_is_missing(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text(
        "step,points,seconds,train_nats_per_point,valid_nats_per_point,valid_sse,learning_rate\n"
        "1,1000,1,2.5,,,0.001\n"
        "2,2000,2,1.5,1.75,0.5,0.001\n"
        "3,3000,3,nan,,,0.0005\n"
        "4,4000,4,0.5,0.75,0.25,0.0001\n"
        "5,50"
    )
    figure = plot_training_curves(log)
    assert rendered(figure) > 1000
    lines = {
        (ax.get_ylabel(), line.get_label()): line.get_xydata().tolist()
        for ax in figure.axes
        for line in ax.lines
    }
    assert lines["nats per point", "training"] == [[1000, 2.5], [2000, 1.5], [4000, 0.5]]
    assert lines["nats per point", "validation"] == [[2000, 1.75], [4000, 0.75]]
    assert lines["sse", "validation"] == [[2000, 0.5], [4000, 0.25]]
    assert len(lines) == 4 and len(figure.axes) == 3


def test_training_curves_of_a_recogniser():
    figure = plot_training_curves([{"step": 1, "characters": 50, "train_nats_per_character": 2.0}])
    assert figure.axes[0].lines[0].get_xydata().tolist() == [[50, 2.0]]
    assert figure.axes[0].get_xlabel() == "characters seen"


def test_training_curves_from_rows():
    figure = plot_training_curves(
        [{"step": 1, "train_loss": 2.0}, {"step": 2, "train_loss": None}, {"step": 3}]
    )
    assert figure.axes[0].lines[0].get_xydata().tolist() == [[1, 2.0]]
    assert figure.axes[0].get_xlabel() == "step"


def test_training_curves_of_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        plot_training_curves(tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text("step,train_loss\n")
    with pytest.raises(ValueError, match="0 rows"):
        plot_training_curves(tmp_path / "empty.csv")


def test_plots_leave_pyplot_alone():
    import matplotlib.pyplot as plt

    plot_lines([random_ink()])
    plot_attention(np.ones((3, 2)), "ab", random_ink())
    assert plt.get_fignums() == []


def test_posteriors():
    probabilities = np.array([[0.98, 0.01, 0.01], [0.1, 0.9, 0.0], [0.4, 0.2, 0.4]])
    positions = np.array([[0.0, 0.0], [1.0, -0.5], [3.0, 0.0]])
    ink = Ink.from_strokes([[[0, 0], [3, -1]]])
    figure = plot_posteriors(probabilities, positions, "$b", ink)
    drawn, stems = figure.axes
    segments = [np.array(s) for s in stems.collections[0].get_segments()]
    assert [s[0, 0] for s in segments] == [1.0, 3.0, 3.0]  # what is below `least` is left out
    assert [s[1, 1] for s in segments] == [0.9, 0.2, 0.4]
    assert [t.get_text() for t in stems.texts] == [r"\$", r"\$", "b"]
    assert drawn.get_xlim() == stems.get_xlim() == (-0.5, 3.5)
    assert len(plot_posteriors(probabilities, positions, "$b").axes) == 1
    with pytest.raises(ValueError, match=r"probabilities \(T, 4\).*got \(3, 3\)"):
        plot_posteriors(probabilities, positions, "$bc")
    with pytest.raises(ValueError, match=r"positions \(T, 2\)"):
        plot_posteriors(probabilities, positions[:2], "$b")
