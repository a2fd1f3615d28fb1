"""The network of each training task, by the name under which a weights file stores it."""

from __future__ import annotations

from typing import Any, TypeAlias

from strokesynth.nn.recognition import RecognitionConfig, RecognitionNetwork
from strokesynth.nn.synthesis import PredictionConfig, PredictionNetwork, SynthesisConfig, SynthesisNetwork
from strokesynth.nn.writers import WriterConfig, WriterNetwork

Network: TypeAlias = PredictionNetwork | SynthesisNetwork | RecognitionNetwork | WriterNetwork
Config: TypeAlias = PredictionConfig | RecognitionConfig | WriterConfig

NETWORKS: dict[str, tuple[type[Network], type[Config]]] = {
    "unconditional_handwriting": (PredictionNetwork, PredictionConfig),
    "conditional_handwriting": (SynthesisNetwork, SynthesisConfig),
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
    return network(settings(**config))  # type: ignore[arg-type]
