"""Any text as the network can write it: base letters in the alphabet, and marks drawn over them afterwards.

é   base e, mark acute                   ł đ ø   base l d o, a stroke through
ß   spelled out: ss                      ı ¿ €   base i ? C, changed by hand (`strokesynth.synthesis.accents`)
"""

from __future__ import annotations

import itertools
import sys
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from strokesynth.alphabet import Alphabet, fold
from strokesynth.synthesis.accents import MARKS

OnUnsupported = Literal["error", "skip", "replace"]

# Letters and signs that Unicode does not decompose, and that are a letter of the alphabet with something to it.
_DRAWN = {
    **{c: (base, "\u0335") for c, base in zip("đĐðÐħĦŧŦƀɉǤǥƵƶ", "dDdDhHtTbjGgZz")},
    **{"ł": ("l", "\u0337"), "Ł": ("L", "\u0337"), "ø": ("o", "\u0338"), "Ø": ("O", "\u0338")},
    **{"ı": ("i", "ı"), "ȷ": ("j", "ı")},
    **{c: (base, c) for c, base in zip("€£¥¢¿¡°·", "CLYc?!o.")},
}

SPELLED_OUT = {
    **{"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "þ": "th", "Þ": "TH"},
    **{"ŋ": "ng", "Ŋ": "NG", "ĸ": "k", "ə": "e", "Ə": "E", "×": "x", "÷": "/", "•": "-", "μ": "u", "\t": " "},
}
"""What stands for letters and signs that no mark can make of the alphabet's, as is the custom without them."""


class Letter(NamedTuple):
    """One character to write, and what is drawn over it."""

    shown: str  # as it stands in the text: mostly one character, NFC
    base: str  # one character of the alphabet
    marks: str  # keys of `accents.MARKS`, from the letter outwards


class Spelling(NamedTuple):
    """A text in letters."""

    text: str  # what will be read: folded, NFC, spelled out where need be
    base: str  # what the network writes, one character for each letter
    marks: tuple[str, ...]  # of each letter
    places: tuple[int, ...]  # where each letter stands in `text`
    # What was left out or replaced, and where it stood in the text as given.
    unsupported: dict[str, list[int]]


def spell(text: str, alphabet: Alphabet, on_unsupported: OnUnsupported = "error") -> Spelling:
    """The text in letters of the alphabet and marks; the same for all its Unicode forms (NFC, NFD, ...).

    on_unsupported says what happens to characters that cannot be written: "error" names each with its positions;
    "skip" leaves them out; "replace" writes what `Alphabet.suggest` finds, and "?" where it finds nothing.
    Raises ValueError in the first case, and for a text in which nothing is (left) to write.
    """
    letters: list[Letter] = []
    unsupported: dict[str, list[int]] = {}
    for start, cluster in _clusters(text):
        end = start + len(cluster)
        written, wrong = _letters(cluster, alphabet, text[end : end + 1].islower())
        if wrong:
            unsupported.setdefault(wrong, []).append(start + max(cluster.find(wrong), 0))
            if on_unsupported == "replace":
                written = _replaced(cluster, alphabet)
        letters += written
    if unsupported and on_unsupported == "error":
        raise ValueError(
            f"the text has characters that cannot be written: {alphabet.describe(unsupported)}. "
            'supported_characters() lists what can; on_unsupported="replace" or "skip" does without the others'
        )
    base = "".join(letter.base for letter in letters)
    if unsupported and not base.strip():
        raise ValueError(f"nothing is left to write without {alphabet.describe(unsupported)}")
    alphabet.check(base)
    places, end = [], 0
    for letter in letters:
        places.append(end)
        end += len(letter.shown)
    shown = "".join(letter.shown for letter in letters)
    return Spelling(shown, base, tuple(letter.marks for letter in letters), tuple(places), unsupported)


def spell_all(texts: Sequence[str], alphabet: Alphabet, on_unsupported: OnUnsupported) -> list[Spelling]:
    """`spell` for each text, with one warning for what was changed; errors name the line where there are several."""
    spellings, notes = [], []
    for i, text in enumerate(texts):
        where = f"line {i + 1}: " if len(texts) > 1 else ""
        if not isinstance(text, str):
            raise ValueError(f"{where}the text is a str, not {type(text).__name__}")
        try:
            spellings.append(spell(text, alphabet, on_unsupported))
        except ValueError as error:
            raise ValueError(f"{where}{error}") from None
        if spellings[-1].unsupported:
            notes.append(where + alphabet.describe(spellings[-1].unsupported, advise=False))
    warn_of_changes(notes, on_unsupported)
    return spellings


def warn_of_changes(notes: Sequence[str], on_unsupported: OnUnsupported) -> None:
    """One UserWarning for what was left out or replaced, where there is any note of it."""
    if not notes:
        return
    done = "left out" if on_unsupported == "skip" else "replaced"
    more = f"; and in {len(notes) - 5} more lines" if len(notes) > 5 else ""
    message = f"characters that cannot be written were {done}: {'; '.join(notes[:5])}{more}"
    warnings.warn(message, UserWarning, stacklevel=_outside())


@lru_cache
def supported_characters(alphabet: Alphabet | None = None) -> str:
    """All characters that can be written, in the order of their codes.

    Printable ASCII; Latin letters with accents; what means the same as these (quotes, dashes, ligatures,
    blanks of all kinds); and what is written in their place by custom (`SPELLED_OUT`). Combining
    accents go with any letter, and are not listed.
    """
    alphabet = alphabet or Alphabet()
    # Between and beyond are only ideographs, Hangul and private use.
    everything = map(chr, itertools.chain(range(0x20, 0x3400), range(0xF900, 0x20000)))
    return "".join(c for c in everything if (found := _letters.__wrapped__(c, alphabet))[0] and not found[1])


def _clusters(text: str) -> Iterator[tuple[int, str]]:
    """The text as characters with the accents that combine with them, and where each starts."""
    start = 0
    for i in range(1, len(text) + 1):
        if i == len(text) or not unicodedata.combining(text[i]):
            yield start, text[start:i]
            start = i


@lru_cache(maxsize=4096)
def _letters(cluster: str, alphabet: Alphabet, title: bool = False) -> tuple[list[Letter], str]:
    """The letters to write for a character with its accents, and what of it cannot be written, "" if all can.

    `title`: a lower-case letter follows, before which Æ is Ae and not AE.
    """
    letters: list[Letter] = []
    for _, composed in _clusters(fold(cluster)):
        decomposed = unicodedata.normalize("NFD", composed)
        first, accents = decomposed[0], decomposed[1:]
        base, own = _DRAWN.get(first, (first, ""))
        marks = own + accents
        if unknown := [mark for mark in marks if mark not in MARKS or base == " "]:
            return [], unknown[0]
        spelled = SPELLED_OUT.get(base, base)
        spelled = spelled[0] + spelled[1:].lower() if title else spelled
        for i, character in enumerate(spelled):
            if character not in alphabet:
                return [], cluster[0] if composed == fold(cluster) else first
            if i == 0 and spelled != base:
                composed = unicodedata.normalize("NFC", character + marks)
            letters.append(Letter(character if i else composed, character, "" if i else marks))
    return letters, ""


def _replaced(cluster: str, alphabet: Alphabet) -> list[Letter]:
    """The nearest that can be written: without accents nobody knows, or what is suggested, or "?"."""
    known = "".join(c for c in unicodedata.normalize("NFD", cluster) if not _is_strange_mark(c))
    letters, wrong = _letters(known, alphabet)
    if not wrong:
        return letters
    suggestions = [alphabet.suggest(character) for character in cluster]
    text = "".join("?" if suggestion is None else suggestion for suggestion in suggestions)
    return [Letter(c, c, "") for c in text if c in alphabet]


def _is_strange_mark(character: str) -> bool:
    return bool(unicodedata.combining(character)) and character not in MARKS


def _outside() -> int:
    """The stack level of the first caller outside the package, for warnings."""
    level, frame = 2, sys._getframe(2)
    while frame.f_back and str(frame.f_globals.get("__name__", "")).split(".")[0] == "strokesynth":
        level, frame = level + 1, frame.f_back
    return level
