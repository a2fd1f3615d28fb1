"""The pickled arrays of older implementations, read without unpickling them."""

import os
import pickle

import numpy as np
import pytest
from numpy.lib import format as npy_format

from strokesynth.datasets import ReadReport, read_strokes_npy

LINES = [
    np.array([[0, 0, 0], [0, 1.5, 2], [1, 1, -1], [0, 4, 0], [1, 0.5, 3]], np.float32),
    np.array([[1, 2, 2], [0, 1, 0], [0, 1, 1]], np.float32),  # ends with the pen down
    np.array([[1, 0, 0]], np.float32),
]
TEXTS = ["First line", " Second: @ ", "."]


def object_array(items):
    array = np.empty(len(items), object)
    array[:] = items
    return array


def write(root, pickled, sentences=TEXTS):
    with open(root / "strokes-py3.npy", "wb") as file:
        header = {"descr": "|O", "fortran_order": False, "shape": (len(LINES),)}
        npy_format.write_array_header_1_0(file, header)
        file.write(pickled)
    (root / "sentences.txt").write_text("\n".join(sentences) + "\n")


def old_names(pickled):
    """As NumPy before 2.0 wrote it. Only where names are not preceded by their length."""
    return pickled.replace(b"numpy._core", b"numpy.core")


PICKLES = {f"protocol {p}": pickle.dumps(object_array(LINES), protocol=p) for p in range(6)}
PICKLES["NumPy 1"] = old_names(pickle.dumps(object_array(LINES), protocol=2))
PICKLES["float64"] = pickle.dumps(object_array([line.astype(np.float64) for line in LINES]))
PICKLES["big-endian"] = pickle.dumps(object_array([line.astype(">f4") for line in LINES]))
PICKLES["by column"] = pickle.dumps(object_array([np.asfortranarray(line) for line in LINES]))


@pytest.mark.parametrize("name", PICKLES)
def test_every_way_to_pickle_arrays(tmp_path, name):
    write(tmp_path, PICKLES[name])
    report = ReadReport()
    samples = list(read_strokes_npy(tmp_path, report=report))
    assert report.read == 3 and not report.skipped
    assert [s.text for s in samples] == ["First line", "Second: @", "."]
    assert [[s.tolist() for s in sample.ink.strokes] for sample in samples] == [  # y turned to grow downwards
        [[[0, 0], [1.5, -2], [2.5, -1]], [[6.5, -1], [7, -4]]],
        [[[2, -2]], [[3, -2], [4, -3]]],
        [[[0, 0]]],
    ]
    assert {(s.source, s.writer) for s in samples} == {("npy", "")}


def test_y_may_grow_down_already(tmp_path):
    write(tmp_path, PICKLES["protocol 2"])
    [first, *_] = read_strokes_npy(tmp_path / "strokes-py3.npy", y_up=False)
    assert first.ink.strokes[1].tolist() == [[6.5, 1], [7, 4]]


def test_the_last_lines_are_the_test_set(tmp_path):
    lines = [LINES[0]] * 100
    write(tmp_path, pickle.dumps(object_array(lines)), ["text"] * 100)
    assert [s.split for s in read_strokes_npy(tmp_path)] == ["trainset"] * 96 + ["testset"] * 4


class _Call:
    """Pickles as a call of any function: what an attacker would write."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "function, arguments, name",
    [
        (os.system, ("touch was-here",), "system"),
        (eval, ("open('was-here', 'w')",), "eval"),
        (np.save, ("was-here", 1), "save"),
        (np.zeros, (10,), "zeros"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_nothing_else_in_a_pickle_is_run(tmp_path, monkeypatch, function, arguments, name, protocol):
    monkeypatch.chdir(tmp_path)
    items = object_array([LINES[0], _Call(function, *arguments), LINES[2]])
    write(tmp_path, pickle.dumps(items, protocol=protocol))
    with pytest.raises(ValueError, match=rf"strokes-py3.npy .*{name}.*refused"):
        list(read_strokes_npy(tmp_path))
    assert not list(tmp_path.glob("was-here*"))


def test_lines_that_are_no_strokes_are_reported(tmp_path):
    items = [
        LINES[0],
        np.zeros((4, 2)),
        np.full((2, 3), np.nan),
        np.array(["a", "b", "c"]),
        None,
        LINES[2],
        LINES[2],
    ]
    write(tmp_path, pickle.dumps(object_array(items)), ["a", "b", "c", "d", "e", "", "g"])
    report = ReadReport()
    assert [s.id for s in read_strokes_npy(tmp_path, report=report)] == ["0", "6"]
    assert [id for id, _ in report.skipped] == ["1", "2", "3", "4", "5"]
    assert "(4, 2)" in report.skipped[0][1] and report.skipped[4][1] == "no text"


def test_damaged_or_other_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="strokes-py3.npy"):
        list(read_strokes_npy(tmp_path))
    good = PICKLES["protocol 2"]
    for bad in (
        good[:-30],
        b"",
        b"garbage",
        pickle.dumps([1, 2]),
        pickle.dumps(LINES[0]),
        good[:50] + good[60:],
    ):
        write(tmp_path, bad)
        with pytest.raises(ValueError, match="strokes-py3.npy is damaged or not"):
            list(read_strokes_npy(tmp_path))
    np.save(tmp_path / "strokes-py3.npy", LINES[0])
    with pytest.raises(ValueError, match="float32, not of objects"):
        list(read_strokes_npy(tmp_path))
    write(tmp_path, good, TEXTS[:2])
    with pytest.raises(ValueError, match="3 lines and .*sentences.txt 2"):
        list(read_strokes_npy(tmp_path))
    (tmp_path / "sentences.txt").unlink()
    with pytest.raises(FileNotFoundError, match="sentences.txt"):
        list(read_strokes_npy(tmp_path))
