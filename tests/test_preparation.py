import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from strokesynth.characters import Hand
from strokesynth.corpus import Corpus
from strokesynth.datasets import ReadReport, Sample, read_iam
from strokesynth.ink import Ink
from strokesynth.normalize import normalize
from strokesynth.preparation import (
    LIMITS,
    Account,
    Limits,
    _alone_again,
    _compose,
    _expected_width,
    _grouped,
    _implausible,
    _in_test,
    _Job,
    _normalize,
    _several_rows,
    _text,
    _unfit,
    _weighted_median,
    describe,
    prepare_corpus,
)

ROOT = Path(__file__).parent.parent


def letter(kind, width=0.7):
    """Strokes of a simple letter on the baseline y = 0, y down, x-height 1."""
    t = np.linspace(0, 1, 15)[:, None]
    heights = {"l": 1.8, "x": 1.0, "n": 1.0, "h": 1.8, "o": 1.0}
    top = -heights[kind]
    up, down = (
        np.hstack([0 * t, -1 + t]) * [1, 1],
        np.hstack([width * np.sin(3 * t), -np.cos(3 * t) * 0.5 - 0.5]),
    )
    if kind == "l":
        return [np.hstack([0 * t, top * (1 - t)])]
    if kind == "x":
        return [np.hstack([width * t, t - 1]), np.hstack([width * t, -t])]
    if kind == "o":
        return [np.hstack([width / 2 * (1 + np.cos(6.3 * t)), -0.5 + 0.5 * np.sin(6.3 * t)])]
    stem = np.hstack([0 * t, top * (1 - t)])
    arch = np.hstack([width * t, -np.sin(3.1416 * (0.15 + 0.85 * t)) * 1.0])
    return [stem, arch] if kind == "h" else [up, arch if down is None else arch]


def line(text, scale=100.0, shift=(900.0, 400.0), wobble=0.02, seed=0, blank=1.0):
    """A line of text in the letters l x n h o, as a device with ``scale`` units an x-height records it."""
    rng = np.random.default_rng(seed)
    strokes, pen = [], 0.0
    for character in text:
        if character == " ":
            pen += blank
            continue
        for stroke in letter(character):
            strokes.append((stroke + [pen, 0] + rng.normal(0, wobble, stroke.shape)) * scale + shift)
        pen += 0.95
    return Ink.from_strokes([np.round(s) for s in strokes], text=text)


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
    monkeypatch.setattr("strokesynth.preparation.COMPOSED_POINTS", {"generation": 2000, "recognition": 2000})
    monkeypatch.setattr("strokesynth.preparation._LEAST_CHARACTERS", 4)
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
    monkeypatch.setattr("strokesynth.preparation.COMPOSED_POINTS", {"recognition": 2000})
    monkeypatch.setattr("strokesynth.preparation._LEAST_CHARACTERS", 4)
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


def sample(ink, text, source="iam", id="f-01"):
    return Sample(ink, text, "w", "trainset", source, id)


def test_a_line_takes_the_x_height_of_its_group():
    # Alone, capitals without their small letters look like small letters without their tall ones.
    good = [sample(line(t, seed=i), t) for i, t in enumerate(TEXTS)]
    short = sample(line("lll"), "xxx")
    (*_, (_, offsets)) = _normalize([*good, short], "generation")
    assert not isinstance(offsets, str)
    height = np.ptp(np.cumsum(offsets[:, 1]))
    assert height == pytest.approx(1.8, rel=0.15)


def test_several_rows():
    one = line("xnoh lox noh", 1.0, (0, 0))
    two = Ink.from_strokes(
        [*one.strokes, *(s + np.float32([0, 3]) for s in line("xnoh lox", 1.0, (0, 0)).strokes)]
    )
    assert not _several_rows(one) and _several_rows(two)
    # Crossing a t or dotting an i goes back as well, but not down.
    dotted = Ink.from_strokes([*one.strokes, one.strokes[0] + np.float32([0, -1.5])])
    assert not _several_rows(dotted)
    assert not _several_rows(Ink.from_strokes(one.strokes[:1]))


