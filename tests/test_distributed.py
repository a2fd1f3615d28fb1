"""Two processes that share every batch make the updates of one process with the whole batch."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from test_training import Clock

from strokesynth.corpus import Corpus
from strokesynth.datasets import Sample
from strokesynth.handwriting import HandwritingTask
from strokesynth.ink import Ink
from strokesynth.training import TrainingOptions, train


def run(rank: int, world: int, folder: str) -> None:
    import strokesynth.training

    strokesynth.training.time = Clock()  # type: ignore[assignment]
    torch.set_num_threads(1)
    if world > 1:
        address = f"file://{folder}/rendezvous"
        dist.init_process_group("gloo", init_method=address, rank=rank, world_size=world)
    rng = np.random.default_rng(0)
    samples = []
    for number in range(21):  # an odd number: the processes get batches of unequal size
        length = int(rng.integers(4, 12))
        stroke = np.cumsum(rng.normal(size=(length, 2)), axis=0).astype(np.float32)
        split = "testset_v" if number < 4 else "trainset"
        samples.append(Sample(Ink.from_strokes([stroke]), "ab", "w", split, "iam", str(number)))
    corpus = Corpus.from_samples(samples, "generation")
    config = {"hidden_size": 8, "components": 2, "window_components": 2}
    task = HandwritingTask("conditional_handwriting", corpus, batch_size=7, seed=0, config=config)
    task.draw = lambda *_: None  # type: ignore[method-assign]
    train(task, Path(folder) / "run", TrainingOptions(minutes=6 / 60, learning_rate=0.01, batch_size=7))
    torch.save(task.network.state_dict(), f"{folder}/network-{rank}.pt")
    if world > 1:
        dist.destroy_process_group()


def test_two_processes_equal_one(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    context = multiprocessing.get_context("spawn")
    for world, folder in ((1, "one"), (2, "two")):
        processes = [
            context.Process(target=run, args=(rank, world, str(tmp_path / folder))) for rank in range(world)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(120)
        assert [process.exitcode for process in processes] == [0] * world
    whole = torch.load(tmp_path / "one" / "network-0.pt", weights_only=True)
    parts = [torch.load(tmp_path / "two" / f"network-{rank}.pt", weights_only=True) for rank in range(2)]
    for name in whole:
        assert torch.equal(parts[0][name], parts[1][name]), name
        torch.testing.assert_close(parts[0][name], whole[name], rtol=1e-4, atol=1e-5)
    assert "weights.safetensors" in os.listdir(tmp_path / "two" / "run")
