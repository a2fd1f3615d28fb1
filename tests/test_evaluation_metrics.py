"""Error rates against a plain dynamic programme and by hand."""

import numpy as np
import pytest

from strokesynth.evaluation.metrics import (
    Confusion,
    Edits,
    canonical,
    character_edits,
    confusions,
    error_rate,
    word_edits,
)


def distance(a, b):
    """Levenshtein distance as the textbook has it."""
    table = np.zeros((len(a) + 1, len(b) + 1), int)
    table[:, 0], table[0] = np.arange(len(a) + 1), np.arange(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            change = table[i - 1, j - 1] + (a[i - 1] != b[j - 1])
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, change)
    return table[-1, -1]


def random_texts(rng, count):
    return ["".join(rng.choice(list("abc .")) for _ in range(rng.integers(0, 12))) for _ in range(count)]


def test_edits_of_random_texts():
    rng = np.random.default_rng(0)
    written, read = random_texts(rng, 200), random_texts(rng, 200)
    tidy = [(canonical(a), canonical(b)) for a, b in zip(written, read, strict=True)]
    characters, words = character_edits(written, read), word_edits(written, read)
    assert characters.edits.tolist() == [distance(a, b) for a, b in tidy]
    assert characters.lengths.tolist() == [len(a) for a, _ in tidy]
    assert words.edits.tolist() == [distance(a.split(), b.split()) for a, b in tidy]
    assert words.lengths.tolist() == [len(a.split()) for a, _ in tidy]


def test_what_counts():
    assert canonical("  a   b\t") == "a b"
    assert canonical("“It’s”") == "“It’s”"
    assert character_edits(["a  b "], [" a b"]).edits.tolist() == [0]
    assert character_edits(["The end."], ["the end"]).edits.tolist() == [2]  # case and punctuation
    assert word_edits(["The end."], ["the end"]).edits.tolist() == [2]
    assert character_edits(["it’s"], ["it's"]).edits.tolist() == [1]


def test_the_rate_is_of_all_lines_together():
    rate = error_rate(character_edits(["abcdefgh", "ab"], ["abcdefgh", "xy"]))
    assert (rate.edits, rate.length, rate.rate) == (2, 10, 0.2)  # not the mean of 0 and 1
    assert 0.0 <= rate.low <= rate.rate <= rate.high <= 1.0
    assert str(rate).startswith("20.00 % (")


def test_interval_of_independent_lines():
    """Against the normal approximation: n lines of one character, each wrong with probability p."""
    rng = np.random.default_rng(1)
    n, p = 4000, 0.1
    wrong = (rng.random(n) < p).astype(int)
    rate = error_rate(Edits(wrong, np.ones(n, int)))
    spread = 1.96 * np.sqrt(rate.rate * (1 - rate.rate) / n)
    assert rate.low == pytest.approx(rate.rate - spread, abs=0.1 * spread)
    assert rate.high == pytest.approx(rate.rate + spread, abs=0.1 * spread)


def test_interval_of_writers_is_wider_where_they_differ():
    wrong = np.repeat([0, 1] * 10, 50)  # ten writers are read, ten are not
    writers = np.repeat(np.arange(20), 50).tolist()
    lines, hands = Edits(wrong, np.ones(1000, int)), None
    hands = error_rate(lines, writers)
    alone = error_rate(lines)
    assert hands.rate == alone.rate == 0.5
    spread = 1.96 * np.sqrt(0.25 / 20)
    assert hands.high - hands.low == pytest.approx(2 * spread, rel=0.15)
    assert hands.high - hands.low > 4 * (alone.high - alone.low)
    # One group for each line is the same as none.
    assert error_rate(lines, list(range(1000))) == alone


def test_interval_is_seeded():
    of = character_edits(["abc", "defg", "hi"] * 5, ["abd", "defg", "h"] * 5)
    assert error_rate(of, seed=1) == error_rate(of, seed=1)
    wide, narrow = error_rate(of, level=0.99), error_rate(of, level=0.5)
    assert wide.high - wide.low > narrow.high - narrow.low


def test_nothing_was_written():
    rate = error_rate(character_edits([""], ["abc"]))
    assert rate.edits == 3 and np.isnan(rate.rate)


def test_confusions():
    assert confusions(["aab", "cat", "cat"], ["oob", "at", "cart"]) == [
        Confusion("a", "o", 2),
        Confusion("", "r", 1),
        Confusion("c", "", 1),
    ]
    assert confusions(["same"], [" same "]) == []


def test_bad_calls():
    with pytest.raises(ValueError, match="2 references and 1 readings"):
        character_edits(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="1 lines and 2 groups"):
        error_rate(character_edits(["a"], ["a"]), ["x", "y"])
    with pytest.raises(ValueError, match="level is 95"):
        error_rate(character_edits(["a"], ["a"]), level=95)
