"""Pages of writing: a text of any length in one style, written in pieces and laid out. See `write_page`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from strokesynth._checks import seed_sequence
from strokesynth.ink import Ink
from strokesynth.ink.words import Word, even_gaps, split_words
from strokesynth.page.layout import Layout, Paragraph, Passage, lay_out, read_passages, vary
from strokesynth.page.page import Page, Sheet
from strokesynth.page.paper import Paper
from strokesynth.synthesis.options import WordReader, WritingOptions
from strokesynth.synthesis.spelling import OnUnsupported, spell, warn_of_changes
from strokesynth.synthesis.style import Style, styles

if TYPE_CHECKING:
    from strokesynth.alphabet import Alphabet

PAGE_PIECE_LENGTH = 40
"""Characters written in one go, about: many short pieces at once are faster than few long ones."""

_BATCH = 64
_PRIMER = "the quick brown fox jumps over"  # chooses a hand where there is no style


class LineWriter(Protocol):
    """What writes the lines of a page, as `Synthesizer` does: see its methods of these names."""

    @property
    def alphabet(self) -> Alphabet:
        """The characters that can be written."""

    def proofreader(
        self, proofread: bool | WordReader, candidates: int | None = None, limit: float | None = None
    ) -> WordReader | None:
        """The reader that is meant by these arguments; None where nothing is proofread."""

    def write(self, text: str, *, bias: float | None = None, seed: int | None = None) -> Ink:
        """The text on one line."""

    def write_lines(
        self,
        texts: Sequence[str],
        *,
        bias: float | None = None,
        style: str | Style | Ink | None = None,
        seed: int | None = None,
        proofread: bool | WordReader = False,
    ) -> list[Ink]:
        """Each text on a line of its own."""


# Keywords of `write_page` that say one thing about paper or layout, and what it is called there.
_OF_PAPER = {
    **{name: name for name in ("orientation", "margins", "mirrored", "ruling", "margin_line")},
    "pitch_mm": "pitch",
}
_OF_LAYOUT = {
    **{name: name for name in ("align", "variation")},
    **{f"{name}_mm": name for name in ("x_height", "line_pitch", "indent")},
    "paragraph_space": "space",
}


def write_page(
    synthesizer: LineWriter,
    text: str | Sequence[str | Paragraph],
    *,
    paper: str | tuple[float, float] | Paper = "A4",
    layout: Layout | None = None,
    bias: float | None = None,
    style: str | Style | Ink | None = None,
    seed: int | None = None,
    on_unsupported: OnUnsupported = "error",
    proofread: bool | WordReader = True,
    candidates: int | None = None,
    limit: float | None = None,
    progress: Callable[[int, int], object] | None = None,
    **details: Any,
) -> Page:
    """Write a text on pages of paper, all in one hand.

    Lines are broken by the widths of the words as they were written, and stand on the rules.

    Args:
        synthesizer: writes the words, about forty characters in one go.
        text: in which a blank line ends a paragraph, a line break stays one and a form feed starts a sheet;
            or a list of such texts and of `Paragraph`, for headings, a date line and the like.
        paper: a name or size as for `Paper.of`, or a `Paper`.
        layout: a `Layout`; None is the usual one for the paper.
        bias, style, seed, on_unsupported, proofread, candidates, limit: see `WritingOptions`. Pages are proofread
            unless told otherwise. The seed chooses one of the bundled styles where none is given.
        progress: called with the numbers of characters written and to be written, now and then.
        details: what is to be otherwise than the paper and the layout say. orientation, margins, mirrored, ruling,
            margin_line and pitch_mm (pitch) are those of `Paper.of`; x_height_mm, line_pitch_mm, align, indent_mm,
            variation and paragraph_space (space) those of `Layout.of`.

    A word wider than the line is broken, after a sign such as "-" or "/" or with a hyphen.

    Raises ValueError for a text with nothing to write or with characters that cannot be written (named with
    their line and position), for margins that leave no room and for options out of range; SynthesisError, a
    ValueError, if the network fails.
    """
    options = WritingOptions(bias, style, seed, on_unsupported, proofread, candidates, limit)
    sheet_paper, layout = _page_of(paper, layout, details)
    passages = _spelled(read_passages(text, layout), synthesizer.alphabet, on_unsupported)
    layout.check_room(passages, sheet_paper)
    hands, pieces, human = seed_sequence(seed).spawn(3)
    reader = synthesizer.proofreader(proofread, candidates, limit) or False
    options = replace(
        options, style=_hand(synthesizer, options, hands), proofread=reader, candidates=None, limit=None
    )
    words = _write_words(synthesizer, passages, options, pieces, progress)
    rng = np.random.default_rng(human)
    varied = iter(vary([word for passage in words for word in passage], layout.variation, rng))
    words = [[next(varied) for _ in passage] for passage in words]
    lines = lay_out(passages, words, sheet_paper, layout, rng)
    return Page(
        tuple(
            Sheet(k, sheet_paper, tuple(on_sheet), layout.x_height)
            for k, on_sheet in enumerate(lines, start=1)
        )
    )


def _page_of(
    paper: str | tuple[float, float] | Paper, layout: Layout | None, details: Mapping[str, Any]
) -> tuple[Paper, Layout]:
    """The paper and the layout with what is to be otherwise, both checked."""
    if unknown := [name for name in details if name not in _OF_PAPER and name not in _OF_LAYOUT]:
        raise TypeError(f"write_page() got an unexpected keyword argument {unknown[0]!r}")
    if not isinstance(layout, Layout | None):
        raise ValueError(f"layout is a Layout or None, not {type(layout).__name__}")
    given: dict[str, Any] = {}
    if isinstance(paper, Paper):
        given = dict(vars(paper))
        paper = given.pop("width"), given.pop("height")
    given |= {_OF_PAPER[name]: value for name, value in details.items() if name in _OF_PAPER}
    sheet_paper = Paper.of(paper, **given)
    given = {} if layout is None else dict(vars(layout))
    given |= {_OF_LAYOUT[name]: value for name, value in details.items() if name in _OF_LAYOUT}
    return sheet_paper, Layout.of(sheet_paper, **given)


def _spelled(passages: Sequence[Passage], alphabet: Alphabet, on_unsupported: OnUnsupported) -> list[Passage]:
    """The passages as they can be written; one warning for all that was changed."""
    result, notes = [], []
    for passage in passages:
        where = f"line {passage.line}: "
        try:
            spelling = spell(passage.text, alphabet, on_unsupported)
        except ValueError as error:
            if on_unsupported == "error":
                raise ValueError(f"{where}{error}") from None
            notes.append(f"{where}{error}")
            continue
        if spelling.unsupported:
            notes.append(where + alphabet.describe(spelling.unsupported, advise=False))
        result.append(passage._replace(text=" ".join(spelling.text.split())))
    if not result:
        raise ValueError(f"nothing is left to write: {'; '.join(notes[:5])}")
    warn_of_changes(notes, on_unsupported)
    return result


def _hand(
    synthesizer: LineWriter, options: WritingOptions, entropy: np.random.SeedSequence
) -> str | Style | Ink:
    """What all pieces are written in the style of: what is given, a bundled style, or ink in any hand."""
    if options.style is not None:
        return options.style
    seed = int(entropy.generate_state(1, np.uint64)[0])
    if known := styles():
        return known[seed % len(known)]
    return synthesizer.write(_PRIMER, bias=options.bias, seed=seed)


def _write_words(
    synthesizer: LineWriter,
    passages: Sequence[Passage],
    options: WritingOptions,
    entropy: np.random.SeedSequence,
    progress: Callable[[int, int], object] | None,
) -> list[list[Word]]:
    """The words of each passage, written once.

    The text is written in pieces of equal length, in one go through all passages: where a piece begins and ends
    has nothing to do with lines on paper, and the shortest line is written as well as the others.
    """
    counts = [len(passage.text.split()) for passage in passages]
    pieces = even_pieces([word for passage in passages for word in passage.text.split()], PAGE_PIECE_LENGTH)
    total, done = sum(map(len, pieces)), 0

    def write(texts: Sequence[str]) -> list[list[Word]]:
        seed = int(entropy.spawn(1)[0].generate_state(1, np.uint64)[0])
        inks = synthesizer.write_lines(
            texts, bias=options.bias, style=options.style, seed=seed, proofread=options.proofread
        )
        return [split_words(ink) for ink in inks]

    words: list[Word] = []
    for start in range(0, len(pieces), _BATCH):
        batch = pieces[start : start + _BATCH]
        written = write(batch)
        # Where the network left out a word, or did not lift the pen before it, each is written by itself.
        failed = {
            k: batch[k].split() for k, found in enumerate(written) if len(found) != len(batch[k].split())
        }
        again = iter(write([word for texts in failed.values() for word in texts]) if failed else ())
        for k in failed:
            written[k] = [word for _ in failed[k] for word in next(again)]
        words += [word for piece in written for word in piece]
        done += sum(map(len, batch))
        if progress is not None:
            progress(done, total)
    ends = np.cumsum(counts).tolist()
    words = even_gaps(words)
    return [words[end - count : end] for end, count in zip(ends, counts, strict=True)]


def even_pieces(words: Sequence[str], length: int) -> list[str]:
    """The words in pieces of about equal length, of about so many characters at most."""
    count = math.ceil((sum(map(len, words)) + len(words)) / length)
    ends = np.cumsum([len(word) + 1 for word in words])
    number = np.ceil(ends / ends[-1] * count)
    bounds = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(words)]
    return [" ".join(words[a:b]) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
