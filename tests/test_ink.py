"""Ink keeps what it was given, refuses what is not ink, and comes back from every file as it went in."""

import io
import json
import math
import os
import pickle

import numpy as np
import pytest
from makers import random_ink

from strokesynth.ink import Ink
from strokesynth.ink.inkml import encode as encode_inkml
from strokesynth.ink.json_npz import from_json, from_npz, to_json, to_npz


def test_construction_copies_and_freezes():
    given = np.array([[0.0, 1.0], [2.0, -3.0]])
    ink = Ink.from_strokes([given, [[5, 5]]], "i", [[0, 0], [0]])
    given[:] = 9.0
    assert [s.tolist() for s in ink.strokes] == [[[0.0, 1.0], [2.0, -3.0]], [[5.0, 5.0]]]
    assert all(s.dtype == np.float32 for s in ink.strokes)
    with pytest.raises(ValueError, match="read-only"):
        ink.strokes[0][0, 0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        ink.characters[0][0] = 1
    with pytest.raises(AttributeError):
        ink.text = "j"
    assert (ink.n_points, ink.bounds) == (3, (0.0, -3.0, 5.0, 5.0))
    assert repr(ink) == "<Ink 'i', 2 strokes, 3 points>"
    assert pickle.loads(pickle.dumps(ink)) == ink


@pytest.mark.parametrize(
    ("strokes", "message"),
    [
        ([], "at least one stroke"),
        ([np.zeros((0, 2))], r"stroke 0 has \(0, 2\)"),
        ([np.zeros((2, 2)), np.zeros((4, 3))], r"stroke 1 has \(4, 3\)"),
        ([np.zeros(2)], r"stroke 0 has \(2,\)"),
        ([[[0, 0], [1]]], "stroke 0 is not an array"),
        ([[["a", "b"]]], "stroke 0 is not an array"),
        ([[[0, 0], [np.nan, 0]]], "point 1 of stroke 0"),
        ([[[0, -np.inf]]], "point 0 of stroke 0"),
        ([[[0, 1e39]]], "finite"),  # beyond float32
    ],
)
def test_strokes_that_are_not_ink(strokes, message):
    with pytest.raises(ValueError, match=message):
        Ink.from_strokes(strokes)


@pytest.mark.parametrize(
    ("text", "characters", "message"),
    [
        (None, [[0, 0], [0]], "text is None"),
        ("ab", [[0, 0]], "2 expected, 1 given"),
        ("ab", [[0], [0]], "stroke 0 must be 2 integers"),
        ("ab", [[0, 0], [0.0]], "stroke 1 must be 1 integers"),
        ("ab", [[0, 2], [0]], "run from 0 to 2, outside the 2"),
        ("ab", [[0, 0], [-1]], "run from -1"),
        (b"ab", None, "not bytes"),
    ],
)
def test_characters_that_do_not_fit(text, characters, message):
    with pytest.raises(ValueError, match=message):
        Ink.from_strokes([[[0, 0], [1, 1]], [[2, 2]]], text, characters)


def test_offsets_by_hand():
    offsets = np.array([[1, -2, 0], [0.5, 1, 1], [0, 0.25, 1], [3, 0, 0], [0, 1, 1]], dtype=np.float32)
    ink = Ink.from_offsets(offsets, "ab", [0, 0, 0, 1, 1])
    assert [s.tolist() for s in ink.strokes] == [
        [[1, -2], [1.5, -1]],
        [[1.5, -0.75]],
        [[4.5, -0.75], [4.5, 0.25]],
    ]
    assert [c.tolist() for c in ink.characters] == [[0, 0], [0], [1, 1]]
    assert ink.to_offsets().dtype == np.float32
    np.testing.assert_array_equal(ink.to_offsets(), offsets)


def test_a_sequence_cut_short_is_closed():
    open_end = np.array([[0, 0, 0], [1, 0, 1], [1, 1, 0]])
    ink = Ink.from_offsets(open_end)
    assert [len(s) for s in ink.strokes] == [2, 1]
    assert ink.to_offsets()[:, 2].tolist() == [0, 1, 1]


@pytest.mark.parametrize("seed", range(5))
def test_offsets_do_not_drift(seed):
    ink = random_ink(seed, lengths=(5000, 1, 5000, 40))
    offsets = ink.to_offsets()
    before, after = np.concatenate(ink.strokes), np.concatenate(Ink.from_offsets(offsets).strokes)
    # Error of each point: a rounding of the longer of its two steps, wherever it is along the line.
    step = np.abs(np.diff(before.astype(float), axis=0, prepend=0.0))
    step[:-1] = np.maximum(step[:-1], step[1:])
    rounding = np.spacing(np.maximum(step, np.abs(before)).astype(np.float32))
    assert (np.abs(before.astype(float) - after) <= rounding).all()
    # And a second time around nothing changes at all.
    np.testing.assert_array_equal(Ink.from_offsets(offsets).to_offsets(), offsets)


def test_offsets_of_points_on_a_grid_are_exact():
    rng = np.random.default_rng(3)
    strokes = [rng.integers(-(2**12), 2**12, (50, 2)) / 2**10 for _ in range(20)]
    ink = Ink.from_strokes(strokes)
    assert Ink.from_offsets(ink.to_offsets()) == ink


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        (np.zeros((0, 3)), r"\(0, 3\)"),
        (np.zeros((4, 2)), r"\(4, 2\)"),
        (np.zeros(3), r"\(3,\)"),
        ([[0, 0, 0], [np.nan, 0, 1]], "row 1"),
        ([[0, 0, 0], [0, 0, 0.5]], "row 1 has 0.5"),
        ([[0, 0, -1]], "row 0 has -1"),
    ],
)
def test_offsets_that_are_not_ink(offsets, message):
    with pytest.raises(ValueError, match=message):
        Ink.from_offsets(offsets)


