"""The parts of an evaluation, with a pen and a reader whose errors are known."""

import json
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from makers import TINY, save_recognition, save_synthesis

from strokesynth import Ink
from strokesynth.alphabet import Alphabet
from strokesynth.cli.evaluate import SECTIONS
from strokesynth.datasets import Label, Sample
from strokesynth.datasets.corpus import Corpus
from strokesynth.evaluation import charts, metrics
from strokesynth.evaluation import texts as test_texts
from strokesynth.evaluation.synthesis import QUICK, Options, SynthesisEvaluation
from strokesynth.recognition.recognizer import load_recognizer
from strokesynth.synthesis.synthesizer import load_synthesizer
from strokesynth.training.synthesis_task import SynthesisTask


class Pen:
    """Writes the last character of every line as ~, unless it is proofread or the bias is zero."""

    alphabet = Alphabet()

    def write_lines(self, texts, *, bias=None, style=None, seed=None, proofread=False):
        said = [t if proofread or bias == 0 else t[:-1] + "~" for t in texts]
        return [Ink.from_strokes([[[0, 0], [1, 1]]], text) for text in said]

    def write_page(self, text, **options):
        self.page = text


class Reader:
    """Knows what was written, but takes # for H."""

    def read_lines(self, inks, **options):
        return [SimpleNamespace(text=(ink.text or "the end").replace("#", "H")) for ink in inks]


class Blind:
    def read_lines(self, inks, **options):
        return [SimpleNamespace(text="") for _ in inks]


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """Intervals need not be exact here, and take most of the time."""
    monkeypatch.setattr(metrics, "RESAMPLES", 50)


@pytest.fixture(scope="module")
def corpus():
    return Corpus.from_samples(_samples(), "recognition")


def _samples():
    texts = ["the end", "the END", "in 1984", "a # b", "50 % off"]
    x = np.linspace(0, 8, 40)
    for k, text in enumerate(texts * 2):
        ink = Ink.from_strokes([np.column_stack([x, -0.5 + 0.5 * np.sin(3 * x + k)])])
        split = "testset" if k % 5 else "testset_v"
        yield Sample(
            ink,
            Label(text, f"w{k}", split if k < 9 else "trainset", "iam" if k < 5 else "unipen-text", f"i{k}"),
        )


def assess(part, readers=None, options=TINY, pen=None, **more):
    assessment = SynthesisEvaluation(
        pen or Pen(), readers or {"main": Reader(), "blind": Blind()}, options, **more
    )
    return assessment.parts[part]()


def test_every_part_belongs_to_a_section():
    parts = [part for section in SECTIONS.values() for part in section]
    assert sorted(parts) == sorted(SynthesisEvaluation(Pen(), {"a": Reader()}, TINY).parts)


def test_legibility_of_every_kind_and_reader():
    figures, sheet = assess("legibility")
    for kind in test_texts.CLASSES:
        lines = test_texts.lines(kind, 3, 0)
        length = sum(map(len, lines))
        score = figures["readers"]["main"][kind]
        wrong = sum(not line.endswith("~") for line in lines) + sum(line[:-1].count("#") for line in lines)
        assert score["cer"]["rate"] == pytest.approx(wrong / length)
        assert (score["lines"], score["failed"]) == (3, 0)
        blind = figures["readers"]["blind"][kind]
        assert blind["cer"]["rate"] == 1.0 and blind["failed"] == 3 and blind["failed_share"] == 1.0
    assert len(figures["worst"]) == len(sheet) == 15
    for line, (ink, title) in zip(figures["worst"], sheet, strict=True):
        assert line["read"] == ink.text.replace("#", "H") and line["written"] in title
    assert figures["confusions"][0]["read"] == "~"


def test_proofreading_is_asked_for():
    figures, _ = assess("legibility_proofread", options=replace(TINY, lines=30))
    rates = {kind: score["cer"]["edits"] for kind, score in figures["readers"]["main"].items()}
    marks = {kind: "".join(test_texts.lines(kind, 30, 0)).count("#") for kind in test_texts.CLASSES}
    assert rates == marks and marks["soup"] > 0


def test_characters():
    figures, _ = assess("characters")
    of = {c: [p for p in test_texts.places(c, 2, 0)] for c in TINY.characters}
    expected = {c: sum(p.at < len(p.text) - 1 and c != "#" for p in of[c]) for c in TINY.characters}
    assert figures["readers"]["main"]["recognised"] == expected
    assert figures["readers"]["main"]["groups"]["marks"] == 0.0
    assert figures["readers"]["main"]["groups"]["letters"] == (expected["a"] + expected["Q"]) / 4
    assert figures["of"] == 2 and figures["company"]["7"] == "numbers"
    proofread, _ = assess("characters_proofread")
    assert proofread["readers"]["main"]["recognised"] == {"a": 2, "Q": 2, "7": 2, "#": 0}


def test_bias():
    figures, _ = assess("bias")
    zero, one = figures["readers"]["main"]
    assert (zero["bias"], one["bias"]) == (0.0, 1.0)
    assert zero["cer"]["edits"] == 0 and one["cer"]["edits"] == 3
    # The default bias writes the same sentences as the legibility of lines.
    plain = assess("legibility")[0]["readers"]["main"]["sentences"]
    assert one == {"bias": 1.0} | plain


