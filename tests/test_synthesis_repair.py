"""Repair: bad words are replaced by their best writing, and nothing else changes."""

import math

import numpy as np
import pytest
from makers import type_line

from strokesynth.ink import Ink
from strokesynth.ink.words import split_words
from strokesynth.synthesis.pieces import WrittenPiece
from strokesynth.synthesis.proofread import ROUNDS, Proofreader, Repair


class Narrow(Proofreader):
    """Can read words whose characters are narrower than a limit; the narrower the better."""

    def __init__(self, limit):
        super().__init__(limit=limit)

    def word_nlls(self, texts, inks):
        return [np.array([word.width for word in split_words(ink)] or [math.inf]) for ink in inks]

    def readable(self, word, nll):
        return nll <= self.limit * len(word)


class Writer:
    """Types each text twice a round, and reads it."""

    def __init__(self, reader):
        self.reader, self.rng, self.calls, self.words = reader, np.random.default_rng(1), [], {}

    def __call__(self, texts):
        self.calls.append(list(texts))
        inks = [[type_line(text, self.rng) for _ in range(2)] for text in texts]
        for word in (word for own in inks for ink in own for word in split_words(ink)):
            self.words.setdefault(word.text, []).append(word.width)
        return [
            [WrittenPiece(ink, None, self.reader.word_nlls([text], [ink])[0]) for ink in own]
            for text, own in zip(texts, inks, strict=True)
        ]


def repaired(pieces, reader, writer):
    """The pieces after all rounds."""
    repair = Repair(pieces, reader)
    for _ in range(ROUNDS):
        if texts := repair.wanted():
            repair.take(writer(texts))
    return repair.pieces()


def read(text, reader, seed):
    ink = type_line(text, np.random.default_rng(seed))
    return text, WrittenPiece(ink, None, reader.word_nlls([text], [ink])[0])


def test_readable_pieces_stay_as_they_are():
    writer = Writer(reader := Narrow(10.0))
    pieces = [read("some words", reader, 0), read("and more", reader, 1)]
    assert repaired(pieces, reader, writer) == [writing for _, writing in pieces] and not writer.calls


def test_of_each_bad_word_the_best_writing_is_kept():
    writer = Writer(reader := Narrow(0.0))  # never content
    pieces = [read("some words to", reader, 0), read("write", reader, 1)]
    before = {w.text: w.width for _, piece in pieces for w in split_words(piece.ink)}
    result = repaired(pieces, reader, writer)
    assert writer.calls == [["some words to write"]] * ROUNDS
    after = {w.text: w.width for writing in result for w in split_words(writing.ink)}
    for word, width in after.items():
        assert width == pytest.approx(min([before[word], *writer.words[word]]), rel=1e-5)
    assert [writing.ink.text for writing in result] == ["some words to", "write"]
    for writing, words in zip(result, (["some", "words", "to"], ["write"]), strict=True):
        assert writing.word_nlls == pytest.approx([after[word] for word in words], rel=1e-5)
        assert writing.ink.bounds[0] == 0.0


def test_only_what_is_bad_is_replaced_and_the_blanks_stay():
    reader = Narrow(0.85)
    pieces = [read("iiiii wide iii wide iiii", reader, 3)]
    old = split_words(pieces[0][1].ink)
    bad = [not reader.readable(w.text, w.width) for w in old]
    assert 0 < sum(bad) < 5
    writer = Writer(reader)
    (result,) = repaired(pieces, reader, writer)
    new = split_words(result.ink)
    asked = [word for word, weak in zip([w.text for w in old], bad, strict=True) if weak]
    assert writer.calls[0] == [" ".join(asked)]
    for a, b, weak in zip(old, new, bad, strict=True):
        assert b.width < a.width if weak else np.allclose(a.points, b.points, atol=1e-5)
    usual = np.median([w.gap for w in old[1:]])
    assert [w.gap for w in new[1:]] == pytest.approx(
        [np.clip(w.gap, 0.7 * usual, 1.4 * usual) for w in old[1:]], rel=1e-4
    )


def test_words_that_ran_into_each_other_are_all_written_again():
    reader = Narrow(10.0)
    one_stroke = Ink.from_strokes([[[0, 0], [1, -1], [2, 0]]], "ab cd", [[0, 1, 3]])
    assert split_words(one_stroke) == []
    writer = Writer(reader)
    unread = WrittenPiece(one_stroke, None, np.array([math.inf, math.inf]))
    (result,) = repaired([("ab cd", unread)], reader, writer)
    assert writer.calls == [["ab cd"]]
    assert [word.text for word in split_words(result.ink)] == ["ab", "cd"]


def test_many_bad_words_are_written_in_lines_of_some():
    writer = Writer(reader := Narrow(0.0))
    repaired([read("abcdefghi " * 9 + "x", reader, 0)], reader, writer)
    lines = writer.calls[0]
    assert " ".join(lines).split() == ["abcdefghi"] * 9 + ["x"] and len(lines) == 3
    assert max(map(len, lines)) <= 41


def test_what_was_never_well_written_stays():
    reader = Narrow(0.0)
    piece = read("some words", reader, 0)
    assert repaired([piece], reader, lambda texts: [[] for _ in texts]) == [piece[1]]
    with pytest.raises(ValueError, match="this one was not"):
        Repair([("a", WrittenPiece(piece[1].ink))], reader)
