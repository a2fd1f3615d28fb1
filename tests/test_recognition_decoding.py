"""CTC against brute force over all paths, and against torch's own loss."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from makers import random_frames

from strokesynth.alphabet import Alphabet
from strokesynth.recognition.decoding import (
    align,
    align_batch,
    beam_search,
    ctc_log_likelihood,
    ctc_log_likelihoods,
    greedy,
    greedy_batch,
)
from strokesynth.recognition.language_model import LanguageModel


def collapse(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(code for code, _ in itertools.groupby(path) if code)


def all_paths(frames: np.ndarray) -> dict[tuple[int, ...], dict[tuple[int, ...], float]]:
    """Labelling → path → log-probability, for every path there is."""
    table: dict[tuple[int, ...], dict[tuple[int, ...], float]] = defaultdict(dict)
    for path in itertools.product(range(frames.shape[1]), repeat=len(frames)):
        table[collapse(path)][path] = sum(frames[t, code] for t, code in enumerate(path))
    return table


def labellings(frames: np.ndarray) -> dict[tuple[int, ...], float]:
    return {
        codes: float(np.logaddexp.reduce(list(paths.values()))) for codes, paths in all_paths(frames).items()
    }


@pytest.mark.parametrize("seed", range(5))
def test_greedy_is_the_labelling_of_the_best_path(seed: int) -> None:
    frames = random_frames(6, 3, seed=seed)
    paths = {path: p for group in all_paths(frames).values() for path, p in group.items()}
    best = collapse(max(paths, key=paths.__getitem__))
    assert tuple(greedy(frames)) == best
    assert tuple(greedy(torch.tensor(frames))) == best


def test_greedy_batch_equals_one_by_one() -> None:
    frames = random_frames(9, 7, 4, seed=1)
    lengths = [9, 0, 4, 1, 9, 5, 8]
    expected = [greedy(frames[:n, i]).tolist() for i, n in enumerate(lengths)]
    assert [codes.tolist() for codes in greedy_batch(frames, lengths)] == expected
    tensors = greedy_batch(torch.tensor(frames).float(), torch.tensor(lengths))
    assert [codes.tolist() for codes in tensors] == expected
    assert greedy(frames[:0, 0]).shape == (0,) and greedy_batch(frames[:0], [0] * 7)[6].shape == (0,)


SMALL = pytest.mark.parametrize(("steps", "classes", "seed"), [(5, 3, 0), (6, 3, 1), (4, 4, 2), (1, 3, 3)])


@SMALL
def test_wide_beam_finds_all_labellings_in_their_order(steps: int, classes: int, seed: int) -> None:
    frames = random_frames(steps, classes, seed=seed)
    expected = labellings(frames)
    found = beam_search(frames, beam=len(expected), n_best=len(expected), cutoff=0)
    assert len(found) == len(expected)
    for hypothesis in found:
        assert hypothesis.score == hypothesis.acoustic and hypothesis.language == 0
        assert hypothesis.acoustic == pytest.approx(expected[tuple(hypothesis.codes.tolist())], abs=1e-10)
    assert [h.score for h in found] == pytest.approx(sorted(expected.values(), reverse=True), abs=1e-10)


def test_insertion_bonus_counts_codes() -> None:
    frames = random_frames(5, 3, seed=8)
    scores = {codes: p + 0.7 * len(codes) for codes, p in labellings(frames).items()}
    for hypothesis in beam_search(frames, beam=200, n_best=20, cutoff=0, insertion_bonus=0.7):
        assert hypothesis.score == pytest.approx(scores[tuple(hypothesis.codes.tolist())], abs=1e-10)
    best = beam_search(frames, beam=200, cutoff=0, insertion_bonus=0.7)[0]
    assert tuple(best.codes.tolist()) == max(scores, key=scores.__getitem__)


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return LanguageModel.train(["abab", "ab", "aab", "bab ab", "a"], 3, alphabet=Alphabet("ab "))


@pytest.mark.parametrize("seed", range(4))
def test_language_model_is_weighed_in(model: LanguageModel, seed: int) -> None:
    frames = random_frames(5, 4, seed=seed, sharpness=0.7)
    scores, language = {}, {}
    for codes, acoustic in labellings(frames).items():
        language[codes] = model.log_probability(model.alphabet.decode(codes))
        scores[codes] = acoustic + 0.8 * language[codes] + 0.3 * len(codes)
    options = {"language_model": model, "weight": 0.8, "insertion_bonus": 0.3, "cutoff": 0.0}
    found = beam_search(frames, beam=len(scores), n_best=len(scores), **options)
    assert len(found) == len(scores)
    for hypothesis in found:
        codes = tuple(hypothesis.codes.tolist())
        assert hypothesis.score == pytest.approx(scores[codes], abs=1e-5)  # the model's logs are float32
        assert hypothesis.language == pytest.approx(language[codes], abs=1e-5)
    assert tuple(found[0].codes.tolist()) == max(scores, key=scores.__getitem__)
    without = beam_search(frames, beam=len(scores), cutoff=0)[0]
    assert seed != 0 or without.codes.tolist() != found[0].codes.tolist()  # it makes a difference


def plain_beam_search(
    frames: np.ndarray, beam: int, model: LanguageModel, weight: float, bonus: float
) -> dict[tuple[int, ...], float]:
    """Hannun et al.'s algorithm 1, one prefix and one code at a time."""
    alphabet = model.alphabet

    def extra(codes: tuple[int, ...]) -> float:
        text = alphabet.decode(codes)
        rows = (model.log_probabilities(text[:i], with_end=True)[code] for i, code in enumerate(codes))
        return weight * float(sum(rows)) + bonus * len(codes)

    kept = {(): (0.0, -math.inf)}
    for frame in frames:
        new: dict[tuple[int, ...], tuple[float, float]] = defaultdict(lambda: (-math.inf, -math.inf))
        for codes, (blank, character) in kept.items():
            either = np.logaddexp(blank, character)
            new[codes] = (np.logaddexp(new[codes][0], either + frame[0]), new[codes][1])
            for code in range(1, len(frame)):
                repeated = codes[-1:] == (code,)
                if repeated:
                    stay = np.logaddexp(new[codes][1], character + frame[code])
                    new[codes] = (new[codes][0], stay)
                longer = (*codes, code)
                grown = np.logaddexp(new[longer][1], (blank if repeated else either) + frame[code])
                new[longer] = (new[longer][0], grown)
        scores = {codes: np.logaddexp(*both) + extra(codes) for codes, both in new.items()}
        kept = {codes: new[codes] for codes in sorted(scores, key=scores.__getitem__)[-beam:]}
    end = {
        codes: weight * float(model.log_probabilities(alphabet.decode(codes), with_end=True)[0])
        for codes in kept
    }
    return {codes: float(np.logaddexp(*both)) + extra(codes) + end[codes] for codes, both in kept.items()}


