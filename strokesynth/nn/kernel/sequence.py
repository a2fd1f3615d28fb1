"""The passes over time of the LSTM layers in C (sequence.c), for processors with tiles for products in bfloat16.

They do what `strokesynth.nn.passes` does in torch step by step, which remains the reference and serves wherever
`usable` says no. Products have operands of bfloat16 there and here; here the sums that recur
stay float32, and activations are kept for the backward pass in 16 bits.
"""

from __future__ import annotations

import ctypes
import functools
import platform
from collections.abc import Sequence
from ctypes import Structure, c_int64, c_void_p
from typing import Any

import torch
from torch import Tensor

from strokesynth.nn import passes
from strokesynth.nn.kernel import library

_LANES, _PAIR, _TILE = 16, 32, 512
_MOST_INPUTS, _MOST_GAUSSIANS = 4, 16

_SIZES = (
    *("steps", "lines", "units", "recurrent", "stride", "inputs", "places", "letters", "gaussians"),
    "bias_stride",
)
_ARRAYS = (
    *("weights", "bias", "x", "w_ih", "w_hp", "b_p", "text", "gates", "state", "c", "h", "window", "kappa"),
    *("parameters", "phi", "dh", "dwindow", "dc", "dkappa", "dstate", "dbias", "dw_ih"),
)


class _Sequence(Structure):
    _fields_ = (*((name, c_int64) for name in _SIZES), *((name, c_void_p) for name in _ARRAYS))


def usable(x: Tensor, units: int, dtype: torch.dtype, inputs: int = 0, gaussians: int = 0) -> bool:
    """Whether the layer's passes can be done here; `inputs` and `gaussians` are those of the windowed layer."""
    return (
        dtype == torch.bfloat16
        and x.dtype == torch.float32
        and x.device.type == "cpu"
        and units % _LANES == 0
        and inputs <= _MOST_INPUTS
        and gaussians <= _MOST_GAUSSIANS
        and library.chosen() == "native"
        and _checked()
    )


@functools.cache
def _compiled() -> ctypes.CDLL | None:
    """The library, where it compiles, the processor has the tiles and the system hands them out."""
    if platform.machine() not in ("x86_64", "AMD64") or platform.system() != "Linux":
        return None
    has_tiles = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    code = library.compiled("sequence") if has_tiles() else None
    if code is None or code.strokesynth_tiles() != 0:
        return None
    return code


@functools.cache
def _checked() -> bool:
    """Whether there is a library, and a small layer of each kind gives the same with it as with the plain passes."""
    if _compiled() is None:
        return False
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return (0.25 * torch.randn(shape, generator=generator)).requires_grad_()

    steps, lines, units, inputs, letters, places = 5, 35, 16, 3, 6, 7
    gates, state = 4 * units, (normal(lines, units), normal(lines, units))
    x, line_bias = normal(steps, lines, inputs), normal(lines, gates)
    layer = (normal(gates, inputs), normal(gates, units), normal(gates), *state, line_bias)
    to_window = (normal(6, units), normal(6))
    windowed = (
        *(x, normal(lines, places, letters), normal(gates, inputs), normal(gates, units + letters)),
        *(normal(gates), *to_window, *state, normal(lines, 2), normal(lines, letters), line_bias),
    )

    def results(function: Any, arguments: tuple[Any, ...]) -> list[Tensor]:
        values = function.apply(*arguments)
        wanted = [a for a in arguments if isinstance(a, Tensor)]
        total = torch.stack([value.square().sum() for value in values if value.requires_grad]).sum()
        return [*values, *torch.autograd.grad(total, wanted)]

    with torch.inference_mode(False), torch.enable_grad():
        ours = results(_LSTMSequence, (*layer, x)) + results(_WindowedSequence, windowed)
        plain = results(passes.LSTMSequence, (x, *layer, torch.float32))
        plain.append(plain.pop(2))  # the gradient of x comes last here
        plain += results(passes.WindowedSequence, (*windowed, torch.float32))
    return all(_near(a, b) for a, b in zip(ours, plain, strict=True))


