"""Shared by all tests: one thread and one type of products, so that results do not hang on the machine or its load."""

import os

# Before the first import of numpy and torch, whose thread pools are sized once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
# Otherwise it is the processor that chooses; tests to which it matters take the fixture `products`.
os.environ.setdefault("STROKESYNTH_PRODUCTS", "float32")

import pytest
import torch


@pytest.fixture(params=["float32", "bfloat16"])
def products(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.dtype:
    """Each type in which the products of training passes may be computed, here and in processes started from here."""
    monkeypatch.setenv("STROKESYNTH_PRODUCTS", request.param)
    return getattr(torch, request.param)
