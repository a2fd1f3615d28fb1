from collections import Counter
from random import Random

import numpy as np
import pytest

from strokesynth.datasets import Label, Sample, composition, isolated, phrases
from strokesynth.datasets.isolated import EXTENT, WriterSamples
from strokesynth.ink import Ink

PRINTABLE = "".join(map(chr, range(33, 127)))


def box(width, bottom, top):
    """A rectangle on the baseline y = 0, y down, as one stroke."""
    x, y = np.array([0, 0, 1, 1, 0]) * width, -np.array([bottom, top, top, bottom, bottom])
    return np.stack([x, y], 1).astype(np.float32)


@pytest.fixture
def writer():
    return WriterSamples(
        "w", "trainset", {c: [[box(isolated.WIDTH.get(c, 0.6), *EXTENT[c])]] for c in PRINTABLE}
    )


def test_every_printable_character_has_an_extent():
    assert sorted(EXTENT) == sorted(PRINTABLE)
    assert all(bottom < top for bottom, top in EXTENT.values())


@pytest.mark.parametrize("character", ["x", "h", "g", "-", '"', ",", "~", "."])
def test_place(character):
    bottom, top = EXTENT[character]
    width = isolated.WIDTH.get(character, 0.5)
    recorded = box(width, bottom, top) * 37 + [1000, -400]  # somewhere on a tablet, 37 units an x-height
    (placed,) = isolated.place([recorded], character, 37.0)
    assert np.allclose(placed, box(width, bottom, top), atol=1e-4)


def test_place_keeps_relative_size_within_limits():
    def height(factor):
        (placed,) = isolated.place([box(0.6, 0, 1.65) * factor], "A", 1.0)
        assert placed[:, 1].max() == pytest.approx(0, abs=1e-5)
        return np.ptp(placed[:, 1]) / 1.65

    assert height(1.1) == pytest.approx(1.1, rel=1e-4)
    assert height(5.0) == pytest.approx(1.3, rel=1e-4)
    assert height(0.1) == pytest.approx(0.75, rel=1e-4)


def test_place_a_dot():
    (placed,) = isolated.place([np.array([[5.0, 7.0]])], ".", 10.0)
    assert placed.tolist() == [[0.0, 0.0]]


def test_writer_scale_is_robust():
    samples = [(c, [box(0.5, *EXTENT[c]) * 20]) for c in "abcdefghijklm0123456789"]
    samples[3] = ("d", [box(0.5, *EXTENT["d"]) * 500])
    assert isolated.writer_scale(samples) == pytest.approx(20, rel=1e-4)
    assert isolated.writer_scale([("-", [box(1, 0, 1)])]) == 0


def cross(rng):
    a = np.array([[-0.5, 0.5], [0.5, -0.5]]) + rng.normal(0, 0.04, (2, 2))
    b = np.array([[-0.5, -0.5], [0.5, 0.5]]) + rng.normal(0, 0.04, (2, 2))
    return [a, b]


def ring(rng):
    t = np.linspace(0, 2 * np.pi, 20)
    return [np.stack([np.cos(t), np.sin(t)], 1) * (0.5 + rng.normal(0, 0.03))]


def bar(rng):
    return [np.array([[0, 0.0], [0.7, 0]]) + rng.normal(0, 0.02, (2, 2))]


def test_mislabelled_and_incomplete_samples_are_found():
    rng = np.random.default_rng(0)
    labels = list("x" * 40 + "o" * 40 + "-" * 40)
    inks = [make(rng) for make in (cross, ring, bar) for _ in range(40)]
    labels[7] = "o"  # a cross called o
    inks[50] = bar(rng)  # of an o only a bar
    good = isolated.plausible(labels, inks, [1.0] * len(labels))
    assert not good[7] and not good[50]
    assert good.sum() >= len(good) - 4


def test_characters_by_writer():
    rng = np.random.default_rng(0)

    def sample(writer, text, ink):
        return Sample(
            Ink.from_strokes([s * 50 + 300 for s in ink], text),
            Label(text, writer, "testset", "unipen-chars", ""),
        )

    samples = [sample("a", c, m(rng)) for _ in range(12) for c, m in (("x", cross), ("o", ring), ("-", bar))]
    samples += [sample("b", "x", cross(rng)), sample("a", "xo", cross(rng))]
    found, dropped = isolated.characters_by_writer(samples, least=3, most=10)
    assert [w.writer for w in found] == ["a"] and found[0].split == "testset"
    assert set(found[0].characters) == set("xo-")
    assert dropped["not one printable character"] == 1
    assert dropped["enough of this character by this writer"] == 6
    kept = sum(map(len, found[0].characters.values()))
    assert kept + sum(dropped.values()) == len(samples)
    x = np.concatenate(found[0].characters["x"][0])
    assert x[:, 1].max() == pytest.approx(0, abs=0.05) and 0.7 < np.ptp(x[:, 1]) < 1.35