def test_offsets_need_one_character_each():
    with pytest.raises(ValueError, match=r"shape \(2,\); got shape \(1,\)"):
        Ink.from_offsets([[0, 0, 0], [1, 0, 1]], "a", [0])


def test_transforms_act_on_columns_and_keep_the_rest():
    ink = Ink.from_strokes([[[1, 2], [3, 4]]], "x", [[0, 0]])
    turned = ink.transform([[0, -1, 10], [1, 0, 20]])
    assert turned.strokes[0].tolist() == [[8, 21], [6, 23]]
    assert turned.text == "x" and turned.characters[0].tolist() == [0, 0]
    assert ink.transform([[0, -1, 10], [1, 0, 20], [0, 0, 1]]) == turned
    assert ink.translate(1, -1).strokes[0].tolist() == [[2, 1], [4, 3]]
    assert ink.scale(2).strokes[0].tolist() == [[2, 4], [6, 8]]
    assert ink.scale(2, -1).strokes[0].tolist() == [[2, -2], [6, -4]]


@pytest.mark.parametrize(
    "matrix", [np.eye(2), [[1, 0, 0], [0, 1, 0], [0, 0.1, 1]], [[1, 0, np.nan], [0, 1, 0]]]
)
def test_maps_that_are_not_affine(matrix):
    with pytest.raises(ValueError, match="affine map"):
        Ink.from_strokes([[[1, 2]]]).transform(matrix)


def test_equality_sees_every_part():
    ink = random_ink()
    assert ink == Ink.from_strokes(ink.strokes, ink.text, ink.characters)
    assert ink != Ink.from_strokes(ink.strokes, ink.text)
    assert ink != Ink.from_strokes(ink.strokes, ink.text.swapcase(), ink.characters)
    assert ink != ink.translate(1e-3, 0)
    assert ink != "ink"


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".json", ".npz", ".svg", ".SVG", ".inkml"])
@pytest.mark.parametrize(
    "ink",
    [
        random_ink(),
        random_ink(1, unit=1e-6),
        random_ink(2, unit=1e6),
        Ink.from_strokes([[[0.1, -0.0]]]),
        Ink.from_strokes([[[0.1, 1 / 3]]], ""),
        Ink.from_strokes([[[0, 0], [1, 1]]], "]]> \x00\x1b \ud800 \U0001f58b \n\r\t \0"),
    ],
)
def test_files_give_back_the_ink(tmp_path, suffix, ink):
    file = tmp_path / f"a{suffix}"
    ink.save(file)
    assert Ink.load(file) == ink


