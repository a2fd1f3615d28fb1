"""The training task of the recogniser: which lines, how they are varied, which loss, which figures and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from torch import Tensor, nn

from strokesynth._batches import by_length
from strokesynth.alphabet import Alphabet
from strokesynth.datasets.corpus import HELD_OUT, Corpus, spread
from strokesynth.nn.ctc import focal_ctc_loss
from strokesynth.nn.recognition import RecognitionConfig, RecognitionNetwork
from strokesynth.nn.weights import save_weights
from strokesynth.recognition.decoding import greedy_batch
from strokesynth.recognition.features import FEATURES, trace_points
from strokesynth.training.augmentation import augment
from strokesynth.training.batching import batches
from strokesynth.training.splits import by_source, split_corpus

_POOL = 4000  # samples within which an epoch's batches are sorted by length
_STATISTICS = 2000  # samples that the features' mean and deviation are taken from
_USUAL_LENGTH = 260  # points of a usual line
_VALIDATED = 32  # lines read at once in validation
# The longest run of rows that is hidden, as a share of a line's rows; in points, four times as many.
_HIDDEN = 0.06


class RecognitionTask:
    """Reading the lines of a corpus under connectionist temporal classification."""

    name = "recognition"
    unit = "character"

    def __init__(
        self,
        corpus: Corpus,
        *,
        batch_size: int,
        seed: int,
        config: Mapping[str, Any] | None = None,
        train: Sequence[str] | None = None,
        validation: Sequence[str] = HELD_OUT,
        repeats: Mapping[str, float] | None = None,
        focus: float = 0.0,
        validation_lines: int = 320,
    ) -> None:
        """A batch has as many points as `batch_size` lines of usual length.

        `train` names the splits to train on (None: all but those of validation), `validation` those to validate on,
        `repeats` how often an epoch has each source; `focus` is the exponent gamma of focal CTC, 0 for plain CTC.
        Raises ValueError for an unknown split or source, or when no line is left to train or validate on.
        """
        torch.manual_seed(seed)
        if corpus.task != "recognition":
            raise ValueError(f"this corpus is for {corpus.task}: make one with --task recognition")
        self.alphabet, self.corpus, self.batch_size, self.seed = Alphabet(), corpus, batch_size, seed
        self.network = RecognitionNetwork(RecognitionConfig(**{"features": FEATURES, **(config or {})}))
        self.focus = focus
        split = split_corpus(corpus, validation, repeats=repeats, train=train)
        self.training, self.repeats = split.training, split.repeats
        self.validation = by_source(corpus, split.held_out, validation_lines)
        self.figures = tuple(f"{source}_error" for source in self.validation) + ("valid_nats_per_character",)
        some = [self._rows(i, None) for i in spread(self.training, _STATISTICS)]
        rows = torch.from_numpy(np.concatenate(some))
        self.network.feature_mean.copy_(rows.mean(0))
        self.network.feature_std.copy_(rows.std(0).clamp_min(0.05))

    def batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """Indices into the corpus, by batch; each of about the same number of points."""
        keys = batches(
            self.corpus.lengths[self.training],
            self.batch_size,
            seed=self.seed,
            epoch=epoch,
            repeats=self.repeats,
            usual_length=_USUAL_LENGTH,
            pool=_POOL,
        )
        return [self.training[key] for key in keys]

    def _rows(self, i: int, rng: np.random.Generator | None) -> NDArray[np.float32]:
        """Features (n, F) of sample i, varied if there is a generator."""
        offsets = self.corpus.offsets(i)
        points = np.cumsum(offsets[:, :2], axis=0, dtype=np.float64)
        lengths = np.diff(np.flatnonzero(offsets[:, 2]), prepend=-1)
        if rng is None:
            return trace_points(points, lengths).features
        points, lengths, step = augment(points, lengths, rng)
        features = trace_points(points, lengths, step=step).features
        if rng.random() < 0.5 and len(features) > 60:
            # A stretch that is hidden teaches the network to read from what is around it
            # (SpecAugment, Park et al. 2019, arXiv:1904.08779).
            for _ in range(2):
                width = int(rng.integers(0, int(min(40, _HIDDEN * len(features))) + 1))
                at = int(rng.integers(0, len(features) - width + 1))
                features[at : at + width] = self.network.feature_mean.cpu().numpy()
        return features

    def _batch(
        self, key: NDArray[np.int64], rng: np.random.Generator | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features (T, B, F), their lengths, codes (B, U), their lengths: all on the network's device."""
        rows = [self._rows(int(i), rng) for i in key]
        codes = [self.alphabet.encode(str(self.corpus.texts[i])) for i in key]
        features = np.zeros((max(map(len, rows)), len(key), rows[0].shape[1]), np.float32)
        padded = np.zeros((len(key), max(map(len, codes))), np.int64)
        for column, (line, text) in enumerate(zip(rows, codes, strict=True)):
            features[: len(line), column] = line
            padded[column, : len(text)] = text
        device = self.network.feature_mean.device
        return (
            torch.from_numpy(features).to(device),
            torch.tensor([len(line) for line in rows], device=device),
            torch.from_numpy(padded).to(device),
            torch.tensor(list(map(len, codes)), device=device),
        )

    def loss(self, network: nn.Module, key: NDArray[np.int64]) -> tuple[Tensor, int]:
        """Loss in nats, summed over the samples of the batch, and the number of their characters.

        A sample with more characters than frames (too few rows for its text) does not count.
        """
        # Drawn from torch's generator, which the training loop seeds anew for every update.
        rng = np.random.default_rng(int(torch.randint(2**62, ())))
        features, lengths, codes, code_lengths = self._batch(key, rng)
        log_probs, frames = network(features, lengths)
        nats = focal_ctc_loss(log_probs, frames, codes, code_lengths, gamma=self.focus)
        return nats.sum(), int(code_lengths.sum())

    @torch.no_grad()
    def validate(self, network: nn.Module) -> dict[str, float]:
        """Character error of best path decoding on each source's held-out lines, and nats a character on all."""
        figures, nats, characters = {}, 0.0, 0
        for source, indices in self.validation.items():
            wrong = total = 0
            for batch in by_length(self.corpus.lengths[indices], most=_VALIDATED):
                features, lengths, codes, code_lengths = self._batch(indices[batch], None)
                log_probs, frames = network(features, lengths)
                losses = focal_ctc_loss(log_probs, frames, codes, code_lengths, gamma=0.0)
                nats, characters = nats + float(losses.sum()), characters + int(code_lengths.sum())
                for read, text, n in zip(
                    greedy_batch(log_probs, frames), codes, code_lengths.tolist(), strict=True
                ):
                    wrong += Levenshtein.distance(read.tolist(), text[:n].tolist())
                    total += n
            figures[f"{source}_error"] = wrong / max(1, total)
        return figures | {"valid_nats_per_character": nats / max(1, characters)}

    def draw(self, network: nn.Module, folder: Path, step: int) -> None:
        """Write the training curves."""
        from strokesynth import plots

        plots.plot_training_curves(folder / "log.csv").savefig(folder / "curves.png", dpi=80)

    def save(self, network: nn.Module, path: Path, note: str) -> None:
        """Write the weights file."""
        save_weights(path, cast(RecognitionNetwork, network), self.name, self.alphabet, note)
