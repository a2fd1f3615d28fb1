"""Graves' prediction and synthesis networks (2013, arXiv:1308.0850, sections 4 and 5).

Three LSTM layers with skip connections from the input to every layer and from every layer to the output; the
synthesis network adds the soft window over the text, read and moved by its first layer.

Both work on standardised offsets: (offset - mean) / std in each direction, with the statistics of the
training corpus kept in the weights as buffers, so that callers only ever see offsets in x-heights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from strokesynth.nn.kernel import sequence
from strokesynth.nn.lstm import LSTM
from strokesynth.nn.mixture import output_size
from strokesynth.nn.products import product_dtype
from strokesynth.nn.window import WindowedLSTM, WindowState


@dataclass(frozen=True)
class PredictionConfig:
    """Architecture of the prediction network (section 4.2)."""

    hidden_size: int = 400
    components: int = 20

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"{type(self).__name__}.{name} is {value!r}; expected a whole number of at least 1"
                )


@dataclass(frozen=True)
class SynthesisConfig(PredictionConfig):
    """Architecture of the synthesis network (section 5.2); `alphabet_size` counts the end mark."""

    window_components: int = 10
    alphabet_size: int = 96


class PredictionState(NamedTuple):
    """(h, c) of each of the three layers."""

    layers: tuple[tuple[Tensor, Tensor], ...]


class SynthesisState(NamedTuple):
    """State of the windowed first layer and (h, c) of the two above it."""

    first: WindowState
    layers: tuple[tuple[Tensor, Tensor], ...]


class _PenNetwork(nn.Module):
    """What both networks share: standardisation of offsets and the output layer."""

    offset_mean: Tensor
    offset_std: Tensor

    def __init__(self, config: PredictionConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("offset_mean", torch.zeros(2))
        self.register_buffer("offset_std", torch.ones(2))
        self.output = nn.Linear(3 * config.hidden_size, output_size(config.components))  # eq 17

    def standardize(self, points: Tensor) -> Tensor:
        """Points (…, 3) with offsets in x-heights → in standard deviations; end of stroke as it is."""
        return torch.cat([(points[..., :2] - self.offset_mean) / self.offset_std, points[..., 2:]], dim=-1)

    def unstandardize(self, points: Tensor) -> Tensor:
        """Inverse of `standardize`."""
        return torch.cat([points[..., :2] * self.offset_std + self.offset_mean, points[..., 2:]], dim=-1)

    def _outputs(self, hidden: list[Tensor]) -> Tensor:
        weight, bias = self.output.weight, self.output.bias
        if hidden[0].dim() == 3 and sequence.usable(hidden[0], len(weight.t()), product_dtype(weight.device)):
            return sequence.linear(weight, bias, *hidden)
        return nn.functional.linear(torch.cat(hidden, dim=-1), weight, bias)


class PredictionNetwork(_PenNetwork):
    """Predicts the next pen offset from those before it (eqs 15–17)."""

    def __init__(self, config: PredictionConfig | None = None) -> None:
        config = config or PredictionConfig()
        super().__init__(config)
        size = config.hidden_size
        self.layers = nn.ModuleList([LSTM(3, size), LSTM(3 + size, size), LSTM(3 + size, size)])

    def initial_state(self, batch: int) -> PredictionState:
        """Zero states for `batch` lines."""
        return PredictionState(tuple(layer.initial_state(batch) for layer in self.layers))  # type: ignore[operator]

    def forward(self, x: Tensor, state: PredictionState | None = None) -> tuple[Tensor, PredictionState]:
        """Standardised points x (T, B, 3) → outputs (T, B, 6 M + 1) for the points after, and the last state."""
        state = state or self.initial_state(x.shape[1])
        hidden: list[Tensor] = []
        states = []
        for layer, before in zip(self.layers, state.layers, strict=True):
            h, after = layer([x, *hidden[-1:]], before)
            hidden.append(h)
            states.append(after)
        return self._outputs(hidden), PredictionState(tuple(states))

    def step(self, x: Tensor, state: PredictionState) -> tuple[Tensor, PredictionState]:
        """One step without gradients: x (B, 3) → outputs (B, 6 M + 1) and the new state."""
        hidden: list[Tensor] = []
        states = []
        for layer, before in zip(self.layers, state.layers, strict=True):
            after: tuple[Tensor, Tensor] = layer.step(torch.cat([x, *hidden[-1:]], dim=-1), before)  # type: ignore[operator]
            hidden.append(after[0])
            states.append(after)
        return self._outputs(hidden), PredictionState(tuple(states))


class SynthesisNetwork(_PenNetwork):
    """Predicts the next pen offset from those before it and the text (section 5.1)."""

    config: SynthesisConfig

    def __init__(self, config: SynthesisConfig | None = None) -> None:
        config = config or SynthesisConfig()
        super().__init__(config)
        size, letters = config.hidden_size, config.alphabet_size
        self.first = WindowedLSTM(3, size, letters, config.window_components)
        self.layers = nn.ModuleList([LSTM(3 + letters + size, size), LSTM(3 + letters + size, size)])

    def one_hot(self, codes: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Codes (B, U) → one-hot (B, U, A); positions from `lengths` (B,) on become zero rows."""
        text = nn.functional.one_hot(codes, self.config.alphabet_size).to(self.output.weight.dtype)
        if lengths is not None:
            text = text * (torch.arange(codes.shape[1], device=codes.device) < lengths[:, None])[..., None]
        return text

    def initial_state(self, batch: int) -> SynthesisState:
        """Zero states for `batch` lines, the window on the first character."""
        above = tuple(layer.initial_state(batch) for layer in self.layers)  # type: ignore[operator]
        return SynthesisState(self.first.initial_state(batch), above)

    def forward(
        self,
        x: Tensor,
        text: Tensor,
        state: SynthesisState | None = None,
        *,
        biases: Sequence[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor, SynthesisState]:
        """Standardised points x (T, B, 3) and one-hot text (B, U, A), see `one_hot`.

        biases: what each line adds to the gates of the three layers, each (B, 4H), and to the outputs (B, 6 M + 1).
        Returns outputs (T, B, 6 M + 1) for the points after, the window weights phi (T, B, U) and the last state.
        """
        state = state or self.initial_state(x.shape[1])
        of_first, *of_layers, of_output = biases if biases is not None else (None,) * 4
        h, window, phi, first = self.first(x, text, state.first, of_first)
        hidden, states = [h], []
        for layer, before, bias in zip(self.layers, state.layers, of_layers, strict=True):
            h, after = layer([x, window, hidden[-1]], before, bias)
            hidden.append(h)
            states.append(after)
        outputs = self._outputs(hidden)
        if of_output is not None:
            outputs = outputs + of_output
        return outputs, phi, SynthesisState(first, tuple(states))

    def step(
        self, x: Tensor, text: Tensor, state: SynthesisState, *, biases: Sequence[Tensor] | None = None
    ) -> tuple[Tensor, Tensor, SynthesisState]:
        """One step without gradients: x (B, 3) → outputs (B, 6 M + 1), phi (B, U) and the new state.

        text, biases: as for `forward`.
        """
        of_first, *of_layers, of_output = biases if biases is not None else (None,) * 4
        phi, first = self.first.step(x, text, state.first, of_first)
        hidden, states = [first.h], []
        for layer, before, bias in zip(self.layers, state.layers, of_layers, strict=True):
            joined = torch.cat([x, first.window, hidden[-1]], dim=-1)
            after: tuple[Tensor, Tensor] = layer.step(joined, before, bias)  # type: ignore[operator]
            hidden.append(after[0])
            states.append(after)
        outputs = self._outputs(hidden)
        if of_output is not None:
            outputs = outputs + of_output
        return outputs, phi, SynthesisState(first, tuple(states))
