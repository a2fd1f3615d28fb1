import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from makers import recorded_letter as letter
from makers import recorded_line as line

from strokesynth.datasets import read_iam
from strokesynth.datasets.corpus import Corpus
from strokesynth.datasets.preparation import describe, prepare_corpus
from strokesynth.ink import Ink
from strokesynth.ink.normalize import normalize

ROOT = Path(__file__).parent.parent


def write_iam(folder, forms):
    """IAM-OnDB's archives of ``forms``: {form: [(text, ink)]}; and its lists."""
    folder.mkdir()
    for archive, files in {
        "lineStrokes": {
            f"lineStrokes/{f[:3]}/{f[:7]}/{f}-{n:02d}.xml": xml(ink)
            for f, lines in forms.items()
            for n, (_, ink) in enumerate(lines, 1)
        },
        "ascii": {
            f"ascii/{f[:3]}/{f[:7]}/{f}.txt": "OCR:\n\nx\n\nCSR:\n\n"
            + "\n".join(text for text, _ in lines)
            + "\n"
            for f, lines in forms.items()
        },
    }.items():
        with tarfile.open(folder / f"{archive}-all.tar.gz", "w:gz") as tar:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content.encode())
                tar.addfile(info, io.BytesIO(content.encode()))
    names = list(forms)
    (folder / "trainset.txt").write_text("".join(f" {f}\n" for f in names[:-1]))
    (folder / "testset_v.txt").write_text(f" {names[-1]}\n")
    (folder / "writers.csv").write_text(
        "form_id,writer_id\n" + "".join(f"{f},{i}\n" for i, f in enumerate(names))
    )
    return folder


def xml(ink):
    strokes = "".join(
        "<Stroke>" + "".join(f'<Point x="{x:.0f}" y="{y:.0f}" time="0"/>' for x, y in s) + "</Stroke>"
        for s in ink.strokes
    )
    return f"<WhiteboardCaptureSession><StrokeSet>{strokes}</StrokeSet></WhiteboardCaptureSession>"


def write_unipen(folder, kind, samples):
    """A parsed UNIPEN file of (text, writer, strokes)."""
    folder.mkdir(exist_ok=True)
    points = [np.concatenate(strokes) for _, _, strokes in samples]
    np.savez(
        folder / f"{kind}.npz",
        points=np.concatenate([p - p[0] for p in points]).astype(np.int16),
        stroke_lengths=np.array([len(s) for _, _, strokes in samples for s in strokes], np.int32),
        strokes_per_sample=np.array([len(strokes) for _, _, strokes in samples], np.int16),
        label=np.frombuffer("\n".join(t for t, _, _ in samples).encode(), np.uint8),
        writer=np.frombuffer("\n".join(w for _, w, _ in samples).encode(), np.uint8),
    )
    return folder


TEXTS = ["xnoh lox noh", "hon xo lonx", "lol nhoxo on", "no xnhl onoh"]


@pytest.fixture
def iam(tmp_path):
    good = [(t, line(t, seed=i)) for i, t in enumerate(TEXTS)]
    rows = [*line("xnoh lox noh", shift=(0, 0)).strokes, *line("hon xo lonx", shift=(0, 900)).strokes]
    bad = [
        ("xnoh # noh", line("xnoh lox noh")),
        ("x nol hon xoh lox noh onx hon loh", line("xnoh lox noh")),
        ("xnoh lox noh", Ink.from_strokes(rows)),
    ]
    return write_iam(tmp_path / "iam", {"a01-000": good + bad, "a01-001": [*good, *bad[:1]]})


@pytest.fixture
def unipen(tmp_path):
    rng = np.random.default_rng(0)

    def strokes(text):
        return line(text, 60.0, wobble=0.03, seed=int(rng.integers(1e6))).strokes

    folder = write_unipen(tmp_path / "unipen", "text", [(t, "abc:one", strokes(t)) for t in TEXTS])
    write_unipen(
        folder, "words", [(t, "abc:one", strokes(t)) for t in ("hono", "lox", "xonn", "loh", "nho") * 5]
    )
    rings = [("0", [letter("o")[0] * [90, 150]]) for _ in range(20)]
    marks = [(c, [s * 60 for s in letter(c)]) for c in "xnohl" * 20]
    return write_unipen(
        folder,
        "chars",
        [(c, "abc:two", [s + rng.normal(0, 2, s.shape) for s in glyph]) for c, glyph in rings + marks],
    )