@pytest.mark.parametrize("beam", [1, 2, 5, 12])
@pytest.mark.parametrize("sharpness", [0.7, 3.0])
def test_narrow_beam_equals_the_plain_algorithm(model: LanguageModel, beam: int, sharpness: float) -> None:
    frames = random_frames(16, 4, seed=beam, sharpness=sharpness)
    frames[:, 0] += sharpness  # more blanks than codes, as there are
    frames = torch.log_softmax(torch.tensor(frames), -1).numpy()
    expected = plain_beam_search(frames, beam, model, 0.6, 0.4)
    found = beam_search(
        frames, beam=beam, n_best=beam, language_model=model, weight=0.6, insertion_bonus=0.4, cutoff=0
    )
    assert {tuple(h.codes.tolist()) for h in found} == set(expected)
    for hypothesis in found:
        assert hypothesis.score == pytest.approx(expected[tuple(hypothesis.codes.tolist())], abs=1e-5)


def test_narrow_beam_and_cutoff_on_a_long_line() -> None:
    """A line of 120 frames, some of them torn between two codes: the search does no worse than the best path."""
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 1, (120, 96))
    logits[:, 0] += 9
    spikes = rng.choice(120, 40, replace=False)
    logits[spikes, rng.integers(1, 96, 40)] += 12
    logits[spikes, rng.integers(1, 96, 40)] += 11
    frames = torch.log_softmax(torch.tensor(logits), -1)
    path = greedy(frames)
    found = beam_search(frames, beam=16, n_best=8)
    likelihoods = [ctc_log_likelihood(frames, h.codes) for h in found]
    assert likelihoods[0] >= ctc_log_likelihood(frames, path)
    assert len({tuple(h.codes.tolist()) for h in found}) == 8
    for hypothesis, likelihood in zip(found, likelihoods, strict=True):
        assert hypothesis.acoustic <= likelihood + 1e-9  # some of its paths were pruned
        assert hypothesis.acoustic == pytest.approx(likelihood, abs=0.05)


