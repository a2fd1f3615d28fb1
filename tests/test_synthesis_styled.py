"""A network that knows styles writes: each line in its own hand."""

import numpy as np
import pytest
import torch
from makers import recognizer, styled_network

from strokesynth import Ink
from strokesynth.alphabet import Alphabet
from strokesynth.nn.sampling import sample_lines
from strokesynth.nn.weights import Weights, load_weights, save_weights
from strokesynth.synthesis import imitation
from strokesynth.synthesis.style import Style
from strokesynth.synthesis.synthesizer import Synthesizer, load_synthesizer


@pytest.fixture
def writer():
    return Synthesizer(Weights(styled_network(), "styled_handwriting", Alphabet(), ""))


def same(a: Ink, b: Ink) -> bool:
    return len(a.strokes) == len(b.strokes) and all(map(np.array_equal, a.strokes, b.strokes))


def test_a_file_of_weights_keeps_the_style_space(tmp_path, writer):
    network = styled_network()
    save_weights(tmp_path / "styled.safetensors", network, "styled_handwriting", Alphabet(), "note")
    read = load_weights(tmp_path / "styled.safetensors")
    assert read.network.style_space == network.style_space and read.network.prior.fitted
    torch.testing.assert_close(read.network.prior.basis, network.prior.basis, rtol=1e-3, atol=1e-3)
    ink = load_synthesizer(tmp_path / "styled.safetensors").write("hello", seed=1)
    assert ink.text == "hello"
    with torch.no_grad():
        network.encoder.to_hand.weight[0, 0] += 1
    assert network.style_space != read.network.style_space


def test_without_a_style_the_seed_draws_a_hand_for_each_line(writer, monkeypatch):
    seen = []

    def watched(network, codes, seeds, *, styles=None, **options):
        seen.append(styles.hand.numpy())
        return sample_lines(network, codes, seeds, styles=styles, **options)

    monkeypatch.setattr("strokesynth.synthesis.session.sample_lines", watched)
    lines = writer.write_lines(["one", "two", "three"], seed=5)
    assert len(seen[0]) == 3 and len({hand.tobytes() for hand in seen[0]}) == 3
    again = writer.write_lines(["one", "two"], seed=5)
    assert all(map(same, again, lines))  # whatever is written beside them
    del seen[:]
    writer.write_lines(["one", "two", "three"], seed=5, one_hand=True)
    assert len({hand.tobytes() for hand in np.concatenate(seen)}) == 1
    one = seen[0][0]
    del seen[:]
    writer.write("one", seed=6)
    assert not np.array_equal(seen[0][0], one)
    del seen[:]
    writer.write("one", seed=5)
    assert np.array_equal(seen[0][0], one)


def test_a_style_is_folded_and_written_as_the_network_does(writer):
    style = Style.sample(3, network=writer.styled)
    ink = writer.write("abc", style=style, seed=2, bias=0.5)
    session_seed = int(np.random.SeedSequence(2, spawn_key=(0, 0, 0)).generate_state(1, np.uint64)[0])
    codes = Alphabet().encode("abc", with_end=True)
    folded = writer.styled.fold(style.vectors(writer.styled))
    (line,) = sample_lines(folded, [codes], [session_seed], bias=0.5)
    if line.finished:  # otherwise it was written again
        expected = Ink.from_offsets(line.offsets)
        assert ink.n_points <= expected.n_points
    assert same(ink, writer.write("abc", style=style, seed=2, bias=0.5))
    assert not same(ink, writer.write("abc", style=Style.sample(4, network=writer.styled), seed=2, bias=0.5))
    longer = writer.write_lines(["abc", "xyz"], style=style, seed=2, bias=0.5)
    assert same(longer[0], ink)  # a line does not depend on what is written beside it


def test_ink_as_a_style_is_encoded_or_read_first(writer, monkeypatch):
    monkeypatch.setattr(imitation, "_packaged_reader", recognizer)
    x = np.linspace(0, 6, 120)
    ink = Ink.from_strokes([np.column_stack([x, 0.5 * np.cos(2 * np.pi * x) - 0.5])], "nnnnnn")
    encoded = writer.write("ab", style=ink, seed=1)
    posterior, _ = imitation.imitate([ink], None, writer.styled, force=True, normalized=True)
    assert same(encoded, writer.write("ab", style=Style("x", posterior=posterior), seed=1))
    primed = writer.write("ab", style=Style("x", ink, posterior=posterior, prime=True), seed=1)
    assert not same(primed, encoded)


def test_styles_of_another_network_and_networks_without_styles(writer):
    style = Style.sample(1, network=writer.styled)
    with torch.no_grad():
        writer.styled.hand[0].weight += 1
    with pytest.raises(ValueError, match="made with another network"):
        writer.write("a", style=style)
    writer.styled.prior.basis.zero_()
    assert writer.write("ab", seed=1).text == "ab"
    with pytest.raises(ValueError, match="has no prior"):
        Style.sample(1, network=writer.styled)


def test_few_folded_networks_are_kept(writer):
    for seed in range(12):
        writer.write("a", style=Style.sample(seed, network=writer.styled), seed=1)
    assert len(writer._folded) == 8
