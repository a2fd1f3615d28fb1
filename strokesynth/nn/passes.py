"""The passes over time of the LSTM layers and of the soft window, forward and backward, written out by hand in torch.

Graves (2013, arXiv:1308.0850) eqs 7–11 without the peephole terms, which later measurements found to
make no difference (Greff et al. 2017, arXiv:1503.04069, section V), and eqs 46–51. Autograd on a Python time loop
records a graph node for every operation of every step; one `torch.autograd.Function` for the whole sequence leaves
only the arithmetic: one product and a few in-place operations a step, and every weight gradient as a single
product over all steps. These passes run anywhere, and `strokesynth.nn.kernel.sequence` is checked against them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Product:
    """`left @ weight`, with the weight converted to the product type once and used for many steps."""

    def __init__(self, weight: Tensor, dtype: torch.dtype) -> None:
        self.plain = weight.dtype == dtype or weight.dtype == torch.float64
        # Products of few rows are a third slower with a transposed view.
        self.weight = (weight if self.plain else weight.to(dtype)).contiguous()

    def add_to(self, total: Tensor, left: Tensor) -> None:
        """Total += left @ weight, in place; total (n, p), left (n, m), weight (m, p)."""
        if self.plain:
            total.addmm_(left, self.weight)
        else:
            total.add_(left.to(self.weight.dtype) @ self.weight)

    def replace(self, total: Tensor, left: Tensor) -> None:
        """Total = left @ weight, in place; shapes as for `add_to`."""
        if self.plain:
            torch.mm(left, self.weight, out=total)
        else:
            total.copy_(left.to(self.weight.dtype) @ self.weight)


def matmul(left: Tensor, right: Tensor, dtype: torch.dtype) -> Tensor:
    """`left @ right` computed in `dtype` (float64 is left alone), returned in the type of `left`."""
    if left.dtype == dtype or left.dtype == torch.float64:
        return left @ right
    return (left.to(dtype) @ right.to(dtype)).to(left.dtype)


def cell_forward(gates: Tensor, c_before: Tensor, c: Tensor, h: Tensor) -> None:
    """One step, in place: pre-activations `gates` (B, 4H) become activations; writes `c` and `h` (B, H).

    Gates lie in the order input, forget, output, cell candidate, so that the three sigmoids are one call.
    """
    size = c.shape[1]
    gates[:, : 3 * size].sigmoid_()  # eqs 7, 8, 10
    candidate = gates[:, 3 * size :].tanh_()
    torch.mul(gates[:, size : 2 * size], c_before, out=c).addcmul_(gates[:, :size], candidate)  # eq 9
    torch.tanh(c, out=h).mul_(gates[:, 2 * size : 3 * size])  # eq 11


def cell_backward(
    gates: Tensor, c_before: Tensor, c: Tensor, dh: Tensor, dc: Tensor, scratch: Tensor
) -> None:
    """Gradient of `cell_forward`, in place.

    `dh` (B, H) is the gradient at the step's output. `dc` (B, H) holds the gradient that reaches `c` from the
    step after and becomes that for the step before. `gates` (B, 4H) turn from activations into the gradients
    of the pre-activations: new memory of that size would cost as much time in page faults as the arithmetic.
    `scratch` (2, B, 4H) is overwritten.
    """
    size = c.shape[1]
    slopes, upstream = scratch[0], scratch[1]
    i, f, o, g = gates.split(size, dim=1)
    squashed = torch.tanh(c)
    through = torch.mul(dh, o)
    dc.add_(through).sub_(through.mul_(squashed).mul_(squashed))  # dc + dh o (1 - tanh² c)
    torch.mul(dc, g, out=upstream[:, :size])
    torch.mul(dc, c_before, out=upstream[:, size : 2 * size])
    torch.mul(dh, squashed, out=upstream[:, 2 * size : 3 * size])
    torch.mul(dc, i, out=upstream[:, 3 * size :])
    dc.mul_(f)
    torch.mul(gates, gates, out=slopes)
    sigmoids = gates[:, : 3 * size]
    sigmoids.sub_(slopes[:, : 3 * size])  # s (1 - s)
    torch.sub(1.0, slopes[:, 3 * size :], out=g)  # 1 - tanh²
    gates.mul_(upstream)


class LSTMSequence(torch.autograd.Function):
    """An LSTM layer over all steps, with gradients with respect to every tensor; see `forward` for the arguments."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        bias: Tensor,
        h0: Tensor,
        c0: Tensor,
        line_bias: Tensor | None,
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor]:
        """Outputs h (T, B, H) and the last cell state (B, H).

        The input x is (T, B, I), w_ih (4H, I), w_hh (4H, H), bias (4H,); h0 and c0 are (B, H); `line_bias` is (B, 4H)
        or None. Matrix products are computed in `dtype`.
        """
        steps, batch, _ = x.shape
        gates = matmul(x.flatten(0, 1), w_ih.t(), dtype).view(steps, batch, -1)
        gates.add_(bias if line_bias is None else bias + line_bias)
        h = torch.cat([h0[None], x.new_empty(steps, batch, w_hh.shape[1])])
        c = torch.cat([c0[None], torch.empty_like(h[1:])])
        recurrent = Product(w_hh.t(), dtype)
        hs, cs = h.unbind(0), c.unbind(0)
        for t, gate in enumerate(gates.unbind(0)):
            recurrent.add_to(gate, hs[t])
            cell_forward(gate, cs[t], cs[t + 1], hs[t + 1])
        ctx.save_for_backward(x, w_ih, w_hh, gates, h, c)
        ctx.dtype = dtype
        return h[1:], c[-1].clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients with respect to the arguments of `forward`, from those with respect to h and the last c."""
        dh_out, dc_last = grads
        x, w_ih, w_hh, gates, h, c = ctx.saved_tensors
        recurrent = Product(w_hh, ctx.dtype)
        scratch = gates.new_empty(2, *gates.shape[1:])
        dc = dc_last.clone()
        carried = torch.zeros_like(dc)
        gate_steps, cs, dh_steps = gates.unbind(0), c.unbind(0), dh_out.unbind(0)
        for t in range(len(gate_steps) - 1, -1, -1):
            cell_backward(gate_steps[t], cs[t], cs[t + 1], carried.add_(dh_steps[t]), dc, scratch)
            recurrent.replace(carried, gate_steps[t])
        needed = ctx.needs_input_grad
        flat = gates.flatten(0, 1)  # by now the gradients of the pre-activations
        dx = matmul(flat, w_ih, ctx.dtype).view_as(x) if needed[0] else None
        dw_ih = matmul(flat.t(), x.flatten(0, 1), ctx.dtype) if needed[1] else None
        dw_hh = matmul(flat.t(), h[:-1].flatten(0, 1), ctx.dtype) if needed[2] else None
        by_line = gates.sum(0)
        return dx, dw_ih, dw_hh, by_line.sum(0), carried, dc, by_line if needed[6] else None, None


def window_weights(alpha: Tensor, beta: Tensor, kappa: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Weights of the window over the text (eq 46).

    alpha, beta, kappa are (B, K), positions (U,). Returns phi (B, 1, U) and each Gaussian's
    unscaled bump exp(-beta (kappa - u)²), (B, K, U).
    """
    exponents = (kappa[:, :, None] - positions).square_().mul_(-beta[:, :, None])
    # exp below the range of normal floats is ten times slower, and nothing less than e⁻⁶⁰ is ever seen
    bumps = exponents.clamp_(min=-60.0).exp_()
    return torch.bmm(alpha[:, None, :], bumps), bumps


