"""The two networks: their wiring against a plain reading of Graves' equations, and steps against sequences."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from strokesynth.nn.lstm import LSTM
from strokesynth.nn.synthesis import (
    PredictionConfig,
    PredictionNetwork,
    SynthesisConfig,
    SynthesisNetwork,
)
from strokesynth.nn.weights import build_network

T, B = 5, 3
SMALL = SynthesisConfig(hidden_size=6, components=2, window_components=2, alphabet_size=9)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(3)


def text_of(network: SynthesisNetwork) -> Tensor:
    codes = torch.tensor([[1, 2, 3, 0], [4, 5, 0, 0], [8, 7, 6, 0]])
    return network.one_hot(codes, torch.tensor([4, 3, 4]))


def test_full_size_is_that_of_graves() -> None:
    network = SynthesisNetwork()
    assert [layer.hidden_size for layer in (network.first, *network.layers)] == [400, 400, 400]
    assert network.output.weight.shape == (6 * 20 + 1, 1200)
    assert network.first.w_hp.shape == (3 * 10, 400)
    output, per_input = 1200 * 121 + 121, 4 * 400  # weights of the output layer; of one input to a layer
    window = 400 * 30 + 30
    layers = per_input * ((3 + 96 + 400 + 1) + 2 * (3 + 96 + 400 + 400 + 1))
    assert sum(p.numel() for p in network.parameters()) == layers + window + output
    layers = per_input * ((3 + 400 + 1) + 2 * (3 + 400 + 400 + 1))
    assert sum(p.numel() for p in PredictionNetwork().parameters()) == layers + output


def test_one_hot_leaves_padding_empty() -> None:
    text = text_of(SynthesisNetwork(SMALL))
    assert text.shape == (3, 4, 9)
    assert text.sum(-1).tolist() == [[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 1, 1]]
    assert text[1, 0, 4] == 1 and text[1, 2, 0] == 1


def test_prediction_network_is_equations_15_and_16() -> None:
    network = PredictionNetwork(PredictionConfig(hidden_size=6, components=2)).double()
    x = torch.randn(T, B, 3, dtype=torch.float64)
    outputs, _ = network(x)
    below: Tensor | None = None
    hidden = []
    for layer in network.layers:
        assert isinstance(layer, LSTM)
        reference = torch.nn.LSTM(layer.input_size, layer.hidden_size).double()
        order = [0, 1, 3, 2]
        with torch.no_grad():
            reference.weight_ih_l0.copy_(torch.cat([layer.w_ih.chunk(4)[k] for k in order]))
            reference.weight_hh_l0.copy_(torch.cat([layer.w_hh.chunk(4)[k] for k in order]))
            reference.bias_ih_l0.copy_(torch.cat([layer.bias.chunk(4)[k] for k in order]))
            reference.bias_hh_l0.zero_()
        below = reference(x if below is None else torch.cat([x, below], -1))[0]
        hidden.append(below)
    expected = torch.cat(hidden, -1) @ network.output.weight.T + network.output.bias
    torch.testing.assert_close(outputs, expected)


def test_synthesis_steps_equal_the_sequence_and_parts_of_it() -> None:
    network = SynthesisNetwork(SMALL).double()
    x, text = torch.randn(T, B, 3, dtype=torch.float64), text_of(network)
    with torch.no_grad():
        outputs, phi, _ = network(x, text)
        state = network.initial_state(B)
        for t in range(T):
            step_outputs, step_phi, state = network.step(x[t], text, state)
            torch.testing.assert_close(step_outputs, outputs[t])
            torch.testing.assert_close(step_phi, phi[t])
        first, _, middle = network(x[:2], text)
        second, _, _ = network(x[2:], text, middle)
    torch.testing.assert_close(torch.cat([first, second]), outputs)


def test_prediction_steps_equal_the_sequence() -> None:
    network = PredictionNetwork(PredictionConfig(hidden_size=6, components=2)).double()
    x = torch.randn(T, B, 3, dtype=torch.float64)
    with torch.no_grad():
        outputs, _ = network(x)
        state = network.initial_state(B)
        for t in range(T):
            step_outputs, state = network.step(x[t], state)
            torch.testing.assert_close(step_outputs, outputs[t])


@pytest.mark.usefixtures("products")
def test_every_parameter_gets_a_gradient() -> None:
    network = SynthesisNetwork(SMALL)
    outputs, _, _ = network(torch.randn(T, B, 3), text_of(network))
    outputs.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_standardisation_is_undone() -> None:
    network = SynthesisNetwork(SMALL)
    network.offset_mean.copy_(torch.tensor([0.2, -0.1]))
    network.offset_std.copy_(torch.tensor([0.5, 2.0]))
    points = torch.tensor([[0.7, 1.9, 1.0]])
    torch.testing.assert_close(network.standardize(points), torch.tensor([[1.0, 1.0, 1.0]]))
    torch.testing.assert_close(network.unstandardize(network.standardize(points)), points)


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(ValueError, match="hidden_size is 0"):
        PredictionConfig(hidden_size=0)
    with pytest.raises(ValueError, match="unknown task 'poetry'; expected one of unconditional_handwriting"):
        build_network("poetry", {})
    with pytest.raises(ValueError, match=r"has no \['layers'\]"):
        build_network("conditional_handwriting", {"layers": 4})
