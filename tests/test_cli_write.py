"""The command line: `generate.py`, `train.py` and the `strokesynth` command."""

import io
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
import torch
from makers import save_prediction, save_recognition, save_synthesis

from strokesynth import Ink, __version__, load_synthesizer
from strokesynth.cli import generate_main, main, train_main
from strokesynth.cli.write import LINE_PITCH
from strokesynth.datasets import Label, Sample
from strokesynth.datasets.corpus import Corpus
from strokesynth.nn.weights import load_weights
from strokesynth.page.layout import Paragraph
from strokesynth.synthesis import synthesizer
from strokesynth.synthesis.proofread import Proofreader
from strokesynth.synthesis.style import Style
from strokesynth.training import loop
from strokesynth.training.loop import TrainingOptions

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return save_synthesis(tmp_path_factory.mktemp("weights") / "synthesis.safetensors")


@pytest.fixture
def bundled(weights, monkeypatch):
    """The small networks in place of those of the package."""
    save_prediction(weights.parent / "prediction.safetensors")
    monkeypatch.setattr("strokesynth.nn.weights.FOLDER", weights.parent)


@pytest.fixture
def generate(bundled, tmp_path, monkeypatch, capsys):
    """Call `generate.py` in an empty folder; gives its status and what it wrote to stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    def call(*arguments, proofread=False):
        arguments = [str(a) for a in arguments] + ["--no-proofread"] * (not proofread)
        try:
            status = generate_main(arguments, prog="generate.py")
        except SystemExit as error:
            status = error.code
        output = capsys.readouterr()
        assert output.out == ""
        return status, output.err

    return call


# --- writing -------------------------------------------------------------------------------------------


def test_one_writing_in_all_formats(generate, tmp_path):
    assert generate("Dear Ada", "-o", "a.svg", "-o", "a.png", "-o", "a.pdf", "-o", "a.json", "--seed", 3) == (
        0,
        "",
    )
    ink = load_synthesizer().write("Dear Ada", seed=3)
    assert Ink.load("a.svg") == Ink.load("a.json") == ink
    assert Path("a.png").read_bytes().startswith(b"\x89PNG") and Path("a.pdf").read_bytes().startswith(
        b"%PDF"
    )
    assert len(list(tmp_path.iterdir())) == 4


def test_what_is_written_is_proofread_unless_told_otherwise(generate, weights, monkeypatch):
    save_recognition(weights.parent / "recognition.safetensors")
    calls = []
    nll = Proofreader.word_nlls
    monkeypatch.setattr(Proofreader, "word_nlls", lambda *a: calls.append(a) or nll(*a))
    assert generate("Ada", "-o", "plain.json", "--seed", 3) == (0, "") and not calls
    assert generate("Ada", "-o", "ada.json", "--seed", 3, proofread=True) == (0, "") and calls
    assert Ink.load("ada.json") == load_synthesizer().write("Ada", seed=3, proofread=True)
    Path("page.txt").write_text("Dear Ada")
    del calls[:]
    assert generate("--page", "page.txt", "-o", "p.svg", "--seed", 3, proofread=True) == (0, "") and calls


def test_options_reach_the_writing_and_the_drawing(generate):
    look = ("--x-height-mm", 7, "--stroke-width", 0.9, "--color", "navy")
    assert generate("Ada", "-o", "a.svg", "-o", "a.npz", "--seed", 3, "--bias", 0.5, *look) == (0, "")
    ink = load_synthesizer().write("Ada", seed=3, bias=0.5)
    assert Ink.load("a.npz") == ink
    ink.save("b.svg", x_height_mm=7, stroke_width_mm=0.9, color="navy")
    assert Path("a.svg").read_bytes() == Path("b.svg").read_bytes()


def test_style_from_a_file(generate):
    style = Ink.from_strokes([[[0, 0], [0.4, -1], [0.8, 0]], [[1.0, -0.5], [1.5, 0.1]]], "Ab")
    style.save("style.json")
    assert generate("Ada", "-o", "a.json", "--seed", 3, "--style", "style.json") == (0, "")
    assert Ink.load("a.json") == load_synthesizer().write("Ada", seed=3, style=style)


@pytest.mark.parametrize("way", ["argument", "file", "pipe", "dash"])
def test_where_the_text_comes_from(generate, way, monkeypatch):
    text = "one – two\n"
    arguments = {"argument": [text], "file": ["--file", "text.txt"], "pipe": [], "dash": ["-"]}[way]
    Path("text.txt").write_text(text, encoding="utf-8")
    if way in ("pipe", "dash"):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert generate(*arguments, "-o", "a.json", "--seed", 1) == (0, "")
    assert Ink.load("a.json") == load_synthesizer().write("one - two", seed=1)


def test_lines_are_written_below_each_other(generate):
    assert generate("Dear Ada,\n\nthank you", "-o", "a.json", "--seed", 1) == (0, "")
    ink = Ink.load("a.json")
    assert ink.text == "Dear Ada,\n\nthank you"
    first, second = load_synthesizer().write_lines(["Dear Ada,", "thank you"], seed=1, one_hand=True)
    n = len(first.strokes)
    for stroke, alone in zip(
        ink.strokes, [*first.strokes, *second.translate(0, 2 * LINE_PITCH).strokes], strict=True
    ):
        assert np.array_equal(stroke, alone)
    assert {ink.text[i] for i in np.concatenate(ink.characters[:n])} <= set("DearAda,")
    assert {ink.text[i] for i in np.concatenate(ink.characters[n:])} <= set("thankyou")


def test_lines_that_were_read_are_as_legible_together(generate, monkeypatch):
    lines = [
        Ink.from_strokes([[[0.0, 0.0]]], text, [[0]], value) for text, value in (("ab", 0.9), ("c d", 0.5))
    ]
    monkeypatch.setattr(synthesizer.Synthesizer, "write_lines", lambda *_, **__: lines)
    assert generate("ab\nc d", "-o", "a.json") == (0, "")
    assert Ink.load("a.json").legibility == pytest.approx((0.9**2 * 0.5**2) ** 0.25)


def test_writing_without_a_text(generate):
    assert generate("--unconditional", "--points", 60, "-o", "a.json", "--seed", 2) == (0, "")
    assert Ink.load("a.json") == load_synthesizer().write_freely(60, seed=2)


def test_other_weights(generate, tmp_path):
    other = save_synthesis(tmp_path / "other.safetensors", advance=0.2)
    assert generate("Ada", "-o", "a.json", "--seed", 3, "--weights", other) == (0, "")
    assert Ink.load("a.json") == load_synthesizer(other).write("Ada", seed=3)


def test_a_picture_of_the_window(generate):
    assert generate("Ada", "-o", "a.json", "--seed", 3, "--attention", "window.png") == (0, "")
    assert Path("window.png").read_bytes().startswith(b"\x89PNG")
    assert Ink.load("a.json") == load_synthesizer().write("Ada", seed=3)


# --- pages ---------------------------------------------------------------------------------------------


@pytest.fixture
def letter(tmp_path):
    """A text to write on pages, outside the folder of the call."""
    folder = tmp_path.parent / f"{tmp_path.name}-letter"
    folder.mkdir()
    (folder / "letter.txt").write_text("Dear Ada,\n\nthank you.\n", encoding="utf-8")
    return folder / "letter.txt"


def test_a_page_as_told(generate, letter, tmp_path):
    look = ("--paper", "a6", "--orientation", "landscape", "--margins", 10, 11, 12, 13, "--ruled", 7)
    more = ("--margin-line", "--mirrored", "--align", "justify", "--indent", 3, "--paragraph-space", 0.5)
    text = ("--date", "May 1", "--heading", "Hello", "--variation", 0, "--x-height-mm", 2, "--line-pitch", 14)
    drawing = ("--color", "navy", "--stroke-width", 0.3, "--no-rules", "--dpi", 50)
    files = ("-o", "a.svg", "-o", "a.pdf", "-o", "a.png", "-o", "a.json")
    call = ("--page", letter, *files, *look, *more, *text, *drawing, "--seed", 3, "--bias", 1.5)
    assert generate(*call) == (0, "")
    page = load_synthesizer().write_page(
        [
            Paragraph("May 1", align="right", indent=0.0),
            Paragraph("Hello", align="center", scale=1.4, indent=0.0),
            letter.read_text(),
        ],
        paper="A6",
        orientation="landscape",
        margins=(10, 11, 12, 13),
        ruling="ruled",
        pitch_mm=7,
        margin_line=True,
        mirrored=True,
        align="justify",
        indent_mm=3,
        paragraph_space=0.5,
        variation=0,
        x_height_mm=2,
        line_pitch_mm=14,
        seed=3,
        bias=1.5,
        proofread=False,
    )
    assert len(page) == 1 and page.text.replace("-\n", "").split()[:3] == ["May", "1", "Hello"]
    look = {"color": "navy", "stroke_width_mm": 0.3, "rules": False}
    for suffix, options in {"svg": look, "pdf": look, "png": {"dpi": 50, **look}, "json": {}}.items():
        page.save(f"b.{suffix}", **options)
        assert Path(f"a.{suffix}").read_bytes() == Path(f"b.{suffix}").read_bytes(), suffix


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ([], "210mm 297mm"),
        (["--paper", "letter"], "215.9mm 279.4mm"),
        (["--paper", "100x80.5"], "100mm 80.5mm"),
    ],
)
def test_paper_by_name_or_size(generate, letter, arguments, size):
    assert generate("--page", letter, "-o", "a.svg", "--seed", 1, *arguments) == (0, "")
    svg = ET.parse("a.svg").getroot()
    assert f"{svg.get('width')} {svg.get('height')}" == size


def test_a_page_from_a_pipe(generate, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("Dear Ada\f" * 3))
    assert generate("--page", "-", "-o", "a.json", "--seed", 1) == (0, "")
    assert [Ink.load(f"a-{k}.json").text for k in (1, 2, 3)] == ["Dear Ada"] * 3


def test_what_is_left_out_is_told_in_one_line(generate):
    Path("letter.txt").write_text("no字", encoding="utf-8")
    for text in (["--page", "letter.txt"], ["no字"]):
        status, said = generate(*text, "-o", "a.json", "--seed", 1, "--on-unsupported", "skip")
        assert status == 0 and said.startswith("generate.py: warning: ") and said.count("\n") == 1
        assert "'字'" in said and Ink.load("a.json").text == "no"


@pytest.mark.parametrize("suffix", ["svg", "pdf"])
def test_an_interrupted_page_leaves_nothing(generate, letter, tmp_path, monkeypatch, suffix):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("strokesynth.page.drawing.beziers", interrupted)
    assert generate("--page", letter, "-o", f"a.{suffix}")[0] == 130
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "a.gif"], "a page can be written to .svg"),
        (["-o", "none/a.svg"], "the folder"),
        (["-o", "a.svg", "--paper", "B9"], "paper is A3"),
        (["-o", "a.svg", "--margins", 120], "leave nothing of the width"),
        (["-o", "a.svg", "--margins", 10, 10], "one number of mm, or (top, right, bottom, left)"),
        (["-o", "a.svg", "--ruled", -8], "the pitch of the rules must be"),
        (["-o", "a.svg", "--color", "inkish"], "inkish"),
        (["-o", "a.svg", "--dpi", 0], "dpi must be"),
        (["-o", "a.svg", "--style", "nobody"], "there is no style 'nobody'"),
        (["-o", "a.svg", "--weights", "none"], "no weights file at 'none'"),
    ],
)
def test_bad_pages_are_one_line_and_leave_nothing(generate, letter, tmp_path, arguments, message):
    status, said = generate("--page", letter, *arguments)
    assert status == 2
    assert said.startswith("generate.py: error: ") and said.count("\n") == 1 and message in said
    assert not list(tmp_path.iterdir())


def test_a_missing_letter(generate, tmp_path):
    status, said = generate("--page", "none.txt", "-o", "a.svg")
    assert status == 2 and "none.txt" in said and not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["style", "ink"])
def test_styles_from_files(generate, kind):
    ink = Ink.from_strokes([[[0, 0], [0.4, -1], [0.8, 0]], [[1.0, -0.5], [1.5, 0.1]]], "Ab")
    (Style("own", ink) if kind == "style" else ink).save("own.json")
    assert generate("Ada", "-o", "a.json", "--seed", 3, "--style", "own.json") == (0, "")
    assert Ink.load("a.json") == load_synthesizer().write("Ada", seed=3, style=ink)


def test_styles_are_listed(capsys, monkeypatch):
    monkeypatch.setattr("strokesynth.synthesis.style.styles", lambda: ["anna", "bert"])
    with pytest.raises(SystemExit, match="0"):
        generate_main(["--list-styles"])
    assert capsys.readouterr().out == "anna\nbert\n"


# --- what can go wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["", "-o", "a.svg"], "the text is empty"),
        ([" \n ", "-o", "a.svg"], "all 2 lines of the text are empty"),
        (["-o", "a.svg"], "the text is empty"),
        (["no字", "-o", "a.svg"], "'字' (CJK UNIFIED IDEOGRAPH-5B57) at position 2"),
        (["fine\n\nno字", "-o", "a.svg"], "line 3: the text has characters that cannot be written: '字'"),
        (["Ada", "-o", "a.gif"], "the suffix here is '.gif'"),
        (["Ada", "-o", "a.svg", "-o", "nowhere/a.svg"], "the folder"),
        (["Ada", "-o", "a.svg", "--bias", "nan"], "bias is nan"),
        (["Ada", "-o", "a.svg", "--bias", "-1"], "bias is -1.0"),
        (["Ada", "-o", "a.svg", "--seed", "-1"], "seed is -1"),
        (["Ada", "-o", "a.svg", "--color", "inkish"], "inkish"),
        (["Ada", "-o", "a.svg", "--x-height-mm", "0"], "x_height_mm must be a finite number above 0"),
        (["Ada", "-o", "a.svg", "--style", "none.json"], "none.json"),
        (["Ada", "-o", "a.svg", "--style", "bad.json"], "bad.json"),
        (["Ada", "-o", "a.svg", "--style", "nobody"], "there is no style 'nobody'"),
        (["Ada", "-o", "a.svg", "--weights", "none"], "no weights file at 'none'"),
        (
            ["Ada", "-o", "a.svg", "--weights", "bad.json"],
            "'bad.json' is not a weights file, or is cut short",
        ),
        (["--file", "none.txt", "-o", "a.svg"], "none.txt"),
        (["--file", "latin1.txt", "-o", "a.svg"], "latin1.txt is not text in UTF-8"),
        (["Ada", "-o", "a.svg", "--attention", "a.gif"], "a.gif: the window can be drawn as"),
        (["Ada\nAda", "-o", "a.svg", "--attention", "a.png"], "--attention shows one line"),
        (["--unconditional", "--points", "0", "-o", "a.svg"], "points is 0"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(generate, tmp_path, arguments, message):
    Path("bad.json").write_text("{")
    Path("latin1.txt").write_bytes(b"na\xefve")
    status, said = generate(*arguments)
    assert status == 2
    assert said.startswith("generate.py: error: ") and said.count("\n") == 1 and message in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.json", "latin1.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Ada"], "the following arguments are required: -o/--out"),
        (["Ada", "-o", "a.svg", "--points", "5"], "--points goes with --unconditional"),
        (["Ada", "-o", "a.svg", "--unconditional"], "leave out text"),
        (["--unconditional", "-o", "a.svg", "--style", "x"], "leave out --style"),
        (["Ada", "-o", "a.svg", "--file", "x"], "give the text or --file, not both"),
        (["Ada", "-o", "a.svg", "--seed", "x"], "invalid int value"),
        (["Ada", "-o", "a.svg", "--ruled"], "--ruled goes with --page"),
        (["Ada", "-o", "a.svg", "--margin-line"], "--margin-line goes with --page"),
        (["Ada", "-o", "a.svg", "--page", "x"], "leave out text"),
        (["-o", "a.svg", "--page", "x", "--attention", "a.png"], "leave out --attention"),
        (["-o", "a.svg", "--page", "x", "--unconditional"], "leave out --page"),
        (["-o", "a.svg", "--page", "x", "--ruled", "--grid"], "not allowed with"),
    ],
)
def test_bad_calls_show_the_usage(generate, tmp_path, arguments, message):
    status, said = generate(*arguments)
    assert status == 2 and said.startswith("usage: generate.py") and message in said
    assert not list(tmp_path.iterdir())


def test_a_terminal_is_not_asked_for_text(generate, monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    status, said = generate("-o", "a.svg")
    assert status == 2 and "there is no text" in said


def test_a_network_that_fails_is_status_1(generate, tmp_path):
    still = save_synthesis(tmp_path / "still.safetensors", advance=1e-6)
    status, said = generate("Ada", "-o", "a.svg", "--weights", still)
    assert status == 1 and said.startswith("generate.py: error: the network did not come to the end of 'Ada'")
    assert list(tmp_path.iterdir()) == [still]


def test_a_disk_that_fails_is_status_1(generate, monkeypatch):
    def save(self, path, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Ink, "save", save)
    status, said = generate("Ada", "-o", "a.svg")
    assert status == 1 and "No space left on device" in said


def test_the_script_itself(weights, tmp_path):
    out = tmp_path / "ada.svg"
    call = [sys.executable, "generate.py", "-o", out, "--weights", weights, "--seed", "1"]
    done = subprocess.run([*call, "Ada"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert Ink.load(out).text == "Ada"
    out.unlink()
    done = subprocess.run([*call, "--bias", "-1"], cwd=ROOT, capture_output=True, text=True, input="Ada\n")
    assert done.returncode == 2 and done.stderr.startswith("generate.py: error: bias is -1.0")
    assert not out.exists()


# --- training ------------------------------------------------------------------------------------------


@pytest.fixture
def corpus(tmp_path):
    rng = np.random.default_rng(0)
    samples = []
    for i in range(6):
        ink = Ink.from_strokes([rng.normal([k, 0], 0.2, (8, 2)) for k in range(3)])
        source, split = ("iam", "composed")[i % 2], ("trainset", "testset_v")[i // 4]
        samples.append(Sample(ink, Label("abc", f"w{i}", split, source, str(i))))
    Corpus.from_samples(samples, "generation").save(tmp_path / "corpus.npz")
    return tmp_path / "corpus.npz"


@pytest.fixture
def trained(monkeypatch):
    """Instead of training, what it would be called with."""
    calls = []
    monkeypatch.setattr(loop, "train", lambda *args, **kwargs: calls.append((args, kwargs)))
    return calls


def test_training_is_called_as_told(corpus, trained, tmp_path):
    arguments = [
        "--corpus",
        corpus,
        "--out",
        tmp_path / "run",
        "--minutes",
        3,
        "--batch-size",
        2,
        "--seed",
        5,
    ]
    arguments += [
        "--products",
        "bfloat16",
        "--device",
        "cpu",
        "--repeat",
        "composed=2.5",
        "--learning-rate",
        0.01,
        "--hidden-size",
        8,
    ]
    assert train_main([str(a) for a in arguments], prog="train.py") == 0
    (((task, folder, options), kwargs),) = trained
    assert folder == tmp_path / "run" and kwargs == {
        "resume": False,
        "device": torch.device("cpu"),
        "products": "bfloat16",
    }
    assert options == TrainingOptions(minutes=3.0, batch_size=2, seed=5, learning_rate=0.01)
    assert task.name == "conditional_handwriting" and task.network.config.hidden_size == 8
    assert task.batch_size == 2 and sorted(task.repeats) == [1.0, 1.0, 2.5, 2.5]


@pytest.mark.parametrize("task", ["conditional_handwriting", "unconditional_handwriting"])
def test_training_starts_from_weights(corpus, trained, tmp_path, weights, task):
    # The small networks have fewer mixture components than train.py makes, so the layers are made to fit.
    arguments = ["--task", task, "--corpus", corpus, "--out", tmp_path / "run", "--init", weights]
    assert train_main([str(a) for a in [*arguments, "--hidden-size", 16]], prog="train.py") == 2
    fitting = tmp_path / "fitting.safetensors"
    assert train_main([str(a) for a in [*arguments[:-2], "--hidden-size", 16]], prog="train.py") == 0
    network = trained[0][0][0].network
    trained[0][0][0].save(network, fitting, "")
    arguments[-1] = fitting
    assert train_main([str(a) for a in [*arguments, "--hidden-size", 16, "--seed", 9]], prog="train.py") == 0
    for name, value in trained[1][0][0].network.state_dict().items():
        expected = load_weights(fitting).network.state_dict()[name]
        assert np.array_equal(value.numpy(), expected.numpy()), name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--corpus", "none.npz"], "no corpus at none.npz"),
        (["--minutes", "0"], "minutes is 0.0"),
        (["--resume", "--init", "x"], "give only one of them"),
        (["--init", "none.safetensors"], "no weights file at 'none.safetensors'"),
        (["--repeat", "dreams=2"], "no source ['dreams'] in the corpus"),
    ],
)
def test_bad_training_is_one_line(corpus, trained, tmp_path, capsys, arguments, message):
    call = ["--corpus", str(corpus), "--out", str(tmp_path / "run"), "--hidden-size", "8", *arguments]
    assert train_main(call, prog="train.py") == 2
    said = capsys.readouterr().err
    assert said.startswith("train.py: error: ") and said.count("\n") == 1 and message in said
    assert not trained and not (tmp_path / "run").exists()


@pytest.mark.parametrize("repeat", ["composed", "composed=", "composed=-1", "=2", "composed=nan"])
def test_bad_repeats_show_the_usage(corpus, capsys, repeat):
    with pytest.raises(SystemExit, match="2"):
        train_main(["--corpus", str(corpus), "--out", "x", "--repeat", repeat])
    assert "is not SOURCE=N" in capsys.readouterr().err


def test_repeats_that_leave_nothing_to_train_on(corpus, tmp_path, capsys):
    arguments = ["--corpus", corpus, "--out", tmp_path / "run", "--hidden-size", 4]
    arguments += ["--repeat", "iam=0", "--repeat", "composed=0"]
    assert train_main([str(a) for a in arguments]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "error: the task conditional_handwriting has no batch in 1000 epochs in a row" in said


# --- the command ---------------------------------------------------------------------------------------


def test_the_command_has_all_parts(bundled, tmp_path, capsys):
    assert main(["write", "Ada", "-o", str(tmp_path / "a.json"), "--seed", "1"]) == 0
    assert Ink.load(tmp_path / "a.json").text == "Ada"
    assert main(["train", "--corpus", "none.npz", "--out", str(tmp_path / "run")]) == 2
    assert "strokesynth train: error: no corpus at none.npz" in capsys.readouterr().err
    assert main(["prepare", "-o", str(tmp_path / "corpus.npz")]) == 2
    assert "strokesynth prepare: error: nothing to prepare" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argument", "said"), [("--version", __version__), ("--help", "{write,read,prepare,train,evaluate}")]
)
def test_the_command_explains_itself(capsys, argument, said):
    with pytest.raises(SystemExit, match="0"):
        main([argument])
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("command", ["write", "read", "train", "prepare", "evaluate"])
def test_every_part_explains_itself(capsys, command):
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert f"usage: strokesynth {command}" in capsys.readouterr().out


def test_an_unknown_command(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["paint"])
    assert "invalid choice: 'paint'" in capsys.readouterr().err
