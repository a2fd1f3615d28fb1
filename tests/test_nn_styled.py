"""The style encoder and the styled synthesis network."""

import numpy as np
import pytest
import torch

from strokesynth.nn.style_encoder import (
    FEATURES,
    References,
    StyleConfig,
    StyleEncoder,
    StyleVectors,
    mean_of,
    point_features,
)
from strokesynth.nn.styled import StyledConfig, StyledNetwork
from strokesynth.nn.synthesis import SynthesisConfig, SynthesisNetwork

PEN = SynthesisConfig(hidden_size=12, components=3, window_components=4, alphabet_size=9)
STYLE = StyleConfig(hand_size=5, character_size=6, channels=8, heads=2)
STYLED = StyledConfig(PEN, STYLE)


def styled(seed=0):
    torch.manual_seed(seed)
    network = StyledNetwork(STYLED)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    return network.eval()


def a_line(rng, points=30, letters=4):
    offsets = rng.normal(0, 0.4, (points, 3)).astype(np.float32)
    offsets[:, 2] = rng.random(points) < 0.2
    return offsets, np.sort(rng.integers(0, letters, points)), rng.integers(0, 9, letters)


def test_a_style_folds_into_an_ordinary_network():
    network, rng = styled(), np.random.default_rng(0)
    style = StyleVectors(*(torch.from_numpy(rng.normal(size=s)).float() for s in ((2, 5), (2, 9, 6))))
    x = torch.from_numpy(rng.normal(size=(20, 2, 3))).float()
    codes, lengths = torch.from_numpy(rng.integers(0, 9, (2, 7))), torch.tensor([7, 5])
    with torch.no_grad():
        outputs, phi, _ = network(x, codes, lengths, style)
        for b in range(2):
            folded = network.fold(StyleVectors(style.hand[b], style.characters[b]))
            assert isinstance(folded, SynthesisNetwork) and folded.config == PEN
            alone, weights, _ = folded(x[:, b : b + 1], folded.one_hot(codes[b : b + 1], lengths[b : b + 1]))
            torch.testing.assert_close(alone[:, 0], outputs[:, b], atol=2e-5, rtol=1e-4)
            torch.testing.assert_close(weights[:, 0], phi[:, b], atol=2e-5, rtol=1e-4)
    other = network.fold(StyleVectors(style.hand[1], style.characters[0]))
    assert not torch.equal(other.first.bias, folded.first.bias) or not torch.equal(
        other.first.w_sh, folded.first.w_sh
    )


def test_a_network_without_styles_is_where_training_starts():
    torch.manual_seed(1)
    plain, network = SynthesisNetwork(PEN).eval(), StyledNetwork(STYLED).eval()
    plain.offset_mean.copy_(torch.tensor([0.1, -0.2]))
    network.start_from(plain)
    style = StyleVectors(torch.randn(5), torch.randn(9, 6))
    for name, value in network.fold(style).state_dict().items():
        assert torch.equal(value, plain.state_dict()[name]), name
    with pytest.raises(ValueError, match="expected SynthesisConfig"):
        network.start_from(SynthesisNetwork(SynthesisConfig(hidden_size=8)))


def test_features_are_those_of_a_plain_loop():
    rng = np.random.default_rng(2)
    offsets, characters, _ = a_line(rng)
    found = point_features(offsets, characters)
    assert found.shape == (30, FEATURES) and found.dtype == np.float32
    x = y = 0.0
    places = [(float(a), float(b)) for a, b in np.cumsum(offsets[:, :2].astype(float), 0)]
    for t in range(30):
        x, y = places[t]
        own = [i for i in range(30) if characters[i] == characters[t]]
        middle = sum(places[i][0] for i in own) / len(own)
        length = max(np.hypot(*offsets[t, :2]), 1e-4)
        expected = [
            *offsets[t], offsets[t - 1, 2] if t else 1.0, y, *(offsets[t, :2] / length),
            (own.index(t) + 0.5) / len(own), min(max(x - middle, -3), 3),
        ]  # fmt: skip
        np.testing.assert_allclose(found[t], expected, atol=1e-5)


