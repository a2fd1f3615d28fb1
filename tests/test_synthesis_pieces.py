"""Long lines are cut and put together; what is not theirs is taken off, and they are made level."""

import numpy as np
import pytest

from strokesynth.alphabet import Alphabet
from strokesynth.ink import Ink
from strokesynth.nn.sampling import SampledLine
from strokesynth.synthesis import pieces as pieces_module
from strokesynth.synthesis.pieces import (
    PIECE_LENGTH,
    Line,
    after_style,
    collapsed,
    cut_pieces,
    put_together,
    settle,
    window_of,
)
from strokesynth.synthesis.spelling import spell

ALPHABET = Alphabet()


def sampled(text: str, points, owners, ends, blank=False) -> SampledLine:
    """What the network might have written: points (n, 2), the letter each belongs to, and where strokes end."""
    points = np.array(points, np.float64)
    offsets = np.zeros((len(points), 3), np.float32)
    offsets[:, :2] = np.diff(points, axis=0, prepend=0.0)
    offsets[ends, 2] = 1.0
    window = np.eye(len(text) + 1 + blank, dtype=np.float32)[owners]
    return SampledLine(offsets, window[:, :-1].argmax(1), window, True)


def zigzag(text: str, x_height=1.0, advance=1.0, slope=0.0):
    """A stroke down and up for each letter, one stroke for each letter, as `sampled`."""
    points, owners, ends = [], [], []
    for k, c in enumerate(text):
        if c != " ":
            x = k * advance
            shape = [(x, -1), (x + 0.2, 0), (x + 0.4, -1), (x + 0.6, 0)]
            points += [(px, py * x_height + slope * px) for px, py in shape]
            owners += [k] * 4
            ends.append(len(points) - 1)
    return sampled(text, points, owners, ends)


def line_of(text: str, writing, spelled=None) -> Line:
    spelling = spell(spelled or text, ALPHABET)
    return Line(
        spelling,
        [(piece, settle(writing(piece.text), piece.text), 5) for piece in cut_pieces(0, spelling.base)],
    )


# --- pieces ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "short",
        "  two   words ",
        "x" * PIECE_LENGTH,
        "x" * (PIECE_LENGTH + 1),
        "y" * 1000,
        "a word and " + "z" * 150 + " then  on " * 20,
        "it was the best of times, " * 200,
    ],
)
def test_pieces_cover_the_text_once(text):
    pieces = cut_pieces(7, text)
    covered = [i for piece in pieces for i in piece.places]
    assert covered == sorted(set(covered))
    assert [i for i in covered if text[i] != " "] == [i for i, c in enumerate(text) if c != " "]
    for piece in pieces:
        assert piece.line == 7
        assert piece.text == "".join(text[i] for i in piece.places) == " ".join(piece.text.split())
        # A piece can be longer by half a word at each end, where no word is longer than a piece.
        assert len(piece.text) <= 2 * PIECE_LENGTH
        assert piece.start == piece.places[0]
    if len(text.strip()) <= PIECE_LENGTH:
        assert len(pieces) == 1


def test_ordinary_pieces_are_of_even_length():
    lengths = [len(piece.text) for piece in cut_pieces(0, "it was the best of times, " * 200)]
    assert max(lengths) <= PIECE_LENGTH + 6 and min(lengths) >= PIECE_LENGTH - 10


def test_words_are_cut_only_where_they_must_be():
    pieces = cut_pieces(0, "begin " + "x" * 100 + " end")
    assert [piece.gap for piece in pieces[1:]] == [pieces_module.LETTER_GAP]
    assert all(piece.gap == pieces_module.WORD_GAP for piece in cut_pieces(0, "many words " * 30)[1:])


def test_characters_index_the_text_with_its_accents():
    text = "aj\u0301 é " + "mn " * 40
    ink, origin = put_together(line := line_of(text, zigzag))
    assert ink.text == text
    owners = np.concatenate(ink.characters)
    assert {ink.text[i] for i in owners} == set("ajémn")
    window = window_of(line, ink, origin)
    assert window.shape == (ink.n_points, len(text) + 1)
    assert np.array_equal(window.argmax(1), owners)
    written = origin[origin >= 0]
    assert np.array_equal(written, np.sort(written)) and (owners[origin < 0] <= 4).all()


