"""The mixture density against `torch.distributions` and analytic moments."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Categorical, MixtureSameFamily, MultivariateNormal

from strokesynth.nn.mixture import (
    LOG_SIGMA_FLOOR,
    Mixture,
    log_density,
    log_likelihood,
    output_size,
    sample,
    split_outputs,
    squared_error,
)

M = 5


@pytest.fixture
def outputs() -> Tensor:
    return torch.randn(4, 7, output_size(M), generator=torch.Generator().manual_seed(5))


def covariance(mixture: Mixture) -> Tensor:
    sx, sy = mixture.log_sigma.exp().unbind(-1)
    off = mixture.rho * sx * sy
    return torch.stack([torch.stack([sx**2, off], -1), torch.stack([off, sy**2], -1)], -2)


def reference(mixture: Mixture) -> MixtureSameFamily:
    return MixtureSameFamily(
        Categorical(logits=mixture.log_pi),
        MultivariateNormal(mixture.mu, covariance_matrix=covariance(mixture)),
    )


def test_density_equals_torch_distributions(outputs: Tensor) -> None:
    mixture = split_outputs(outputs)
    point = torch.cat([torch.randn(4, 7, 2), torch.randint(0, 2, (4, 7, 1)).float()], dim=-1)
    expected = reference(mixture).log_prob(point[..., :2])
    torch.testing.assert_close(log_density(mixture, point[..., :2]), expected, rtol=1e-4, atol=1e-4)
    end = Bernoulli(logits=mixture.end_logit).log_prob(point[..., 2])
    torch.testing.assert_close(log_likelihood(mixture, point), expected + end, rtol=1e-4, atol=1e-4)


def test_density_integrates_to_one(outputs: Tensor) -> None:
    mixture = Mixture(*(part[0, 0] for part in split_outputs(0.4 * outputs)))
    axis = torch.linspace(-14, 14, 401)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1)
    total = log_density(mixture, grid).double().exp().sum() * (axis[1] - axis[0]) ** 2
    assert total.item() == pytest.approx(1.0, abs=1e-3)


def test_extreme_outputs_stay_finite() -> None:
    for scale in (1e3, -1e3):
        mixture = split_outputs(torch.full((1, output_size(M)), scale))
        assert mixture.log_sigma.min() >= LOG_SIGMA_FLOOR
        value = log_likelihood(mixture, torch.tensor([[3.0, -2.0, 1.0]]))
        assert torch.isfinite(value).all()


def test_gradient_of_the_density_is_finite_at_high_correlation() -> None:
    outputs = torch.full((1, output_size(M)), 20.0, requires_grad=True)
    log_likelihood(split_outputs(outputs), torch.tensor([[0.1, 0.2, 0.0]])).sum().backward()
    assert outputs.grad is not None and torch.isfinite(outputs.grad).all()


def test_bias_is_that_of_equations_61_and_62(outputs: Tensor) -> None:
    bias = 0.7
    pi, _, sigma, _, _ = outputs.split([M, 2 * M, 2 * M, M, 1], -1)
    mixture = split_outputs(outputs, bias)
    torch.testing.assert_close(mixture.log_sigma.exp(), torch.exp(sigma - bias).reshape(4, 7, M, 2))
    torch.testing.assert_close(mixture.log_pi.exp(), torch.softmax(pi * (1 + bias), -1))
    torch.testing.assert_close(mixture.mu, split_outputs(outputs).mu)
    torch.testing.assert_close(mixture.end_logit, split_outputs(outputs).end_logit)


def test_bias_may_differ_from_line_to_line(outputs: Tensor) -> None:
    biases = torch.tensor([0.0, 0.5, 1.0, 3.0])
    together = split_outputs(outputs[:, 0], biases)
    for row, bias in enumerate(biases.tolist()):
        alone = split_outputs(outputs[row, 0], bias)
        for a, b in zip(together, alone, strict=True):
            torch.testing.assert_close(a[row], b)


def test_samples_have_the_moments_of_the_mixture() -> None:
    torch.manual_seed(2)
    one = split_outputs(torch.randn(1, output_size(M)) * 0.8)
    n = 200_000
    mixture = Mixture(*(part.expand(n, *part.shape[1:]) for part in one))
    points = sample(mixture, torch.rand(n, 4, generator=torch.Generator().manual_seed(9))).double()
    pi, mu = one.log_pi[0].double().exp(), one.mu[0].double()
    mean = (pi[:, None] * mu).sum(0)
    spread = mu - mean
    expected = (
        pi[:, None, None] * (covariance(one)[0].double() + spread[:, :, None] * spread[:, None, :])
    ).sum(0)
    deviation = math.sqrt(expected.diagonal().max().item() / n)
    torch.testing.assert_close(points[:, :2].mean(0), mean, atol=5 * deviation, rtol=0)
    torch.testing.assert_close(
        points[:, :2].T.cov(), expected, atol=0.02 * expected.abs().max().item(), rtol=0
    )
    assert points[:, 2].mean().item() == pytest.approx(torch.sigmoid(one.end_logit).item(), abs=0.005)


def test_each_component_is_sampled_with_its_own_correlation() -> None:
    one = Mixture(
        log_pi=torch.tensor([[0.3, 0.7]]).log(),
        mu=torch.tensor([[[-50.0, 0.0], [50.0, 0.0]]]),
        log_sigma=torch.log(torch.tensor([[[1.0, 2.0], [0.5, 1.0]]])),
        rho=torch.tensor([[0.9, -0.6]]),
        end_logit=torch.tensor([0.0]),
    )
    n = 100_000
    noise = torch.rand(n, 4, generator=torch.Generator().manual_seed(1))
    points = sample(Mixture(*(part.expand(n, *part.shape[1:]) for part in one)), noise)[:, :2]
    left = points[:, 0] < 0
    assert left.float().mean().item() == pytest.approx(0.3, abs=0.01)
    for side, sigma, rho in ((left, (1.0, 2.0), 0.9), (~left, (0.5, 1.0), -0.6)):
        part = points[side].double()
        assert part.std(0).tolist() == pytest.approx(sigma, rel=0.03)
        assert part.T.corrcoef()[0, 1].item() == pytest.approx(rho, abs=0.02)


def test_squared_error_is_the_distance_to_the_mean(outputs: Tensor) -> None:
    mixture = split_outputs(outputs)
    point = torch.randn(4, 7, 3)
    expected = ((reference(mixture).mean - point[..., :2]) ** 2).sum(-1)
    torch.testing.assert_close(squared_error(mixture, point), expected)
