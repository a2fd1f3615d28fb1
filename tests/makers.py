"""What several tests need: untrained networks, ink that is known exactly, small corpora and clocks."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from strokesynth import Ink
from strokesynth.alphabet import Alphabet
from strokesynth.datasets import Label, Sample
from strokesynth.datasets.corpus import Corpus
from strokesynth.evaluation.synthesis import Options
from strokesynth.nn.recognition import RecognitionConfig, RecognitionNetwork
from strokesynth.nn.style_encoder import StyleConfig, StyleVectors
from strokesynth.nn.styled import StyledConfig, StyledNetwork
from strokesynth.nn.synthesis import PredictionConfig, PredictionNetwork, SynthesisConfig, SynthesisNetwork
from strokesynth.nn.weights import save_weights
from strokesynth.recognition.features import FEATURES
from strokesynth.recognition.recognizer import Recognizer, load_recognizer


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
    config = RecognitionConfig(features=FEATURES, hidden_size=16, layers=2, heads=2, front_size=8)
    network = RecognitionNetwork(config).eval()
    with torch.no_grad():
        # So that it says something, and something else at each place, though nothing sensible.
        network.fine.weight *= 3
        network.coarse.weight *= 3
        network.output.weight *= 12
    save_weights(path, network, "recognition", Alphabet(), "untrained")
    return path


BLANK = 1.5
POINTS = 6


class Typewriter:
    """Writes each character as a zigzag between the baseline and its height, side by side.

    Widths differ from one writing of a character to the next, so that nobody can know them beforehand.
    """

    alphabet = Alphabet()

    def __init__(self):
        self.batches = []  # texts, as they came

    def proofreader(self, proofread, candidates=None, limit=None):
        return None

    def write(self, text, **options):
        return self.write_lines([text], **options)[0]

    def write_lines(self, texts, *, bias=None, style=None, seed=None, **_):
        self.batches.append(list(texts))
        rng = np.random.default_rng(seed)
        return [type_line(text, rng) for text in texts]


def type_line(text, rng):
    strokes, characters, x = [], [], 0.0
    for k, c in enumerate(text):
        if c == " ":
            x += BLANK
            continue
        width = rng.uniform(0.5, 1.1)
        top = 2.0 if c.isupper() or c in "bdfhklt" else 1.0
        low = 0.7 if c in "gjpqy" else 0.0
        y = np.resize([low, -top], POINTS)
        strokes.append(np.column_stack([np.linspace(x, x + width, POINTS), y]))
        characters.append([k] * POINTS)
        x += width + 0.1
    return Ink.from_strokes(strokes, text, characters)


def random_ink(seed: int = 0, lengths: tuple[int, ...] = (9, 1, 2, 30), unit: float = 1.0) -> Ink:
    rng = np.random.default_rng(seed)
    strokes = [
        unit * (rng.normal(scale=0.1, size=(n, 2)).cumsum(axis=0) + [1.5 * i, rng.uniform(-1, 1)])
        for i, n in enumerate(lengths)
    ]
    text = 'A <b> & "\u00e9"'
    return Ink.from_strokes(strokes, text, [rng.integers(0, len(text), n) for n in lengths])


LAUGHS = '<!DOCTYPE a [<!ENTITY l0 "ha">' + "".join(
    f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9)
)


def writing(letters=8, seed=0):
    """A row of separate up-and-down strokes."""
    rng = np.random.default_rng(seed)
    up = np.linspace(0, -1, 8)
    strokes = []
    for k in range(letters):
        x = 1.2 * k + np.linspace(0, 0.8, 24)
        y = np.concatenate([up, up[::-1], up * rng.uniform(0.9, 2.0)])
        strokes.append(np.column_stack([x, y]))
    return Ink.from_strokes(strokes)


# --- what cannot be read --------------------------------------------------------------------------------


def stacked(count=3):
    return Ink.from_strokes(
        [s + np.float32([0, 4 * k]) for k in range(count) for s in writing(20, k).strokes]
    )


TINY = Options(
    lines=3,
    per_character=2,
    characters="aQ7#",
    biases=(0.0, 1.0),
    writings=1,
    styles=("plain",),
    real_lines=5,
    validation_lines=2,
    rounds=1,
)


def random_frames(*shape: int, seed: int, sharpness: float = 1.5) -> np.ndarray:
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.log_softmax(sharpness * noise, dim=-1).numpy()


def padded_batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    logits = torch.randn(8, 4, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    codes = torch.tensor([[1, 2, 3], [2, 2, 0], [3, 0, 0], [1, 1, 1]])
    lengths, code_lengths = torch.tensor([8, 6, 5, 4]), torch.tensor([3, 2, 1, 3])
    return logits, lengths, codes, code_lengths  # the last has 4 frames and needs 5


class Regression:
    """A task small enough to follow: y = 3 x, one batch a key."""

    name = "regression"
    unit = "apple"
    figures = ("valid_nats_per_point",)

    def __init__(self, stop_at: int | None = None, error: type[BaseException] = KeyboardInterrupt) -> None:
        torch.manual_seed(0)
        self.network: nn.Module = nn.Linear(1, 1)
        self.seen: list[tuple[int, int]] = []
        self.stop_at, self.error = stop_at, error

    def batches(self, epoch: int) -> list[Any]:
        return [(epoch, i) for i in np.random.default_rng(epoch).permutation(4).tolist()]

    def loss(self, network: nn.Module, key: tuple[int, int]) -> tuple[Tensor, int]:
        if self.stop_at is not None and len(self.seen) == self.stop_at:
            raise self.error
        self.seen.append(key)
        x = torch.rand(8, 1)  # the global random numbers must resume as well
        return ((network(x) - 3 * x) ** 2).sum(), 8

    def validate(self, network: nn.Module) -> dict[str, float]:
        x = torch.ones(1, 1)
        return {"valid_nats_per_point": float(((network(x) - 3) ** 2).sum())}

    def draw(self, network: nn.Module, folder: Path, step: int) -> None:
        (folder / f"drawn-{step}").touch()

    def save(self, network: nn.Module, path: Path, note: str) -> None:
        path.write_text(note)


class Clock:
    """Time that passes by one second at each look, so that runs are the same on every machine."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1.0
        return self.now


