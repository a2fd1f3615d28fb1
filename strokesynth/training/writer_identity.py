"""Whose hand a line is: people under all their names, a judge that tells them apart, and how well lines are told.

The judge is a network of its own (`strokesynth.nn.writers`), trained on training writers alone; nothing that writes
learns from it. It answers two questions of evaluation: verification (are these lines by one person?) and
identification (which of these people wrote this line?), for real lines and for generated ones beside them.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from strokesynth.datasets.corpus import HELD_OUT, Corpus
from strokesynth.datasets.persons import held_out_people, is_known, person, sitting
from strokesynth.datasets.sample import IAM, UNIPEN_TEXT, UNIPEN_WORDS
from strokesynth.ink import Ink
from strokesynth.ink.normalize import normalize
from strokesynth.nn.weights import load_weights
from strokesynth.nn.writers import WriterNetwork
from strokesynth.training.writer_features import path_features, pen_path

Floats = NDArray[np.floating]
Ints = NDArray[np.int64]

SOURCES = (IAM, UNIPEN_TEXT, UNIPEN_WORDS)
"""Sources of lines that people wrote as a whole; lines composed of single characters say little about a hand."""

LEAST_CHARACTERS = 12
"""A line with fewer characters is too short to judge a hand by."""

_TOGETHER = 32  # lines that are embedded at a time


class WriterJudge:
    """Tells hands apart. `WriterJudge.load(path)` reads what ``train.py --task writer_verification`` made."""

    def __init__(self, network: nn.Module) -> None:
        """The network must have been trained already."""
        self.network = network.eval()

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: str | torch.device = "cpu") -> WriterJudge:
        """Read the weights; raises as `load_weights` does, and ValueError where they are of another task."""
        weights = load_weights(path, device)
        if not isinstance(weights.network, WriterNetwork):
            raise ValueError(
                f"{os.fspath(path)!r} holds weights for {weights.task}; expected writer_verification"
            )
        return cls(weights.network)

    def embed(self, lines: Sequence[Ink | Floats]) -> NDArray[np.float32]:
        """One vector of unit length for each line (n, D); lines of one person point the same way.

        A line is ink of any device, which is normalised first, or normalised offsets (m, 3) as a corpus holds them.
        """
        return embed(self.network, [pen_path(_offsets(line)) for line in lines])


def embed(network: nn.Module, paths: Sequence[Floats]) -> NDArray[np.float32]:
    """Embeddings (n, D) of lines given by their pen's way (see `strokesynth.training.writer_features.pen_path`)."""
    return _each(network, cast(WriterNetwork, network).forward, paths)


def settle(network: nn.Module, paths: Sequence[Floats]) -> None:
    """Make these lines those by which embeddings are centred, see `WriterNetwork.settle`."""
    judge = cast(WriterNetwork, network)
    judge.settle(torch.from_numpy(_each(judge, judge.outputs, paths)).to(judge.feature_mean.device))


def _each(
    network: nn.Module, read: Callable[[Tensor, Tensor], Tensor], paths: Sequence[Floats]
) -> NDArray[np.float32]:
    judge = cast(WriterNetwork, network)
    device = judge.feature_mean.device
    result = np.zeros((len(paths), judge.config.embedding_size), np.float32)
    order = sorted(range(len(paths)), key=lambda i: len(paths[i]))
    for start in range(0, len(order), _TOGETHER):
        part = order[start : start + _TOGETHER]
        rows, lengths = stack([path_features(paths[i].astype(np.float32)) for i in part])
        with torch.no_grad():
            result[part] = read(rows.to(device), lengths.to(device)).float().cpu().numpy()
    return result