def test_a_style_depends_on_its_own_lines_alone():
    network, rng = styled(), np.random.default_rng(3)
    lines = [a_line(rng, n) for n in (30, 17, 41)]
    encoder = network.encoder

    def style(of, chosen):
        references = References.of(of)
        with torch.no_grad():
            vectors, whole = encoder.instances(references)
            sets = [torch.nonzero(torch.isin(references.lines, torch.tensor(rows)))[:, 0] for rows in chosen]
            return mean_of(encoder.styles(vectors, whole, references, sets))

    together = style(lines, [[0, 2], [1], []])
    alone = [style([lines[0], lines[2]], [[0, 1]]), style([lines[1]], [[0]]), style(lines[:1], [[]])]
    swapped = style([lines[2], lines[1], lines[0]], [[0, 2], [1], []])
    for b in range(3):
        for part, single, other in zip(together, alone[b], swapped, strict=True):
            torch.testing.assert_close(part[b], single[0], atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(part[b], other[b], atol=1e-5, rtol=1e-4)
    assert (together.hand[0] - together.hand[1]).abs().max() > 1e-3


def test_ink_of_no_character_and_missing_references():
    network, rng = styled(), np.random.default_rng(4)
    offsets, characters, text = a_line(rng)
    characters[5:12] = -1
    references = References.of([(offsets, characters, text)])
    assert (references.instances[5:12] == -1).all() and references.instances[12] >= 0
    assert len(references.codes) == len(np.unique(characters[characters >= 0]))
    with torch.no_grad():
        posterior = network.encoder.styles(
            *network.encoder.instances(references), references, [torch.arange(len(references.codes))]
        )
        nothing = References.of([])
        none = network.encoder.styles(*network.encoder.instances(nothing), nothing, [torch.arange(0)] * 2)
    counts = np.bincount(text[np.unique(characters[characters >= 0])], minlength=9)
    np.testing.assert_array_equal(posterior.seen[0], counts)
    assert none.hand.shape == (2, 5) and torch.equal(none.characters[0], none.characters[1])
    assert torch.isfinite(none.characters).all() and not none.seen.any()


def test_means_follow_what_writers_have():
    encoder = StyleEncoder(STYLE, 9).train()
    values = torch.randn(64, 5) * 3 + 2
    for _ in range(400):
        encoder._observe("hand", values)
    torch.testing.assert_close(encoder.hand_mean, values.mean(0), atol=1e-2, rtol=1e-2)
    torch.testing.assert_close(encoder.hand_std, values.std(0), atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("values", [{"hand_size": 0}, {"channels": 10, "heads": 4}, {"heads": 1.5}])
def test_bad_architectures_are_refused(values):
    with pytest.raises(ValueError, match="StyleConfig|multiple"):
        StyleConfig(**values)


def test_a_prior_has_the_mean_and_the_spread_of_the_styles():
    rng = np.random.default_rng(6)
    network = styled()
    assert not network.prior.fitted
    latent = rng.normal(size=(300, 4))
    values = torch.from_numpy(latent @ rng.normal(size=(4, 5 + 54)) + 3).float()
    styles = network.prior.split(values)
    assert torch.equal(network.prior.join(styles), values)
    network.prior.fit(styles)
    drawn = network.prior.join(network.prior(torch.randn(20_000, STYLED.prior_rank)))
    exact = np.cov(values.numpy().T, bias=True)
    assert np.abs(np.cov(drawn.numpy().T) - exact).max() < 0.05 * np.abs(exact).max()
    assert np.abs(drawn.mean(0).numpy() - values.numpy().mean(0)).max() < 0.1
    with pytest.raises(ValueError, match="at least two writers, got 1"):
        network.prior.fit(StyleVectors(styles.hand[:1], styles.characters[:1]))


def test_writers_weigh_in_the_prior_as_they_are_told_to():
    network = styled()
    values = torch.randn(30, 59)
    twice = torch.cat([values, values[:10]])
    weights = torch.cat([torch.full((10,), 2.0), torch.ones(20)])
    network.prior.fit(network.prior.split(twice))
    mean, spread = network.prior.mean.clone(), network.prior.basis.T @ network.prior.basis
    network.prior.fit(network.prior.split(values), weights)
    torch.testing.assert_close(network.prior.mean, mean, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(network.prior.basis.T @ network.prior.basis, spread, atol=1e-4, rtol=1e-3)
