"""People under their names, and measures of telling hands apart, against brute force."""

import itertools

import numpy as np
import pytest

from strokesynth.datasets import Label, Sample
from strokesynth.datasets.corpus import Corpus
from strokesynth.datasets.persons import held_out_people, is_known, person, sitting
from strokesynth.ink import Ink
from strokesynth.training.writer_identity import (
    centre,
    equal_error_rate,
    held_out_lines,
    identify,
    identify_real,
    make_gallery,
    score,
    variety,
    verify,
)


def units(rng, n, size=5):
    x = rng.normal(size=(n, size))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_one_person_under_several_names():
    assert person("ced:XYZ1234") == person("cee:XYZ1234")
    assert (
        person("apb:Ann_Bee") == person("ape:Ann_Bee") == person("apd:Ann_Bee_1") == person("apd:Ann_Bee_2")
    )
    assert person("kar:Ann_Bee") != person("apa:Ann_Bee")  # of other contributors
    assert person("kar:mmo_0077") != person("kar:mmo_0078")
    assert person("10207") == "10207"
    assert is_known("10207") and is_known("kai:x") and not is_known("form:a01-000u")
    assert sitting("iam", "b06-489z-03") == sitting("iam", "b06-489z-11") == "b06-489z"
    assert sitting("unipen-text", "text/17") == sitting("unipen-text", "text/9")


def test_held_out_under_all_names():
    ink = Ink.from_strokes([np.array([[0.0, -1.0], [1.0, 0.0]])])
    rows = [
        ("cee:A", "testset", "unipen-words"),
        ("ced:A", "trainset", "unipen-text"),
        ("ced:A", "trainset", "composed"),
        ("ced:B", "trainset", "unipen-text"),
        ("10207", "testset_v", "iam"),
        ("form:a01", "testset_v", "iam"),
        ("10207", "testset_v", "iam"),
    ]
    texts = ["twelve chars"] * 6 + ["eleven char"]
    samples = [
        Sample(ink, Label(text, w, split, source, f"a01-{i}"))
        for i, (text, (w, split, source)) in enumerate(zip(texts, rows))
    ]
    corpus = Corpus.from_samples(samples, "generation")
    assert held_out_people(corpus) == {"ced:A", "10207", "form:a01"}
    assert held_out_lines(corpus).tolist() == [0, 1, 4]


def test_equal_error_rate_against_brute_force():
    rng = np.random.default_rng(0)
    for shift in (0.0, 1.0, 3.0):
        own, others = rng.normal(shift, 1, 200), rng.normal(0, 1, 333)
        best, rate = min(
            (abs((own < t).mean() - (others >= t).mean()), ((own < t).mean() + (others >= t).mean()) / 2)
            for t in np.concatenate([own, others])
        )
        assert best < 0.01
        assert equal_error_rate(own, others) == pytest.approx(rate)
    assert equal_error_rate([2.0, 3.0], [0.0, 1.0]) == 0
    assert equal_error_rate([0.0, 1.0], [2.0, 3.0]) == 1
    assert equal_error_rate([1.0, 1.0], [1.0]) == pytest.approx(0.5)
    with pytest.raises(ValueError):
        equal_error_rate([], [1.0])


def test_verification_pairs_sets_of_different_sittings():
    rng = np.random.default_rng(1)
    # Two people with two sittings of four lines, one with a single sitting of five.
    people = ["a"] * 8 + ["b"] * 8 + ["c"] * 5
    sittings = (["1"] * 4 + ["2"] * 4) * 2 + ["1"] * 5
    vectors = units(rng, len(people))
    found = verify(vectors, people, sittings, size=2, seed=3)
    # Sets of a and of b: two of each sitting, which gives four pairs each; two sets of c, one pair.
    assert found.own_pairs == 4 + 4 + 1
    assert found.other_pairs == 4 * 4 + 4 * 2 + 4 * 2
    # With sets of one line nothing depends on which lines stand together.
    one = verify(vectors, people, sittings, size=1, sets=99)
    own, others = [], []
    for i, j in itertools.combinations(range(len(people)), 2):
        if people[i] != people[j]:
            others.append(vectors[i] @ vectors[j])
        elif people[i] == "c" or sittings[i] != sittings[j]:
            own.append(vectors[i] @ vectors[j])
    assert (one.own_pairs, one.other_pairs) == (len(own), len(others))
    assert one.own_cosine == pytest.approx(np.mean(own)) and one.other_cosine == pytest.approx(
        np.mean(others)
    )
    assert one.equal_error == pytest.approx(equal_error_rate(own, others))
    assert verify(vectors, people, sittings, size=1, sets=2).own_pairs == 3
    with pytest.raises(ValueError):
        verify(vectors, people, sittings, size=6)


