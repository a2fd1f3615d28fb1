"""A long short-term memory layer, whose passes over time are compiled where they can be, and plain elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from strokesynth.nn.kernel import sequence
from strokesynth.nn.passes import LSTMSequence, cell_forward
from strokesynth.nn.products import product_dtype


class LSTM(nn.Module):
    """One unidirectional LSTM layer over time-major input.

    Weights: `w_ih` (4H, I), `w_hh` (4H, H), `bias` (4H,), gates in the order input, forget, output, candidate.
    The forget bias starts at 1 (Jozefowicz et al. 2015), so that a fresh layer remembers.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        bound = 1.0 / math.sqrt(hidden_size)
        self.w_ih = nn.Parameter(torch.empty(4 * hidden_size, input_size).uniform_(-bound, bound))
        self.w_hh = nn.Parameter(torch.empty(4 * hidden_size, hidden_size).uniform_(-bound, bound))
        bias = torch.zeros(4 * hidden_size)
        bias[hidden_size : 2 * hidden_size] = 1.0
        self.bias = nn.Parameter(bias)

    def initial_state(self, batch: int) -> tuple[Tensor, Tensor]:
        """Zero hidden and cell state, each (batch, H)."""
        zeros = self.bias.new_zeros(batch, self.hidden_size)
        return zeros, zeros.clone()

    def forward(
        self,
        x: Tensor | Sequence[Tensor],
        state: tuple[Tensor, Tensor] | None = None,
        line_bias: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run over x (T, B, I); returns the outputs (T, B, H) and the last state, (h, c) of (B, H) each.

        The input may come in pieces, (T, B, ·) each, that are to be side by side.

        `line_bias` (B, 4H) is added to the gates of every step, as `bias` is, but of each line its own.
        """
        pieces = [x] if isinstance(x, Tensor) else list(x)
        h0, c0 = state if state is not None else self.initial_state(pieces[0].shape[1])
        arguments, dtype = (self.w_ih, self.w_hh, self.bias, h0, c0, line_bias), product_dtype(h0.device)
        if sequence.usable(h0, self.hidden_size, dtype):
            h, c = sequence.lstm_sequence(*arguments, *pieces)
        else:
            joined = pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=-1)
            h, c = LSTMSequence.apply(joined, *arguments, dtype)
        return h, (h[-1], c)

    def step(
        self, x: Tensor, state: tuple[Tensor, Tensor], line_bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """One step without gradients: x (B, I), state and result (h, c) of (B, H) each."""
        h_before, c_before = state
        bias = self.bias if line_bias is None else self.bias + line_bias
        gates = torch.addmm(bias, x, self.w_ih.t()).addmm_(h_before, self.w_hh.t())
        h, c = torch.empty_like(h_before), torch.empty_like(c_before)
        cell_forward(gates, c_before, c, h)
        return h, c
