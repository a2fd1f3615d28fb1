"""Mixture density outputs over pen offsets: M bivariate normals and the end-of-stroke bit.

Graves (2013, arXiv:1308.0850), section 4.1, eqs 15–26, and the probability bias of section 5.4.
All densities are computed in float32 with log-sum-exp.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

LOG_SIGMA_FLOOR = -7.0
"""Lower bound on log sigma, in units of the offsets' standard deviation (about a thousandth of it): a mixture
component that settles on one repeated value would otherwise grow without limit."""


class Mixture(NamedTuple):
    """Parameters of the density of the next offset; leading dimensions (…), M components."""

    log_pi: Tensor  # (…, M) log weights (eq 19)
    mu: Tensor  # (…, M, 2) means (eq 20)
    log_sigma: Tensor  # (…, M, 2) log standard deviations (eq 21)
    rho: Tensor  # (…, M) correlations (eq 22)
    end_logit: Tensor  # (…) logit of the probability of end of stroke (eq 18)

    @property
    def log_one_minus_rho2(self) -> Tensor:
        """log(1 - rho²), (…, M)."""
        return torch.log1p(-self.rho.square())


def output_size(components: int) -> int:
    """Number of network outputs that M components need: 6 M + 1."""
    return 6 * components + 1


def split_outputs(outputs: Tensor, bias: Tensor | float = 0.0) -> Mixture:
    """Turn network outputs (…, 6 M + 1) into a mixture (eqs 17–22).

    `bias` ≥ 0, a number or a tensor that broadcasts over (…), sharpens the density: weights by a factor
    1 + bias in the logits, standard deviations by exp(-bias) (eqs 61, 62). The end-of-stroke probability
    is left as it is.
    """
    components = (outputs.shape[-1] - 1) // 6
    pi, mu, sigma, rho, end = outputs.float().split(
        [components, 2 * components, 2 * components, components, 1], -1
    )
    bias = torch.as_tensor(bias, dtype=torch.float32, device=outputs.device)[..., None]
    pairs = (*outputs.shape[:-1], components, 2)
    return Mixture(
        log_pi=F.log_softmax(pi * (1.0 + bias), dim=-1),
        mu=mu.reshape(pairs),
        log_sigma=(sigma - bias).clamp(min=LOG_SIGMA_FLOOR).reshape(pairs),
        rho=0.999 * torch.tanh(rho),  # |rho| < 1 also after rounding, so that 1 - rho² never vanishes
        end_logit=end[..., 0],
    )


def log_density(mixture: Mixture, offset: Tensor) -> Tensor:
    """Log density of the offset alone (eqs 23–25): offset (…, 2) → (…)."""
    z = (offset.unsqueeze(-2) - mixture.mu) * torch.exp(-mixture.log_sigma)
    zx, zy = z.unbind(-1)
    log_one_minus_rho2 = mixture.log_one_minus_rho2
    quadratic = (zx.square() + zy.square() - 2.0 * mixture.rho * zx * zy) * torch.exp(-log_one_minus_rho2)
    log_normal = (
        -0.5 * quadratic - mixture.log_sigma.sum(-1) - 0.5 * log_one_minus_rho2 - math.log(2.0 * math.pi)
    )
    return torch.logsumexp(mixture.log_pi + log_normal, dim=-1)


def log_likelihood(mixture: Mixture, point: Tensor) -> Tensor:
    """Log likelihood of the next point, offset and end of stroke together (eq 26): point (…, 3) → (…)."""
    end = F.binary_cross_entropy_with_logits(mixture.end_logit, point[..., 2], reduction="none")
    return log_density(mixture, point[..., :2]) - end


def squared_error(mixture: Mixture, point: Tensor) -> Tensor:
    """Squared distance from the offset to the mixture's mean, the "SSE" of Graves' tables: (…, 3) → (…)."""
    mean = (mixture.log_pi.exp().unsqueeze(-1) * mixture.mu).sum(-2)
    return (mean - point[..., :2]).square().sum(-1)


def sample(mixture: Mixture, noise: Tensor) -> Tensor:
    """Draw one point from each of B mixtures: (B, 3), offset and end of stroke 0 or 1.

    `noise` (B, 4) is uniform on [0, 1): it picks the component, the end of stroke and, by Box–Muller, the
    two normal deviates. Taking the noise as an argument makes a sample a pure function of its inputs, so
    that a line does not depend on which other lines share its batch.
    """
    cumulative = mixture.log_pi.exp().cumsum(-1)
    chosen = (cumulative < noise[:, :1] * cumulative[:, -1:]).sum(-1).clamp(max=cumulative.shape[-1] - 1)
    rows = torch.arange(len(chosen), device=chosen.device)
    mu, sigma, rho = (
        mixture.mu[rows, chosen],
        mixture.log_sigma[rows, chosen].exp(),
        mixture.rho[rows, chosen],
    )
    radius = torch.sqrt(-2.0 * torch.log1p(-noise[:, 1]))
    angle = 2.0 * math.pi * noise[:, 2]
    zx, independent = radius * torch.cos(angle), radius * torch.sin(angle)
    zy = rho * zx + torch.sqrt(1.0 - rho.square()) * independent  # Cholesky factor of the correlation
    end = (noise[:, 3] < torch.sigmoid(mixture.end_logit)).to(mu.dtype)
    return torch.stack([mu[:, 0] + sigma[:, 0] * zx, mu[:, 1] + sigma[:, 1] * zy, end], dim=1)
