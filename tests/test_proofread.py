"""Proofreading: the most legible writing is kept, and what is legible is not written again."""

import math

import numpy as np
import pytest
from small_networks import save_recognition, save_synthesis
from typewriter import Typewriter

from strokesynth import synthesizer
from strokesynth.ink import Ink
from strokesynth.page import write_page
from strokesynth.proofread import Proofreader
from strokesynth.recognizer import load_recognizer
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

    def surprise(self, texts, inks):
        self.seen.append(
            [
                (text, float(np.abs(np.diff(np.concatenate(ink.strokes)[:, 0])).sum()))
                for text, ink in zip(texts, inks, strict=True)
            ]
        )
        return [1 / (1 + width) for _, width in self.seen[-1]]


def test_the_best_of_all_attempts_is_kept(writer):
    reader = Wide()
    ink = writer.write("one two", seed=1, proofread=reader)
    widths = [width for call in reader.seen for _, width in call]
    assert len(reader.seen) == ATTEMPTS and len(widths) == 4 * ATTEMPTS  # a small limit: never content
    kept = float(np.abs(np.diff(np.concatenate(ink.strokes)[:, 0])).sum())
    assert sorted(widths)[-2] < max(widths) == pytest.approx(kept, rel=0.05)  # levelled since


def test_what_is_good_is_not_written_again(writer):
    reader = Wide(limit=10.0)
    plain = writer.write_lines(["one", "two", "three"] * 8, seed=1)
    assert writer.write_lines(["one", "two", "three"] * 8, seed=1, proofread=reader) == plain
    assert [len(call) for call in reader.seen] == [24]


def test_only_the_bad_lines_are_written_again(writer):
    class Picky(Wide):
        def surprise(self, texts, inks):
            super().surprise(texts, inks)
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


def test_surprise_is_the_likelihood_of_the_text(recognizer):
    rng = np.random.default_rng(0)
    inks = [Ink.from_strokes([np.cumsum(rng.normal(0.1, 0.2, (30, 2)), axis=0)]) for _ in range(3)]
    texts = ["ab", "hello", "x1"]
    found = Proofreader(recognizer).surprise(texts, inks)
    for ink, text, value in zip(inks, texts, found, strict=True):
        assert value == pytest.approx(-recognizer.log_likelihood(ink, text) / len(text), rel=1e-4)


def test_marks_and_dots_are_not_judged(recognizer):
    dot, dash = Ink.from_strokes([[[0.0, 0.0]]]), Ink.from_strokes([[[0.0, -0.5], [0.6, -0.5]]])
    assert Proofreader(recognizer).surprise([".", "-", "..."], [dot, dash, dash]) == [0.0, 0.0, 0.0]
    assert Proofreader(recognizer).surprise(
        ["far too long a text for a dash, which has few frames"], [dash]
    ) == [math.inf]


def test_a_letter_by_itself_may_be_in_doubt():
    reader = Proofreader(word_limit=0.2)
    assert reader.readable("word", 0.19) and not reader.readable("word", 0.21)
    assert reader.readable('"I', 1.2) and not reader.readable("I", 3.0)


def test_of_each_word_of_a_page_the_best_is_kept():
    """With a typewriter that stretches its lines, and a reader that likes wide words."""
    pages = {}
    for reader in (False, Wide(candidates=1)):
        typewriter = Typewriter()
        pages[bool(reader)] = write_page(
            typewriter,
            "some words to write\non two lines",
            seed=1,
            style=object(),
            variation=0,
            proofread=reader,
        )
    assert pages[False].text == pages[True].text
    assert len(reader.seen) == ATTEMPTS
    for i, word in enumerate("some words to write on two lines".split()):
        attempts = {width for call in reader.seen for text, width in [call[i]] if text == word}
        assert len(attempts) == ATTEMPTS
    widths = {k: sum(line.ink.bounds[2] for line in page[0].lines) for k, page in pages.items()}
    assert widths[True] > 1.05 * widths[False]


def test_the_reader_of_the_package_is_loaded_when_needed(writer, monkeypatch, recognizer):
    monkeypatch.setattr("strokesynth.recognizer.load_recognizer", lambda: recognizer)
    assert writer.proofreader(True).recognizer is recognizer and writer.proofreader(False) is None


@pytest.mark.parametrize(
    "options",
    [{"limit": -1.0}, {"word_limit": math.inf}, {"limit": math.nan}, {"candidates": 0}, {"candidates": True}],
)
def test_bad_options(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Proofreader(**options)


def test_proofread_is_true_false_or_a_proofreader(writer):
    with pytest.raises(ValueError, match="'yes'"):
        writer.write("one", seed=1, proofread="yes")
    assert synthesizer.Proofreader is Proofreader
