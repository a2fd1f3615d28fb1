"""The command line: `recognize.py`, `strokesynth read`."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from makers import save_recognition, save_synthesis, stacked, writing

from strokesynth import Ink
from strokesynth.cli import main, recognize_main
from strokesynth.datasets import Label, Sample
from strokesynth.datasets.corpus import Corpus
from strokesynth.evaluation.metrics import character_edits
from strokesynth.ink.normalize import normalize
from strokesynth.recognition.language_model import LanguageModel
from strokesynth.recognition.recognizer import load_recognizer

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_recognition(tmp_path_factory.mktemp("weights") / "recognition.safetensors")


@pytest.fixture
def recognize(weights, tmp_path, monkeypatch, capsys):
    """Call `recognize.py` in an empty folder; gives its status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("strokesynth.nn.weights.FOLDER", weights.parent)

    def call(*arguments):
        try:
            status = recognize_main([str(a) for a in arguments], prog="recognize.py")
        except SystemExit as error:
            status = error.code
        return status, *capsys.readouterr()

    return call


def corpus(path, count=12, task="recognition"):
    samples = [
        Sample(
            normalize(writing(4 + k, k)),
            Label(f"line {k}", f"w{k % 3}", "test" if k % 2 else "train", "iam", f"id{k}"),
        )
        for k in range(count)
    ]
    Corpus.from_samples(samples, task).save(path)


# --- reading --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["json", "npz", "svg", "inkml"])
def test_a_file_of_each_format(recognize, weights, suffix):
    writing().save(f"a.{suffix}")
    text = load_recognizer(weights).read(writing()).text
    assert text
    assert recognize(f"a.{suffix}") == (0, f"{text}\n", "")


def test_several_files(recognize, weights):
    reader = load_recognizer(weights)
    for k in range(2):
        writing(8 + k, k).save(f"{k}.json")
    expected = "".join(f"{k}.json: {reader.read(writing(8 + k, k)).text}\n" for k in range(2))
    assert recognize("0.json", "1.json") == (0, expected, "")


def test_a_page(recognize, weights):
    stacked().save("page.json")
    texts = [reading.text for reading in load_recognizer(weights).read_page(stacked())]
    assert recognize("page.json") == (0, "".join(f"{text}\n" for text in texts), "")
    status, out, _ = recognize("--json", "page.json")
    found = json.loads(out)
    assert status == 0 and [line["text"] for line in found["lines"]] == texts
    assert found["text"] == "\n".join(texts)
    # The spans count the strokes of the page, of which each of the three lines has twenty.
    for character in found["characters"]:
        assert all(stroke // 20 == character["line"] for stroke, _, _ in character["spans"])


def test_json(recognize, weights):
    ink = writing().scale(30.0)
    ink.save("a.json")
    status, out, err = recognize("a.json", "--json", "--alternatives", 2)
    assert (status, err, out.count("\n")) == (0, "", 1)
    found = json.loads(out)
    reading = load_recognizer(weights).read(ink, alternatives=2)
    assert found["file"] == "a.json" and found["text"] == reading.text
    assert found["confidence"] == pytest.approx(reading.confidence, abs=1e-4)
    assert [a["text"] for a in found["alternatives"]] == [text for text, _ in reading.alternatives]
    assert "".join(c["text"] for c in found["characters"]) == reading.text
    for given, character in zip(found["characters"], reading.characters, strict=True):
        assert tuple(map(tuple, given["spans"])) == character.spans
        assert given["box"] == (None if character.box is None else pytest.approx(character.box))
    assert found["model"]["note"] == "untrained" and found["model"]["version"]


def test_options_reach_the_reading(recognize, weights):
    writing().save("a.json")
    LanguageModel.train(["zzz zz zzzz"] * 20, order=3).save(weights.parent / "language_model.npz")
    reader = load_recognizer(weights)
    status, out, _ = recognize("a.json", "--language-model", "--weight", 2, "--beam", 8)
    assert (status, out) == (0, f"{reader.read(writing(), language_model=True, weight=2.0, beam=8)}\n")
    status, out, _ = recognize("a.json", "--alternatives", 1)
    other, confidence = reader.read(writing(), alternatives=1).alternatives[0]
    assert out.splitlines()[1] == f"    {confidence:.3f}  {other}"


def test_one_bad_file_does_not_stop_the_others(recognize):
    writing().save("good.json")
    Path("cut.json").write_bytes(Path("good.json").read_bytes()[:100])
    Ink.from_strokes([[[1, 1]]]).save("dot.json")
    Path("bomb.inkml").write_text('<!DOCTYPE ink [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><ink>&b;</ink>')
    Path("text.txt").write_text("hello")
    files = ["none.svg", "cut.json", "dot.json", "good.json", "bomb.inkml", "text.txt", "."]
    status, out, err = recognize(*files)
    assert status == 1
    assert [line.split(":")[0] for line in out.splitlines()] == ["good.json"]
    errors = err.splitlines()
    assert len(errors) == 6 and all(line.startswith("recognize.py: error: ") for line in errors)
    for name, error in zip([f for f in files if f != "good.json"], errors, strict=True):
        assert name in error
    assert "no extent" in errors[2]


def test_no_file_could_be_read(recognize):
    status, out, err = recognize("none.svg", "nor-this.json")
    assert (status, out, err.count("\n")) == (2, "", 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing to read"),
        (("a.json", "--limit", 3), "--limit goes with --evaluate"),
        (("a.json", "--weight", 1), "--weight goes with --language-model"),
        (("a.json", "--evaluate", "c.npz"), "leave out the files"),
        (("--evaluate", "c.npz", "--json"), "leave out --json"),
        (("--evaluate", "c.npz", "--limit", 0), "--limit is 0"),
        (("a.json", "--beam", 0), "beam is 0"),
        (("a.json", "--alternatives", -1), "alternatives is -1"),
        (("a.json", "--weights", "none.safetensors"), "no weights file"),
        (("a.json", "--language-model"), "no language model"),
    ],
)
def test_wrong_calls(recognize, weights, arguments, message):
    (weights.parent / "language_model.npz").unlink(missing_ok=True)
    writing().save("a.json")
    status, out, err = recognize(*arguments)
    assert (status, out) == (2, "") and message in err.splitlines()[-1]


