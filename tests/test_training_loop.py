"""The training loop: it learns, it resumes exactly, it survives interruption, it refuses what does not fit."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from makers import Clock, Regression, zigzag_corpus
from torch import Tensor, nn

from strokesynth.datasets import Label, Sample
from strokesynth.datasets.corpus import Corpus
from strokesynth.ink import Ink
from strokesynth.nn.weights import load_weights
from strokesynth.training.loop import TrainingOptions, _Run, train
from strokesynth.training.synthesis_task import SynthesisTask


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strokesynth.training.loop.time", Clock())


def options(seconds: float, **more: Any) -> TrainingOptions:
    return TrainingOptions(
        minutes=seconds / 60, learning_rate=0.1, gradient_norm=10.0, warmup_steps=1, **more
    )


def test_it_learns_draws_and_saves(tmp_path: Path) -> None:
    task = Regression()
    figures = train(task, tmp_path / "run", options(200))
    assert len(task.seen) == 200
    assert figures["valid_nats_per_point"] < 0.05
    assert (tmp_path / "run" / "weights.safetensors").exists()
    assert (tmp_path / "run" / "drawn-200").exists()
    with open(tmp_path / "run" / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[-1]["step"] == "200" and float(rows[-1]["valid_nats_per_point"]) < 0.05


def test_the_log_and_the_weights_say_what_was_counted(tmp_path: Path) -> None:
    """In the unit of the task, here apples, of which a batch has eight."""
    train(Regression(), tmp_path / "run", options(5, log_minutes=1 / 60))
    with open(tmp_path / "run" / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("step", "epoch", "apples", "seconds", "learning_rate"),
        *("train_nats_per_apple", "apples_per_second", "valid_nats_per_point"),
    ]
    assert [row["apples"] for row in rows] == ["8", "16", "24", "32", "40", "40"]
    assert {row["apples_per_second"] for row in rows[:-1]} == {"8"}
    assert (
        "regression: 5 updates, 40 apples, 0 minutes"
        in (tmp_path / "run" / "weights.safetensors").read_text()
    )


class Sparse(Regression):
    """One that has batches in every `period`-th epoch only; in none for 0."""

    def __init__(self, period: int) -> None:
        super().__init__()
        self.period = period

    def batches(self, epoch: int) -> list[Any]:
        return super().batches(epoch) if self.period and (epoch + 1) % self.period == 0 else []


def test_a_task_without_a_batch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="regression has no batch in 1000 epochs in a row.*--repeat"):
        train(Sparse(0), tmp_path / "run", options(5))
    assert not (tmp_path / "run" / "weights.safetensors").exists()


@pytest.mark.parametrize("period", [3, 1000])
def test_empty_epochs_are_passed_over(tmp_path: Path, period: int) -> None:
    task = Sparse(period)
    train(task, tmp_path / "run", options(9))
    assert [epoch for epoch, _ in task.seen] == [period - 1] * 4 + [2 * period - 1] * 4 + [3 * period - 1]


@pytest.mark.parametrize("stop_at", [1, 4, 7])
def test_a_resumed_run_equals_one_that_never_stopped(tmp_path: Path, stop_at: int) -> None:
    whole = Regression()
    train(whole, tmp_path / "whole", options(20))
    first = Regression(stop_at=stop_at)
    with pytest.raises(KeyboardInterrupt):
        train(first, tmp_path / "parts", options(20))
    torch.rand(100)  # whatever happens to the random numbers in between
    second = Regression()
    train(second, tmp_path / "parts", options(20), resume=True)
    assert first.seen + second.seen == whole.seen
    for ours, theirs in zip(second.network.parameters(), whole.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    first = Regression(stop_at=15, error=Killed)
    with pytest.raises(Killed):
        train(first, tmp_path / "run", options(40, save_minutes=6 / 60))
    second = Regression()
    train(second, tmp_path / "run", options(40), resume=True)
    whole = Regression()
    train(whole, tmp_path / "whole", options(40))
    assert whole.seen[12:] == second.seen  # the checkpoint after twelve updates was the last
    assert torch.equal(next(second.network.parameters()), next(whole.network.parameters()))


def test_a_gradient_that_is_not_finite_changes_nothing(tmp_path: Path) -> None:
    class Broken(Regression):
        def loss(self, network: nn.Module, key: tuple[int, int]) -> tuple[Tensor, int]:
            loss, points = super().loss(network, key)
            return loss * (float("nan") if len(self.seen) % 3 == 0 else 1.0), points

    task = Broken()
    train(task, tmp_path / "run", options(30))
    assert all(torch.isfinite(p).all() for p in task.network.parameters())


def test_two_trainings_in_one_folder_are_refused(tmp_path: Path) -> None:
    with FileLock(tmp_path / ".lock"), pytest.raises(ValueError, match="another training is writing"):
        train(Regression(), tmp_path, options(5))


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no run"):
        train(Regression(), tmp_path / "none", options(5), resume=True)
    train(Regression(), tmp_path / "run", options(5))
    with pytest.raises(ValueError, match="already holds a run"):
        train(Regression(), tmp_path / "run", options(5))
    with pytest.raises(ValueError, match="seed is 9"):
        train(Regression(), tmp_path / "run", options(5, seed=9), resume=True)
    other = Regression()
    other.network = nn.Linear(2, 1)
    with pytest.raises(ValueError, match="another architecture"):
        train(other, tmp_path / "run", options(5), resume=True)
    other = Regression()
    other.name = "classification"
    with pytest.raises(ValueError, match="of the task 'regression'"):
        train(other, tmp_path / "run", options(5), resume=True)
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:500])
    with pytest.raises(ValueError, match="damaged"):
        train(Regression(), tmp_path / "run", options(5), resume=True)


@pytest.mark.parametrize(
    "bad", [{"minutes": 0.0}, {"minutes": float("nan")}, {"batch_size": 0}, {"average_decay": 1.0}]
)
def test_options_are_checked(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        TrainingOptions(**bad)  # type: ignore[arg-type]


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize("name", ["conditional_handwriting", "unconditional_handwriting"])
def test_handwriting_tasks_learn_and_save_weights_that_load(tmp_path: Path, name: str) -> None:
    config = {"hidden_size": 16, "components": 3}
    task = SynthesisTask(name, zigzag_corpus(), batch_size=8, seed=1, config=config)
    before = task.validate(task.network)
    assert set(before) == set(task.figures)
    figures = train(task, tmp_path / "run", TrainingOptions(minutes=1.0, learning_rate=0.02, warmup_steps=1))
    assert figures["valid_nats_per_point"] < before["valid_nats_per_point"] - 0.5
    assert list((tmp_path / "run").glob("samples-*.png")) and (tmp_path / "run" / "curves.png").exists()
    weights = load_weights(tmp_path / "run" / "weights.safetensors")
    assert weights.task == name
    loaded = task.validate(weights.network)
    assert loaded["valid_nats_per_point"] == pytest.approx(figures["valid_nats_per_point"], abs=0.02)


def test_the_loss_does_not_depend_on_padding(products: torch.dtype) -> None:
    corpus = zigzag_corpus()
    task = SynthesisTask(
        "conditional_handwriting", corpus, batch_size=8, seed=1, config={"hidden_size": 16, "components": 3}
    )
    parts = [
        Sample(Ink.from_offsets(corpus.offsets(i)), Label(corpus.texts[i], "w", "trainset", "iam", ""))
        for i in (5, 6)
    ]
    double = Ink.from_offsets(np.tile(corpus.offsets(0), (2, 1)))
    longer = Corpus.from_samples(
        [Sample(double, Label("abababab", "w", "testset_v", "iam", "long")), *parts], "generation"
    )
    with torch.no_grad():
        alone = task.loss(task.network, np.array([5]))[0] + task.loss(task.network, np.array([6]))[0]
        task.corpus = longer
        together, points = task.loss(task.network, np.array([0, 1, 2]))
        long_alone, _ = task.loss(task.network, np.array([0]))
    assert points == 17 + 9 + 9
    rounding = 1.0 if products == torch.float32 else 100.0
    torch.testing.assert_close(together - long_alone, alone, rtol=1e-4 * rounding, atol=1e-3 * rounding)


def test_splits_that_leave_one_side_empty_are_refused() -> None:
    with pytest.raises(ValueError, match="one side is empty"):
        SynthesisTask(
            "conditional_handwriting", zigzag_corpus(), batch_size=8, seed=0, validation=["testset_f"]
        )
    with pytest.raises(ValueError, match="no source"):
        SynthesisTask("conditional_handwriting", zigzag_corpus(), batch_size=8, seed=0, repeats={"unipen": 2})


# --- what an update is, number by number --------------------------------------------------------------


class Slope(Regression):
    """A loss whose gradient is known: 3 for the weight and 4 for the bias, of each of the eight units of a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[Tensor] = []
        self.training: list[bool] = []
        self.drawn: list[float] = []
        self.losses: list[float] = []
        self.shown: list[tuple[str, Tensor, bool]] = []

    def loss(self, network: nn.Module, key: tuple[int, int]) -> tuple[Tensor, int]:
        self.seen.append(key)
        self.weights.append(flat(network))
        self.training.append(network.training)
        self.drawn.append(float(torch.rand(())))
        weight, bias = network.parameters()
        loss = 8 * (3 * weight.sum() + 4 * bias.sum() + 10)
        self.losses.append(float(loss.detach()))
        return loss, 8

    def validate(self, network: nn.Module) -> dict[str, float]:
        self.shown.append(("validated", flat(network), network.training))
        return super().validate(network)

    def draw(self, network: nn.Module, folder: Path, step: int) -> None:
        self.shown.append(("drawn", flat(network), network.training))
        super().draw(network, folder, step)

    def save(self, network: nn.Module, path: Path, note: str) -> None:
        self.shown.append(("saved", flat(network), network.training))
        super().save(network, path, note)