def test_a_prefix_that_left_the_beam_comes_back_as_itself() -> None:
    """Were it taken for another one, the same codes would come out twice."""
    frames = random_frames(30, 4, seed=11, sharpness=0.5)
    for beam in (2, 3, 5):
        found = beam_search(frames, beam=beam, n_best=beam)
        assert len({tuple(h.codes.tolist()) for h in found}) == len(found) == beam


def test_no_frames(model: LanguageModel) -> None:
    only = beam_search(np.zeros((0, 4)), n_best=3, language_model=model, weight=0.5)
    assert [h.codes.tolist() for h in only] == [[]]
    assert only[0].score == pytest.approx(0.5 * model.log_probability(""), abs=1e-6)


@SMALL
def test_likelihood_equals_brute_force(steps: int, classes: int, seed: int) -> None:
    frames = random_frames(steps, classes, seed=seed)
    for codes, expected in labellings(frames).items():
        assert ctc_log_likelihood(frames, np.array(codes, int)) == pytest.approx(expected, abs=1e-10)


def test_likelihoods_equal_torch() -> None:
    frames = random_frames(20, 6, 5, seed=4)
    rng = np.random.default_rng(0)
    codes = [rng.integers(1, 5, n) for n in (7, 0, 3, 12, 1, 9)]
    lengths = [20, 13, 3, 14, 20, 20]
    padded = torch.zeros(6, 12, dtype=torch.long)
    for row, values in zip(padded, codes, strict=True):
        row[: len(values)] = torch.from_numpy(values)
    code_lengths = torch.tensor([len(values) for values in codes])
    loss = F.ctc_loss(torch.tensor(frames), padded, torch.tensor(lengths), code_lengths, reduction="none")
    inputs = [torch.tensor(frames[:n, i]) for i, n in enumerate(lengths)]
    found = ctc_log_likelihoods(inputs, codes)
    np.testing.assert_allclose(found, -loss.numpy(), atol=1e-9)
    assert found.tolist() == [ctc_log_likelihood(*pair) for pair in zip(inputs, codes, strict=True)]
    assert ctc_log_likelihoods([], []).shape == (0,)


def test_too_few_frames_have_no_probability() -> None:
    frames = random_frames(3, 3, seed=0)
    assert ctc_log_likelihood(frames, [1, 1]) > -math.inf == ctc_log_likelihood(frames[:2], [1, 1])
    assert ctc_log_likelihood(frames[:0], []) == 0 and ctc_log_likelihood(frames[:0], [1]) == -math.inf


@SMALL
def test_alignment_is_that_of_the_most_probable_path(steps: int, classes: int, seed: int) -> None:
    frames = random_frames(steps, classes, seed=seed)
    for codes, paths in all_paths(frames).items():
        path = max(paths, key=paths.__getitem__)
        runs, frame = [], 0
        for code, group in itertools.groupby(path):
            length = len(list(group))
            if code:
                runs.append([frame, frame + length])
            frame += length
        spans = align(frames, np.array(codes, int))
        assert spans.shape == (len(codes), 2) and spans.tolist() == runs


