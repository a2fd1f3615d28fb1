"""The network that judges hands: unit embeddings that depend on a line alone."""

import pytest
import torch

from strokesynth.alphabet import Alphabet
from strokesynth.nn.weights import load_weights, save_weights
from strokesynth.nn.writers import WriterConfig, WriterNetwork

SMALL = WriterConfig(hidden_size=16, blocks=2, heads=2, embedding_size=6)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return WriterNetwork(SMALL).eval()


def test_embeddings_have_unit_length_and_do_not_depend_on_neighbours(network):
    lines = [torch.randn(n, 8) for n in (5, 61, 38)]
    alone = torch.cat([network(line[:, None], torch.tensor([len(line)])) for line in lines])
    torch.testing.assert_close(alone.norm(dim=1), torch.ones(3))
    rows = torch.full((70, 3, 8), 7.0)  # what is beyond a line's end must not matter
    for column, line in enumerate(lines):
        rows[: len(line), column] = line
    together = network(rows, torch.tensor([len(line) for line in lines]))
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_statistics_are_weighted_means_and_deviations(network):
    frames = torch.randn(2, 7, 16)
    weights = torch.rand(2, 7, 2).softmax(1)
    found = network._statistics(frames, weights).reshape(2, 2, 16)
    for b in range(2):
        for c in range(16):
            w = weights[b, :, c // 8]
            mean = sum(w[t] * frames[b, t, c] for t in range(7))
            variance = sum(w[t] * (frames[b, t, c] - mean) ** 2 for t in range(7))
            head, place = divmod(c, 8)
            torch.testing.assert_close(found[b, head, place], mean)
            torch.testing.assert_close(found[b, head, 8 + place], variance.sqrt(), atol=1e-4, rtol=1e-4)


def test_embeddings_are_centred_by_the_batch_in_training_and_by_what_is_kept_in_use(network):
    rows, lengths = torch.randn(40, 50, 8), torch.full((50,), 40)
    with torch.no_grad():
        before = network(rows, lengths)
        outputs = network.outputs(rows, lengths)
        network.settle(outputs)
        after = network(rows, lengths)
        trained = network.train()(rows, lengths)
    assert (before @ before.T).mean() > 0.8 and abs((after @ after.T).mean()) < 0.1
    centred = (outputs - outputs.mean(0)) / outputs.std(0, unbiased=False)
    expected = centred / centred.norm(dim=1, keepdim=True)
    torch.testing.assert_close(after, expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(trained, after, atol=1e-5, rtol=0)


def test_weights_file_rebuilds_the_network(network, tmp_path):
    save_weights(tmp_path / "judge.safetensors", network, "writer_verification", Alphabet(), "note")
    loaded = load_weights(tmp_path / "judge.safetensors")
    assert loaded.task == "writer_verification" and loaded.network.config == SMALL
    rows, lengths = torch.randn(30, 2, 8), torch.tensor([30, 12])
    torch.testing.assert_close(loaded.network(rows, lengths), network(rows, lengths), atol=5e-3, rtol=0)


@pytest.mark.parametrize("bad", [{"hidden_size": 10, "heads": 4}, {"blocks": 0}, {"embedding_size": 2.5}])
def test_bad_configuration(bad):
    with pytest.raises(ValueError):
        WriterConfig(**bad)
