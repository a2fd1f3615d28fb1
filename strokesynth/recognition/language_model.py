"""A language model of characters: n-grams with Kneser–Ney smoothing.

Chen & Goodman (1998, "An empirical study of smoothing techniques for language modeling"), section 3:
interpolated Kneser–Ney with three discounts for each length. What is written to the file are the counts
themselves, from which all probabilities follow; nothing is rounded.
"""

from __future__ import annotations

import math
import os
import zipfile
import zlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from strokesynth._files import atomic_write
from strokesynth.alphabet import Alphabet

FORMAT = "strokesynth-language-model-1"

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_START = "\0"  # the edge of a line, code 0: its start in a context, its end as the next character
_FALLBACK = (0.5, 1.0, 1.5)  # the discounts where there are too few n-grams to estimate them
_CACHED_ROWS = 16384
_DAMAGE = (ValueError, KeyError, TypeError, EOFError, OSError, MemoryError, zipfile.BadZipFile, zlib.error)


class Grams(NamedTuple):
    """All n-grams of one length n, sorted: the nodes at depth n of a trie."""

    codes: Ints  # (N,) the last character of each
    counts: Ints  # (N,) how often each was seen; of shorter ones, after how many different characters
    children: Ints  # (N,) how many of the n-grams that are one longer begin with it; they stand together
    dropped: Ints  # (N,) the sum of the counts of the children that pruning took away


