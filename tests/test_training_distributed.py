"""Several processes that share every batch make the updates of one process with the whole batch."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing as multiprocessing
from makers import Clock, Regression, zigzag_corpus

import strokesynth.training.loop
from strokesynth.datasets import Label, Sample
from strokesynth.datasets.corpus import Corpus
from strokesynth.ink import Ink
from strokesynth.nn.mixture import log_likelihood, split_outputs
from strokesynth.training.distributed import choose_device, joined
from strokesynth.training.loop import TrainingOptions, train
from strokesynth.training.recognition_task import RecognitionTask
from strokesynth.training.synthesis_task import SynthesisTask

UPDATES, HALF = 8, 4
ROOT = Path(__file__).parents[1]


class StoppingClock(Clock):
    """An update is a second, for which it is looked at twice; Ctrl-C comes after `updates` of them."""

    def __init__(self, updates: float) -> None:
        super().__init__()
        self.updates = updates

    def monotonic(self) -> float:
        if self.now == 2 * self.updates:
            raise KeyboardInterrupt
        return super().monotonic()


def corpus() -> Corpus:
    """15 lines to train on: batches of 7, 7 and 1, which two processes cannot share evenly, and one not at all."""
    rng = np.random.default_rng(0)
    samples = []
    for number in range(19):
        length = int(rng.integers(4, 12))
        stroke = np.cumsum(rng.normal(size=(length, 2)), axis=0).astype(np.float32)
        split = "testset_v" if number < 4 else "trainset"
        samples.append(Sample(Ink.from_strokes([stroke]), Label("ab", "w", split, "iam", str(number))))
    return Corpus.from_samples(samples, "generation")


def task() -> SynthesisTask:
    """The same task, from the same weights, at each call."""
    config = {"hidden_size": 8, "components": 2, "window_components": 2}
    made = SynthesisTask("conditional_handwriting", corpus(), batch_size=7, seed=0, config=config)
    made.draw = lambda *_: None  # type: ignore[method-assign]
    return made


def flat(weights: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([weights[name].flatten() for name in sorted(weights)])


def run(folder: Path, *, stop_after: float = math.inf, resume: bool = False) -> SynthesisTask:
    """Train, alone or with the processes that this one has joined, to the end or until it is stopped."""
    strokesynth.training.loop.time = StoppingClock(stop_after)  # type: ignore[assignment]
    made = task()
    options = TrainingOptions(minutes=UPDATES / 60, learning_rate=0.01, batch_size=7)
    try:
        train(made, folder, options, resume=resume)
    except KeyboardInterrupt:
        assert stop_after == HALF
    return made


def member(rank: int, port: int, folder: Path) -> None:
    """One of two processes, each told its place by another launcher's names, and with a disk of its own."""
    torch.set_num_threads(1)
    prefix = ("", "OMPI_COMM_WORLD_")[rank]
    place = {"RANK": rank, "SIZE" if prefix else "WORLD_SIZE": 2, "LOCAL_RANK": rank}
    os.environ |= {f"{prefix}{name}": str(value) for name, value in place.items()}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    disk = folder if rank == 0 else folder / "elsewhere"
    with joined("cpu"):
        whole = run(disk / "two")
        run(disk / "two then one", stop_after=HALF)
        rest = run(disk / "one then two", resume=True)
    for name, task in (("two", whole), ("one then two", rest)):
        torch.save(task.network.state_dict(), folder / f"{name} {rank}.pt")


def test_two_processes_equal_one_and_the_number_may_change_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, products: torch.dtype
) -> None:
    # `run` replaces the clock, which is put back at the end.
    monkeypatch.setattr(strokesynth.training.loop, "time", strokesynth.training.loop.time)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    expected = run(tmp_path / "one").network.state_dict()
    run(tmp_path / "one then two", stop_after=HALF)
    multiprocessing.spawn(member, (port, tmp_path), nprocs=2)
    results = {
        name: torch.load(tmp_path / f"{name}.pt", weights_only=True)
        for name in ("two 0", "two 1", "one then two 0", "one then two 1")
    }
    results["two then one"] = run(tmp_path / "two then one", resume=True).network.state_dict()
    for name in expected:
        assert torch.equal(results["two 0"][name], results["two 1"][name])
    # Parts of a batch are rounded each by itself, in bfloat16 more than in float32; an update that was left out or
    # made with half of the gradients changes much more.
    fresh = flat(task().network.state_dict())
    movement = (flat(expected) - fresh).norm()
    for which, result in results.items():
        difference = (flat(result) - flat(expected)).norm() / movement
        assert difference < (1e-5 if products == torch.float32 else 0.02), which
    assert (tmp_path / "two" / "weights.safetensors").exists()
    assert not (tmp_path / "elsewhere").exists()  # where the second process would have written


TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
ACCELERATE = ["accelerate.commands.launch", "--multi_gpu", "--num_machines", "1", "--num_processes", "2"]


@pytest.mark.parametrize("launcher", [TORCHRUN, ACCELERATE], ids=lambda words: words[0].partition(".")[0])
def test_train_py_is_started_by_a_launcher(tmp_path: Path, launcher: list[str]) -> None:
    if find_spec(launcher[0].partition(".")[0]) is None:
        pytest.skip(f"{launcher[0]} is not installed")
    zigzag_corpus().save(tmp_path / "corpus.npz")
    call = [sys.executable, "-m", *launcher, str(ROOT / "train.py"), "--task", "unconditional_handwriting"]
    call += ["--corpus", "corpus.npz", "--out", "run", "--hidden-size", "8", "--batch-size", "5"]
    done = subprocess.run([*call, "--minutes", "0.01"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "weights.safetensors").exists()
    progress = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["progress"]
    # Both processes count the points of both: 5 lines of 9 points a batch, of 4 the last of an epoch's 4.
    epochs, rest = divmod(progress["step"], 4)
    assert progress["points"] >= 9 * (20 * epochs + 4 * rest)


def test_the_device_is_the_gpu_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def zeros(_: int, device: str) -> torch.Tensor:
        made.append(device)
        return torch.empty(1, device="meta")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == torch.device("cpu")
    with pytest.raises(ValueError, match="'cuda' cannot be used here"):
        choose_device("cuda")
    with pytest.raises(ValueError, match="'toaster' cannot be used here"):
        choose_device("toaster")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch, "zeros", zeros)
    for name in ("auto", "cuda", "cpu"):
        choose_device(name, local_rank=1)
    with pytest.raises(ValueError, match="process 2 of this host has no GPU of its own: there are 2"):
        choose_device("auto", local_rank=2)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")  # `accelerate launch --cpu`
    choose_device("auto", local_rank=1)
    assert made == ["cuda:1", "cuda:1", "cpu", "cpu"]


@pytest.mark.parametrize("name", ["conditional_handwriting", "unconditional_handwriting"])
@pytest.mark.usefixtures("products")
def test_everything_is_on_the_networks_device(name: str) -> None:
    """On a device without memory or arithmetic, which refuses tensors of the CPU: the one that is always there."""
    task = SynthesisTask(
        name, zigzag_corpus(), batch_size=8, seed=1, config={"hidden_size": 16, "components": 3}
    )
    task.network.to("meta")
    outputs, points, mask = task._outputs(task.network, np.arange(4, 10))
    (log_likelihood(split_outputs(outputs), points) * mask).sum().backward()
    for parameter in task.network.parameters():
        assert parameter.grad is not None
        assert parameter.grad.device.type == "meta" and parameter.grad.dtype == torch.float32


def test_reading_is_on_the_networks_device_as_well() -> None:
    rng = np.random.default_rng(1)
    inks = [Ink.from_strokes([np.cumsum(rng.normal(size=(40, 2)), axis=0)]) for _ in range(4)]
    splits = ["testset_v", "trainset", "trainset", "trainset"]
    samples = [
        Sample(ink, Label("ab", "w", split, "iam", "")) for ink, split in zip(inks, splits, strict=True)
    ]
    task = RecognitionTask(
        Corpus.from_samples(samples, "recognition"),
        batch_size=2,
        seed=0,
        config={"hidden_size": 16, "layers": 1, "heads": 2, "front_size": 8},
    )
    task.network.to("meta")
    batch = task._batch(task.training, None)
    assert {tensor.device.type for tensor in batch} == {"meta"}
    log_probs, frames = task.network(*batch[:2])
    assert (log_probs.device.type, frames.device.type) == ("meta", "meta")


def test_a_checkpoint_that_also_holds_random_numbers_is_read(tmp_path: Path) -> None:
    """As those written before the numbers followed from seed, update and process."""
    options = TrainingOptions(minutes=0.001)
    train(Regression(), tmp_path, options)
    path = tmp_path / "checkpoint.pt"
    content = torch.load(path, weights_only=True)
    torch.save(content | {"random": torch.get_rng_state()}, path)
    resumed = Regression()
    train(resumed, tmp_path, options, resume=True)
    after = torch.load(path, weights_only=True)
    # The budget was spent: one update more, from the weights that were saved, and not from new ones.
    assert after["progress"]["step"] == content["progress"]["step"] + 1
    assert "random" not in after
    for name, value in resumed.network.state_dict().items():
        assert torch.equal(after["network"][name], value)
