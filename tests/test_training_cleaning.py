"""Cleaning: the lines that say their text stay, the others are left out and named."""

import json

import numpy as np
import pytest
from makers import save_recognition

from strokesynth.datasets import Label, Sample
from strokesynth.datasets.corpus import Corpus
from strokesynth.ink import Ink
from strokesynth.recognition.recognizer import load_recognizer
from strokesynth.training.cleaning import clean_corpus, describe, judge


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    return save_recognition(tmp_path_factory.mktemp("weights") / "recognition.safetensors")


@pytest.fixture
def corpus(tmp_path):
    rng = np.random.default_rng(0)

    def sample(k, split):
        ink = Ink.from_strokes([np.cumsum(rng.normal(0.1, 0.2, (20 + 5 * k, 2)), axis=0)])
        return Sample(
            ink, Label("abc def"[: 2 + k % 5], f"w{k}", split, "iam" if k % 2 else "composed", f"line-{k}")
        )

    samples = [sample(k, "testset_v" if k in (3, 4) else "trainset") for k in range(9)]
    corpus = Corpus.from_samples(samples, "generation")
    corpus.save(tmp_path / "corpus.npz")
    return corpus


def test_judged_as_the_recogniser_does_line_by_line(corpus, reader):
    nll, readings = judge(corpus, reader, workers=2, progress=False)
    recognizer = load_recognizer(reader)
    for i, text in enumerate(corpus.texts.tolist()):
        ink = Ink.from_offsets(corpus.offsets(i))
        expected = -recognizer.log_likelihood(ink, text, normalized=True) / len(text)
        assert nll[i] == pytest.approx(expected, rel=1e-4)
        assert " ".join(readings[i].split()) == recognizer.read(ink, normalized=True).text


def test_what_is_unlikely_is_left_out_and_named(corpus, reader, tmp_path):
    nll, readings = judge(corpus, reader, workers=1, progress=False)
    trained = corpus.splits == "trainset"
    limit = float(np.median(nll[trained]))
    report = clean_corpus(
        tmp_path / "corpus.npz",
        tmp_path / "clean.npz",
        recognizer=reader,
        limit=limit,
        workers=1,
        progress=False,
    )
    cleaned = Corpus.load(tmp_path / "clean.npz")
    kept = np.flatnonzero(~trained | (nll <= limit))
    assert cleaned.ids.tolist() == corpus.ids[kept].tolist()
    assert {"line-3", "line-4"} <= set(cleaned.ids.tolist())  # held out: never judged
    for new, old in enumerate(kept):
        assert np.array_equal(cleaned.offsets(new), corpus.offsets(int(old)))
    bad = np.flatnonzero(trained & (nll > limit))
    assert report == json.loads((tmp_path / "clean.json").read_text())
    assert sum(of["left_out"] for of in report["sources"].values()) == len(bad) > 0
    worst = int(bad[nll[bad].argmax()])
    named = report["sources"][str(corpus.sources[worst])]["worst"][0]
    assert named == {"id": f"line-{worst}", "text": str(corpus.texts[worst]), "read": readings[worst]}
    assert repr(str(corpus.texts[worst])) in describe(report)


def test_bad_input_is_refused_and_leaves_nothing(corpus, reader, tmp_path):
    for limit in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="limit"):
            clean_corpus(tmp_path / "corpus.npz", tmp_path / "clean.npz", recognizer=reader, limit=limit)
    with pytest.raises(FileNotFoundError, match="no-such"):
        clean_corpus(tmp_path / "no-such.npz", tmp_path / "clean.npz", recognizer=reader)
    with pytest.raises(FileNotFoundError):
        clean_corpus(
            tmp_path / "corpus.npz", tmp_path / "clean.npz", recognizer=tmp_path / "none.safetensors"
        )
    assert not (tmp_path / "clean.npz").exists()
