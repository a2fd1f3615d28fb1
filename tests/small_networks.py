"""Weights of small untrained networks, with which everything runs in no time and nothing can be read."""

from pathlib import Path

import numpy as np
import torch

from strokesynth.alphabet import Alphabet
from strokesynth.nn.recognition import RecognitionConfig, RecognitionNetwork
from strokesynth.nn.synthesis import PredictionConfig, PredictionNetwork, SynthesisConfig, SynthesisNetwork
from strokesynth.weights_file import save_weights


def synthesis_network(advance=0.3):
    """One whose window moves by about so many characters a step."""
    torch.manual_seed(0)
    network = SynthesisNetwork(SynthesisConfig(16, 4, 3, Alphabet().size)).eval()
    network.offset_mean.copy_(torch.tensor([0.15, 0.0]))
    network.offset_std.copy_(torch.tensor([0.2, 0.1]))
    with torch.no_grad():
        network.first.b_p[6:] = np.log(advance)
        network.output.bias[1:] *= 0.1
    return network


def save_synthesis(path: Path, advance=0.3) -> Path:
    save_weights(path, synthesis_network(advance), "conditional_handwriting", Alphabet(), "untrained")
    return path


def save_prediction(path: Path) -> Path:
    torch.manual_seed(0)
    network = PredictionNetwork(PredictionConfig(16, 4))
    save_weights(path, network, "unconditional_handwriting", Alphabet(), "untrained")
    return path


def save_recognition(path: Path) -> Path:
    torch.manual_seed(0)
    network = RecognitionNetwork(RecognitionConfig(hidden_size=16, layers=2, heads=2, front_size=8)).eval()
    with torch.no_grad():
        # So that it says something, and something else at each place, though nothing sensible.
        network.fine.weight *= 3
        network.coarse.weight *= 3
        network.output.weight *= 12
    save_weights(path, network, "recognition", Alphabet(), "untrained")
    return path