@pytest.mark.parametrize("suffix", [".json", ".npz", ".svg", ".inkml", ".png", ".pdf"])
def test_the_same_ink_gives_the_same_bytes(tmp_path, monkeypatch, suffix):
    for name, day in (("a", 1_000_000_000), ("b", 1_500_000_000)):
        monkeypatch.setattr("time.time", lambda day=day: day)
        random_ink().save(tmp_path / f"{name}{suffix}")
    data = (tmp_path / f"a{suffix}").read_bytes()
    assert data == (tmp_path / f"b{suffix}").read_bytes()
    assert b"D:2" not in data and b"CreationDate" not in data


def test_json_is_plain_and_versioned():
    document = json.loads(to_json(Ink.from_strokes([[[0.1, -1]], [[2, 3], [4, 5]]], "i", [[0], [0, 0]])))
    assert document == {
        "format": "strokesynth-ink",
        "version": 1,
        "units": "x-height",
        "text": "i",
        "strokes": [[[0.1, -1.0]], [[2.0, 3.0], [4.0, 5.0]]],
        "characters": [[0], [0, 0]],
    }


def changed(**parts):
    return json.dumps({**json.loads(to_json(random_ink())), **parts}).encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a JSON document"),
        (to_json(random_ink())[:-10], "not a JSON document"),
        (b"\xff\xfe\x00", "not a JSON document"),
        (b"[" * 100_000, "not a JSON document"),
        (b"[]", "JSON object is expected, not list"),
        (b"{}", "'?\"?format"),
        (changed(format="inkml"), "'inkml'"),
        (changed(version=2), "version 2"),
        (changed(strokes=None), "strokes"),
        (changed(strokes=[]), "at least one stroke"),
        (changed(strokes=[[[0, float("nan")]]]), "finite"),
        (changed(strokes=[[[0, 10**400]]]), "stroke 0"),
        (changed(text=5), "not int"),
        (changed(characters=7), "characters"),
        (changed(characters=[[0]]), "4 expected, 1 given"),
    ],
)
def test_json_that_is_not_ink(data, message):
    with pytest.raises(ValueError, match=message):
        from_json(data)


