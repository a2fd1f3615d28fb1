"""Graves' synthesis network, written in the hand of a given person.

The network is that of section 5 (`strokesynth.nn.synthesis`); the rows of the text that its window reads become
*character ⊕ how this writer makes it*, and a vector for the writer's whole hand enters every layer and the output as a
bias. Both are linear in the style, so one style folds into an ordinary synthesis network, which then writes at
the speed of any other (`fold`).
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from strokesynth.nn.mixture import output_size
from strokesynth.nn.style_encoder import StyleConfig, StyleEncoder, StyleVectors
from strokesynth.nn.style_prior import StylePrior
from strokesynth.nn.synthesis import SynthesisConfig, SynthesisNetwork, SynthesisState

_GAIN = 0.5
"""Factor of the style of a character in the rows of the text. A style is told by few lines and changes everything, so
that its weights learn more slowly than those of letters, by this factor. Other factors were not compared one by one."""


@dataclass(frozen=True)
class StyledConfig:
    """Architecture of the styled synthesis network: of the pen network, whose alphabet it is, and of the encoder.

    prior_rank: principal components of the prior over styles.
    """

    pen: SynthesisConfig = field(default_factory=SynthesisConfig)
    style: StyleConfig = field(default_factory=StyleConfig)
    prior_rank: int = 48

    @classmethod
    def of(cls, values: dict[str, Any]) -> StyledConfig:
        """The configuration made of plain values, as `dataclasses.asdict` gives them."""
        pen, style = SynthesisConfig(**values.get("pen", {})), StyleConfig(**values.get("style", {}))
        return cls(pen, style, values.get("prior_rank", cls.prior_rank))


class StyledNetwork(nn.Module):
    """A synthesis network with a style encoder. See the module."""

    config: StyledConfig

    def __init__(self, config: StyledConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or StyledConfig()
        pen, style = config.pen, config.style
        wide = SynthesisConfig(**{**asdict(pen), "alphabet_size": pen.alphabet_size + style.character_size})
        self.pen = SynthesisNetwork(wide)
        self.encoder = StyleEncoder(style, pen.alphabet_size)
        self.prior = StylePrior(style.hand_size, pen.alphabet_size, style.character_size, config.prior_rank)
        sizes = (*(4 * pen.hidden_size,) * 3, output_size(pen.components))
        self.hand = nn.ModuleList(nn.Linear(style.hand_size, size, bias=False) for size in sizes)
        # At the start the style has no effect, so that what the pen network has learned before stays as it is.
        with torch.no_grad():
            for parameter in self.hand.parameters():
                parameter.zero_()
            for weight, columns in self._style_columns():
                weight[:, columns].zero_()

    def _style_columns(self) -> list[tuple[Tensor, slice[int, int, None]]]:
        """Each weight of the pen network that reads the window, and its columns for the style of a character."""
        letters, size = self.config.pen.alphabet_size, self.config.style.character_size
        hidden = self.config.pen.hidden_size
        first = slice(hidden + letters, hidden + letters + size)
        above = slice(3 + letters, 3 + letters + size)
        upper: list[Tensor] = [layer.w_ih for layer in self.pen.layers]  # type: ignore[misc]
        return [(self.pen.first.w_sh, first), *((weight, above) for weight in upper)]

    @property
    def offset_mean(self) -> Tensor:
        """Mean of the training offsets (2,)."""
        return self.pen.offset_mean

    @property
    def offset_std(self) -> Tensor:
        """Standard deviation of the training offsets (2,)."""
        return self.pen.offset_std

    @property
    def style_space(self) -> str:
        """Which styles the network understands: a digest of the weights that make and use them, as float16."""
        digest = hashlib.sha256()
        for part in (self.encoder, self.hand):
            for value in part.state_dict().values():
                digest.update(value.detach().cpu().half().numpy().tobytes())
        return digest.hexdigest()[:16]

    @staticmethod
    def columns_of(characters: Tensor) -> Tensor:
        """What stands for the styles of characters (…, S) in the rows of the text."""
        return _GAIN * characters

    def rows(self, codes: Tensor, lengths: Tensor, style: StyleVectors) -> Tensor:
        """Codes (B, U) in B styles → styled rows of the text (B, U, A + S); zero from `lengths` (B,) on."""
        letters = nn.functional.one_hot(codes, self.config.pen.alphabet_size).to(style.characters.dtype)
        index = codes[..., None].expand(-1, -1, style.characters.shape[2])
        rows = torch.cat([letters, self.columns_of(style.characters).gather(1, index)], dim=-1)
        return rows * (torch.arange(codes.shape[1], device=codes.device) < lengths[:, None])[..., None]

    def biases(self, hand: Tensor) -> tuple[Tensor, ...]:
        """The biases of a hand (B, Z): one for the gates of each of three layers, (B, 4H), and one for the outputs."""
        return tuple(linear(hand) for linear in self.hand)

    def forward(
        self,
        x: Tensor,
        codes: Tensor,
        lengths: Tensor,
        style: StyleVectors,
        state: SynthesisState | None = None,
    ) -> tuple[Tensor, Tensor, SynthesisState]:
        """Standardised points x (T, B, 3), codes (B, U) → as `SynthesisNetwork.forward`."""
        return self.pen(x, self.rows(codes, lengths, style), state, biases=self.biases(style.hand))

    @torch.no_grad()
    def fold(self, style: StyleVectors) -> SynthesisNetwork:
        """An ordinary synthesis network that writes in one style: hand (Z,), characters (A, S)."""
        pen = self.config.pen
        network = SynthesisNetwork(pen)
        values = dict(self.pen.state_dict())
        names = ["first.w_sh", "layers.0.w_ih", "layers.1.w_ih"]
        for name, (weight, columns) in zip(names, self._style_columns(), strict=True):
            letters = slice(columns.start - pen.alphabet_size, columns.start)
            folded = torch.cat([weight[:, : columns.start], weight[:, columns.stop :]], dim=1)
            folded[:, letters] += weight[:, columns] @ self.columns_of(style.characters).T
            values[name] = folded
        added = self.biases(style.hand[None])
        for name, bias in zip(
            ["first.bias", "layers.0.bias", "layers.1.bias", "output.bias"], added, strict=True
        ):
            values[name] = values[name] + bias[0]
        network.load_state_dict(values)
        return network.to(self.offset_mean.device).eval()

    def average(self) -> SynthesisNetwork:
        """The ordinary network of the style at the origin, the average of the writers it was trained on."""
        hand = torch.zeros(self.config.style.hand_size, device=self.offset_mean.device)
        size = (self.config.pen.alphabet_size, self.config.style.character_size)
        return self.fold(StyleVectors(hand, torch.zeros(size, device=hand.device)))

    @torch.no_grad()
    def start_from(self, network: SynthesisNetwork) -> None:
        """Take over the weights of a network without styles; the styles then make no difference yet."""
        if network.config != self.config.pen:
            raise ValueError(f"the network to start from is {network.config}; expected {self.config.pen}")
        values = dict(network.state_dict())
        names = ["first.w_sh", "layers.0.w_ih", "layers.1.w_ih"]
        for name, (_, columns) in zip(names, self._style_columns(), strict=True):
            given = values[name]
            new = given.new_zeros(len(given), columns.stop - columns.start)
            values[name] = torch.cat([given[:, : columns.start], new, given[:, columns.start :]], dim=1)
        self.pen.load_state_dict(values)
