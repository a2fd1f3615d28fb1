"""Styles as numbers: made from ink, drawn, mixed, kept in files, and folded into what writes."""

import json

import numpy as np
import pytest
import torch
from makers import recognizer, styled_network

from strokesynth import Ink
from strokesynth.datasets import Label, Sample
from strokesynth.datasets.corpus import Corpus
from strokesynth.synthesis import imitation
from strokesynth.synthesis.imitation import imitate
from strokesynth.synthesis.posterior import StylePosterior
from strokesynth.synthesis.projection import Lines
from strokesynth.synthesis.style import Style, draw_prior

NETWORK = styled_network()


@pytest.fixture(autouse=True)
def _small_networks(monkeypatch):
    monkeypatch.setattr("strokesynth.synthesis.style.packaged_network", lambda: NETWORK)
    monkeypatch.setattr(imitation, "_packaged_reader", recognizer)


def wave(letters: int, height: float = 1.0, seed: int = 0) -> Ink:
    rng = np.random.default_rng(seed)
    x = np.linspace(0, letters, 18 * letters)
    y = height * 0.5 * np.cos(2 * np.pi * x) + rng.normal(0, 0.01, len(x))
    return Ink.from_strokes([np.column_stack([x, y])], "n" * letters)


def posterior(seed: int = 0, space: str | None = None) -> StylePosterior:
    rng = np.random.default_rng(seed)
    shapes = [(5,), (96, 6)] * 2
    arrays = [rng.normal(size=shape).astype(np.float16).astype(np.float32) for shape in shapes]
    return StylePosterior(NETWORK.style_space if space is None else space, *arrays)


def test_ink_of_any_size_and_place_gives_the_same_style():
    lines = [wave(12), wave(9, seed=1)]
    moved = [line.scale(37.0).translate(500, 90) for line in lines]
    one, other = (Style.from_ink(inks, force=True).posterior for inks in (lines, moved))
    np.testing.assert_allclose(one.hand, other.hand, atol=1e-3)
    np.testing.assert_allclose(one.characters, other.characters, atol=1e-3)
    alone = Style.from_ink(lines[0], force=True, name="waves")
    assert alone.name == "waves" and np.abs(alone.posterior.hand - one.hand).max() > 1e-3
    assert alone.ink.text == "n" * 12 and alone.ink.bounds[0] == 0


def test_lines_that_do_not_say_their_text():
    with pytest.raises(ValueError, match="line 0 does not seem to say 'nnnnnnnnnnnn': it reads"):
        Style.from_ink(wave(12))
    with pytest.raises(ValueError, match="line 1 is too short for its text"):
        Style.from_ink([wave(12), wave(2)], ["n" * 12, "n" * 400], force=True)
    for inks, texts, message in [
        ([], None, "at least one line"),
        ([wave(3)] * 501, None, "at most 500 lines of ink, and there are 501"),
        ([wave(3), "ink"], None, "line 1 is a str; expected Ink"),
        ([wave(3)], ["a", "b"], "got 1 lines and 2 texts"),
        ([wave(3)], [" "], "line 0 says nothing"),
        ([wave(3)], [5], "the text of line 0 is a int"),
        ([wave(3)], ["漢"], "line 0: .*'漢'"),
        ([Ink.from_strokes([[(0, 0), (0, 0)]], "n")], None, "line 0: .*no extent"),
    ]:
        with pytest.raises(ValueError, match=message):
            Style.from_ink(inks, texts, force=True)


def test_text_that_is_not_given_is_read():
    line = Ink.from_strokes(wave(12).strokes)
    read = str(recognizer().read(line)).strip()
    assert read
    known, _ = imitate([line], None, NETWORK, recognizer(), force=True)
    given, _ = imitate([line], [read], NETWORK, recognizer(), force=True)
    np.testing.assert_array_equal(known.characters, given.characters)


