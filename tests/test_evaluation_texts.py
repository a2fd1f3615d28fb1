"""Texts of an evaluation: of the kind they are meant to be, and the same from the same seed."""

import string
from collections import Counter

import pytest

from strokesynth.alphabet import PRINTABLE_ASCII
from strokesynth.evaluation import texts
from strokesynth.evaluation.legibility import kind_of


@pytest.mark.parametrize("kind", texts.CLASSES)
def test_lines_are_different_and_writable(kind):
    lines = texts.lines(kind, 300, seed=4)
    assert len(set(lines)) == 300
    for line in lines:
        assert set(line) <= set(PRINTABLE_ASCII) and line == " ".join(line.split())
        assert 5 <= len(line) <= 50


@pytest.mark.parametrize("kind", texts.CLASSES)
def test_the_seed_chooses_the_lines(kind):
    lines = texts.lines(kind, 50, seed=1)
    assert texts.lines(kind, 50, seed=1) == lines
    assert texts.lines(kind, 20, seed=1) == lines[:20]
    assert len(set(lines) & set(texts.lines(kind, 50, seed=2))) < 10


def test_lines_are_of_their_kind():
    lines = {kind: texts.lines(kind, 200, seed=0) for kind in texts.CLASSES}
    assert all(25 <= len(line) <= 50 and kind_of(line) == "letters" for line in lines["sentences"])
    assert all(line[line[0] == '"'].isupper() and line[-1] in ".?!" for line in lines["sentences"])
    assert all(any(c.isupper() for c in line) for line in lines["names"])
    assert all(any(c.isdigit() for c in line) for line in lines["digits"])
    assert all("." in line and " " not in line for line in lines["web"])
    assert sum("@" in line for line in lines["web"]) > 50 < sum("/" in line for line in lines["web"])


def test_sentences_hardly_repeat_their_words():
    words = Counter(
        word.strip('.,;!?"').lower() for line in texts.lines("sentences", 200, 0) for word in line.split()
    )
    assert len(words) > 250
    assert all(times < 50 for word, times in words.items() if word not in ("the", "a"))


def test_soup_has_every_character():
    counts = Counter("".join(texts.lines("soup", 200, seed=0)))
    assert min(counts[c] for c in texts.CHARACTERS) >= 5


@pytest.mark.parametrize("character", texts.CHARACTERS)
def test_a_character_in_its_company(character):
    places = texts.places(character, 30, seed=0)
    assert len(places) == 30 and len({p.text for p in places}) > 5
    for text, at in places:
        assert text[at] == character
        assert set(text) <= set(PRINTABLE_ASCII) and text == " ".join(text.split()) and len(text) < 35
        if character in string.ascii_uppercase:
            assert text[at - 1 : at] in ("", " ")
        elif character.isdigit():
            assert any(c.isdigit() for c in text[:at] + text[at + 1 :] + character)
        elif character.isalpha():
            assert text.replace(",", "").replace(" ", "").isalpha()
    assert texts.places(character, 30, seed=0) == places != texts.places(character, 30, seed=1)


def test_all_characters_are_there_and_have_a_company():
    assert sorted(texts.CHARACTERS) == [chr(k) for k in range(33, 127)]
    assert Counter(map(texts.company, texts.CHARACTERS)) == {
        "words": 26,
        "starts of words, initials": 26,
        "numbers": 10,
        "where it stands in text": 19,
        "code": 13,
    }


def test_what_does_not_exist():
    with pytest.raises(ValueError, match="no class of lines 'poems'; there are sentences"):
        texts.lines("poems", 1, 0)
    with pytest.raises(ValueError, match="count is -1"):
        texts.lines("web", -1, 0)
    for character in (" ", "é", "", "ab"):
        with pytest.raises(ValueError, match="printable ASCII"):
            texts.places(character, 1, 0)
    with pytest.raises(ValueError, match="count is -2"):
        texts.places("a", -2, 0)