class LanguageModel:
    """Probabilities of the next character of a line, given those before it.

    `train` and `load` make one. The events are the codes of `alphabet`, code 0 the end of the line; a context
    is the last `order` - 1 characters, with the start of the line if it lies within them. A line is all there
    is: nothing carries over from one line to the next.

    After the context h the next character is w with probability

        p(w | h) = u(w | h) + λ(h) p(w | h'),   u(w | h) = (c(h w) - D) / c(h),   λ(h) = Σ D / c(h),

    where h' is h without its first character, and D is the discount of the count; after the empty context,
    h' stands for all codes being equally likely. What pruning takes from u it gives to λ. So every context
    sums to one, and no character is left without a probability.
    """

    def __init__(self, alphabet: Alphabet, discounts: Floats, grams: list[Grams]) -> None:
        """`discounts` (order, 3) for counts 1, 2 and more; `grams` of lengths 1 … order. Raises ValueError."""
        order, base = len(grams), alphabet.size
        _check_order(order, base)
        if discounts.shape != (order, 3) or not ((discounts > 0) & (discounts <= [1, 2, 3])).all():
            raise ValueError(
                f"expected {order} times three discounts up to 1, 2 and 3, got {discounts.tolist()}"
            )
        self.alphabet, self.order, self.discounts, self.grams = alphabet, order, discounts, grams
        self._codes = {character: code for code, character in enumerate(_START + alphabet.characters)}
        self._base = alphabet.size
        # Depth 0 is the root, the empty context, whose one key is 0.
        self._keys = [np.zeros(1, np.int64)]
        self._shares: list[Floats] = []  # u of the n-grams of each length
        self._left: list[Floats] = []  # λ of each n-gram as a context
        self._first: list[Ints] = []  # where the children of each n-gram begin
        root = Grams(*(np.array([n], np.int64) for n in (0, 1, len(grams[0].codes), 0)))
        for depth, (above, here) in enumerate(zip([root, *grams], grams, strict=False)):
            keys, shares, left = _grow(self._keys[depth], above, here, discounts[depth], base)
            self._keys.append(keys)
            self._shares.append(shares)
            self._left.append(left)
            self._first.append(np.concatenate([[0], np.cumsum(above.children)]))
        # Rows are kept by context, shorter contexts as well; the least recently used are dropped first.
        self._row = lru_cache(_CACHED_ROWS)(self._mix)

    @classmethod
    def train(
        cls,
        lines: Iterable[str],
        order: int = 7,
        *,
        max_entries: int | None = None,
        alphabet: Alphabet | None = None,
    ) -> LanguageModel:
        """Count `lines`, each a text by itself; a line given twice counts twice. Empty lines are left out.

        `order` is the length of the longest n-grams, 2 … 9. With `max_entries`, n-grams of two and more
        characters are pruned until that many are left in all: those go whose absence changes the model
        least (see `_losses`). English text takes about 1.1 bytes of file an n-gram.

        Raises ValueError for characters outside `alphabet` (printable ASCII), for no lines at all, and for
        an `order` or `max_entries` that cannot be.
        """
        alphabet = alphabet if alphabet is not None else Alphabet()
        _check_order(order, alphabet.size)
        encoded = [alphabet.encode(line, with_end=True) for line in lines if line]
        if not encoded:
            raise ValueError("a language model needs lines to learn from, got none that is not empty")
        # One edge between two lines is the end of one and the start of the other.
        tokens = np.concatenate([np.zeros(1, np.int64), *encoded])
        keys, seen = zip(*_count(tokens, order, alphabet.size), strict=True)
        counts = [_continuations(keys, seen, n, alphabet.size) for n in range(order)]
        grams = _trie(keys, counts, alphabet.size)
        model = cls(alphabet, np.array([_discounts(c) for c in counts]), grams)
        if max_entries is None or max_entries >= model.n_entries:
            return model
        if max_entries < len(keys[0]):
            raise ValueError(
                f"max_entries must leave the {len(keys[0])} single characters, got {max_entries}"
            )
        return cls(alphabet, model.discounts, _prune(model, seen, max_entries))

    @property
    def n_entries(self) -> int:
        """Number of n-grams of all lengths."""
        return sum(len(grams.codes) for grams in self.grams)

    def __reduce__(self) -> tuple[Any, ...]:
        return LanguageModel, (self.alphabet, self.discounts, self.grams)  # without the cache

    def __repr__(self) -> str:
        return (
            f"<LanguageModel of order {self.order}: {self.n_entries} n-grams of {self.alphabet.size} codes>"
        )

    def probabilities(self, context: str) -> Floats:
        """Probability of each next code after `context`, the line's text so far: (96,), code 0 the line's end.

        The array is shared and read-only; rows that were asked for lately are kept. Raises ValueError for
        characters outside the alphabet.
        """
        if _START not in context:
            try:
                return self._row((_START + context)[1 - self.order :])
            except KeyError:
                pass
        self.alphabet.encode(context)  # says which character it is, and where
        raise ValueError(f"the context {context!r} has characters outside the alphabet")

    def log_probabilities(self, context: str, *, with_end: bool = False) -> NDArray[np.float32]:
        """Log probability, in nats, of each next character after `context`: float32 (95,), as `probabilities`.

        In the order of the alphabet, and given that the line goes on; `with_end` (96,) by code, code 0
        being the end of the line. Either sums to one.
        """
        logs = np.log(self.probabilities(context))
        if not with_end:
            logs = logs[1:] - math.log1p(-math.exp(logs[0]))
        return logs.astype(np.float32)

    def log_probability(self, text: str) -> float:
        """Log probability, in nats, of `text` as a whole line, its end included."""
        codes = self.alphabet.encode(text, with_end=True).tolist()
        line = _START + text
        rows = (self._row(line[max(0, i + 2 - self.order) : i + 1]) for i in range(len(codes)))
        return math.fsum(math.log(row[code]) for row, code in zip(rows, codes, strict=True))

    def perplexity(self, lines: Iterable[str]) -> float:
        """Perplexity per character of `lines`, where the end of a line is a character too; log2 gives bits.

        Raises ValueError when there are no lines, or characters outside the alphabet.
        """
        total, events = 0.0, 0
        for line in lines:
            total += self.log_probability(line)
            events += len(line) + 1
        if not events:
            raise ValueError("perplexity is measured on lines, got none")
        return math.exp(-total / events)

    def _mix(self, context: str) -> Floats:
        """Probabilities of every code after `context`, which begins with `_START` at the start of a line."""
        depth, key = len(context), 0
        for character in context:
            key = key * self._base + self._codes[character]
        shorter = self._row(context[1:]) if context else np.full(self._base, 1.0 / self._base)
        keys = self._keys[depth]
        index = int(keys.searchsorted(key))
        if index == len(keys) or keys[index] != key:
            return shorter
        start, stop = self._first[depth][index : index + 2]
        if start == stop:  # nothing is known of what follows
            return shorter
        row = self._left[depth][index] * shorter
        row[self.grams[depth].codes[start:stop]] += self._shares[depth][start:stop]
        row.setflags(write=False)
        return row

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model as a compressed .npz without pickles, all or nothing.

        Raises FileNotFoundError and ValueError where no file can be written, as `check_writable` says.
        """
        arrays: dict[str, Any] = {
            "format": np.array(FORMAT),
            "alphabet": np.array([ord(character) for character in self.alphabet.characters], np.uint32),
            "discounts": self.discounts,
        }
        for n, grams in enumerate(self.grams, start=1):
            for name, values in zip(Grams._fields, grams, strict=True):
                if n < self.order or name in ("codes", "counts"):
                    arrays[f"{name}{n}"] = values.astype(np.min_scalar_type(int(values.max(initial=0))))
        with atomic_write(path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LanguageModel:
        """Read a model that `save` wrote.

        Raises FileNotFoundError where there is no such file, ValueError where it is something else, is
        cut short or damaged, or has another version.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"no language model at {str(path)!r}")
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                found = str(archive["format"]) if "format" in archive.files else "no format at all"
                if found == FORMAT:
                    return cls._from_arrays({name: archive[name] for name in archive.files})
        except _DAMAGE as error:
            raise ValueError(f"{str(path)!r} is not a language model, or is damaged: {error}") from error
        raise ValueError(f"{str(path)!r} has {found}; this version reads {FORMAT}")

    @classmethod
    def _from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> LanguageModel:
        def integers(name: str) -> Ints:
            if arrays[name].ndim != 1 or not np.issubdtype(arrays[name].dtype, np.unsignedinteger):
                raise ValueError(f"{name} is not a row of counts")
            return arrays[name].astype(np.int64)

        discounts = np.atleast_2d(arrays["discounts"]).astype(np.float64)
        for name in ("children", "dropped"):  # the longest n-grams have none
            arrays[f"{name}{len(discounts)}"] = np.zeros_like(arrays[f"codes{len(discounts)}"])
        lengths = range(1, len(discounts) + 1)
        grams = [Grams(*(integers(f"{name}{n}") for name in Grams._fields)) for n in lengths]
        return cls(Alphabet("".join(map(chr, arrays["alphabet"].tolist()))), discounts, grams)


