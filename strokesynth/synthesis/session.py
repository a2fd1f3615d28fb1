"""One call of the synthesizer: spelled lines and the hands they are written in → written lines.

Each line is cut into pieces that the network writes in one go; these are sampled, settled on their baseline and
proofread; what failed is sampled again, words that cannot be read are repaired, and `put_together` joins the pieces.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from strokesynth._checks import seed_sequence
from strokesynth.alphabet import Alphabet
from strokesynth.ink import Ink
from strokesynth.nn.sampling import SampledLine, sample_lines
from strokesynth.nn.style_encoder import StyleVectors
from strokesynth.nn.styled import StyledNetwork
from strokesynth.nn.synthesis import SynthesisNetwork
from strokesynth.synthesis.options import WordReader
from strokesynth.synthesis.pieces import Line, Piece, WrittenPiece, after_style, collapsed, cut_pieces, settle
from strokesynth.synthesis.proofread import ROUNDS, Repair
from strokesynth.synthesis.spelling import Spelling

ATTEMPTS = 5
"""How often a piece is tried that runs away (its window never reaches the end of the text) or collapses."""

_TOGETHER = 24  # pieces written in hardly more time than one
_BATCH = 64  # pieces written at once; more are hardly faster and only take memory

# What random numbers are drawn for, besides the first writings of the pieces.
_MARKS, _REPAIR, _FREELY, _HAND = 1, 2, 3, 4


class SynthesisError(ValueError, RuntimeError):
    """The network did not get to the end of a text, however often it tried."""


@dataclass(frozen=True, eq=False)
class WritingHand:
    """What lines are written with; lines that have the same object are written in one hand.

    network: the synthesis network that writes, in evaluation mode. A style may be folded into its weights.
    prime: ink that the network reads first, so that it goes on in the same hand (Graves 2013, arXiv:1308.0850, section
        5.5): normalised, from the left edge on, and its text in base letters. Without it the longest piece that is to
        be written in the hand is written first, and the others go on after that.
    keeps: the network keeps to one hand by itself, as one does that a style is folded into: no piece has to go first.
    style: what a styled network writes in, hand (Z,) and characters (A, S). Lines in different styles share a batch; a
        style that many lines are written in is rather folded into a network of its own.
    transform: the map (2, 3) that makes what was written slant and as wide as the hand is; None leaves it as it is.
    """

    network: SynthesisNetwork | StyledNetwork
    prime: Ink | None = None
    transform: NDArray[np.float64] | None = None
    keeps: bool = False
    style: StyleVectors | None = None


@dataclass(frozen=True)
class Seeds:
    """Seeds for all that is random in a call: each independent of all others, and of how many there are.

    Whatever needs random numbers names its purpose, and counts lines, places and numbers of its own.
    """

    entropy: int

    @classmethod
    def of(cls, seed: int | None) -> Seeds:
        """The seeds of a call with this seed, a whole number of at least 0; None gives others every time."""
        return cls(int(seed_sequence(seed).entropy))  # type: ignore[arg-type]

    def piece(self, piece: Piece, number: int) -> int:
        """The seed of one writing of a piece."""
        return self._derived(piece.line, piece.start, number)

    def marks(self, piece: Piece) -> int:
        """The seed of the marks that are drawn over a piece."""
        return self._derived(piece.line, piece.start, 0, _MARKS)

    def repair(self, hand: int, place: int, number: int) -> int:
        """The seed of one writing of words in a round of repair; `hand` counts the hands of the call."""
        return self._derived(hand, place, number, _REPAIR)

    def hand(self, number: int) -> np.random.Generator:
        """What draws the style of the call's so-manyth hand."""
        return np.random.default_rng(self._derived(number, 0, 0, _HAND))

    def free(self) -> int:
        """The seed of writing without a text."""
        return self._derived(0, 0, 0, _FREELY)

    def _derived(self, *key: int) -> int:
        return int(np.random.SeedSequence(self.entropy, spawn_key=key).generate_state(1, np.uint64)[0])


class _Job(NamedTuple):
    """One writing of one text of a piece's length."""

    text: str
    hand: WritingHand
    seed: int


class _Result(NamedTuple):
    """What came of a job that was finished."""

    writing: WrittenPiece
    badness: float  # the best writing of a text has the least, and 0 cannot be bettered


