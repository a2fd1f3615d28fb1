"""Sampling, with small untrained networks: their windows wander to the end of any text soon enough."""

import numpy as np
import pytest
import torch

from strokesynth.nn.mixture import Mixture, sample, split_outputs
from strokesynth.nn.sampling import (
    TERMINAL_GAP,
    NoiseStreams,
    _at_end,
    _primed,
    sample_freely,
    sample_lines,
    start_point,
    with_terminal,
)
from strokesynth.nn.style_encoder import StyleConfig, StyleVectors
from strokesynth.nn.styled import StyledConfig, StyledNetwork
from strokesynth.nn.synthesis import PredictionConfig, PredictionNetwork, SynthesisConfig, SynthesisNetwork

LETTERS = 9


def synthesis(seed=0, advance=0.25):
    torch.manual_seed(seed)
    network = SynthesisNetwork(SynthesisConfig(24, 4, 3, LETTERS)).eval()
    network.offset_mean.copy_(torch.tensor([0.3, -0.1]))
    network.offset_std.copy_(torch.tensor([0.6, 0.4]))
    with torch.no_grad():
        network.first.b_p[6:] = np.log(advance)
    return network


def codes(*numbers):
    return np.array([*numbers, 0])


@pytest.fixture
def tolerance(products):
    """How far training passes may be from sampling, which is float32 throughout."""
    return 1e-4 if products == torch.float32 else 0.02


TEXTS = [codes(1, 2, 3, 4, 5), codes(7, 7), codes(3, 1, 4, 1, 5, 8, 2, 6, 5), codes(8)]


# --- the mixture -------------------------------------------------------------------------------------


def test_moments_are_those_of_the_mixture():
    pi = torch.tensor([0.2, 0.5, 0.3])
    mu = torch.tensor([[-1.0, 0.5], [0.4, -0.3], [1.5, 2.0]])
    sigma = torch.tensor([[0.5, 1.2], [0.9, 0.3], [0.2, 0.7]])
    rho = torch.tensor([0.8, -0.95, 0.4])
    count, end = 400_000, 0.3
    parts = (pi.log(), mu, sigma.log(), rho, torch.logit(torch.tensor(end)))
    mixture = Mixture(*(part.expand(count, *part.shape) for part in parts))
    drawn = sample(mixture, torch.rand(count, 4, generator=torch.Generator().manual_seed(1))).double()

    # By hand: the mean of the means, and the law of total covariance.
    mean = pi @ mu
    covariance = torch.zeros(2, 2)
    for p, m, (sx, sy), r in zip(pi, mu, sigma, rho, strict=True):
        own = torch.tensor([[sx * sx, r * sx * sy], [r * sx * sy, sy * sy]])
        covariance += p * (own + torch.outer(m - mean, m - mean))
    # Five standard errors: of a mean, sqrt(variance / n); of a covariance, less than 3 times the product of spreads.
    spread = covariance.diagonal().sqrt()
    assert torch.all((drawn[:, :2].mean(0) - mean).abs() < 5 * spread / count**0.5)
    tolerance = 5 * 3**0.5 * torch.outer(spread, spread) / count**0.5
    assert torch.all((torch.cov(drawn[:, :2].T) - covariance).abs() < tolerance)
    assert abs(drawn[:, 2].mean() - end) < 5 * (end * (1 - end) / count) ** 0.5
    assert set(drawn[:, 2].tolist()) == {0.0, 1.0}


def test_each_component_has_its_own_correlation():
    count = 200_000
    for rho in (-0.9, 0.0, 0.6):
        parts = (torch.zeros(1), torch.zeros(1, 2), torch.zeros(1, 2), torch.full((1,), rho), torch.zeros(()))
        mixture = Mixture(*(part.expand(count, *part.shape) for part in parts))
        drawn = sample(mixture, torch.rand(count, 4, generator=torch.Generator().manual_seed(2)))
        measured = torch.corrcoef(drawn[:, :2].T)[0, 1]
        assert abs(measured - rho) < 5 * (1 - rho**2) / count**0.5


