"""UNIPEN in its original format, in files written for the purpose."""

import io
import tarfile

import numpy as np
import pytest

from strokesynth.datasets import ReadReport, read_unipen, unipen_split

DOC = """.COMMENT a contributor's own words, which may mention
 .PEN_DOWN and .PEN_UP anywhere but at the start of a line
.VERSION 1.0
.COORD X Y T
.HIERARCHY TEXT WORD
"""

INK = """.WRITER_ID   Ada_1
.DATE 9 30 94
.PEN_UP
 5 5 0
.PEN_DOWN
 10 100 1
 11 110 2
.DT 100
.PEN_UP
.PEN_DOWN
.PEN_DOWN
 20 100 3
 21 120 4
 22 140 5
.PEN_UP
 30 30 6
.PEN_DOWN
 40 100 7
.PEN_DOWN
 0 0 8
 0 0 9
"""
# Numbered 0 pen-up · 1 two points · 2 three points · 3 pen-up · 4 one point · 5 at the origin

TEXT = r""".VERSION 1.0
.INCLUDE abc/abc.doc
.INCLUDE abc/data/ada.dat
.SEGMENT TEXT 1-4 ? "He said \"a\\b\""
.SEGMENT TEXT 1,4 GOOD "parts of it"
.SEGMENT TEXT 1:1-2:1 OK "between points"
.SEGMENT TEXT 2:1 OK "a point"
.SEGMENT TEXT 0-5 OK "with the origin"
"""

UNUSABLE = r""".INCLUDE abc/abc.doc
.INCLUDE abc/data/ada.dat
.SEGMENT TEXT 5 OK "nothing"
.SEGMENT TEXT 1 OK "\@"
.SEGMENT TEXT 1 OK ""
.SEGMENT TEXT 3 OK "pen up"
.SEGMENT TEXT 4-6 OK "beyond the end"
.SEGMENT TEXT 2-1 OK "backwards"
.SEGMENT TEXT one OK "words"
.SEGMENT TEXT 1
.SEGMENT TEXT 1 OK "good"
"""

FILES = {
    "data/8/abc/ada.dat": TEXT,
    "data/7/abc/ada.dat": '.INCLUDE abc/data/ada.dat\n.SEGMENT WORD 1 OK "off"\n',
    "data/1a/abc/bob.dat": '.INCLUDE abc/abc.doc\n.PEN_DOWN\n1 2 3\n.SEGMENT CHARACTER 0 OK "7"\r\n',
    "data/2/abc/bob.dat": '.INCLUDE abc/abc.doc\n.PEN_DOWN\n1 2 3\n.SEGMENT CHARACTER 0 OK "7"\n',
    "include/abc/abc.doc": DOC,
    "include/abc/data/ada.dat": INK,
}


