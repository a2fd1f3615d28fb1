"""The setting that chooses the type of matrix products: where it comes from, and what is refused."""

import threading

import pytest
import torch

from strokesynth.cli import train_main
from strokesynth.nn import products
from strokesynth.nn.lstm import LSTM
from strokesynth.nn.products import product_dtype, products_in

CPU = torch.device("cpu")
OTHER = {torch.float32: "bfloat16", torch.bfloat16: "float32"}


def test_the_environment_chooses(products):
    assert product_dtype(CPU) == products
    assert product_dtype(torch.device("meta")) == products


def test_the_argument_comes_before_the_environment_and_is_undone(products):
    other = OTHER[products]
    with products_in(other):
        assert product_dtype(CPU) == getattr(torch, other)
        with products_in(None):
            assert product_dtype(CPU) == getattr(torch, other)
        with pytest.raises(KeyError), products_in(str(products).removeprefix("torch.")):
            assert product_dtype(CPU) == products
            raise KeyError
        assert product_dtype(CPU) == getattr(torch, other)
    assert product_dtype(CPU) == products


def test_another_thread_keeps_its_own():
    found = []
    with products_in("bfloat16"):
        thread = threading.Thread(target=lambda: found.append(product_dtype(CPU)))
        thread.start()
        thread.join()
    assert found == [torch.float32]  # as the environment of the tests says


@pytest.mark.parametrize("setting", [None, "", "auto", " AUTO "])
@pytest.mark.parametrize("units", [True, False])
def test_the_processor_chooses_if_nobody_else_does(setting, units, monkeypatch):
    products._fastest.cache_clear()
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: units, raising=False)
    if setting is None:
        monkeypatch.delenv(products.VARIABLE)
    else:
        monkeypatch.setenv(products.VARIABLE, setting)
    expected = torch.bfloat16 if units else torch.float32
    assert product_dtype(CPU) == expected
    monkeypatch.setenv(products.VARIABLE, OTHER[expected])
    with products_in("auto"):
        assert product_dtype(CPU) == expected
    products._fastest.cache_clear()


@pytest.mark.parametrize(("capability", "expected"), [((8, 0), "bfloat16"), ((7, 5), "float32")])
def test_a_gpu_has_units_from_ampere_on(capability, expected, monkeypatch):
    products._fastest.cache_clear()
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    with products_in("auto"):
        assert product_dtype(torch.device("cuda")) == getattr(torch, expected)
    products._fastest.cache_clear()


def test_what_is_no_choice_is_refused(monkeypatch, capsys):
    expected = "expected one of auto, float32, bfloat16"
    with pytest.raises(ValueError, match=f"products is 'half'; {expected}"), products_in("half"):
        pass
    monkeypatch.setenv("STROKESYNTH_PRODUCTS", "float16")
    with pytest.raises(ValueError, match=f"STROKESYNTH_PRODUCTS is 'float16'; {expected}"):
        LSTM(3, 4)(torch.zeros(2, 1, 3))
    with pytest.raises(SystemExit, match="2"):
        train_main(["--out", "run", "--corpus", "c", "--products", "float16"])
    assert "'float16'" in capsys.readouterr().err


def test_a_layer_obeys():
    torch.manual_seed(0)
    layer, x = LSTM(24, 24), torch.randn(6, 3, 24)
    outputs = {}
    for choice in ("float32", "bfloat16"):
        with products_in(choice):
            outputs[choice] = layer(x)[0]
    assert not torch.equal(*outputs.values())
    torch.testing.assert_close(*outputs.values(), atol=0.02, rtol=0.02)