def test_phrases_are_short_printable_and_hold_everything():
    rng = Random(0)
    texts = [phrases.phrase(rng) for _ in range(4000)]
    assert all(t == t.strip() and t.isascii() and t.isprintable() and t for t in texts)
    assert np.percentile([len(t) for t in texts], 95) <= composition.LONGEST
    counts = Counter("".join(texts))
    assert min(counts[c] for c in PRINTABLE) > 40


def test_compose_places_characters_in_order(writer):
    ink = composition.compose(writer, "Ag, -x", Random(3))
    assert ink.text == "Ag, -x" and len(ink.strokes) == 5
    boxes = [(s[:, 0].min(), s[:, 0].max(), -s[:, 1].max(), -s[:, 1].min()) for s in ink.strokes]
    assert boxes[0][0] == pytest.approx(0, abs=1e-5)
    gaps = [right[0] - left[1] for left, right in zip(boxes, boxes[1:], strict=False)]
    assert min(gaps) > 0.03 and gaps[2] > 0.8 and max(gaps[:2] + gaps[3:]) < 0.7
    for (_, _, bottom, top), character in zip(boxes, "Ag,-x", strict=True):
        assert bottom == pytest.approx(EXTENT[character][0], abs=0.35)
        assert top == pytest.approx(EXTENT[character][1], abs=0.45)


def test_compose_takes_whole_words(writer):
    writer.words = [("and", [box(3.0, 0, 1.7)])]
    ink = composition.compose(writer, '"and", land', Random(0))
    assert len(ink.strokes) == 3 + 1 + 4
    assert ink.strokes[1][:, 0].max() - ink.strokes[1][:, 0].min() == pytest.approx(3, rel=0.2)


def test_compose_names_what_is_missing(writer):
    del writer.characters["&"]
    with pytest.raises(ValueError, match="writer w has no '&'"):
        composition.compose(writer, "a & b", Random(0))
    for text in ("", "  "):
        with pytest.raises(ValueError):
            composition.compose(writer, text, Random(0))


def test_composed_lines_use_all_characters_evenly(writer):
    lines = list(composition.composed_lines(writer, 15_000, Random(0)))
    assert 15_000 <= sum(ink.n_points for ink in lines) < 15_400
    assert all(composition.SHORTEST <= len(ink.text) <= composition.LONGEST for ink in lines)
    counts = Counter("".join(ink.text for ink in lines))
    assert min(counts[c] for c in PRINTABLE) > 0.25 * np.median([counts[c] for c in PRINTABLE])
    again = list(composition.composed_lines(writer, 15_000, Random(0)))
    assert all(a == b for a, b in zip(lines, again, strict=True))


def test_words_of_spaced_letters_stand_further_apart():
    spaced = [box(0.5, 0, 1.0), box(0.5, 0, 1.0) + np.float32([2.5, 0])]
    (ink, *_) = composition.joined_words([("ab", spaced)] * 2, Random(0))
    assert ink.strokes[2][:, 0].min() - ink.strokes[1][:, 0].max() > 2.5 - 0.5


def test_symbols_are_lent_within_a_split_and_letters_never(writer):
    poor, other = (
        WriterSamples("p", "trainset", {"a": writer.characters["a"]}),
        WriterSamples("t", "testset", {"b": [[]]}),
    )
    composition.lend_symbols([poor, writer, other], Random(0))
    assert set(poor.characters) == {"a", *(c for c in PRINTABLE if not c.isalnum())}
    assert set(writer.characters) == set(PRINTABLE) and set(other.characters) == {"b"}


def test_composed_lines_of_a_writer_with_digits_only(writer):
    writer.characters = {c: writer.characters[c] for c in "0123456789"}
    lines = list(composition.composed_lines(writer, 2000, Random(0)))
    assert set("".join(ink.text for ink in lines)) <= set("0123456789 ")


def test_joined_words():
    words = [(w, [box(len(w), 0, 1.0)]) for w in ("one", "two", "three", "fourteen") * 9 + ("x" * 60,)]
    lines = list(composition.joined_words(words, Random(0)))
    assert " ".join(ink.text for ink in lines).split() == [w for w, _ in words]
    for ink in lines:
        texts = ink.text.split()
        assert len(texts) <= 6 and (len(ink.text) <= composition.LONGEST or len(texts) == 1)
        assert len(ink.strokes) == len(texts)
        edges = [(s[:, 0].min(), s[:, 0].max()) for s in ink.strokes]
        assert all(0.75 < b[0] - a[1] < 3.5 for a, b in zip(edges, edges[1:], strict=False))
    assert any(len(ink.text.split()) > 1 for ink in lines)
