"""The plain network that training and writing are compared with does the same thing: the comparison is fair."""

import json

import pytest
import torch
from makers import save_recognition, save_synthesis

import benchmarks
from benchmarks import ceilings, fresh, generation, recognition, scaling, training
from benchmarks.reference import TorchLayersNetwork, plain_loss, plain_sample, plain_twin
from strokesynth.ink import Ink
from strokesynth.nn.mixture import log_likelihood, split_outputs
from strokesynth.nn.synthesis import SynthesisConfig, SynthesisNetwork


def small_network() -> SynthesisNetwork:
    torch.manual_seed(0)
    config = SynthesisConfig(hidden_size=7, components=3, window_components=2, alphabet_size=5)
    return SynthesisNetwork(config).double()


def test_both_networks_have_the_same_loss_and_gradients():
    network = small_network()
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


def test_the_plain_network_writes_what_the_mixtures_say():
    network = small_network()
    plain, _ = plain_twin(network)
    text = network.one_hot(torch.tensor([[1, 4, 2, 3]]))
    bias = 30.0  # nothing is left to chance but the ends of strokes
    points = plain_sample(plain, text, 20, bias=bias, seed=3)
    assert set(points[:, 2].tolist()) == {0.0, 1.0}
    state, before = network.initial_state(1), points.new_tensor([[0.0, 0.0, 1.0]])
    with torch.no_grad():
        for point in points:
            outputs, _, state = network.step(before, text, state)
            mixture = split_outputs(outputs, bias)
            mean = mixture.mu[0, mixture.log_pi[0].argmax()]
            torch.testing.assert_close(point[:2].float(), mean, rtol=1e-5, atol=1e-5)
            before = point[None]


def test_the_network_with_torchs_layers_is_the_same_network():
    network = small_network()
    other = TorchLayersNetwork(network).double()
    gates = torch.arange(28).view(4, 7)[[0, 1, 3, 2]].flatten()
    with torch.no_grad():
        for theirs, ours in zip(other.layers, network.layers):
            theirs.weight_ih_l0.copy_(ours.w_ih[gates])
            theirs.weight_hh_l0.copy_(ours.w_hh[gates])
            theirs.bias_ih_l0.copy_(ours.bias[gates])
            theirs.bias_hh_l0.zero_()
    x, text = torch.randn(12, 4, 3, dtype=torch.float64), network.one_hot(torch.randint(1, 5, (4, 6)))
    torch.testing.assert_close(other(x, text), network(x, text)[0])


def test_works_are_warmed_up_and_take_turns():
    calls = []

    def work(name, made):
        calls.append(name)
        return made

    times = benchmarks.take_turns({"a": lambda: work("a", 3), "b": lambda: work("b", 1)}, rounds=2)
    assert calls == ["a", "b"] * 3
    assert times["a"].made == [3, 3] and len(times["b"].seconds) == 2


def test_a_row_compares_each_round_with_the_one_beside_it():
    timed = benchmarks.Timed(seconds=[1.0, 2.0, 4.0], made=[100, 100, 100])
    plain = benchmarks.Timed(seconds=[1.0, 1.0, 1.0], made=[10, 20, 5])
    row = benchmarks.row("work", timed, "points", plain=plain, ceiling=200.0, peak=7.0)
    assert (row["per second"], row["seconds"], row["from"], row["to"]) == (50.0, 2.0, 1.0, 4.0)
    assert row["x plain"] == 5.0  # the median of 10, 2.5 and 5, not of the rates
    assert row["% of ceiling"] == 25.0 and row["peak MB"] == 7.0
    assert (timed.rate, timed.best) == (50.0, 100.0)
    assert benchmarks.row("page", timed, "pages", each=1)["per second"] == 0.5


def test_a_ceiling_counts_what_its_products_need():
    assert ceilings.WEIGHTS == 1600 * (499 + 2 * 899) + 30 * 400 + 121 * 1200
    assert ceilings.products(8, torch.float32)() == ceilings._TIMES * 2 * 8 * 480 * 1600
    limits = ceilings.Ceilings({torch.float32: 6e9}, 5000.0, [])
    assert limits.training(torch.float32) == pytest.approx(1e9 / ceilings.WEIGHTS)
    assert limits.batch == pytest.approx(3e9 / ceilings.WEIGHTS) and limits.one_line == 5000.0


