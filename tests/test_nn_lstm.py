"""The hand-written passes over time against `torch.nn.LSTM`, autograd on a plain loop, and finite differences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from strokesynth.nn.lstm import LSTM
from strokesynth.nn.passes import Product, matmul
from strokesynth.nn.window import WindowedLSTM, WindowState

T, B, H, U, A, K = 6, 3, 5, 7, 8, 2
INPUTS = 4


def random_text() -> Tensor:
    codes = torch.randint(0, A, (B, U), generator=torch.Generator().manual_seed(3))
    text = torch.nn.functional.one_hot(codes, A).double()
    text[1, 4:] = 0.0  # padding
    return text


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(11)


def plain_cell(layer: LSTM | WindowedLSTM, gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    i, f, o, g = gates.chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def plain_lstm(layer: LSTM, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    outputs = []
    for step in x:
        h, c = plain_cell(layer, step @ layer.w_ih.T + h @ layer.w_hh.T + layer.bias, c)
        outputs.append(h)
    return torch.stack(outputs), c


def plain_windowed(layer: WindowedLSTM, x: Tensor, text: Tensor, state: WindowState) -> tuple[Tensor, ...]:
    """Graves' eqs 46–51 step by step, with sums written out over characters and Gaussians."""
    h, c, kappa, w = state
    hs, ws, phis = [], [], []
    for step in x:
        gates = step @ layer.w_ih.T + torch.cat([h, w], 1) @ layer.w_sh.T + layer.bias
        h, c = plain_cell(layer, gates, c)
        alpha, beta, advance = torch.exp(h @ layer.w_hp.T + layer.b_p).chunk(3, dim=1)
        kappa = kappa + advance
        phi = torch.stack(
            [(alpha * torch.exp(-beta * (kappa - u) ** 2)).sum(1) for u in range(text.shape[1])], dim=1
        )
        w = sum(phi[:, u, None] * text[:, u] for u in range(text.shape[1]))  # type: ignore[assignment]
        hs.append(h)
        ws.append(w)
        phis.append(phi)
    return torch.stack(hs), torch.stack(ws), torch.stack(phis), c, kappa