@pytest.mark.parametrize(
    "text, sx, sy, reason",
    [
        ("xnoh lox noh", 1, 1, None),
        ("xnoh lox noh", 1, 4, "too high for one line"),
        ("xnoh lox noh", 0.2, 1, "too narrow for its text"),
        ("xnoh lox noh", 4, 1, "too wide for its text"),
        ("xnoh lox noh" * 10, 1, 1, "few points for its text"),
        ("xn", 1, 1, "many points for its text"),
    ],
)
def test_implausible(text, sx, sy, reason):
    ink = line("xnoh lox noh", 50.0, (0, 0)).scale(sx / 50, sy / 50)
    thinned = Ink.from_strokes([s[::2] for s in ink.strokes])  # 8 points a stroke
    assert _implausible(text, thinned, LIMITS["generation"]) == reason


def strip(width, height, points=40, left=0.0, bottom=0.0):
    """Zigzag ink of one stroke from the bottom left to the right."""
    y = bottom - height * (np.arange(points) % 2)
    return Ink.from_strokes([np.column_stack([left + np.linspace(0, width, points), y])])


@pytest.mark.parametrize(
    ("good", "bad", "reason"),
    [
        ({"height": 5.4}, {"height": 5.6}, "too high for one line"),
        ({"bottom": 3.9, "height": 1}, {"bottom": 4.1, "height": 1}, "too high for one line"),
        ({"points": 30}, {"points": 29}, "few points for its text"),
        ({"points": 400}, {"points": 401}, "many points for its text"),
        ({"width": 3.1}, {"width": 2.9}, "too narrow for its text"),
        ({"width": 25.9}, {"width": 26.1}, "too wide for its text"),
    ],
)
def test_the_bounds_of_what_is_plausible(good, bad, reason):
    text, usual = "ten signs.", {"width": 10, "height": 1.5}
    assert _implausible(text, strip(**usual | good), LIMITS["generation"]) is None
    assert _implausible(text, strip(**usual | bad), LIMITS["generation"]) == reason


def test_a_line_may_have_so_many_points_and_a_short_one_any_width():
    text = "x" * 40
    assert _implausible(text, strip(40, 1, 1000), LIMITS["generation"]) is None
    assert _implausible(text, strip(40, 1, 1001), LIMITS["generation"]) == "too long"
    assert _implausible(text, strip(40, 1, 1001), LIMITS["recognition"]) is None
    for width in (0.5, 60):
        assert _implausible("seven s", strip(width, 1.5), LIMITS["generation"]) is None
        assert _implausible("eight si", strip(width, 1.5), LIMITS["generation"]) is not None
    assert _implausible("ten signs.", strip(10, 1.5), Limits(top=1.4)) == "too high for one line"


def rows(down, back, share):
    """A long row of 100 strokes, then `share` of that in a row `down` lower that starts `back` left of its end."""
    first = [np.array([[k, 0.0], [k + 0.5, 0.0]]) for k in range(100)]
    second = [np.array([[99.5 - back + k, down], [100 - back + k, down]]) for k in range(round(100 * share))]
    return Ink.from_strokes([*first, *second])


def test_the_bounds_of_several_rows():
    assert _several_rows(rows(down=1.4, back=60, share=0.5))
    assert not _several_rows(rows(down=1.2, back=60, share=0.5))
    assert not _several_rows(rows(down=-1.4, back=60, share=0.5))
    assert _several_rows(rows(down=1.4, back=3.2, share=0.5))
    assert not _several_rows(rows(down=1.4, back=2.8, share=0.5))
    assert _several_rows(rows(down=1.4, back=60, share=0.13))
    assert not _several_rows(rows(down=1.4, back=60, share=0.1))
    joined = rows(down=1.4, back=60, share=0.5)
    one_stroke = Ink.from_strokes([*joined.strokes[:100], np.concatenate(joined.strokes[100:])])
    assert _several_rows(one_stroke)


def test_what_cannot_be_used_whatever_its_shape():
    ink, tall = strip(100, 100), strip(79, 100)
    assert _unfit(sample(ink, "fine"), "fine") is None
    assert _unfit(sample(ink, " "), "") == "no text"
    for text in ("naïve", "two\x07bells", "non\xa0breaking"):
        assert _unfit(sample(ink, text), text) == "text is not printable ASCII"
    assert _unfit(sample(ink, "a # b"), "a # b") == "struck-out or unreadable writing (#)"
    assert _unfit(sample(ink, "a # b", "unipen"), "a # b") is None
    # Eight characters are at least 0.8 times as wide as high.
    assert _unfit(sample(tall, "eight si"), "eight si") == "not one line: too high for its width"
    assert _unfit(sample(strip(81, 100), "eight si"), "eight si") is None
    assert _unfit(sample(strip(10, 100), "seven s"), "seven s") is None


