"""Written lines read and scored."""

import json
from random import Random

import numpy as np
import pytest
from makers import save_recognition, save_synthesis

from strokesynth import Ink
from strokesynth.evaluation import legibility
from strokesynth.evaluation.legibility import Legibility, kind_of, read_lines, recognised, worst, write_lines
from strokesynth.recognition.recognizer import load_recognizer
from strokesynth.synthesis.session import SynthesisError
from strokesynth.synthesis.synthesizer import load_synthesizer

TEXTS = ["some words", "a", "other ones here", "words", "and these"]


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    return load_synthesizer(save_synthesis(tmp_path_factory.mktemp("weights") / "synthesis.safetensors"))


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    return load_recognizer(save_recognition(tmp_path_factory.mktemp("weights") / "recognition.safetensors"))


# --- writing and reading ----------------------------------------------------------------------------------


def test_each_text_gets_its_ink(writer):
    moves = []
    inks = write_lines(writer, TEXTS, seed=1, label="x", progress=moves.append)
    assert [ink.text for ink in inks] == TEXTS
    assert sum(moves) == len(TEXTS)


def test_the_arguments_alone_decide(writer):
    inks = write_lines(writer, TEXTS, seed=1, label="x")
    assert write_lines(writer, TEXTS, seed=1, label="x") == inks
    assert all(a != b for a, b in zip(write_lines(writer, TEXTS, seed=2, label="x"), inks))
    assert all(a != b for a, b in zip(write_lines(writer, TEXTS, seed=1, label="y"), inks))


class Fails:
    """Writes nothing with a q in it."""

    def __init__(self):
        self.calls = []

    def write_lines(self, texts, **options):
        self.calls.append((list(texts), options))
        if any("q" in text for text in texts):
            raise SynthesisError("no end")
        return [Ink.from_strokes([[[0, 0], [1, 1]]], text) for text in texts]


def test_a_line_that_fails_does_not_take_others_with_it():
    writer = Fails()
    inks = write_lines(
        writer, ["one", "queue", "two"], seed=1, label="x", bias=0.5, style="plain", proofread=True
    )
    assert [ink and ink.text for ink in inks] == ["one", None, "two"]
    assert [texts for texts, _ in writer.calls] == [["one", "two", "queue"], ["one"], ["two"], ["queue"]]
    assert all(o["bias"] == 0.5 and o["style"] == "plain" and o["proofread"] for _, o in writer.calls)


def test_many_lines_are_written_some_at_a_time():
    writer = Fails()
    texts = [("w" * (1 + k % 7)) for k in range(150)]
    assert [ink.text for ink in write_lines(writer, texts, seed=1, label="x")] == texts
    assert [len(of) for of, _ in writer.calls] == [64, 64, 22]
    assert len({options["seed"] for _, options in writer.calls}) == 3


def test_reading(reader, writer):
    inks = write_lines(writer, TEXTS, seed=1, label="x")
    dot = Ink.from_strokes([[[3, 3]]])
    moves = []
    found = read_lines(reader, [None, *inks, dot], progress=moves.append)
    assert found == ["", *(r.text for r in reader.read_lines(inks)), ""]
    assert any(found) and sum(moves) == len(TEXTS) + 2


# --- scores -----------------------------------------------------------------------------------------------


def test_a_score():
    score = Legibility.of(["abcd", "one two", "xy"], ["abcd", "one  twp", "x"])
    assert (score.cer.edits, score.cer.length, score.wer.edits, score.wer.length) == (2, 13, 2, 4)
    assert score.lines == 3 and score.failed == 0  # exactly half is not more than half
    found = json.loads(json.dumps(score.to_dict()))
    assert found["cer"]["rate"] == pytest.approx(2 / 13) and found["wer"]["rate"] == 0.5
    assert found["cer"]["low"] <= 2 / 13 <= found["cer"]["high"]
    assert Legibility.of(["abcd", "abc"], ["a", "abd"]).to_dict()["failed_share"] == 0.5


def test_insertions_fail_a_line_too():
    assert Legibility.of(["ab"], ["abcd"]).failed == 1


def test_the_worst_come_first():
    texts, readings = ["aaaa", "bb", "cccc", "dd"], ["aaaa", "bx", "xxxx", "ddd"]
    assert worst(texts, readings, 10) == [2, 1, 3]
    assert worst(texts, readings, 1) == [2]


def test_kinds_of_real_lines():
    assert kind_of('It\'s "so" - (well); no: yes!?') == "letters"
    assert kind_of("on 3 May, at 10:45") == "digits"
    assert kind_of("100 %") == kind_of("a@b.de") == kind_of("and/or") == "symbols"


def kept(written, read):
    """For each character, whether some and whether every shortest sequence of edits leaves it: by plain loops."""
    n, m = len(written), len(read)

    def distances(a, b):
        table = np.zeros((len(a) + 1, len(b) + 1), int)
        for i in range(len(a) + 1):
            for j in range(len(b) + 1):
                ways = [0] if i == j == 0 else []
                if i:
                    ways.append(table[i - 1, j] + 1)
                if j:
                    ways.append(table[i, j - 1] + 1)
                if i and j:
                    ways.append(table[i - 1, j - 1] + (a[i - 1] != b[j - 1]))
                table[i, j] = min(ways)
        return table

    before = distances(written, read)
    after = distances(written[::-1], read[::-1])[::-1, ::-1]
    best = before[n, m]
    result = []
    for i in range(n):
        stays = any(written[i] == read[j] and before[i, j] + after[i + 1, j + 1] == best for j in range(m))
        goes = any(before[i, j] + 1 + after[i + 1, j] == best for j in range(m + 1)) or any(
            written[i] != read[j] and before[i, j] + 1 + after[i + 1, j + 1] == best for j in range(m)
        )
        result.append((stays, stays and not goes))
    return result


def test_recognised_against_every_alignment():
    rng = Random(0)
    sure = 0
    for _ in range(200):
        written, heard = ("".join(rng.choices("abc", k=rng.randint(1, 7))) for _ in range(2))
        found = [recognised(written, i, heard) for i in range(len(written))]
        for is_right, (some, every) in zip(found, kept(written, heard), strict=True):
            assert every <= is_right <= some
            sure += every == some
    assert sure > 300


def test_recognised():
    assert recognised("room #57", 5, "room #57") and not recognised("room #57", 5, "room 457")
    assert recognised("room #57", 6, "nom  #57 ")
    assert not recognised("a", 0, "")
    with pytest.raises(ValueError, match="index is 3; 'abc' has 3 characters"):
        recognised("abc", 3, "abc")
    with pytest.raises(ValueError, match="do not count"):
        recognised("a  b", 0, "a b")


def test_half_is_the_limit():
    assert legibility.FAILED == 0.5