def flat(network: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()]).clone()


def saved(folder: Path) -> dict[str, Any]:
    return torch.load(folder / "checkpoint.pt", weights_only=True)


def test_every_batch_of_an_epoch_comes_once_and_in_order(tmp_path: Path) -> None:
    task = Regression()
    train(task, tmp_path, options(10))
    assert task.seen == [*task.batches(0), *task.batches(1), *task.batches(2)[:2]]
    progress = saved(tmp_path)["progress"]
    assert (progress["epoch"], progress["step"], progress["points"]) == (2, 10, 80)


@pytest.mark.parametrize(
    ("step", "share", "expected"),
    # The cosine is 1, 1/2, 0, -1/2 and -1 here; over the first hundred updates the rate rises from zero.
    [(999, 0, 1), (999, 1 / 3, 0.75), (999, 1 / 2, 0.5), (999, 2 / 3, 0.25), (999, 1, 0), (999, 2, 0)]
    + [(0, 0, 0.01), (49, 0, 0.5), (98, 0, 0.99), (99, 0, 1), (100, 0, 1), (49, 1 / 3, 0.375)],
)
def test_the_learning_rate_is_half_a_cosine_after_a_warm_up(
    tmp_path: Path, step: int, share: float, expected: float
) -> None:
    run = _Run(Slope(), tmp_path, TrainingOptions(minutes=10, learning_rate=0.2))
    run.progress.step, run.progress.seconds = step, share * 600
    assert run._learning_rate() == pytest.approx(0.2 * expected, abs=1e-12)


