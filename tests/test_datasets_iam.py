"""IAM-OnDB from archives and folders of the database's own layout, filled with made-up ink."""

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from strokesynth.datasets import ReadReport, read_iam


def line_xml(strokes, head=""):
    body = "".join(
        '<Stroke colour="black" start_time="1.0" end_time="1.1">'
        + "".join(f'<Point x="{x}" y="{y}" time="1.00"/>\n' for x, y in stroke)
        + "</Stroke>"
        for stroke in strokes
    )
    return (
        f'<?xml version="1.0" encoding="ISO-8859-1"?>{head}<WhiteboardCaptureSession><WhiteboardDescription>'
        f'<SensorLocation corner="top_left"/><VerticallyOppositeCoords x="993" y="3406"/></WhiteboardDescription>'
        f"<StrokeSet>{body}</StrokeSet></WhiteboardCaptureSession>"
    ).encode("latin-1")


STROKES = [[(993, 3163), (997, 3168), (1001, 3188)], [(1200, 3100)]]

FORMS = {
    "a01/a01-000/a01-000u": ["First line .", "He said &quot;R &amp; D&quot;", "the #"],
    "a01/a01-000/a01-000x": ["Another hand"],
    "b02/b02-010/b02-010": ["No suffix here"],
    "c03/c03-020/c03-020z": ["In no list"],
}


def files_of(forms):
    """Archive name → content, for both archives."""
    strokes, texts = {}, {}
    for form, lines in forms.items():
        for i in range(len(lines)):
            strokes[f"lineStrokes/{form}-{i + 1:02d}.xml"] = line_xml(STROKES)
        text = "OCR:\n\nThe printed prompt\n\nCSR: \r\n\n" + "\r\n".join(lines) + "\n\n"
        texts[f"ascii/{form}.txt"] = text.encode("latin-1")
    return strokes, texts