class WindowedSequence(torch.autograd.Function):
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
        """Outputs h (T, B, H), windows (T, B, A), last c (B, H), last kappa (B, K), and weights phi (T, B, U).

        The input x is (T, B, I), text (B, U, A), w_ih (4H, I), w_sh (4H, H + A), bias (4H,), w_hp (3K, H), b_p (3K,);
        h0 and c0 are (B, H), kappa0 (B, K), window0 (B, A); `line_bias` is (B, 4H) or None. Products with w_sh are
        computed in `dtype`. No gradient goes through phi.
        """
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
        """Gradients with respect to the arguments of `forward`, from those with respect to its results."""
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
        # The sum, over all steps, of a character's weight times the gradient of the window it was added to (eq 47)
        dtext = None if dwindow_all is None else torch.bmm(phi.permute(1, 2, 0), dwindow_all.transpose(0, 1))
        dw_ih = flat.t() @ x.flatten(0, 1) if needed[2] else None
        dw_sh = matmul(flat.t(), state[:-1].flatten(0, 1), ctx.dtype) if needed[3] else None
        dp = dparams.flatten(0, 1)
        dw_hp = dp.t() @ state[1:, :, :size].flatten(0, 1) if needed[5] else None
        dh0, dwindow0 = dh.clone(), dwindow.clone()
        by_line = gates.sum(0)
        weights = (dw_ih, dw_sh, by_line.sum(0), dw_hp, dp.sum(0))
        return dx, dtext, *weights, dh0, dc, dkappa, dwindow0, by_line if needed[11] else None, None
