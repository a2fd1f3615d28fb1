"""A long short-term memory layer whose passes over time are written out by hand.

Graves (2013, arXiv:1308.0850) eqs 7–11 without the peephole terms, which later measurements found to
make no difference (Greff et al. 2017, arXiv:1503.04069, section V). Autograd on a Python time loop records
a graph node for every operation of every step; one `torch.autograd.Function` for the whole sequence leaves
only the arithmetic: one product and a few in-place operations a step, and every weight gradient as a single
product over all steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from strokesynth.nn.kernel import sequence
from strokesynth.nn.products import product_dtype


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


class _LSTMSequence(torch.autograd.Function):
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
        flat, needed = (
            gates.flatten(0, 1),
            ctx.needs_input_grad,
        )  # by now the gradients of the pre-activations
        dx = matmul(flat, w_ih, ctx.dtype).view_as(x) if needed[0] else None
        dw_ih = matmul(flat.t(), x.flatten(0, 1), ctx.dtype) if needed[1] else None
        dw_hh = matmul(flat.t(), h[:-1].flatten(0, 1), ctx.dtype) if needed[2] else None
        by_line = gates.sum(0)
        return dx, dw_ih, dw_hh, by_line.sum(0), carried, dc, by_line if needed[6] else None, None


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
            h, c = _LSTMSequence.apply(joined, *arguments, dtype)
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