def test_score_is_the_cosine_of_means():
    rng = np.random.default_rng(2)
    a, b = units(rng, 3), units(rng, 4)
    x, y = a.mean(0), b.mean(0)
    assert score(a, b) == pytest.approx(x @ y / np.sqrt((x @ x) * (y @ y)))
    assert np.linalg.norm(centre(a)) == pytest.approx(1)


def test_identification_against_brute_force():
    rng = np.random.default_rng(3)
    gallery, queries, owners = units(rng, 12), units(rng, 40), rng.integers(0, 12, 40)
    ranks, own, others = [], [], []
    for q, o in zip(queries, owners):
        cosines = [float(q @ g) for g in gallery]
        ranks.append(sorted(cosines, reverse=True).index(cosines[o]))
        own.append(cosines[o])
        others += [c for i, c in enumerate(cosines) if i != o]
    found = identify(gallery, queries, owners, references=2)
    assert found.top1 == pytest.approx(np.mean([r == 0 for r in ranks]))
    assert found.top5 == pytest.approx(np.mean([r < 5 for r in ranks]))
    assert found.own_cosine == pytest.approx(np.mean(own)) and found.other_cosine == pytest.approx(
        np.mean(others)
    )
    assert (found.lines, found.people, found.references) == (40, 12, 2)
    with pytest.raises(ValueError):
        identify(gallery, queries, owners + 1 + 11)
    with pytest.raises(ValueError):
        identify(gallery, queries[:0], [])


def test_references_and_lines_to_attribute_are_of_different_sittings():
    people = ["b"] * 6 + ["a"] * 4 + ["c"] * 2
    sittings = ["1"] * 3 + ["2"] * 3 + ["1"] * 4 + ["1"] * 2
    vectors = units(np.random.default_rng(6), 12)
    gallery = make_gallery(vectors, people, sittings, 2, seed=5)
    assert gallery.people == ["a", "b"]  # c has no line beyond two references
    for i, who in enumerate("ab"):
        chosen, rest = gallery.references[i], gallery.queries[i]
        assert len(chosen) == 2
        assert {people[j] for j in [*chosen, *rest]} == {who}
        assert not set(chosen) & set(rest)
        mean = vectors[chosen].sum(0)
        np.testing.assert_allclose(gallery.centres[i], mean / np.linalg.norm(mean))
    chosen, rest = gallery.references[1], gallery.queries[1]
    assert len({sittings[i] for i in chosen}) == 1 and len(rest) == 3
    assert not {sittings[i] for i in chosen} & {sittings[i] for i in rest}
    assert len(gallery.queries[0]) == 2
    assert all(len(rest) == 1 for rest in make_gallery(vectors, people, sittings, 2, queries=1).queries)
    with pytest.raises(ValueError):
        make_gallery(vectors, people, sittings, 5)


def test_identification_of_real_lines():
    rng = np.random.default_rng(4)
    people = [p for p in "abcd" for _ in range(6)]
    sittings = ["1", "1", "1", "2", "2", "2"] * 4
    perfect = np.repeat(np.eye(4, 5), 6, axis=0)
    found = identify_real(perfect, people, sittings, references=3)
    assert found.top1 == 1 and found.own_cosine == pytest.approx(1) and found.other_cosine == pytest.approx(0)
    assert (found.people, found.lines) == (4, 5 * 12)
    noise = identify_real(units(rng, 24), people, sittings, references=3, draws=40)
    assert 0.05 < noise.top1 < 0.5


def test_variety_against_brute_force():
    rng = np.random.default_rng(5)
    vectors, people = units(rng, 11), list("aaaabbbccdd")
    distance = 1 - vectors @ vectors.T
    within = [
        np.mean(
            [distance[i, j] for i, j in itertools.combinations(range(11), 2) if people[i] == people[j] == p]
        )
        for p in "abcd"
    ]
    between = [
        np.mean([distance[i, j] for i in range(11) for j in range(11) if people[i] == p and people[j] == q])
        for p, q in itertools.combinations("abcd", 2)
    ]
    assert variety(vectors, people) == pytest.approx((np.mean(within), np.mean(between)))
    assert np.isnan(variety(vectors[:2], ["a", "b"])[0]) and np.isnan(variety(vectors[:2], ["a", "a"])[1])
