"""The compiled step: against the plain one, and what happens where it cannot be compiled."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from strokesynth.nn.kernel import library, writer
from strokesynth.nn.kernel.writer import Lines, writer_of
from strokesynth.nn.mixture import sample, split_outputs
from strokesynth.nn.sampling import _hands, sample_freely, sample_lines, start_point
from strokesynth.nn.style_encoder import StyleConfig, StyleVectors
from strokesynth.nn.styled import StyledConfig, StyledNetwork
from strokesynth.nn.synthesis import PredictionConfig, PredictionNetwork, SynthesisConfig, SynthesisNetwork

ROOT = Path(__file__).resolve().parents[1]
LETTERS = 9
needs_compiler = pytest.mark.skipif(library.load(False) is None, reason="no C compiler here")


def make(kind=SynthesisNetwork, half=True, units=40):
    torch.manual_seed(2)
    network = (
        SynthesisNetwork(SynthesisConfig(units, 5, 3, LETTERS))
        if kind is SynthesisNetwork
        else PredictionNetwork(PredictionConfig(units, 5))
    ).eval()
    network.offset_mean.copy_(torch.tensor([0.3, -0.1]))
    network.offset_std.copy_(torch.tensor([0.6, 0.4]))
    with torch.no_grad():
        for weights in network.parameters():
            weights.mul_(2.0 if weights.dim() == 2 else 1.0)  # so that more than the bias is heard
            if half:
                weights.copy_(weights.half().float())
        if kind is SynthesisNetwork:
            network.first.b_p[6:] = np.log(0.25)
    return network


def make_styled(half=True, units=40):
    """A styled network and a style for each of the texts."""
    torch.manual_seed(6)
    config = StyledConfig(
        SynthesisConfig(units, 5, 3, LETTERS),
        StyleConfig(hand_size=5, character_size=6, channels=8, heads=2),
    )
    network = StyledNetwork(config).eval()
    network.start_from(make(half=half, units=units))
    with torch.no_grad():
        for weights in [linear.weight for linear in network.hand]:
            weights.normal_(0, 0.1)
        for weights, columns in network._style_columns():
            added = torch.randn_like(weights[:, columns]) * 0.2
            weights[:, columns] = added.half().float() if half else added
    return network, StyleVectors(torch.randn(len(TEXTS), 5), torch.randn(len(TEXTS), LETTERS, 6))


def some(styles, rows):
    return StyleVectors(*(part[rows] for part in styles))


def real_ink(n=300, seed=0):
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.normal(0.2, 0.4, (n, 2)), rng.random(n) < 0.1]).astype(np.float32)


def codes(*numbers):
    return np.array([*numbers, 0])


TEXTS = [codes(*np.random.default_rng(k).integers(1, LETTERS, 3 + 5 * k)) for k in range(15)]


@pytest.fixture(autouse=True)
def _unset(monkeypatch):
    """Whatever the environment of the tests says."""
    monkeypatch.delenv(library.SWITCH, raising=False)


@pytest.fixture(params=library.INSTRUCTION_SETS)
def instructions(request, monkeypatch):
    """Each instruction set that this processor has, compiled for."""
    if not library.runs(request.param):
        pytest.skip(f"this processor does not have {request.param}")
    monkeypatch.setenv(library.SWITCH, request.param)
    return request.param


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """Nothing compiled yet, and an empty folder for what will be."""
    for cached in (library.load, writer._checked):
        cached.cache_clear()
    monkeypatch.setattr(writer, "_writers", type(writer._writers)())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    yield tmp_path
    for cached in (library.load, writer._checked):
        cached.cache_clear()


# --- the same steps ------------------------------------------------------------------------------------


@needs_compiler
@pytest.mark.usefixtures("instructions")
@pytest.mark.parametrize("half", [True, False], ids=["float16", "float32"])
@pytest.mark.parametrize("units", [40, 64, 7])  # panels that are full and that are not
def test_steps_are_the_plain_ones(half, units):
    """Oracle: the plain steps in float64, teacher-forced over 300 points; the plain ones in float32 set the measure."""
    network = make(half=half, units=units)
    lines = Lines(writer_of(network), TEXTS)
    exact = make(half=half, units=units).double()
    state, exact_state = network.initial_state(len(TEXTS)), exact.initial_state(len(TEXTS))
    lengths = torch.tensor([len(text) for text in TEXTS])
    padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(text) for text in TEXTS], batch_first=True)
    text, x = network.one_hot(padded, lengths), start_point(len(TEXTS))
    for point in real_ink():
        with torch.no_grad():
            outputs, phi, state = network.step(network.standardize(x), text, state)
            wanted, wanted_phi, exact_state = exact.step(
                exact.standardize(x.double()), text.double(), exact_state
            )
        found_phi = lines.follow(point[None])[:, 0]
        rounding = (outputs - wanted).abs().max().item()
        assert np.abs(lines.outputs - wanted.numpy()).max() < 4 * rounding + 2e-6
        rounding = (phi - wanted_phi).abs().max().item()
        for row, length in enumerate(lengths.tolist()):
            assert (
                np.abs(found_phi[row, :length] - wanted_phi[row, :length].numpy()).max() < 4 * rounding + 2e-6
            )
            assert not found_phi[row, length:].any()
        x = torch.from_numpy(point).expand(len(TEXTS), -1)


@needs_compiler
@pytest.mark.usefixtures("instructions")
def test_steps_of_the_prediction_network():
    network = make(PredictionNetwork)
    lines = Lines(writer_of(network), [np.zeros(0, np.int64)] * 3)
    state, x = network.initial_state(1), start_point(1)
    for point in real_ink():
        with torch.no_grad():
            outputs, state = network.step(network.standardize(x), state)
        lines.follow(point[None])
        np.testing.assert_allclose(lines.outputs, outputs.expand(3, -1), rtol=1e-5, atol=1e-5)
        x = torch.from_numpy(point[None])


@needs_compiler
@pytest.mark.usefixtures("instructions")
@pytest.mark.parametrize("half", [True, False], ids=["float16", "float32"])
@pytest.mark.parametrize("units", [40, 7])
def test_steps_in_hands_are_those_of_each_folded(half, units):
    """Oracle: each line alone, by the plain steps in float64 of the network that its style is folded into.

    Where weights are float16, so is what letters and styles are folded into, and the oracle rounds it likewise; two
    sums that differ in the last digit of float32 may be rounded apart.
    """
    network, styles = make_styled(half, units)
    with torch.no_grad():
        lines = Lines(writer_of(network.pen), TEXTS, hands=_hands(network, styles))
    rounded = lines.arrays["adding"].dtype == np.float16
    assert half or not rounded
    ink = real_ink(120)
    found, found_phi = [], []
    for point in ink:
        found_phi.append(lines.follow(point[None])[:, 0].copy())
        found.append(lines.outputs.copy())
    inputs = torch.cat([start_point(1), torch.from_numpy(ink[:-1])])
    for row, text in enumerate(TEXTS):
        folded = network.fold(StyleVectors(styles.hand[row], styles.characters[row]))
        if rounded:
            with torch.no_grad():
                for name, weights in folded.named_parameters():
                    if name in ("first.w_sh", "layers.0.w_ih", "layers.1.w_ih"):
                        weights.copy_(weights.half())
        folded, state = folded.double(), None
        state, rows = folded.initial_state(1), folded.one_hot(torch.from_numpy(text)[None])
        for x, outputs, phi in zip(inputs, found, found_phi, strict=True):
            with torch.no_grad():
                wanted, wanted_phi, state = folded.step(folded.standardize(x[None].double()), rows, state)
            tolerance = 2e-4 if rounded else 2e-5
            np.testing.assert_allclose(outputs[row], wanted[0], atol=tolerance, rtol=tolerance)
            np.testing.assert_allclose(phi[row, : len(text)], wanted_phi[0], atol=tolerance, rtol=tolerance)
            assert not phi[row, len(text) :].any()


@needs_compiler
@pytest.mark.usefixtures("instructions")
def test_points_are_those_of_the_plain_mixture():
    """Each point drawn from the outputs that the compiled step found, by the plain `sample` from the same noise."""
    network = make()
    biases = torch.linspace(0, 3, len(TEXTS))
    lines = Lines(writer_of(network), TEXTS, biases.tolist(), least=1000, limits=[1000] * len(TEXTS))
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(50):
        noise = rng.random((len(TEXTS), 1, 4), dtype=np.float32)
        points, _, counts = lines.write(noise)
        mixture = split_outputs(torch.from_numpy(lines.outputs), biases)
        expected = network.unstandardize(sample(mixture, torch.from_numpy(noise[:, 0])))
        np.testing.assert_allclose(points[:, 0], expected, rtol=1e-4, atol=1e-4)
        assert counts.tolist() == [1] * len(TEXTS)
        drawn.append(points)
    assert set(np.concatenate(drawn)[..., 2].ravel()) == {0.0, 1.0}


@needs_compiler
@pytest.mark.usefixtures("instructions")
def test_weights_far_out_stay_finite():
    network = make()
    with torch.no_grad():
        for weights in network.layers.parameters():
            weights.mul_(1000)
    lines = Lines(writer_of(network), TEXTS)
    state, x = network.initial_state(1), start_point(1)
    text = network.one_hot(torch.from_numpy(TEXTS[3])[None])
    for point in real_ink(20):
        with torch.no_grad():
            outputs, _, state = network.step(network.standardize(x), text, state)
        lines.follow(point[None])
        np.testing.assert_allclose(lines.outputs[3], outputs[0], rtol=1e-3, atol=1e-3)
        x = torch.from_numpy(point[None])


# --- the same lines ------------------------------------------------------------------------------------


def same(one, other):
    return (
        np.array_equal(one.offsets, other.offsets)
        and np.array_equal(one.window, other.window)
        and one.finished == other.finished
    )


@needs_compiler
@pytest.mark.usefixtures("instructions")
@pytest.mark.parametrize("half", [True, False], ids=["float16", "float32"])
@pytest.mark.parametrize("primed", [False, True], ids=["free", "primed"])
def test_a_line_is_the_same_bit_for_bit_whatever_is_written_beside_it(half, primed):
    network = make(half=half)
    prime = (real_ink(75), np.array([4, 6, 2, 3, 3, 1, 5])) if primed else None
    together = sample_lines(network, TEXTS, list(range(15)), prime=prime)
    assert len({len(line.offsets) for line in together}) > 5
    for rows in ([4], [14], [2, 9], [1, 3, 5, 7, 9, 11, 13], list(range(13))):
        part = sample_lines(network, [TEXTS[k] for k in rows], rows, prime=prime)
        assert all(same(together[k], line) for k, line in zip(rows, part, strict=True))


@needs_compiler
@pytest.mark.usefixtures("instructions")
def test_a_line_is_the_same_with_any_number_of_threads(monkeypatch):
    network = make(units=70)
    monkeypatch.setattr(writer, "_LITTLE", 0)
    results = []
    for threads in (1, 2, 3, 4):
        monkeypatch.setattr(writer, "_threads", lambda threads=threads: threads)
        results.append(sample_lines(network, TEXTS, list(range(15))) + sample_lines(network, TEXTS[3:4], [3]))
    assert all(same(*pair) for other in results[1:] for pair in zip(results[0], other, strict=True))


@needs_compiler
@pytest.mark.usefixtures("instructions")
@pytest.mark.parametrize("half", [True, False], ids=["float16", "float32"])
def test_a_line_in_its_hand_is_the_same_bit_for_bit(monkeypatch, half):
    """Whatever is written beside it, and with any number of threads."""
    network, styles = make_styled(half, units=70)
    together = sample_lines(network, TEXTS, list(range(15)), styles=styles)
    assert len({len(line.offsets) for line in together}) > 5
    monkeypatch.setattr(writer, "_LITTLE", 0)
    for threads, rows in enumerate(([4], [14], [2, 9], [13, 1, 3, 5, 7, 9, 11], list(range(15))), 1):
        monkeypatch.setattr(writer, "_threads", lambda threads=threads: min(threads, 4))
        part = sample_lines(network, [TEXTS[k] for k in rows], rows, styles=some(styles, rows))
        assert all(same(together[k], line) for k, line in zip(rows, part, strict=True))


@needs_compiler
def test_lines_in_hands_begin_as_the_plain_ones_and_the_folded_ones_do(monkeypatch):
    network, styles = make_styled(half=False)
    compiled = sample_lines(network, TEXTS, list(range(15)), styles=styles)
    for row, line in enumerate(compiled):
        folded = network.fold(StyleVectors(styles.hand[row], styles.characters[row]))
        (alone,) = sample_lines(folded, [TEXTS[row]], [row])
        np.testing.assert_allclose(line.offsets[:5], alone.offsets[:5], rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(line.window[:5], alone.window[:5], rtol=1e-3, atol=1e-3)
    monkeypatch.setenv(library.SWITCH, "0")
    plain = sample_lines(network, TEXTS, list(range(15)), styles=styles)
    for one, other in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(one.offsets[:5], other.offsets[:5], rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(one.window[:5], other.window[:5], rtol=1e-3, atol=1e-3)


@needs_compiler
def test_a_folded_style_leaves_the_weights_in_float16():
    network, styles = make_styled(half=True)
    folded = network.fold(StyleVectors(styles.hand[0], styles.characters[0]))
    assert not torch.equal(folded.first.w_sh, folded.first.w_sh.half().float())
    assert writer_of(folded).columns.dtype == writer_of(make(half=True)).columns.dtype


@needs_compiler
def test_no_more_threads_than_torch_and_the_system_allow(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2}, raising=False)
    assert writer._threads() == 2
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert writer._threads() == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)))
    assert writer._threads() == writer.MOST_THREADS


@needs_compiler
@pytest.mark.parametrize("prime", [None, (real_ink(60), np.array([4, 6, 2]))], ids=["free", "primed"])
def test_lines_begin_as_the_plain_ones_do(monkeypatch, prime):
    network = make()
    compiled = sample_lines(network, TEXTS, list(range(15)), prime=prime)
    monkeypatch.setenv(library.SWITCH, "0")
    plain = sample_lines(network, TEXTS, list(range(15)), prime=prime)
    for one, other in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(one.offsets[:5], other.offsets[:5], rtol=1e-3, atol=1e-3)
        np.testing.assert_allclose(one.window[:5], other.window[:5], rtol=1e-3, atol=1e-3)


@needs_compiler
def test_free_writing_begins_as_the_plain_one_does(monkeypatch):
    network = make(PredictionNetwork)
    compiled = sample_freely(network, 30, 4)
    monkeypatch.setenv(library.SWITCH, "0")
    np.testing.assert_allclose(sample_freely(network, 30, 4)[:10], compiled[:10], rtol=1e-3, atol=1e-3)


@needs_compiler
def test_a_style_that_was_seen_before_changes_nothing():
    network = make()
    one, two = [(real_ink(75, seed), np.array([4, 6, 2, 3, 3, 1, 5])) for seed in (1, 2)]
    first = sample_lines(network, TEXTS[:3], [1, 2, 3], prime=one)
    again = sample_lines(network, TEXTS[:3], [1, 2, 3], prime=one)
    other = sample_lines(network, TEXTS[:3], [1, 2, 3], prime=two)
    third = sample_lines(network, TEXTS[:3], [1, 2, 3], prime=one)
    assert all(same(*pair) for lines in (again, third) for pair in zip(first, lines, strict=True))
    assert not same(first[0], other[0])


@needs_compiler
def test_changed_weights_are_noticed():
    network = make()
    before = sample_lines(network, TEXTS[:2], [1, 2])
    assert writer_of(network) is writer_of(network)
    network.output.bias.data[0] += 3.0  # a way of which torch takes no note
    changed = sample_lines(network, TEXTS[:2], [1, 2])
    assert not same(before[0], changed[0])
    network.load_state_dict(make().state_dict())
    assert all(same(*pair) for pair in zip(before, sample_lines(network, TEXTS[:2], [1, 2]), strict=True))


@needs_compiler
def test_networks_of_another_kind_are_left_alone():
    class Another(SynthesisNetwork):
        pass

    assert writer_of(make().double()) is None
    assert writer_of(Another(SynthesisConfig(8, 2, 2, LETTERS))) is None


# --- instruction sets ----------------------------------------------------------------------------------


@needs_compiler
def test_the_step_is_compiled_for_the_instructions_that_are_chosen(instructions):
    found = writer_of(make())
    lanes = found.step.strokesynth_lanes()
    if instructions != "native":
        assert lanes == {"avx512": 16, "avx2": 8, "baseline": 4}[instructions]
    assert lanes == library.load(False, instructions).strokesynth_lanes()


@needs_compiler
def test_another_choice_is_noticed(monkeypatch):
    network = make()
    native = writer_of(network)
    monkeypatch.setenv(library.SWITCH, "baseline")
    assert writer_of(network) is not native
    assert writer_of(network) is writer_of(network)
    monkeypatch.setenv(library.SWITCH, "off")
    assert writer_of(network) is None


@pytest.mark.parametrize(
    ("capability", "expected"),
    [("AVX512", {"avx512", "avx2"}), ("AVX2", {"avx2"}), ("DEFAULT", set()), ("SVE256", set())],
)
def test_what_the_processor_does_not_have_is_refused(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert {name for name in library.INSTRUCTION_SETS if library.runs(name)} == {
        "native",
        "baseline",
    } | expected
    for name in {"avx512", "avx2"} - expected:
        monkeypatch.setenv(library.SWITCH, name)
        with pytest.raises(ValueError, match=f"STROKESYNTH_NATIVE is '{name}', but this processor"):
            writer_of(make())


def test_what_the_switch_may_say(monkeypatch):
    for given, name in [("", "native"), (" 1", "native"), ("True", "native"), ("BASELINE", "baseline")]:
        monkeypatch.setenv(library.SWITCH, given)
        assert library.chosen() == name
    for given in ("0", "off", "No", "false"):
        monkeypatch.setenv(library.SWITCH, given)
        assert library.chosen() is None
    monkeypatch.delenv(library.SWITCH)
    assert library.chosen() == "native"
    monkeypatch.setenv(library.SWITCH, "mmx")
    with pytest.raises(ValueError, match="'mmx'; expected 0, 1 or one of native, avx512, avx2, baseline"):
        library.chosen()


# --- compiling -----------------------------------------------------------------------------------------


@needs_compiler
def test_it_is_compiled_once(fresh, monkeypatch):
    assert writer_of(make()) is not None
    (kept,) = (fresh / "cache" / "strokesynth").iterdir()
    assert kept.suffix == ".so" and stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    library.load.cache_clear()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert library.load(True) is not None or library.load(False) is not None


@needs_compiler
def test_an_unwritable_cache_gives_way_to_a_temporary_folder(fresh, monkeypatch):
    (fresh / "cache").write_text("a file, where a folder should be")
    assert writer_of(make()) is not None
    assert list((fresh / "tmp").glob("strokesynth-*/*.so"))


@needs_compiler
def test_nothing_is_run_that_others_could_have_written(fresh):
    folder = fresh / "cache" / "strokesynth"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert folder not in library.cache_folders()


def plain_lines(network, monkeypatch):
    with monkeypatch.context() as context:
        context.setenv(library.SWITCH, "0")
        return sample_lines(network, TEXTS[:3], [1, 2, 3])


@pytest.mark.parametrize("failure", ["no compiler", "failing compiler", "no folder", "wrong results", "off"])
def test_without_it_lines_are_written_plainly(fresh, monkeypatch, failure):
    if failure == "no compiler":
        monkeypatch.setattr(shutil, "which", lambda name: None)
    elif failure == "failing compiler":
        monkeypatch.setattr(shutil, "which", lambda name: sys.executable)
    elif failure == "no folder":
        monkeypatch.setattr(library, "cache_folders", lambda: [])
    elif failure == "wrong results":
        monkeypatch.setattr(torch, "allclose", lambda *tensors, **options: False)
    else:
        monkeypatch.setenv(library.SWITCH, "0")
    network = make()
    assert writer_of(network) is None
    found = sample_lines(network, TEXTS[:3], [1, 2, 3])
    assert all(same(*pair) for pair in zip(found, plain_lines(network, monkeypatch), strict=True))


@needs_compiler
def test_processes_that_compile_at_once_do_not_disturb_each_other(fresh):
    program = "from strokesynth.nn.kernel import library; assert library.load(False).strokesynth_lanes() >= 4"
    processes = [subprocess.Popen([sys.executable, "-c", program], cwd=ROOT) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(list((fresh / "cache" / "strokesynth").iterdir())) == 1


@needs_compiler
def test_global_random_numbers_are_left_alone(fresh):
    network = make()
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    assert writer_of(network) is not None
    assert torch.equal(torch.rand(3), expected)
