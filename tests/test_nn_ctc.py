"""The focal CTC loss against its definition and torch's own loss."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from makers import padded_batch
from torch import Tensor

from strokesynth.nn.ctc import focal_ctc_loss


def brute_force(log_probs: Tensor, codes: Tensor) -> float:
    """Log p(codes | frames) as the sum over all paths: log_probs (T, C), codes (U,)."""
    total = 0.0
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        if [code for code, _ in itertools.groupby(path) if code] == codes.tolist():
            total += math.exp(log_probs[range(len(path)), list(path)].sum())
    return math.log(total)


@pytest.mark.parametrize(("gamma", "alpha"), [(0.0, 1.0), (0.5, 0.25), (2.0, 1.0), (0.01, 1.0)])
def test_focal_loss_equals_its_definition(gamma: float, alpha: float) -> None:
    logits, lengths, codes, code_lengths = padded_batch()
    log_probs = logits.log_softmax(-1)
    expected_log_p = [brute_force(log_probs[: lengths[i], i], codes[i, : code_lengths[i]]) for i in range(3)]
    loss = focal_ctc_loss(log_probs, lengths, codes, code_lengths, gamma=gamma, alpha=alpha)
    for i in range(3):
        log_p = expected_log_p[i]
        assert loss[i].item() == pytest.approx(alpha * (1 - math.exp(log_p)) ** gamma * -log_p, rel=1e-10)
    assert loss[3].item() == 0


def test_gamma_zero_is_the_plain_loss() -> None:
    logits, lengths, codes, code_lengths = padded_batch()
    arguments = (codes, lengths, code_lengths)
    plain = F.ctc_loss(logits.log_softmax(-1), *arguments, reduction="none", zero_infinity=True)
    focal = focal_ctc_loss(logits.log_softmax(-1), lengths, codes, code_lengths, gamma=0.0, alpha=1.0)
    assert torch.equal(plain, focal)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_gradient(gamma: float) -> None:
    logits, *rest = padded_batch()
    logits.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x: focal_ctc_loss(x.log_softmax(-1), *rest, gamma=gamma, alpha=0.25), logits
    )
    focal_ctc_loss(logits.log_softmax(-1), *rest, gamma=gamma).sum().backward()
    assert logits.grad is not None and (logits.grad[:, 3] == 0).all() and (logits.grad[:, :3] != 0).any()


@pytest.mark.parametrize("gamma", [0.01, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_focal_loss_is_finite_where_p_is_nearly_one_or_zero(gamma: float, dtype: torch.dtype) -> None:
    certain = torch.zeros(4, 3, 3, dtype=dtype)
    certain[:, 0, 1] = 200.0  # p is 1 to the last digit
    certain[:, 1, 1] = 18.0  # and within 1e-7
    certain[:, 2, 2] = 500.0  # p is e⁻⁵⁰⁰ and less
    certain.requires_grad_()
    one = torch.ones(3, dtype=torch.long)
    loss = focal_ctc_loss(certain.log_softmax(-1), 4 * one, one[:, None], one, gamma=gamma)
    assert torch.isfinite(loss).all() and loss[0] == 0 and loss[2].item() == pytest.approx(2000, rel=0.01)
    log_p = brute_force(certain[:, 1].detach().double().log_softmax(-1), torch.tensor([1]))
    expected = -log_p * (-math.expm1(log_p)) ** gamma
    assert loss[1].item() == pytest.approx(expected, abs=1e-6 if dtype == torch.float32 else 0, rel=1e-6)
    loss.sum().backward()
    assert certain.grad is not None and torch.isfinite(certain.grad).all()


def test_what_is_given_wrong_is_named() -> None:
    log_probs, *rest = padded_batch()
    for wrong in ({"gamma": -1.0}, {"alpha": 0.0}):
        with pytest.raises(ValueError, match=r"gamma is at least 0 and alpha above 0, got"):
            focal_ctc_loss(log_probs, *rest, **wrong)
