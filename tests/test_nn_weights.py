"""Weights files: what is written comes back, and everything else is refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from strokesynth.alphabet import Alphabet
from strokesynth.nn.synthesis import PredictionConfig, PredictionNetwork, SynthesisConfig, SynthesisNetwork
from strokesynth.nn.weights import load_weights, save_weights

SMALL = SynthesisConfig(hidden_size=6, components=2, window_components=2)
HEADER = {
    "format": "strokesynth-1",
    "task": "conditional_handwriting",
    "config": json.dumps({"hidden_size": 6, "components": 2, "window_components": 2}),
    "alphabet": json.dumps(Alphabet().characters),
}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = SynthesisNetwork(SMALL)
    network.offset_mean.copy_(torch.tensor([0.123456789, -0.5]))
    path = tmp_path / "weights.safetensors"
    save_weights(path, network, "conditional_handwriting", Alphabet(), "a note")
    return path


def rewrite(path: Path, header: dict[str, str], **tensors: torch.Tensor | None) -> None:
    content = load_file(path) | {name: t for name, t in tensors.items() if t is not None}
    for name, tensor in tensors.items():
        if tensor is None:
            del content[name]
    save_file(content, path, metadata=header)


def test_round_trip_rounds_to_float16_and_keeps_the_statistics(saved: Path) -> None:
    torch.manual_seed(0)
    original = SynthesisNetwork(SMALL)
    weights = load_weights(saved)
    assert (weights.task, weights.note, weights.alphabet) == ("conditional_handwriting", "a note", Alphabet())
    assert weights.network.config == SMALL and not weights.network.training
    for (name, ours), theirs in zip(original.named_parameters(), weights.network.parameters(), strict=True):
        assert torch.equal(ours.detach().half().float(), theirs), name
    assert weights.network.offset_mean.tolist() == torch.tensor([0.123456789, -0.5]).tolist()


def test_prediction_network_round_trip(tmp_path: Path) -> None:
    config = PredictionConfig(hidden_size=4, components=1)
    save_weights(
        tmp_path / "p.safetensors", PredictionNetwork(config), "unconditional_handwriting", Alphabet()
    )
    network = load_weights(tmp_path / "p.safetensors").network
    assert isinstance(network, PredictionNetwork) and network.config == config


def test_full_size_fits_nine_megabytes(tmp_path: Path) -> None:
    save_weights(tmp_path / "w.safetensors", SynthesisNetwork(), "conditional_handwriting", Alphabet())
    assert (tmp_path / "w.safetensors").stat().st_size < 9e6


def test_missing_and_cut_short_and_foreign(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no weights file at"):
        load_weights(tmp_path / "none.safetensors")
    whole = saved.read_bytes()
    for length in (0, 4, 50, len(whole) - 10):
        saved.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="cut short"):
            load_weights(saved)
    saved.write_bytes(b"PK\x03\x04" + bytes(200))
    with pytest.raises(ValueError, match="not a weights file"):
        load_weights(saved)


def test_other_versions_and_headers_are_refused(saved: Path) -> None:
    for header, message in (
        ({}, "no format at all"),
        (HEADER | {"format": "strokesynth-99"}, "has strokesynth-99; this version reads strokesynth-1"),
        (HEADER | {"task": "poetry"}, "unknown task 'poetry'"),
        (HEADER | {"config": "{"}, "does not describe a network"),
        (HEADER | {"config": '{"hidden_size": "big"}'}, "expected a whole number"),
        (HEADER | {"alphabet": '"abc"'}, "an alphabet of 4 codes for a network of 96"),
    ):
        rewrite(saved, header)
        with pytest.raises(ValueError, match=message):
            load_weights(saved)


def test_tensors_that_do_not_fit_are_named(saved: Path) -> None:
    whole = saved.read_bytes()
    for name, tensor, message in (
        ("output.bias", None, "lacks the tensor 'output.bias' of shape"),
        ("output.bias", torch.zeros(3), r"'output.bias' .* has shape \(3,\); its architecture needs \(13,\)"),
        ("first.gain", torch.zeros(3), "'first.gain' that its architecture does not have"),
        ("first.bias", torch.full((24,), float("nan")), "'first.bias' .* not finite"),
    ):
        saved.write_bytes(whole)
        rewrite(saved, HEADER, **{name: tensor})
        with pytest.raises(ValueError, match=message):
            load_weights(saved)


def test_a_failed_write_leaves_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def broken(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("strokesynth.nn.weights.save", broken)
    with pytest.raises(OSError, match="disk full"):
        save_weights(saved, SynthesisNetwork(SMALL), "conditional_handwriting", Alphabet())
    assert saved.read_bytes() == before
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]
