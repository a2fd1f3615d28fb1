"""The language model against a plain one of dictionaries, written from Chen & Goodman's formulas."""

from __future__ import annotations

import math
import pickle
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from strokesynth.alphabet import Alphabet
from strokesynth.recognition.language_model import LanguageModel

LINES = ["the cat sat on the mat", "that is that", "a hat", "at the end", "the end", "", "banana", "the cat"]
CONTEXTS = ["", "t", "the ", "the cat sat on", "q", "xyzzy", "banana", "that that that", "  ", "at the ~"]
START, END = "\2", "\3"  # edges of a line


class Plain:
    """Interpolated modified Kneser–Ney with one dictionary a length, keys are tuples."""

    def __init__(self, lines: list[str], order: int, alphabet: str) -> None:
        self.order, self.events = order, [END, *alphabet]
        seen: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(order + 1)]
        for line in lines:
            tokens = [START, *line, END]
            for n in range(1, order + 1):
                for i in range(len(tokens) - n + 1 if line else 0):
                    gram = tuple(tokens[i : i + n])
                    if gram != (START,):
                        seen[n][gram] += 1
        self.counts: list[dict[tuple[str, ...], int]] = [{} for _ in range(order + 1)]
        for n in range(1, order + 1):
            for gram in seen[n]:
                if n == order or gram[0] == START:
                    self.counts[n][gram] = seen[n][gram]
                else:
                    self.counts[n][gram] = sum(longer[1:] == gram for longer in seen[n + 1])
        self.discounts = [self.estimate(list(c.values())) for c in self.counts]
        self.followers: dict[tuple[str, ...], dict[str, int]] = defaultdict(dict)
        for table in self.counts[1:]:
            for gram, count in table.items():
                self.followers[gram[:-1]][gram[-1]] = count

    @staticmethod
    def estimate(counts: list[int]) -> list[float]:
        n = [counts.count(k) for k in range(5)]
        if 0 in n[1:]:
            return [0, 0.5, 1.0, 1.5]
        y = n[1] / (n[1] + 2 * n[2])
        found = [0, 1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]
        return found if min(found[1:]) > 0 else [0, 0.5, 1.0, 1.5]

    def p(self, event: str, context: tuple[str, ...]) -> float:
        context = context[max(0, len(context) - self.order + 1) :]
        return self.mixed(event, context)

    def mixed(self, event: str, context: tuple[str, ...]) -> float:
        lower = self.mixed(event, context[1:]) if context else 1 / len(self.events)
        followers = self.followers.get(context, {})
        if not followers:
            return lower
        discounts = self.discounts[len(context) + 1]
        total = sum(followers.values())
        n1, n2 = (sum(c == k for c in followers.values()) for k in (1, 2))
        n3 = len(followers) - n1 - n2
        gamma = (discounts[1] * n1 + discounts[2] * n2 + discounts[3] * n3) / total
        count = followers.get(event, 0)
        return (count - discounts[min(count, 3)]) / total + gamma * lower if count else gamma * lower


def markov_lines(seed: int, n: int) -> list[str]:
    """Lines of a third-order chain over four letters, whose next letter is mostly a function of the last three."""
    rng = np.random.default_rng(seed)
    lines = []
    for _ in range(n):
        codes = rng.integers(0, 4, 3).tolist()
        for _ in range(40):
            rule = (7 * codes[-1] + 3 * codes[-2] + 11 * codes[-3] * codes[-1] + codes[-2] * codes[-3]) % 4
            codes.append(rule if rng.random() < 0.85 else int(rng.integers(4)))
        lines.append("".join("abcd"[code] for code in codes))
    return lines


MARKOV = markov_lines(5, 6)


@pytest.fixture(scope="module")
def markov() -> LanguageModel:
    return LanguageModel.train(markov_lines(0, 100), 5)


@pytest.mark.parametrize("order", [2, 3, 4, 6])
@pytest.mark.parametrize("lines", [LINES, LINES * 2, MARKOV])
def test_equals_the_plain_model(order: int, lines: list[str]) -> None:
    model, plain = LanguageModel.train(lines, order), Plain(lines, order, Alphabet().characters)
    for context in CONTEXTS + ["abc", "abcdabc"]:
        expected = [math.log(plain.p(event, (START, *context))) for event in plain.events]
        np.testing.assert_allclose(model.log_probabilities(context, with_end=True), expected, rtol=2e-6)


def test_discounts_are_estimated_or_fall_back() -> None:
    fallback = [0.5, 1.0, 1.5]
    assert LanguageModel.train(["ab"], 3).discounts.tolist() == [fallback] * 3
    discounts = LanguageModel.train(MARKOV, 4).discounts.tolist()
    assert fallback in discounts and discounts != [fallback] * 4  # the tests above see both