def test_real_lines_by_kind(corpus):
    figures, _ = assess("real", corpus=corpus)
    found = figures["readers"]["main"]
    # The struck-out line of the first source and the line of the training set are left out.
    assert {kind: score["lines"] for kind, score in found.items()} == {
        "letters": 4,
        "digits": 2,
        "symbols": 2,
    }
    assert found["letters"]["cer"]["edits"] == 6 and found["letters"]["writers"] == 4
    few, _ = assess("real", corpus=corpus, options=replace(TINY, real_lines=1))
    assert few["readers"]["main"]["letters"]["lines"] == 1


def test_nats_are_those_of_validation(tmp_path, products):
    writer = load_synthesizer(save_synthesis(tmp_path / "synthesis.safetensors"))
    ours = Corpus.from_samples(_samples(), "generation")
    figures, _ = assess("nats", pen=writer, generation_corpus=ours)
    task = SynthesisTask("conditional_handwriting", ours, batch_size=3, seed=5, validation_lines=2)
    expected = task.validate(writer.network)
    assert figures["lines"] == {"iam": 2, "unipen-text": 2}
    for source, name in (("all", "valid"), ("iam", "iam"), ("unipen-text", "unipen-text")):
        assert figures["sources"][source]["nats_per_point"] == pytest.approx(
            expected[f"{name}_nats_per_point"], rel=1e-5 if products == torch.float32 else 0.01
        )


def test_speed():
    pen = Pen()
    figures, _ = assess("speed", pen=pen)
    assert set(figures["points_per_second"]) == {"one line", "32 lines"}
    assert min(figures["points_per_second"].values()) > 0
    assert figures["page"]["characters"] == len(pen.page) >= 300
    assert set(figures["page"]["seconds"]) == {"plain", "proofread"}


def test_variety_and_charts(tmp_path, corpus):
    writer = load_synthesizer(save_synthesis(tmp_path / "synthesis.safetensors"))
    reader = load_recognizer(save_recognition(tmp_path / "recognition.safetensors"))
    first, again = (
        assess("variety", {"main": reader}, pen=writer, corpus=corpus if k < 2 else None) for k in range(2)
    )
    assert json.dumps(first.figures) == json.dumps(again.figures)
    # Untrained networks write no words, so that there is nothing to compare.
    assert first.figures["words"] == [] and len(first.figures["ratios"]) == 4
    parts = {
        part: assess(part).figures for part in ("legibility", "legibility_proofread", "characters", "bias")
    }
    parts["real"] = assess("real", corpus=corpus).figures
    parts["variety"] = json.loads(json.dumps(first.figures), parse_constant=lambda _: None)
    for name, (chart, _) in charts.CHARTS.items():
        figure = chart(parts)
        figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 5000
    bars = charts.chart_legibility(parts).axes
    assert len(bars) == 2 and len(bars[0].patches) == 5 + 5 + 3
    rates = [parts["legibility"]["readers"]["main"][kind]["cer"]["rate"] for kind in test_texts.CLASSES]
    np.testing.assert_allclose([p.get_height() for p in bars[0].patches[:5]], 100 * np.array(rates))


def test_charts_of_nothing():
    for chart, _ in charts.CHARTS.values():
        with pytest.raises(ValueError, match="to draw among the parts: speed"):
            chart({"speed": {}})


def test_progress_reaches_its_end(corpus):
    bars = []

    @contextmanager
    def bar(what, steps):
        moves = []
        yield moves.append
        bars.append((what, steps, sum(moves)))

    for part in ("legibility", "real", "characters", "bias", "speed"):
        assess(part, corpus=corpus, bar=bar)
    assert len(bars) == 6 and all(steps == moved for _, steps, moved in bars), bars


def test_what_is_missing_or_wrong(corpus):
    bare = SynthesisEvaluation(Pen(), {"a": Reader()}, TINY)
    assert [part for part in bare.parts if not bare.available(part)] == ["real", "nats"]
    for part in ("real", "nats"):
        with pytest.raises(ValueError, match="this part needs .*corpus, and none was given"):
            bare.parts[part]()
    with pytest.raises(ValueError, match="at least one reader"):
        SynthesisEvaluation(Pen(), {}, TINY)
    with pytest.raises(
        ValueError, match="generation_corpus is a corpus for recognition; expected one for gener"
    ):
        SynthesisEvaluation(Pen(), {"a": Reader()}, TINY, generation_corpus=corpus)
    trained = Corpus.from_samples([s for s in _samples() if s.split == "trainset"], "recognition")
    with pytest.raises(ValueError, match="no line of the splits testset_v or testset.*it has trainset"):
        SynthesisEvaluation(Pen(), {"a": Reader()}, TINY, corpus=trained)
    for name in ("lines", "per_character", "rounds"):
        with pytest.raises(ValueError, match=f"{name} is 0; expected at least 1"):
            replace(QUICK, **{name: 0})
    with pytest.raises(ValueError, match="seed is -1"):
        Options(seed=-1)
