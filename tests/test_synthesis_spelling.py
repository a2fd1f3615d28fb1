"""Any text becomes base letters and marks, or is refused by name."""

import unicodedata
import warnings

import pytest

from strokesynth.alphabet import PRINTABLE_ASCII, Alphabet
from strokesynth.synthesis.accents import MARKS
from strokesynth.synthesis.spelling import spell, spell_all, supported_characters

ALPHABET = Alphabet()
LATIN = [chr(code) for code in range(0xC0, 0x180) if chr(code).isalpha()]


@pytest.mark.parametrize(
    ("text", "shown", "base"),
    [
        ("plain text", "plain text", "plain text"),
        ("naïve", "naïve", "naive"),
        ("Čapek, Łódź", "Čapek, Łódź", "Capek, Lodz"),
        ("“Où?” – ﬁn…", '"Où?" - fin...', '"Ou?" - fin...'),
        ("Straße", "Strasse", "Strasse"),
        ("Ærø, ÆRØ, Þór", "Aerø, AERØ, Thór", "Aero, AERO, Thor"),
        ("ǽ", "áe", "ae"),  # æ with an acute
        ("ĳ ŀ ŉ ſ", "ij l· 'n s", "ij l. 'n s"),
        ("5 €, 20°", "5 €, 20°", "5 C, 20o"),
        ("tab\tand\u00a0blank", "tab and blank", "tab and blank"),
        ("zero\u200bwidth", "zerowidth", "zerowidth"),
    ],
)
def test_texts(text, shown, base):
    spelling = spell(text, ALPHABET)
    assert (spelling.text, spelling.base, spelling.unsupported) == (shown, base, {})
    assert len(spelling.marks) == len(spelling.places) == len(base)
    assert all(
        shown[place] == c for place, c, marks in zip(spelling.places, base, spelling.marks) if not marks
    )


def test_marks_are_listed_from_the_letter_outwards():
    assert spell("aế", ALPHABET).marks == ("", "\u0302\u0301")
    assert spell("ǿđ", ALPHABET).marks == ("\u0338\u0301", "\u0335")


def test_a_letter_may_have_no_composed_form():
    spelling = spell("aj\u0301b", ALPHABET)
    assert spelling.text == "aj\u0301b" and spelling.base == "ajb"
    assert spelling.places == (0, 1, 3)


@pytest.mark.parametrize("letter", LATIN)
def test_latin_letters_are_writable(letter):
    spelling = spell(letter, ALPHABET)
    parts = unicodedata.normalize("NFD", letter)
    if len(parts) > 1:
        assert spelling.text == letter
        assert (spelling.base, spelling.marks) == (parts[0], (parts[1:],)) or parts[0] not in ALPHABET


@pytest.mark.parametrize("text", ["Dvořák señor", "ộ ǖ", "Ångström", "ﬁancée"])
def test_all_forms_of_unicode_are_the_same(text):
    spellings = {
        spell(unicodedata.normalize(form, text), ALPHABET)[:4] for form in ("NFC", "NFD", "NFKC", "NFKD")
    }
    assert len(spellings) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("abc 漢 def", r"'漢' .* at position 4: no near equivalent"),
        ("e\u0301\u0301\u0489", r"U\+0489|'\u0489' .* at position 3"),
        ("…שלום", r"'ש' \(HEBREW LETTER SHIN\) at position 1: no near"),
        ("a\x07", r"U\+0007\) at position 1"),
        ("two\nlines", "LINE FEED.*position 3: write each line by itself"),
        ("two\u2028lines", "LINE SEPARATOR.* at position 3: write each line by itself"),
        ("\u0301a", "COMBINING ACUTE ACCENT.* at position 0"),
        (" \u0301a", "COMBINING ACUTE ACCENT.* at position 1"),
        ("", "is empty"),
        ("\u200b", "is empty"),
        (" \u00a0\t", "only blanks"),
    ],
)
def test_what_cannot_be_written(text, message):
    with pytest.raises(ValueError, match=message):
        spell(text, ALPHABET)


def test_positions_are_those_of_the_text_as_given():
    with pytest.raises(ValueError, match="at positions 5, 8"):
        spell("½…é\u0301 漢 …漢", ALPHABET)


@pytest.mark.parametrize(
    ("text", "mode", "shown"),
    [
        ("a漢b", "skip", "ab"),
        ("a漢b", "replace", "a?b"),
        ("a→b ©", "replace", "a->b (c)"),
        ("a→b ©", "skip", "ab "),
        ("é\u0310", "replace", "é"),
        ("one\ntwo", "replace", "one two"),
        ("naïve", "replace", "naïve"),
    ],
)
def test_skipping_and_replacing(text, mode, shown):
    assert spell(text, ALPHABET, mode).text == shown


def test_nothing_may_be_left():
    with pytest.raises(ValueError, match="nothing is left to write without '漢'"):
        spell("漢 字", ALPHABET, "skip")


def test_changes_are_warned_of_once():
    with pytest.warns(
        UserWarning, match=r"were left out: line 2: '漢' .* at position 0; line 3: '→'"
    ) as caught:
        spellings = spell_all(["good", "漢a", "b→"], ALPHABET, "skip")
    assert len(caught) == 1 and caught[0].filename == __file__
    assert [spelling.text for spelling in spellings] == ["good", "a", "b"]
    with pytest.warns(UserWarning, match="were replaced: '→' .* at position 1$"):
        spell_all(["b→"], ALPHABET, "replace")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        spell_all(["é“ß”"], ALPHABET, "replace")


def test_bad_arguments():
    with pytest.raises(ValueError, match="line 2: the text is a str, not int"):
        spell_all(["a", 5], ALPHABET, "error")


def test_all_supported_characters_can_be_spelled():
    supported = supported_characters()
    assert supported.startswith(PRINTABLE_ASCII) and set(LATIN) <= set(supported)
    assert set("“”‘’–—…ﬁß€¿¡°·") <= set(supported) and not set("漢אд\n\x07\u200b\u0301") & set(supported)
    assert len(supported) == len(set(supported)) and list(supported) == sorted(supported)
    for character in supported[::7]:
        assert not spell(f"a{character}", ALPHABET).unsupported


def test_other_alphabets_have_other_texts():
    alphabet = Alphabet("abco e")
    assert spell("cab é", alphabet).base == "cab e"
    with pytest.raises(ValueError, match="'n'"):
        spell("ñ n", alphabet)
    assert supported_characters(alphabet)[:6] == " abceo"


def test_marks_have_points():
    assert all(mark.strokes or mark.place == "shape" for mark in MARKS.values())