def test_extreme_noise_gives_finite_points():
    noise = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1 - 2**-24] * 4])
    mixture = Mixture(
        torch.tensor([[0.0, -200.0]] * 2),
        torch.zeros(2, 2, 2),
        torch.zeros(2, 2, 2),
        torch.zeros(2, 2),
        torch.zeros(2),
    )
    assert torch.isfinite(sample(mixture, noise)).all()


# --- random numbers ----------------------------------------------------------------------------------


def test_streams_do_not_know_of_each_other():
    together, alone = NoiseStreams([4, 5, 6]), NoiseStreams([5])
    for step in range(200):  # over several blocks
        if step == 70:
            together.keep(torch.tensor([1, 2]))
        row = 1 if step < 70 else 0
        assert torch.equal(together.next()[row], alone.next()[0])


def test_streams_can_lose_lines_before_the_first_step():
    streams = NoiseStreams([4, 5])
    streams.keep(torch.tensor([1]))
    assert torch.equal(streams.next(), NoiseStreams([5]).next())


def test_all_bits_of_a_seed_count():
    assert not torch.equal(NoiseStreams([1]).next(), NoiseStreams([1 + 2**32]).next())


# --- lines -------------------------------------------------------------------------------------------


def test_a_line_does_not_depend_on_its_batch():
    network = synthesis()
    together = sample_lines(network, TEXTS, [10, 11, 12, 13])
    for i, text in enumerate(TEXTS):
        (alone,) = sample_lines(network, [text], [10 + i])
        assert alone.finished and together[i].finished
        # Not bit for bit where the steps are the plain ones (see test_nn_kernel.py for the others): products of one row
        # and of several are summed in different orders.
        np.testing.assert_allclose(alone.offsets, together[i].offsets, atol=1e-4)
        np.testing.assert_allclose(alone.window, together[i].window, atol=1e-4)
        np.testing.assert_array_equal(alone.characters, together[i].characters)


def test_the_same_batch_is_the_same_bit_for_bit_whatever_the_threads():
    network = synthesis()
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            torch.rand(threads)  # numbers drawn by others do not matter either
            results.append(sample_lines(network, TEXTS, [1, 2, 3, 4]))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*results, strict=True):
        assert np.array_equal(one.offsets, other.offsets) and np.array_equal(one.window, other.window)


def test_other_seeds_write_otherwise():
    one, other = sample_lines(synthesis(), [TEXTS[0]] * 2, [1, 2])
    assert one.offsets[0].tolist() != other.offsets[0].tolist()


def test_shapes_and_alignment():
    for text, line in zip(TEXTS, sample_lines(synthesis(), TEXTS, [1, 2, 3, 4]), strict=True):
        n, length = len(line.offsets), len(text) - 1
        assert line.offsets.shape == (n, 3) and line.offsets.dtype == np.float32
        assert line.window.shape == (n, length + 1) and line.window.dtype == np.float32
        assert line.characters.shape == (n,)
        assert np.array_equal(line.characters, line.window[:, :length].argmax(1))


@pytest.mark.parametrize("seed", range(6))
def test_replaying_a_line_shows_where_it_stops(seed, tolerance):
    """Oracle: the training pass over the finished line has the same windows, and the first stop is the line's end."""
    network = synthesis()
    text = TEXTS[2]
    (line,) = sample_lines(network, [text], [seed])
    inputs = torch.cat([start_point(1)[None], torch.from_numpy(line.offsets)[:, None]])
    with torch.no_grad():
        _, phi, _ = network(network.standardize(inputs), network.one_hot(torch.from_numpy(text)[None]))
    phi = phi[:, 0].numpy()
    np.testing.assert_allclose(line.window, phi[:-1], atol=tolerance)
    on_end = phi[:, -1] >= phi[:, :-1].max(1)
    pen_up = inputs[:, 0, 2].numpy() > 0.5
    assert line.finished
    assert np.flatnonzero(on_end & pen_up)[0] == len(line.offsets)


def test_a_line_that_runs_away_is_not_finished():
    network = synthesis(advance=1e-6)
    lines = sample_lines(network, TEXTS[:2], [1, 2], points_per_character=7.5)
    assert [line.finished for line in lines] == [False, False]
    assert [len(line.offsets) for line in lines] == [45, 23]


