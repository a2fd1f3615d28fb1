"""Graves' synthesis network (2013, arXiv:1308.0850, section 5) written as most public PyTorch versions are.

`nn.LSTMCell` in a Python loop over time, the window as broadcast tensors, gradients by autograd, everything in
float32: the yardstick for `strokesynth.nn`, with the same sizes and the same arithmetic.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PlainSynthesisNetwork(nn.Module):
    """3 x LSTM 400, a window of 10 Gaussians, 20 bivariate normals."""

    def __init__(
        self, alphabet_size: int = 96, hidden_size: int = 400, window: int = 10, components: int = 20
    ) -> None:
        super().__init__()
        self.hidden_size, self.components = hidden_size, components
        self.cell1 = nn.LSTMCell(3 + alphabet_size, hidden_size)
        self.cell2 = nn.LSTMCell(3 + alphabet_size + hidden_size, hidden_size)
        self.cell3 = nn.LSTMCell(3 + alphabet_size + hidden_size, hidden_size)
        self.window = nn.Linear(hidden_size, 3 * window)
        self.output = nn.Linear(3 * hidden_size, 6 * components + 1)

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        """Points x (T, B, 3) and one-hot text (B, U, A) → outputs (T, B, 6 M + 1)."""
        batch = x.shape[1]
        zeros = x.new_zeros(batch, self.hidden_size)
        state1 = state2 = state3 = (zeros, zeros)
        w = x.new_zeros(batch, text.shape[2])
        kappa = x.new_zeros(batch, self.window.out_features // 3)
        position = torch.arange(text.shape[1], device=x.device)
        outputs = []
        for point in x:
            state1 = self.cell1(torch.cat([point, w], dim=1), state1)
            alpha, beta, advance = self.window(state1[0]).exp().chunk(3, dim=1)  # eqs 48-51
            kappa = kappa + advance
            # eq 46: (B, K, U), summed over the Gaussians
            phi = (alpha[..., None] * torch.exp(-beta[..., None] * (kappa[..., None] - position) ** 2)).sum(1)
            w = torch.bmm(phi[:, None], text)[:, 0]  # eq 47
            state2 = self.cell2(torch.cat([point, w, state1[0]], dim=1), state2)
            state3 = self.cell3(torch.cat([point, w, state2[0]], dim=1), state3)
            outputs.append(self.output(torch.cat([state1[0], state2[0], state3[0]], dim=1)))
        return torch.stack(outputs)


def plain_loss(outputs: Tensor, target: Tensor) -> Tensor:
    """Mean negative log likelihood of the points `target` (T, B, 3) (eqs 18-26)."""
    m = (outputs.shape[-1] - 1) // 6
    pi, mu_x, mu_y, log_sx, log_sy, rho, end = outputs.split([m, m, m, m, m, m, 1], dim=-1)
    rho = 0.999 * torch.tanh(rho)
    dx, dy = target[..., 0:1] - mu_x, target[..., 1:2] - mu_y
    zx, zy = dx / log_sx.exp(), dy / log_sy.exp()
    one_minus_rho2 = 1 - rho**2
    quadratic = (zx**2 + zy**2 - 2 * rho * zx * zy) / one_minus_rho2
    log_normal = -quadratic / 2 - math.log(2 * math.pi) - log_sx - log_sy - one_minus_rho2.log() / 2
    log_density = torch.logsumexp(F.log_softmax(pi, dim=-1) + log_normal, dim=-1)
    return (
        F.binary_cross_entropy_with_logits(end[..., 0], target[..., 2], reduction="none") - log_density
    ).mean()