def test_other_weights(recognize, tmp_path):
    writing().save("a.json")
    status, _, err = recognize("a.json", "--weights", save_synthesis(tmp_path / "s.safetensors"))
    assert status == 2 and "weights of recognition" in err and err.count("\n") == 1


# --- measuring ------------------------------------------------------------------------------------------


def test_evaluation(recognize, weights):
    corpus("c.npz")
    status, out, err = recognize(
        "--evaluate", "c.npz", "--split", "test", "--source", "iam", "--beam", 4, "--report", "r.json"
    )
    assert status == 0
    data = Corpus.load("c.npz")
    odd = [Ink.from_offsets(data.offsets(i)) for i in range(1, 12, 2)]
    texts = [reading.text for reading in load_recognizer(weights).read_lines(odd, normalized=True)]
    edits = character_edits([f"line {i}" for i in range(1, 12, 2)], texts)
    rate = edits.edits.sum() / edits.lengths.sum()
    assert "6 lines of 3 writers, 37 characters, 12 words" in out
    assert f"{100 * rate:.2f} %" in out and "beam of 4" in out and "worst lines" in out
    report = json.loads(Path("r.json").read_text())
    greedy = report["results"]["best path"]
    assert greedy["cer"]["rate"] == pytest.approx(rate)
    assert greedy["cer"]["low"] <= rate <= greedy["cer"]["high"]
    assert sum(part["lines"] for part in greedy["calibration"]) == greedy["lines"] == 6
    worst = {line["id"]: line["read"] for line in greedy["worst"]}
    assert worst == {f"id{2 * k + 1}": text for k, text in enumerate(texts)}
    assert sum(c["times"] for c in greedy["confusions"]) == edits.edits.sum()
    assert list(report["results"]) == ["best path", "beam of 4"]


def test_limit(recognize):
    corpus("c.npz")
    status, out, _ = recognize("--evaluate", "c.npz", "--limit", 5)
    assert status == 0 and out.startswith("5 lines of ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("none.npz",), "no corpus at none.npz"),
        (("c.npz", "--split", "tset"), "no split tset"),
        (("g.npz",), "make one with --task recognition"),
        (("c.npz", "--report", "none/r.json"), "does not exist"),
        (("c.npz", "--beam", -3), "beam is -3"),
    ],
)
def test_wrong_evaluations(recognize, arguments, message):
    corpus("c.npz")
    corpus("g.npz", task="generation")
    status, out, err = recognize("--evaluate", *arguments)
    assert (status, out) == (2, "") and message in err and err.count("\n") == 1


# --- as programs ----------------------------------------------------------------------------------------


def test_script_and_command(weights, tmp_path, capsys):
    writing().save(tmp_path / "a.json")
    call = [str(tmp_path / "a.json"), "--weights", str(weights)]
    done = subprocess.run(
        [sys.executable, str(ROOT / "recognize.py"), *call],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "OMP_NUM_THREADS": "1"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert main(["read", *call]) == 0
    assert capsys.readouterr().out == done.stdout != ""


def test_ranking_of_confidences():
    from strokesynth.evaluation.recognition import _auc

    rng = np.random.default_rng(0)
    high, low = rng.integers(0, 9, 40) + 1.0, rng.integers(0, 9, 30) + 0.0
    pairs = [(a > b) + 0.5 * (a == b) for a in high for b in low]
    assert _auc(high, low) == pytest.approx(np.mean(pairs))
    assert np.isnan(_auc(high, low[:0]))