def _check_order(order: int, base: int) -> None:
    longest = int(63 / math.log2(base))  # an n-gram is one 63-bit number of base 96
    if not 2 <= order <= longest:
        raise ValueError(f"the order of a model of {base} codes is 2 to {longest}, got {order}")


def _discount(counts: Ints, discounts: Floats) -> Floats:
    """The discount of each count: D1, D2, or D3 for three and more."""
    return discounts[np.minimum(counts, 3) - 1]


def _grow(keys: Ints, above: Grams, here: Grams, discounts: Floats, base: int) -> tuple[Ints, Floats, Floats]:
    """The keys and shares u of the n-grams `here`, and the λ of the contexts `above`; checks that they fit."""
    if len({len(values) for values in here}) != 1 or above.children.sum() != len(here.codes):
        raise ValueError(f"{len(here.codes)} n-grams where their contexts have {above.children.sum()}")
    parent = np.repeat(np.arange(len(keys)), above.children)
    if len(here.codes) and (here.codes.max() >= base or here.counts.min() < 1):
        raise ValueError("codes beyond the alphabet, or counts of nothing")
    below = keys[parent] * base + here.codes
    if (np.diff(below) <= 0).any():
        raise ValueError("n-grams out of their order")
    taken = _discount(here.counts, discounts)
    total = np.bincount(parent, here.counts, len(keys)) + above.dropped
    back = np.bincount(parent, taken, len(keys)) + above.dropped
    left = np.divide(back, total, out=np.ones(len(keys)), where=above.children > 0)
    return below, (here.counts - taken) / total[parent], left


def _count(tokens: Ints, order: int, base: int) -> list[tuple[Ints, Ints]]:
    """Sorted keys and counts of the n-grams of 1 … order tokens; none reaches across an edge."""
    tables = []
    keys = np.zeros(len(tokens) + 1, np.int64)
    across = np.zeros(len(tokens) + 1, bool)
    for n in range(1, order + 1):
        keys = keys[:-1] * base + tokens[n - 1 :]
        across = across[:-1] if n < 3 else across[:-1] | (tokens[n - 2 : -1] == 0)
        # Alone, the edge counts as the end of a line; the first one is none.
        tables.append(np.unique(keys[1:] if n == 1 else keys[~across], return_counts=True))
    return [(keys, seen.astype(np.int64)) for keys, seen in tables]


