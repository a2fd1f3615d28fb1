"""Batches by length: everything once, in order, within the limits, and full."""

import numpy as np
import pytest

from strokesynth._batches import by_length

LENGTHS = np.random.default_rng(5).integers(1, 90, 203)


@pytest.mark.parametrize("limits", [{"most": 16}, {"padded": 300}, {"most": 9, "padded": 300}])
def test_batches_are_sorted_full_and_within_their_limits(limits):
    batches = by_length(LENGTHS, **limits)
    order = np.concatenate(batches)
    assert order.tolist() == sorted(range(len(LENGTHS)), key=LENGTHS.__getitem__)  # equal ones stay in order

    def fits(members):
        return len(members) <= limits.get("most", 203) and (
            len(members) * LENGTHS[members].max() <= limits.get("padded", np.inf)
        )

    assert all(fits(batch) for batch in batches)
    for batch, after in zip(batches, batches[1:], strict=False):
        assert not fits(np.append(batch, after[0]))


def test_what_is_longer_than_a_batch_may_be_stands_alone():
    assert [b.tolist() for b in by_length([50, 3, 40, 4], padded=10)] == [[1, 3], [2], [0]]


def test_no_limit_and_nothing():
    assert [b.tolist() for b in by_length([2, 1, 1])] == [[1, 2, 0]]
    assert by_length([], most=3) == by_length(np.zeros(0), padded=3) == []