@pytest.mark.parametrize(("limit", "gradient"), [(10.0, [3.0, 4.0]), (0.5, [0.3, 0.4])])
def test_an_update_takes_the_mean_gradient_and_clips_it(
    tmp_path: Path, limit: float, gradient: list[float]
) -> None:
    """The gradient's norm is 5; with plain gradient descent in place of Adam, each update must show it."""
    run = _Run(Slope(), tmp_path, TrainingOptions(learning_rate=0.1, gradient_norm=limit, warmup_steps=2))
    plain = {"params": list(run.network.parameters()), "factor": 1.0}
    run.optimizer = torch.optim.SGD([plain], lr=9.0)
    before = flat(run.network)
    for rate in (0.05, 0.1, 0.1):
        nats, count, seconds = run._update((0, 0))
        after = flat(run.network)
        torch.testing.assert_close(before - after, rate * torch.tensor(gradient), rtol=1e-4, atol=1e-6)
        assert nats == pytest.approx(8 * (float(before @ torch.tensor([3.0, 4.0])) + 10), rel=1e-5)
        assert (count, seconds) == (8, 1.0)
        before = after
    assert run.progress.step == run.progress.position == 3 and run.progress.points == 24


def test_the_average_moves_little_by_little_and_faster_at_first(tmp_path: Path) -> None:
    """Oracle: average = d average + (1 - d) weights, where d is the decay, or less in the first updates."""
    task = Slope()
    start = flat(task.network)
    train(task, tmp_path, options(6, average_decay=0.22))
    content = saved(tmp_path)
    weights = [*task.weights[1:], torch.cat([t.flatten() for t in content["network"].values()])]
    average = start
    for decay, now in zip([1 / 10, 2 / 11, 0.22, 0.22, 0.22, 0.22], weights, strict=True):
        average = decay * average + (1 - decay) * now
    found = torch.cat([t.flatten() for t in content["average"].values()])
    torch.testing.assert_close(found, average)
    assert not torch.allclose(average, weights[-1], atol=1e-3)


