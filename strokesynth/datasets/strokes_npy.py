"""`strokes-py3.npy` and `sentences.txt`: 6,000 lines of IAM-OnDB as they circulate with older implementations.

The .npy holds a *pickled* object array, and whoever unpickles a file lets it run code. So this one is unpickled
with stand-ins for the few NumPy names that arrays are made of; they only note down shape, type and bytes, and
every other name is refused.
"""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from strokesynth.datasets.sample import NPY, TEST, TRAIN, Label, ReadReport, Sample
from strokesynth.ink import Ink

_TEST_SHARE = 0.04

# A pickle cut short or tampered with can fail in any of these ways.
_PICKLE_ERRORS = (
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    EOFError,
    MemoryError,
    pickle.PickleError,
)


def read_strokes_npy(
    path: str | Path, *, y_up: bool = True, report: ReadReport | None = None
) -> Iterator[Sample]:
    """Yield the lines of `strokes-py3.npy` with their texts from `sentences.txt`, which lies beside it.

    `path` is the .npy file, or a folder with one named strokes-py3.npy or strokes.npy. Its arrays (n, 3) hold
    end-of-stroke, dx, dy, in IAM-OnDB's units or a multiple. The programs they come with plot them with y
    growing upwards, hence `y_up`, which turns them to grow down as all ink does here; pass False for a file that
    does already.

    The files know neither writers nor a split: `writer` is empty, and the last 4 % of the lines are the
    "testset", in one piece because neighbours often are by one writer. All lines are from IAM-OnDB, its test sets
    included: do not train on these and measure on those.

    Left out, and told to `report`: lines whose array or sentence cannot be used. Raises FileNotFoundError if a
    file is missing, ValueError if the .npy is damaged, is something else, or names anything but arrays in
    its pickle, and if there are not as many sentences.
    """
    report = report if report is not None else ReadReport()
    file = Path(path)
    if file.is_dir():
        named = [file / "strokes-py3.npy", file / "strokes.npy"]
        file = next((candidate for candidate in named if candidate.exists()), named[0])
    sentences = file.parent / "sentences.txt"
    for needed in (file, sentences):
        if not needed.exists():
            raise FileNotFoundError(f"no file {needed}")
    arrays = _load_arrays(file)
    texts = sentences.read_text(encoding="utf-8").rstrip("\n").split("\n")
    if len(texts) != len(arrays):
        raise ValueError(f"{file} has {len(arrays)} lines and {sentences} {len(texts)}: not a pair")
    first_test = len(arrays) - round(_TEST_SHARE * len(arrays))
    for i, (array, text) in enumerate(zip(arrays, texts, strict=True)):
        try:
            text = text.strip()
            if not text:
                raise ValueError("no text")
            rows = _numbers(array)
            if rows.ndim != 2 or rows.shape[1] != 3:
                raise ValueError(f"an array of shape {rows.shape}, not (n, 3)")
            end_of_stroke, dx, dy = rows.T
            ink = Ink.from_offsets(np.column_stack([dx, -dy if y_up else dy, end_of_stroke]), text=text)
        except ValueError as error:
            report.skip(str(i), str(error))
            continue
        report.read += 1
        yield Sample(ink, Label(text, "", TRAIN if i < first_test else TEST, NPY, str(i)))


class _DType:
    """Stands in for numpy.dtype in a pickle."""

    def __init__(self, code: object = None, *_: object) -> None:
        self.code, self.order = code, "|"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]


class _Array:
    """Stands in for numpy.ndarray in a pickle."""

    shape: Any = ()
    dtype: Any = None
    fortran: Any = False
    content: Any = b""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.shape, self.dtype, self.fortran, self.content = state[-4:]


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _from_buffer(content: object, dtype: object, shape: object, order: object) -> _Array:
    array = _Array()
    array.__setstate__((shape, dtype, order == "F", content))
    return array


def _encode(text: object, encoding: object = "") -> bytes:
    """Stands in for _codecs.encode, by which old pickle protocols write bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError("bytes that are not written as Latin-1")
    return text.encode("latin-1")


_STAND_INS = {
    "numpy.dtype": _DType,
    "numpy.ndarray": _Array,
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy._core.multiarray._reconstruct": _reconstruct,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "numpy._core.numeric._frombuffer": _from_buffer,
    "_codecs.encode": _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in _STAND_INS:
            raise ValueError(f"its pickle asks for {module}.{name}, which is no part of an array: refused")
        return _STAND_INS[f"{module}.{name}"]


def _load_arrays(file: Path) -> list[object]:
    """What the object array in the file holds, one `_Array` per line if all is well."""
    try:
        stream = io.BytesIO(file.read_bytes())
        version = npy_format.read_magic(stream)
        old = version == (1, 0)
        _, _, dtype = (npy_format.read_array_header_1_0 if old else npy_format.read_array_header_2_0)(stream)
        if dtype != np.dtype(object):
            raise ValueError(f"an array of {dtype}, not of objects")
        array = _Unpickler(stream, encoding="latin1").load()
        if not isinstance(array, _Array) or not isinstance(array.content, list):
            raise ValueError("its pickle holds no array of objects")
    except _PICKLE_ERRORS as error:
        raise ValueError(f"{file} is damaged or not an .npy of strokes: {error}") from error
    return array.content


def _numbers(array: object) -> np.ndarray:
    """The NumPy array that a stand-in describes. Raises ValueError unless it holds plain numbers."""
    if not isinstance(array, _Array) or not isinstance(array.dtype, _DType):
        raise ValueError(f"not an array but {type(array).__name__}")
    code, content = str(array.dtype.code), array.content
    # Python 2 wrote bytes as text.
    if isinstance(content, str):
        content = content.encode("latin-1")
    if not re.fullmatch(r"[fiu][248]", code) or not isinstance(content, (bytes, bytearray)):
        raise ValueError(f"an array of {code}, not of numbers")
    numbers = np.frombuffer(content, np.dtype(code).newbyteorder("<" if array.dtype.order == "<" else ">"))
    try:
        return numbers.reshape(array.shape, order="F" if array.fortran else "C").astype(np.float64)
    except TypeError as error:
        raise ValueError(f"an array of shape {array.shape!r}") from error
