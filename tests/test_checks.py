"""Arguments that are as they should be come back, and all others are named."""

import numpy as np
import pytest

from strokesynth._checks import check_bias, check_choice, positive, seed_sequence, whole


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_whole_numbers(value):
    number = whole("count", value, least=3)
    assert number == 3 and type(number) is int


@pytest.mark.parametrize("value", [2, True, 3.0, "3", None])
def test_what_is_no_whole_number_of_at_least_three(value):
    with pytest.raises(ValueError, match=rf"^count is {value!r}; expected a whole number of at least 3$"):
        whole("count", value, least=3)


def test_whole_numbers_without_a_limit():
    assert whole("count", -7) == -7
    with pytest.raises(ValueError, match=r"^count is 0\.5; expected a whole number$"):
        whole("count", 0.5)


def test_a_seed_is_the_entropy_and_none_is_always_another():
    assert seed_sequence(2**70 + 5).entropy == 2**70 + 5
    assert seed_sequence(None).entropy != seed_sequence(None).entropy
    with pytest.raises(ValueError, match=r"^seed is -1; expected a whole number of at least 0$"):
        seed_sequence(-1)


def test_positive_numbers():
    assert positive("size", "2.5") == 2.5 and positive("size", 0, zero=True) == 0.0
    for value in (0, -1, float("nan"), float("inf"), "wide", None):
        with pytest.raises(ValueError, match=rf"^size must be a finite number above 0; got {value!r}$"):
            positive("size", value)
    with pytest.raises(ValueError, match="of at least 0; got -1"):
        positive("size", -1, zero=True)


def test_biases():
    assert check_bias(np.float32(0.5)) == 0.5 and check_bias(0) == 0.0
    with pytest.raises(ValueError, match=r"^bias is -0\.1; expected a finite number of at least 0$"):
        check_bias(-0.1)


def test_choices():
    check_choice("align", "left", ("left", "right"))
    with pytest.raises(ValueError, match=r"^align is left, center or right; got 'up'$"):
        check_choice("align", "up", ("left", "center", "right"))
