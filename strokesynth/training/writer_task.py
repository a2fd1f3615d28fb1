"""The training task of the judge of handwriting: which lines, how they are varied, which loss, which figures."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from strokesynth.alphabet import Alphabet
from strokesynth.datasets.corpus import HELD_OUT, Corpus, spread
from strokesynth.datasets.persons import held_out_people, is_known, person, sitting
from strokesynth.nn.products import product_dtype
from strokesynth.nn.weights import save_weights
from strokesynth.nn.writers import WriterConfig, WriterNetwork
from strokesynth.training.batching import batches
from strokesynth.training.splits import source_repeats
from strokesynth.training.writer_features import Path as PenPath
from strokesynth.training.writer_features import path_features, pen_path, vary
from strokesynth.training.writer_identity import (
    LEAST_CHARACTERS,
    SOURCES,
    embed,
    held_out_lines,
    identify_real,
    settle,
    stack,
    verify,
)

_MARGIN, _SCALE = 0.25, 24.0  # of additive-margin softmax
_LEAST = 4  # lines of a person to learn from
_MOST = 40  # lines of a person in an epoch, so that those with hundreds do not crowd out the others
_STATISTICS = 2000  # lines that the features' mean and deviation are taken from
_POINTS = (160, 480)  # bounds of the length to which longer lines are cut, drawn anew for each batch
_SETTLED = 600  # lines by which embeddings are centred
_IMPRINTED = 8  # lines of each person from which training starts
_FIGURES = ("equal_error", "top1_of_1", "top1_of_3", "own_cosine", "other_cosine")
_WATCHED = 12  # one in so many training writers is kept aside, to be told from those who are held out


class Classifier(nn.Module):
    """The network with one direction for each training writer, which only training needs."""

    def __init__(self, network: WriterNetwork, people: int) -> None:
        """`people` is the number of training writers."""
        super().__init__()
        self.network = network
        self.directions = nn.Parameter(torch.randn(people, network.config.embedding_size))

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Cosines (B, people)."""
        return self.network(features, lengths) @ F.normalize(self.directions, dim=1).T


