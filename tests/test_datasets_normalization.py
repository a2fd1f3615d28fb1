"""From recorded samples to labels and offsets."""

import numpy as np
import pytest
from makers import recorded_line as line

from strokesynth.datasets import Label, Sample
from strokesynth.datasets.normalization import normalize_again, normalize_alone, normalize_group, transcript
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