def test_the_text_of_a_sample():
    assert _text(sample(INK, " He  said , \t yes . ")) == "He said, yes."
    assert _text(sample(INK, " He  said , yes . ", "unipen-text")) == "He said , yes ."


def test_which_lines_are_never_left_out():
    def counts(source, split):
        return _in_test(Sample(INK, "a", "w", split, source, ""))

    assert all(counts("iam", split) for split in ("testset_v", "testset_f", "testset_t"))
    assert not counts("iam", "trainset") and not counts("unipen-text", "testset_v")


def test_groups_are_of_one_kind_and_of_forty_at_most():
    samples = [sample(INK, "a", id=f"{'one' if k < 95 else 'two'}-{k}") for k in range(97)]
    groups = list(_grouped(samples, lambda s: s.id.split("-")[0]))
    assert [len(group) for group in groups] == [40, 40, 15, 2]
    assert [len(group) for group in _grouped(samples, None)] == [40, 40, 17]
    assert [s for group in groups for s in group] == samples


def test_the_first_of_each_writer():
    account = Account()
    samples = [Sample(INK, "a", writer, "trainset", "", str(k)) for k, writer in enumerate("xyxxyxz")]
    kept = list(_Job._first(iter(samples), 2, account))
    assert [s.id for s in kept] == ["0", "1", "2", "4", "6"]
    assert account.read == 2 and account.dropped == {"more than 2 by one writer": 2}
    assert list(_Job._first(iter(samples), None, account)) == samples and account.read == 2


def test_an_account():
    account = Account(read=3)
    account.keep(sample(INK, "four"), np.zeros((9, 3)))
    account.keep(sample(INK, "ab"), np.zeros((6, 3)))
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


def test_the_median_is_weighted():
    assert _weighted_median([(3.0, 1), (1.0, 1), (2.0, 1)]) == 2.0
    assert _weighted_median([(3.0, 5), (1.0, 1), (2.0, 1)]) == 3.0
    assert _weighted_median([(3.0, 1), (1.0, 6), (2.0, 1)]) == 1.0
    assert _weighted_median([(7.0, 2)]) == 7.0


def test_expected_widths():
    assert _expected_width("ax ") == 3.0
    assert _expected_width("il.") == pytest.approx(1.8) and _expected_width("mW") == pytest.approx(3.2)


def reasons(texts, inks, task="generation"):
    found = _normalize([sample(ink, text, "unipen") for text, ink in zip(texts, inks)], task)
    return [result if isinstance(result, str) else None for _, result in found]


@pytest.mark.parametrize(
    ("factor", "fits"), [(1.0, True), (1.5, True), (1.75, False), (0.66, True), (0.57, False)]
)
def test_lines_as_wide_as_another_text_are_left_out(factor, fits):
    """A line that is wider or narrower than its text and the writer's other lines let expect, by a factor of 1.6."""
    inks = [line(t, seed=i, wobble=0) for i, t in enumerate(TEXTS)]
    odd = line(TEXTS[0], wobble=0).scale(factor, 1.0)
    expected = [None] * 4 + [None if fits else "as wide as another text"]
    assert reasons([*TEXTS, TEXTS[0]], [*inks, odd]) == expected


def test_short_lines_may_be_as_wide_as_they_like():
    inks = [line(t, seed=i, wobble=0) for i, t in enumerate(TEXTS)]
    for text, expected in (("xnohlox", None), ("xnohloxn", "as wide as another text")):
        assert reasons([*TEXTS, text], [*inks, line(text, wobble=0).scale(1.8, 1.0)])[-1] == expected


def test_widths_are_compared_for_their_texts():
    """Lines of 40 narrow or of 40 wide letters differ as much as their texts."""
    widths = {"l": 0.6, "m": 1.6, "x": 1.0}
    texts = [letter * 12 for letter in "xxlm"]
    inks = [line("x" * 12, wobble=0).scale(widths[text[0]], 1.0) for text in texts]
    assert reasons(texts, inks) == [None] * 4


