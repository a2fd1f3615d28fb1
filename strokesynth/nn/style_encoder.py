"""From a writer's ink to the style that a network imitates: a vector for the hand, and one for each character.

The ink comes as points with the characters that they belong to (a reader's alignment). Convolutions along the pen's way
see a few points around each point; the points of one written character are pooled into an instance; instances of
the same character are weighed against each other (attention); and two transformer layers over all characters of the
alphabet let those that were not seen be inferred from those that were. The result is a Gaussian over the style:
its mean is trained by how likely other lines of the writer become, its spread by how far the styles of different
lines of one writer lie apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from strokesynth.nn.products import product_dtype

FEATURES = 9
"""Numbers for each point, see `point_features`."""

_REACH = 2  # points to either side that a convolution sees
_GAP = 2 * _REACH  # zero rows between lines, so that none sees another
_LEAST_LOG_VARIANCE, _MOST_LOG_VARIANCE = -6.0, 1.0


@dataclass(frozen=True)
class StyleConfig:
    """Architecture of the style encoder.

    hand_size: numbers of the vector for the whole hand. character_size: of that for each character. channels: of the
    convolutions, and width of the transformer. convolutions, transformer_layers, heads: how many.
    """

    hand_size: int = 64
    character_size: int = 64
    channels: int = 128
    convolutions: int = 3
    transformer_layers: int = 2
    heads: int = 4

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"StyleConfig.{name} is {value!r}; expected a whole number of at least 1")
        if self.channels % self.heads:
            raise ValueError(f"channels ({self.channels}) must be a multiple of heads ({self.heads})")


class References(NamedTuple):
    """Ink to make styles of: L lines of P points together, in which I characters were written.

    points: float32 (P, FEATURES). instances: int64 (P,) the instance that each point belongs to, or -1.
    codes: int64 (I,) the character of each instance. lines: int64 (I,) the line it stands in.
    lengths: the L numbers of points.
    """

    points: Tensor
    instances: Tensor
    codes: Tensor
    lines: Tensor
    lengths: tuple[int, ...]

    def to(self, device: torch.device | str) -> References:
        """The same on a device."""
        points, instances, codes, lines, lengths = self
        return References(
            points.to(device), instances.to(device), codes.to(device), lines.to(device), lengths
        )

    @classmethod
    def of(
        cls, lines: Sequence[tuple[NDArray[np.float32], NDArray[np.integer], NDArray[np.int64]]]
    ) -> References:
        """Collect lines: (offsets (n, 3) in x-heights, character index of each point (n,) or -1, codes of text)."""
        points, instances, codes, rows = [], [], [], []
        count = 0
        for row, (offsets, characters, text) in enumerate(lines):
            seen, instance = np.unique(np.maximum(characters, -1), return_inverse=True)
            outside = int(len(seen) > 0 and seen[0] < 0)
            instance = instance.reshape(-1) - outside  # points of no character become -1
            seen = seen[outside:]
            points.append(point_features(offsets, instance))
            instances.append(np.where(instance >= 0, instance + count, -1))
            codes.append(text[seen])
            rows.append(np.full(len(seen), row))
            count += len(seen)

        def joined(parts: list[NDArray[np.int64]]) -> Tensor:
            return torch.from_numpy(np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64))

        features = np.concatenate([np.zeros((0, FEATURES), np.float32), *points])
        lengths = tuple(len(p) for p in points)
        return cls(torch.from_numpy(features), joined(instances), joined(codes), joined(rows), lengths)


def point_features(offsets: NDArray[np.float32], instance: NDArray[np.integer]) -> NDArray[np.float32]:
    """What the encoder sees of each point: offsets (n, 3), instance (n,) → float32 (n, FEATURES).

    The offset, whether the pen is lifted after this point and before it, the height above the baseline, the direction
    (cosine, sine), how much of its character was written before, and its place across the character.
    """
    n = len(offsets)
    x, y = np.cumsum(offsets[:, :2], axis=0, dtype=np.float64).T
    up = offsets[:, 2]
    before = np.concatenate([[1.0], up[:-1]])
    length = np.maximum(np.hypot(offsets[:, 0], offsets[:, 1]), 1e-4)
    index = instance - instance.min(initial=0)
    counts = np.bincount(index, minlength=1)
    order = np.argsort(index, kind="stable")
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    place = np.empty(n)
    place[order] = np.arange(n) - np.repeat(first, counts)
    done = (place + 0.5) / counts[index]
    middle = np.bincount(index, x, minlength=1) / np.maximum(counts, 1)
    across = np.clip(x - middle[index], -3, 3)
    columns = (
        np.clip(offsets[:, 0], -4, 4), np.clip(offsets[:, 1], -4, 4), up, before, np.clip(y, -6, 6),
        offsets[:, 0] / length, offsets[:, 1] / length, done, across,
    )  # fmt: skip
    return np.stack(columns, axis=1).astype(np.float32)


class Posterior(NamedTuple):
    """Gaussians over B styles: of the hand (B, Z), and of each of A characters (B, A, S)."""

    hand: Tensor
    hand_log_variance: Tensor
    characters: Tensor
    characters_log_variance: Tensor
    seen: Tensor  # (B, A) instances of each character


class StyleVectors(NamedTuple):
    """B styles as the network uses them: hand (B, Z), characters (B, A, S)."""

    hand: Tensor
    characters: Tensor


def mean_of(posterior: Posterior) -> StyleVectors:
    """The most likely styles."""
    return StyleVectors(posterior.hand, posterior.characters)


class _Attention(nn.Module):
    """A transformer layer (Vaswani et al. 2017, arXiv:1706.03762), normalised before each part: (B, N, C) → the same.

    Written out, since torch's fused attention is slow in its backward pass for so few and so short rows on a CPU.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(channels)
        self.to_qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.between = nn.LayerNorm(channels)
        self.inner = nn.Sequential(
            nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        batch, rows, channels = x.shape
        size = channels // self.heads
        qkv = self.to_qkv(self.before(x)).view(batch, rows, 3, self.heads, size).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.reshape(3, batch * self.heads, rows, size).unbind(0)
        weights = torch.softmax(q @ k.transpose(1, 2) / size**0.5, dim=-1)
        seen = (weights.to(v.dtype) @ v).view(batch, self.heads, rows, size).transpose(1, 2)
        x = x + self.out(seen.reshape(batch, rows, channels))
        return x + self.inner(self.between(x))


class StyleEncoder(nn.Module):
    """Ink of one writer → posterior over their style. See the module."""

    hand_mean: Tensor
    hand_std: Tensor
    characters_mean: Tensor
    characters_std: Tensor

    def __init__(self, config: StyleConfig, alphabet_size: int) -> None:
        super().__init__()
        self.config, self.alphabet_size = config, alphabet_size
        c = config.channels
        self.letter = nn.Embedding(alphabet_size, c)
        self.enter = nn.Linear(FEATURES, c)
        self.convolutions = nn.ModuleList(
            nn.Linear((2 * _REACH + 1) * c, c) for _ in range(config.convolutions)
        )
        self.instance = nn.Sequential(nn.Linear(2 * c, 2 * c), nn.GELU(), nn.Linear(2 * c, c))
        self.weigh = nn.Linear(c, 1)
        self.seen = nn.Linear(c + 1, c)
        self.whole = nn.Linear(3 * c + 1, c)
        self.nothing = nn.Parameter(torch.zeros(c))
        self.token = nn.Embedding(alphabet_size, c)
        self.mix = nn.Sequential(*(_Attention(c, config.heads) for _ in range(config.transformer_layers)))
        self.to_hand = nn.Linear(c, 2 * config.hand_size)
        self.to_character = nn.Linear(c, 2 * config.character_size)
        # Means of styles are standardised by what writers have on average: a posterior can then not collapse by
        # shrinking its means (Zhu et al. 2020, arXiv:2004.12585), and numbers of a style are of order one.
        for name, size in (("hand", config.hand_size), ("characters", config.character_size)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_std", torch.ones(size))
            linear = getattr(self, "to_hand" if name == "hand" else "to_character")
            with torch.no_grad():
                linear.bias[size:] = -4.0
                linear.weight[size:] *= 0.1

    def instances(self, references: References) -> tuple[Tensor, Tensor]:
        """Vectors of the instances (I, C) and of the lines (L, 2C): mean and root mean square of their points."""
        r = references
        dtype = product_dtype(r.points.device)
        with torch.autocast(r.points.device.type, dtype, enabled=dtype != torch.float32):
            return self._instances(r)

    def _instances(self, r: References) -> tuple[Tensor, Tensor]:
        device, size = r.points.device, self.config.channels
        lengths = torch.tensor(r.lengths, dtype=torch.int64, device=device)
        line = torch.repeat_interleave(torch.arange(len(r.lengths), device=device), lengths)
        # All lines stand in one long row with gaps between them, which every convolution leaves empty.
        place = torch.arange(len(r.points), device=device) + _GAP * (line + 1)
        total = len(r.points) + _GAP * (len(r.lengths) + 1)
        letter = F.embedding(r.codes, self.letter.weight)
        owner = torch.where(r.instances >= 0, r.instances, len(r.codes))
        entered = self.enter(r.points)
        letter = torch.cat([letter, letter.new_zeros(1, size)]).to(entered.dtype)
        entered = F.gelu(entered + letter.index_select(0, owner))
        rows = entered.new_zeros(total, size).index_copy(0, place, entered)
        ink = entered.new_zeros(total, 1).index_fill(0, place, 1.0)
        for convolution in self.convolutions:
            padded = F.pad(rows, (0, 0, _REACH, _REACH))
            around = torch.cat([padded[k : k + total] for k in range(2 * _REACH + 1)], dim=1)
            rows = rows + F.gelu(convolution(around)) * ink
        x = rows.index_select(0, place)
        x = x.float()
        ones = x.new_ones(len(x), 1)

        def mean(values: Tensor, index: Tensor, count: int) -> Tensor:
            sums = values.new_zeros(count, values.shape[1]).index_add(0, index, values)
            numbers = ones.new_zeros(count, 1).index_add(0, index, ones[: len(index)])
            return sums / numbers.clamp(min=1.0)

        inside = torch.nonzero(r.instances >= 0)[:, 0]
        pooled = mean(x[inside], r.instances[inside], len(r.codes))
        result = self.instance(torch.cat([pooled, self.letter(r.codes)], dim=1)).float()
        squares = mean(x * x, line, len(r.lengths))
        return result, torch.cat([mean(x, line, len(r.lengths)), (squares + 1e-6).sqrt()], dim=1)

    def styles(
        self, instances: Tensor, lines: Tensor, references: References, sets: Sequence[Tensor]
    ) -> Posterior:
        """Posteriors over the styles of B sets of lines.

        instances, lines: what `instances` gave for the references. sets: for each style the indices of instances
        that it is made from (an empty one stands for no reference at all).
        """
        count, size, device = len(sets), self.alphabet_size, instances.device
        chosen = torch.cat([*sets, torch.zeros(0, dtype=torch.int64, device=device)])
        styles = torch.repeat_interleave(
            torch.arange(count, device=device),
            torch.tensor([len(s) for s in sets], dtype=torch.int64, device=device),
        )
        vectors, cell = instances[chosen], styles * size + references.codes[chosen]
        # Attention over the instances of one character of one style: weights that add up to one in each cell.
        weights = torch.exp(4.0 * torch.tanh(self.weigh(vectors) / 4.0))
        sums = weights.new_zeros(count * size, 1).index_add(0, cell, weights)
        mean = vectors.new_zeros(count * size, vectors.shape[1]).index_add(0, cell, vectors * weights)
        mean = mean / sums.clamp(min=1e-6)
        seen = weights.new_zeros(count * size, 1).index_add(0, cell, torch.ones_like(weights))
        certainty = seen / (seen + 1.0)
        tokens = torch.where(seen > 0, self.seen(torch.cat([mean, certainty], dim=1)), self.nothing)
        tokens = tokens.view(count, size, -1) + self.token.weight
        of_lines = torch.unique(torch.stack([styles, references.lines[chosen]]), dim=1)
        numbers = lines.new_zeros(count, 1).index_add(0, of_lines[0], lines.new_ones(of_lines.shape[1], 1))
        whole = lines.new_zeros(count, lines.shape[1]).index_add(0, of_lines[0], lines[of_lines[1]])
        whole = whole / numbers.clamp(min=1.0)
        letters = lines.new_zeros(count, vectors.shape[1]).index_add(0, styles, vectors)
        total = seen.view(count, size).sum(1, keepdim=True)
        whole = torch.cat([whole, letters / total.clamp(min=1.0), total / (total + 10.0)], dim=1)
        dtype = product_dtype(device)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            hand = self.whole(whole)[:, None]
            mixed = self.mix(torch.cat([hand, tokens], dim=1)).float()
        hand_mean, hand_variance = self.to_hand(mixed[:, 0]).chunk(2, dim=-1)
        mean, variance = self.to_character(mixed[:, 1:]).chunk(2, dim=-1)
        seen = seen.view(count, size)
        if self.training:
            self._observe("hand", hand_mean[total[:, 0] > 0])
            self._observe("characters", mean[total[:, 0] > 0].flatten(0, 1))
        # Without any reference the style is the origin, which is the mean over the writers of the training lines.
        known = (total > 0).to(hand_mean.dtype)
        return Posterior(
            known * (hand_mean - self.hand_mean.clone()) / self.hand_std.clone(),
            hand_variance.clamp(_LEAST_LOG_VARIANCE, _MOST_LOG_VARIANCE),
            known[..., None] * (mean - self.characters_mean.clone()) / self.characters_std.clone(),
            variance.clamp(_LEAST_LOG_VARIANCE, _MOST_LOG_VARIANCE),
            seen,
        )

    @torch.no_grad()
    def _observe(self, name: str, values: Tensor, momentum: float = 0.02) -> None:
        """Let the running mean and standard deviation (n,) follow the values (m, n)."""
        if len(values) < 8:
            return
        getattr(self, f"{name}_mean").lerp_(values.mean(0), momentum)
        getattr(self, f"{name}_std").lerp_(values.std(0).clamp(min=1e-3), momentum)