# --- after a style -------------------------------------------------------------------------------------


def test_a_late_dot_of_the_style_is_left_out():
    points = [(0.2, -1.5), (2, -1), (2, 0), (3, -1), (3, 0)]
    written = sampled("ab", points, [0, 0, 1, 2, 2], [0, 2, 4], blank=True)
    kept = after_style(written, "ab")
    np.testing.assert_allclose(kept.offsets[:, :2].cumsum(0), points[1:])
    assert kept.characters.tolist() == [0, 0, 1, 1] and kept.window.shape == (4, 3)
    # Before a mark, a dot may be the mark itself.
    assert len(after_style(written, ":b").offsets) == 5


def test_a_stroke_far_to_the_left_of_its_letter_is_left_out():
    points = [(0.0, -1.0), (0.5, -1.0), (2, -1), (2, 0), (3, -1), (3, 0)]
    kept = after_style(sampled("ab", points, [0, 1, 1, 1, 2, 2], [1, 3, 5], blank=True), "ab")
    np.testing.assert_allclose(kept.offsets[:, :2].cumsum(0), points[2:])
    # It may be all there is of the letter, though.
    assert (
        len(after_style(sampled("ab", points, [0, 1, 2, 2, 2, 2], [1, 3, 5], blank=True), "ab").offsets) == 6
    )


def test_no_letter_begins_with_a_dot():
    points = [(1.9, -1.0), (2, -1), (2, 0), (3, -1), (3, 0)]
    kept = after_style(sampled("ab", points, [1, 1, 1, 2, 2], [0, 2, 4], blank=True), "ab")
    np.testing.assert_allclose(kept.offsets[:, :2].cumsum(0), points[1:])


def test_a_stroke_that_reaches_the_text_is_kept():
    written = sampled("ab", [(2, -1), (2, 0), (3, -1), (3, 0)], [0, 1, 2, 2], [1, 3], blank=True)
    assert len(after_style(written, "ab").offsets) == 4
    never = sampled("ab", [(2, -1), (2, 0)], [0, 0], [1], blank=True)
    assert len(after_style(never, "ab").offsets) == 2


# --- level -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slope", [0.0, 0.04, -0.05])
def test_lines_are_level(slope):
    text = "reason can move us soon"
    ink, _ = put_together(line_of(text, lambda t: zigzag(t, slope=slope)))
    tops, bottoms = [s[[0, 2], 1] for s in ink.strokes], [s[[1, 3], 1] for s in ink.strokes]
    assert np.abs(np.concatenate(tops) + 1).max() < 0.12 and np.abs(np.concatenate(bottoms)).max() < 0.12


def test_short_lines_are_left_alone():
    ink, _ = put_together(line_of("no", lambda t: zigzag(t, slope=0.1)))
    np.testing.assert_allclose(
        np.concatenate(ink.strokes), zigzag("no", slope=0.1).offsets[:, :2].cumsum(0), atol=1e-6
    )


# --- collapsed lines --------------------------------------------------------------------------------------


def along(advances: list[float]) -> SampledLine:
    """A line of one point a character, each `advances` x-heights from the one before."""
    x = np.cumsum(advances)
    return sampled("x" * len(x), np.column_stack([x, 0 * x]), np.arange(len(x)), [-1])


def test_a_collapsed_line_is_one_whose_pen_stands_still():
    assert not collapsed(along([1.0] * 30))
    assert not collapsed(along([0.5] * 30))
    assert not collapsed(along([1.0] * 10 + [0.0] * 3 + [1.0] * 10))  # a late crossing, say
    assert collapsed(along([1.0] * 10 + [0.1] * 12 + [1.0] * 10))
    assert not collapsed(along([0.1] * 5))  # too short to tell


def test_lines_are_inks():
    assert isinstance(put_together(line_of("ab", zigzag))[0], Ink)
