"""The alignment of a corpus: as the recogniser aligns line by line, kept in a file beside the corpus."""

import numpy as np
import pytest
from makers import save_recognition

from strokesynth.cli import prepare_main
from strokesynth.datasets import Label, Sample
from strokesynth.datasets.corpus import Corpus, take
from strokesynth.ink import Ink
from strokesynth.recognition.recognizer import load_recognizer
from strokesynth.training.alignment import (
    NOBODY,
    align_corpus,
    alignment_file,
    load_alignment,
    save_alignment,
)

TEXTS = ["ab", "a b c", "hello", "far too long for what little ink there is", "x"]


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    return save_recognition(tmp_path_factory.mktemp("weights") / "recognition.safetensors")


@pytest.fixture(scope="module")
def corpus():
    rng = np.random.default_rng(0)

    def sample(k, text):
        points = 6 if k == 3 else 20 + 15 * k
        strokes = np.split(np.cumsum(rng.normal(0.1, 0.2, (points, 2)), axis=0), [points // 2])
        return Sample(Ink.from_strokes(strokes), Label(text, f"w{k}", "trainset", "iam", f"line-{k}"))

    return Corpus.from_samples((sample(k, text) for k, text in enumerate(TEXTS)), "generation")


@pytest.fixture(scope="module")
def characters(corpus, reader):
    return align_corpus(corpus, recognizer=reader, workers=1, progress=False)


@pytest.fixture
def saved(tmp_path, characters):
    save_alignment(tmp_path / "a.npz", characters)
    return tmp_path / "a.npz"


def test_aligned_as_the_recogniser_does_line_by_line(corpus, reader, characters):
    recognizer = load_recognizer(reader)
    lines = np.split(characters, np.cumsum(corpus.lengths)[:-1])
    for i, (text, line) in enumerate(zip(TEXTS, lines, strict=True)):
        (alone,) = recognizer.align([Ink.from_offsets(corpus.offsets(i))], [text], normalized=True)
        if i == 3:
            assert alone is None and (line == NOBODY).all()
        else:
            assert line.tolist() == np.concatenate(alone.characters).tolist()
    assert characters.dtype == np.int16 and len(characters) == len(corpus.points)


def test_there_and_back(corpus, saved, characters):
    assert np.array_equal(load_alignment(saved, corpus), characters)
    assert alignment_file("data/corpus.npz").as_posix() == "data/corpus.characters.npz"


def test_files_that_are_no_alignment(corpus, saved, tmp_path):
    whole = saved.read_bytes()
    with pytest.raises(FileNotFoundError, match="none.npz: make one with data_preprocessing.py --align"):
        load_alignment(tmp_path / "none.npz", corpus)
    for damaged in (b"", b"no archive", whole[:40], whole[:-30]):
        saved.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"a\.npz is not an alignment, or is cut short"):
            load_alignment(saved, corpus)
    corpus.save(saved)
    with pytest.raises(ValueError, match="not an alignment"):
        load_alignment(saved, corpus)
    with open(saved, "wb") as file:
        np.save(file, np.zeros(len(corpus.points), np.int16))
    with pytest.raises(ValueError, match="not an alignment"):
        load_alignment(saved, corpus)
    np.savez(saved, format=7, characters=np.zeros(1))
    with pytest.raises(ValueError, match="of version 7; this program reads version 1"):
        load_alignment(saved, corpus)


def test_alignments_that_do_not_fit(corpus, characters, tmp_path):
    file = tmp_path / "a.npz"
    last = characters.copy()
    last[-1] = len(TEXTS[-1])  # one past the end of the text
    for wrong in (characters[:-1], characters[:, None], characters.astype(float), characters - 2, last):
        save_alignment(file, wrong)
        with pytest.raises(ValueError, match=r"is not the alignment of this corpus of \d+ points"):
            load_alignment(file, corpus)
    save_alignment(file, characters)
    with pytest.raises(ValueError, match="is not the alignment of this corpus"):
        load_alignment(file, take(corpus, np.array([1, 2])))


def test_a_corpus_without_lines(reader):
    empty = Corpus.from_samples([], "generation")
    assert align_corpus(empty, recognizer=reader, workers=1, progress=False).shape == (0,)


def test_the_command(corpus, reader, characters, tmp_path, capsys):
    corpus.save(tmp_path / "c.npz")
    assert (
        prepare_main(["--align", str(tmp_path / "c.npz"), "--recognizer", str(reader), "--workers", "1"]) == 0
    )
    said = capsys.readouterr().out
    assert f"c.characters.npz: {len(characters)} points, " in said
    assert f"{100 * corpus.lengths[3] / len(characters):.2f} %" in said
    assert np.array_equal(load_alignment(tmp_path / "c.characters.npz", corpus), characters)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--align", "c.npz", "--clean", "c.npz"], "--clean and --align are two calls"),
        (["--align", "c.npz", "--iam", "x"], "--align reads a corpus"),
        (["--clean", "c.npz", "--iam", "x"], "--clean reads a corpus"),
        (["--align", "c.npz", "-o", "x.npz"], "--align writes beside the corpus"),
        (["--align", "c.npz", "--limit", "1"], "--limit goes with --clean"),
        (["--recognizer", "r"], "--recognizer goes with --clean or --align"),
    ],
)
def test_calls_that_make_no_sense(arguments, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        prepare_main(arguments)
    assert message in capsys.readouterr().err


def test_bad_input(reader, tmp_path, capsys):
    assert prepare_main(["--align", str(tmp_path / "none.npz"), "--recognizer", str(reader)]) == 2
    assert "no corpus at" in capsys.readouterr().err
    assert prepare_main(["--align", str(tmp_path / "no" / "c.npz")]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
