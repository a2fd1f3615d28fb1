"""How different two writings of a word are."""

from types import SimpleNamespace

import numpy as np
import pytest

from strokesynth import Ink
from strokesynth.datasets import Label, Sample
from strokesynth.datasets.corpus import Corpus
from strokesynth.evaluation import variety
from strokesynth.evaluation.variety import (
    WrittenWord,
    compare,
    cut_words,
    difference,
    lines_of_people,
    pairs,
    shape,
)
from strokesynth.recognition.reading import ReadCharacter


def warped(a, b):
    """Sakoe and Chiba's symmetric form, cell by cell."""
    best = {}
    for i, p in enumerate(a):
        for j, q in enumerate(b):
            d = float(np.hypot(*(p - q)))
            ways = [2 * d] if i == j == 0 else []
            if i:
                ways.append(best[i - 1, j] + d)
            if j:
                ways.append(best[i, j - 1] + d)
            if i and j:
                ways.append(best[i - 1, j - 1] + 2 * d)
            best[i, j] = min(ways)
    return best[len(a) - 1, len(b) - 1] / (len(a) + len(b))


@pytest.mark.parametrize("sizes", [(1, 1), (1, 5), (7, 7), (12, 9), (30, 41)])
def test_warping_cell_by_cell(sizes):
    rng = np.random.default_rng(sum(sizes))
    a, b = (np.cumsum(rng.normal(size=(n, 2)), axis=0) for n in sizes)
    assert difference(a, b) == pytest.approx(warped(a, b), rel=1e-12)
    assert difference(b, a) == pytest.approx(difference(a, b), rel=1e-12)
    assert difference(a, a) == 0.0


def test_the_unit_is_the_distance_of_matched_points():
    line = np.column_stack([np.arange(20.0), np.zeros(20)])
    assert difference(line, line + [0.0, 0.3]) == pytest.approx(0.3)
    # Points that are only written more densely make hardly a difference.
    dense = np.column_stack([np.arange(0, 19.01, 0.5), np.zeros(39)])
    assert difference(line, dense) < 0.26


def test_warping_needs_points():
    with pytest.raises(ValueError, match="got 0 and 3"):
        difference(np.zeros((0, 2)), np.zeros((3, 2)))


def test_a_shape_has_evenly_spaced_points_about_its_centre():
    strokes = [np.array([[5.0, 1.0], [5.1, 1.0], [6.0, 1.0], [6.0, 2.0]]), np.array([[7.0, 0.0]])]
    points = shape(strokes, spacing=0.1)
    assert len(points) == 21 + 1
    np.testing.assert_allclose(points.mean(0), 0.0, atol=1e-12)
    np.testing.assert_allclose(np.hypot(*np.diff(points[:21], axis=0).T), 0.1)
    np.testing.assert_allclose(points[-1] - points[0], [2.0, -1.0])
    np.testing.assert_allclose(shape([s + [3.0, 4.0] for s in strokes], 0.1), points, atol=1e-12)
    short = shape([np.array([[0.0, 0.0], [0.01, 0.0]])], 0.1)
    assert len(short) == 2  # both ends, however near


def test_size_and_place_of_a_line_do_not_count():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 20, 200)
    ink = Ink.from_strokes(
        [np.column_stack([x, -0.5 + 0.5 * np.sin(3 * x) + 0.05 * rng.normal(size=200)])], "ab"
    )
    a, b = variety.as_read(ink), variety.as_read(ink.scale(37.0).translate(100.0, 50.0))
    assert a.text is None
    assert len(a.strokes[0]) == pytest.approx(len(b.strokes[0]), abs=3)
    assert difference(shape(a.strokes), shape(b.strokes)) < 0.02


# --- cutting ----------------------------------------------------------------------------------------------


def written(text):
    """One stroke a letter, a step to the right each, and a reading of it as `said`."""
    strokes = [np.array([[i, -1.0], [i + 0.5, 0.0]]) for i, c in enumerate(text) if c != " "]
    return Ink.from_strokes(strokes)


def reading(said, count):
    """A reading that gives the strokes to its letters in order, the last ones to the last."""
    letters = [i for i, c in enumerate(said) if c != " "]
    owner = [min(k, len(letters) - 1) for k in range(count)]
    found = []
    for i, c in enumerate(said):
        mine = [(k, 0, 2) for k in range(count) if letters and letters[owner[k]] == i]
        found.append(ReadCharacter(c, 1.0, tuple(mine), None))
    return SimpleNamespace(text=said, characters=tuple(found))


def test_words_are_cut_where_they_were_read():
    ink = written("so the cat and you")
    found = cut_words(
        ink, "so the cat and you", reading("so the cat and you", 14), hand="h", line=3, label="t"
    )
    assert [(w.word, w.hand, w.line, w.place) for w in found] == [
        ("the", "h", 3, ("t", 1)),
        ("and", "h", 3, ("t", 3)),
        ("you", "h", 3, ("t", 4)),
    ]
    the = shape([s for s in ink.strokes[2:5]])
    np.testing.assert_allclose(found[0].shape, the, atol=1e-6)


