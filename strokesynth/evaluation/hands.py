"""Whose hand generated lines are in: told by a judge of writers, beside real lines of the same unseen people.

The judge (`strokesynth.training.writer_identity`) has learned from none of these people, and nothing that writes has
learned from it. Everyone is known to it by a few lines; styles are made from other lines of theirs, and neither are
attributed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strokesynth.datasets.corpus import Corpus
from strokesynth.datasets.persons import person, sitting
from strokesynth.evaluation import texts as test_texts
from strokesynth.evaluation.legibility import read_lines
from strokesynth.evaluation.metrics import character_edits, error_rate
from strokesynth.ink import Ink
from strokesynth.nn.styled import StyledNetwork
from strokesynth.recognition.recognizer import Recognizer
from strokesynth.synthesis.imitation import imitate
from strokesynth.synthesis.style import DEFAULT_STRENGTH, Style
from strokesynth.synthesis.synthesizer import Synthesizer
from strokesynth.training.writer_identity import (
    Gallery,
    WriterJudge,
    held_out_lines,
    identify,
    make_gallery,
    variety,
)

_LONGEST = 45  # characters of a line that is judged
_KNOWN_BY = 3  # lines that the judge knows each person by
_SPARE = 40  # lines of a person that are looked at, at most

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class HandOptions:
    """What is measured: styles from so many `references`, at these `biases`, so many `lines` of each person."""

    references: tuple[int, ...] = (1, 3, 10)
    biases: tuple[float, ...] = (0.5, 1.0)
    lines: int = 3
    strength: float = DEFAULT_STRENGTH
    seed: int = 0

    def __post_init__(self) -> None:
        for name, values in (("references", self.references), ("lines", (self.lines,))):
            if not values or min(values) < 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected numbers of at least 1")


@dataclass(frozen=True)
class Imitated:
    """One setting: how often lines were taken for their writer, and how they read.

    references: lines that styles were made from; 0 stands for real lines of the same people, with bias None.
    top1, top5: shares of lines for whom their writer came first, or among the first five, of all people. own_cosine,
    other_cosine: mean scores against their writer and against the others. within, between: mean distances of two lines
    of one person and of two people. cer: character error rate of the reader. lines, people: how many.
    """

    references: int
    bias: float | None
    top1: float
    top5: float
    own_cosine: float
    other_cosine: float
    within: float
    between: float
    cer: float
    lines: int
    people: int


def assess_hands(
    synthesizer: Synthesizer,
    judge: WriterJudge,
    reader: Recognizer,
    corpus: Corpus,
    options: HandOptions | None = None,
    progress: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """Identification, variety and legibility of generated lines of unseen people, with real lines first.

    corpus: one for generation, with people who are held out. progress is told what is measured now.
    Returns options and figures as JSON can hold them. Raises ValueError where the network knows no styles, and where
    fewer than two people have enough lines.
    """
    options = options or HandOptions()
    if synthesizer.styled is None:
        raise ValueError("hands are assessed of a network that knows styles; this one does not")
    assessment = _Assessment(synthesizer, synthesizer.styled, judge, reader, corpus, options)
    progress("real lines")
    rows = [assessment.real()]
    for references in options.references:
        for bias in options.biases:
            progress(f"{references} reference lines, bias {bias:g}")
            rows.append(assessment.generated(references, bias))
    return {"options": asdict(options), "hands": [asdict(row) for row in rows]}


class _Assessment:
    """The people, their lines, and who is known by which."""

    def __init__(
        self,
        synthesizer: Synthesizer,
        network: StyledNetwork,
        judge: WriterJudge,
        reader: Recognizer,
        corpus: Corpus,
        options: HandOptions,
    ) -> None:
        self.synthesizer, self.network, self.judge, self.reader = synthesizer, network, judge, reader
        self.corpus, self.options = corpus, options
        self.indices = held_out_lines(corpus)
        people = [person(str(corpus.writers[i])) for i in self.indices]
        sittings = [sitting(str(corpus.sources[i]), str(corpus.ids[i])) for i in self.indices]
        self.embeddings = judge.embed([corpus.offsets(int(i)) for i in self.indices])
        self.gallery: Gallery = make_gallery(
            self.embeddings, people, sittings, _KNOWN_BY, queries=_SPARE, seed=options.seed
        )
        # The first half of what a person has left makes their style, the rest stands for their real lines.
        halves = [np.array_split(rest, 2) for rest in self.gallery.queries]
        self.for_style, self.for_real = [a for a, _ in halves], [b for _, b in halves]

    def real(self) -> Imitated:
        """Other lines of the same people."""
        chosen = [rest[: self.options.lines] for rest in self.for_real]
        owners = np.repeat(np.arange(len(chosen)), [len(rest) for rest in chosen])
        rows = np.concatenate(chosen)
        inks = [Ink.from_offsets(self.corpus.offsets(int(i))) for i in self.indices[rows]]
        texts = self.corpus.texts[self.indices[rows]].tolist()
        return self._judged(0, None, inks, texts, owners, self.embeddings[rows])

    def generated(self, references: int, bias: float) -> Imitated:
        """Lines written in styles made from so many lines of each person."""
        inks: list[Ink] = []
        owners: list[int] = []
        texts = _texts(len(self.gallery.people) * self.options.lines, self.options.seed)
        for who, available in enumerate(self.for_style):
            style = self._style(available[:references])
            first = who * self.options.lines
            inks += self.synthesizer.write_lines(
                texts[first : first + self.options.lines],
                style=style,
                bias=bias,
                seed=self.options.seed + who,
            )
            owners += [who] * self.options.lines
        embeddings = self.judge.embed([ink.to_offsets() for ink in inks])
        return self._judged(references, bias, inks, texts, np.array(owners), embeddings)

    def _style(self, lines: Ints) -> Style:
        rows = self.indices[lines]
        inks = [Ink.from_offsets(self.corpus.offsets(int(i))) for i in rows]
        texts = self.corpus.texts[rows].tolist()
        posterior, _ = imitate(inks, texts, self.network, self.reader, force=True, normalized=True)
        return Style("unseen", posterior=posterior, strength=self.options.strength)

    def _judged(
        self,
        references: int,
        bias: float | None,
        inks: Sequence[Ink],
        texts: Sequence[str],
        owners: Ints,
        embeddings: NDArray[np.floating],
    ) -> Imitated:
        found = identify(self.gallery.centres, embeddings, owners.tolist(), references=_KNOWN_BY)
        within, between = variety(embeddings, [self.gallery.people[k] for k in owners])
        readings = read_lines(self.reader, list(inks))
        rate = error_rate(character_edits(list(texts), readings), owners.tolist())
        return Imitated(
            references,
            bias,
            found.top1,
            found.top5,
            found.own_cosine,
            found.other_cosine,
            within,
            between,
            rate.rate,
            len(inks),
            len(self.gallery.people),
        )


def _texts(count: int, seed: int) -> list[str]:
    """Beginnings of plain sentences, as long as a line."""
    lines = test_texts.lines("sentences", count, seed)
    return [line if len(line) <= _LONGEST else line[:_LONGEST].rsplit(" ", 1)[0] for line in lines]