def ladder(slant=0.0, width=1.0, n=10) -> Ink:
    """Letters l of two x-heights, each one stroke."""
    strokes = [[(k * width + 2 * slant, -2), (k * width, 0)] for k in range(n)]
    return Ink.from_strokes(strokes, "l" * n)


def zigzag_corpus() -> Corpus:
    """Texts of a and b: each a one zigzag up, each b one down."""
    rng = np.random.default_rng(4)
    samples = []
    for number in range(24):
        text = "".join(rng.choice(["a", "b"], 4))
        heights = np.array([[0, -1.0 if c == "a" else 1.0] for c in text]).ravel()
        stroke = np.stack([np.arange(8) * 0.5, heights], axis=1).astype(np.float32)
        split = "testset_v" if number < 4 else "trainset"
        samples.append(Sample(Ink.from_strokes([stroke]), Label(text, "w", split, "iam", str(number))))
    return Corpus.from_samples(samples, "generation")


def styled_network() -> StyledNetwork:
    """A styled network with a prior, untrained, in which styles make a difference."""
    torch.manual_seed(0)
    style = StyleConfig(hand_size=5, character_size=6, channels=8, heads=2)
    network = StyledNetwork(StyledConfig(SynthesisConfig(16, 4, 3, Alphabet().size), style, 4)).eval()
    network.pen.load_state_dict(
        {
            **network.pen.state_dict(),
            "offset_mean": torch.tensor([0.15, 0.0]),
            "offset_std": torch.tensor([0.2, 0.1]),
        }
    )
    with torch.no_grad():
        network.pen.first.b_p[6:] = np.log(0.3)
        network.pen.output.bias[1:] *= 0.1
        for parameter in network.hand.parameters():
            parameter.normal_(0, 0.05)
        for weight, columns in network._style_columns():
            weight[:, columns].normal_(0, 0.05)
    styles = StyleVectors(torch.randn(20, 5), torch.randn(20, Alphabet().size, 6))
    network.prior.fit(styles)
    return network


