"""The training tasks of Graves' two networks: which lines, which loss, which figures and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from strokesynth import plots
from strokesynth._batches import by_length
from strokesynth.alphabet import Alphabet
from strokesynth.datasets.corpus import HELD_OUT, Corpus, spread
from strokesynth.ink import Ink
from strokesynth.nn.mixture import log_likelihood, split_outputs, squared_error
from strokesynth.nn.sampling import sample_freely, sample_lines, start_point, with_terminal
from strokesynth.nn.synthesis import PredictionNetwork, SynthesisNetwork
from strokesynth.nn.weights import build_network, save_weights
from strokesynth.training.batching import batches, collate
from strokesynth.training.splits import by_source, split_corpus

SAMPLE_TEXTS = (
    "Dear Ada, thank you for the letter.",
    "The quick brown fox jumps over a lazy dog",
    "Call 0171 946-5823 before 10:45 on 7 May",
    "QUIZ: Jazz & Xylophone @ 50% = $12.90?",
    "write to zoe_q@example.org (or http://x.net/a)",
    'f[i] = {x + "y"} * 3 <= #4; ~/\\^|`!',
)
"""Lines that every training run draws, to see letters, digits and the rare characters come."""


class SynthesisTask:
    """Next-point prediction over a corpus, with the text (synthesis network) or without (prediction network)."""

    unit = "point"

    def __init__(
        self,
        name: str,
        corpus: Corpus,
        *,
        batch_size: int,
        seed: int,
        config: Mapping[str, Any] | None = None,
        validation: Sequence[str] = HELD_OUT,
        repeats: Mapping[str, float] | None = None,
        validation_lines: int = 320,
    ) -> None:
        """`validation` names the splits kept out of training; `repeats` how often an epoch has each source.

        Raises ValueError for an unknown task, split or source, or when no line is left to train or validate on.
        """
        torch.manual_seed(seed)
        self.name, self.alphabet, self.corpus = name, Alphabet(), corpus
        self.network = build_network(name, dict(config or {}))
        self.batch_size, self.seed = batch_size, seed
        self.training, self.repeats, held_out = split_corpus(corpus, validation, repeats=repeats)
        self.validation = by_source(corpus, held_out, validation_lines)
        kinds = ["valid", *self.validation]
        self.figures = tuple(name for kind in kinds for name in _averages(f"{kind}_", np.ones(4)))
        mean, std = self._statistics()
        pen = cast(PredictionNetwork | SynthesisNetwork, self.network)
        pen.offset_mean.copy_(mean)
        pen.offset_std.copy_(std)

    def _statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the training offsets (dx, dy), over at most 3,000 lines of them."""
        some = np.concatenate([self.corpus.offsets(i)[:, :2] for i in spread(self.training, 3000)])
        return torch.from_numpy(some.mean(0)), torch.from_numpy(some.std(0))

    def batches(self, epoch: int) -> list[NDArray[np.int64]]:
        """Indices into the corpus, by batch."""
        lengths = self.corpus.lengths[self.training]
        keys = batches(lengths, self.batch_size, seed=self.seed, epoch=epoch, repeats=self.repeats)
        return [self.training[key] for key in keys]

    def _outputs(self, network: nn.Module, key: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
        """Network outputs (T, B, 6 M + 1), the standardised points they predict (T, B, 3), and the mask (T, B)."""
        lines = [
            (
                with_terminal(self.corpus.offsets(i)),
                self.alphabet.encode(str(self.corpus.texts[i]), with_end=True),
            )
            for i in key
        ]
        batch = collate(lines)
        pen = cast(PredictionNetwork | SynthesisNetwork, network)
        device = pen.offset_mean.device
        points, mask = torch.from_numpy(batch.offsets).to(device), torch.from_numpy(batch.mask).to(device)
        inputs = torch.cat([start_point(len(key), device)[None], points[:-1]])
        if isinstance(pen, SynthesisNetwork):
            codes = torch.from_numpy(batch.codes.T.copy()).to(device)
            lengths = torch.from_numpy(batch.code_mask.sum(0)).to(device)
            text = pen.one_hot(codes, lengths)
            outputs, _, _ = pen(pen.standardize(inputs), text)
        else:
            outputs, _ = pen(pen.standardize(inputs))
        return outputs, pen.standardize(points), mask

    def loss(self, network: nn.Module, key: NDArray[np.int64]) -> tuple[Tensor, int]:
        """Negative log-likelihood in nats, summed over the points of the batch (eq 26), and their number."""
        outputs, points, mask = self._outputs(network, key)
        nats = -(log_likelihood(split_outputs(outputs), points) * mask).sum()
        return nats, int(mask.sum())

    @torch.no_grad()
    def validate(self, network: nn.Module) -> dict[str, float]:
        """Nats per point and per sequence, and squared error per point, of each source's held-out lines."""
        figures: dict[str, float] = {}
        total = np.zeros(4)
        for source, indices in self.validation.items():
            sums = np.zeros(4)  # nats, squared error, points, sequences
            for batch in by_length(self.corpus.lengths[indices], most=self.batch_size):
                outputs, targets, mask = self._outputs(network, indices[batch])
                mixture = split_outputs(outputs)
                nats = -(log_likelihood(mixture, targets) * mask).sum()
                error = (squared_error(mixture, targets) * mask).sum()
                sums += [float(nats), float(error), float(mask.sum()), mask.shape[1]]
            figures |= _averages(f"{source}_", sums)
            total += sums
        return _averages("valid_", total) | figures

    def draw(self, network: nn.Module, folder: Path, step: int) -> None:
        """Write samples-STEP.png (and window-STEP.png for the synthesis network) and curves.png."""
        if isinstance(network, SynthesisNetwork):
            texts = [t for t in SAMPLE_TEXTS for _ in range(2)]
            codes = [self.alphabet.encode(t, with_end=True) for t in texts]
            lines = sample_lines(network, codes, list(range(len(codes))), bias=[0.5, 1.0] * len(SAMPLE_TEXTS))
            inks = [Ink.from_offsets(_closed(line.offsets)) for line in lines]
            titles = [
                t if line.finished else f"(unfinished) {t}" for t, line in zip(texts, lines, strict=True)
            ]
            attention = plots.plot_attention(lines[1].window[:, :-1], texts[1])
            attention.savefig(folder / f"window-{step:06d}.png", dpi=80)
        else:
            assert isinstance(network, PredictionNetwork)
            inks = [Ink.from_offsets(sample_freely(network, 500, seed, bias=0.5)) for seed in range(8)]
            titles = [f"seed {seed}" for seed in range(8)]
        plots.plot_lines(inks, titles).savefig(folder / f"samples-{step:06d}.png", dpi=80)
        plots.plot_training_curves(folder / "log.csv").savefig(folder / "curves.png", dpi=80)

    def save(self, network: nn.Module, path: Path, note: str) -> None:
        """Write the weights file."""
        save_weights(path, network, self.name, self.alphabet, note)  # type: ignore[arg-type]


def _averages(prefix: str, sums: NDArray[np.float64]) -> dict[str, float]:
    nats, error, points, sequences = sums.tolist()
    return {
        f"{prefix}nats_per_point": nats / points,
        f"{prefix}nats_per_sequence": nats / sequences,
        f"{prefix}squared_error_per_point": error / points,
    }


def _closed(offsets: NDArray[np.float32]) -> NDArray[np.float32]:
    """The offsets with the pen lifted at the end, for a line that was given up in the middle of a stroke."""
    offsets = offsets.copy()
    offsets[-1, 2] = 1.0
    return offsets
