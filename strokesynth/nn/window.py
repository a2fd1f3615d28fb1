"""The soft window over the text, and the LSTM layer that reads and moves it (Graves 2013, section 5.1)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from strokesynth.nn.kernel import sequence
from strokesynth.nn.lstm import Product, cell_backward, cell_forward, matmul
from strokesynth.nn.products import product_dtype


class WindowState(NamedTuple):
    """What the windowed layer carries from one step to the next."""

    h: Tensor  # (B, H) hidden state
    c: Tensor  # (B, H) cell state
    kappa: Tensor  # (B, K) positions of the Gaussians, in characters
    window: Tensor  # (B, A) the window vector w (eq 47)


def window_weights(alpha: Tensor, beta: Tensor, kappa: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of the window over the text (eq 46).

    alpha, beta, kappa are (B, K), positions (U,). Returns phi (B, 1, U) and each Gaussian's
    unscaled bump exp(-beta (kappa - u)²), (B, K, U).
    """
    exponents = (kappa[:, :, None] - positions).square_().mul_(-beta[:, :, None])
    # exp below the range of normal floats is ten times slower, and nothing less than e⁻⁶⁰ is ever seen
    bumps = exponents.clamp_(min=-60.0).exp_()
    return torch.bmm(alpha[:, None, :], bumps), bumps


class _WindowedSequence(torch.autograd.Function):
    """LSTM + window over all steps; the state that recurs is [h, w], so both come from one product a step."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        text: Tensor,
        w_ih: Tensor,
        w_sh: Tensor,
        bias: Tensor,
        w_hp: Tensor,
        b_p: Tensor,
        h0: Tensor,
        c0: Tensor,
        kappa0: Tensor,
        window0: Tensor,
        line_bias: Tensor | None,
        dtype: torch.dtype,
    ) -> tuple[Tensor, ...]:
        steps, batch, _ = x.shape
        size, n = h0.shape[1], kappa0.shape[1]
        gates = (x.flatten(0, 1) @ w_ih.t()).view(steps, batch, -1)
        gates.add_(bias if line_bias is None else bias + line_bias)
        state = x.new_empty(steps + 1, batch, size + window0.shape[1])
        state[0, :, :size], state[0, :, size:] = h0, window0
        c = torch.cat([c0[None], x.new_empty(steps, batch, size)])
        kappa = torch.cat([kappa0[None], x.new_empty(steps, batch, n)])
        params = x.new_empty(steps, batch, 3 * n)
        phi = x.new_empty(steps, batch, text.shape[1])
        positions = torch.arange(text.shape[1], dtype=x.dtype, device=x.device)
        recurrent, to_params = Product(w_sh.t(), dtype), w_hp.t()
        for t in range(steps):
            recurrent.add_to(gates[t], state[t])
            h, window = state[t + 1].split([size, window0.shape[1]], dim=1)
            cell_forward(gates[t], c[t], c[t + 1], h)
            p = torch.addmm(b_p, h, to_params, out=params[t]).exp_()  # eqs 48–51
            torch.add(kappa[t], p[:, 2 * n :], out=kappa[t + 1])
            weights, _ = window_weights(p[:, :n], p[:, n : 2 * n], kappa[t + 1], positions)
            phi[t] = weights[:, 0]
            window.copy_(torch.bmm(weights, text)[:, 0])  # eq 47
        ctx.save_for_backward(x, text, w_ih, w_sh, w_hp, gates, state, c, kappa, params, positions, phi)
        ctx.dtype = dtype
        ctx.mark_non_differentiable(phi)
        ctx.set_materialize_grads(True)
        h_all, window_all = state[1:, :, :size].contiguous(), state[1:, :, size:].contiguous()
        return h_all, window_all, c[-1].clone(), kappa[-1].clone(), phi

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        dh_out, dwindow_out, dc_last, dkappa_last, _ = grads
        x, text, w_ih, w_sh, w_hp, gates, state, c, kappa, params, positions, phi = ctx.saved_tensors
        size, n, needed = c.shape[2], kappa.shape[2], ctx.needs_input_grad
        dparams = torch.empty_like(params)
        scratch = gates.new_empty(2, *gates.shape[1:])
        recurrent, text_t = Product(w_sh, ctx.dtype), text.transpose(1, 2)
        dc, dkappa = dc_last.clone(), dkappa_last.clone()
        carried = torch.zeros_like(state[0])
        dh, dwindow = carried[:, :size], carried[:, size:]
        dwindow_all = torch.empty_like(dwindow_out) if needed[1] else None
        for t in range(len(gates) - 1, -1, -1):
            dwindow.add_(dwindow_out[t])
            if dwindow_all is not None:
                dwindow_all[t] = dwindow
            alpha, beta, advance = params[t].split(n, dim=1)
            dalpha, dbeta, dadvance = dparams[t].split(n, dim=1)
            _, bumps = window_weights(alpha, beta, kappa[t + 1], positions)
            bumps.mul_(torch.bmm(dwindow[:, None, :], text_t))  # dphi · bump, (B, K, U)
            torch.sum(bumps, 2, out=dalpha)
            distance = kappa[t + 1][:, :, None] - positions
            bumps.mul_(distance)
            first = bumps.sum(2)
            second = bumps.mul_(distance).sum(2)
            dalpha.mul_(alpha)
            torch.mul(second, alpha, out=dbeta).mul_(beta).neg_()
            dkappa.addcmul_(first.mul_(alpha), beta, value=-2.0)
            torch.mul(dkappa, advance, out=dadvance)
            dh.add_(dh_out[t]).addmm_(dparams[t], w_hp)
            cell_backward(gates[t], c[t], c[t + 1], dh, dc, scratch)
            recurrent.replace(carried, gates[t])
        flat = gates.flatten(0, 1)  # by now the gradients of the pre-activations
        dx = (flat @ w_ih).view_as(x) if needed[0] else None
        # Over all steps, of the weight of each character times the gradient of the window it was added to (eq 47)
        dtext = None if dwindow_all is None else torch.bmm(phi.permute(1, 2, 0), dwindow_all.transpose(0, 1))
        dw_ih = flat.t() @ x.flatten(0, 1) if needed[2] else None
        dw_sh = matmul(flat.t(), state[:-1].flatten(0, 1), ctx.dtype) if needed[3] else None
        dp = dparams.flatten(0, 1)
        dw_hp = dp.t() @ state[1:, :, :size].flatten(0, 1) if needed[5] else None
        dh0, dwindow0 = dh.clone(), dwindow.clone()
        by_line = gates.sum(0)
        weights = (dw_ih, dw_sh, by_line.sum(0), dw_hp, dp.sum(0))
        return dx, dtext, *weights, dh0, dc, dkappa, dwindow0, by_line if needed[11] else None, None


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
            h, window, c, kappa, phi = _WindowedSequence.apply(*arguments, dtype)
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