def test_generation(iam, unipen, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "strokesynth.datasets.preparation.COMPOSED_POINTS", {"generation": 2000, "recognition": 2000}
    )
    monkeypatch.setattr("strokesynth.datasets.preparation._LEAST_CHARACTERS", 4)
    out = tmp_path / "corpus.npz"
    report = prepare_corpus("generation", out, iam=iam, unipen=unipen, workers=2, progress=False)
    corpus = Corpus.load(out)
    assert set(corpus.sources) == {"iam", "unipen-text", "unipen-words", "composed"}
    assert json.loads(out.with_suffix(".json").read_text()) == json.loads(json.dumps(report))

    lines = corpus.select(source="iam")
    assert corpus.texts[lines].tolist() == TEXTS * 2
    assert corpus.splits[lines].tolist() == ["trainset"] * 4 + ["testset_v"] * 4
    account = report["sources"]["iam"]
    assert (account["read"], account["kept"]) == (12, 8) and sum(account["dropped"].values()) == 4
    assert account["dropped"]["struck-out or unreadable writing (#)"] == 2
    for i in lines:
        ink = Ink.from_offsets(corpus.offsets(i))
        left, top, _, bottom = ink.bounds
        assert left == pytest.approx(0, abs=0.01)
        assert bottom == pytest.approx(0, abs=0.25) and top == pytest.approx(-1.8, abs=0.35)
        assert 3 <= ink.n_points / len(corpus.texts[i]) <= 40

    words = corpus.select(source="unipen-words")
    assert " ".join(corpus.texts[words]).split() == ["hono", "lox", "xonn", "loh", "nho"] * 5
    assert all(" " in t for t in corpus.texts[words][:-1])
    composed = corpus.select(source="composed")
    assert corpus.lengths[composed].sum() == pytest.approx(2000, abs=400)
    assert set("".join(corpus.texts[composed])) == set("xnohl0 ")
    assert set(corpus.writers[composed]) == {"abc:two"}
    assert report["characters"]["0"] == "".join(corpus.texts).count("0") > 0
    assert "struck-out" in describe(report)

    again = tmp_path / "again.npz"
    prepare_corpus("generation", again, iam=iam, unipen=unipen, workers=1, progress=False)
    assert np.array_equal(Corpus.load(again).points, corpus.points)
    assert np.array_equal(Corpus.load(again).texts, corpus.texts)


def test_recognition_keeps_words_and_characters(unipen, tmp_path, monkeypatch):
    monkeypatch.setattr("strokesynth.datasets.preparation.COMPOSED_POINTS", {"recognition": 2000})
    monkeypatch.setattr("strokesynth.datasets.preparation._LEAST_CHARACTERS", 4)
    report = prepare_corpus("recognition", tmp_path / "c.npz", unipen=unipen, workers=1, progress=False)
    corpus = Corpus.load(tmp_path / "c.npz")
    assert (
        corpus.texts[corpus.select(source="unipen-words")].tolist()
        == ["hono", "lox", "xonn", "loh", "nho"] * 5
    )
    assert set(corpus.texts[corpus.select(source="unipen-chars")]) == set("xnohl0")
    assert report["sources"]["unipen-chars"]["kept"] == 6 * 3
    assert len(corpus.select(source="composed")) > 10


def test_a_recognisers_corpus_does_not_look_at_the_text(iam, tmp_path):
    prepare_corpus("recognition", tmp_path / "c.npz", iam=iam, workers=1, progress=False)
    corpus = Corpus.load(tmp_path / "c.npz")
    recorded = {s.id: s.ink for s in read_iam(iam)}
    for i in range(len(corpus)):
        alone = normalize(Ink.from_strokes(recorded[corpus.ids[i]].strokes))
        assert Ink.from_offsets(corpus.offsets(i)).n_points == alone.n_points
        np.testing.assert_allclose(
            np.concatenate(Ink.from_offsets(corpus.offsets(i)).strokes),
            np.concatenate(alone.strokes),
            atol=2e-3,
        )


def test_a_test_set_is_kept_whole(iam, tmp_path):
    """Figures on it are published for all of its lines, the unreadable ones too; training leaves those out."""
    splits = {}
    for task in ("generation", "recognition"):
        prepare_corpus(task, tmp_path / f"{task}.npz", iam=iam, workers=1, progress=False)
        corpus = Corpus.load(tmp_path / f"{task}.npz")
        splits[task] = {name: int((corpus.splits == name).sum()) for name in ("trainset", "testset_v")}
    assert splits["recognition"]["testset_v"] == 5 and splits["generation"]["testset_v"] == 4
    assert splits["recognition"]["trainset"] == splits["generation"]["trainset"]


def test_bad_input(iam, tmp_path):
    out = tmp_path / "c.npz"
    with pytest.raises(ValueError, match="nothing to prepare"):
        prepare_corpus("generation", out)
    with pytest.raises(ValueError, match="generation, recognition"):
        prepare_corpus("art", out, iam=iam)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        prepare_corpus("generation", out, iam=tmp_path / "nowhere", workers=1, progress=False)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        prepare_corpus("generation", tmp_path / "no" / "c.npz", iam=iam)
    archive = iam / "lineStrokes-all.tar.gz"
    archive.write_bytes(archive.read_bytes()[:500])
    with pytest.raises(ValueError, match="damaged, cut short"):
        prepare_corpus("generation", out, iam=iam, workers=1, progress=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["iam"]


def test_script_says_what_is_wrong(tmp_path):
    command = [
        sys.executable,
        ROOT / "data_preprocessing.py",
        "--iam",
        tmp_path / "none",
        "-o",
        tmp_path / "c.npz",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("data_preprocessing.py: error: IAM-OnDB")
