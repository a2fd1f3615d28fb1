"""The type in which matrix products are computed when a network is trained: one setting for all layers.

The setting is one of `CHOICES`. It comes from `products_in`, or else from the environment variable
STROKESYNTH_PRODUCTS, or else is "auto": what is fastest on the device. Sums, activations, states and weights stay
float32 in any case, and float64 is left alone. bfloat16 also works, slowly, where there are no units for it.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

VARIABLE = "STROKESYNTH_PRODUCTS"
"""Name of the environment variable."""

CHOICES = ("auto", "float32", "bfloat16")
"""The values that the setting may have."""

_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_chosen: ContextVar[str | None] = ContextVar("products", default=None)


def product_dtype(device: torch.device) -> torch.dtype:
    """The type of matrix products on `device`: torch.float32 or torch.bfloat16.

    Raises ValueError if the environment variable holds something else than one of `CHOICES`.
    """
    choice = _chosen.get()
    if choice is None:
        choice = _valid(os.environ.get(VARIABLE, "").strip().lower() or "auto", VARIABLE)
    return _fastest(device) if choice == "auto" else _TYPES[choice]


@contextmanager
def products_in(choice: str | None) -> Iterator[None]:
    """Compute the products of this thread in the type of this choice; None leaves the setting as it is.

    Raises ValueError if `choice` is neither None nor one of `CHOICES`.
    """
    token = _chosen.set(_chosen.get() if choice is None else _valid(choice, "products"))
    try:
        yield
    finally:
        _chosen.reset(token)


def _valid(choice: str, name: str) -> str:
    if choice not in CHOICES:
        raise ValueError(f"{name} is {choice!r}; expected one of {', '.join(CHOICES)}")
    return choice


@functools.cache
def _fastest(device: torch.device) -> torch.dtype:
    """Bfloat16 where the device has units for it, else float32."""
    if device.type == "cuda":
        # GPUs of before Ampere only emulate bfloat16.
        ampere = torch.cuda.get_device_capability(device) >= (8, 0)
        return torch.bfloat16 if ampere else torch.float32
    if device.type == "cpu":
        native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        return torch.bfloat16 if native() else torch.float32
    return torch.float32
