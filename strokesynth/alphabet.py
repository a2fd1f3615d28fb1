"""Text and the codes the networks read: what can be written, and what to write instead.

Code 0 is the end mark, which the synthesis network sees after the last character (and in padding);
codes 1 … 95 are the printable characters of ASCII, blank to tilde, in their order.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

PRINTABLE_ASCII = "".join(map(chr, range(32, 127)))

# What stands for the same thing in ASCII. Unicode's own compatibility forms (NFKC) know no quotes and dashes.
_EQUIVALENTS = {
    "'": "‘’‚‛′´ʹʻʼˈ‹›",
    '"': "“”„‟″«»",
    "-": "‐‑‒–—―−⁃",
    "/": "⁄∕",
    "~": "∼",
    "...": "…",
    " ": "\u1680\u180e",
    # Soft hyphen; marks of zero width, direction and emoji.
    "": "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufe0e\ufe0f\ufeff",
}
_FOLD = str.maketrans({odd: ascii for ascii, odds in _EQUIVALENTS.items() for odd in odds})

# Near enough to suggest, too different to replace unasked. Accents are taken off by rule (NFKD).
_SUGGEST = str.maketrans(
    {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
    | {"đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i"}
    | {"€": "EUR", "£": "GBP", "¥": "JPY", "¢": "ct", "°": "deg", "©": "(c)", "®": "(R)", "×": "x", "÷": "/"}
    | {"•": "-", "·": "-", "¡": "!", "¿": "?", "→": "->", "←": "<-", "\t": " ", "\n": " ", "\r": " "}
)

_SHOWN = 10  # characters an error message goes into, before it only counts


def fold(text: str) -> str:
    r"""`text` with typographic variants replaced by the ASCII characters that mean the same.

    Unicode's compatibility composition (NFKC: ligatures, full-width forms, superscripts, no-break and
    other wide or narrow blanks), then curly quotes, primes and guillemets to straight quotes, dashes
    and the minus sign to "-", the ellipsis to "...", fraction slashes to "/"; invisible marks are
    dropped. Accented letters stay (`Alphabet.check` suggests a replacement), and so do tabs and line ends.

        >>> fold("“It’s ﬁne”\u00a0– she said…")
        '"It\'s fine" - she said...'
    """
    # This comes before NFKC, which would tear "´" into a blank and a combining accent; after it for "½" → "1⁄2".
    return unicodedata.normalize("NFKC", text.translate(_FOLD)).translate(_FOLD)


@dataclass(frozen=True)
class Alphabet:
    """The characters a network can write; character `characters[i]` has code i + 1, the end mark code 0.

    Raises ValueError when `characters` is empty or names a character twice.
    """

    characters: str = PRINTABLE_ASCII

    END: ClassVar[int] = 0

    def __post_init__(self) -> None:
        if not self.characters:
            raise ValueError("an alphabet needs at least one character, got none")
        twice = sorted({c for c in self.characters if self.characters.count(c) > 1})
        if twice:
            raise ValueError(f"an alphabet names every character once, got more of {''.join(twice)!r}")

    @property
    def size(self) -> int:
        """Number of codes, the end mark included: 96 for printable ASCII."""
        return len(self.characters) + 1

    def __len__(self) -> int:
        return self.size

    def __contains__(self, character: object) -> bool:
        return character in self._codes

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {character: code for code, character in enumerate(self.characters, start=1)}

    def encode(self, text: str, *, with_end: bool = False) -> NDArray[np.int64]:
        """The codes of `text`: int64 (len(text),), or (len(text) + 1,) ending in 0 `with_end`.

        Raises ValueError for characters outside the alphabet, as `check`; empty text is an empty array.
        """
        try:
            codes = [self._codes[character] for character in text]
        except KeyError:
            raise ValueError(self._complaint(text)) from None
        return np.array(codes + [self.END] * with_end, dtype=np.int64)

    def decode(self, codes: Sequence[int] | NDArray[np.integer]) -> str:
        """The text of `codes` (n,), whose end marks at the end are left out.

        Raises ValueError for a code that is none, and for an end mark with characters after it.
        """
        numbers = np.asarray(codes)
        if numbers.ndim != 1 or (numbers.size and not np.issubdtype(numbers.dtype, np.integer)):
            raise ValueError(
                f"codes are a 1-D array of integers, got shape {numbers.shape} of {numbers.dtype}"
            )
        wrong = np.flatnonzero((numbers < 0) | (numbers >= self.size))
        if wrong.size:
            raise ValueError(
                f"codes go from 0 to {self.size - 1}, got {numbers[wrong[0]]} at position {wrong[0]}"
            )
        length = int(np.max(np.flatnonzero(numbers), initial=-1)) + 1
        if not numbers[:length].all():
            position = int(np.argmin(numbers[:length]))
            raise ValueError(f"the end mark (code 0) at position {position} has characters after it")
        return "".join(self.characters[code - 1] for code in numbers[:length].tolist())

    def check(self, text: str) -> None:
        """Raise ValueError unless `text` can be written.

        It must not be empty or only blanks, and all of it must be in the alphabet. The message
        names each character that cannot be written, where it stands (counted from 0) and what to write instead.
        """
        if not text:
            raise ValueError("the text is empty: there is nothing to write")
        if not text.strip():
            raise ValueError(f"the text is only blanks ({len(text)} of them): there is nothing to write")
        if any(character not in self._codes for character in text):
            raise ValueError(self._complaint(text))

    def suggest(self, character: str) -> str | None:
        """What can be written for `character`: "" when it can be left out, None when nothing comes near."""
        decomposed = unicodedata.normalize("NFKD", fold(character).translate(_SUGGEST))
        bare = "".join(c for c in decomposed if not unicodedata.combining(c)).translate(_SUGGEST)
        return bare if all(c in self._codes for c in bare) else None

    def _complaint(self, text: str) -> str:
        positions: dict[str, list[int]] = {}
        for position, character in enumerate(text):
            if character not in self._codes:
                positions.setdefault(character, []).append(position)
        known = "printable ASCII" if self.characters == PRINTABLE_ASCII else repr(self.characters)
        return (
            f"the text has characters that cannot be written: {self.describe(positions)}. What can: {known}"
        )

    def describe(self, positions: Mapping[str, Sequence[int]], *, advise: bool = True) -> str:
        """Characters that cannot be written, in words: names, positions (from 0) and what to do about each."""
        reasons = [self._describe(c, where, advise) for c, where in list(positions.items())[:_SHOWN]]
        if len(positions) > _SHOWN:
            reasons.append(f"and {len(positions) - _SHOWN} more characters")
        return "; ".join(reasons)

    def _describe(self, character: str, where: Sequence[int], advise: bool) -> str:
        name = unicodedata.name(character, "") or _CONTROLS.get(character, f"U+{ord(character):04X}")
        shown = ", ".join(map(str, where[:_SHOWN])) + (" …" if len(where) > _SHOWN else "")
        found = f"{character!r} ({name}) at position{'s' * (len(where) > 1)} {shown}"
        if not advise:
            return found
        instead = self.suggest(character)
        advice = {None: "no near equivalent", "": "leave it out"}.get(instead, f"write {instead!r} instead")
        return f"{found}: {'write each line by itself' if character in _LINE_ENDS else advice}"


_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_CONTROLS = {"\t": "TAB", "\n": "LINE FEED", "\r": "CARRIAGE RETURN"}