def test_the_average_is_what_is_validated_drawn_and_saved(tmp_path: Path) -> None:
    task = Slope()
    train(task, tmp_path, options(7, look_minutes=3 / 60))
    average = torch.cat([t.flatten() for t in saved(tmp_path)["average"].values()])
    assert [what for what, _, _ in task.shown] == ["validated", "drawn"] * 3 + ["saved"]
    for _, weights, training in task.shown[-3:]:
        assert torch.equal(weights, average) and not training
    assert sorted(path.name for path in tmp_path.glob("drawn-*")) == ["drawn-3", "drawn-6", "drawn-7"]
    assert task.training == [True] * 7


def test_the_average_and_the_optimizer_are_resumed(tmp_path: Path) -> None:
    whole, first, second = Regression(), Regression(stop_at=7), Regression()
    train(whole, tmp_path / "whole", options(20))
    with pytest.raises(KeyboardInterrupt):
        train(first, tmp_path / "parts", options(20))
    train(second, tmp_path / "parts", options(20), resume=True)
    expected, found = saved(tmp_path / "whole"), saved(tmp_path / "parts")
    for name, value in expected["average"].items():
        assert torch.equal(found["average"][name], value)
    for number, state in expected["optimizer"]["state"].items():
        for name, value in state.items():
            assert torch.equal(found["optimizer"]["state"][number][name], value), name


def test_random_numbers_of_an_update_follow_from_seed_and_update(tmp_path: Path) -> None:
    runs = {}
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        task = Slope()
        train(task, tmp_path / name, options(6, seed=seed))
        runs[name] = task.drawn
    assert runs["one"] == runs["same"]
    assert len({*runs["one"], *runs["other"]}) == 12


def test_the_log_has_means_since_its_last_line(tmp_path: Path) -> None:
    task = Slope()
    train(task, tmp_path, options(6, log_minutes=2 / 60))
    with open(tmp_path / "log.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["train_nats_per_apple"]]
    assert [row["step"] for row in rows] == ["2", "4", "6"]
    means = [sum(task.losses[k : k + 2]) / 16 for k in (0, 2, 4)]
    assert [float(row["train_nats_per_apple"]) for row in rows] == pytest.approx(means, rel=1e-4)


def test_updates_are_those_of_adam(tmp_path: Path) -> None:
    """Oracle: Kingma and Ba 2015 (arXiv:1412.6980), algorithm 1, with their beta1 = 0.9 and beta2 = 0.999."""

    class Turning(Slope):
        def loss(self, network: nn.Module, key: Any) -> tuple[Tensor, int]:
            loss, count = super().loss(network, key)
            return key[0] * loss, count

    run = _Run(Turning(), tmp_path, options(1e6))
    expected, gradient = flat(run.network).double(), torch.tensor([3.0, 4.0]).double()
    mean, square = torch.zeros(2).double(), torch.zeros(2).double()
    for t, factor in enumerate([1.0, 1.5, -0.5, 0.25, -1.0], 1):
        run._update((factor,))
        mean = 0.9 * mean + 0.1 * factor * gradient
        square = 0.999 * square + 0.001 * (factor * gradient) ** 2
        expected -= 0.1 * (mean / (1 - 0.9**t)) / ((square / (1 - 0.999**t)).sqrt() + 1e-8)
        torch.testing.assert_close(flat(run.network).double(), expected, rtol=1e-4, atol=1e-6)


def test_a_resumed_run_waits_for_its_next_log_and_look(tmp_path: Path) -> None:
    first, more = Regression(stop_at=6), {"log_minutes": 4 / 60, "look_minutes": 4 / 60}
    with pytest.raises(KeyboardInterrupt):
        train(first, tmp_path, options(12, **more))
    train(Regression(), tmp_path, options(12, **more), resume=True)
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows if row["train_nats_per_apple"]] == ["4", "10"]
    assert sorted(int(path.name[6:]) for path in tmp_path.glob("drawn-*")) == [4, 10, 12]