def stack(lines: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Features (n, F) of lines side by side, padded with zeros (T, B, F), and their lengths (B,)."""
    lengths = [len(line) for line in lines]
    rows = np.zeros((max(lengths), len(lines), lines[0].shape[1]), np.float32)
    for column, line in enumerate(lines):
        rows[: len(line), column] = line
    return torch.from_numpy(rows), torch.tensor(lengths)


def _offsets(line: Ink | Floats) -> Floats:
    return normalize(line).to_offsets() if isinstance(line, Ink) else line


def centre(embeddings: Floats) -> Floats:
    """The mean of the embeddings (n, D) of several lines, made of unit length, (D,)."""
    mean = np.asarray(embeddings, np.float64).mean(0)
    return mean / max(float(np.linalg.norm(mean)), 1e-12)


def score(some: Floats, others: Floats) -> float:
    """The cosine, from -1 to 1, of the means of some lines (n, D) and others (m, D): high if one person wrote them."""
    return float(centre(some) @ centre(others))


def equal_error_rate(own: Floats, others: Floats) -> float:
    """The share of wrong answers at the threshold at which pairs of one person fail as often as pairs of two.

    own: scores (n,) of pairs by one person; others: (m,) of pairs by two. Where no threshold makes the two shares
    equal, it is the mean of the two where they are nearest. Raises ValueError where one side is empty.
    """
    own, others = np.sort(np.asarray(own, np.float64)), np.sort(np.asarray(others, np.float64))
    if not len(own) or not len(others):
        raise ValueError(
            f"expected scores of both kinds; got {len(own)} of one person and {len(others)} of two"
        )
    thresholds = np.unique(np.concatenate([own, others, [np.inf]]))
    rejected = np.searchsorted(own, thresholds) / len(own)  # below the threshold, though by one person
    accepted = 1.0 - np.searchsorted(others, thresholds) / len(others)
    nearest = np.argmin(np.abs(rejected - accepted))
    return float(rejected[nearest] + accepted[nearest]) / 2


@dataclass(frozen=True)
class Verification:
    """How well it was told whether one person wrote both `size` lines and `size` others."""

    size: int
    equal_error: float
    own_cosine: float
    other_cosine: float
    own_pairs: int
    other_pairs: int


def verify(
    embeddings: Floats,
    people: Sequence[str],
    sittings: Sequence[str],
    *,
    size: int = 3,
    sets: int = 8,
    seed: int = 0,
) -> Verification:
    """Compare sets of `size` lines of one sitting with all other sets: those of the same person and those of others.

    Sets of one person are compared only where they are of different sittings; with only one sitting known, they are
    different lines of it. At most `sets` sets of a person count, in turn from all sittings, so that
    nobody counts for much more than others. Raises ValueError where this leaves no pair of one kind.
    """
    groups: list[tuple[str, str, Floats]] = []
    for who, occasions in _by_person(people, sittings, seed).items():
        parts = [
            (who, occasion, centre(embeddings[lines[start : start + size]]))
            for start in range(0, max(map(len, occasions.values())), size)
            for occasion, lines in occasions.items()
            if start + size <= len(lines)
        ]
        groups += parts[:sets]
    if not groups:
        raise ValueError(f"nobody has {size} lines of one sitting")
    whose = np.array([group[0] for group in groups])
    several = {who for who in whose if len({g[1] for g in groups if g[0] == who}) > 1}
    when = np.array([g[1] if g[0] in several else str(i) for i, g in enumerate(groups)])
    centres = np.stack([group[2] for group in groups])
    cosines = centres @ centres.T
    pair = np.triu(np.ones(cosines.shape, bool), 1)
    same = whose[:, None] == whose
    own, others = cosines[pair & same & (when[:, None] != when)], cosines[pair & ~same]
    error = equal_error_rate(own, others)
    return Verification(size, error, float(own.mean()), float(others.mean()), len(own), len(others))


@dataclass(frozen=True)
class Identification:
    """How lines were attributed to people who are known by some reference lines each.

    top1, top5: shares of lines whose writer came first, or among the first five. own_cosine, other_cosine: means
    of a line's score with its writer's references and with those of the others.
    """

    references: int
    top1: float
    top5: float
    own_cosine: float
    other_cosine: float
    lines: int
    people: int


def identify(
    gallery: Floats, queries: Floats, owners: Sequence[int], *, references: int = 1
) -> Identification:
    """Attribute lines (n, D) to the people of a gallery (W, D), who are the `centre` of their references each.

    owners: (n,) who really wrote each line, or who was to be imitated, as a row of the gallery. `references` only
    says how many lines each person is known by. Raises ValueError on shapes that do not fit, or without lines.
    """
    queries, index = np.asarray(queries, np.float64), np.asarray(owners, np.int64)
    if not len(queries) or index.shape != queries.shape[:1]:
        raise ValueError(f"expected lines and the owner of each; got {queries.shape} and {index.shape}")
    if len(gallery) < 2 or index.min() < 0 or index.max() >= len(gallery):
        raise ValueError(
            f"owners are rows of a gallery of two people or more; it has {len(gallery)}, and the owners go "
            f"from {index.min()} to {index.max()}"
        )
    cosines = queries @ np.asarray(gallery, np.float64).T
    own = cosines[np.arange(len(index)), index]
    better = (cosines > own[:, None]).sum(1)
    others = (cosines.sum(1) - own) / (len(gallery) - 1)
    return Identification(
        references,
        float((better < 1).mean()),
        float((better < 5).mean()),
        float(own.mean()),
        float(others.mean()),
        len(index),
        len(gallery),
    )


class Gallery(NamedTuple):
    """People known by some lines each, and other lines of theirs to attribute.

    people: W names. centres: (W, D), the `centre` of each one's references. references, queries: for each person,
    indices of the lines taken.
    """

    people: list[str]
    centres: Floats
    references: list[Ints]
    queries: list[Ints]


def make_gallery(
    embeddings: Floats,
    people: Sequence[str],
    sittings: Sequence[str],
    references: int,
    *,
    queries: int = 10,
    seed: int = 0,
) -> Gallery:
    """The gallery of everyone of these lines (n, D) who has more than `references` of them, in order of name.

    The references are of one sitting, as far as it has so many; the lines to attribute are of other sittings, or,
    of people with one sitting, other lines of it. Raises ValueError where fewer than two people have enough lines.
    """
    gallery = Gallery([], np.zeros((0, embeddings.shape[1])), [], [])
    for who, occasions in sorted(_by_person(people, sittings, seed).items()):
        order = [i for lines in occasions.values() for i in lines]
        if len(order) <= references:
            continue
        rest = order[references:]
        used = {sittings[i] for i in order[:references]}
        elsewhere = [i for i in rest if sittings[i] not in used]
        gallery.people.append(who)
        gallery.references.append(np.array(order[:references]))
        gallery.queries.append(np.array((elsewhere or rest)[:queries]))
    if len(gallery.people) < 2:
        raise ValueError(f"fewer than two people have more than {references} lines")
    return gallery._replace(centres=np.stack([centre(embeddings[lines]) for lines in gallery.references]))


def identify_real(
    embeddings: Floats,
    people: Sequence[str],
    sittings: Sequence[str],
    *,
    references: int,
    draws: int = 5,
    seed: int = 0,
) -> Identification:
    """`identify` on real lines (n, D), with references drawn anew `draws` times; see `make_gallery`."""
    found = []
    for draw in range(draws):
        gallery = make_gallery(embeddings, people, sittings, references, seed=seed + draw)
        owners = np.repeat(np.arange(len(gallery.people)), [len(rest) for rest in gallery.queries])
        lines = embeddings[np.concatenate(gallery.queries)]
        found.append(identify(gallery.centres, lines, owners.tolist(), references=references))
    names = ("top1", "top5", "own_cosine", "other_cosine")
    means = {name: float(np.mean([getattr(one, name) for one in found])) for name in names}
    return Identification(references, **means, lines=sum(one.lines for one in found), people=found[0].people)


def variety(embeddings: Floats, people: Sequence[str]) -> tuple[float, float]:
    """Mean distance (one minus cosine) between two lines of one person, and between lines of two people.

    Everyone counts the same, and so does every pair of people. The first is nan where nobody has two lines, the
    second where there is one person.
    """
    members = [np.flatnonzero(np.asarray(people) == who) for who in dict.fromkeys(people)]
    units = [np.asarray(embeddings[lines], np.float64) for lines in members]
    within = [
        1 - (np.square(u.sum(0)).sum() - np.square(u).sum()) / (len(u) * (len(u) - 1))
        for u in units
        if len(u) > 1
    ]
    means = np.stack([u.mean(0) for u in units])
    between = 1 - (means @ means.T)[np.triu_indices(len(means), 1)]
    return tuple(float(np.mean(x)) if len(x) else float("nan") for x in (within, between))  # type: ignore[return-value]


def _by_person(people: Sequence[str], sittings: Sequence[str], seed: int) -> dict[str, dict[str, list[int]]]:
    """The lines of each person by sitting, both sittings and lines in an order that the seed draws."""
    result: dict[str, dict[str, list[int]]] = defaultdict(dict)
    for i in np.random.default_rng(seed).permutation(len(people)).tolist():
        result[people[i]].setdefault(sittings[i], []).append(i)
    return dict(result)


def held_out_lines(
    corpus: Corpus, splits: Sequence[str] = HELD_OUT, sources: Sequence[str] = SOURCES
) -> Ints:
    """Indices of the lines to judge by: of people who are known and held out, under any of their names."""
    held_out = held_out_people(corpus, splits)
    chosen = np.array([is_known(str(w)) and person(str(w)) in held_out for w in corpus.writers], bool)
    chosen &= np.isin(corpus.sources, list(sources)) & (np.char.str_len(corpus.texts) >= LEAST_CHARACTERS)
    return np.flatnonzero(chosen)


def assess_real_lines(
    judge: WriterJudge, corpus: Corpus, indices: Ints | None = None, *, references: Sequence[int] = (1, 3, 10)
) -> dict[str, Any]:
    """What the judge makes of real lines (None: of the people held out): what generated ones are to be measured by.

    Verification of three lines against three of another sitting, in all and for each source; identification from
    so many reference lines; mean distances within and between people. All as JSON can hold it.
    """
    indices = held_out_lines(corpus) if indices is None else indices
    vectors = judge.embed([corpus.offsets(int(i)) for i in indices])
    people = [person(str(corpus.writers[i])) for i in indices]
    sources = corpus.sources[indices]
    when = [sitting(str(source), str(corpus.ids[i])) for source, i in zip(sources, indices, strict=True)]

    def of_source(source: str) -> Verification | None:
        chosen = np.flatnonzero(sources == source)
        try:
            return verify(vectors[chosen], [people[i] for i in chosen], [when[i] for i in chosen])
        except ValueError:
            return None  # too few people

    kinds = {"all": verify(vectors, people, when)} | {
        s: of_source(s) for s in dict.fromkeys(sources.tolist())
    }
    within, between = variety(vectors, people)
    return {
        "verification": {name: asdict(found) for name, found in kinds.items() if found is not None},
        "identification": [
            asdict(identify_real(vectors, people, when, references=count)) for count in references
        ],
        "variety": {"within": within, "between": between},
    }