def gradients(loss: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    return list(torch.autograd.grad(loss, inputs))


def test_lstm_equals_torch() -> None:
    layer, reference = LSTM(INPUTS, H).double(), torch.nn.LSTM(INPUTS, H).double()
    order = [0, 1, 3, 2]  # torch keeps input, forget, candidate, output
    with torch.no_grad():
        for ours, theirs in ((layer.w_ih, reference.weight_ih_l0), (layer.w_hh, reference.weight_hh_l0)):
            theirs.copy_(torch.cat([ours.chunk(4)[k] for k in order]))
        reference.bias_ih_l0.copy_(torch.cat([layer.bias.chunk(4)[k] for k in order]))
        reference.bias_hh_l0.zero_()
    x = torch.randn(T, B, INPUTS, dtype=torch.float64)
    h, (last_h, last_c) = layer(x)
    expected, (expected_h, expected_c) = reference(x)
    torch.testing.assert_close(h, expected)
    torch.testing.assert_close(last_h, expected_h[0])
    torch.testing.assert_close(last_c, expected_c[0])


def test_lstm_gradients_equal_autograd_on_a_plain_loop() -> None:
    layer = LSTM(INPUTS, H).double()
    x = torch.randn(T, B, INPUTS, dtype=torch.float64, requires_grad=True)
    h0, c0 = (torch.randn(B, H, dtype=torch.float64, requires_grad=True) for _ in range(2))
    wanted = [x, h0, c0, *layer.parameters()]
    weights_h, weights_c = torch.randn(T, B, H, dtype=torch.float64), torch.randn(B, H, dtype=torch.float64)
    h, (_, c) = layer(x, (h0, c0))
    ours = gradients((h * weights_h).sum() + (c * weights_c).sum(), wanted)
    h, c = plain_lstm(layer, x, h0, c0)
    theirs = gradients((h * weights_h).sum() + (c * weights_c).sum(), wanted)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_windowed_lstm_and_its_gradients_equal_autograd_on_a_plain_loop() -> None:
    layer = WindowedLSTM(INPUTS, H, A, K, advance=0.7).double()
    x, text = torch.randn(T, B, INPUTS, dtype=torch.float64, requires_grad=True), random_text()
    shapes = [(B, H), (B, H), (B, K), (B, A)]
    state = WindowState(*(torch.randn(s, dtype=torch.float64, requires_grad=True) for s in shapes))
    wanted = [x, *state, *layer.parameters()]
    probe = [torch.randn(s, dtype=torch.float64) for s in [(T, B, H), (T, B, A), (B, H), (B, K)]]

    h, w, phi, last = layer(x, text, state)
    values = [h, w, last.c, last.kappa]
    expected_h, expected_w, expected_phi, expected_c, expected_kappa = plain_windowed(layer, x, text, state)
    expected = [expected_h, expected_w, expected_c, expected_kappa]
    torch.testing.assert_close(phi, expected_phi)
    for a, b in zip(values, expected, strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(last.h, h[-1])
    torch.testing.assert_close(last.window, w[-1])

    ours = gradients(sum((v * p).sum() for v, p in zip(values, probe, strict=True)), wanted)  # type: ignore[arg-type]
    theirs = gradients(sum((v * p).sum() for v, p in zip(expected, probe, strict=True)), wanted)  # type: ignore[arg-type]
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


def test_windowed_gradient_by_finite_differences() -> None:
    layer = WindowedLSTM(INPUTS, H, A, K, advance=0.7).double()
    x, text = torch.randn(T, B, INPUTS, dtype=torch.float64), random_text()
    probe = torch.randn(T, B, A, dtype=torch.float64)

    def value() -> Tensor:
        h, window, _, _ = layer(x, text)
        return (window * probe).sum() + h.sum()

    value().backward()
    for name, parameter in layer.named_parameters():
        direction = torch.randn_like(parameter)
        with torch.no_grad():
            parameter += 1e-6 * direction
            above = value()
            parameter -= 2e-6 * direction
            below = value()
            parameter += 1e-6 * direction
        assert parameter.grad is not None
        slope = (parameter.grad * direction).sum()
        torch.testing.assert_close((above - below) / 2e-6, slope, rtol=1e-5, atol=1e-7, msg=name)


def test_steps_equal_the_whole_sequence() -> None:
    layer, windowed = LSTM(INPUTS, H).double(), WindowedLSTM(INPUTS, H, A, K).double()
    x, text = torch.randn(T, B, INPUTS, dtype=torch.float64), random_text()
    with torch.no_grad():
        h, _ = layer(x)
        hw, w, phi, _ = windowed(x, text)
        state, window_state = layer.initial_state(B), windowed.initial_state(B)
        for t in range(T):
            state = layer.step(x[t], state)
            phi_t, window_state = windowed.step(x[t], text, window_state)
            torch.testing.assert_close(state[0], h[t])
            torch.testing.assert_close(window_state.h, hw[t])
            torch.testing.assert_close(window_state.window, w[t])
            torch.testing.assert_close(phi_t, phi[t])


def test_a_sequence_may_be_run_in_parts() -> None:
    windowed = WindowedLSTM(INPUTS, H, A, K).double()
    x, text = torch.randn(T, B, INPUTS, dtype=torch.float64), random_text()
    whole, _, _, _ = windowed(x, text)
    first, _, _, state = windowed(x[:2], text)
    second, _, _, _ = windowed(x[2:], text, state)
    torch.testing.assert_close(torch.cat([first, second]), whole)


def test_padding_rows_of_the_text_do_not_reach_the_window() -> None:
    windowed = WindowedLSTM(INPUTS, H, A, K).double()
    x, text = torch.randn(T, B, INPUTS, dtype=torch.float64), random_text()
    longer = torch.cat([text, torch.zeros(B, 4, A, dtype=torch.float64)], dim=1)
    torch.testing.assert_close(windowed(x, text)[1], windowed(x, longer)[1])


@pytest.mark.usefixtures("products")
def test_backward_twice_is_refused_rather_than_wrong() -> None:
    layer = LSTM(INPUTS, H)
    h, _ = layer(torch.randn(T, B, INPUTS))
    h.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        h.sum().backward()


def test_products_in_bfloat16_are_near_those_in_float32() -> None:
    left, weight = torch.randn(9, 64), torch.randn(64, 16)
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 0.3)):
        total = torch.ones(9, 16)
        Product(weight, dtype).add_to(total, left)
        torch.testing.assert_close(total, 1 + left @ weight, atol=tolerance, rtol=0.02)
        Product(weight, dtype).replace(total, left)
        torch.testing.assert_close(total, left @ weight, atol=tolerance, rtol=0.02)
        product = matmul(left, weight, dtype)
        assert product.dtype == torch.float32
        torch.testing.assert_close(product, left @ weight, atol=tolerance, rtol=0.02)
