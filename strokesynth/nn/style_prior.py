"""Hands that nobody has: a Gaussian over whole styles, fitted to those of the training writers.

How a person makes one letter says much about how they make the others, so that a style cannot be drawn number by
number. The styles of many writers, each a vector of the hand and of all characters, are taken apart into principal
components (Tipping and Bishop 1999, "Probabilistic principal component analysis"); a new hand is a draw along
these.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from strokesynth.nn.style_encoder import StyleVectors


class StylePrior(nn.Module):
    """A Gaussian over styles of hand (Z,) and characters (A, S), of low rank.

    mean: (Z + A S,). basis: (R, Z + A S), principal directions, each as long as its standard deviation among writers.
    """

    mean: Tensor
    basis: Tensor

    def __init__(self, hand_size: int, alphabet_size: int, character_size: int, rank: int) -> None:
        super().__init__()
        self.shape = (alphabet_size, character_size)
        self.hand_size = hand_size
        size = hand_size + alphabet_size * character_size
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("basis", torch.zeros(rank, size))

    @property
    def fitted(self) -> bool:
        """Whether there are hands to draw."""
        return bool(self.basis.any())

    @torch.no_grad()
    def fit(self, styles: StyleVectors, weights: Tensor | None = None) -> None:
        """Fit to the styles of N writers, hand (N, Z) and characters (N, A, S); `weights` (N,) says how sure each is.

        Raises ValueError for fewer than two writers.
        """
        values = self.join(styles).double()
        if len(values) < 2:
            raise ValueError(f"a prior over styles needs those of at least two writers, got {len(values)}")
        shares = torch.ones(len(values)) if weights is None else weights.double()
        shares = (shares / shares.sum()).double()
        mean = shares @ values
        centred = (values - mean) * shares.sqrt()[:, None]
        _, deviations, directions = torch.linalg.svd(centred, full_matrices=False)
        count = min(len(self.basis), len(deviations))
        self.mean.copy_(mean)
        self.basis.zero_()
        self.basis[:count] = deviations[:count, None] * directions[:count]

    def forward(self, noise: Tensor) -> StyleVectors:
        """The styles (B) that standard normal noise (B, R) stands for."""
        return self.split(self.mean + noise @ self.basis)

    def join(self, styles: StyleVectors) -> Tensor:
        """Styles (B) as one vector each, (B, Z + A S)."""
        return torch.cat([styles.hand, styles.characters.flatten(1)], dim=1)

    def split(self, values: Tensor) -> StyleVectors:
        """Inverse of `join`."""
        hand, characters = values.split([self.hand_size, self.shape[0] * self.shape[1]], dim=1)
        return StyleVectors(hand, characters.view(-1, *self.shape))
