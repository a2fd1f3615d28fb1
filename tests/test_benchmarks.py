"""The plain network that training is compared with computes the same thing, so that the comparison is fair."""

import pytest
import torch

import benchmarks
from benchmarks.reference import PlainSynthesisNetwork, plain_loss
from strokesynth.nn.mixture import log_likelihood, split_outputs
from strokesynth.nn.synthesis import SynthesisConfig, SynthesisNetwork


def plain_twin(network: SynthesisNetwork) -> tuple[PlainSynthesisNetwork, torch.Tensor]:
    """The plain network with the same weights, and where its outputs lie among those of `network`."""
    config = network.config
    h, m = config.hidden_size, config.components
    plain = PlainSynthesisNetwork(config.alphabet_size, h, config.window_components, m).double()
    gates = (
        torch.arange(4 * h).view(4, h)[[0, 1, 3, 2]].flatten()
    )  # LSTMCell has the candidate before the output
    means = m + torch.arange(2 * m).view(m, 2).t().flatten()  # all x, then all y
    order = torch.cat([torch.arange(m), means, means + 2 * m, torch.arange(5 * m, 6 * m + 1)])
    first, above = network.first, list(network.layers)
    with torch.no_grad():
        plain.cell1.weight_ih.copy_(torch.cat([first.w_ih, first.w_sh[:, h:]], 1)[gates])
        plain.cell1.weight_hh.copy_(first.w_sh[:, :h][gates])
        for cell, layer in zip([plain.cell2, plain.cell3], above):
            cell.weight_ih.copy_(layer.w_ih[gates])
            cell.weight_hh.copy_(layer.w_hh[gates])
        for cell, layer in zip([plain.cell1, plain.cell2, plain.cell3], [first, *above]):
            cell.bias_ih.copy_(layer.bias[gates])
            cell.bias_hh.zero_()
        plain.window.weight.copy_(first.w_hp)
        plain.window.bias.copy_(first.b_p)
        plain.output.weight.copy_(network.output.weight[order])
        plain.output.bias.copy_(network.output.bias[order])
    return plain, order


def test_both_networks_have_the_same_loss_and_gradients():
    torch.manual_seed(0)
    network = SynthesisNetwork(
        SynthesisConfig(hidden_size=7, components=3, window_components=2, alphabet_size=5)
    )
    network.double()
    plain, order = plain_twin(network)
    x, target = torch.randn(2, 12, 4, 3, dtype=torch.float64)
    target[..., 2] = (target[..., 2] > 0).double()
    text = network.one_hot(torch.randint(1, 5, (4, 6)))

    outputs = network(x, text)[0]
    torch.testing.assert_close(plain(x, text), outputs[..., order])
    # The mixture works in float32, whatever it is given.
    loss, expected = (
        -log_likelihood(split_outputs(outputs), target).mean(),
        plain_loss(plain(x, text), target),
    )
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-5)
    loss.backward()
    expected.backward()
    close = {"rtol": 1e-4, "atol": 1e-6}
    torch.testing.assert_close(network.first.w_hp.grad, plain.window.weight.grad, **close)
    torch.testing.assert_close(network.output.weight.grad[order], plain.output.weight.grad, **close)
    assert plain.window.weight.grad.abs().max() > 1e-4


def test_medians_warm_up_and_take_turns():
    calls = []
    times = benchmarks.medians({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=2)
    assert calls == ["a", "b"] * 3
    assert set(times) == {"a", "b"}


@pytest.mark.parametrize("as_json", [False, True])
def test_tables_hold_the_numbers(capsys, as_json):
    benchmarks.show(
        {"speed": [{"what": "one", "points/s": 12345.6}, {"what": "two", "points/s": None}]}, as_json
    )
    printed = capsys.readouterr().out
    assert ("12345.6" if as_json else "12,346") in printed
    assert "two" in printed
    assert torch.__version__ in printed
