"""UNIPEN parsed into arrays."""

import numpy as np
import pytest

from strokesynth.datasets import ReadReport, read_unipen_npz, unipen_split

SAMPLES = [
    ("two words", "abc:ada", [[[0, 0], [5, -7], [9, 3]], [[20, 1]]]),
    ("=", "abd:b o b", [[[0, 0], [8, 0]], [[0, 4], [8, 5]]]),
    ("x\\y", "abc:ada", [[[0, 0]]]),
]


def write(path, **changes):
    strokes = [stroke for _, _, sample in SAMPLES for stroke in sample]
    arrays = {
        "points": np.concatenate([np.array(s) for s in strokes]).astype(np.int16),
        "stroke_lengths": np.array([len(s) for s in strokes], np.int32),
        "strokes_per_sample": np.array([len(s) for _, _, s in SAMPLES], np.int16),
        "label": np.frombuffer("\n".join(s[0] for s in SAMPLES).encode(), np.uint8),
        "writer": np.frombuffer("\n".join(s[1] for s in SAMPLES).encode(), np.uint8),
        "points_per_inch": np.full(len(SAMPLES), np.nan, np.float32),
    }
    arrays |= changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


def test_samples_come_back(tmp_path):
    for kind in ("text", "words", "chars"):
        write(tmp_path / f"{kind}.npz")
    report = ReadReport()
    samples = list(read_unipen_npz(tmp_path, report=report))
    assert report.read == 9 and not report.skipped
    assert [s.source for s in samples] == ["unipen-text"] * 3 + ["unipen-words"] * 3 + ["unipen-chars"] * 3
    for sample, (text, writer, strokes) in zip(samples, SAMPLES * 3):
        assert (sample.text, sample.ink.text, sample.writer) == (text, text, writer)
        assert sample.split == unipen_split(writer)
        assert [s.tolist() for s in sample.ink.strokes] == strokes
        assert all(s.dtype == np.float32 for s in sample.ink.strokes)
    assert [s.id for s in samples[:3]] == ["text/0", "text/1", "text/2"]


def test_kinds(tmp_path):
    write(tmp_path / "words.npz")
    assert {s.source for s in read_unipen_npz(tmp_path, kinds=("words",))} == {"unipen-words"}
    with pytest.raises(FileNotFoundError, match="text.npz"):
        list(read_unipen_npz(tmp_path))
    with pytest.raises(ValueError, match="no kind 'word'.*words"):
        list(read_unipen_npz(tmp_path, kinds=("word",)))


def test_a_sample_without_strokes_is_reported(tmp_path):
    write(tmp_path / "text.npz", strokes_per_sample=np.array([4, 0, 1], np.int16))
    report = ReadReport()
    samples = list(read_unipen_npz(tmp_path, kinds=["text"], report=report))
    assert [len(s.ink.strokes) for s in samples] == [4, 1]
    assert report.skipped == [("text/1", "no strokes")]


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"label": None}, "lacks one of"),
        ({"points": np.zeros((3, 2), np.int16)}, "do not fit together"),
        ({"points": np.zeros((9, 3), np.int16)}, "do not fit together"),
        ({"stroke_lengths": np.array([3, 1, 4, 0, 1], np.int32)}, "do not fit together"),
        ({"strokes_per_sample": np.array([5], np.int16)}, "do not fit together"),
        ({"label": np.frombuffer(b"one\ntwo", np.uint8)}, "do not fit together"),
        ({"label": np.frombuffer(b"\xff\n\xff\n\xff", np.uint8)}, "damaged"),
        ({"points": np.array([None] * 9)}, "damaged"),  # would need a pickle
    ],
)
def test_arrays_that_are_not_unipen(tmp_path, changes, reason):
    write(tmp_path / "text.npz", **changes)
    with pytest.raises(ValueError, match=reason) as error:
        list(read_unipen_npz(tmp_path, kinds=["text"]))
    assert "text.npz" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"hello", None])
def test_damaged_files(tmp_path, content):
    write(tmp_path / "text.npz")
    file = tmp_path / "text.npz"
    file.write_bytes(file.read_bytes()[:-40] if content is None else content)
    with pytest.raises(ValueError, match="text.npz is damaged"):
        list(read_unipen_npz(tmp_path, kinds=["text"]))
