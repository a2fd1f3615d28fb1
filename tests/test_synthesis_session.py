"""A session writes each line in its own hand, whatever is written beside it."""

import numpy as np
import pytest
import torch
from makers import synthesis_network

from strokesynth import Ink
from strokesynth.alphabet import Alphabet
from strokesynth.synthesis import session as session_module
from strokesynth.synthesis.pieces import put_together
from strokesynth.synthesis.proofread import ROUNDS, Proofreader
from strokesynth.synthesis.session import Seeds, Session, WritingHand
from strokesynth.synthesis.spelling import spell

PRIME = Ink.from_strokes([[[0, 0], [0.4, -1], [0.8, 0]], [[1.0, -0.5], [1.5, 0.1]]], "Ab")
TEXTS = ["one", "two", "three"]


@pytest.fixture(scope="module")
def networks():
    one, other = synthesis_network(), synthesis_network()
    with torch.no_grad():
        other.offset_mean[0] *= 2.0
    return one, other


@pytest.fixture
def batches(monkeypatch):
    """What `sample_lines` is called with: the network, the texts and the text of the prime."""
    calls, alphabet = [], Alphabet()
    real = session_module.sample_lines

    def sample_lines(network, codes, seeds, *, bias, prime=None, styles=None):
        primed = None if prime is None else alphabet.decode(prime[1])
        calls.append((network, [alphabet.decode(code) for code in codes], primed))
        return real(network, codes, seeds, bias=bias, prime=prime)

    monkeypatch.setattr(session_module, "sample_lines", sample_lines)
    monkeypatch.setattr(session_module, "collapsed", lambda line: False)  # untrained networks scribble
    return calls


def write(hands, texts=TEXTS, reader=None):
    session = Session(Alphabet(), 1.0, Seeds.of(5), reader)
    lines = session.write([spell(text, Alphabet()) for text in texts], hands)
    return [put_together(line)[0] for line in lines]


def same(a, b):
    return a.text == b.text and np.allclose(a.to_offsets(), b.to_offsets(), atol=1e-3)


def test_each_line_is_written_by_the_network_of_its_hand(networks, batches):
    one, other = networks
    mixed = write([WritingHand(one), WritingHand(other), WritingHand(one)])
    assert batches == [(one, ["one", "three"], None), (other, ["two"], None)]
    by_one, by_other = (write([WritingHand(network) for _ in TEXTS]) for network in networks)
    assert same(mixed[0], by_one[0]) and same(mixed[1], by_other[1]) and same(mixed[2], by_one[2])
    assert not same(by_one[1], by_other[1])


def test_lines_of_one_hand_follow_its_longest_and_those_of_others_do_not(networks, batches):
    one, other = networks
    hand = WritingHand(one)
    write([hand, WritingHand(other), hand, WritingHand(one, PRIME)], [*TEXTS, "four"])
    assert batches == [
        (one, ["three"], None),
        (other, ["two"], None),
        (one, [" one"], "three"),
        (one, [" four"], "Ab"),
    ]


def test_the_transform_of_a_hand_is_given_to_its_lines_alone(networks, batches):
    matrix = np.array([[2.0, -0.3, 0.0], [0.0, 1.0, 0.0]])
    network = networks[0]
    plain = write([WritingHand(network) for _ in TEXTS])
    shaped = write([WritingHand(network), WritingHand(network, transform=matrix), WritingHand(network)])
    assert (plain[0], plain[2]) == (shaped[0], shaped[2])
    expected = plain[1].transform(matrix)
    expected = expected.translate(-expected.bounds[0], 0.0)
    np.testing.assert_allclose(np.concatenate(shaped[1].strokes), np.concatenate(expected.strokes), atol=1e-4)


def test_words_are_repaired_in_the_hand_of_their_line(networks, batches):
    class NeverContent(Proofreader):
        def word_nlls(self, texts, inks):
            return [np.full(len(text.split()), 9.0) for text in texts]

    one, other = networks
    hands = [WritingHand(one, PRIME), WritingHand(other, PRIME)]
    write(hands, ["first line", "other words"], NeverContent(candidates=2))
    expected = [(one, [" first line"] * 2, "Ab")] * (1 + ROUNDS)
    expected += [(other, [" other words"] * 2, "Ab")] * (1 + ROUNDS)
    assert batches == expected


def test_seeds_are_those_of_the_call():
    assert Seeds.of(3) == Seeds.of(3) != Seeds.of(4)
    assert Seeds.of(None) != Seeds.of(None)
    assert Seeds.of(3).free() == Seeds(3).free() != Seeds.of(3).repair(0, 0, 0)
    with pytest.raises(ValueError, match="seed is -1"):
        Seeds.of(-1)
