"""Proofreading: the most legible writing is kept, and what is legible is not written again."""

import math

import numpy as np
import pytest
from small_networks import save_recognition, save_synthesis

from strokesynth import synthesizer
from strokesynth.ink import Ink
from strokesynth.proofread import Proofreader
from strokesynth.recognizer import load_recognizer
from strokesynth.sampling import SampledLine
from strokesynth.synthesizer import ATTEMPTS, load_synthesizer


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    return load_synthesizer(save_synthesis(tmp_path_factory.mktemp("weights") / "synthesis.safetensors"))


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory):
    return load_recognizer(save_recognition(tmp_path_factory.mktemp("weights") / "recognition.safetensors"))


class Wide(Proofreader):
    """Finds a line the better the wider it is, and remembers what it saw."""

    def __init__(self, limit=0.0, candidates=4):
        super().__init__(limit=limit, candidates=candidates)
        self.seen = []

    def surprise(self, texts, lines):
        self.seen.append(
            [(text, float(np.abs(line.offsets[:, 0]).sum())) for text, line in zip(texts, lines, strict=True)]
        )
        return [1 / (1 + width) for _, width in self.seen[-1]]


def test_the_best_of_all_attempts_is_kept(writer):
    reader = Wide()
    ink = writer.write("one two", seed=1, proofread=reader)
    widths = [width for call in reader.seen for _, width in call]
    assert len(reader.seen) == ATTEMPTS and len(widths) == 4 * ATTEMPTS  # a small limit: never content
    assert len(set(widths)) == len(widths)
    steps = np.diff(np.concatenate(ink.strokes)[:, 0])
    first = max(widths) - np.abs(steps).sum()  # the step to the first point, which has moved to x = 0
    assert -1e-3 < first < 2.0 and sorted(widths)[-2] < max(widths)


def test_what_is_good_is_not_written_again(writer):
    reader = Wide(limit=10.0)
    plain = writer.write_lines(["one", "two", "three"] * 8, seed=1)
    assert writer.write_lines(["one", "two", "three"] * 8, seed=1, proofread=reader) == plain
    assert [len(call) for call in reader.seen] == [24]


def test_only_the_bad_lines_are_written_again(writer):
    class Picky(Wide):
        def surprise(self, texts, lines):
            super().surprise(texts, lines)
            return [0.0 if text == "good" else 1.0 for text in texts]

    reader = Picky(limit=0.5, candidates=1)
    writer.write_lines(["good", "bad", "good"], seed=1, proofread=reader)
    assert [[text for text, _ in call] for call in reader.seen] == [["good", "bad", "good"]] + [["bad"]] * (
        ATTEMPTS - 1
    )


def test_the_same_seed_gives_the_same_ink(writer, recognizer):
    reader = Proofreader(recognizer)
    a, b = (writer.write("some words", style="plain", seed=2, proofread=reader) for _ in range(2))
    assert a == b


def lines_of(*inks):
    return [
        SampledLine(ink.to_offsets(), np.zeros(ink.n_points, np.int64), np.zeros((1, 1)), True)
        for ink in inks
    ]


def test_surprise_is_the_likelihood_of_the_text(recognizer):
    rng = np.random.default_rng(0)
    inks = [Ink.from_strokes([np.cumsum(rng.normal(0.1, 0.2, (30, 2)), axis=0)]) for _ in range(3)]
    texts = ["ab", "hello", "x1"]
    found = Proofreader(recognizer).surprise(texts, lines_of(*inks))
    for ink, text, value in zip(inks, texts, found, strict=True):
        offsets = Ink.from_offsets(ink.to_offsets())
        assert value == pytest.approx(-recognizer.log_likelihood(offsets, text) / len(text), rel=1e-4)


def test_marks_and_dots_are_not_judged(recognizer):
    dot, dash = Ink.from_strokes([[[0.0, 0.0]]]), Ink.from_strokes([[[0.0, -0.5], [0.6, -0.5]]])
    assert Proofreader(recognizer).surprise([".", "-", "a."], lines_of(dot, dash, dash)) == [0.0, 0.0, 0.0]
    assert Proofreader(recognizer).surprise(
        ["far too long a text for a dash, which has few frames"], lines_of(dash)
    ) == [math.inf]


def test_the_reader_of_the_package_is_loaded_when_needed(writer, monkeypatch, recognizer):
    monkeypatch.setattr("strokesynth.recognizer.load_recognizer", lambda: recognizer)
    assert writer._reader(True).recognizer is recognizer and writer._reader(False) is None


@pytest.mark.parametrize(
    "options", [{"limit": -1.0}, {"limit": math.nan}, {"candidates": 0}, {"candidates": True}]
)
def test_bad_options(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Proofreader(**options)


def test_proofread_is_true_false_or_a_proofreader(writer):
    with pytest.raises(ValueError, match="'yes'"):
        writer.write("one", seed=1, proofread="yes")
    assert synthesizer.Proofreader is Proofreader