def test_words_that_were_misread_are_left_out():
    ink = written("so the cat and you")
    found = cut_words(ink, "so the cat and you", reading("so tke cat and you", 14), hand="h", line=0)
    assert [w.word for w in found] == ["and", "you"]
    # A word more or less moves the others on.
    found = cut_words(ink, "so the cat and you", reading("s o the cat and you", 14), hand="h", line=0)
    assert [(w.word, w.place[1]) for w in found] == [("the", 1), ("and", 3), ("you", 4)]
    assert cut_words(ink, "so the cat and you", reading("", 14), hand="h", line=0) == []


# --- pairs ------------------------------------------------------------------------------------------------


def make(word, hand, line, place=0):
    return WrittenWord(word, hand, line, place, np.zeros((1, 2)))


def of(found):
    return {word: {frozenset((a.line, b.line)) for a, b in two} for word, two in found.items()}


def test_pairs():
    some = [
        make("the", "a", 1),
        make("the", "a", 1),
        make("the", "a", 2),
        make("the", "b", 3),
        make("and", "b", 3),
    ]
    everything = {"one_text": False, "most": 99, "seed": 0}
    assert of(pairs(some, one_hand=True, **everything)) == {"the": {frozenset((1, 2))}}
    assert of(pairs(some, one_hand=False, **everything)) == {"the": {frozenset((1, 3)), frozenset((2, 3))}}


def test_pairs_of_one_place_in_a_text():
    some = [make("the", "a", line, place) for line in range(3) for place in "xy"]
    found = pairs(some, one_hand=True, one_text=True, most=99, seed=0)["the"]
    assert len(found) == 6 and all(a.place == b.place and a.line != b.line for a, b in found)
    assert len(pairs(some, one_hand=True, one_text=False, most=99, seed=0)["the"]) == 12


def test_each_hand_has_its_share_of_pairs():
    some = [make("the", "many", k) for k in range(20)] + [make("the", "few", 100 + k) for k in range(3)]
    found = pairs(some, one_hand=True, one_text=False, most=6, seed=1)["the"]
    assert [a.hand for a, _ in found].count("few") == 3 and len(found) == 6
    again = pairs(some, one_hand=True, one_text=False, most=6, seed=1)["the"]
    assert of({"the": found}) == of({"the": again})
    assert of({"the": found}) != of(pairs(some, one_hand=True, one_text=False, most=6, seed=2))


def test_comparing_counts_words_alike():
    kinds = {
        "ours": {"the": [0.1] * 5, "and": [0.3] * 50, "rare": [9.0] * 4},
        "theirs": {"the": [0.2] * 5, "and": [0.6] * 5, "rare": [1.0] * 9, "never": [1.0] * 9},
    }
    found = compare(kinds, [("ours", "theirs")])
    assert found.words == ("and", "the") and found.pairs == {"ours": 55, "theirs": 10}
    assert found.means["ours"] == pytest.approx((0.2, 0.1, 0.3))
    assert found.means["theirs"][0] == pytest.approx(0.4)
    assert found.ratios["ours", "theirs"] == pytest.approx((0.5, 0.5, 0.5))
    assert found == compare(kinds, [("ours", "theirs")])


def test_nothing_to_compare():
    found = compare({"ours": {"the": [0.1]}, "theirs": {}}, [("ours", "theirs")])
    assert found.words == () and np.isnan(found.means["ours"]).all()
    assert np.isnan(found.ratios["ours", "theirs"]).all()


def test_lines_of_people():
    ink = Ink.from_strokes([[[0, 0], [1, 1]]])
    texts = ["the cat and I", "no such words", "you and they", "the one", "this and that"]
    samples = [
        Sample(ink, Label(text, f"w{k % 2}", "trainset", source, f"{source}{k}"))
        for source in ("unipen-text", "iam")
        for k, text in enumerate(texts)
    ]
    corpus = Corpus.from_samples(samples, "recognition")
    assert lines_of_people(corpus, ("iam", "unipen-text"), 99, 0).tolist() == [5, 7, 8, 9]
    assert lines_of_people(corpus, ("npy", "unipen-text"), 99, 0).tolist() == [0, 2, 3, 4]
    assert len(lines_of_people(corpus, ("iam",), 2, 0)) == 2
    assert lines_of_people(corpus, ("npy",), 99, 0).tolist() == []


def test_the_lines_have_the_words():
    there = {word.strip(",") for line in variety.LINES for word in line.split()}
    assert variety.WORDS <= there
    assert all(len(line) <= 45 for line in variety.LINES)