def test_alignment_that_cannot_be() -> None:
    frames = random_frames(3, 4, seed=0)
    assert align(frames, [1, 1]).tolist() == [[0, 1], [2, 3]]
    with pytest.raises(ValueError, match="3 codes need at least 5 frames, got 3"):
        align(frames, [2, 2, 2])
    frames[:, 3] = -np.inf
    with pytest.raises(ValueError, match="no path has these codes"):
        align(frames, [3])


def test_what_is_given_wrong_is_named(model: LanguageModel) -> None:
    frames = random_frames(4, 4, seed=0)
    for call in (beam_search, lambda x: ctc_log_likelihood(x, [1]), lambda x: align(x, [1])):
        with pytest.raises(ValueError, match=r"shape \(T, C\), C at least 2, got \(4, 1, 4\)"):
            call(frames[:, None])
        with pytest.raises(ValueError, match="as log_softmax gives; at frame 0 these sum to 40.2"):
            call(np.full((2, 2), 3.0))
        with pytest.raises(ValueError, match="at frame 1 these sum to 0"):
            call(np.log([[0.5, 0.5], [1e-300, 1e-300]]) * 2)
        with pytest.raises(ValueError, match="NaN"):
            call(np.where(np.eye(4), np.nan, frames))
    with pytest.raises(ValueError, match=r"shape \(T, C\), got \(4,\)"):
        greedy(frames[0])
    with pytest.raises(ValueError, match="NaN"):
        greedy(np.where(np.eye(4), np.nan, frames))
    with pytest.raises(ValueError, match=r"lengths go from 0 to the 4 frames, got \[5\]"):
        greedy_batch(frames[:, None], [5])
    with pytest.raises(ValueError, match="expected 1 integer lengths"):
        greedy_batch(frames[:, None], [4, 4])
    with pytest.raises(ValueError, match="codes for each of 1 inputs, got 2"):
        ctc_log_likelihoods([frames], [[1], [2]])
    with pytest.raises(ValueError, match="input 1 has 3 classes and input 0 has 4"):
        ctc_log_likelihoods([frames, random_frames(4, 3, seed=0)], [[1], [2]])
    for codes in ([0], [4], [-1]):
        with pytest.raises(ValueError, match="codes go from 1 to 3"):
            ctc_log_likelihood(frames, codes)
    with pytest.raises(ValueError, match="1-D array of integers"):
        align(frames, [1.5])
    with pytest.raises(ValueError, match="n_best goes from 1 to the beam's width, got 5 and 4"):
        beam_search(frames, beam=4, n_best=5)
    with pytest.raises(ValueError, match="cutoff is a probability"):
        beam_search(frames, cutoff=1.0)
    with pytest.raises(ValueError, match="has 4 codes, log_probs has 3 classes"):
        beam_search(random_frames(4, 3, seed=0), language_model=model)


def test_a_batch_is_aligned_as_its_members_are():
    rng = np.random.default_rng(3)
    lengths, codes = [9, 4, 6, 2], [[1, 2, 2], [3], [2, 1, 3, 1], [1, 1]]
    frames = np.log(rng.dirichlet(np.ones(4), (9, 4)))
    inputs = [frames[:n, i] for i, n in enumerate(lengths)]
    found = align_batch(inputs, codes)
    for i in range(3):
        assert found[i].tolist() == align(inputs[i], codes[i]).tolist()
    assert found[3] is None  # two frames have no room for a blank between equal codes
    assert align_batch(inputs, [[], [3], [1], [2]])[0].shape == (0, 2)
    assert align_batch([], []) == []
    with pytest.raises(ValueError, match="4 inputs"):
        align_batch(inputs, codes[:3])