def test_a_pen_that_stays_down_is_not_finished():
    network = synthesis()
    with torch.no_grad():
        network.output.bias[-1] = -100.0
    (line,) = sample_lines(network, [TEXTS[1]], [1])
    assert not line.finished and not line.offsets[:, 2].any()


def test_lines_end_each_in_its_own_time():
    lines = sample_lines(synthesis(), TEXTS, [1, 2, 3, 4])
    assert len({len(line.offsets) for line in lines}) > 1
    assert all(line.finished for line in lines)


def test_where_the_window_is_decides_about_the_end():
    lengths = torch.tensor([3, 3, 3, 2])
    phi = torch.tensor(
        [[0.9, 0.1, 0.2, 0.0], [0.1, 0.2, 0.3, 0.9], [0.0, 0.0, 0.0, 0.0], [0.5, 0.1, 0.9, 0.9]]
    )
    assert _at_end(phi, lengths).tolist() == [False, True, True, False]


def test_bias_is_of_each_line():
    network = synthesis()
    free, neat = sample_lines(network, [TEXTS[0]] * 2, [5, 5], bias=[0.0, 8.0])
    (again,) = sample_lines(network, [TEXTS[0]], [5], bias=8.0)
    np.testing.assert_allclose(neat.offsets, again.offsets, atol=1e-4)
    n = min(len(free.offsets), len(neat.offsets))
    assert np.std(free.offsets[:n, :2]) > np.std(neat.offsets[:n, :2])


# --- priming -----------------------------------------------------------------------------------------


def test_priming_is_going_on_after_real_ink(tolerance):
    """Oracle: the real ink through the training pass, then one step."""
    network = synthesis()
    rng = np.random.default_rng(3)
    ink = rng.normal(0.2, 0.4, (20, 3)).astype(np.float32)
    ink[:, 2] = np.arange(20) % 5 == 4
    ink_codes, text = np.array([4, 6, 2]), TEXTS[0]
    both = network.one_hot(torch.from_numpy(np.concatenate([ink_codes, text]))[None])
    inputs = torch.cat([start_point(1)[None], torch.from_numpy(ink)[:-1, None]])
    (line,) = sample_lines(network, [text], [9], prime=(ink, ink_codes))
    with torch.no_grad():
        _, _, state = network(network.standardize(inputs), both)
        outputs, phi, _ = network.step(network.standardize(torch.from_numpy(ink[-1:])), both, state)
        point = network.unstandardize(sample(split_outputs(outputs, 1.0), NoiseStreams([9]).next()))
    np.testing.assert_allclose(line.window[0], phi[0, 3:], atol=tolerance)
    np.testing.assert_allclose(line.offsets[0], point[0], atol=tolerance)
    (unprimed,) = sample_lines(network, [text], [9])
    assert not np.allclose(line.offsets[0], unprimed.offsets[0], atol=1e-3)
    assert not np.allclose(line.window[0], unprimed.window[0], atol=1e-2)
    assert line.window.shape[1] == len(text) and line.characters.max() < len(text) - 1


def test_priming_is_the_same_in_a_batch():
    network = synthesis()
    ink = np.array([[0.1, -0.5, 0.0], [0.2, 0.3, 0.0], [0.1, 0.2, 1.0]] * 4, np.float32)
    prime = (ink, np.array([2, 3]))
    together = sample_lines(network, TEXTS, [1, 2, 3, 4], prime=prime)
    (alone,) = sample_lines(network, TEXTS[2:3], [3], prime=prime)
    np.testing.assert_allclose(alone.offsets, together[2].offsets, atol=1e-4)


# --- a style for each line -----------------------------------------------------------------------------


def in_styles(seed=0):
    """A styled network and a style for each of the texts, and these one by one."""
    plain = synthesis(seed)
    config = StyledConfig(plain.config, StyleConfig(hand_size=5, character_size=6, channels=8, heads=2))
    network = StyledNetwork(config).eval()
    network.start_from(plain)
    with torch.no_grad():
        for weights in [linear.weight for linear in network.hand] + [
            w[:, c] for w, c in network._style_columns()
        ]:
            weights.normal_(0, 0.2)
    hand, characters = torch.randn(len(TEXTS), 5), torch.randn(len(TEXTS), LETTERS, 6)
    return (
        network,
        StyleVectors(hand, characters),
        [StyleVectors(*pair) for pair in zip(hand, characters, strict=True)],
    )


