"""The recognition network: its parts against plain calculations, and no influence of padding or neighbours."""

import numpy as np
import pytest
import torch

from strokesynth.nn.recognition import (
    RecognitionConfig,
    RecognitionNetwork,
    ResidualLSTM,
    SelfAttention,
    drop,
    reverse,
    sinusoids,
)
from strokesynth.recognition.features import FEATURES


@pytest.fixture
def network():
    torch.manual_seed(0)
    config = RecognitionConfig(features=FEATURES, hidden_size=16, layers=2, heads=2, front_size=8)
    net = RecognitionNetwork(config).eval()
    net.feature_mean.normal_()
    net.feature_std.uniform_(0.5, 2.0)
    return net


def test_shapes_and_log_probabilities(network):
    log_probs, frames = network(torch.randn(41, 3, FEATURES), torch.tensor([41, 40, 3]))
    assert log_probs.shape == (11, 3, 96) and frames.tolist() == [11, 10, 1]
    torch.testing.assert_close(log_probs.exp().sum(2), torch.ones(11, 3))


def test_a_line_alone_reads_as_in_a_batch(network):
    lengths = torch.tensor([57, 30, 9, 1])
    features = torch.randn(57, 4, FEATURES)
    together, frames = network(features, lengths)
    for i, n in enumerate(lengths.tolist()):
        alone, _ = network(features[:n, i : i + 1], lengths[i : i + 1])
        torch.testing.assert_close(together[: frames[i], i], alone[:, 0], atol=1e-5, rtol=1e-5)


def test_padding_is_not_looked_at(network):
    features, lengths = torch.randn(40, 2, FEATURES), torch.tensor([40, 21])
    other = features.clone()
    other[21:, 1] = 1e3
    a, frames = network(features, lengths)
    b, _ = network(other, lengths)
    torch.testing.assert_close(a[: frames[1], 1], b[: frames[1], 1])


def test_reverse_against_flipping_each_sequence():
    x, lengths = torch.randn(7, 3, 2), [7, 4, 1]
    turned = reverse(x, torch.tensor(lengths))
    for i, n in enumerate(lengths):
        assert torch.equal(turned[:n, i], x[:n, i].flip(0)) and torch.equal(turned[n:, i], x[n:, i])


def test_the_layer_against_a_packed_bidirectional_lstm():
    torch.manual_seed(1)
    layer, size = ResidualLSTM(12), 12
    oracle = torch.nn.LSTM(size, size // 2, bidirectional=True)
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        getattr(oracle, name).data = getattr(layer.forwards, name).data
        getattr(oracle, name + "_reverse").data = getattr(layer.backwards, name).data
    x, lengths = torch.randn(9, 3, size), torch.tensor([9, 6, 2])
    packed = torch.nn.utils.rnn.pack_padded_sequence(layer.norm(x), lengths)
    expected, _ = torch.nn.utils.rnn.pad_packed_sequence(oracle(packed)[0])
    found = layer(x, lengths)
    for i, n in enumerate(lengths.tolist()):
        torch.testing.assert_close(found[:n, i], expected[:n, i])


def test_attention_against_its_formula():
    torch.manual_seed(2)
    attention, steps = SelfAttention(8, 2), 5
    x = torch.randn(steps, 1, 8)
    h = attention.norm(x)[:, 0]
    placed = h + sinusoids(steps, 8)
    w, b = attention.query_key_value.weight, attention.query_key_value.bias
    query, key = placed @ w[:8].T + b[:8], placed @ w[8:16].T + b[8:16]
    value = h @ w[16:].T + b[16:]
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        # The sequence has four of the five frames, and sqrt(4) = 2.
        share = torch.softmax(query[:4, part] @ key[:4, part].T / 2.0, dim=1)
        heads.append(share @ value[:4, part])
    expected = attention.output(torch.cat(heads, 1))
    mask = torch.tensor([[True]] * 4 + [[False]])
    torch.testing.assert_close(attention(x, mask)[:4, 0], expected)


def test_sinusoids():
    table = sinusoids(50, 6).numpy()
    place = np.arange(50)
    for i, period in enumerate(1e4 ** (np.arange(3) * 2 / 6)):
        np.testing.assert_allclose(table[:, i], np.sin(place / period), atol=1e-5)
        np.testing.assert_allclose(table[:, 3 + i], np.cos(place / period), atol=1e-5)


def test_dropout_leaves_out_whole_channels_and_keeps_the_mean():
    torch.manual_seed(0)
    dropped = drop(torch.ones(5, 200, 50), 0.2)
    assert torch.equal(dropped, dropped[:1].expand(5, -1, -1))
    assert set(dropped.unique().tolist()) == {0.0, 1.25}
    assert dropped.mean() == pytest.approx(1.0, abs=0.02)
    x = torch.randn(2, 2, 2)
    assert drop(x, 0.0) is x


@pytest.mark.parametrize(
    "options",
    [{"hidden_size": 0}, {"layers": 1.5}, {"dropout": 1.0}, {"hidden_size": 20, "heads": 4}, {"heads": True}],
)
def test_bad_configurations(options):
    with pytest.raises(ValueError, match="|".join(options)):
        RecognitionConfig(features=FEATURES, **options)