def write(root, files=FILES, packed=False):
    if not packed:
        for name, text in files.items():
            path = root / "train_r01_v07" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("latin-1"))
        return
    with tarfile.open(root / "train_r01_v07.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(f"train_r01_v07/{name}")
            content = text.encode("latin-1")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def test_segments_components_and_points(tmp_path):
    write(tmp_path)
    samples = {s.text: s for s in read_unipen(tmp_path, kinds=["text"])}
    strokes = {text: [stroke.tolist() for stroke in s.ink.strokes] for text, s in samples.items()}
    one, two, dot = [[10, -100], [11, -110]], [[20, -100], [21, -120], [22, -140]], [[40, -100]]
    assert (
        strokes
        == {  # y is turned to grow downwards
            r'He said "a\b"': [one, two, dot],
            "parts of it": [one, dot],
            "between points": [one[1:], two[:2]],
            "a point": [two[1:2]],
            "with the origin": [one, two, dot, [[0, 0], [0, 0]]],
        }
    )
    sample = samples["a point"]
    assert (sample.writer, sample.source, sample.id) == ("abc:Ada_1", "unipen-text", "8/abc/ada.dat#3")
    assert sample.split == unipen_split("abc:Ada_1") and sample.ink.text == "a point"
    assert all(stroke.dtype == np.float32 for stroke in sample.ink.strokes)


def test_what_cannot_be_used_is_reported(tmp_path):
    write(
        tmp_path, {**FILES, "data/8/abc/ada.dat": UNUSABLE, "data/8/abc/lost.dat": ".INCLUDE abc/none.doc\n"}
    )
    report = ReadReport()
    assert [s.text for s in read_unipen(tmp_path, kinds=["text"], report=report)] == ["good"]
    assert report.read == 1
    reasons = [reason for _, reason in report.skipped]
    expected = [
        "(0, 0)",
        "no label",
        "no label",
        "no ink",
        "of 6",
        "of 6",
        "not a segment",
        "not a segment",
        "missing",
    ]
    assert len(reasons) == len(expected)
    assert all(part in reason for part, reason in zip(expected, reasons)), reasons
    assert report.skipped[-1][0] == "data/8/abc/lost.dat"


def test_columns_that_do_not_fit_are_reported(tmp_path):
    write(tmp_path)  # the word's file leaves out the .COORD of the rows with three numbers
    report = ReadReport()
    assert not list(read_unipen(tmp_path, kinds=["words"], report=report))
    [(id, reason)] = report.skipped
    assert id == "7/abc/ada.dat#0" and reason == "a position '10 100 1' where .COORD is X Y"


def test_an_include_of_itself_ends(tmp_path):
    write(tmp_path, {**FILES, "include/abc/abc.doc": ".INCLUDE abc/abc.doc\n"})
    report = ReadReport()
    list(read_unipen(tmp_path, kinds=["text"], report=report))
    assert "includes itself" in report.skipped[0][1]


def test_kinds_are_categories_and_no_ink_comes_twice(tmp_path):
    write(tmp_path, {**FILES, "data/7/abc/ada.dat": '.PEN_DOWN\n1 2\n.SEGMENT WORD 0 OK "off"\n'})
    samples = list(read_unipen(tmp_path))
    assert [s.source for s in samples] == ["unipen-text"] * 5 + ["unipen-words", "unipen-chars"]
    assert samples[-1].text == "7" and samples[-1].writer == "abc:bob"  # named after its file
    with pytest.raises(ValueError, match="no kind 'lines'.*text, words, chars"):
        list(read_unipen(tmp_path, kinds=["lines"]))


def test_folder_and_archive_say_the_same(tmp_path):
    for name, packed in (("folder", False), ("archive", True)):
        (tmp_path / name).mkdir()
        write(tmp_path / name, packed=packed)
    places = [
        tmp_path / "folder",
        tmp_path / "folder" / "train_r01_v07",
        tmp_path / "archive",
        tmp_path / "archive" / "train_r01_v07.tar.gz",
    ]
    read = [[(s.id, s.text, s.writer, s.split, s.ink) for s in read_unipen(place)] for place in places]
    assert len(read[0]) == 6 and read[0] == read[1] == read[2] == read[3]


def test_nothing_or_something_else_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="train_r01_v07"):
        list(read_unipen(tmp_path))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        list(read_unipen(tmp_path / "nowhere"))
    write(tmp_path, {"readme/x.txt": "hello"}, packed=True)
    archive = tmp_path / "train_r01_v07.tar.gz"
    with pytest.raises(ValueError, match="not UNIPEN"):
        list(read_unipen(archive))
    write(tmp_path, packed=True)
    archive.write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(ValueError, match="cut short"):
        list(read_unipen(archive))


def test_split_keeps_about_one_writer_in_25_and_never_changes():
    writers = [f"abc:{i}" for i in range(5000)]
    test = [w for w in writers if unipen_split(w) == "testset"]
    assert 0.03 < len(test) / len(writers) < 0.05
    assert {unipen_split(w) for w in writers} == {"trainset", "testset"}
    assert test[:3] == ["abc:35", "abc:76", "abc:82"]