def test_memory_is_that_of_a_fresh_process():
    held = bytearray(b"x") * 300_000_000  # by this process, while it starts the other
    least, most = (fresh.measure("tests.hoarder", "hoard", size) for size in (1, 150))
    assert len(held) == 300_000_000 and most["made"] == [150e6] and not most["seconds"]
    assert 140 < most["megabytes"] - least["megabytes"] < 160
    timed = fresh.measure("tests.hoarder", "hoard", 1, rounds=2)
    assert len(timed["seconds"]) == 2


def test_a_line_through_times_that_grow_with_size():
    fit = scaling.straight([1, 2, 4, 8], [2.5, 3.0, 4.0, 6.0])
    assert fit == pytest.approx((0.5, 2.0, 1.0))
    assert scaling.straight([1, 2, 4, 8], [1.0, 4.0, 16.0, 64.0])[2] < 0.97  # squares are not on a line


def test_every_part_fills_the_table(monkeypatch, tmp_path, products):
    limits = ceilings.Ceilings({torch.float32: 1e9, torch.bfloat16: 2e9}, 1000.0, [])
    monkeypatch.setattr(generation, "start", lambda weights: lambda: 1)  # a whole new process
    monkeypatch.setattr(recognition, "start", lambda weights: lambda: 1)
    monkeypatch.setattr(generation, "pages", lambda *_, **__: lambda: 1000)  # of trained networks only
    monkeypatch.setattr(recognition, "COUNT", 3)
    inks = [Ink.from_strokes([[[0, 0], [9, -5], [20, 1], [30, 2]]])]
    monkeypatch.setattr(recognition, "written", lambda: inks)
    writer, reader = save_synthesis(tmp_path / "w.safetensors"), save_recognition(tmp_path / "r.safetensors")
    rows = [
        *training.measure(1, limits, batch=2, points=12, memory=False),
        *generation.measure(1, limits, weights=str(writer), memory=False),
        *recognition.measure(1, weights=str(reader), memory=False),
    ]
    assert len({row["what"] for row in rows}) == len(rows) >= 12
    low = [row for row in rows if row["what"] == "training, products in bfloat16"]
    assert len(low) == (products == torch.bfloat16)
    assert benchmarks.machine()["products"] == str(products).removeprefix("torch.")
    assert all(row.keys() == rows[0].keys() and row["seconds"] > 0 for row in rows)
    assert [row["x plain"] for row in rows if row["what"].endswith("plain")] == [1.0, 1.0]
    assert {row["of"] for row in rows} == {None, "points", "pages", "lines"}
    page = next(row for row in rows if row["what"] == "A4 page, proofread")
    assert page["per second"] == pytest.approx(1 / page["seconds"])
    assert page["% of ceiling"] == pytest.approx(100 * 1000 / page["seconds"] / limits.batch)


def test_curves_are_measured_fitted_and_drawn(tmp_path):
    curve = scaling.Curve("hoarding", "megabytes", "tests.hoarder", "hoard", (None,), (1, 40, 80))
    found = scaling.trace(curve, 1, None)
    slope, _, share = found["megabytes per size, offset, R2"]
    assert slope == pytest.approx(1.0, abs=0.1) and share > 0.99
    assert found["made"] == [1e6, 40e6, 80e6] and [len(times) for times in found["seconds"]] == [1, 1, 1]
    scaling.plot({curve.title: found}, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 5000


@pytest.mark.parametrize("way", ["text", "json", "file"])
def test_tables_hold_the_numbers(capsys, tmp_path, way):
    tables = {"speed": [{"what": "one", "points/s": 12345.6}, {"what": "two", "points/s": None}]}
    path = tmp_path / "speed.json"
    benchmarks.show(tables, {"text": None, "json": "-", "file": str(path)}[way])
    printed = capsys.readouterr().out
    assert ("12345.6" if way == "json" else "12,346") in printed
    assert "two" in printed
    assert torch.__version__ in printed
    if way != "text":
        written = json.loads(printed if way == "json" else path.read_text())
        assert written["speed"][0]["points/s"] == 12345.6 and written["machine"]["torch"] == torch.__version__