def test_archives_that_are_not_ink():
    whole = to_npz(random_ink())
    for data in (b"", whole[: len(whole) // 2], b"PK" + bytes(100)):
        with pytest.raises(ValueError, match="not a whole .npz archive"):
            from_npz(data)
    foreign, pickled, short = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.savez(foreign, a=np.zeros(3))
    with pytest.raises(ValueError, match="not ink"):
        from_npz(foreign.getvalue())
    np.savez(pickled, format=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="pickle"):
        from_npz(pickled.getvalue())
    np.savez(short, format="strokesynth-ink", version=1, points=np.zeros((5, 2)), lengths=[2, 2])
    with pytest.raises(ValueError, match="do not add up to 5"):
        from_npz(short.getvalue())


def test_damaged_archives_never_pass_for_other_ink():
    ink = random_ink()
    whole = bytearray(to_npz(ink))
    read = 0
    for i in range(0, len(whole), 7):
        damaged = whole.copy()
        damaged[i] ^= 0x55
        try:
            assert from_npz(bytes(damaged)) == ink  # bytes that carry nothing, such as attributes of a member
            read += 1
        except ValueError:
            pass
    assert read < len(whole) / 14


def test_load_names_the_file(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(ValueError, match=r"a\.json: not ink"):
        Ink.load(tmp_path / "a.json")
    with pytest.raises(FileNotFoundError, match=r"b\.json"):
        Ink.load(tmp_path / "b.json")


def test_xml_files_are_told_apart_by_their_root(tmp_path):
    ink = random_ink()
    file = tmp_path / "a.xml"
    file.write_bytes(encode_inkml(ink))
    assert Ink.load(file) == ink
    points = '<Point x="993" y="3163" time="0.5"/><Point x="997" y="3168" time="0.6"/>'
    file.write_text(
        '<?xml version="1.0" encoding="ISO-8859-1"?><WhiteboardCaptureSession><WhiteboardDescription/><StrokeSet>'
        f"<Stroke>{points}</Stroke><Stroke>{points[:36]}</Stroke></StrokeSet></WhiteboardCaptureSession>"
    )
    line = Ink.load(file)
    assert [s.tolist() for s in line.strokes] == [[[993, 3163], [997, 3168]], [[993, 3163]]]
    assert line.text is None
    file.write_text("<html/>")
    with pytest.raises(ValueError, match=r"a\.xml: .*<ink>.*<WhiteboardCaptureSession>.*not <html>"):
        Ink.load(file)
    file.write_text("<WhiteboardCaptureSession/>")
    with pytest.raises(ValueError, match="at least one stroke"):
        Ink.load(file)


def test_files_that_may_not_be_read(tmp_path):
    (tmp_path / "a.inkml").mkdir()
    with pytest.raises(ValueError, match=r"cannot read .*a\.inkml': Is a directory"):
        Ink.load(tmp_path / "a.inkml")
    file = tmp_path / "b.json"
    file.write_bytes(to_json(random_ink()))
    file.chmod(0)
    if os.access(file, os.R_OK):
        pytest.skip("this user may read every file")
    with pytest.raises(ValueError, match=r"cannot read .*b\.json': Permission denied"):
        Ink.load(file)


def test_suffixes_are_listed_when_unknown(tmp_path):
    ink = random_ink()
    with pytest.raises(
        ValueError, match=r"written to \.svg, \.png, \.pdf, \.inkml, \.json, \.npz; .* '\.gif'"
    ):
        ink.save(tmp_path / "a.gif")
    with pytest.raises(ValueError, match="''"):
        ink.save(tmp_path / "a")
    with pytest.raises(ValueError, match="written to .* '.xml'"):  # which kind of XML?
        ink.save(tmp_path / "a.xml")
    with pytest.raises(ValueError, match=r"read from \.svg, \.inkml, \.xml, \.json, \.npz; .* '\.png'"):
        Ink.load(tmp_path / "a.png")
    assert os.listdir(tmp_path) == []


def test_save_is_all_or_nothing(tmp_path):
    ink = random_ink()
    file = tmp_path / "a.svg"
    with pytest.raises(ValueError, match="colour"):
        ink.save(file, color="ink")
    assert os.listdir(tmp_path) == []
    ink.save(file)
    before = file.read_bytes()
    with pytest.raises(ValueError, match="x_height_mm"):
        ink.save(file, x_height_mm=-1)
    assert os.listdir(tmp_path) == ["a.svg"] and file.read_bytes() == before


def test_places_that_cannot_be_written(tmp_path):
    ink = random_ink()
    with pytest.raises(FileNotFoundError, match="missing"):
        ink.save(tmp_path / "missing" / "a.svg")
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError, match="not a folder"):
        ink.save(tmp_path / "file" / "a.svg")
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(ValueError, match="it is a folder"):
        ink.save(tmp_path / "folder.svg")


def test_legibility_is_kept_by_ink_formats_and_maps(tmp_path):
    ink = Ink.from_strokes([[[0.0, 0.0], [1.0, -1.0]]], "a", legibility=0.875)
    for suffix in ("json", "npz"):
        ink.save(tmp_path / f"a.{suffix}")
        assert Ink.load(tmp_path / f"a.{suffix}").legibility == 0.875
        Ink(ink.strokes, "a").save(tmp_path / f"b.{suffix}")
        assert Ink.load(tmp_path / f"b.{suffix}").legibility is None
    assert ink.translate(1.0, 2.0).legibility == 0.875
    for bad in (-0.1, 1.5, math.nan, True, "good"):
        with pytest.raises(ValueError, match="legibility"):
            Ink(ink.strokes, "a", legibility=bad)
