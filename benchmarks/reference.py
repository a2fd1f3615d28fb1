"""Graves' synthesis network (2013, arXiv:1308.0850, section 5) written as most public PyTorch versions are.

`nn.LSTMCell` in a Python loop over time, the window as broadcast tensors, gradients by autograd, everything in
float32, and a point drawn at a time in NumPy: the yardstick for `strokesynth.nn` and
`strokesynth.nn.sampling`, with the same sizes and the same arithmetic.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from strokesynth.nn.synthesis import SynthesisNetwork

State: TypeAlias = tuple[Tensor, ...]


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

    def initial_state(self, text: Tensor) -> State:
        """Zeros: (h, c) of the three cells, the window's place and what it sees."""
        cells = [text.new_zeros(len(text), self.hidden_size) for _ in range(6)]
        kappa = text.new_zeros(len(text), self.window.out_features // 3)
        return *cells, kappa, text.new_zeros(len(text), text.shape[2])

    def step(self, point: Tensor, text: Tensor, state: State) -> tuple[Tensor, State]:
        """One point (B, 3) and one-hot text (B, U, A) → outputs (B, 6 M + 1) and the state after."""
        h1, c1, h2, c2, h3, c3, kappa, w = state
        h1, c1 = self.cell1(torch.cat([point, w], dim=1), (h1, c1))
        alpha, beta, advance = self.window(h1).exp().chunk(3, dim=1)  # eqs 48-51
        kappa = kappa + advance
        position = torch.arange(text.shape[1], device=text.device)
        # eq 46: (B, K, U), summed over the Gaussians
        phi = (alpha[..., None] * torch.exp(-beta[..., None] * (kappa[..., None] - position) ** 2)).sum(1)
        w = torch.bmm(phi[:, None], text)[:, 0]  # eq 47
        h2, c2 = self.cell2(torch.cat([point, w, h1], dim=1), (h2, c2))
        h3, c3 = self.cell3(torch.cat([point, w, h2], dim=1), (h3, c3))
        return self.output(torch.cat([h1, h2, h3], dim=1)), (h1, c1, h2, c2, h3, c3, kappa, w)

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        """Points x (T, B, 3) and one-hot text (B, U, A) → outputs (T, B, 6 M + 1)."""
        state = self.initial_state(text)
        outputs = []
        for point in x:
            output, state = self.step(point, text, state)
            outputs.append(output)
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


@torch.no_grad()
def plain_sample(
    network: PlainSynthesisNetwork, text: Tensor, points: int, bias: float = 1.0, seed: int = 0
) -> Tensor:
    """So many points (n, 3) of one line, in standard deviations; text (1, U, A) one-hot (sections 5.3 and 5.4)."""
    rng = np.random.default_rng(seed)
    m = network.components
    state = network.initial_state(text)
    point = text.new_tensor([[0.0, 0.0, 1.0]])
    drawn = []
    for _ in range(points):
        output, state = network.step(point, text, state)
        pi, mu_x, mu_y, log_sx, log_sy, rho, end = output[0].split([m, m, m, m, m, m, 1])
        weights = F.softmax(pi * (1 + bias), dim=0).double().numpy()  # eq 61
        k = rng.choice(m, p=weights / weights.sum())
        sx, sy = math.exp(log_sx[k].item() - bias), math.exp(log_sy[k].item() - bias)  # eq 62
        across = 0.999 * math.tanh(rho[k].item()) * sx * sy
        mean = [mu_x[k].item(), mu_y[k].item()]
        dx, dy = rng.multivariate_normal(mean, [[sx * sx, across], [across, sy * sy]])
        lifted = rng.random() < torch.sigmoid(end).item()
        point = text.new_tensor([[dx, dy, float(lifted)]])
        drawn.append(point)
    return torch.cat(drawn)


def plain_twin(network: SynthesisNetwork) -> tuple[PlainSynthesisNetwork, Tensor]:
    """The plain network with the same weights, and where its outputs lie among those of `network`."""
    config = network.config
    h, m = config.hidden_size, config.components
    plain = PlainSynthesisNetwork(config.alphabet_size, h, config.window_components, m)
    plain.to(network.output.weight.dtype)
    # LSTMCell has the candidate before the output.
    gates = torch.arange(4 * h).view(4, h)[[0, 1, 3, 2]].flatten()
    means = m + torch.arange(2 * m).view(m, 2).t().flatten()  # all x, then all y
    order = torch.cat([torch.arange(m), means, means + 2 * m, torch.arange(5 * m, 6 * m + 1)])
    first, above = network.first, list(network.layers)
    with torch.no_grad():
        plain.cell1.weight_ih.copy_(torch.cat([first.w_ih, first.w_sh[:, h:]], 1)[gates])
        plain.cell1.weight_hh.copy_(first.w_sh[:, :h][gates])
        for cell, layer in zip([plain.cell2, plain.cell3], above):
            cell.weight_ih.copy_(layer.w_ih[gates])
            cell.weight_hh.copy_(layer.w_hh[gates])
        for cell, layer in zip([plain.cell1, plain.cell2, plain.cell3], [first, *above]):
            cell.bias_ih.copy_(layer.bias[gates])
            cell.bias_hh.zero_()
        plain.window.weight.copy_(first.w_hp)
        plain.window.bias.copy_(first.b_p)
        plain.output.weight.copy_(network.output.weight[order])
        plain.output.bias.copy_(network.output.bias[order])
    return plain, order


class TorchLayersNetwork(nn.Module):
    """The synthesis network with `nn.LSTM` as its second and third layer: what those passes are to be measured by.

    They need not wait for the window, which is there for all steps once the first layer has run.
    """

    def __init__(self, network: SynthesisNetwork) -> None:
        super().__init__()
        size, letters = network.config.hidden_size, network.config.alphabet_size
        self.first, self.output = network.first, network.output
        self.layers = nn.ModuleList(nn.LSTM(3 + letters + size, size) for _ in range(2))

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        """Points x (T, B, 3) and one-hot text (B, U, A) → outputs (T, B, 6 M + 1)."""
        h, window, _, _ = self.first(x, text)
        hidden = [h]
        for layer in self.layers:
            hidden.append(layer(torch.cat([x, window, hidden[-1]], dim=-1))[0])
        return self.output(torch.cat(hidden, dim=-1))
