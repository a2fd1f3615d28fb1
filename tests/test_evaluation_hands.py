"""Whose hand generated lines are in, beside real lines of the same people."""

import numpy as np
import pytest
import torch
from makers import hands_corpus, recognizer, styled_network, synthesis_network

from strokesynth.alphabet import Alphabet
from strokesynth.datasets.persons import person, sitting
from strokesynth.evaluation.hands import HandOptions, assess_hands
from strokesynth.nn.weights import Weights
from strokesynth.nn.writers import WriterConfig, WriterNetwork
from strokesynth.synthesis.synthesizer import Synthesizer
from strokesynth.training.writer_identity import WriterJudge, held_out_lines, identify, make_gallery

OPTIONS = HandOptions(references=(1, 2), biases=(0.5,), lines=1)


def judge():
    torch.manual_seed(0)
    return WriterJudge(WriterNetwork(WriterConfig(hidden_size=16, blocks=1, heads=2, embedding_size=8)))


def writer(network, task):
    return Synthesizer(Weights(network, task, Alphabet(), ""))


def test_real_lines_are_judged_as_the_judge_does_and_generated_ones_beside_them():
    corpus, told = hands_corpus(), []
    synthesizer = writer(styled_network(), "styled_handwriting")
    found = assess_hands(synthesizer, judge(), recognizer(), corpus, OPTIONS, told.append)
    assert told == ["real lines", "1 reference lines, bias 0.5", "2 reference lines, bias 0.5"]
    real, one, two = found["hands"]
    assert (real["references"], real["bias"], one["references"], two["references"]) == (0, None, 1, 2)
    indices = held_out_lines(corpus)
    people = [person(str(corpus.writers[i])) for i in indices]
    sittings = [sitting(str(corpus.sources[i]), str(corpus.ids[i])) for i in indices]
    embeddings = judge().embed([corpus.offsets(int(i)) for i in indices])
    gallery = make_gallery(embeddings, people, sittings, 3, queries=40)
    kept = [np.array_split(rest, 2)[1][:1] for rest in gallery.queries]
    owners = np.repeat(np.arange(len(kept)), [len(rest) for rest in kept]).tolist()
    expected = identify(gallery.centres, embeddings[np.concatenate(kept)], owners, references=3)
    assert real["top1"] == expected.top1 and real["own_cosine"] == pytest.approx(expected.own_cosine)
    assert real["people"] == one["people"] == len(gallery.people) and one["lines"] == len(gallery.people)
    assert found["options"]["references"] == (1, 2)
    again = assess_hands(synthesizer, judge(), recognizer(), corpus, OPTIONS)
    assert repr(again) == repr(found)  # a distance within people who have one line is nan


def test_what_cannot_be_assessed():
    plain = writer(synthesis_network(), "conditional_handwriting")
    with pytest.raises(ValueError, match="a network that knows styles; this one does not"):
        assess_hands(plain, judge(), recognizer(), hands_corpus())
    for options in ({"references": ()}, {"references": (0,)}, {"lines": 0}):
        with pytest.raises(ValueError, match="expected numbers of at least 1"):
            HandOptions(**options)
