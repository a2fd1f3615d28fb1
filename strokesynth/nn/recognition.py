"""The recogniser's network: subsampling convolutions, residual bidirectional LSTM layers, self-attention, CTC.

Bidirectional LSTM layers under connectionist temporal classification read online handwriting since Graves et al.
(A novel connectionist system for unconstrained handwriting recognition, IEEE TPAMI 31(5), 2009). Here every layer
adds to what it was given (He et al. 2016, arXiv:1512.03385) after normalising it (Ba et al. 2016,
arXiv:1607.06450), and one layer of self-attention (Vaswani et al. 2017, arXiv:1706.03762) lets a letter see the
dot that was put on it at the end of the word.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class RecognitionConfig:
    """Architecture of the recognition network; `alphabet_size` counts the blank of CTC, code 0.

    `features` is the number of features of a row of the input; it has no default, since the network does not know what
    they are. Layers of `hidden_size`, half of it in each direction; attention comes after half of the layers.
    """

    hidden_size: int = 256
    layers: int = 4
    heads: int = 4
    front_size: int = 96
    features: int = field(kw_only=True)
    alphabet_size: int = 96
    dropout: float = 0.1

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name == "dropout":
                if not (isinstance(value, (int, float)) and 0 <= value < 1):
                    raise ValueError(f"dropout is {value!r}; expected a number of at least 0 and below 1")
            elif not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(
                    f"{type(self).__name__}.{name} is {value!r}; expected a whole number of at least 1"
                )
        if self.hidden_size % (2 * self.heads):
            raise ValueError(
                f"hidden_size is {self.hidden_size}, not divisible by twice the {self.heads} heads"
            )


class RecognitionNetwork(nn.Module):
    """Turns rows of features into the log-probabilities of characters, one frame for every four rows.

    The features' mean and standard deviation over the training corpus are buffers of the network.
    """

    stride = 4
    feature_mean: Tensor
    feature_std: Tensor

    def __init__(self, config: RecognitionConfig) -> None:
        """Build the network with fresh weights."""
        super().__init__()
        self.config = config
        size, front = config.hidden_size, config.front_size
        self.register_buffer("feature_mean", torch.zeros(config.features))
        self.register_buffer("feature_std", torch.ones(config.features))
        self.fine = nn.Conv1d(config.features, front, kernel_size=5, stride=2, padding=2)
        self.coarse = nn.Conv1d(front, size, kernel_size=5, stride=2, padding=2)
        self.layers = nn.ModuleList(ResidualLSTM(size) for _ in range(config.layers))
        self.attention = SelfAttention(size, config.heads)
        self.norm = nn.LayerNorm(size)
        self.output = nn.Linear(size, config.alphabet_size)

    def frames(self, rows: Tensor) -> Tensor:
        """The number of frames that a number of rows gives."""
        return (rows + self.stride - 1) // self.stride

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities (T', B, `alphabet_size`) of features (T, B, `features`) and the lengths (B,) in frames.

        Features beyond the `lengths` (B,) in rows of each sequence are not looked at; neither should be what the
        result holds beyond its lengths. A sequence's result does not depend on its neighbours in the batch.
        """
        dropout = self.config.dropout if self.training else 0.0
        rows = torch.arange(features.shape[0], device=features.device)[:, None] < lengths
        x = ((features - self.feature_mean) / self.feature_std * rows[:, :, None]).permute(1, 2, 0)
        half = F.relu(self.fine(x))
        half = half * (torch.arange(half.shape[2], device=x.device) < ((lengths + 1) // 2)[:, None])[:, None]
        x = drop(F.relu(self.coarse(half)).permute(2, 0, 1), dropout)
        frames = self.frames(lengths)
        mask = torch.arange(x.shape[0], device=x.device)[:, None] < frames
        x = x * mask[:, :, None]
        for i, layer in enumerate(self.layers):
            if i == len(self.layers) // 2:
                x = x + drop(self.attention(x, mask), dropout)
            x = x + drop(layer(x, frames), dropout)
        return F.log_softmax(self.output(self.norm(x)), dim=2), frames


class ResidualLSTM(nn.Module):
    """A bidirectional LSTM layer, added to its input: (T, B, size) to (T, B, size)."""

    def __init__(self, size: int) -> None:
        """Half of `size` cells in each direction."""
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.forwards = nn.LSTM(size, size // 2)
        self.backwards = nn.LSTM(size, size // 2)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Padding comes after the sequence in either direction, so that it changes nothing, and is not packed.

        (Packing makes the same layer four times slower on a processor.)
        """
        x = self.norm(x)
        turned = reverse(x, lengths)
        return torch.cat([self.forwards(x)[0], reverse(self.backwards(turned)[0], lengths)], dim=2)


def drop(x: Tensor, share: float) -> Tensor:
    """Dropout of x (T, B, C) that leaves out the same channels of a sequence all the time.

    (Gal and Ghahramani 2016, arXiv:1512.05287; so few random numbers also cost nothing.)
    """
    if not share:
        return x
    return x * (torch.rand(x.shape[1:], device=x.device) >= share).to(x.dtype).div_(1 - share)


def reverse(x: Tensor, lengths: Tensor) -> Tensor:
    """Each sequence of x (T, B, C) backwards within its length, padding where it was."""
    steps = torch.arange(x.shape[0], device=x.device)[:, None]
    index = torch.where(steps < lengths, lengths - 1 - steps, steps)
    return x.gather(0, index[:, :, None].expand_as(x))


class SelfAttention(nn.Module):
    """Self-attention over all frames of a sequence, added to its input: (T, B, size) to (T, B, size).

    Frames know their place from sinusoids (Vaswani et al., section 3.5) added to queries and keys.
    """

    def __init__(self, size: int, heads: int) -> None:
        """Heads of size / heads."""
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(size)
        self.query_key_value = nn.Linear(size, 3 * size)
        self.output = nn.Linear(size, size)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Mask (T, B): which frames there are; the others are not attended to."""
        steps, batch, size = x.shape
        x = self.norm(x)
        placed = x + sinusoids(steps, size, x.device)[:, None]
        weight, bias = self.query_key_value.weight, self.query_key_value.bias
        query, key = F.linear(placed, weight[: 2 * size], bias[: 2 * size]).chunk(2, dim=2)
        value = F.linear(x, weight[2 * size :], bias[2 * size :])
        q, k, v = (a.reshape(steps, batch, self.heads, -1).permute(1, 2, 0, 3) for a in (query, key, value))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask.T[:, None, None, :])
        return self.output(y.permute(2, 0, 1, 3).reshape(steps, batch, size))


def sinusoids(steps: int, size: int, device: torch.device | None = None) -> Tensor:
    """Sines and cosines (steps, size) of geometrically rising periods, from 2 pi to 10,000 * 2 pi frames."""
    place = torch.arange(steps, device=device, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, size, 2, device=device) * (-math.log(10_000.0) / size))
    return torch.cat([torch.sin(place * rate), torch.cos(place * rate)], dim=1)[:, :size]
