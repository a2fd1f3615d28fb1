"""The training task of the styled synthesis network: lines, each written in the hand of other lines of its writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from strokesynth import plots
from strokesynth._batches import by_length
from strokesynth.alphabet import Alphabet
from strokesynth.datasets.corpus import HELD_OUT, Corpus, spread
from strokesynth.datasets.persons import person
from strokesynth.datasets.sample import COMPOSED
from strokesynth.ink import Ink
from strokesynth.nn.mixture import log_likelihood, split_outputs
from strokesynth.nn.sampling import sample_lines, start_point, with_terminal
from strokesynth.nn.style_encoder import Posterior, References, StyleVectors, mean_of
from strokesynth.nn.styled import StyledConfig, StyledNetwork
from strokesynth.nn.weights import save_weights
from strokesynth.training.batching import batches, collate
from strokesynth.training.loop import Group
from strokesynth.training.splits import by_source, split_corpus

Ints = NDArray[np.int64]

_COUNTS, _CHANCES = (1, 2, 3, 4, 6, 8), (0.3, 0.22, 0.2, 0.13, 0.1, 0.05)  # reference lines of a target
_NO_REFERENCE = 0.12  # share of targets without any
_FEWER_CHARACTERS = 0.3  # largest share of the characters of the references that is left out
_SHEARED = 0.25  # share of targets that are sheared and stretched, together with their references
# Standard deviations of the tangent of the slant, and of the logarithm of the width
_SHEAR, _STRETCH = 0.2, 0.15

_SPREAD = 1.0  # weight of what the spread of a posterior learns from, in nats for each line
_CONTRAST = 0.05  # weight of the contrast, in nats for each point of a line
_TEMPERATURE = 0.1

_PRIOR_LINES = 8  # lines of each writer that the prior is fitted to
_SAMPLES = 8  # writers in the picture
_SAMPLE_TEXT = "The quick brown fox jumps over a lazy dog"


class StyledHandwritingTask:
    """Predicts the next point of a line from its text and from a few other lines of the same writer."""

    name = "styled_handwriting"
    unit = "point"

    def __init__(
        self,
        corpus: Corpus,
        characters: NDArray[np.int16],
        *,
        batch_size: int,
        seed: int,
        config: Mapping[str, Any] | None = None,
        validation: Sequence[str] = HELD_OUT,
        repeats: Mapping[str, float] | None = None,
        validation_lines: int = 96,
        contrast_only: bool = False,
    ) -> None:
        """See `strokesynth.training.synthesis_task.SynthesisTask`.

        characters: which character of its line each point of the corpus belongs to (`strokesynth.training.alignment`).
        contrast_only: train the encoder alone, to tell writers apart; a start that spares the network from learning
        to live without styles first.
        """
        torch.manual_seed(seed)
        self.alphabet, self.corpus, self.characters = Alphabet(), corpus, characters
        self.network = StyledNetwork(StyledConfig.of(dict(config or {})))
        self.batch_size, self.seed, self.contrast_only = batch_size, seed, contrast_only
        self.starts = np.concatenate([[0], np.cumsum(corpus.lengths, dtype=np.int64)])
        self.codes = [self.alphabet.encode(str(t), with_end=True) for t in corpus.texts]
        self.persons = np.unique([person(w) for w in corpus.writers.tolist()], return_inverse=True)[1]
        # Whoever is held out is held out under all their names.
        self.training, self.repeats, held_out = split_corpus(
            corpus, validation, repeats=repeats, persons=self.persons
        )
        aligned = np.array([self.characters[s] >= 0 for s in self.starts[:-1]])
        # Running lines of each person, and composed ones of those who have nothing else.
        # Composed lines share ink with each other, so that none is a reference of another.
        composed = corpus.sources == COMPOSED
        self.composed = composed
        self.lines_of = _by_person(self.persons, np.flatnonzero(aligned & ~composed))
        self.composed_of = _by_person(self.persons, np.flatnonzero(aligned & composed))
        judged = [i for i in held_out[~composed[held_out]] if len(self._others(int(i))) > 2]
        self.validation = by_source(corpus, np.array(judged, np.int64), validation_lines)
        self.figures = tuple(
            f"{source}_{kind}"
            for source in ["valid", *self.validation]
            for kind in ("none", "one", "three", "wrong")
        )
        some = np.concatenate([corpus.offsets(i)[:, :2] for i in spread(self.training, 3000)])
        self.network.pen.offset_mean.copy_(torch.from_numpy(some.mean(0)))
        self.network.pen.offset_std.copy_(torch.from_numpy(some.std(0)))

    # --- the loop's protocol -----------------------------------------------------------------------------

    def groups(self, network: nn.Module) -> list[Group]:
        """The pen network, what carries the style into it, and the encoder: each learns at its own pace."""
        styled = cast(StyledNetwork, network)
        if self.contrast_only:
            return [Group(list(styled.encoder.parameters()), 1.0)]
        return [
            Group(list(styled.pen.parameters()), 1.0),
            Group(list(styled.hand.parameters()), 0.25),
            Group(list(styled.encoder.parameters()), 0.5),
        ]

    def batches(self, epoch: int) -> list[Ints]:
        """Indices into the corpus, by batch."""
        lengths = self.corpus.lengths[self.training]
        keys = batches(lengths, self.batch_size, seed=self.seed, epoch=epoch, repeats=self.repeats)
        return [self.training[key] for key in keys]

    def loss(self, network: nn.Module, key: Ints) -> tuple[Tensor, int]:
        """Nats of the batch (eq 26) with what its styles cost, and the number of its points."""
        styled = cast(StyledNetwork, network)
        rng = np.random.default_rng(int(torch.randint(2**62, ()).item()))
        references = [self._draw(int(i), rng) for i in key]
        warps = [_warp(rng) for _ in key]
        points = int(self.corpus.lengths[key].sum()) + len(key)
        made, sets, halves = self._encode(styled, references, warps, rng)
        posterior = made(sets)
        extra = posterior.hand.new_zeros(())
        pairs = [k for k, (a, b) in enumerate(halves) if len(a) and len(b)]
        if len(pairs) > 3:
            two = made([half for k in pairs for half in halves[k]])
            contrast = self._contrast(two, self.persons[key[pairs]])
            extra = extra + (1.0 if self.contrast_only else _CONTRAST) * points * contrast
            extra = extra + _SPREAD * _disagreement(two)
        if self.contrast_only:
            return extra, points
        nats, _ = self._nats(styled, key, warps, mean_of(posterior))
        return nats.sum() + extra, points

    @torch.no_grad()
    def validate(self, network: nn.Module) -> dict[str, float]:
        """Nats per point of held-out writers, with no reference, one line, three lines, and a wrong writer's three."""
        styled = cast(StyledNetwork, network)
        totals = np.zeros((len(self.validation), 4, 2))
        for row, indices in enumerate(self.validation.values()):
            keys = [indices[b] for b in by_length(self.corpus.lengths[indices], most=self.batch_size)]
            order = np.concatenate(keys)
            for number, key in enumerate(keys):
                rng = np.random.default_rng([self.seed, number * self.batch_size])
                three = [self._pick(int(i), 3, rng) for i in key]
                wrong = [self._stranger(int(i), order, rng) for i in key]
                none: list[list[int]] = [[] for _ in key]
                for kind, lines in enumerate((none, [t[:1] for t in three], three, wrong)):
                    made, sets, _ = self._encode(styled, lines, [None] * len(key), None)
                    nats, points = self._nats(styled, key, [None] * len(key), mean_of(made(sets)))
                    totals[row, kind] += float(nats.sum()), points
        means = np.concatenate([totals.sum(0, keepdims=True), totals])
        return dict(zip(self.figures, (means[..., 0] / means[..., 1]).ravel().tolist(), strict=True))

    def draw(self, network: nn.Module, folder: Path, step: int) -> None:
        """Write samples-STEP.png: real lines of held-out writers, and lines written in their hands."""
        if self.contrast_only:
            return
        styled = cast(StyledNetwork, network)
        inks, titles = [], []
        rng = np.random.default_rng(0)
        held = np.concatenate(list(self.validation.values()))
        for index in held[np.linspace(0, len(held) - 1, _SAMPLES).astype(int)]:
            lines = self._pick(int(index), 3, rng)
            made, sets, _ = self._encode(styled, [lines], [None], None)
            with torch.no_grad():
                style = mean_of(made(sets))
            folded = styled.fold(type(style)(*(part[0] for part in style)))
            codes = self.alphabet.encode(_SAMPLE_TEXT, with_end=True)
            inks.append(Ink.from_offsets(self.corpus.offsets(int(index))))
            titles.append(str(self.corpus.sources[index]))
            for line in sample_lines(folded, [codes, codes], [0, 1], bias=[0.5, 1.0]):
                offsets = line.offsets.copy()
                offsets[-1, 2] = 1.0
                inks.append(Ink.from_offsets(offsets))
                titles.append("" if line.finished else "(unfinished)")
        plots.plot_lines(inks, titles).savefig(folder / f"samples-{step:06d}.png", dpi=80)

    def save(self, network: nn.Module, path: Path, note: str) -> None:
        """Write the weights file, with a prior fitted to the styles of the training writers."""
        self.fit_prior(cast(StyledNetwork, network))
        save_weights(path, cast(StyledNetwork, network), self.name, self.alphabet, note)

    @torch.no_grad()
    def fit_prior(self, network: StyledNetwork) -> None:
        """Fit the prior over styles to the training writers, each known by at most `_PRIOR_LINES` running lines."""
        trained = set(self.persons[self.training].tolist())
        rng = np.random.default_rng(self.seed)
        people = [
            rng.permutation(lines)[:_PRIOR_LINES] for who, lines in self.lines_of.items() if who in trained
        ]
        parts, lines = [], []
        for start in range(0, len(people), self.batch_size):
            some = [own.tolist() for own in people[start : start + self.batch_size]]
            made, sets, _ = self._encode(network, some, [None] * len(some), None)
            parts.append(mean_of(made(sets)))
            lines += [len(own) for own in some]
        count = torch.tensor(lines, dtype=torch.float64)
        styles = StyleVectors(*(torch.cat(values).cpu() for values in zip(*parts, strict=True)))
        network.prior.fit(styles, count / (count + 2.0))

    # --- references --------------------------------------------------------------------------------------

    def _others(self, target: int) -> Ints:
        """Lines that may be references of this one, never itself."""
        who = int(self.persons[target])
        lines = self.lines_of.get(who, _NONE)
        if len(lines) < 2 and not self.composed[target]:
            lines = np.concatenate([lines, self.composed_of.get(who, _NONE)])
        return lines[lines != target]

    def _pick(self, target: int, count: int, rng: np.random.Generator) -> list[int]:
        others = self._others(target)
        return rng.permutation(others)[:count].tolist()

    def _draw(self, target: int, rng: np.random.Generator) -> list[int]:
        if rng.random() < _NO_REFERENCE and not self.contrast_only:
            return []
        count = int(rng.choice(_COUNTS, p=_CHANCES))
        return self._pick(target, max(2, count) if self.contrast_only else count, rng)

    def _stranger(self, target: int, among: Ints, rng: np.random.Generator) -> list[int]:
        """Three lines of another person who writes the same kind of text."""
        others = among[self.persons[among] != self.persons[target]]
        return self._pick(int(rng.choice(others)), 3, rng) if len(others) else []

    def _line(self, index: int, warp: NDArray[np.float32] | None) -> NDArray[np.float32]:
        offsets = self.corpus.offsets(index)
        if warp is not None:
            offsets = np.concatenate([offsets[:, :2] @ warp, offsets[:, 2:]], axis=1)
        return offsets

    def _encode(
        self,
        network: StyledNetwork,
        references: Sequence[Sequence[int]],
        warps: Sequence[NDArray[np.float32] | None],
        rng: np.random.Generator | None,
    ) -> tuple[Any, list[Tensor], list[tuple[Tensor, Tensor]]]:
        """A function from sets of instances to their posteriors, the set of each target, and its two halves."""
        lines = [
            (self._line(i, warp), self.characters[self.starts[i] : self.starts[i + 1]], self.codes[i])
            for chosen, warp in zip(references, warps, strict=True)
            for i in chosen
        ]
        device = network.offset_mean.device
        given = References.of(lines).to(device)
        instances, whole = network.encoder.instances(given)
        row = given.lines.cpu().numpy()
        codes = given.codes.cpu().numpy()
        sets, halves, first = [], [], 0
        for count in map(len, references):
            members = np.flatnonzero((row >= first) & (row < first + count))
            middle = first + (count + 1) // 2
            a, b = members[row[members] < middle], members[row[members] >= middle]
            if rng is not None and len(members):
                lost = rng.permutation(len(self.alphabet.characters) + 1)
                lost = lost[: int(rng.random() * _FEWER_CHARACTERS * len(lost))]
                members = members[~np.isin(codes[members], lost)]
            sets.append(torch.from_numpy(members).to(device))
            halves.append((torch.from_numpy(a).to(device), torch.from_numpy(b).to(device)))
            first += count

        def made(chosen: Sequence[Tensor]) -> Posterior:
            return network.encoder.styles(instances, whole, given, chosen)

        return made, sets, halves

    # --- losses ------------------------------------------------------------------------------------------

    def _nats(
        self,
        network: StyledNetwork,
        key: Ints,
        warps: Sequence[NDArray[np.float32] | None],
        style: StyleVectors,
    ) -> tuple[Tensor, int]:
        """Negative log-likelihood of each line (B,) in nats, and the number of points."""
        batch = collate(
            [(with_terminal(self._line(int(i), w)), self.codes[i]) for i, w in zip(key, warps, strict=True)]
        )
        device = network.offset_mean.device
        points, mask = torch.from_numpy(batch.offsets).to(device), torch.from_numpy(batch.mask).to(device)
        inputs = torch.cat([start_point(len(key), device)[None], points[:-1]])
        codes = torch.from_numpy(batch.codes.T.copy()).to(device)
        lengths = torch.from_numpy(batch.code_mask.sum(0)).to(device)
        outputs, _, _ = network(network.pen.standardize(inputs), codes, lengths, style)
        nats = -(log_likelihood(split_outputs(outputs), network.pen.standardize(points)) * mask)
        return nats.sum(0), int(mask.sum())

    def _contrast(self, posterior: Posterior, persons: Ints) -> Tensor:
        """InfoNCE (arXiv:1807.03748): nats that it costs to find one half of a writer's lines by the other half."""
        same = torch.from_numpy(persons[:, None] == persons[None, :]).to(posterior.hand.device)
        itself = torch.eye(len(persons), dtype=torch.bool, device=same.device)
        # Lines of the same person elsewhere in the batch are neither right nor wrong.
        masked = (same & ~itself).float() * -1e4

        def loss(a: Tensor, b: Tensor) -> Tensor:
            scores = F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).transpose(-1, -2) / _TEMPERATURE + masked
            right = torch.arange(len(persons), device=scores.device).expand(scores.shape[:-1])
            forth = F.cross_entropy(scores.flatten(0, -2), right.flatten(), reduction="none")
            back = F.cross_entropy(scores.transpose(-1, -2).flatten(0, -2), right.flatten(), reduction="none")
            return (forth + back).view(scores.shape[:-1]) / 2

        total = loss(posterior.hand[0::2], posterior.hand[1::2]).mean()
        seen = (posterior.seen[0::2] > 0) & (posterior.seen[1::2] > 0)  # (B, A)
        common = torch.nonzero(seen.sum(0) >= max(4, len(persons) // 4))[:, 0]
        if len(common):
            a = posterior.characters[0::2, common].transpose(0, 1)
            b = posterior.characters[1::2, common].transpose(0, 1)
            weights = seen[:, common].T.float()
            total = total + (loss(a, b) * weights).sum() / weights.sum()
        return total


_NONE: Ints = np.zeros(0, np.int64)


def _by_person(persons: Ints, lines: Ints) -> dict[int, Ints]:
    order = lines[np.argsort(persons[lines], kind="stable")]
    people, first = np.unique(persons[order], return_index=True)
    return dict(zip(people.tolist(), np.split(order, first[1:]), strict=True))


def _warp(rng: np.random.Generator) -> NDArray[np.float32] | None:
    """A matrix (2, 2) that shears and stretches offsets from the right, or None."""
    if rng.random() > _SHEARED:
        return None
    slant = float(np.clip(rng.normal(0, _SHEAR), -0.6, 0.6))
    stretch = float(np.exp(np.clip(rng.normal(0, _STRETCH), -0.5, 0.5)))
    return np.array([[stretch, 0.0], [-slant, 1.0]], np.float32)


def _disagreement(two: Posterior) -> Tensor:
    """Nats of the styles of some lines after the posterior of others of the same writer: teaches the spread alone.

    two: posteriors of pairs, one after the other. How far the styles of different lines of one person lie apart is how
    sure one can be; means learn nothing from this.
    """
    total = two.hand.new_zeros(())
    for mean, log_variance in (
        (two.hand, two.hand_log_variance),
        (two.characters, two.characters_log_variance),
    ):
        values = mean.detach()
        difference = (values[0::2] - values[1::2]).square()
        for half in (log_variance[0::2], log_variance[1::2]):
            total = total + 0.5 * (difference * (-half).exp() + half).flatten(1).mean(1).sum()
    return total
