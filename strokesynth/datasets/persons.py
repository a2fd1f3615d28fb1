"""Who wrote a line, and on what occasion: a corpus may have one person under several names."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from strokesynth.datasets.corpus import HELD_OUT, Corpus
from strokesynth.datasets.sample import IAM, UNKNOWN_WRITER

_SAME_PEOPLE = {"cee": "ced", "apb": "apa", "apc": "apa", "apd": "apa", "ape": "apa"}
_SITTING = re.compile(r"_\d$")


def person(writer: str) -> str:
    """Return the person behind a corpus's name of a writer: the same for all of that person's names.

    In UNIPEN a writer is ``contributor:name``, and the same people appear in the parts of several contributors
    (``ced:`` and ``cee:``, ``apa:`` to ``ape:``) and, in the latter, in several sittings (``apd:Name_1``, ``_2``).
    """
    contributor, colon, name = writer.partition(":")
    if not colon:
        return writer
    if re.fullmatch("ap[a-e]", contributor):
        name = _SITTING.sub("", name)
    return f"{_SAME_PEOPLE.get(contributor, contributor)}:{name}"


def is_known(writer: str) -> bool:
    """Whether it is known who wrote: a form of IAM-OnDB without a writer may be by anyone, also by another writer."""
    return not writer.startswith(UNKNOWN_WRITER)


def sitting(source: str, identifier: str) -> str:
    """Return the occasion on which a sample was written.

    It is a form of IAM-OnDB; of UNIPEN only the kind of recording is known.
    """
    return identifier.rpartition("-")[0] if source == IAM else source


def held_out_people(corpus: Corpus, splits: Sequence[str] = HELD_OUT) -> frozenset[str]:
    """Return the people with a sample in these splits: to hold them out, hold out what they wrote under any name."""
    return frozenset(person(str(w)) for w in np.unique(corpus.writers[np.isin(corpus.splits, list(splits))]))
