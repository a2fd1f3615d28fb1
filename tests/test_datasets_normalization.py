"""From recorded samples to labels and offsets."""

import numpy as np
import pytest
from makers import recorded_line as line

from strokesynth.datasets import Label, Sample
from strokesynth.datasets.normalization import (
    _published,
    _weighted_median,
    normalize_again,
    normalize_alone,
    normalize_group,
    transcript,
)
from strokesynth.ink import Ink
from strokesynth.ink.normalize import normalize

TEXTS = ["xnoh lox noh", "hon xo lonx", "lol nhoxo on", "no xnhl onoh"]


def sample(ink, text, source="iam", id="f-01", split="trainset"):
    return Sample(ink, Label(text, "w", split, source, id))


@pytest.fixture
def group():
    return [sample(line(t, seed=i), t, id=f"f-0{i}") for i, t in enumerate(TEXTS)]


def test_a_line_takes_the_x_height_of_its_group(group):
    # Alone, capitals without their small letters look like small letters without their tall ones.
    short = sample(line("lll"), "xxx")
    (*_, (_, offsets)) = normalize_group([*group, short], "generation")
    assert not isinstance(offsets, str)
    height = np.ptp(np.cumsum(offsets[:, 1]))
    assert height == pytest.approx(1.8, rel=0.15)


def test_labels_stay_with_their_ink(group):
    """Each sample gives one result, in order, with its label and the text in one line."""
    group[1] = sample(group[1].ink, " hon  xo\nlonx ", id="spaced")
    group.insert(2, sample(line("xxx"), "#", id="struck"))
    found = normalize_group(group, "generation")
    assert [label.id for label, _ in found] == ["f-00", "spaced", "struck", "f-02", "f-03"]
    assert [label.text for label, _ in found] == [TEXTS[0], "hon xo lonx", "#", *TEXTS[2:]]
    assert {(label.writer, label.split, label.source) for label, _ in found} == {("w", "trainset", "iam")}
    assert found[2][1] == "struck-out or unreadable writing (#)"
    for (label, offsets), recorded in zip(found, group, strict=True):
        if label.id != "struck":
            width = np.cumsum(offsets[:, 0]).max()
            low, high = recorded.ink.bounds[0], recorded.ink.bounds[2]
            assert width == pytest.approx((high - low) / 100, rel=0.15)


def test_a_line_as_wide_as_another_text_is_left_out(group):
    wrong = sample(line("xnoh lox noh"), "xnoh lox noh xnoh lox noh")
    results = [result for _, result in normalize_group([*group, wrong], "generation")]
    assert results[-1] == "as wide as another text"
    assert not any(isinstance(result, str) for result in results[:-1])


@pytest.mark.parametrize(
    "split, kept", [("trainset", False), ("testset_v", True), ("testset_f", True), ("other", False)]
)
def test_a_recogniser_gets_lines_as_it_will_meet_them(group, split, kept):
    """Normalised by themselves; of a test set also those that are unfit, since published figures count them."""
    bad = sample(line("xnoh lox noh"), "x # h", id="bad", split=split)
    (*good, (label, result)) = normalize_group([*group, bad], "recognition")
    assert label.id == "bad" and isinstance(result, str) != kept
    recorded = [*group, bad] if kept else group
    for (_, offsets), expected in zip([*good, (label, result)], recorded, strict=False):
        if not isinstance(offsets, str):
            alone = normalize(Ink.from_strokes(expected.ink.strokes)).to_offsets()
            np.testing.assert_array_equal(offsets, alone)


def test_ink_without_extent():
    dot = Ink.from_strokes([[[3.0, 4.0]]])
    assert normalize_alone(dot) == "no baseline found"
    label = Label("x", "w", "trainset", "unipen-chars", "1")
    again = normalize_again((label, np.float32([[0, 0, 1]])))
    assert again[0] is label and again[1].tolist() == [[0, 0, 1]]
    ((_, reason),) = normalize_group([sample(dot, "x")], "generation")
    assert reason == "no baseline found"


