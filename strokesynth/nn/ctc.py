"""Connectionist temporal classification (Graves, Fernández, Gomez & Schmidhuber 2006, ICML): the blank and the loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

BLANK = 0


def focal_ctc_loss(
    log_probs: Tensor,
    lengths: Tensor,
    codes: Tensor,
    code_lengths: Tensor,
    *,
    gamma: float = 0.5,
    alpha: float = 1.0,
) -> Tensor:
    """Losses of B inputs, of which those already read with confidence weigh less: (B,).

        alpha (1 - p)^gamma (-log p),   p = p(codes | frames)

    after Feng, Yao & Zhang (2019, "Focal CTC loss for Chinese optical character recognition on unbalanced
    datasets"). gamma = 0, alpha = 1 is the plain CTC loss. log_probs (T, B, C) as from `log_softmax`, lengths
    (B,), codes (B, U) padded or all in one (ΣU,), code_lengths (B,); in float32 at least. An input with fewer
    frames than its codes need has loss and gradient 0.

    Raises ValueError for a negative gamma, or an alpha that is not positive.
    """
    if not (gamma >= 0 and alpha > 0):
        raise ValueError(f"gamma is at least 0 and alpha above 0, got {gamma} and {alpha}")
    if log_probs.dtype != torch.float64:
        log_probs = log_probs.float()
    loss = F.ctc_loss(
        log_probs, codes, lengths, code_lengths, blank=BLANK, reduction="none", zero_infinity=True
    )
    # 1 - p = -expm1(log p) keeps its digits where p is near 1. At 0, also that of zero_infinity, a power below 1
    # has an infinite slope, and 0 · inf is NaN: hence the clamp, below which the slope is 0.
    missed = -torch.expm1(-loss.clamp(min=torch.finfo(loss.dtype).tiny))
    return alpha * missed**gamma * loss
