"""The judge of handwriting: convolutions over the pen's way and attentive pooling to one vector for a line.

Lines of one person point the same way, whatever their text. The plan is that of speaker verification: frames,
attentive statistics pooling (Okabe, Koshinaka and Shinoda 2018, arXiv:1803.10963), an embedding of unit length
learned by additive-margin softmax over the training writers (Wang, Cheng, Liu and Liu 2018, arXiv:1801.05599).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LOW = -1e4  # a logit of attention at which nothing is attended to, also in half precision


@dataclass(frozen=True)
class WriterConfig:
    """Architecture of the writer network: channels of its frames, residual blocks, heads of pooling, embedding."""

    hidden_size: int = 96
    blocks: int = 4
    heads: int = 4
    embedding_size: int = 96
    features: int = 8

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(
                    f"{type(self).__name__}.{name} is {value!r}; expected a whole number of at least 1"
                )
        if self.hidden_size % (2 * self.heads):
            raise ValueError(
                f"hidden_size is {self.hidden_size}, not divisible by twice the {self.heads} heads"
            )


class WriterNetwork(nn.Module):
    """Turns rows of features into one embedding of unit length for each line, with a frame for every four rows.

    The features' mean and standard deviation over the training lines are buffers of the network, and so are those of
    its outputs.
    """

    feature_mean: Tensor
    feature_std: Tensor
    output_mean: Tensor
    output_std: Tensor

    def __init__(self, config: WriterConfig) -> None:
        """Build the network with fresh weights."""
        super().__init__()
        self.config = config
        size = config.hidden_size
        self.register_buffer("feature_mean", torch.zeros(config.features))
        self.register_buffer("feature_std", torch.ones(config.features))
        self.register_buffer("output_mean", torch.zeros(config.embedding_size))
        self.register_buffer("output_std", torch.ones(config.embedding_size))
        self.fine = nn.Conv1d(config.features, size // 2, kernel_size=5, stride=2, padding=2)
        self.coarse = nn.Conv1d(size // 2, size, kernel_size=5, stride=2, padding=2)
        self.blocks = nn.ModuleList(ResidualConvolution(size, 2 ** (i % 3)) for i in range(config.blocks))
        self.norm = nn.LayerNorm(size)
        self.attention = nn.Sequential(
            nn.Linear(size, size // 2), nn.Tanh(), nn.Linear(size // 2, config.heads)
        )
        self.pooled_norm = nn.LayerNorm(2 * size)
        self.output = nn.Linear(2 * size, config.embedding_size)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Embeddings (B, `embedding_size`) of features (T, B, `features`) of which `lengths` (B,) rows count.

        Rows beyond a line's length are not looked at: its embedding does not depend on its neighbours in the batch.
        """
        outputs = self.outputs(features, lengths)
        mean, std = spread(outputs) if self.training else (self.output_mean, self.output_std)
        return F.normalize((outputs - mean) / std, dim=1)

    def outputs(self, features: Tensor, lengths: Tensor) -> Tensor:
        """The outputs from which embeddings are made by centring and scaling to unit length; see `settle`."""
        return self.output(self._pooled(features, lengths)).float()

    @torch.no_grad()
    def settle(self, outputs: Tensor) -> None:
        """Keep mean and deviation of these lines' `outputs` (n, `embedding_size`), to centre embeddings by.

        Two lines differ little beside what all lines have in common, and what is common moves with every update; so
        embeddings are centred as by batch normalisation (Ioffe and Szegedy 2015, arXiv:1502.03167): in training by
        the batch itself, in use by what is kept here.
        """
        mean, std = spread(outputs)
        self.output_mean.copy_(mean)
        self.output_std.copy_(std)

    def _pooled(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Statistics (B, 2 C) of all frames of each line."""
        x = ((features - self.feature_mean) / self.feature_std).permute(1, 2, 0)
        x = x * _mask(x, lengths)
        lengths = (lengths + 1) // 2
        x = F.relu(self.fine(x))
        x = x * _mask(x, lengths)
        lengths = (lengths + 1) // 2
        x = F.relu(self.coarse(x))
        mask = _mask(x, lengths)
        x = x * mask
        for block in self.blocks:
            x = x + block(x) * mask
        frames = self.norm(x.transpose(1, 2))
        weights = (self.attention(frames) + (1.0 - mask.transpose(1, 2)) * _LOW).float().softmax(dim=1)
        return self.pooled_norm(self._statistics(frames.float(), weights))

    def _statistics(self, frames: Tensor, weights: Tensor) -> Tensor:
        """Weighted means and deviations (B, 2 C) of frames (B, T, C); weights (B, T, H), each for C / H channels."""
        parts = frames.unflatten(2, (self.config.heads, -1))  # (B, T, H, C / H)
        mean = (parts * weights[..., None]).sum(1)
        variance = (parts.square() * weights[..., None]).sum(1) - mean.square()
        return torch.cat([mean, variance.clamp_min(1e-4).sqrt()], dim=2).flatten(1)


class ResidualConvolution(nn.Module):
    """A dilated convolution of five frames, added to its input (B, C, T), which is normalised first."""

    def __init__(self, size: int, dilation: int) -> None:
        """The convolution has `size` channels, and its frames are `dilation` apart."""
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.convolution = nn.Conv1d(size, size, kernel_size=5, padding=2 * dilation, dilation=dilation)
        self.output = nn.Conv1d(size, size, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) to (B, C, T)."""
        return self.output(F.relu(self.convolution(self.norm(x.transpose(1, 2)).transpose(1, 2))))


def spread(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of x (n, D) over its rows, the latter not below a thousandth."""
    mean = x.mean(0)
    return mean, ((x - mean).square().mean(0) + 1e-6).sqrt()


def _mask(x: Tensor, lengths: Tensor) -> Tensor:
    """Ones on the first `lengths` (B,) of the T places of x (B, C, T), zeros beyond: (B, 1, T)."""
    return (torch.arange(x.shape[2], device=x.device) < lengths[:, None])[:, None].to(x.dtype)