class Session:
    """Writes lines with one neatness, one source of seeds and one reader, or none.

    alphabet: of the networks. bias: of sampling, at least 0 (Graves 2013, section 5.4). reader: proofreads.
    """

    def __init__(self, alphabet: Alphabet, bias: float, seeds: Seeds, reader: WordReader | None) -> None:
        """Keep what all lines share."""
        self.alphabet, self.bias, self.seeds, self.reader = alphabet, bias, seeds, reader

    def write(self, spellings: Sequence[Spelling], hands: Sequence[WritingHand]) -> list[Line]:
        """Each text in its hand, ready for `put_together`. Raises SynthesisError if a piece never succeeds."""
        lines = [cut_pieces(i, spelling.base) for i, spelling in enumerate(spellings)]
        groups: dict[WritingHand, list[Piece]] = {}
        for hand, pieces in zip(hands, lines, strict=True):
            groups.setdefault(hand, []).extend(pieces)
        first = {
            max(pieces, key=lambda piece: len(piece.text)): hand
            for hand, pieces in groups.items()
            if hand.prime is None and not hand.keeps
        }
        written = self._first_writings(first)
        leaders = {hand: written[piece].ink for piece, hand in first.items()}
        # Hands that wait for none of their pieces are written together.
        written |= self._first_writings(
            {piece: hand for hand, pieces in groups.items() if hand.keeps for piece in pieces}
        )
        for number, (hand, pieces) in enumerate(groups.items()):
            settled = replace(hand, prime=leaders.get(hand, hand.prime))
            written |= self._first_writings({piece: settled for piece in pieces if piece not in written})
            if self.reader is not None:
                best = {piece: written[piece] for piece in pieces}
                written |= self._repaired(best, settled, number, self.reader)
        return [
            Line(spelling, [(p, written[p], self.seeds.marks(p)) for p in pieces], hand.transform)
            for spelling, pieces, hand in zip(spellings, lines, hands, strict=True)
        ]

    def _first_writings(self, hands: Mapping[Piece, WritingHand]) -> dict[Piece, WrittenPiece]:
        """The best writing of each piece in its hand, of as many as can be had and are needed."""
        best: dict[Piece, _Result] = {}
        missing = list(hands)
        for attempt in range(ATTEMPTS):
            if not missing:
                break
            copies = 1
            if self.reader is not None:
                copies = max(1, min(self.reader.candidates, _TOGETHER // len(missing)))
            tried = [(piece, attempt + ATTEMPTS * copy) for piece in missing for copy in range(copies)]
            jobs = [
                _Job(piece.text, hands[piece], self.seeds.piece(piece, number)) for piece, number in tried
            ]
            for (piece, _), result in zip(tried, self._done(jobs), strict=True):
                if result is not None and (piece not in best or result.badness < best[piece].badness):
                    best[piece] = result
            # With a reader, words that are bad are repaired later.
            missing = [p for p in missing if p not in best or (self.reader is None and best[p].badness > 0)]
        for piece in hands:
            if piece not in best:
                raise SynthesisError(
                    f"the network did not come to the end of {piece.text!r} in {ATTEMPTS} attempts"
                )
        return {piece: writing for piece, (writing, _) in best.items()}

    def _repaired(
        self, written: Mapping[Piece, WrittenPiece], hand: WritingHand, number: int, reader: WordReader
    ) -> dict[Piece, WrittenPiece]:
        """The pieces of one hand, the one of this number, with better writings of unreadable words."""
        repair = Repair([(piece.text, writing) for piece, writing in written.items()], reader)
        copies = reader.candidates
        for attempt in range(ROUNDS):
            texts = [text for text in repair.wanted() for _ in range(copies)]
            if not texts:
                break
            seeds = [self.seeds.repair(number, place, attempt) for place in range(len(texts))]
            results = self._done([_Job(text, hand, seed) for text, seed in zip(texts, seeds, strict=True)])
            repair.take(
                [result.writing for result in results[k : k + copies] if result is not None]
                for k in range(0, len(results), copies)
            )
        return dict(zip(written, repair.pieces(), strict=True))

    def _done(self, jobs: Sequence[_Job]) -> list[_Result | None]:
        """What came of each job, sampled, settled and read; None where the network did not come to the end."""
        finished = {k: line for k, line in enumerate(self._sampled(jobs)) if line.finished}
        writings = [settle(line, jobs[k].text) for k, line in finished.items()]
        if self.reader is None:
            # What only looks collapsed may be a row of dots, and is better than nothing.
            badness = [float(collapsed(line)) for line in finished.values()]
        else:
            read = self.reader.word_nlls([jobs[k].text for k in finished], [w.ink for w in writings])
            writings = [w._replace(word_nlls=nlls) for w, nlls in zip(writings, read, strict=True)]
            badness = [float(nlls.sum()) for nlls in read]
        results: list[_Result | None] = [None] * len(jobs)
        for k, writing, value in zip(finished, writings, badness, strict=True):
            results[k] = _Result(writing, value)
        return results

    def _sampled(self, jobs: Sequence[_Job]) -> list[SampledLine]:
        """The jobs' texts as their networks write them, from the origin.

        Jobs of the same network and the same prime are written together.
        """
        alike: dict[tuple[int, int], list[int]] = {}
        for k, job in enumerate(jobs):
            alike.setdefault((id(job.hand.network), id(job.hand.prime)), []).append(k)
        lines: dict[int, SampledLine] = {}
        for members in alike.values():
            for start in range(0, len(members), _BATCH):
                batch = members[start : start + _BATCH]
                lines |= zip(batch, self._batch([jobs[k] for k in batch]), strict=True)
        return [lines[k] for k in range(len(jobs))]

    def _batch(self, jobs: Sequence[_Job]) -> list[SampledLine]:
        """Jobs of one network that has been primed with the same ink."""
        network, prime = jobs[0].hand.network, jobs[0].hand.prime
        seeds = [job.seed for job in jobs]
        blank = "" if prime is None else " "
        codes = [self.alphabet.encode(blank + job.text, with_end=True) for job in jobs]
        if prime is None:
            given = [job.hand.style for job in jobs]
            styles = None
            if isinstance(network, StyledNetwork):
                parts = zip(*(style for style in given if style is not None), strict=True)
                styles = StyleVectors(*(torch.stack(part) for part in parts))
            return sample_lines(network, codes, seeds, bias=self.bias, styles=styles)
        read = prime.to_offsets(), self.alphabet.encode(prime.text or "")
        lines = sample_lines(network, codes, seeds, bias=self.bias, prime=read)
        lines = [after_style(line, job.text) for line, job in zip(lines, jobs, strict=True)]
        for line in lines:
            line.offsets[0, :2] += prime.strokes[-1][-1]
        return lines