@pytest.mark.parametrize("native", ["0", "1"], ids=["plain", "compiled"])
def test_each_line_is_written_in_its_own_style(monkeypatch, native):
    """Oracle: each line's style folded into a network that writes it alone."""
    monkeypatch.setenv("STROKESYNTH_NATIVE", native)
    network, styles, each = in_styles()
    lines = sample_lines(network, TEXTS, [1, 2, 3, 4], styles=styles, bias=[0.0, 1.0, 0.5, 2.0])
    for text, seed, style, bias, line in zip(
        TEXTS, [1, 2, 3, 4], each, [0.0, 1.0, 0.5, 2.0], lines, strict=True
    ):
        (alone,) = sample_lines(network.fold(style), [text], [seed], bias=bias)
        np.testing.assert_allclose(line.offsets[:8], alone.offsets[:8], rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(line.window[:8], alone.window[:8], rtol=1e-3, atol=1e-3)
        (without,) = sample_lines(
            network.fold(StyleVectors(*(0 * part for part in style))), [text], [seed], bias=bias
        )
        assert not np.allclose(line.offsets[:8], without.offsets[:8], atol=1e-2)


@pytest.mark.parametrize("native", ["0", "1"], ids=["plain", "compiled"])
def test_lines_in_styles_end_and_do_not_depend_on_their_batch(monkeypatch, native):
    monkeypatch.setenv("STROKESYNTH_NATIVE", native)
    network, styles, each = in_styles(1)
    together = sample_lines(network, TEXTS, [1, 2, 3, 4], styles=styles)
    assert all(line.finished for line in together) and len({len(line.offsets) for line in together}) > 1
    for k, style in enumerate(each):
        one = StyleVectors(*(part[None] for part in style))
        (alone,) = sample_lines(network, [TEXTS[k]], [k + 1], styles=one)
        n = min(len(alone.offsets), len(together[k].offsets), 30)
        np.testing.assert_allclose(alone.offsets[:n], together[k].offsets[:n], atol=1e-3)


def test_steps_in_styles_are_those_of_the_training_pass(tolerance):
    network, styles, _ = in_styles()
    x, lengths = torch.randn(12, 4, 3), torch.tensor([len(text) for text in TEXTS])
    padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(text) for text in TEXTS], batch_first=True)
    with torch.no_grad():
        wanted, wanted_phi, _ = network(x, padded, lengths, styles)
        rows, biases, state = network.rows(padded, lengths, styles), network.biases(styles.hand), None
        state = network.pen.initial_state(4)
        for point, outputs, phi in zip(x, wanted, wanted_phi, strict=True):
            found, found_phi, state = network.pen.step(point, rows, state, biases=biases)
            np.testing.assert_allclose(found, outputs, atol=tolerance)
            np.testing.assert_allclose(found_phi, phi, atol=tolerance)


def test_styles_may_come_in_another_precision():
    network, styles, _ = in_styles()
    double = StyleVectors(*(part.double() for part in styles))
    for given, same in zip(
        *(sample_lines(network, TEXTS, [1, 2, 3, 4], styles=s) for s in (styles, double)), strict=True
    ):
        assert np.array_equal(given.offsets, same.offsets)


def test_styles_that_do_not_fit_are_refused():
    network, styles, _ = in_styles()
    with pytest.raises(ValueError, match="a StyledNetwork needs `styles`, one for each line"):
        sample_lines(network, TEXTS, [1, 2, 3, 4])
    with pytest.raises(ValueError, match="for a StyledNetwork; the network is a SynthesisNetwork"):
        sample_lines(synthesis(), TEXTS, [1, 2, 3, 4], styles=styles)
    with pytest.raises(
        ValueError, match=r"styles of 3 lines are \[\(4, 5\), \(4, 9, 6\)\]; expected shapes \[\(3, 5\)"
    ):
        sample_lines(network, TEXTS[:3], [1, 2, 3], styles=styles)
    with pytest.raises(ValueError, match="not finite"):
        sample_lines(network, TEXTS, [1, 2, 3, 4], styles=StyleVectors(styles.hand / 0, styles.characters))
    prime = (np.ones((5, 3), np.float32), np.array([2, 3]))
    with pytest.raises(ValueError, match="give `styles` or `prime`"):
        sample_lines(network, TEXTS, [1, 2, 3, 4], styles=styles, prime=prime)


