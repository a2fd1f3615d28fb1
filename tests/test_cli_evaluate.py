"""The command line: `evaluate.py`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from makers import TINY, save_recognition, save_synthesis

from strokesynth.cli.evaluate import evaluate_main
from strokesynth.evaluation import metrics, synthesis
from strokesynth.evaluation.report import REPORT

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    """Intervals need not be exact here, and take most of the time."""
    monkeypatch.setattr(metrics, "RESAMPLES", 50)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    save_synthesis(folder / "synthesis.safetensors")
    save_recognition(folder / "recognition.safetensors")
    other = save_recognition(folder / "other.safetensors")
    other.write_bytes(other.read_bytes().replace(b"untrained", b"different"))
    return folder


@pytest.fixture
def evaluate(weights, tmp_path, monkeypatch, capsys):
    """Call `evaluate.py` for very little, in an empty folder; gives its status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("strokesynth.nn.weights.FOLDER", weights)
    monkeypatch.setattr(synthesis, "QUICK", TINY)

    def call(*arguments, quick=True):
        try:
            status = evaluate_main([*["--quick"] * quick, *map(str, arguments)], prog="evaluate.py")
        except SystemExit as error:
            status = error.code
        return status, *capsys.readouterr()

    return call


def report(folder="runs/evaluation"):
    return json.loads(Path(folder, REPORT).read_text())


BIAS = ("--only", "bias")


def test_a_report_with_pictures(evaluate, weights):
    status, out, _ = evaluate("--only", "legibility", "characters", "bias", "--no-proofread")
    assert status == 0
    found = report()
    assert list(found["parts"]) == ["legibility", "characters", "bias"]
    assert found["setup"]["options"]["lines"] == TINY.lines
    names = {file.name for file in Path("runs/evaluation").iterdir()}
    assert names == {REPORT, "legibility.png", "worst.png", "characters.png", "bias.png"}
    rate = 100 * found["parts"]["legibility"]["readers"]["reader"]["web"]["cer"]["rate"]
    assert f"{rate:.2f} (" in out
    assert "left out, as there is no --corpus" in out


def test_the_proofreading_reader_is_warned_of(evaluate, weights):
    out = evaluate(*BIAS)[1]
    assert out.count("WARNING: reader: it is the reader that proofreads") == 2
    assert report()["warnings"]
    (Path("copy.safetensors")).write_bytes((weights / "recognition.safetensors").read_bytes())
    assert "WARNING: copy.safetensors" in evaluate(*BIAS, "--reader", "copy.safetensors", "--out", "b")[1]
    other = weights / "other.safetensors"
    out = evaluate(*BIAS, "--reader", other, "--out", "c")[1]
    assert "WARNING" not in out and f"read by {other}: different" in out and not report("c")["warnings"]


def test_the_reader_is_one_that_is_in_the_package(evaluate, weights):
    """Whatever else lies in the folder of the weights."""
    stray = weights / "evaluation.safetensors"
    stray.write_bytes((weights / "other.safetensors").read_bytes())
    try:
        evaluate(*BIAS)
    finally:
        stray.unlink()
    assert report()["setup"]["readers"] == {"reader": report()["setup"]["proofreader"]}


def test_several_readers(evaluate, weights):
    readers = [weights / "other.safetensors", weights / "recognition.safetensors"]
    out = evaluate(*BIAS, "--reader", readers[0], "--reader", readers[1])[1]
    assert list(report()["parts"]["bias"]["readers"]) == [str(r) for r in readers]
    assert out.count("WARNING") == 2


def test_the_same_seed_gives_the_same_figures(evaluate):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert evaluate(*BIAS, "--out", name, "--seed", seed)[0] == 0
    assert report("a") == report("b") and report("a")["parts"] != report("c")["parts"]


def test_ctrl_c_and_resume(evaluate, monkeypatch):
    arguments = ("--only", "bias", "characters", "--no-proofread")
    evaluate(*arguments, "--out", "whole")

    def interrupted(self, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(synthesis.SynthesisEvaluation, "characters", interrupted)
        status, _, err = evaluate(*arguments)
    assert status == 130 and "--resume goes on" in err
    assert list(report()["parts"]) == ["bias"]

    with monkeypatch.context() as context:
        context.setattr(synthesis.SynthesisEvaluation, "bias", interrupted)  # is not measured again
        status, out, _ = evaluate(*arguments, "--resume")
    assert status == 0 and report() == report("whole")
    assert "Plain sentences against the bias" in out and Path("runs/evaluation/bias.png").exists()


def test_resume_wants_the_same_options(evaluate, weights):
    evaluate(*BIAS)
    status, _, err = evaluate(*BIAS, "--resume", "--lines", 4, "--seed", 1)
    assert status == 2 and "was started with seed 0, lines 3" in err
    status, _, err = evaluate(*BIAS, "--resume", "--reader", weights / "other.safetensors")
    assert status == 2 and "was started with other files: readers" in err
    before = report()
    assert evaluate(*BIAS)[0] == 2 and report() == before  # what is there is not lost by mistake
    assert "already holds an evaluation" in evaluate(*BIAS)[2]


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"format": "other"}', b"\xff"])
def test_a_report_that_is_none(evaluate, content):
    Path("x").mkdir()
    Path("x", REPORT).write_bytes(content)
    status, _, err = evaluate(*BIAS, "--resume", "--out", "x")
    assert status == 2 and "is not a report of an evaluation" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--resume",), "holds no evaluation to resume"),
        (("--out", "file"), "a file; expected the name of a folder"),
        (("--reader", "none.safetensors"), "none.safetensors"),
        (("--weights", "none.safetensors"), "none.safetensors"),
        (("--corpus", "none.npz"), "none.npz"),
        (("--corpus", "file"), "not a corpus"),
        (("--lines", 0), "lines is 0; expected at least 1"),
        (("--seed", -1), "seed is -1; expected at least 0"),
        (("--only", "beauty"), "invalid choice: 'beauty'"),
    ],
)
def test_wrong_calls(evaluate, arguments, message):
    Path("file").write_text("")
    status, _, err = evaluate(*arguments)
    assert status == 2 and message in err
    assert not Path("runs/evaluation").exists()


def test_the_script():
    done = subprocess.run(
        [sys.executable, "evaluate.py", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--per-character" in done.stdout
