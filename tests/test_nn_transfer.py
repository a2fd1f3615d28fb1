import pytest
import torch
from makers import styled_network

from strokesynth.nn.synthesis import PredictionConfig, PredictionNetwork, SynthesisConfig, SynthesisNetwork
from strokesynth.nn.transfer import warm_start

SIZES = {"hidden_size": 12, "components": 3}


def synthesis(seed, **sizes):
    torch.manual_seed(seed)
    network = SynthesisNetwork(SynthesisConfig(**(SIZES | sizes), window_components=2, alphabet_size=7))
    network.offset_mean.copy_(torch.tensor([0.3, -0.1]))
    network.offset_std.copy_(torch.tensor([0.6, 0.4]))
    return network


def test_the_same_task_takes_everything():
    source, network = synthesis(0), synthesis(1)
    network.offset_mean.zero_()
    warm_start(network, source)
    for name, value in network.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name


def test_a_prediction_network_is_the_synthesis_network_with_nothing_in_its_window(products):
    source, network = synthesis(0), PredictionNetwork(PredictionConfig(**SIZES))
    warm_start(network, source)
    points = torch.randn(15, 4, 3)
    blank = torch.zeros(4, 5, 7)  # a text of zero rows: the window vector is zero wherever the window stands
    expected, _, _ = source(source.standardize(points), blank)
    outputs, _ = network(network.standardize(points))
    # The networks add the same products in another grouping, so that bfloat16 rounds them at other places.
    tolerance = {} if products == torch.float32 else {"atol": 0.01, "rtol": 0.01}
    torch.testing.assert_close(outputs, expected, **tolerance)
    assert outputs.abs().max() > 0.1


def test_starting_leaves_the_source_alone():
    source, network = synthesis(0), PredictionNetwork(PredictionConfig(**SIZES))
    warm_start(network, source)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1.0)
    again = synthesis(0)
    for name, value in source.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_other_sizes_are_named():
    with pytest.raises(ValueError, match=r"'output.weight' to start from is \(19, 30\); .* needs \(19, 36\)"):
        warm_start(synthesis(0), synthesis(0, hidden_size=10))


def test_no_window_can_be_made_from_nothing():
    with pytest.raises(ValueError, match="cannot start from a prediction network"):
        warm_start(synthesis(0), PredictionNetwork(PredictionConfig(**SIZES)))


def test_networks_without_styles_start_from_the_average_hand_of_a_styled_one() -> None:
    source = styled_network()
    network = SynthesisNetwork(source.config.pen)
    warm_start(network, source)
    average = source.average()
    for name, value in network.state_dict().items():
        assert torch.equal(value, average.state_dict()[name]), name
    prediction = PredictionNetwork(PredictionConfig(16, 4))
    warm_start(prediction, source)
    assert torch.equal(prediction.output.bias, average.output.bias)
    twin = styled_network()
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.zero_()
    warm_start(twin, source)
    assert twin.style_space == source.style_space
    with pytest.raises(ValueError, match="to start from is"):
        warm_start(SynthesisNetwork(SynthesisConfig(8, 4, 3, 96)), source)
