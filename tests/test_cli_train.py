"""The command line of training: what goes with what, and a language model from a corpus and prose."""

import numpy as np
import pytest

from strokesynth.cli import train_main
from strokesynth.datasets import Label, Sample
from strokesynth.datasets.corpus import Corpus
from strokesynth.ink import Ink
from strokesynth.recognition.language_model import LanguageModel

INK = Ink.from_strokes([np.array([[0.0, -1.0], [1.0, 0.0]])])


@pytest.fixture
def corpus(tmp_path):
    lines = [
        ("the cat sat", "iam", "trainset"),
        ("a dog", "unipen-text", "trainset"),
        ("zzzz", "iam", "testset_v"),
    ]
    lines += [("qqqq", "unipen-words", "trainset"), ("a dog", "unipen-text", "trainset")]
    samples = [
        Sample(INK, Label(text, "w", split, source, str(i))) for i, (text, source, split) in enumerate(lines)
    ]
    path = tmp_path / "corpus.npz"
    Corpus.from_samples(samples, "recognition").save(path)
    return path


def test_a_language_model_learns_running_text_that_may_be_trained_on(corpus, tmp_path, capsys):
    prose = tmp_path / "prose.txt"
    prose.write_text(
        "It’s a long way to anywhere from here, “they” said, and went on\nnaïve\n", encoding="utf-8"
    )
    out = tmp_path / "model.npz"
    call = [
        "--task",
        "language_model",
        "--corpus",
        str(corpus),
        "--text",
        str(prose),
        "--order",
        "4",
        "--out",
        str(out),
    ]
    assert train_main(call) == 0
    said = capsys.readouterr().out
    # "the cat sat", "a dog" once, the prose folded and in lines of about thirty; "naïve" is left out.
    assert "left out 1" in said and "5 lines" in said
    found = LanguageModel.load(out)
    expected = LanguageModel.train(
        ["the cat sat", "a dog", "It's a long way to anywhere", 'from here, "they" said, and', "went on"], 4
    )
    assert found.order == 4
    for context in ("", "the ", "a do", "q"):
        np.testing.assert_allclose(
            found.log_probabilities(context), expected.log_probabilities(context), atol=1e-6
        )


def test_named_splits_only(corpus, tmp_path, capsys):
    out = tmp_path / "model.npz"
    call = ["--task", "language_model", "--corpus", str(corpus), "--train-on", "testset_v", "--order", "2"]
    assert train_main([*call, "--out", str(out)]) == 0
    assert "1 lines of 4 characters" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "language_model", "--out", "m.npz"], "--corpus, --text or both"),
        (["--task", "recognition", "--out", "r"], "--corpus is missing"),
        (
            ["--task", "recognition", "--corpus", "c", "--text", "t", "--out", "r"],
            "goes with --task language_model",
        ),
    ],
)
def test_calls_that_make_no_sense(arguments, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        train_main(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--task", "language_model", "--out", "model.bin"], "ends in .npz"),
        (["--train-on", "trainset", "--out", "r"], "go with --task recognition"),
        (["--task", "recognition", "--train-on", "songs", "--out", "r"], "no split songs"),
    ],
)
def test_bad_input(corpus, extra, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train_main(["--corpus", str(corpus), *extra]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "model.bin").exists()
