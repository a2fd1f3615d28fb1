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

from strokesynth.datasets import Label, ReadReport, Sample, read_iam
from strokesynth.datasets.corpus import Corpus
from strokesynth.datasets.isolated import WriterSamples
from strokesynth.datasets.preparation import Account, _compose, _grouped, _Job, describe, prepare_corpus
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


INK = Ink.from_strokes([[[0.0, -1.0], [1.0, 0.0]]])
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


def label(text, id="", writer="w", source=""):
    return Label(text, writer, "trainset", source, id)


def test_groups_are_of_one_kind_and_of_forty_at_most():
    samples = [Sample(INK, label("a", f"{'one' if k < 95 else 'two'}-{k}")) for k in range(97)]
    groups = list(_grouped(samples, lambda s: s.id.split("-")[0]))
    assert [len(group) for group in groups] == [40, 40, 15, 2]
    assert [len(group) for group in _grouped(samples, None)] == [40, 40, 17]
    assert [s for group in groups for s in group] == samples


def test_the_first_of_each_writer():
    account = Account()
    samples = [Sample(INK, label("a", str(k), writer)) for k, writer in enumerate("xyxxyxz")]
    kept = list(_Job._first(iter(samples), 2, account))
    assert [s.id for s in kept] == ["0", "1", "2", "4", "6"]
    assert account.read == 2 and account.dropped == {"more than 2 by one writer": 2}
    assert list(_Job._first(iter(samples), None, account)) == samples and account.read == 2


def test_an_account():
    account = Account(read=3)
    account.keep(label("four"), np.zeros((9, 3)))
    account.keep(label("ab"), np.zeros((6, 3)))
    account.add(
        ReadReport(skipped=[("a", "no strokes: 1"), ("b", "no strokes: 2"), ("c", "cut")], notes=["x"])
    )
    assert account.as_dict() == {
        "read": 6,
        "kept": 2,
        "dropped": {"unreadable: no strokes": 2, "unreadable: cut": 1},
        "points": 15,
        "characters": 6,
        "points_per_character": 2.5,
        "notes": ["x"],
    }
    assert Account().as_dict()["points_per_character"] == 0


def test_forms_have_an_x_height_of_their_own(tmp_path):
    forms = {
        f"a01-00{n}": [(t, line(t, scale, seed=i)) for i, t in enumerate(TEXTS)]
        for n, scale in enumerate((60.0, 200.0))
    }
    report = prepare_corpus(
        "generation", tmp_path / "c.npz", iam=write_iam(tmp_path / "iam", forms), workers=1, progress=False
    )
    assert report["samples"] == 8
    corpus = Corpus.load(tmp_path / "c.npz")
    heights = [np.ptp(np.cumsum(corpus.offsets(i)[:, 1])) for i in range(8)]
    assert heights == pytest.approx([1.8] * 8, abs=0.3)


class Here:
    """In place of a pool of processes; remembers what was asked for."""

    def __init__(self):
        self.work = []

    def imap(self, function, work, chunksize=1):
        self.work += work
        return []


def test_who_wrote_more_of_the_alphabet_composes_more(monkeypatch):
    monkeypatch.setattr("strokesynth.datasets.preparation.COMPOSED_POINTS", {"recognition": 5000})
    glyph = [np.array([[0.0, -1.0], [0.5, 0.0]])]
    many, few = (
        WriterSamples(writer, "trainset", {c: [glyph] for c in known})
        for writer, known in (("many", "abcd"), ("few", "ab"))
    )
    pool = Here()
    job = _Job("recognition", pool, 3, {}, False)
    words = [(label(text, writer="few"), INK.to_offsets()) for text in ("I", "am", "not")]
    assert job.compositions([many, few], words) == []
    assert [(kind, samples.writer, points, seed) for kind, samples, points, seed in pool.work] == [
        ("composed", "many", 4000, 3),
        ("composed", "few", 1000, 3),
    ]
    assert [text for text, _ in few.words] == ["am", "not"] and not many.words


def test_characters_alone_have_names_of_their_own():
    glyphs = [[np.array([[0.0, -1.0], [0.1 * k, 0.0]])] for k in range(5)]
    job = _Job("recognition", Here(), 0, {"unipen-chars": Account()}, False)
    found = job.characters([WriterSamples("w", "testset_v", {"a": glyphs, "b": glyphs[:1]})])
    assert [(s.id, s.text, s.writer, s.split) for s, _ in found] == [
        (f"w/{name}", text, "w", "testset_v")
        for name, text in (("97/0", "a"), ("97/1", "a"), ("97/2", "a"), ("98/0", "b"))
    ]
    for (_, offsets), glyph in zip(found, [*glyphs[:3], glyphs[0]], strict=True):
        np.testing.assert_allclose(np.cumsum(offsets[:, :2], axis=0), glyph[0], atol=1e-6)


def test_every_writer_composes_lines_of_their_own():
    def lines(writer, seed=0):
        samples = WriterSamples(writer, "testset_v", {c: [letter(c)] for c in "xnohl"})
        return _compose(("composed", samples, 600, seed))

    one, again, other, seed = lines("one"), lines("one"), lines("two"), lines("one", 1)
    assert [s.text for s, _ in one] == [s.text for s, _ in again]
    assert [s.text for s, _ in one] != [s.text for s, _ in other]
    assert [s.text for s, _ in one] != [s.text for s, _ in seed]
    assert {(s.writer, s.split, s.source) for s, _ in other} == {("two", "testset_v", "composed")}
    assert len({s.id for s, _ in [*one, *other]}) == len(one) + len(other)


def test_of_one_writer_so_many_words_are_taken(unipen, tmp_path, monkeypatch):
    monkeypatch.setattr("strokesynth.datasets.preparation.COMPOSED_POINTS", {"recognition": 500})
    monkeypatch.setattr("strokesynth.datasets.preparation._LEAST_CHARACTERS", 4)
    monkeypatch.setattr("strokesynth.datasets.preparation.WORDS_OF_WRITER", 7)
    report = prepare_corpus("recognition", tmp_path / "c.npz", unipen=unipen, workers=1, progress=False)
    account = report["sources"]["unipen-words"]
    assert (account["read"], account["kept"]) == (25, 7)
    assert account["dropped"] == {"more than 7 by one writer": 18}


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