def write_archive(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def write_iam(root, strokes, texts, packed=True):
    if packed:
        write_archive(root / "lineStrokes-all.tar.gz", strokes)
        write_archive(root / "ascii-all.tar.gz", texts)
    else:
        for name, content in {**strokes, **texts}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
    (root / "trainset.txt").write_text(" a01-000u\n a01-000x\n")
    (root / "testset_v.txt").write_text(" b02-010\n")
    (root / "testset_t.txt").write_text("")
    (root / "testset_f.txt").write_text("")
    (root / "writers.csv").write_text("form_id,writer_id\na01-000u,10026\nb02-010,10099\n")


@pytest.mark.parametrize("packed", [True, False])
def test_lines_texts_splits_and_writers(tmp_path, packed):
    write_iam(tmp_path, *files_of(FORMS), packed=packed)
    report = ReadReport()
    samples = {s.id: s for s in read_iam(tmp_path, report=report)}
    assert {k: (s.text, s.split, s.writer) for k, s in samples.items()} == {
        "a01-000u-01": ("First line .", "trainset", "10026"),
        "a01-000u-02": ('He said "R & D"', "trainset", "10026"),
        "a01-000u-03": ("the #", "trainset", "10026"),
        "a01-000x-01": ("Another hand", "trainset", "form:a01-000x"),
        "b02-010-01": ("No suffix here", "testset_v", "10099"),
        "c03-020z-01": ("In no list", "other", "form:c03-020z"),
    }
    assert report.read == 6 and not report.skipped and not report.notes
    ink = samples["a01-000u-01"].ink
    assert ink.text == "First line ." and len(ink.strokes) == 2
    for stroke, expected in zip(ink.strokes, STROKES):
        assert stroke.dtype == np.float32 and np.array_equal(stroke, np.array(expected))


def test_lines_pair_by_number_whatever_their_order(tmp_path):
    forms = {"a01/a01-000/a01-000u": [f"line {i}" for i in range(1, 12)], "a01/a01-000/a01-000x": ["other"]}
    strokes, texts = files_of(forms)
    names = sorted(strokes, key=lambda name: name[::-1])  # interleaves the two forms
    write_iam(tmp_path, {name: strokes[name] for name in names}, texts)
    expected = {f"a01-000u-{i:02d}": f"line {i}" for i in range(1, 12)} | {"a01-000x-01": "other"}
    assert {s.id: s.text for s in read_iam(tmp_path)} == expected


@pytest.mark.parametrize(
    "content, reason",
    [
        (line_xml(STROKES)[:300], "broken XML"),
        (line_xml(STROKES).replace(b"</Stroke>", b"</Storke>", 1), "broken XML"),
        (line_xml(STROKES).replace(b'y="3168"', b'y="none"'), "none"),
        (line_xml(STROKES).replace(b'y="3168"', b'y="nan"'), "nan"),
        (line_xml(STROKES).replace(b' y="3168"', b""), "Point without 'y'"),
        (line_xml([]), "at least one stroke"),
        (line_xml(STROKES, '<!DOCTYPE s [<!ENTITY e "3168">]>'), "document type"),
        (b"", "broken XML"),
    ],
)
def test_a_bad_line_is_reported_and_the_rest_kept(tmp_path, content, reason):
    strokes, texts = files_of(FORMS)
    strokes["lineStrokes/a01/a01-000/a01-000u-02.xml"] = content
    write_iam(tmp_path, strokes, texts)
    report = ReadReport()
    ids = [s.id for s in read_iam(tmp_path, report=report)]
    assert len(ids) == 5 and "a01-000u-02" not in ids
    [(id, why)] = report.skipped
    assert id == "a01-000u-02" and reason in why
    assert "a01-000u-02" in str(report)


def test_forms_that_cannot_be_paired_are_left_out(tmp_path):
    strokes, texts = files_of(FORMS)
    strokes["lineStrokes/a01/a01-000/a01-000u-04.xml"] = line_xml(STROKES)  # one more than the transcript
    del texts["ascii/b02/b02-010/b02-010.txt"]
    write_iam(tmp_path, strokes, texts)
    report = ReadReport()
    assert [s.id for s in read_iam(tmp_path, report=report)] == ["a01-000x-01", "c03-020z-01"]
    reasons = dict(report.skipped)
    assert set(reasons) == {"a01-000u-01", "a01-000u-02", "a01-000u-03", "a01-000u-04", "b02-010-01"}
    assert "4 line files but 3 transcript lines" in reasons["a01-000u-01"]
    assert "no transcript" in reasons["b02-010-01"]


def test_missing_lists_are_noted(tmp_path):
    write_iam(tmp_path, *files_of(FORMS))
    (tmp_path / "testset_v.txt").unlink()
    (tmp_path / "writers.csv").unlink()
    report = ReadReport()
    samples = list(read_iam(tmp_path, report=report))
    assert {s.split for s in samples} == {"trainset", "other"}
    assert {s.writer for s in samples} == {f"form:{Path(form).name}" for form in FORMS}
    assert "testset_v.txt" in str(report) and "writers.csv" in str(report)


def test_missing_archive(tmp_path):
    with pytest.raises(FileNotFoundError, match="lineStrokes-all.tar.gz"):
        list(read_iam(tmp_path))
    write_iam(tmp_path, *files_of(FORMS))
    (tmp_path / "ascii-all.tar.gz").unlink()
    with pytest.raises(FileNotFoundError, match="ascii-all.tar.gz"):
        list(read_iam(tmp_path))


@pytest.mark.parametrize("keep", [20, 0.5, -4])
def test_cut_short_archive(tmp_path, keep):
    write_iam(tmp_path, *files_of({f"a01/a01-{i:03d}/a01-{i:03d}u": ["text"] * 5 for i in range(40)}))
    archive = tmp_path / "lineStrokes-all.tar.gz"
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(ValueError, match="lineStrokes-all.tar.gz is damaged, cut short or not"):
        next(read_iam(tmp_path))


def test_foreign_archives(tmp_path):
    write_iam(tmp_path, *files_of(FORMS))
    archive = tmp_path / "lineStrokes-all.tar.gz"
    write_archive(archive, {"photos/a.png": b"no"})
    with pytest.raises(ValueError, match="not IAM-OnDB's lineStrokes"):
        list(read_iam(tmp_path))
    for content in (b"<html>please log in</html>", gzip.compress(b"no tar at all" * 100)):
        archive.write_bytes(content)
        with pytest.raises(ValueError, match="not a .tar.gz archive"):
            list(read_iam(tmp_path))
    write_archive(tmp_path / "ascii-all.tar.gz", {"ascii/readme.txt": b"hello"})
    with pytest.raises(ValueError, match="CSR:"):
        list(read_iam(tmp_path))


def test_foreign_writer_table(tmp_path):
    write_iam(tmp_path, *files_of(FORMS))
    (tmp_path / "writers.csv").write_text("name,age\nAda,36\n")
    with pytest.raises(ValueError, match="form_id and writer_id"):
        list(read_iam(tmp_path))
