"""One training loop for every task: a time budget, moving-average weights, and a run folder that survives a kill.

A task (see `Task`) brings the network, the batches and the loss; this room brings everything else. A run folder holds
``checkpoint.pt`` (everything needed to go on), ``log.csv``, ``curves.png``, the pictures the task draws, and at
last ``weights.safetensors`` with the moving-average weights.
"""

from __future__ import annotations

import copy
import csv
import ctypes
import io
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
import torch.distributed as dist
from filelock import FileLock, Timeout
from torch import Tensor, nn
from tqdm import tqdm

from strokesynth._files import atomic_write
from strokesynth.nn.products import products_in

FORMAT = 1

# An epoch may be empty where each line has a small chance to occur in it, but hardly so many in a row.
_EMPTY_EPOCHS = 1000


@dataclass(frozen=True)
class TrainingOptions:
    """How to train; the command line of ``train.py`` reads its defaults from here."""

    minutes: float = 120.0  # of training, over which the learning rate falls to zero
    batch_size: int = 64
    learning_rate: float = 1.5e-3
    warmup_steps: int = 100  # over which the learning rate rises from zero
    gradient_norm: float = 0.5  # gradients are scaled down to this norm
    average_decay: float = 0.999  # decay of the moving average of the weights, for each update
    seed: int = 0
    log_minutes: float = 0.5  # between lines of the log
    save_minutes: float = 3.0  # between checkpoints: what a kill can cost
    look_minutes: float = 6.0  # between validations and pictures

    def __post_init__(self) -> None:
        for name in ("minutes", "batch_size", "learning_rate", "gradient_norm"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected a number above 0")
        if not 0 <= self.average_decay < 1:
            raise ValueError(f"average_decay is {self.average_decay!r}; expected at least 0 and below 1")


class Group(NamedTuple):
    """Parameters that learn at `factor` times the learning rate and whose gradients are clipped together."""

    parameters: Sequence[nn.Parameter]
    factor: float = 1.0


def _one_group(network: nn.Module) -> list[Group]:
    return [Group(list(network.parameters()))]


class Task(Protocol):
    """What the loop needs to know of a task."""

    @property
    def name(self) -> str:
        """The name of the task, as on the command line."""

    @property
    def network(self) -> nn.Module:
        """The network that is trained."""

    @property
    def unit(self) -> str:
        """The unit over which the loss is summed, in the singular: "point" or "character"."""

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of the figures that `validate` gives."""

    def batches(self, epoch: int) -> list[Any]:
        """The batches of an epoch, as cheap keys; a pure function of the epoch, so that training can resume.

        Where several processes train together, a key is sliced like a list to share the batch out.
        """

    def loss(self, network: nn.Module, key: Any) -> tuple[Tensor, int]:
        """Loss of one batch in nats, summed over its units, and their number."""

    def validate(self, network: nn.Module) -> dict[str, float]:
        """The figures of the validation set."""

    def draw(self, network: nn.Module, folder: Path, step: int) -> None:
        """Write pictures of what the network does now."""

    def save(self, network: nn.Module, path: Path, note: str) -> None:
        """Write the weights file."""


@dataclass
class Progress:
    """How far a run has come. Together with the task's pure `batches` it says which batch comes next."""

    step: int = 0
    epoch: int = 0
    position: int = 0  # batches of this epoch already done
    points: int = 0  # units of the task; checkpoints call all of them points
    seconds: float = 0.0


def train(
    task: Task,
    folder: Path,
    options: TrainingOptions,
    *,
    resume: bool = False,
    device: str | torch.device = "cpu",
    products: str | None = None,
) -> dict[str, float]:
    """Train the task's network on the device until the time budget is spent; returns the last validation figures.

    Ctrl-C saves a checkpoint and leaves. With `resume` a run goes on from its checkpoint with the same batches and
    random numbers as if it had not stopped, on whatever device and with however many processes.

    Where `torch.distributed` is initialised (see `strokesynth.training.distributed`), its processes share every batch
    and add up their gradients: the updates are those of one process, up to rounding and to what the task varies
    at random. Only the first process looks at the folder; the others start from what it tells them.

    `products` is the type of matrix products, see `strokesynth.nn.products`; None leaves it to the environment.

    Raises ValueError if the folder belongs to another training that is under way, already holds a run (without
    `resume`) or holds none (with it), if the checkpoint is of another task, version or architecture, or if
    `products` is none of its choices.
    """
    if dist.is_initialized() and dist.get_rank() > 0:
        with products_in(products):
            return _Run(task, folder, options, resume, device).go()
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ValueError(f"another training is writing to {str(folder)!r}: choose another folder") from None
    try:
        with products_in(products):
            return _Run(task, folder, options, resume, device).go()
    finally:
        lock.release()
        torch.set_flush_denormal(False)


class _Run:
    def __init__(
        self,
        task: Task,
        folder: Path,
        options: TrainingOptions,
        resume: bool = False,
        device: str | torch.device = "cpu",
    ) -> None:
        prepare_process()
        self.task, self.folder, self.options = task, folder, options
        self.rank, self.world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        self.checkpoint = folder / "checkpoint.pt"
        self.device = torch.device(device)
        if self.device.type == "cuda":
            torch.set_float32_matmul_precision("high")  # what is not computed in bfloat16 may be in TF32
        self.network = task.network.to(self.device)
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.groups = getattr(task, "groups", _one_group)(self.network)
        self.optimizer = torch.optim.Adam(
            [{"params": list(group.parameters), "factor": group.factor} for group in self.groups],
            lr=options.learning_rate,
            fused=True,
        )
        self.progress = Progress()
        if self.rank == 0 and not resume and self.checkpoint.exists():
            raise ValueError(f"{str(folder)!r} already holds a run: resume it, or choose another folder")
        if resume or self.world > 1:
            self._restore(self._of_first(self._read if resume else self._content))

    def go(self) -> dict[str, float]:
        budget = self.options.minutes * 60
        last = {"log": self.progress.seconds, "save": self.progress.seconds, "look": self.progress.seconds}
        recent = [0.0, 0, 0.0]  # nats, units, seconds since the last line of the log
        bar = tqdm(total=round(budget), initial=round(self.progress.seconds), unit="s", desc=self.task.name)
        if self.rank > 0 or not sys.stderr.isatty():
            bar.disable = True
        try:
            for key in self._keys():
                nats, count, spent = self._update(key)
                self.progress.seconds += spent
                recent = [recent[0] + nats, recent[1] + count, recent[2] + spent]
                now = self.progress.seconds
                bar.n = min(round(now), round(budget))
                bar.set_postfix_str(f"{nats / count:.3f} nats/{self.task.unit}", refresh=True)
                if now - last["log"] >= self.options.log_minutes * 60:
                    values = (recent[0] / recent[1], recent[1] / recent[2])
                    self._log(dict(zip(self._own_figures, values, strict=True)))
                    recent, last["log"] = [0.0, 0, 0.0], now
                if now - last["look"] >= self.options.look_minutes * 60:
                    self._look()
                    last["look"] = now
                if now - last["save"] >= self.options.save_minutes * 60:
                    self._save()
                    last["save"] = now
                if now >= budget:
                    break
        except KeyboardInterrupt:
            self._save()
            bar.close()
            if self.rank == 0:
                print(f"\nstopped; continue with --resume --out {self.folder}", file=sys.stderr)
            raise
        bar.close()
        self._save()
        figures = self._look()
        p = self.progress
        note = (
            f"{self.task.name}: {p.step} updates, {p.points} {self.task.unit}s, {p.seconds / 60:.0f} minutes; "
            f"{asdict(self.options)}; {figures}"
        )
        if self.rank == 0:
            self.task.save(self.average, self.folder / "weights.safetensors", note)
        return figures

    @property
    def _own_figures(self) -> tuple[str, str]:
        """Names of the figures of training itself."""
        return f"train_nats_per_{self.task.unit}", f"{self.task.unit}s_per_second"

    def _keys(self) -> Iterator[Any]:
        """The batches still to come, for ever; `progress` counts one as done once the loop asks for the next.

        Raises ValueError where there are none for so long that there will hardly be one.
        """
        empty = 0
        while True:
            keys = self.task.batches(self.progress.epoch)
            empty = 0 if keys else empty + 1
            if empty == _EMPTY_EPOCHS:
                raise ValueError(
                    f"the task {self.task.name} has no batch in {empty} epochs in a row: nothing to train on; "
                    "repeats (--repeat) that leave out every line do this"
                )
            while self.progress.position < len(keys):
                yield keys[self.progress.position]
            self.progress.epoch, self.progress.position = self.progress.epoch + 1, 0

    def _learning_rate(self) -> float:
        fraction = min(1.0, self.progress.seconds / (self.options.minutes * 60))
        warm = min(1.0, (self.progress.step + 1) / max(1, self.options.warmup_steps))
        return self.options.learning_rate * warm * 0.5 * (1.0 + math.cos(math.pi * fraction))

    def _update(self, key: Any) -> tuple[float, int, float]:
        """One update; returns the batch's loss, its number of units, and the seconds it took."""
        started = time.monotonic()
        self._seed()
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate() * group["factor"]
        self.network.train()
        part = key[self.rank :: self.world] if self.world > 1 else key
        loss, count = self.task.loss(self.network, part) if len(part) else (None, 0)
        if loss is not None:
            loss.backward()
        nats = 0.0 if loss is None else float(loss.detach())
        if self.world > 1:
            nats, count = self._add_up(nats, count)
        for parameter in self.network.parameters():
            if parameter.grad is not None:
                parameter.grad /= count
        norms = [
            torch.nn.utils.clip_grad_norm_(group.parameters, self.options.gradient_norm)
            for group in self.groups
        ]
        norm = torch.stack(norms).max()
        if torch.isfinite(norm):
            self.optimizer.step()
        elif self.rank == 0:
            tqdm.write(f"step {self.progress.step}: gradient is {norm.item()}; this batch is left out")
        self.optimizer.zero_grad(set_to_none=True)
        decay = min(self.options.average_decay, (1 + self.progress.step) / (10 + self.progress.step))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.average.parameters()), list(self.network.parameters()), 1.0 - decay
            )
            for mean, value in zip(self.average.buffers(), self.network.buffers(), strict=True):
                mean.copy_(value)
        self.progress.step += 1
        self.progress.position += 1
        self.progress.points += count
        return nats, count, self._time_of_first(time.monotonic() - started)

    def _seed(self) -> None:
        """Make the random numbers of an update a function of the seed, the update and the process alone.

        So a run resumes exactly, and two processes vary their parts of a batch each in its own way.
        """
        sequence = np.random.SeedSequence([self.options.seed, self.progress.step, self.rank])
        torch.manual_seed(int(sequence.generate_state(1, np.uint64)[0]))

    def _add_up(self, nats: float, count: int) -> tuple[float, int]:
        """Replace every process's gradients by their sum, in one exchange; the sums of loss and units."""
        parameters = list(self.network.parameters())
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        counts = gradients[0].new_tensor([nats, count])
        joined = torch.cat([counts, *(g.flatten() for g in gradients)])
        dist.all_reduce(joined)
        sizes = [2, *(p.numel() for p in parameters)]
        counts, *sums = joined.split(sizes)
        for parameter, total in zip(parameters, sums, strict=True):
            parameter.grad = total.view_as(parameter)
        return float(counts[0]), round(float(counts[1]))

    def _time_of_first(self, seconds: float) -> float:
        """The seconds of the first process, since all must agree when the time is up."""
        if self.world == 1:
            return seconds
        shared = torch.tensor([seconds], dtype=torch.float64, device=self.device)
        dist.broadcast(shared, 0)
        return float(shared)

    def _of_first(self, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Hand the result of `make` in the first process to all of them, with its tensors on the CPU."""
        if self.world == 1:
            return make()
        buffer = io.BytesIO()
        if self.rank == 0:
            torch.save(make(), buffer)
        shared = [buffer.getvalue()]
        dist.broadcast_object_list(shared, 0, device=self.device)
        return torch.load(io.BytesIO(shared[0]), map_location="cpu", weights_only=True)

    def _look(self) -> dict[str, float]:
        if self.rank > 0:
            return {}
        figures = self.task.validate(self.average)
        self._log(figures)
        self.task.draw(self.average, self.folder, self.progress.step)
        return figures

    def _log(self, figures: dict[str, float]) -> None:
        """Append a line to log.csv, whose columns are fixed when it is begun; figures that are not known stay empty."""
        if self.rank > 0:
            return
        path, p = self.folder / "log.csv", self.progress
        where = {
            "step": p.step,
            "epoch": p.epoch,
            f"{self.task.unit}s": p.points,
            "seconds": round(p.seconds, 1),
        }
        row = {**where, "learning_rate": float(f"{self._learning_rate():.3g}"), **figures}
        columns = [*where, "learning_rate", *self._own_figures, *self.task.figures]
        fresh = not path.exists()
        with open(path, "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            if fresh:
                writer.writeheader()
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
        shown = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        tqdm.write(f"{p.seconds / 60:6.1f} min  step {p.step}  epoch {p.epoch}  {shown}", file=sys.stderr)

    def _save(self) -> None:
        if self.rank > 0:
            return
        with atomic_write(self.checkpoint) as temporary:
            torch.save(self._content(), temporary)

    def _content(self) -> dict[str, Any]:
        """All that is needed to go on from here."""
        return {
            "format": FORMAT,
            "task": self.task.name,
            "options": asdict(self.options),
            "progress": asdict(self.progress),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def _read(self) -> dict[str, Any]:
        """The content of the checkpoint, once it is clear that it belongs to this run."""
        if not self.checkpoint.exists():
            raise ValueError(f"{str(self.folder)!r} holds no run to resume: there is no checkpoint.pt in it")
        try:
            content = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        except Exception as error:
            raise ValueError(
                f"{str(self.checkpoint)!r} is not a checkpoint, or is damaged: {error}"
            ) from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f"{str(self.checkpoint)!r} is not a checkpoint of this version ({FORMAT})")
        if content["task"] != self.task.name:
            raise ValueError(
                f"{str(self.checkpoint)!r} is of the task {content['task']!r}, not {self.task.name!r}"
            )
        for name in ("seed", "batch_size"):
            if content["options"][name] != getattr(self.options, name):
                raise ValueError(
                    f"{name} is {getattr(self.options, name)}, but the run to resume was started with "
                    f"{content['options'][name]}: its batches would differ"
                )
        return content

    def _restore(self, content: dict[str, Any]) -> None:
        try:
            self.network.load_state_dict(content["network"])
            self.average.load_state_dict(content["average"])
        except RuntimeError as error:
            raise ValueError(f"{str(self.checkpoint)!r} is of another architecture: {error}") from error
        self.optimizer.load_state_dict(content["optimizer"])  # goes where the parameters are
        self.progress = Progress(**content["progress"])


def prepare_process() -> None:
    """Settings that make training several times faster and change no result that matters.

    Gradients fade to denormal numbers on their way back in time, and arithmetic on those is tens of times slower:
    they become zero. And the C library, left alone, hands every freed tensor back to the system and zeroes
    the pages anew for the next one.
    """
    torch.set_flush_denormal(True)
    if sys.platform == "linux":
        try:
            mallopt = ctypes.CDLL(None).mallopt
        except (OSError, AttributeError):  # another C library than glibc
            return
        m_trim_threshold, m_mmap_max = -1, -4  # from malloc.h
        mallopt(m_mmap_max, 0)
        mallopt(m_trim_threshold, 2**31 - 1)
