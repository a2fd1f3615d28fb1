"""Gradients of the passes that are written by hand: by finite differences, and in the whole network with bfloat16."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from strokesynth.nn.lstm import LSTM
from strokesynth.nn.mixture import log_likelihood, split_outputs
from strokesynth.nn.products import products_in
from strokesynth.nn.synthesis import PredictionConfig, PredictionNetwork, SynthesisConfig, SynthesisNetwork
from strokesynth.nn.window import WindowedLSTM, WindowState

T, B, H, U, A, K, INPUTS = 6, 3, 5, 7, 8, 2, 4


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(5)


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, requires_grad=True)


def text() -> Tensor:
    rows = torch.nn.functional.one_hot(torch.randint(0, A, (B, U)), A).double()
    rows[1, 4:] = 0.0  # padding
    return rows


def check(value: Callable[[], Tensor], inputs: dict[str, Tensor], step: float = 1e-6) -> None:
    """The slope of `value` along a random direction of each input, against its gradient."""
    gradients = torch.autograd.grad(value(), list(inputs.values()))
    for (name, tensor), gradient in zip(inputs.items(), gradients, strict=True):
        direction = torch.randn_like(tensor)
        with torch.no_grad():
            tensor += step * direction
            above = value()
            tensor -= 2 * step * direction
            below = value()
            tensor += step * direction
        slope = (above - below) / (2 * step)
        assert slope.abs() > 1e-5, f"{name} has no say"
        torch.testing.assert_close((gradient * direction).sum(), slope, rtol=1e-5, atol=1e-7, msg=name)


def test_lstm() -> None:
    layer = LSTM(INPUTS, H).double()
    x, h0, c0, line_bias = normal(T, B, INPUTS), normal(B, H), normal(B, H), normal(B, 4 * H)
    probes = torch.randn(T, B, H, dtype=torch.float64), torch.randn(2, B, H, dtype=torch.float64)

    def value() -> Tensor:
        outputs, (h, c) = layer(x, (h0, c0), line_bias)
        return (outputs * probes[0]).sum() + (torch.stack([h, c]) * probes[1]).sum()

    check(value, {"x": x, "h0": h0, "c0": c0, "line_bias": line_bias, **dict(layer.named_parameters())})


def test_windowed_lstm() -> None:
    layer = WindowedLSTM(INPUTS, H, A, K, advance=0.7).double()
    x, rows, line_bias = normal(T, B, INPUTS), normal(B, U, A), normal(B, 4 * H)
    state = WindowState(normal(B, H), normal(B, H), normal(B, K), normal(B, A))
    probes = [torch.randn(shape, dtype=torch.float64) for shape in [(T, B, H), (T, B, A), (B, H), (B, K)]]

    def value() -> Tensor:
        h, window, _, last = layer(x, rows, state, line_bias)
        values = zip((h, window, last.c, last.kappa), probes, strict=True)
        return sum((value * probe).sum() for value, probe in values)  # type: ignore[return-value]

    inputs = {"x": x, "rows": rows, "line_bias": line_bias}
    check(value, {**inputs, **state._asdict(), **dict(layer.named_parameters())})


def test_a_bias_of_each_line_counts_like_the_layers_own() -> None:
    layer, windowed = LSTM(INPUTS, H).double(), WindowedLSTM(INPUTS, H, A, K).double()
    x, rows, shift = normal(T, B, INPUTS), text(), torch.randn(4 * H, dtype=torch.float64)
    shifts = [shift * (line == 1) for line in range(B)]
    with torch.no_grad():
        given = layer(x, None, torch.stack(shifts))[0], windowed(x, rows, None, torch.stack(shifts))[0]
        first = layer.step(x[0], layer.initial_state(B), torch.stack(shifts))[0]
        window_first = windowed.step(x[0], rows, windowed.initial_state(B), torch.stack(shifts))[1].h
        without = layer(x)[0], windowed(x, rows)[0]
        layer.bias += shift
        windowed.bias += shift
        shifted = layer(x)[0], windowed(x, rows)[0]
    for one, plain, moved in zip(given, without, shifted, strict=True):
        torch.testing.assert_close(one[:, 1], moved[:, 1])
        torch.testing.assert_close(one[:, 0], plain[:, 0])
    torch.testing.assert_close(first, given[0][0])
    torch.testing.assert_close(window_first, given[1][0])


def test_frozen_weights_change_no_other_gradient() -> None:
    layer = WindowedLSTM(INPUTS, H, A, K).double()
    x, rows = normal(T, B, INPUTS), text()
    whole = torch.autograd.grad(layer(x, rows)[0].sum(), [x, layer.bias])
    for weight in (layer.w_ih, layer.w_sh, layer.w_hp):
        weight.requires_grad_(False)
    torch.testing.assert_close(torch.autograd.grad(layer(x, rows)[0].sum(), [x, layer.bias]), whole)


def test_whole_networks() -> None:
    x = normal(T, B, 3)
    synthesis = SynthesisNetwork(SynthesisConfig(H, 2, K, A)).double()
    prediction = PredictionNetwork(PredictionConfig(H, 2)).double()
    letters = text()
    check(lambda: synthesis(x, letters)[0].square().sum(), {"x": x, **dict(synthesis.named_parameters())})
    check(lambda: prediction(x)[0].square().sum(), {"x": x, **dict(prediction.named_parameters())})


def test_products_in_bfloat16_leave_the_direction_of_the_gradient() -> None:
    """Where a GPU or the processor has units for it, each product has 8 bits, and every sum 24."""
    network = SynthesisNetwork(SynthesisConfig(hidden_size=32, components=4, window_components=4))
    points = torch.randn(41, 8, 3)
    points[..., 2] = (points[..., 2] > 1).float()
    letters = network.one_hot(torch.randint(1, 96, (8, 6)))

    def gradient() -> Tensor:
        network.zero_grad()
        outputs, _, _ = network(points[:-1], letters)
        (-log_likelihood(split_outputs(outputs), points[1:])).mean().backward()
        return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])

    with products_in("float32"):
        exact = gradient()
    with products_in("bfloat16"):
        rounded = gradient()
    assert not torch.equal(rounded, exact)
    assert torch.cosine_similarity(rounded, exact, dim=0) > 0.999
    assert rounded.norm() / exact.norm() == pytest.approx(1.0, abs=0.01)
