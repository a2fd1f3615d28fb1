"""Lines are taken apart into the words that were typed, whatever the window says at their edges."""

import itertools

import numpy as np
import pytest
from makers import BLANK, type_line

from strokesynth import Ink
from strokesynth.ink.words import _DISSENT, _GAP_CAP, best_cuts, break_word, even_gaps, split_words


def typed(text, seed=0):
    return type_line(text, np.random.default_rng(seed))


def test_words_are_told_apart_and_measured():
    ink = typed("we went,  there (once)")
    words = split_words(ink)
    assert [word.text for word in words] == ["we", "went,", "there", "(once)"]
    assert sum(len(word.points) for word in words) == ink.n_points
    x = 0.0
    for word, blanks in zip(words, (0, 1, 2, 1), strict=True):
        assert word.points[:, 0].min() == 0 and word.points[:, 0].max() == word.width
        np.testing.assert_array_equal(np.repeat(np.arange(len(word.text)), 6), word.characters)
        if blanks:
            np.testing.assert_allclose(word.gap, blanks * BLANK + 0.1, atol=1e-5)
            x += word.gap
        x += word.width
    assert np.isnan(words[0].gap)
    np.testing.assert_allclose(x, ink.bounds[2], rtol=1e-5)


def test_late_and_early_windows_do_not_matter():
    for seed in range(6):
        rng = np.random.default_rng(seed)
        ink = typed("the quick brown fox jumps over a lazy dog", seed)
        places = np.flatnonzero([c != " " for c in ink.text])
        # Up to a whole letter is taken for its neighbour in the text.
        wrong = [
            places[(np.searchsorted(places, c) + rng.integers(-1, 2)).clip(0, len(places) - 1)]
            for c in ink.characters
        ]
        right = split_words(ink)
        for word, other in zip(right, split_words(Ink(ink.strokes, ink.text, tuple(wrong))), strict=True):
            assert word.text == other.text and np.array_equal(word.points, other.points)
            assert other.characters.min() >= 0 and other.characters.max() < len(word.text)


def test_late_strokes_belong_to_the_word_below_them():
    ink = typed("it is")
    dot = [[ink.strokes[0].mean(axis=0)[0], -1.6]]
    dotted = Ink.from_strokes([*ink.strokes, dot], ink.text, [*ink.characters, [4]])
    first, second = split_words(dotted)
    assert first.lengths.tolist() == [6, 6, 1] and second.lengths.tolist() == [6, 6]
    assert first.characters[-1] == 1  # the nearest in its word


def test_a_comma_is_not_lost_to_the_next_word():
    ink = typed("so we")
    end = ink.strokes[1][:, 0].max()
    comma = np.array([[end + 0.8, 0.0], [end + 0.8, 0.1], [end + 0.7, 0.4]])
    shifted = [stroke + (0.5, 0.0) for stroke in ink.strokes[2:]]  # 1.6 to the word before, less to the next
    strokes = [*ink.strokes[:2], comma, *shifted]
    characters = [*ink.characters[:2], [2] * 3, *(c + 1 for c in ink.characters[2:])]
    first, _ = split_words(Ink.from_strokes(strokes, "so, we", characters))
    assert first.text == "so," and first.lengths.tolist() == [6, 6, 3]


def test_words_that_cannot_be_told_apart():
    ink = typed("we went")
    joined = Ink.from_strokes([np.concatenate(ink.strokes)], ink.text, [np.concatenate(ink.characters)])
    assert split_words(joined) == []
    with pytest.raises(ValueError, match="does not say any"):
        split_words(Ink(ink.strokes))


def score(cuts, left, right, votes):
    """What a cut is worth, plainly."""
    total = 0.0
    for w, (a, b) in enumerate(itertools.pairwise(cuts)):
        total -= _DISSENT * np.delete(votes[a:b], w, axis=1).sum()
        if 0 < a < b:
            total += min(left[a:].min() - right[:a].max(), _GAP_CAP)
    return total


def test_cuts_are_the_best_of_all():
    rng = np.random.default_rng(3)
    for _ in range(60):
        strokes, words = rng.integers(3, 8), rng.integers(1, 4)
        left = np.sort(rng.uniform(0, 6, strokes))
        right = left + rng.uniform(0, 1.5, strokes)
        votes = rng.integers(0, 25, (strokes, words)) * (rng.random((strokes, words)) < 0.6)
        inner = itertools.combinations_with_replacement(range(strokes + 1), words - 1)
        best = max(score((0, *cuts, strokes), left, right, votes) for cuts in inner)
        found = best_cuts(left, right, votes)
        assert found[0] == 0 and found[-1] == strokes and len(found) == words + 1
        np.testing.assert_allclose(score(found, left, right, votes), best)


def test_blanks_are_made_even():
    words = split_words(typed("a b c d e f"))
    slips = [words[0], words[1]._replace(gap=-0.4), words[2]._replace(gap=9.0), *words[3:]]
    usual = np.median([word.gap for word in slips[1:]])
    gaps = [word.gap for word in even_gaps(slips)]
    np.testing.assert_allclose(gaps[:3], usual * np.array([1.0, 0.7, 1.4]))
    assert gaps[3:] == [word.gap for word in words[3:]]
    assert even_gaps(words[:1])[0].gap > 0


def pieces_of(word, room):
    parts = []
    while word.width > room:
        part, word = break_word(word, room)
        parts.append(part)
        if word is None:
            return parts
    return [*parts, word]


@pytest.mark.parametrize("room", [2.5, 4.0, 7.7, 100.0])
def test_broken_words_lose_nothing(room):
    (word,) = split_words(typed("Donaudampfschifffahrt"))
    parts = pieces_of(word, room)
    assert "".join(part.text.removesuffix("-") for part in parts) == word.text
    assert all(part.text.endswith("-") for part in parts[:-1])
    assert all(part.width <= room for part in parts)
    hyphens = len(parts) - 1
    assert sum(len(part.points) for part in parts) == len(word.points) + 3 * hyphens
    assert sum(len(part.lengths) for part in parts) == len(word.lengths) + hyphens
    for part in parts:
        assert part.lengths.sum() == len(part.points) == len(part.characters)
        assert part.characters.max() < len(part.text) and part.points[:, 0].min() == 0


def test_each_part_takes_as_much_as_fits():
    (word,) = split_words(typed("abcdefghijklmnopqrstuvwxyz"))
    room = 6.0
    first, _ = break_word(word, room)
    count = len(first.text) - 1
    width = word.points[word.characters <= count][:, 0].max()  # with one letter more
    assert width + 0.8 > room >= first.width


def test_a_joined_word_is_cut_through_its_stroke():
    (word,) = split_words(typed("incredulity"))
    joined = word._replace(lengths=np.array([len(word.points)]))
    parts = pieces_of(joined, 4.0)
    assert [len(part.lengths) for part in parts] == [2] * (len(parts) - 1) + [1]
    assert sum(len(part.points) for part in parts) == len(word.points) + 3 * (len(parts) - 1)


def test_a_sign_shows_the_break_by_itself():
    (word,) = split_words(typed("https://example.org/letters"))
    parts = [part.text for part in pieces_of(word, 20.0)]
    assert parts == ["https://example.org/", "letters"]


def test_what_cannot_be_broken_is_made_smaller():
    (word,) = split_words(typed("W"))
    (small,) = pieces_of(word, 0.3)
    np.testing.assert_allclose(small.width, 0.3)
    np.testing.assert_allclose(
        small.points[:, 1] / word.points[:, 1].min(),
        word.points[:, 1] / word.points[:, 1].min() * 0.3 / word.width,
    )
