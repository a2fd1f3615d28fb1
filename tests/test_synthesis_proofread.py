"""Proofreading: words are judged among their neighbours, and only what cannot be read is written again."""

import math

import numpy as np
import pytest
from makers import save_recognition, save_synthesis

from strokesynth.ink import Ink
from strokesynth.recognition.decoding import align, ctc_log_likelihood
from strokesynth.recognition.recognizer import load_recognizer
from strokesynth.synthesis.pieces import legibility
from strokesynth.synthesis.proofread import Proofreader
from strokesynth.synthesis.session import Seeds
from strokesynth.synthesis.synthesizer import load_synthesizer


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    return load_synthesizer(save_synthesis(tmp_path_factory.mktemp("weights") / "synthesis.safetensors"))


@pytest.fixture(scope="module")
def recognizer(tmp_path_factory):
    return load_recognizer(save_recognition(tmp_path_factory.mktemp("weights") / "recognition.safetensors"))


class Wide(Proofreader):
    """Finds a line the better the wider it is, each word alike, and remembers what it saw."""

    def __init__(self, content=False, **options):
        super().__init__(limit=1e6 if content else 0.0, **options)
        self.seen = []

    def word_nlls(self, texts, inks):
        widths = [ink.bounds[2] - ink.bounds[0] for ink in inks]
        self.seen.append(list(zip(texts, widths, strict=True)))
        return [np.full(len(t.split()), 1 / (1 + w)) for t, w in zip(texts, widths, strict=True)]


def scribble(points, seed=0):
    return Ink.from_strokes([np.cumsum(np.random.default_rng(seed).normal(0.1, 0.2, (points, 2)), axis=0)])


def test_of_a_line_by_itself_the_best_of_some_is_kept(writer):
    reader = Wide(content=True, candidates=5)
    ink = writer.write("one two", seed=1, proofread=reader)
    (writings,) = reader.seen
    widths = [width for _, width in writings]
    assert len(widths) == 5 and min(widths) < max(widths)
    assert ink.bounds[2] - ink.bounds[0] == pytest.approx(max(widths), rel=1e-5)
    assert ink.legibility == pytest.approx(math.exp(-2 / (1 + max(widths)) / 6), rel=1e-5)


def test_what_is_good_is_not_written_again(writer):
    reader = Wide(content=True)
    plain = writer.write_lines(["one", "two", "three"] * 8, seed=1)
    assert writer.write_lines(["one", "two", "three"] * 8, seed=1, proofread=reader) == plain
    assert [len(call) for call in reader.seen] == [24]
    assert all(ink.legibility is None for ink in plain)


def test_only_the_bad_words_are_written_again_in_the_same_hand(writer):
    class Picky(Wide):
        def word_nlls(self, texts, inks):
            super().word_nlls(texts, inks)
            return [np.array([float(word.startswith("bad")) for word in text.split()]) for text in texts]

    reader = Picky(candidates=2)
    texts = ["good", "bad1", "good", "bad2"]
    writer.write_lines(texts, seed=1, style="plain", proofread=reader)
    first, *rounds = [[text for text, _ in call] for call in reader.seen]
    assert first == [text for text in texts for _ in range(2)]
    assert rounds and all(call == ["bad1 bad2"] * len(call) for call in rounds)


def test_words_are_judged_by_their_own_frames(recognizer):
    """Beside the likelihood of the whole line: what lies between the blanks, summed over all paths."""
    ink, text = scribble(120), "ab c dd"
    (found,) = Proofreader(recognizer).word_nlls([text], [ink])
    ((_, log_probs),) = recognizer.frames([ink], normalized=True)
    codes = recognizer.alphabet.encode(text)
    at = align(log_probs.clamp(max=0.0), codes)
    pieces = [(0, at[2, 0], 0, 2), (at[2, 1], at[4, 0], 3, 4), (at[4, 1], len(log_probs), 5, 7)]
    expected = [-ctc_log_likelihood(log_probs[a:b].clamp(max=0.0), codes[i:j]) for a, b, i, j in pieces]
    assert found == pytest.approx(expected, rel=1e-4)


def test_one_word_is_as_likely_as_the_line(recognizer):
    texts = ["ab", "hello", "x1", "-"]
    inks = [scribble(40 + 10 * i, i) for i in range(4)]
    found = Proofreader(recognizer).word_nlls(texts, inks)
    for ink, text, (value,) in zip(inks, texts, found, strict=True):
        assert value == pytest.approx(-recognizer.log_likelihood(ink, text, normalized=True), rel=1e-4)


def test_ink_too_short_for_its_text(recognizer):
    dash = Ink.from_strokes([[[0.0, -0.5], [0.6, -0.5]]])
    (found,) = Proofreader(recognizer).word_nlls(["far too long for it"], [dash])
    assert found.tolist() == [math.inf] * 5
    assert Proofreader(recognizer).word_nlls([], []) == []


def test_the_same_seed_gives_the_same_ink(writer, recognizer):
    reader = Proofreader(recognizer)
    a, b = (writer.write("some words", style="plain", seed=2, proofread=reader) for _ in range(2))
    assert a == b and a.legibility == b.legibility and 0 <= a.legibility <= 1


def test_a_short_word_may_be_in_doubt():
    reader = Proofreader(limit=0.2)
    assert reader.readable("longer", 1.19) and not reader.readable("longer", 1.21)
    assert reader.readable("I", 0.99) and not reader.readable("I", 1.01)


def test_legibility_is_the_mean_probability_of_a_character():
    assert legibility("ab cd", -math.log(0.9**3 * 0.5)) == pytest.approx((0.9**3 * 0.5) ** 0.25)
    assert legibility("ab", math.inf) == 0.0 and legibility("ab", 0.0) == 1.0


def test_the_reader_of_the_package_is_loaded_when_needed(writer, monkeypatch, recognizer):
    monkeypatch.setattr("strokesynth.recognition.recognizer.load_recognizer", lambda: recognizer)
    assert writer.proofreader(True).recognizer is recognizer and writer.proofreader(False) is None
    chosen = writer.proofreader(True, candidates=7, limit=0.5)
    assert (chosen.candidates, chosen.limit, chosen.recognizer) == (7, 0.5, recognizer)


@pytest.mark.parametrize(
    "options", [{"limit": -1.0}, {"limit": math.nan}, {"candidates": 0}, {"candidates": True}]
)
def test_bad_options(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Proofreader(**options)


def test_bad_arguments_of_writing(writer, recognizer):
    with pytest.raises(ValueError, match="'yes'"):
        writer.write("one", seed=1, proofread="yes")
    with pytest.raises(ValueError, match="candidates go with proofread=True"):
        writer.write("one", seed=1, candidates=3)
    with pytest.raises(ValueError, match="limit go with proofread=True"):
        writer.write_lines(["one"], seed=1, proofread=Proofreader(recognizer), limit=0.1)


def test_no_two_random_numbers_come_from_the_same_seed(writer, monkeypatch):
    """Candidates, marks, rewritten words and free writing each have their own."""
    seeds = []
    derived = Seeds._derived

    def remembered(self, *key):
        seeds.append(derived(self, *key))
        return seeds[-1]

    monkeypatch.setattr(Seeds, "_derived", remembered)
    reader = Wide(candidates=4)
    writer.write_lines(["é a", "naïve", "two"], seed=1, proofread=reader)
    assert len(reader.seen) > 3  # words were written again
    Seeds.of(1).free()
    assert len(seeds) > 40 and len(set(seeds)) == len(seeds)