@functools.cache
def recognizer() -> Recognizer:
    """A reader with untrained weights."""
    with tempfile.TemporaryDirectory() as folder:
        return load_recognizer(save_recognition(Path(folder) / "reader.safetensors"))


def recorded_letter(kind: str, width: float = 0.7) -> list[NDArray[np.float64]]:
    """Strokes of one of the letters l x n h o on the baseline y = 0, y down, x-height 1, 15 points a stroke."""
    t = np.linspace(0, 1, 15)[:, None]
    top = -1.8 if kind in "lh" else -1.0
    stem = np.hstack([0 * t, top * (1 - t)])
    arch = np.hstack([width * t, -np.sin(3.1416 * (0.15 + 0.85 * t)) * 1.0])
    strokes = {
        "l": [stem],
        "x": [np.hstack([width * t, t - 1]), np.hstack([width * t, -t])],
        "o": [np.hstack([width / 2 * (1 + np.cos(6.3 * t)), -0.5 + 0.5 * np.sin(6.3 * t)])],
        "n": [np.hstack([0 * t, -1 + t]), arch],
        "h": [stem, arch],
    }
    return strokes[kind]


def recorded_line(
    text: str,
    scale: float = 100.0,
    shift: tuple[float, float] = (900.0, 400.0),
    wobble: float = 0.02,
    seed: int = 0,
    blank: float = 1.0,
) -> Ink:
    """A line of text in the letters l x n h o, as a device with `scale` units an x-height records it."""
    rng = np.random.default_rng(seed)
    strokes, pen = [], 0.0
    for character in text:
        if character == " ":
            pen += blank
            continue
        for stroke in recorded_letter(character):
            strokes.append((stroke + [pen, 0] + rng.normal(0, wobble, stroke.shape)) * scale + shift)
        pen += 0.95
    return Ink.from_strokes([np.round(s) for s in strokes], text=text)


def hand_of_loops(slant, height, rng):
    """Loops with a slant and a height of their own: a hand that no one could mistake."""
    t = np.linspace(0.0, 2 * np.pi, 14)
    strokes, x = [], 0.0
    for _ in range(int(rng.integers(5, 9))):
        width = rng.uniform(0.6, 1.2)
        y = -0.5 * height * (1 - np.cos(t))
        strokes.append(np.column_stack([x + width * np.sin(t) - slant * y, y]))
        x += width + 1.0
    return Ink.from_strokes(strokes)


def hands_corpus(writers=24, lines=6):
    """Lines of so many writers, of whom six are held out."""
    rng = np.random.default_rng(0)
    samples = []
    for w in range(writers):
        hand = rng.uniform(-0.6, 0.9), rng.uniform(0.7, 3.0)
        for i in range(lines):
            # Two of those who are held out go by another name in the training split as well.
            other = w < 2 and i >= lines // 2
            name = f"cee:w{w}" if other else f"ced:w{w}"
            split = "testset_v" if w < 6 and not other else "trainset"
            source = ("unipen-text", "unipen-words")[i % 2]
            samples.append(
                Sample(hand_of_loops(*hand, rng), Label("ooo ooo ooo ooo", name, split, source, f"{w}/{i}"))
            )
    samples.append(
        Sample(
            hand_of_loops(0, 1, rng),
            Label("ooo ooo ooo ooo", "form:a01-000u", "trainset", "iam", "a01-000u-01"),
        )
    )
    samples += [
        Sample(
            hand_of_loops(0, 1, rng), Label("ooo ooo ooo ooo", "ced:few", "trainset", "unipen-text", "few")
        )
    ] * 2
    samples += [
        Sample(hand_of_loops(0, 1, rng), Label("ooo ooo ooo ooo", "ced:w9", "trainset", "composed", "c"))
    ] * 5
    return Corpus.from_samples(samples, "generation")