def _near(ours: Tensor, plain: Tensor) -> bool:
    """Whether the two differ by no more than the rounding of operands to 8 bits explains."""
    return bool((ours - plain).norm() < 0.05 * plain.norm())


def _stride(recurrent: int) -> int:
    """The stride of the rows of the state: an odd number of tiles, so that rows fall into different cache sets."""
    tiles = -(-recurrent // _PAIR)
    return _PAIR * (tiles + (tiles % 2 == 0))


def _state(h0: Tensor, window0: Tensor | None, steps: int) -> Tensor:
    """The recurrent state (steps + 1, B, stride), with the first step filled in and room for the others."""
    first = h0 if window0 is None else torch.cat([h0, window0], 1)
    recurrent = first.shape[1]
    state = torch.empty(steps + 1, len(h0), _stride(recurrent), dtype=torch.bfloat16)
    state[:, :, recurrent:] = 0.0
    state[0, :, :recurrent] = first
    return state


def _run(name: str, sizes: dict[str, int], arrays: dict[str, Tensor]) -> None:
    for key, array in arrays.items():
        assert array.is_contiguous() and array.device.type == "cpu", key
    sequence = _Sequence(**sizes, **{key: array.data_ptr() for key, array in arrays.items()})
    if (
        getattr(_library(), f"strokesynth_sequence_{name}")(ctypes.byref(sequence)) != 0
        and name == "backward"
    ):
        raise MemoryError("no memory for the backward pass of a layer")


def _packed(weights: Tensor, stride: int) -> Tensor:
    """Weights (4H, recurrent) as the tiles are loaded for `state @ weights.T`."""
    (gates, recurrent), weights = weights.shape, weights.contiguous()
    packed = torch.empty(gates * stride, dtype=torch.bfloat16)
    sizes = map(c_int64, [gates // 4, recurrent, stride])
    _library().strokesynth_pack_forward(_pointer(weights), *sizes, _pointer(packed))
    return packed


def _packed_columns(weights: Tensor, units: int) -> Tensor:
    """Weights (n, m) as the tiles are loaded for `left @ weights`; rows in the order of panels, see `product`."""
    (rows, columns), weights = weights.shape, weights.contiguous()
    packed = torch.empty(_padded(rows) * _padded(columns), dtype=torch.bfloat16)
    sizes = map(c_int64, [units, rows, columns])
    _library().strokesynth_pack_backward(_pointer(weights), *sizes, _pointer(packed))
    return packed


def _padded(size: int) -> int:
    return -(-size // _PAIR) * _PAIR


def _library() -> ctypes.CDLL:
    code = _compiled()
    assert code is not None
    return code


def _pointer(array: Tensor) -> c_void_p:
    return c_void_p(array.data_ptr())


def _by_panel(gates: Tensor) -> Tensor:
    """Gates (…, 4H) as they lie in sequence.c."""
    return gates.unflatten(-1, (4, -1, _LANES)).transpose(-3, -2).flatten(-3).contiguous()


def _by_gate(gates: Tensor) -> Tensor:
    """Inverse of `_by_panel`."""
    return gates.unflatten(-1, (-1, 4, _LANES)).transpose(-3, -2).flatten(-3)


def outer(left: Tensor, right: Tensor, units: int = 0) -> Tensor:
    """`left.T @ right` in float32, for rows of bfloat16 (n, p) and (n, q).

    Columns of `left` that are the gates of so many units come by panel and leave gate by gate.
    """
    assert left.stride(1) == right.stride(1) == 1
    sums = torch.empty(left.shape[1], right.shape[1])
    operands = [
        item for m in (left, right) for item in (_pointer(m), c_int64(m.shape[1]), c_int64(m.stride(0)))
    ]
    if _library().strokesynth_outer(c_int64(units), *operands, c_int64(len(left)), _pointer(sums)) != 0:
        raise MemoryError("no memory for the gradient of weights")
    return sums


def product(left: Tensor, weights: Tensor, units: int = 0) -> Tensor:
    """`left @ weights` in float32, for rows of bfloat16 (n, m) and float32 weights (m, q).

    Columns of `left` beyond m are zero and make their number a multiple of 32. For the gates of so many units they
    lie by panel.
    """
    (rows, inner), columns = left.shape, weights.shape[1]
    assert left.is_contiguous() and inner == _padded(len(weights))
    sums = torch.empty(rows, _padded(columns))
    packed = _packed_columns(weights, units)
    sizes = [c_int64(rows), c_int64(inner // _PAIR)]
    _library().strokesynth_product(_pointer(left), *sizes, _pointer(packed), c_int64(columns), _pointer(sums))
    return sums[:, :columns]


def _rounded(pieces: Sequence[Tensor]) -> Tensor:
    """The pieces (…, m) side by side in bfloat16, (n, sum of m), with zeros up to a multiple of 32."""
    pieces = [p.flatten(0, -2) for p in pieces]
    width = sum(p.shape[1] for p in pieces)
    joined = torch.empty(len(pieces[0]), _padded(width), dtype=torch.bfloat16)
    joined[:, width:] = 0.0
    for part, piece in zip(joined[:, :width].split([p.shape[1] for p in pieces], 1), pieces, strict=True):
        part.copy_(piece)
    return joined


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, bias: Tensor, *pieces: Tensor) -> Tensor:
        joined = _rounded(pieces)
        ctx.save_for_backward(joined, weight)
        ctx.widths = [p.shape[-1] for p in pieces]
        return product(joined, weight.t()).add(bias).unflatten(0, pieces[0].shape[:-1])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        joined, weight = ctx.saved_tensors
        rounded, shape = _rounded(grads), grads[0].shape
        dpieces: Sequence[Tensor | None] = [None] * len(ctx.widths)
        if any(ctx.needs_input_grad[2:]):
            dpieces = product(rounded, weight).unflatten(0, shape[:-1]).split(ctx.widths, -1)
        dweight = None
        if ctx.needs_input_grad[0]:
            dweight = outer(rounded[:, : shape[-1]], joined[:, : weight.shape[1]])
        return dweight, grads[0].flatten(0, -2).sum(0), *dpieces


def _once(ctx: Any) -> None:
    """The backward pass writes over what the forward pass has left."""
    if getattr(ctx, "spent", False):
        raise RuntimeError(
            "what the backward pass needs has been modified by an inplace operation: it ran before"
        )
    ctx.spent = True


class _LSTMSequence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        w_ih: Tensor,
        w_hh: Tensor,
        bias: Tensor,
        h0: Tensor,
        c0: Tensor,
        line_bias: Tensor | None,
        *pieces: Tensor,
    ) -> tuple[Tensor, Tensor]:
        (steps, batch, _), (inputs, units) = pieces[0].shape, (w_ih.shape[1], w_hh.shape[1])
        rounded = _rounded(pieces)
        weights = torch.nn.functional.pad(w_ih, (0, rounded.shape[1] - inputs)).bfloat16()
        gates = (rounded @ _by_panel(weights.t())).view(steps, batch, -1)
        state = _state(h0, None, steps)
        c = torch.empty(steps + 1, batch, units)
        c[0] = c0
        h = torch.empty(steps, batch, units)
        sizes = {"steps": steps, "lines": batch, "units": units, "recurrent": units, "stride": state.shape[2]}
        arrays = {
            "weights": _packed(w_hh, state.shape[2]),
            "bias": _by_panel(bias if line_bias is None else bias + line_bias),
        }
        own = {"bias_stride": 0 if line_bias is None else 4 * units}
        kept = {"gates": gates, "state": state, "c": c}
        _run("forward", sizes | own, arrays | kept | {"h": h})
        ctx.save_for_backward(rounded, w_ih, w_hh, gates, state, c)
        ctx.sizes, ctx.widths = sizes, [p.shape[2] for p in pieces]
        return h, c[-1].clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        _once(ctx)
        rounded, w_ih, w_hh, gates, state, c = ctx.saved_tensors
        sizes, needed, units = ctx.sizes, ctx.needs_input_grad, w_hh.shape[1]
        dc, by_line = grads[1].clone().contiguous(), torch.zeros(gates.shape[1:], dtype=c.dtype)
        dstate = torch.empty_like(dc)
        arrays = {"weights": _packed_columns(w_hh, units), "dh": grads[0].contiguous(), "dc": dc}
        results = {"dstate": dstate, "dbias": by_line}
        _run("backward", sizes, arrays | results | {"gates": gates, "state": state, "c": c})
        by_line = _by_gate(by_line)
        flat = gates.flatten(0, 1)
        dpieces: Sequence[Tensor | None] = [None] * len(ctx.widths)
        if any(needed[6:]):
            dpieces = product(flat, w_ih, units).unflatten(0, gates.shape[:2]).split(ctx.widths, 2)
        dw_ih = outer(flat, rounded[:, : w_ih.shape[1]], units) if needed[0] else None
        dw_hh = outer(flat, state[:-1].flatten(0, 1)[:, :units], units) if needed[1] else None
        return dw_ih, dw_hh, by_line.sum(0), dstate, dc, by_line if needed[5] else None, *dpieces


class _WindowedSequence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        text: Tensor,
        w_ih: Tensor,
        w_sh: Tensor,
        bias: Tensor,
        w_hp: Tensor,
        b_p: Tensor,
        h0: Tensor,
        c0: Tensor,
        kappa0: Tensor,
        window0: Tensor,
        line_bias: Tensor | None,
    ) -> tuple[Tensor, ...]:
        (steps, batch, inputs), units, n = x.shape, h0.shape[1], kappa0.shape[1]
        places, letters = text.shape[1:]
        state = _state(h0, window0, steps)
        x, text = x.contiguous(), text.contiguous()
        gates = torch.empty(steps, batch, 4 * units, dtype=torch.bfloat16)
        c, kappa = torch.empty(steps + 1, batch, units), torch.empty(steps + 1, batch, _LANES)
        c[0], kappa[0] = c0, torch.nn.functional.pad(kappa0, (0, _LANES - n))
        parameters = torch.empty(steps, batch, 3 * _LANES)
        phi, h = torch.empty(steps, batch, places), torch.empty(steps, batch, units)
        window = torch.empty(steps, batch, letters)
        sizes = {
            **{"steps": steps, "lines": batch, "units": units, "recurrent": units + letters},
            **{
                "stride": state.shape[2],
                "inputs": inputs,
                "places": places,
                "letters": letters,
                "gaussians": n,
            },
        }
        # Alpha, beta and advance, each in a vector of its own
        to_parameters = w_hp.new_zeros(units, 3, _LANES)
        to_parameters[:, :, :n] = w_hp.t().view(units, 3, n)
        offsets = torch.nn.functional.pad(b_p.view(3, n), (0, _LANES - n))
        arrays = {
            "weights": _packed(w_sh, state.shape[2]),
            "bias": _by_panel(bias if line_bias is None else bias + line_bias),
            "w_ih": _by_panel(w_ih.t()),
            "w_hp": to_parameters,
            "b_p": offsets,
            "h": h,
            "window": window,
        }
        own = {"bias_stride": 0 if line_bias is None else 4 * units}
        kept = (x, text, gates, state, c, kappa, parameters, phi)
        names = ("x", "text", "gates", "state", "c", "kappa", "parameters", "phi")
        _run("forward", sizes | own, arrays | dict(zip(names, kept, strict=True)))
        ctx.save_for_backward(*kept, w_ih, w_sh, w_hp, h)
        ctx.sizes = sizes
        ctx.mark_non_differentiable(phi)
        return h, window, c[-1].clone(), kappa[-1, :, :n].clone(), phi

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        _once(ctx)
        dh_out, dwindow_out, dc_last, dkappa_last, _ = grads
        *kept, w_ih, w_sh, w_hp, h = ctx.saved_tensors
        x, text, gates, state, c, kappa, parameters, phi = kept
        sizes, needed = ctx.sizes, ctx.needs_input_grad
        units, n, recurrent = sizes["units"], sizes["gaussians"], sizes["recurrent"]
        dc, dwindow = dc_last.clone().contiguous(), dwindow_out.clone(memory_format=torch.contiguous_format)
        dkappa = torch.nn.functional.pad(dkappa_last, (0, _LANES - n))
        by_line, dstate = dc.new_zeros(gates.shape[1:]), dc.new_empty(len(dc), recurrent)
        dw_ih = dc.new_zeros(w_ih.shape[1], w_ih.shape[0])
        arrays = {
            **{"weights": _packed_columns(w_sh, units), "w_hp": w_hp.contiguous()},
            **{"dh": dh_out.contiguous(), "dwindow": dwindow, "dc": dc, "dkappa": dkappa, "dstate": dstate},
            **{"dbias": by_line, "dw_ih": dw_ih},
        }
        names = ("x", "text", "gates", "state", "c", "kappa", "parameters", "phi")
        _run("backward", sizes, arrays | dict(zip(names, kept, strict=True)))
        by_line, dw_ih = _by_gate(by_line), _by_gate(dw_ih)
        flat = gates.flatten(0, 1)
        dx = product(flat, w_ih, units).unflatten(0, gates.shape[:2]) if needed[0] else None
        dtext = torch.bmm(phi.permute(1, 2, 0), dwindow.transpose(0, 1)) if needed[1] else None
        dw_sh = outer(flat, state[:-1].flatten(0, 1)[:, :recurrent], units) if needed[3] else None
        dp = parameters.view(-1, 3, _LANES)[:, :, :n].reshape(-1, 3 * n)
        dw_hp = dp.t() @ h.flatten(0, 1) if needed[5] else None
        weights = (dw_ih.t(), dw_sh, by_line.sum(0), dw_hp, dp.sum(0))
        before = (dstate[:, :units], dc, dkappa[:, :n], dstate[:, units:])
        return dx, dtext, *weights, *before, by_line if needed[11] else None


def lstm_sequence(
    w_ih: Tensor,
    w_hh: Tensor,
    bias: Tensor,
    h0: Tensor,
    c0: Tensor,
    line_bias: Tensor | None,
    *pieces: Tensor,
) -> tuple[Tensor, Tensor]:
    """Outputs h (T, B, H) and last c (B, H) of `strokesynth.nn.lstm.LSTM` for pieces (T, B, ·) side by side."""
    result: tuple[Tensor, Tensor] = _LSTMSequence.apply(w_ih, w_hh, bias, h0, c0, line_bias, *pieces)
    return result


def windowed_sequence(*arguments: Tensor | None) -> tuple[Tensor, ...]:
    """Outputs h, windows, last c and kappa, and phi of `strokesynth.nn.window.WindowedLSTM`.

    The arguments are those of `strokesynth.nn.passes.WindowedSequence.forward`, up to the type of its products.
    """
    result: tuple[Tensor, ...] = _WindowedSequence.apply(*arguments)
    return result


def linear(weight: Tensor, bias: Tensor, *pieces: Tensor) -> Tensor:
    """`torch.cat(pieces, -1) @ weight.T + bias`, with operands in bfloat16 and sums in float32."""
    result: Tensor = _Linear.apply(weight, bias, *pieces)
    return result