def test_of_a_writer_of_a_corpus():
    inks = [wave(n, seed=n) for n in (5, 9, 7)]
    samples = [
        Sample(ink, Label(ink.text, writer, "trainset", "iam", str(i)))
        for i, (ink, writer) in enumerate(zip(inks, ("ann", "ann", "bob"), strict=True))
    ]
    corpus = Corpus.from_samples(samples, "generation")
    style = Style.of_writer(corpus, "ann", lines=1)
    longest = Ink.from_offsets(corpus.offsets(1))
    expected, _ = imitate([longest], ["n" * 9], NETWORK, recognizer(), force=True, normalized=True)
    assert style.name == "ann"
    np.testing.assert_array_equal(style.posterior.hand, expected.hand)
    with pytest.raises(ValueError, match="no writer 'anna'; similar: ann"):
        Style.of_writer(corpus, "anna")


def test_drawn_styles_are_those_of_the_prior():
    one, again, other = Style.sample(3), Style.sample(3), Style.sample(4)
    assert np.array_equal(one.posterior.hand, again.posterior.hand) and one.name == "sampled 3"
    assert not np.array_equal(one.posterior.hand, other.posterior.hand)
    drawn = draw_prior(NETWORK, [np.random.default_rng(seed) for seed in range(3000)])
    values = NETWORK.prior.join(drawn).numpy()
    exact = (NETWORK.prior.basis.T @ NETWORK.prior.basis).numpy()
    assert np.abs(np.cov(values.T) - exact).max() < 0.1 * np.abs(exact).max()
    narrow = Style.sample(3, spread=0.5).posterior
    middle = NETWORK.prior.split(NETWORK.prior.mean[None]).hand[0].numpy()
    np.testing.assert_allclose(narrow.hand - middle, 0.5 * (one.posterior.hand - middle), atol=1e-5)
    with pytest.raises(ValueError, match="spread is a number from 0 to 10, got nan"):
        Style.sample(3, spread=float("nan"))


def test_styles_like_another_lie_within_its_spread():
    style = Style("mine", posterior=posterior(), strength=1.4, bias=0.7)
    hands = np.array([Style.sample(seed, like=style).posterior.hand for seed in range(1500)])
    np.testing.assert_allclose(hands.mean(0), style.posterior.hand, atol=0.15)
    np.testing.assert_allclose(hands.std(0), np.abs(style.posterior.hand_spread), rtol=0.1)
    drawn = Style.sample(1, like=style)
    assert (drawn.strength, drawn.bias) == (1.4, 0.7)


def test_a_mixture_is_a_weighted_mean_of_what_is_written():
    a = Style("a", posterior=posterior(1), strength=2.0)
    b = Style("b", posterior=posterior(2))
    mixed = Style.mix([(a, 3), (b, 1)])
    np.testing.assert_allclose(
        mixed.vectors(NETWORK).hand, 0.75 * 2 * a.posterior.hand + 0.25 * b.posterior.hand, atol=1e-5
    )
    parts = Style.mix([(a, 1)], letters=[(b, 1)])
    np.testing.assert_allclose(parts.vectors(NETWORK).hand, 2 * a.posterior.hand, atol=1e-6)
    np.testing.assert_allclose(parts.vectors(NETWORK).characters, b.posterior.characters, atol=1e-6)
    stranger = Style("s", posterior=posterior(3, space="elsewhere"))
    for pairs, message in [
        ([(a, -1), (b, 2)], "at least 0, got -1"),
        ([(a, 0.0)], "add up to nothing"),
        ([], "add up to nothing"),
        ([(a, float("inf"))], "finite"),
        ([("a", 1)], "'a' is no Style"),
        ([(a, 1), (stranger, 1)], "of different networks"),
    ]:
        with pytest.raises(ValueError, match=message):
            Style.mix(pairs)
    with pytest.raises(ValueError, match="made with another network .*make it anew from its ink"):
        stranger.vectors(NETWORK)


