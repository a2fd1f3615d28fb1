"""The device that a process trains on, and the processes that train with it.

Whatever starts processes for `torch.distributed` will do: torchrun, `accelerate launch` (Hugging Face Accelerate),
mpirun. Each of them tells a process its place in environment variables, and where the first process is
(MASTER_ADDR, MASTER_PORT); what the processes then say to each other is in `strokesynth.training.loop`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist

# The names of torchrun, which `accelerate launch` uses as well, of Open MPI, and of MPICH and Intel MPI.
_RANK = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK")
_SIZE = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
_LOCAL_RANK = ("LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID")


@contextmanager
def joined(device: str = "auto") -> Iterator[torch.device]:
    """Join the processes that were started together with this one, if there are any; gives this one's device.

    `device` is "auto" (the GPU if there is one, else the CPU), "cpu", "cuda" or any other that torch knows. On
    "cuda" each process of a host has a GPU of its own.

    Raises ValueError for a device that cannot be used here, and where a host has more processes than GPUs.
    """
    chosen = choose_device(device, _place(_LOCAL_RANK, 0))
    size = _place(_SIZE, 1)
    if size == 1:
        yield chosen
        return
    backend = "gloo"
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
        backend = "nccl" if dist.is_nccl_available() else "gloo"
    dist.init_process_group(backend, rank=_place(_RANK, 0), world_size=size)
    yield chosen
    dist.destroy_process_group()  # after a failure the launcher ends the others, who may be waiting for this one


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """The device that `name` (see `joined`) means for the process `local_rank` of this host; ValueError if none."""
    if name == "auto":
        # This is what `accelerate launch --cpu` sets.
        refused = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("true", "1")
        name = "cuda" if torch.cuda.is_available() and not refused else "cpu"
    if name == "cuda" and torch.cuda.is_available():
        if local_rank >= torch.cuda.device_count():
            raise ValueError(
                f"process {local_rank} of this host has no GPU of its own: there are {torch.cuda.device_count()}; "
                "start as many processes as there are GPUs, or train on the CPU"
            )
        name = f"cuda:{local_rank}"
    try:
        return torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"device {name!r} cannot be used here: {str(error).splitlines()[0]}") from None


def _place(names: tuple[str, ...], default: int) -> int:
    return next((int(os.environ[name]) for name in names if name in os.environ), default)