def _continuations(keys: tuple[Ints, ...], seen: tuple[Ints, ...], n: int, base: int) -> Ints:
    """The counts that n-grams of n + 1 tokens enter the model with.

    The longest count as often as they were seen. The shorter ones stand in where the longer context is not
    known, so they count the characters they were seen after, except at the start of a line, before
    which there is nothing.
    """
    if n + 1 == len(keys):
        return seen[n]
    ends = np.searchsorted(keys[n], keys[n + 1] % base ** (n + 1))
    counts = np.bincount(ends, minlength=len(keys[n]))
    at_start = keys[n] < base**n if n else np.zeros(len(keys[0]), bool)
    return np.where(at_start, seen[n], counts)


def _discounts(counts: Ints) -> tuple[float, float, float]:
    """D1, D2 and D3+ from how many n-grams have the counts 1, 2, 3 and 4."""
    n1, n2, n3, n4 = (int(n) for n in np.bincount(np.minimum(counts, 5), minlength=6)[1:5])
    if min(n1, n2, n3, n4) == 0:
        return _FALLBACK
    y = n1 / (n1 + 2 * n2)
    estimated = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    return estimated if min(estimated) > 0 else _FALLBACK


def _trie(keys: Iterable[Ints], counts: Iterable[Ints], base: int) -> list[Grams]:
    """The n-grams with the number of their children; nothing dropped."""
    keys = list(keys)
    grams = []
    for here, count, longer in zip(keys, counts, [*keys[1:], np.zeros(0, np.int64)], strict=True):
        children = np.bincount(np.searchsorted(here, longer // base), minlength=len(here))
        grams.append(Grams(here % base, count, children, np.zeros(len(here), np.int64)))
    return grams


def _losses(model: LanguageModel, seen: tuple[Ints, ...]) -> list[Floats]:
    """What the model loses, in nats over all of the text it was trained on, if an n-gram goes: one number each.

    The share of w moves to the shorter context, so that p falls to p' = (λ + u) p(w | h'), while all other
    characters gain: N(h w) log(p / p') bounds the relative entropy by which Stolcke (1998, "Entropy-based
    pruning of backoff language models") chooses, weighted by how often each was seen.
    """
    base = model.alphabet.size
    below, losses = np.full(1, 1.0 / base), []
    for depth, (keys, shares) in enumerate(zip(model._keys[1:], model._shares, strict=True)):
        children = [len(keys)] if depth == 0 else model.grams[depth - 1].children
        left = np.repeat(model._left[depth], children)
        # Where the n-gram without its first character stands; before pruning there always is one.
        shorter = np.searchsorted(model._keys[depth], keys % base**depth)
        p = shares + left * below[shorter]
        losses.append(seen[depth] * np.log(p / ((left + shares) * below[shorter])))
        below = p
    return losses


def _prune(model: LanguageModel, seen: tuple[Ints, ...], max_entries: int) -> list[Grams]:
    """The `max_entries` n-grams that matter most; an n-gram stays as long as a longer one begins with it."""
    worth = _losses(model, seen)
    worth[0][:] = np.inf
    base = model.alphabet.size
    for n in range(model.order - 1, 0, -1):
        parent = np.searchsorted(model._keys[n], model._keys[n + 1] // base)
        np.maximum.at(worth[n - 1], parent, worth[n])
    ranked = np.sort(np.concatenate(worth))
    least = ranked[-max_entries - 1]  # the best of those that go; its equals go with it
    kept = [w > least for w in worth]
    keys = [keys[keep] for keys, keep in zip(model._keys[1:], kept, strict=True)]
    grams = _trie(keys, [g.counts[keep] for g, keep in zip(model.grams, kept, strict=True)], base)
    for n in range(model.order - 1):
        parent = np.searchsorted(model._keys[n + 1], model._keys[n + 2] // base)
        gone = np.bincount(parent, model.grams[n + 1].counts * ~kept[n + 1], len(kept[n]))
        grams[n] = grams[n]._replace(dropped=gone[kept[n]].astype(np.int64))
    return grams
