"""Starting one network from the weights of another: all of them, or what the two networks have in common."""

from __future__ import annotations

import torch
from torch import Tensor

from strokesynth.nn.styled import StyledNetwork
from strokesynth.nn.synthesis import PredictionNetwork, SynthesisConfig, SynthesisNetwork
from strokesynth.nn.weights import Network


@torch.no_grad()
def warm_start(network: Network, source: Network) -> None:
    """Copy the weights of `source` into `network`, statistics of the input included, which belong to the weights.

    A prediction network also starts from a synthesis network: it takes everything but the window and what the
    layers read from it. Much of what writing without a text needs (shapes of letters, the rhythm of strokes, the
    slope of a line) is then there from the first step.

    Raises ValueError where the sizes differ, and for a synthesis network from a prediction network.
    """
    if isinstance(network, StyledNetwork) and isinstance(source, SynthesisNetwork):
        network.start_from(source)
        return
    if isinstance(source, StyledNetwork) and not isinstance(network, StyledNetwork):
        source = source.average()
    values = source.state_dict()
    if isinstance(network, PredictionNetwork) and isinstance(source, SynthesisNetwork):
        values = _without_window(values, source.config)
    elif isinstance(network, SynthesisNetwork) and isinstance(source, PredictionNetwork):
        raise ValueError("a synthesis network cannot start from a prediction network, which has no window")
    expected = network.state_dict()
    for name, value in values.items():
        if name not in expected or expected[name].shape != value.shape:
            wanted = tuple(expected[name].shape) if name in expected else "no such tensor"
            raise ValueError(
                f"tensor {name!r} to start from is {tuple(value.shape)}; this network needs {wanted}"
            )
    network.load_state_dict(values)


def _without_window(values: dict[str, Tensor], config: SynthesisConfig) -> dict[str, Tensor]:
    """State of a prediction network from that of a synthesis network (see its `step` for the columns)."""
    pen, letters = 3, config.alphabet_size
    result = {
        "layers.0.w_ih": values["first.w_ih"],
        "layers.0.w_hh": values["first.w_sh"][:, : config.hidden_size],
        "layers.0.bias": values["first.bias"],
    }
    for upper in (0, 1):
        w_ih = values[f"layers.{upper}.w_ih"]  # columns: pen, window, layer below
        result[f"layers.{upper + 1}.w_ih"] = torch.cat([w_ih[:, :pen], w_ih[:, pen + letters :]], dim=1)
        result[f"layers.{upper + 1}.w_hh"] = values[f"layers.{upper}.w_hh"]
        result[f"layers.{upper + 1}.bias"] = values[f"layers.{upper}.bias"]
    shared = ("output.weight", "output.bias", "offset_mean", "offset_std")
    return result | {name: values[name] for name in shared}
