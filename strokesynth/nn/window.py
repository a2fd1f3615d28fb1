"""The soft window over the text, and the LSTM layer that reads and moves it (Graves 2013, section 5.1)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from strokesynth.nn.kernel import sequence
from strokesynth.nn.passes import WindowedSequence, cell_forward, window_weights
from strokesynth.nn.products import product_dtype


class WindowState(NamedTuple):
    """What the windowed layer carries from one step to the next."""

    h: Tensor  # (B, H) hidden state
    c: Tensor  # (B, H) cell state
    kappa: Tensor  # (B, K) positions of the Gaussians, in characters
    window: Tensor  # (B, A) the window vector w (eq 47)


class WindowedLSTM(nn.Module):
    """First hidden layer of the synthesis network: an LSTM that sees the text through a soft window.

    Weights: `w_ih` (4H, I) from the pen, `w_sh` (4H, H + A) from its own output and the window of the step
    before, `bias` (4H,); `w_hp` (3K, H), `b_p` (3K,) to the window's alpha, beta and advance (eqs 48–51, all
    through exp).
    """

    def __init__(
        self, input_size: int, hidden_size: int, alphabet_size: int, components: int, advance: float = 0.1
    ) -> None:
        """`advance`: characters a step by which a fresh window moves; near that of the data, it aligns soon."""
        super().__init__()
        self.hidden_size, self.alphabet_size, self.components = hidden_size, alphabet_size, components
        bound = 1.0 / math.sqrt(hidden_size)
        self.w_ih = nn.Parameter(torch.empty(4 * hidden_size, input_size).uniform_(-bound, bound))
        self.w_sh = nn.Parameter(
            torch.empty(4 * hidden_size, hidden_size + alphabet_size).uniform_(-bound, bound)
        )
        bias = torch.zeros(4 * hidden_size)
        bias[hidden_size : 2 * hidden_size] = 1.0
        self.bias = nn.Parameter(bias)
        self.w_hp = nn.Parameter(torch.empty(3 * components, hidden_size).uniform_(-bound, bound))
        b_p = torch.zeros(3 * components)
        b_p[:components] = -math.log(components)  # the bumps together weigh one
        b_p[components : 2 * components] = math.log(0.5)  # each about one character wide
        b_p[2 * components :] = math.log(advance)
        self.b_p = nn.Parameter(b_p)

    def initial_state(self, batch: int) -> WindowState:
        """Zero state: the Gaussians stand on the first character (position 0)."""
        new = self.bias.new_zeros
        h, c = new(batch, self.hidden_size), new(batch, self.hidden_size)
        return WindowState(h, c, new(batch, self.components), new(batch, self.alphabet_size))

    def forward(
        self, x: Tensor, text: Tensor, state: WindowState | None = None, line_bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, WindowState]:
        """Run over pen offsets x (T, B, I) with text (B, U, A), a row for each character, padded with zero rows.

        The rows may be one-hot or any other vectors. `line_bias` (B, 4H) is added to the gates of every step.
        Returns the outputs h (T, B, H), the window vectors (T, B, A), the window weights phi (T, B, U; no
        gradient), and the last state.
        """
        state = state if state is not None else self.initial_state(x.shape[1])
        weights = (self.w_ih, self.w_sh, self.bias, self.w_hp, self.b_p)
        arguments, dtype = (x, text, *weights, *state, line_bias), product_dtype(x.device)
        if sequence.usable(x, self.hidden_size, dtype, x.shape[2], self.components):
            h, window, c, kappa, phi = sequence.windowed_sequence(*arguments)
        else:
            h, window, c, kappa, phi = WindowedSequence.apply(*arguments, dtype)
        return h, window, phi, WindowState(h[-1], c, kappa, window[-1])

    def step(
        self, x: Tensor, text: Tensor, state: WindowState, line_bias: Tensor | None = None
    ) -> tuple[Tensor, WindowState]:
        """One step without gradients: x (B, I), text (B, U, A). Returns phi (B, U) and the new state."""
        n = self.components
        bias = self.bias if line_bias is None else self.bias + line_bias
        gates = torch.addmm(bias, x, self.w_ih.t())
        gates.addmm_(torch.cat([state.h, state.window], 1), self.w_sh.t())
        h, c = torch.empty_like(state.h), torch.empty_like(state.c)
        cell_forward(gates, state.c, c, h)
        alpha, beta, advance = torch.addmm(self.b_p, h, self.w_hp.t()).exp_().split(n, dim=1)
        kappa = state.kappa + advance
        positions = torch.arange(text.shape[1], dtype=x.dtype, device=x.device)
        phi, _ = window_weights(alpha, beta, kappa, positions)
        return phi[:, 0], WindowState(h, c, kappa, torch.bmm(phi, text)[:, 0])