@pytest.mark.parametrize(
    ("scale", "expected"), [(1.05, 1.05), (1.4, np.exp(0.12)), (0.7, np.exp(-0.12)), (0.95, 0.95)]
)
def test_the_x_height_of_a_line_is_near_that_of_its_group(scale, expected):
    """A line `scale` times as large as its group is normalised by that, as far as the group lets it."""
    inks = [line(t, seed=i, wobble=0) for i, t in enumerate(TEXTS)]
    group = [sample(ink, text) for ink, text in zip(inks, TEXTS)]
    (*_, (_, plain)) = _normalize([*group, group[0]], "generation")
    (*_, (_, offsets)) = _normalize([*group, sample(inks[0].scale(scale), TEXTS[0])], "generation")
    ratio = np.ptp(np.cumsum(offsets[:, 0])) / np.ptp(np.cumsum(plain[:, 0]))
    assert ratio == pytest.approx(scale / expected, rel=0.04)


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
    monkeypatch.setattr("strokesynth.preparation.COMPOSED_POINTS", {"recognition": 5000})
    glyph = [np.array([[0.0, -1.0], [0.5, 0.0]])]
    many, few = (Hand(w, "trainset", {c: [glyph] for c in "abcd"[:n]}) for w, n in (("many", 4), ("few", 2)))
    pool = Here()
    job = _Job("recognition", pool, 3, {}, False)
    words = [(Sample(INK, text, "few", "trainset", "", ""), INK.to_offsets()) for text in ("I", "am", "not")]
    assert job.compositions([many, few], words) == []
    assert [(kind, hand.writer, points, seed) for kind, hand, points, seed in pool.work] == [
        ("composed", "many", 4000, 3),
        ("composed", "few", 1000, 3),
    ]
    assert [text for text, _ in few.words] == ["am", "not"] and not many.words


def test_characters_alone_have_names_of_their_own():
    glyphs = [[np.array([[0.0, -1.0], [0.1 * k, 0.0]])] for k in range(5)]
    job = _Job("recognition", Here(), 0, {"unipen-chars": Account()}, False)
    found = job.characters([Hand("w", "testset_v", {"a": glyphs, "b": glyphs[:1]})])
    assert [(s.id, s.text, s.writer, s.split) for s, _ in found] == [
        (f"w/{name}", text, "w", "testset_v")
        for name, text in (("97/0", "a"), ("97/1", "a"), ("97/2", "a"), ("98/0", "b"))
    ]
    for (_, offsets), glyph in zip(found, [*glyphs[:3], glyphs[0]]):
        np.testing.assert_allclose(np.cumsum(offsets[:, :2], axis=0), glyph[0], atol=1e-6)


def test_every_writer_composes_lines_of_their_own():
    def lines(writer, seed=0):
        hand = Hand(writer, "testset_v", {c: [letter(c)] for c in "xnohl"})
        return _compose(("composed", hand, 600, seed))

    one, again, other, seed = lines("one"), lines("one"), lines("two"), lines("one", 1)
    assert [s.text for s, _ in one] == [s.text for s, _ in again]
    assert [s.text for s, _ in one] != [s.text for s, _ in other]
    assert [s.text for s, _ in one] != [s.text for s, _ in seed]
    assert {(s.writer, s.split, s.source) for s, _ in other} == {("two", "testset_v", "composed")}
    assert len({s.id for s, _ in [*one, *other]}) == len(one) + len(other)


def test_alone_again():
    ink = normalize(line(TEXTS[0])).scale(0.6)
    known, offsets = _alone_again((sample(INK, TEXTS[0]), ink.to_offsets()))
    assert known.text == TEXTS[0] and np.ptp(np.cumsum(offsets[:, 1])) == pytest.approx(1.8, rel=0.15)
    dot = sample(INK, "."), np.array([[0.0, -0.05, 1.0]], np.float32)
    assert _alone_again(dot) is dot


def test_of_one_writer_so_many_words_are_taken(unipen, tmp_path, monkeypatch):
    monkeypatch.setattr("strokesynth.preparation.COMPOSED_POINTS", {"recognition": 500})
    monkeypatch.setattr("strokesynth.preparation._LEAST_CHARACTERS", 4)
    monkeypatch.setattr("strokesynth.preparation.WORDS_OF_WRITER", 7)
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
