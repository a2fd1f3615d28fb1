"""Which lines are trained on and which are held out."""

import numpy as np
import pytest

from strokesynth.datasets import Label, Sample
from strokesynth.datasets.corpus import Corpus
from strokesynth.ink import Ink
from strokesynth.training.splits import by_source, source_repeats, split_corpus

INK = Ink.from_strokes([np.array([[0.0, -1.0], [1.0, 0.0]])])
SPLITS = ["train", "valid", "train", "other", "valid", "train"]
SOURCES = ["iam", "iam", "unipen", "iam", "unipen", "iam"]


@pytest.fixture(scope="module")
def corpus():
    columns = enumerate(zip(SPLITS, SOURCES, strict=True))
    return Corpus.from_samples((Sample(INK, Label("a", "w", *of, str(i))) for i, of in columns), "generation")


def test_what_is_not_held_out_is_trained_on(corpus):
    training, repeats, held_out = split_corpus(corpus, ["valid"], repeats={"unipen": 2.5})
    assert training.tolist() == [0, 2, 3, 5] and held_out.tolist() == [1, 4]
    assert repeats.tolist() == [1.0, 2.5, 1.0, 1.0]


def test_named_splits_and_persons(corpus):
    assert split_corpus(corpus, ["valid"], train=["train", "valid"]).training.tolist() == [0, 2, 5]
    # The person of sample 1, which is held out, wrote sample 5 as well.
    persons = np.array([0, 1, 2, 3, 4, 1])
    assert split_corpus(corpus, ["valid"], persons=persons).training.tolist() == [0, 2, 3]


def test_lines_of_each_source(corpus):
    found = by_source(corpus, np.array([0, 1, 2, 3, 5]), 3)
    assert {source: lines.tolist() for source, lines in found.items()} == {"iam": [0, 3, 5], "unipen": [2]}
    assert by_source(corpus, np.zeros(0, np.int64), 3) == {}


def test_bad_calls(corpus):
    for call in (split_corpus, source_repeats):
        with pytest.raises(ValueError, match=r"no source \['songs'\].*\['iam', 'unipen'\]"):
            call(
                corpus, np.array(["valid"]) if call is split_corpus else np.arange(2), repeats={"songs": 1.0}
            )
    with pytest.raises(ValueError, match="no split songs"):
        split_corpus(corpus, ["valid"], train=["songs"])
    for validation in (["songs"], ["train", "valid", "other"]):
        with pytest.raises(ValueError, match="one side is empty"):
            split_corpus(corpus, validation)