def test_strength_is_a_factor_and_folds_into_what_writes():
    style = Style("a", posterior=posterior(1), strength=2.0)
    vectors = style.vectors(NETWORK)
    np.testing.assert_allclose(vectors.characters, 2 * style.posterior.characters)
    plain, strong = NETWORK.fold(Style("b", posterior=posterior(1)).vectors(NETWORK)), NETWORK.fold(vectors)
    none = NETWORK.fold(type(vectors)(0 * vectors.hand, 0 * vectors.characters))
    torch.testing.assert_close(
        strong.output.bias - none.output.bias, 2 * (plain.output.bias - none.output.bias)
    )


def test_files_keep_the_numbers(tmp_path):
    style = Style("a", wave(5), 0.5, posterior(1), 1.25, True)
    style.save(tmp_path / "a.json")
    read = Style.load(tmp_path / "a.json")
    assert (read.name, read.ink, read.bias, read.strength, read.prime) == ("a", style.ink, 0.5, 1.25, True)
    for part in ("hand", "characters", "hand_spread", "characters_spread"):
        np.testing.assert_array_equal(getattr(read.posterior, part), getattr(style.posterior, part))
    assert read.posterior.space == style.posterior.space
    drawn = Style.sample(1)
    drawn.save(tmp_path / "a.json")
    read = Style.load(tmp_path / "a.json")
    assert read.ink is None and not read.posterior.hand_spread.any()
    np.testing.assert_allclose(read.posterior.characters, drawn.posterior.characters, atol=2e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": 5}, '"space" is 5'),
        ({"shape": [5, 96]}, '"shape" is'),
        ({"shape": [5, 96, True]}, '"shape" is'),
        ({"hand": "!"}, '"hand" is not base64'),
        ({"hand": 5}, '"hand" is not base64'),
        ({"hand": "AAAA"}, '"hand" has 3 bytes; expected 10'),
        ({"hand": "AH4AfgB+AH4Afg=="}, "not finite"),
    ],
)
def test_damaged_numbers(tmp_path, changes, message):
    Style("a", posterior=posterior()).save(tmp_path / "a.json")
    document = json.loads((tmp_path / "a.json").read_text())
    document["posterior"] |= changes
    (tmp_path / "a.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match=message) as caught:
        Style.load(tmp_path / "a.json")
    assert "a.json" in str(caught.value)
    document["posterior"] = [1]
    (tmp_path / "a.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match="expected an object"):
        Style.load(tmp_path / "a.json")


def test_shapes_and_numbers_are_checked():
    good = posterior()
    with pytest.raises(ValueError, match="hand_spread of a style has shape"):
        StylePosterior("x", good.hand, good.characters, good.hand_spread[:3], good.characters_spread)
    with pytest.raises(ValueError, match="not finite or too large"):
        StylePosterior("x", good.hand * np.inf, good.characters, good.hand_spread, good.characters_spread)
    with pytest.raises(ValueError, match="read-only"):
        good.hand[0] = 1


def test_projection_makes_the_ink_more_likely_and_what_is_held_back_no_less():
    truth = Style("t", posterior=posterior(7))
    lines = [wave(9, seed=seed) for seed in range(4)]
    start = Style.from_ink(lines, force=True, strength=1.0)
    found = start.project(lines, force=True, seconds=4.0)
    prepared = imitation.prepare(lines, None, NETWORK, force=True)
    held = Lines(NETWORK, [prepared[3][0]], ["n" * 9])
    rest = Lines(NETWORK, [line for line, _ in prepared[:3]], ["n" * 9] * 3)
    with torch.no_grad():
        for some in (held, rest):
            assert some.nats(found.vectors(NETWORK)).sum() <= some.nats(start.vectors(NETWORK)).sum()
        assert rest.nats(found.vectors(NETWORK)).sum() < rest.nats(start.vectors(NETWORK)).sum() - 1.0
        one = Lines(NETWORK, [prepared[1][0]], ["n" * 9]).nats(truth.vectors(NETWORK))
        together = rest.nats(truth.vectors(NETWORK))
    torch.testing.assert_close(one[0], together[1], rtol=1e-4, atol=1e-3)
    for seconds in (0, -1, float("nan"), "1"):
        with pytest.raises(ValueError, match="seconds is .*expected a finite number above 0"):
            start.project(lines, force=True, seconds=seconds)
