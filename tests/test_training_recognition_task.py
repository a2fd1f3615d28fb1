"""The recogniser's training task: its batches, its loss against plain CTC, and that it learns to read."""

from pathlib import Path

import numpy as np
import pytest
import torch
from makers import Clock

from strokesynth.alphabet import Alphabet
from strokesynth.datasets import Label, Sample
from strokesynth.datasets.corpus import Corpus
from strokesynth.ink import Ink
from strokesynth.nn.weights import load_weights
from strokesynth.recognition.features import FEATURES, trace
from strokesynth.training.loop import TrainingOptions, train
from strokesynth.training.recognition_task import RecognitionTask

CONFIG = {"hidden_size": 32, "layers": 1, "heads": 2, "front_size": 16}


def ink(text, rng):
    """Words of three letters that no one could mistake: a bar, a bowl and a hook."""
    strokes, x = [], 0.0
    t = np.linspace(0, 1, 12)
    shapes = {
        "l": np.column_stack([0 * t, -1.8 + 1.8 * t]),
        "u": np.column_stack([0.8 * t, -np.abs(2 * t - 1)]),
        "c": np.column_stack([0.4 + 0.4 * np.cos(1 + 4.3 * t), -0.5 - 0.5 * np.sin(1 + 4.3 * t)]),
    }
    for character in text:
        if character == " ":
            x += 1.5
            continue
        strokes.append(shapes[character] + [x, 0] + rng.normal(0, 0.02, (12, 2)))
        x += 1.1
    return Ink.from_strokes(strokes, text)


@pytest.fixture(scope="module")
def corpus():
    rng = np.random.default_rng(0)
    samples = []
    for i in range(160):
        text = "".join(rng.choice(list("luc "), rng.integers(1, 12))).strip() or "l"
        text = " ".join(text.split())
        split = "testset_v" if i % 8 == 0 else ("testset_f" if i % 8 == 1 else "trainset")
        source = "unipen-words" if i % 3 == 0 else "iam"
        samples.append(Sample(ink(text, rng), Label(text, f"w{i % 5}", split, source, str(i))))
    return Corpus.from_samples(samples, "recognition")


def make(corpus, **options):
    return RecognitionTask(corpus, **{"batch_size": 2, "seed": 0, "config": CONFIG, **options})


def test_splits(corpus):
    task = make(corpus)
    assert set(corpus.splits[task.training]) == {"trainset", "testset_f"}
    task = make(corpus, train=["trainset"])
    assert set(corpus.splits[task.training]) == {"trainset"}
    assert {i for v in task.validation.values() for i in v} == set(corpus.select("testset_v").tolist())


def test_an_epoch_has_every_line_as_often_as_asked_in_batches_of_similar_size(corpus):
    task = make(corpus, repeats={"unipen-words": 2.0})
    keys = task.batches(3)
    found = np.concatenate(keys)
    for i in task.training:
        assert (found == i).sum() == (2 if corpus.sources[i] == "unipen-words" else 1)
    sizes = [len(key) * corpus.lengths[key].max() for key in keys]
    assert max(sizes) <= 2 * 260 or max(map(len, keys)) == 1
    assert [k.tolist() for k in task.batches(3)] == [k.tolist() for k in keys]
    assert [k.tolist() for k in task.batches(4)] != [k.tolist() for k in keys]


def test_features_are_those_of_the_ink(corpus):
    task = make(corpus)
    features, lengths, codes, code_lengths = task._batch(np.array([3, 8]), None)
    for column, i in enumerate((3, 8)):
        rows = trace(Ink.from_offsets(corpus.offsets(i))).features
        assert lengths[column] == len(rows)
        np.testing.assert_allclose(features[: len(rows), column], rows, atol=2e-3)
        assert (features[len(rows) :, column] == 0).all()
        text = Alphabet().decode(codes[column, : code_lengths[column]].numpy())
        assert text == corpus.texts[i]
    assert features.shape[2] == FEATURES


def test_loss_is_the_likelihood_of_the_texts(corpus):
    task = make(corpus)
    task.network.eval()
    key = task.training[:5]
    torch.manual_seed(5)
    loss, characters = task.loss(task.network, key)
    assert characters == sum(len(corpus.texts[i]) for i in key)
    torch.manual_seed(5)
    rng = np.random.default_rng(int(torch.randint(2**62, ())))
    features, lengths, codes, code_lengths = task._batch(key, rng)
    expected = 0.0
    for i in range(5):  # one by one, without padding
        log_probs, frames = task.network(features[: lengths[i], i : i + 1], lengths[i : i + 1])
        expected += torch.nn.CTCLoss(reduction="sum")(
            log_probs, codes[i : i + 1, : code_lengths[i]], frames, code_lengths[i : i + 1]
        ).item()
    assert loss.item() == pytest.approx(expected, rel=1e-4)


def test_focus_weighs_lines_by_what_is_not_yet_certain(corpus):
    key = make(corpus).training[:1]
    values = {}
    for focus in (0.0, 2.0):
        task = make(corpus, focus=focus)
        task.network.eval()
        torch.manual_seed(5)
        values[focus] = task.loss(task.network, key)[0].item()
    assert values[2.0] == pytest.approx(values[0.0] * (1 - np.exp(-values[0.0])) ** 2, rel=1e-4)


def test_it_learns_to_read_and_its_weights_come_back(corpus, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("strokesynth.training.loop.time", Clock())  # a second for each update
    task = make(corpus, batch_size=8)
    before = task.validate(task.network)
    options = TrainingOptions(
        minutes=1.5, batch_size=8, learning_rate=1e-2, warmup_steps=5, gradient_norm=1.0, average_decay=0.9,
        look_minutes=9, log_minutes=9,
    )  # fmt: skip
    after = train(task, tmp_path, options)
    assert set(after) == {"iam_error", "unipen-words_error", "valid_nats_per_character"} == set(task.figures)
    assert after["iam_error"] < 0.5 * before["iam_error"]
    weights = load_weights(tmp_path / "weights.safetensors")
    assert weights.task == "recognition"
    again = task.validate(weights.network)
    assert again["iam_error"] == pytest.approx(after["iam_error"], abs=0.02)  # float16
    assert (tmp_path / "curves.png").exists()
    seen = int(torch.load(tmp_path / "checkpoint.pt", weights_only=True)["progress"]["points"])
    assert seen > 1000 and f"90 updates, {seen} characters, " in weights.note


def test_bad_calls(corpus):
    with pytest.raises(ValueError, match="no source"):
        make(corpus, repeats={"songs": 2.0})
    with pytest.raises(ValueError, match="no split"):
        make(corpus, train=["songs"])
    with pytest.raises(ValueError, match="one side is empty"):
        make(corpus, validation=["songs"])
    lines = Corpus.from_samples([], "generation")
    with pytest.raises(ValueError, match="generation"):
        make(lines)
