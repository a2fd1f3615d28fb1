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
from strokesynth.training.loop import TrainingOptions, train
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