class WriterTask:
    """Telling the writers of a corpus apart by additive-margin softmax (Wang et al. 2018, arXiv:1801.05599)."""

    name = "writer_verification"
    unit = "line"

    def __init__(
        self,
        corpus: Corpus,
        *,
        batch_size: int,
        seed: int,
        config: Mapping[str, Any] | None = None,
        start: nn.Module | None = None,
        validation: Sequence[str] = HELD_OUT,
        repeats: Mapping[str, float] | None = None,
        validation_lines: int = 24,
    ) -> None:
        """Lines of all sources but the composed ones; `repeats` says how often an epoch has each source.

        Trained on are people whose name is known and who have `_LEAST` lines or more. The people with a sample in the
        splits of `validation` are held out under all their names; at most `validation_lines` lines of each count.
        `start` is a trained network of this kind to go on from; there is no `config` then.
        One person in `_WATCHED` is kept aside as well: the figures are those of all who were not trained on.
        Raises ValueError for an unknown source, or when nobody is left to train or validate on.
        """
        torch.manual_seed(seed)
        self.corpus, self.batch_size, self.seed = corpus, batch_size, seed
        self.people = np.array([person(str(w)) for w in corpus.writers])
        held_out = held_out_people(corpus, validation)
        usable = np.array([is_known(str(w)) for w in corpus.writers], bool)
        usable &= np.isin(corpus.sources, SOURCES)
        aside = {p for p in np.unique(self.people).tolist() if p in held_out or _watched(p)}
        trained = usable & ~np.isin(self.people, sorted(aside))
        names, counts = np.unique(self.people[trained], return_counts=True)
        names = names[counts >= _LEAST]
        self.training = np.flatnonzero(trained & np.isin(self.people, names))
        self.labels = np.searchsorted(names, self.people)  # right where `training` points
        self.repeats = source_repeats(corpus, self.training, repeats)
        self.repeats *= np.minimum(
            1.0, _MOST / np.bincount(self.labels[self.training])[self.labels[self.training]]
        )
        long = np.char.str_len(corpus.texts) >= LEAST_CHARACTERS
        watched = np.flatnonzero(usable & long & np.isin(self.people, sorted(aside)))
        self.validation = np.concatenate(
            [np.zeros(0, np.int64)]
            + [
                spread(watched[self.people[watched] == p], validation_lines)
                for p in np.unique(self.people[watched])
            ]
        )
        self.unseen = np.isin(self.validation, held_out_lines(corpus, validation))
        if len(names) < 2 or len(np.unique(self.people[self.validation[self.unseen]])) < 2:
            raise ValueError(
                f"{len(names)} known people with {_LEAST} lines or more to train on, and "
                f"{len(np.unique(self.people[self.validation[self.unseen]]))} held out in the splits "
                f"{list(validation)}: expected two or more of each"
            )
        self.sittings = [
            sitting(str(corpus.sources[i]), str(corpus.ids[i])) for i in self.validation.tolist()
        ]
        wanted = np.concatenate([self.training, self.validation])
        self._paths: dict[int, PenPath] = {int(i): pen_path(corpus.offsets(int(i))) for i in wanted}
        network = WriterNetwork(WriterConfig(**dict(config or {}))) if start is None else copy.deepcopy(start)
        if not isinstance(network, WriterNetwork) or (config and start is not None):
            raise ValueError("a run starts from weights for writer_verification, whose sizes it takes")
        some = [path_features(self._paths[int(i)]) for i in spread(self.training, _STATISTICS)]
        rows = torch.from_numpy(np.concatenate(some))
        network.feature_mean.copy_(rows.mean(0))
        network.feature_std.copy_(rows.std(0).clamp_min(0.05))
        self.network = Classifier(network, len(names))
        self._settle(network.eval())
        self._imprint()
        self.figures = tuple(f"{which}_{name}" for which in ("valid", "unseen") for name in _FIGURES)

    def _settle(self, network: WriterNetwork) -> None:
        settle(network, [self._paths[int(i)] for i in spread(self.training, _SETTLED)])

    def _imprint(self) -> None:
        """Start each person's direction at the mean of some lines (Qi, Brown and Lowe 2018, arXiv:1712.07136).

        From directions at random, embeddings first all fall together, and training spends many epochs on parting
        them again.
        """
        order = np.random.default_rng(self.seed).permutation(self.training)
        order = order[np.argsort(self.labels[order], kind="stable")]
        owners = self.labels[order]
        rank = np.arange(len(owners)) - np.searchsorted(owners, owners)  # within one person's lines
        chosen = order[rank < _IMPRINTED]
        vectors = embed(self.network.network, [self._paths[int(i)][: _POINTS[1]] for i in chosen])
        with torch.no_grad():
            self.network.directions.zero_()
            self.network.directions.index_add_(
                0, torch.from_numpy(self.labels[chosen]), torch.from_numpy(vectors)
            )

    def batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """Indices into the corpus, by batch."""
        lengths = np.array([len(self._paths[int(i)]) for i in self.training])
        keys = batches(lengths, self.batch_size, seed=self.seed, epoch=epoch, repeats=self.repeats)
        return [self.training[key] for key in keys]

    def loss(self, network: nn.Module, key: NDArray[np.int64]) -> tuple[Tensor, int]:
        """Loss in nats, summed over the lines of the batch, and their number."""
        rng = np.random.default_rng(int(torch.randint(2**62, ())))
        # One length for the whole batch, so that little of it is padding.
        most = int(rng.integers(*_POINTS))
        lines = [path_features(vary(cut(self._paths[int(i)], most, rng), rng)) for i in key]
        rows, lengths = stack(lines)
        device = cast(Classifier, network).directions.device
        owners = torch.from_numpy(self.labels[key]).to(device)
        dtype = product_dtype(device)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            cosines = network(rows.to(device), lengths.to(device)).float()
        margin = _MARGIN * F.one_hot(owners, cosines.shape[1])
        return F.cross_entropy(_SCALE * (cosines - margin), owners, reduction="sum"), len(key)

    @torch.no_grad()
    def validate(self, network: nn.Module) -> dict[str, float]:
        """Three lines against three, and identification, among those held out (valid) and all not trained on."""
        judge = cast(Classifier, network).network
        self._settle(judge)
        vectors = embed(judge, [self._paths[int(i)] for i in self.validation])
        whose, when = self.people[self.validation], np.array(self.sittings)
        figures: dict[str, float] = {}
        for name, which in (("valid", np.flatnonzero(self.unseen)), ("unseen", np.arange(len(whose)))):
            people, sittings = [whose[i] for i in which], [when[i] for i in which]
            pairs = verify(vectors[which], people, sittings)
            one, three = (identify_real(vectors[which], people, sittings, references=k) for k in (1, 3))
            found = (pairs.equal_error, one.top1, three.top1, pairs.own_cosine, pairs.other_cosine)
            figures |= {f"{name}_{figure}": value for figure, value in zip(_FIGURES, found, strict=True)}
        return figures

    def draw(self, network: nn.Module, folder: Path, step: int) -> None:
        """Write the training curves."""
        from strokesynth import plots

        plots.plot_training_curves(folder / "log.csv").savefig(folder / "curves.png", dpi=80)

    def save(self, network: nn.Module, path: Path, note: str) -> None:
        """Write the weights file, without what only training needs."""
        judge = copy.deepcopy(cast(Classifier, network).network)
        self._settle(judge)
        save_weights(path, judge, self.name, Alphabet(), note)


def cut(path: PenPath, most: int, rng: np.random.Generator) -> PenPath:
    """A stretch of at most so many points, from anywhere."""
    start = int(rng.integers(0, max(0, len(path) - most) + 1))
    return path[start : start + most]


def _watched(name: str) -> bool:
    return zlib.crc32(name.encode()) % _WATCHED == 0