def test_normalising_again_forgets_the_text():
    ink = line("xnoh lox", 1.0, (0, 0))
    label = Label("anything", "w", "trainset", "composed", "1")
    again, offsets = normalize_again((label, (ink.scale(3.0)).to_offsets()))
    assert again is label
    points = np.cumsum(offsets[:, :2], axis=0)
    assert np.ptp(points[:, 1]) == pytest.approx(1.8, rel=0.2)


@pytest.mark.parametrize(
    "source, text, expected",
    [
        ("iam", 'He said , " It \' s Mr . Gray "', 'He said, "It\'s Mr. Gray"'),
        ("unipen-text", "He said , no", "He said , no"),
        ("npy", "  two \t lines\n here ", "two lines here"),
    ],
)
def test_transcript(source, text, expected):
    assert transcript(Label(text, "w", "trainset", source, "1")) == expected


def test_which_lines_are_never_left_out():
    def counts(source, split):
        return _published(Label("a", "w", split, source, ""))

    assert all(counts("iam", split) for split in ("testset_v", "testset_f", "testset_t"))
    assert not counts("iam", "trainset") and not counts("unipen-text", "testset_v")


def test_the_median_is_weighted():
    assert _weighted_median([(3.0, 1), (1.0, 1), (2.0, 1)]) == 2.0
    assert _weighted_median([(3.0, 5), (1.0, 1), (2.0, 1)]) == 3.0
    assert _weighted_median([(3.0, 1), (1.0, 6), (2.0, 1)]) == 1.0
    assert _weighted_median([(7.0, 2)]) == 7.0


def reasons(texts, inks, task="generation"):
    found = normalize_group(
        [sample(ink, text, "unipen") for text, ink in zip(texts, inks, strict=True)], task
    )
    return [result if isinstance(result, str) else None for _, result in found]


@pytest.mark.parametrize(
    ("factor", "fits"), [(1.0, True), (1.5, True), (1.75, False), (0.66, True), (0.57, False)]
)
def test_lines_as_wide_as_another_text_are_left_out(factor, fits):
    """A line that is wider or narrower than its text and the writer's other lines let expect, by a factor of 1.6."""
    inks = [line(t, seed=i, wobble=0) for i, t in enumerate(TEXTS)]
    odd = line(TEXTS[0], wobble=0).scale(factor, 1.0)
    expected = [None] * 4 + [None if fits else "as wide as another text"]
    assert reasons([*TEXTS, TEXTS[0]], [*inks, odd]) == expected


def test_short_lines_may_be_as_wide_as_they_like():
    inks = [line(t, seed=i, wobble=0) for i, t in enumerate(TEXTS)]
    for text, expected in (("xnohlox", None), ("xnohloxn", "as wide as another text")):
        assert reasons([*TEXTS, text], [*inks, line(text, wobble=0).scale(1.8, 1.0)])[-1] == expected


def test_widths_are_compared_for_their_texts():
    """Lines of narrow letters and of wide ones differ as much as their texts."""
    widths = {"l": 0.6, "m": 1.6, "x": 1.0}
    texts = [letter * 12 for letter in "xxlm"]
    inks = [line("x" * 12, wobble=0).scale(widths[text[0]], 1.0) for text in texts]
    assert reasons(texts, inks) == [None] * 4


@pytest.mark.parametrize(
    ("scale", "expected"), [(1.05, 1.05), (1.4, np.exp(0.12)), (0.7, np.exp(-0.12)), (0.95, 0.95)]
)
def test_the_x_height_of_a_line_is_near_that_of_its_group(scale, expected):
    """A line `scale` times as large as its group is normalised by that, as far as the group lets it."""
    inks = [line(t, seed=i, wobble=0) for i, t in enumerate(TEXTS)]
    group = [sample(ink, text) for ink, text in zip(inks, TEXTS)]
    (*_, (_, plain)) = normalize_group([*group, group[0]], "generation")
    (*_, (_, offsets)) = normalize_group([*group, sample(inks[0].scale(scale), TEXTS[0])], "generation")
    ratio = np.ptp(np.cumsum(offsets[:, 0])) / np.ptp(np.cumsum(plain[:, 0]))
    assert ratio == pytest.approx(scale / expected, rel=0.04)
