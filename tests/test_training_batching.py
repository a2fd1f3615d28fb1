"""Batches hold every sample, waste little on padding, and depend on their arguments alone."""

import numpy as np
import pytest

from strokesynth.training.batching import batches, collate

LENGTHS = np.random.default_rng(5).integers(10, 900, 1003)


def test_batches_hold_everything_once():
    made = batches(LENGTHS, 32, seed=1, epoch=0)
    assert sorted(np.concatenate(made).tolist()) == list(range(len(LENGTHS)))
    assert max(map(len, made)) == 32


def test_batches_depend_on_their_arguments_alone():
    before = batches(LENGTHS, 32, seed=1, epoch=3)
    batches(LENGTHS, 32, seed=9, epoch=1)  # leaves nothing behind
    after = batches(LENGTHS.copy(), 32, seed=1, epoch=3)
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    for other in (batches(LENGTHS, 32, seed=2, epoch=3), batches(LENGTHS, 32, seed=1, epoch=4)):
        assert not np.array_equal(np.concatenate(before), np.concatenate(other))


def test_batches_waste_little_on_padding():
    made = batches(LENGTHS, 32, seed=1, epoch=0)
    padded = sum(len(b) * LENGTHS[b].max() for b in made)
    assert padded < 1.1 * LENGTHS.sum()
    shuffled = [LENGTHS[b].mean() for b in made]
    assert abs(np.corrcoef(shuffled, np.arange(len(made)))[0, 1]) < 0.5


def test_repeats_are_kept_on_average():
    repeats = np.tile([0.0, 0.25, 1.0, 2.5], 250)
    lengths = LENGTHS[:1000]
    counts = np.zeros((40, 1000))
    for epoch in range(40):
        counts[epoch] = np.bincount(
            np.concatenate(batches(lengths, 16, seed=0, epoch=epoch, repeats=repeats)), minlength=1000
        )
    for wanted in (0.0, 1.0):
        assert (counts[:, repeats == wanted] == wanted).all()
    assert set(np.unique(counts[:, repeats == 2.5])) == {2, 3}
    for wanted in (0.25, 2.5):  # 10,000 draws: standard error at most 0.005
        assert counts[:, repeats == wanted].mean() == pytest.approx(wanted, abs=0.025)


def test_batches_by_points_hold_more_of_short_samples():
    made = batches(LENGTHS, 8, seed=1, epoch=0, usual_length=250, pool=400)
    assert sorted(np.concatenate(made).tolist()) == list(range(len(LENGTHS)))
    sizes = [len(b) * LENGTHS[b].max() for b in made]
    assert max(sizes) <= 8 * 250 and max(map(len, made)) > 8 > min(map(len, made))


@pytest.mark.parametrize("repeats", [[1.0, 2.0], -np.ones(1003), np.full(1003, np.nan)])
def test_bad_repeats(repeats):
    with pytest.raises(ValueError, match="repeats"):
        batches(LENGTHS, 4, seed=0, epoch=0, repeats=np.array(repeats))


def test_bad_batch_size():
    with pytest.raises(ValueError, match="batch_size"):
        batches(LENGTHS, 0, seed=0, epoch=0)


def test_collate():
    rng = np.random.default_rng(0)
    pairs = [
        (rng.normal(size=(n, 3)).astype(np.float32), rng.integers(1, 96, m))
        for n, m in ((4, 2), (7, 5), (1, 1))
    ]
    batch = collate(pairs)
    assert batch.offsets.shape == (7, 3, 3) and batch.codes.shape == (5, 3)
    for i, (offsets, codes) in enumerate(pairs):
        assert np.array_equal(batch.offsets[: len(offsets), i], offsets)
        assert np.array_equal(batch.codes[: len(codes), i], codes)
        assert not batch.offsets[len(offsets) :, i].any() and not batch.codes[len(codes) :, i].any()
    assert batch.mask.sum(0).tolist() == [4, 7, 1] and batch.code_mask.sum(0).tolist() == [2, 5, 1]
    with pytest.raises(ValueError, match="at least one"):
        collate([])