# --- without a text, and the end of training lines -----------------------------------------------------


def test_free_writing_ends_with_its_stroke():
    torch.manual_seed(0)
    network = PredictionNetwork(PredictionConfig(24, 4)).eval()
    offsets = sample_freely(network, 50, 1)
    assert offsets.dtype == np.float32 and 50 <= len(offsets) <= 75 and offsets[-1, 2] == 1.0
    assert not offsets[49:-1, 2].any()
    assert np.array_equal(offsets, sample_freely(network, 50, 1))
    assert not np.array_equal(offsets[:5], sample_freely(network, 50, 2)[:5])
    with torch.no_grad():
        network.output.bias[-1] = -100.0
    endless = sample_freely(network, 50, 1)
    assert len(endless) == 75 and endless[-1, 2] == 1.0


def test_terminal_point():
    offsets = np.array([[1.0, -0.5, 0.0], [2.0, 0.25, 1.0], [-1.5, -0.5, 1.0]], np.float32)  # a late dot
    line = with_terminal(offsets)
    assert np.array_equal(line[:-1], offsets)
    assert np.allclose(line[:, :2].sum(0), [3.0 + TERMINAL_GAP, 0.0]) and line[-1, 2] == 1.0


@pytest.mark.parametrize("native", ["0", "1"], ids=["plain", "compiled"])
def test_priming_one_line_for_all_of_them_changes_nothing(monkeypatch, native):
    """Against every line primed by itself: until the window sees the texts that follow, they are the same."""
    monkeypatch.setenv("STROKESYNTH_NATIVE", native)
    network = synthesis(seed=3, advance=0.25)
    with torch.no_grad():
        network.first.b_p[3:6] = 3.0  # exponents of Gaussians a sixth of a character wide
    prime = np.column_stack([np.random.default_rng(0).normal(0.2, 0.1, (40, 2)), np.zeros(40)])
    before = np.array([3, 1, 4, 1, 5, 2, 6, 5, 3, 5] * 2)
    texts = [codes(1, 2, 3), codes(4, 5, 6, 7, 8, 1), codes(8)]
    options = {"bias": 0.5, "prime": (prime.astype(np.float32), before), "points_per_character": 4.0}
    batches = []
    step = network.step
    network.step = lambda x, *others, **options: batches.append(len(x)) or step(x, *others, **options)
    together = sample_lines(network, texts, [1, 2, 3], **options)
    if native == "0":
        assert batches[:5] == [1] * 5 and 3 in batches
    monkeypatch.setattr("strokesynth.nn.sampling._UNSEEN", -1.0)
    fresh = synthesis(seed=3, advance=0.25)
    fresh.load_state_dict(network.state_dict())
    for line, apart in zip(together, sample_lines(fresh, texts, [1, 2, 3], **options), strict=True):
        np.testing.assert_allclose(line.offsets, apart.offsets, atol=1e-4)


@pytest.mark.parametrize("moment", ["asked", "told"])
def test_another_thread_may_replace_the_style_that_is_remembered(monkeypatch, moment):
    """A writer whose memory another thread overwrites as soon as it was looked at, or written to."""

    class Shared:
        def __init__(self):
            self.memory = None

        @property
        def primed(self):
            found = self.memory
            if moment == "asked" and found is not None:
                self.memory = other
            return found

        @primed.setter
        def primed(self, value):
            self.memory = other if moment == "told" else value

    style, text = np.ones((3, 3), np.float32), np.array([1, 2])
    own, others = object(), object()
    other = ((b"another", b"style"), others, 5)
    monkeypatch.setattr("strokesynth.nn.sampling._see", lambda *_: (own, 3))
    writer = Shared()
    for _ in range(3):
        assert _primed(writer, style, text) == (own, 3)
