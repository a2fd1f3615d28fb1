"""Which samples of a corpus a task trains on, how often an epoch has each, and which it is validated on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strokesynth.datasets.corpus import Corpus, spread

Ints = NDArray[np.int64]


class Split(NamedTuple):
    """Indices (ascending) into a corpus."""

    training: Ints
    repeats: NDArray[np.float64]  # how often an epoch has each sample of `training`, on average
    held_out: Ints


def split_corpus(
    corpus: Corpus,
    validation: Sequence[str],
    *,
    repeats: Mapping[str, float] | None = None,
    train: Sequence[str] | None = None,
    persons: NDArray[np.int64] | None = None,
) -> Split:
    """The samples to train on and those that are held out for validation.

    validation: the splits that are held out. repeats: how often an epoch has each source, 1 where it is not named.
    train: the splits to train on; None takes all that are not held out. persons: (N,) who wrote each sample; whoever
    has a sample that is held out is then not trained on at all.

    Raises ValueError for an unknown source in `repeats`, an unknown split in `train`, or where no sample is left on
    one of the two sides.
    """
    if train is not None:
        corpus.select(train)  # names those it does not have
    held_out = np.isin(corpus.splits, list(validation))
    wanted = ~held_out if persons is None else ~np.isin(persons, persons[held_out])
    if train is not None:
        wanted &= np.isin(corpus.splits, list(train))
    training = np.flatnonzero(wanted)
    times = source_repeats(corpus, training, repeats)
    if not held_out.any() or not len(training):
        found = sorted(set(corpus.splits.tolist()))
        raise ValueError(f"of the splits {found} validation takes {list(validation)}: one side is empty")
    return Split(training, times, np.flatnonzero(held_out))


def source_repeats(corpus: Corpus, indices: Ints, repeats: Mapping[str, float] | None) -> NDArray[np.float64]:
    """How often an epoch has each of these samples (n,), by their sources. Raises ValueError for an unknown source."""
    known = set(corpus.sources.tolist())
    if unknown := set(repeats or {}) - known:
        raise ValueError(f"no source {sorted(unknown)} in the corpus; it has {sorted(known)}")
    return np.array([(repeats or {}).get(source, 1.0) for source in corpus.sources[indices].tolist()])


def by_source(corpus: Corpus, indices: Ints, most: int) -> dict[str, Ints]:
    """Of each source among these samples at most so many, evenly spread."""
    sources = corpus.sources[indices]
    return {source: spread(indices[sources == source], most) for source in dict.fromkeys(sources.tolist())}
