"""Codes stand for characters one to one, and text that cannot be written is explained."""

import string

import numpy as np
import pytest

from strokesynth.alphabet import Alphabet, fold

ALPHABET = Alphabet()


def test_the_alphabet_is_printable_ascii():
    assert ALPHABET.size == 96
    assert set(ALPHABET.characters) == set(string.printable) - set("\t\n\r\x0b\x0c")
    assert [ALPHABET.encode(character).item() for character in " !~"] == [1, 2, 95]
    assert "a" in ALPHABET
    assert "é" not in ALPHABET


def test_codes_and_text_are_inverse():
    codes = ALPHABET.encode(ALPHABET.characters)
    assert codes.dtype == np.int64
    np.testing.assert_array_equal(codes, np.arange(1, 96))
    assert ALPHABET.decode(codes) == ALPHABET.characters
    assert ALPHABET.encode("").shape == (0,)
    assert ALPHABET.decode([]) == ""


def test_the_end_mark_and_padding_close_a_text():
    codes = ALPHABET.encode("Hi", with_end=True)
    np.testing.assert_array_equal(codes, [41, 74, 0])
    assert ALPHABET.decode(codes) == "Hi"
    assert ALPHABET.decode(np.pad(codes, (0, 5))) == "Hi"
    np.testing.assert_array_equal(ALPHABET.encode("", with_end=True), [0])


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([1, 96], "from 0 to 95, got 96 at position 1"),
        ([3, -1], "got -1 at position 1"),
        ([1, 0, 2], "end mark .* at position 1"),
        ([1.0, 2.0], "1-D array of integers, got shape .* of float64"),
        ([[1, 2]], r"shape \(1, 2\)"),
    ],
)
def test_codes_that_are_none(codes, message):
    with pytest.raises(ValueError, match=message):
        ALPHABET.decode(codes)


def test_an_alphabet_of_its_own():
    alphabet = Alphabet("ba")
    assert alphabet.size == 3
    np.testing.assert_array_equal(alphabet.encode("ab"), [2, 1])
    with pytest.raises(ValueError, match="more of 'a'"):
        Alphabet("aba")
    with pytest.raises(ValueError, match="at least one"):
        Alphabet("")
    with pytest.raises(ValueError, match="'c'.*What can: 'ba'"):
        alphabet.encode("abc")


@pytest.mark.parametrize(
    ("text", "message"), [("", "is empty"), ("   ", "only blanks"), ("\n\t", "only blanks")]
)
def test_nothing_to_write(text, message):
    with pytest.raises(ValueError, match=message):
        ALPHABET.check(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Café", r"'é' \(LATIN SMALL LETTER E WITH ACUTE\) at position 3: write 'e' instead"),
        ("Cafe\N{COMBINING ACUTE ACCENT}", "COMBINING ACUTE ACCENT.* at position 4: leave it out"),
        ("“no”", r"LEFT DOUBLE QUOTATION MARK\) at position 0: write '\"' instead"),
        ("Straße", "LATIN SMALL LETTER SHARP S.*write 'ss' instead"),
        ("5 €", "EURO SIGN.*write 'EUR' instead"),
        ("a漢b", "CJK.*at position 1: no near equivalent"),
        ("a\tb", "TAB.*at position 1: write ' ' instead"),
        ("one\ntwo", "LINE FEED.*at position 3: write each line by itself"),
        ("\x07", r"U\+0007.*no near equivalent"),
        ("ééxé", "at positions 0, 1, 3:"),
        ("é漢", "'é'.*'漢'"),
        ("é" * 30, "at positions 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 …:"),
        ("абвгдежзийкл", "'и'.*; and 2 more characters. What can: printable ASCII$"),
    ],
)
def test_what_cannot_be_written_is_named_with_what_can(text, message):
    with pytest.raises(ValueError, match=message):
        ALPHABET.check(text)
    with pytest.raises(ValueError, match=message):
        ALPHABET.encode(text)


def test_what_can_be_written_passes():
    ALPHABET.check(" a ")
    ALPHABET.check(ALPHABET.characters)


def test_suggestions_can_be_written():
    odd = [chr(code) for code in range(0x80, 0x2FFF)]
    suggestions = {character: ALPHABET.suggest(character) for character in odd}
    assert all(set(s) <= set(ALPHABET.characters) for s in suggestions.values() if s is not None)
    letters = {c: s for c, s in suggestions.items() if "À" <= c <= "ÿ"}
    assert all(letters.values()), "every letter of Latin-1 has one"
    assert letters["Ü"] == "U"
    assert suggestions["α"] is None


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("plain, as it is! ~`", "plain, as it is! ~`"),
        ("‘It’s “fine”’ «so»", '\'It\'s "fine"\' "so"'),
        ("1999–2001 — a‐b −5", "1999-2001 - a-b -5"),
        ("wait…", "wait..."),
        ("a\u00a0b\u2009c\u3000d\u202fe", "a b c d e"),
        ("so\u00adft\u200b\ufeff", "soft"),
        ("ﬁﬂ x² ½ Ａ ™ 5′ 6″", "fifl x2 1/2 A TM 5' 6\""),
        ("it´s", "it's"),
        ("e\N{COMBINING ACUTE ACCENT}", "é"),
        ("tab\tand\nline", "tab\tand\nline"),
    ],
)
def test_folding(text, folded):
    assert fold(text) == folded
    assert fold(folded) == folded
