"""Transcripts of IAM-OnDB as the ink is spaced."""

from __future__ import annotations

import re

_BEFORE_CLOSING = re.compile(r"\s+(?=[.,;:!?)\]])(?!,,)")  # ,,x" is a German quotation
_AFTER_OPENING = re.compile(r"(?<=[(\[])\s+(?=\S)")
_THOUSANDS = re.compile(r"(?<=\d) , (?=\d{3}\b)")
_PAIR = re.compile(r'""(?=\s?\w)')
_CONTRACTION = re.compile(r"(?<=\w) ' ?(?=(?:s|t|d|m|ll|re|ve)\b)")

# A quotation mark all on its own, or after a colon it should not cling to.
_LOOSE = re.compile(r'(?<!\S)"(?![^\s.,;:!?)])|:"\s')
_MARKS = {'"': re.compile('"'), "'": re.compile(r"(?<!\S)'(?![^\s.,;:!?)])")}


def close_punctuation(text: str) -> str:
    """The transcript without the blanks around punctuation that nobody wrote.

    Some 980 of IAM-OnDB's 11,460 transcripts were typed as separate tokens, often only in part of a line:
    `He said , " It ' s Mr . Gray "` where the ink reads `He said, "It's Mr. Gray"`. Whether a loose quotation
    mark opens or closes follows from the others in the line, which must alternate, and from what stands
    beside it; a lone one between two words may be taken wrongly.

    A transcript that is spaced as written comes back as it is, so this may be applied to all of them. Blanks
    around a dash stay, since a tokenised hyphen cannot be told from one.
    """
    text = _THOUSANDS.sub(",", text)
    text = _BEFORE_CLOSING.sub("", text)
    text = _AFTER_OPENING.sub("", text)
    text = _CONTRACTION.sub("'", text)
    text = _PAIR.sub('" "', text)  # one quotation ends, the next begins
    if _LOOSE.search(text):
        text = _close_quotes(text, '"')
    return _close_quotes(text, "'")


def _close_quotes(text: str, mark: str) -> str:
    """Move opening quotation marks to the word after them and closing ones to what stands before."""
    pieces = _MARKS[mark].split(text)
    hints = [_hint(before, after, mark) for before, after in zip(pieces, pieces[1:], strict=False)]
    if mark == "'" and len(hints) == 1 and re.search(r"s $", pieces[0]) and re.match(r" [a-z]", pieces[1]):
        hints = [-1.0]  # a possessive: the boys ' room
    prior = 0.0 if len(hints) % 2 else 1.5  # an even number of marks is more likely whole quotations
    opens = prior + sum(-hint if i % 2 else hint for i, hint in enumerate(hints)) >= 0
    for i in range(len(hints)):
        before, after = pieces[i], pieces[i + 1]
        if opens and after.strip():
            if before and not before[-1].isspace() and after[0].isspace():
                pieces[i] = before + " "
            pieces[i + 1] = after.lstrip()
        elif not opens and before.strip():
            if before[-1].isspace() and after[:1].isalnum():
                pieces[i + 1] = " " + after
            pieces[i] = before.rstrip()
        opens = not opens
    return mark.join(pieces)


def _hint(before: str, after: str, mark: str) -> float:
    """How much the neighbours of a quotation mark speak for its opening (> 0) or closing (< 0) a quotation.

    before, after: the text up to the marks next to it.
    """
    left, right = before.rstrip(), after.lstrip()
    if right[:1] and right[0] in ".,;:!?)":
        return -3.0
    if left.endswith(":"):
        return 3.0
    if left and left == before:  # clings to the word before, which a typist may do by mistake
        return -1.0 if right[:1].isupper() else -3.0
    if right and right == after:
        return 3.0
    if not left:
        return 2.0
    if not right:
        return -2.0
    if left.endswith(","):
        return 1.0 if right[0].isupper() else -1.0
    return -0.5 if left[-1] in ".?!" else 0.0
