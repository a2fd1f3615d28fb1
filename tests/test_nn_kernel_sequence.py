"""The passes over time in C against the plain ones in torch, which `test_nn_gradients` holds against differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from strokesynth.nn.kernel import library, sequence
from strokesynth.nn.lstm import LSTM
from strokesynth.nn.mixture import log_likelihood, split_outputs
from strokesynth.nn.synthesis import SynthesisConfig, SynthesisNetwork
from strokesynth.nn.window import WindowedLSTM, WindowState

T, H, A, K, U = 9, 48, 11, 4, 6

needs_tiles = pytest.mark.skipif(
    not sequence.usable(torch.zeros(1), H, torch.bfloat16), reason="no compiler or no tiles for bfloat16 here"
)
pytestmark = needs_tiles


@pytest.fixture(autouse=True)
def _bfloat16(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    torch.manual_seed(2)
    for module in ("lstm", "window", "synthesis"):
        monkeypatch.setattr(f"strokesynth.nn.{module}.product_dtype", lambda device: torch.bfloat16)
    yield


def normal(*shape: int) -> Tensor:
    return (0.5 * torch.randn(shape)).requires_grad_()


def lstm_case(lines: int, inputs: int = 21) -> tuple[Callable[[], list[Tensor]], list[Tensor]]:
    layer, x, line_bias = LSTM(inputs, H), normal(T, lines, inputs), normal(lines, 4 * H)
    state = normal(lines, H), normal(lines, H)

    def values() -> list[Tensor]:
        h, (last_h, last_c) = layer(x, state, line_bias)
        return [h, last_h, last_c]

    return values, [x, line_bias, *state, *layer.parameters()]


def windowed_case(lines: int) -> tuple[Callable[[], list[Tensor]], list[Tensor]]:
    layer, x, line_bias = WindowedLSTM(3, H, A, K, advance=0.5), normal(T, lines, 3), normal(lines, 4 * H)
    text = normal(lines, U, A)
    state = WindowState(normal(lines, H), normal(lines, H), normal(lines, K), normal(lines, A))

    def values() -> list[Tensor]:
        h, window, phi, last = layer(x, text, state, line_bias)
        return [h, window, last.c, last.kappa, phi]

    return values, [x, text, line_bias, *state, *layer.parameters()]


def with_gradients(values: Callable[[], list[Tensor]], inputs: list[Tensor]) -> list[Tensor]:
    found = values()
    generator = torch.Generator().manual_seed(4)
    total = sum((v * torch.randn(v.shape, generator=generator)).sum() for v in found if v.requires_grad)
    return [*found, *torch.autograd.grad(total, inputs)]  # type: ignore[arg-type]


def assert_near(ours: list[Tensor], others: list[Tensor], most: float) -> None:
    for number, (a, b) in enumerate(zip(ours, others, strict=True)):
        assert a.shape == b.shape and a.dtype == b.dtype
        assert (a - b).norm() <= most * b.norm(), number


@pytest.mark.parametrize("lines", [1, 16, 23, 32, 70])
@pytest.mark.parametrize("case", [lstm_case, windowed_case])
def test_values_and_gradients_are_the_plain_ones(
    case: Callable[[int], tuple[Callable[[], list[Tensor]], list[Tensor]]],
    lines: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values, inputs = case(lines)
    ours = with_gradients(values, inputs)
    monkeypatch.setenv(library.SWITCH, "0")
    rounded = with_gradients(values, inputs)
    for module in ("lstm", "window"):
        monkeypatch.setattr(f"strokesynth.nn.{module}.product_dtype", lambda device: torch.float32)
    exact = with_gradients(values, inputs)
    assert not torch.equal(ours[0], rounded[0])  # else it has been compared with itself
    assert_near(ours, exact, 0.02)
    assert_near(ours, rounded, 0.02)


@pytest.mark.parametrize("case", [lstm_case, windowed_case])
def test_the_same_bits_every_time(
    case: Callable[[int], tuple[Callable[[], list[Tensor]], list[Tensor]]],
) -> None:
    values, inputs = case(37)
    first = with_gradients(values, inputs)
    for _ in range(3):
        assert all(map(torch.equal, first, with_gradients(values, inputs)))


def test_a_sequence_may_be_run_in_parts() -> None:
    layer, windowed = LSTM(5, H), WindowedLSTM(3, H, A, K, advance=0.5)
    x, pen, text = torch.randn(T, 3, 5), torch.randn(T, 3, 3), torch.randn(3, U, A)
    first, state = layer(x[:4])
    torch.testing.assert_close(torch.cat([first, layer(x[4:], state)[0]]), layer(x)[0])
    first, _, phi, window_state = windowed(pen[:4], text)
    second, _, later_phi, _ = windowed(pen[4:], text, window_state)
    torch.testing.assert_close(torch.cat([first, second]), windowed(pen, text)[0])
    torch.testing.assert_close(torch.cat([phi, later_phi]), windowed(pen, text)[2])


def test_a_line_depends_on_no_other_and_not_on_padding() -> None:
    windowed = WindowedLSTM(3, H, A, K, advance=0.5)
    pen, text = torch.randn(T, 40, 3), torch.randn(40, U, A)
    h, window, phi, _ = windowed(pen, text)
    longer = torch.nn.functional.pad(text[33:35], (0, 0, 0, 5))
    alone = windowed(pen[:, 33:35], longer)
    torch.testing.assert_close(alone[0], h[:, 33:35], rtol=0, atol=1e-6)
    torch.testing.assert_close(alone[1], window[:, 33:35], rtol=0, atol=1e-6)
    torch.testing.assert_close(alone[2][:, :, :U], phi[:, 33:35], rtol=0, atol=1e-6)


def test_a_window_far_from_the_text_sees_nothing() -> None:
    windowed = WindowedLSTM(3, H, A, K, advance=0.5)
    state = windowed.initial_state(2)._replace(kappa=torch.full((2, K), 500.0))
    _, window, phi, _ = windowed(torch.randn(T, 2, 3), torch.randn(2, U, A), state)
    assert not window.any() and not phi.any()


def test_what_is_not_a_number_shows() -> None:
    for values, inputs in (lstm_case(3), windowed_case(3)):
        inputs[0].data[2, 1, 0] = float("nan")
        h = values()[0]
        assert h[2:, 1].isnan().all() and not h[:, 0].isnan().any() and not h[:2].isnan().any()


def test_frozen_weights_have_no_gradient_and_change_no_other() -> None:
    layer, x = LSTM(5, H), normal(T, 3, 5)
    whole = torch.autograd.grad(layer(x)[0].sum(), [x, layer.bias])
    layer.w_ih.requires_grad_(False)
    layer.w_hh.requires_grad_(False)
    assert all(map(torch.equal, torch.autograd.grad(layer(x)[0].sum(), [x, layer.bias]), whole))


def test_backward_twice_is_refused_rather_than_wrong() -> None:
    for values, _ in (lstm_case(3), windowed_case(3)):
        h = values()[0]
        h.sum().backward(retain_graph=True)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            h.sum().backward()


def test_input_in_pieces() -> None:
    layer, pieces = LSTM(21, H), [normal(T, 5, size) for size in (3, 11, 7)]
    probe = torch.randn(T, 5, H)
    ours = torch.autograd.grad((layer(pieces)[0] * probe).sum(), pieces)
    joined = torch.cat([p.detach() for p in pieces], -1).requires_grad_()
    (whole,) = torch.autograd.grad((layer(joined)[0] * probe).sum(), joined)
    torch.testing.assert_close(torch.cat(ours, -1), whole)


@pytest.mark.parametrize(("rows", "inner", "columns"), [(1, 3, 5), (67, 64, 33), (1000, 121, 70)])
def test_products(rows: int, inner: int, columns: int) -> None:
    left, right = torch.randn(rows, inner).bfloat16(), torch.randn(rows, columns).bfloat16()
    torch.testing.assert_close(
        sequence.outer(left, right), left.float().t() @ right.float(), rtol=1e-4, atol=1e-3
    )
    weights = torch.randn(inner, columns).bfloat16().float()
    padded = torch.nn.functional.pad(left, (0, -inner % 32))
    torch.testing.assert_close(
        sequence.product(padded, weights), left.float() @ weights, rtol=1e-4, atol=1e-3
    )


def test_the_whole_network(monkeypatch: pytest.MonkeyPatch) -> None:
    network = SynthesisNetwork(SynthesisConfig(H, 3, K, A))
    points = torch.randn(21, 20, 3)
    points[..., 2] = (points[..., 2] > 1).float()
    text = network.one_hot(torch.randint(0, A, (20, U)), torch.randint(1, U + 1, (20,)))

    def results() -> list[Tensor]:
        outputs, phi, _ = network(points[:-1], text)
        loss = -log_likelihood(split_outputs(outputs), points[1:]).mean()
        return [outputs, phi, loss, *torch.autograd.grad(loss, list(network.parameters()))]

    ours = results()
    monkeypatch.setenv(library.SWITCH, "0")
    assert_near(ours, results(), 0.03)
