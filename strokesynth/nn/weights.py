"""Weights on disk: float16 safetensors that say in their header what network they are for.

The header holds the format version, the task, the architecture, the alphabet and a free note, so that a file
alone rebuilds its network. Reading one never executes anything.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from strokesynth._files import atomic_write
from strokesynth.alphabet import Alphabet
from strokesynth.nn.recognition import RecognitionConfig, RecognitionNetwork
from strokesynth.nn.styled import StyledConfig, StyledNetwork
from strokesynth.nn.synthesis import PredictionConfig, PredictionNetwork, SynthesisConfig, SynthesisNetwork
from strokesynth.nn.writers import WriterConfig, WriterNetwork

Network: TypeAlias = PredictionNetwork | SynthesisNetwork | StyledNetwork | RecognitionNetwork | WriterNetwork
Config: TypeAlias = PredictionConfig | StyledConfig | RecognitionConfig | WriterConfig

NETWORKS: dict[str, tuple[type[Network], type[Config]]] = {
    "unconditional_handwriting": (PredictionNetwork, PredictionConfig),
    "conditional_handwriting": (SynthesisNetwork, SynthesisConfig),
    "styled_handwriting": (StyledNetwork, StyledConfig),
    "recognition": (RecognitionNetwork, RecognitionConfig),
    "writer_verification": (WriterNetwork, WriterConfig),
}


def build_network(task: str, config: dict[str, Any]) -> Network:
    """The network of a task from its configuration as read from a file.

    Raises ValueError naming the known tasks or the fields that do not fit.
    """
    if task not in NETWORKS:
        raise ValueError(f"unknown task {task!r}; expected one of {', '.join(NETWORKS)}")
    network, settings = NETWORKS[task]
    known = set(settings.__dataclass_fields__)
    if set(config) - known:
        raise ValueError(
            f"{settings.__name__} has no {sorted(set(config) - known)}; its fields are {sorted(known)}"
        )
    if settings is StyledConfig:
        return StyledNetwork(StyledConfig.of(config))
    return network(settings(**config))  # type: ignore[arg-type]


FORMAT = 1

FOLDER = Path(__file__).parents[1] / "weights"
"""The folder with the weights in the package."""


class Weights(NamedTuple):
    """A network with all that is needed to use it."""

    network: Network
    task: str
    alphabet: Alphabet
    note: str


def packaged(name: str) -> Path:
    """The file of this name among the weights in the package."""
    return FOLDER / name


def save_weights(
    path: str | os.PathLike[str],
    network: Network,
    task: str,
    alphabet: Alphabet,
    note: str = "",
) -> None:
    """Write the network in float16 (about 7.7 MB for the synthesis network), all or nothing.

    The mean and standard deviation of its input stay float32. `note` is free text: how it was trained.
    """
    tensors = {
        name: value.detach()
        .cpu()
        .to(torch.float32 if name.endswith(("_mean", "_std")) else torch.float16)
        .contiguous()
        for name, value in network.state_dict().items()
    }
    header = {
        "format": f"strokesynth-{FORMAT}",
        "task": task,
        "config": json.dumps(asdict(network.config)),
        "alphabet": json.dumps(alphabet.characters),
        "note": note,
    }
    with atomic_write(path) as temporary:
        temporary.write_bytes(save(tensors, metadata=header))


def load_weights(path: str | os.PathLike[str], device: str | torch.device = "cpu") -> Weights:
    """Rebuild a network, in float32 and evaluation mode, from a file that `save_weights` wrote.

    Raises FileNotFoundError where there is no such file, ValueError where it is no weights file, is cut
    short, has another version, or holds tensors that do not fit the architecture it names, and for a device that
    cannot be used.
    """
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ValueError(
            f"device {str(device)!r} cannot be used here: {str(error).splitlines()[0]}"
        ) from None
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights file at {str(path)!r}")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{str(path)!r} is not a weights file, or is cut short: {error}") from error
    if header.get("format") != f"strokesynth-{FORMAT}":
        found = header.get("format", "no format at all")
        raise ValueError(f"{str(path)!r} has {found}; this version reads strokesynth-{FORMAT}")
    try:
        network = build_network(header["task"], json.loads(header["config"]))
        alphabet = Alphabet(json.loads(header["alphabet"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the header of {str(path)!r} does not describe a network: {error}") from error
    _fill(network, tensors, path)
    size = getattr(network.config, "alphabet_size", alphabet.size)
    if size != alphabet.size:
        raise ValueError(f"{str(path)!r}: an alphabet of {alphabet.size} codes for a network of {size}")
    return Weights(network.to(device).eval(), header["task"], alphabet, header.get("note", ""))


def _fill(network: torch.nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Copy the tensors in, naming the first one that is missing, left over, or of another shape."""
    expected = network.state_dict()
    for name in sorted(expected.keys() | tensors.keys()):
        if name not in tensors:
            raise ValueError(
                f"{str(path)!r} lacks the tensor {name!r} of shape {tuple(expected[name].shape)}"
            )
        if name not in expected:
            raise ValueError(f"{str(path)!r} has a tensor {name!r} that its architecture does not have")
        if tensors[name].shape != expected[name].shape:
            given, wanted = tuple(tensors[name].shape), tuple(expected[name].shape)
            raise ValueError(
                f"tensor {name!r} in {str(path)!r} has shape {given}; its architecture needs {wanted}"
            )
        if not torch.isfinite(tensors[name]).all():
            raise ValueError(f"tensor {name!r} in {str(path)!r} has values that are not finite")
    network.load_state_dict({name: value.float() for name, value in tensors.items()})