@pytest.mark.parametrize("max_entries", [None, 400, 120])
def test_every_context_sums_to_one(max_entries: int | None) -> None:
    model = LanguageModel.train(LINES + markov_lines(1, 5), 5, max_entries=max_entries)
    for context in CONTEXTS:
        assert model.probabilities(context).sum() == pytest.approx(1, abs=1e-12)
        with_end = model.log_probabilities(context, with_end=True).astype(np.float64)
        without = model.log_probabilities(context).astype(np.float64)
        assert with_end.shape == (96,) and without.shape == (95,)
        assert np.exp(with_end).sum() == pytest.approx(1, abs=1e-6)
        assert np.exp(without).sum() == pytest.approx(1, abs=1e-6)
        assert np.isfinite(with_end).all()
        # Given that the line goes on, characters keep their proportions.
        np.testing.assert_allclose(np.ptp(without - with_end[1:]), 0, atol=1e-5)


def test_only_the_last_characters_count(markov: LanguageModel) -> None:
    a, b = (markov.log_probabilities(start + "abcd", with_end=True) for start in ("b", "dcab"))
    assert np.array_equal(a, b)
    # Nor does the start of the line, unless it is near.
    assert not np.array_equal(a, markov.log_probabilities("bcd", with_end=True))
    assert not np.array_equal(markov.log_probabilities(""), markov.log_probabilities("abcd"))


def test_probability_of_a_line(markov: LanguageModel) -> None:
    text = "abcab"
    steps = [markov.log_probabilities(text[:i], with_end=True) for i in range(len(text) + 1)]
    codes = markov.alphabet.encode(text, with_end=True)
    expected = sum(float(row[code]) for row, code in zip(steps, codes, strict=True))
    assert markov.log_probability(text) == pytest.approx(expected, abs=1e-5)
    assert markov.perplexity([text, text]) == pytest.approx(math.exp(-expected / 6), rel=1e-5)


def test_longer_contexts_predict_better_as_far_as_the_chain_reaches() -> None:
    train, held_out = markov_lines(0, 100), markov_lines(1, 20)
    by_order = [LanguageModel.train(train, order).perplexity(held_out) for order in (2, 3, 4)]
    assert by_order[0] > 1.1 * by_order[1] > 1.1**2 * by_order[2]
    assert by_order[2] < 2.4  # the chain's own entropy is 2^0.85 … 2^1.1, and the end of line is a surprise


def test_pruning_keeps_what_matters() -> None:
    train, held_out = markov_lines(0, 100), markov_lines(1, 20)
    whole = LanguageModel.train(train, 6)
    assert LanguageModel.train(train, 6, max_entries=whole.n_entries).n_entries == whole.n_entries
    for order in (2, 3):
        shorter = LanguageModel.train(train, order)
        pruned = LanguageModel.train(train, 6, max_entries=shorter.n_entries)
        assert 0.9 * shorter.n_entries < pruned.n_entries <= shorter.n_entries
        assert whole.perplexity(held_out) * 0.99 < pruned.perplexity(held_out) < shorter.perplexity(held_out)
    assert LanguageModel.train(train, 6, max_entries=5).n_entries == 5  # a … d, and the end
    with pytest.raises(ValueError, match="must leave the 5 single characters, got 4"):
        LanguageModel.train(train, 6, max_entries=4)


def test_pruned_shares_go_to_the_shorter_context() -> None:
    whole = LanguageModel.train(LINES, 3)
    pruned = LanguageModel.train(LINES, 3, max_entries=60)
    edge = pruned.alphabet.size
    for depth in (1, 2):
        place = np.searchsorted(whole._keys[depth + 1], pruned._keys[depth + 1])
        assert len(place) < len(whole._keys[depth + 1])
        assert np.array_equal(whole._keys[depth + 1][place], pruned._keys[depth + 1])
        np.testing.assert_allclose(pruned._shares[depth], whole._shares[depth][place], rtol=1e-12)
        kept = np.isin(pruned._keys[depth + 1] // edge, pruned._keys[depth])
        assert kept.all()  # no n-gram without the one it begins with


@pytest.mark.parametrize("max_entries", [None, 150])
def test_round_trip(tmp_path: Path, max_entries: int | None) -> None:
    model = LanguageModel.train(LINES, 5, max_entries=max_entries)
    path = tmp_path / "model.npz"
    model.save(path)
    again = LanguageModel.load(path)
    assert (again.order, again.n_entries, again.alphabet) == (5, model.n_entries, Alphabet())
    for context in CONTEXTS:
        assert np.array_equal(
            model.log_probabilities(context, with_end=True), again.log_probabilities(context, with_end=True)
        )
    content = path.read_bytes()
    again.save(path)
    assert path.read_bytes() == content  # nothing in it but the model, no date either
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]


def test_pickle() -> None:
    """Processes that read in parallel take the model along."""
    model = LanguageModel.train(LINES, 3)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.probabilities("the"), model.probabilities("the"))


def test_lines_shorter_than_the_order(tmp_path: Path) -> None:
    model = LanguageModel.train(["ab", "ab", "b"], 9)
    model.save(tmp_path / "m.npz")
    row = LanguageModel.load(tmp_path / "m.npz").log_probabilities("ab", with_end=True)
    assert row.argmax() == 0 and np.isfinite(row).all()


def test_another_alphabet(tmp_path: Path) -> None:
    model = LanguageModel.train(["äöä", "öä"], 3, alphabet=Alphabet("äöü"))
    model.save(tmp_path / "m.npz")
    again = LanguageModel.load(tmp_path / "m.npz")
    assert again.alphabet == Alphabet("äöü") and again.log_probabilities("ö").shape == (3,)
    assert again.log_probabilities("ö").argmax() == 0


def test_rows_cannot_be_written_into(markov: LanguageModel) -> None:
    for context in ("", "ab", "zzz", "never seen"):
        with pytest.raises(ValueError, match="read-only"):
            markov.probabilities(context)[0] = 0
    before = markov.log_probabilities("ab")
    markov.log_probabilities("ab")[:] = 0
    assert np.array_equal(markov.log_probabilities("ab"), before)


def test_bad_text_and_numbers(markov: LanguageModel) -> None:
    def train(text: str) -> None:
        LanguageModel.train(["a", text], 3)

    for call in (markov.probabilities, markov.log_probabilities, markov.log_probability, train):
        with pytest.raises(ValueError, match=r"'é' \(LATIN SMALL LETTER E WITH ACUTE\) at position 1"):
            call("né")
        with pytest.raises(ValueError, match="cannot be written"):
            call("a\0")
    for lines in ([], [""]):
        with pytest.raises(ValueError, match="got none that is not empty"):
            LanguageModel.train(lines, 3)
    with pytest.raises(ValueError, match="got none"):
        markov.perplexity([])
    for order in (1, 10):
        with pytest.raises(ValueError, match=f"96 codes is 2 to 9, got {order}"):
            LanguageModel.train(["a"], order)


def test_missing_foreign_and_cut_short(markov: LanguageModel, tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    with pytest.raises(FileNotFoundError, match="no language model at"):
        LanguageModel.load(path)
    with pytest.raises(FileNotFoundError, match="no language model at"):
        LanguageModel.load(tmp_path)
    markov.save(path)
    whole = path.read_bytes()
    for content in (b"", b"not an archive", whole[:50], whole[: len(whole) // 2], whole[:-5]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="m.npz' is not a language model, or is damaged"):
            LanguageModel.load(path)
    np.savez(path, offsets=np.zeros(3))
    with pytest.raises(ValueError, match="m.npz' has no format at all; this version reads"):
        LanguageModel.load(path)
    np.savez(path, format="strokesynth-language-model-9")
    with pytest.raises(ValueError, match="has strokesynth-language-model-9; this version reads"):
        LanguageModel.load(path)
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match="is not a language model"):
        LanguageModel.load(path)
    np.savez(path, format=np.array([{}], dtype=object))  # unpickling could run anything
    with pytest.raises(ValueError, match="allow_pickle=False"):
        LanguageModel.load(path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        markov.save(tmp_path / "nowhere" / "m.npz")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("codes3", lambda a: a[:-1]),
        ("codes3", lambda a: a[::-1]),
        ("codes2", lambda a: np.full_like(a, 200)),
        ("codes1", lambda a: a[:, None]),
        ("counts2", lambda a: a * 0),
        ("counts5", lambda a: a.astype(float)),
        ("children1", lambda a: a + 1),
        ("dropped2", lambda a: a[1:]),
        ("discounts", lambda a: a * 0),
        ("discounts", lambda a: a * np.nan),
        ("discounts", lambda a: a[:1]),
        ("discounts", lambda a: a[0, 0]),
        ("alphabet", lambda a: np.concatenate([a[:1], a[:1]])),
        ("alphabet", lambda a: a[:10]),
    ],
)
def test_damaged_arrays(markov: LanguageModel, tmp_path: Path, name: str, change: object) -> None:
    path = tmp_path / "m.npz"
    markov.save(path)
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files}
    np.savez(path, **{**arrays, name: change(arrays[name])})  # type: ignore[operator]
    with pytest.raises(ValueError, match="is damaged"):
        LanguageModel.load(path)
    del arrays[name]
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match="is damaged"):
        LanguageModel.load(path)
