"""Ink as JSON and as NumPy archives: the formats that keep all of it."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strokesynth.ink.ink import Ink

FORMAT = "strokesynth-ink"
VERSION = 1


def to_json(ink: Ink) -> bytes:
    """The ink as a JSON document (UTF-8, ASCII only), float32 numbers in their shortest exact form."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "units": "x-height",
        "text": ink.text,
        # The shortest decimal that gives back the float32, through its text: 0.1, not 0.10000000149011612.
        "strokes": [s.astype("U32").astype(np.float64).tolist() for s in ink.strokes],
        "characters": None if ink.characters is None else [c.tolist() for c in ink.characters],
    }
    if ink.legibility is not None:
        document["legibility"] = ink.legibility
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def from_json(data: bytes | str) -> Ink:
    """The ink in a document of `to_json`. Raises ValueError on anything else."""
    try:
        document = json.loads(data)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not a JSON document ({error})") from error
    if not isinstance(document, dict):
        raise ValueError(f"a JSON object is expected, not {type(document).__name__}")
    _check_format(document.get("format"), document.get("version"))
    if not isinstance(document.get("strokes"), list):
        raise ValueError('"strokes" must be a list of strokes, each a list of [x, y]')
    characters = document.get("characters")
    if not isinstance(characters, list | None):
        raise ValueError('"characters" must be null or a list with one list of indices per stroke')
    return Ink.from_strokes(document["strokes"], document.get("text"), characters, document.get("legibility"))


def to_npz(ink: Ink) -> bytes:
    """The ink as a NumPy archive without pickles: points (n, 2), lengths (strokes,), text, characters (n,)."""
    arrays: dict[str, NDArray[Any]] = {
        "format": np.array(FORMAT),
        "version": np.array(VERSION),
        "points": np.concatenate(ink.strokes),
        "lengths": np.array([len(s) for s in ink.strokes]),
    }
    if ink.text is not None:
        # The text is kept as JSON, because NumPy strings lose trailing zeros and half surrogates.
        arrays["text"] = np.array(json.dumps(ink.text))
    if ink.characters is not None:
        arrays["characters"] = np.concatenate(ink.characters)
    if ink.legibility is not None:
        arrays["legibility"] = np.array(ink.legibility)
    buffer = io.BytesIO()
    # np.savez would stamp each member with the time of day.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def from_npz(data: bytes) -> Ink:
    """The ink in an archive of `to_npz`; pickles are refused. Raises ValueError on anything else."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise ValueError("not a whole .npz archive")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name]) for name in archive.files}
    except (ValueError, EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"not a whole .npz archive without pickles ({error})") from error
    _check_format(*(arrays[key].tolist() if key in arrays else None for key in ("format", "version")))
    for key, ndim in (("points", 2), ("lengths", 1)):
        if key not in arrays or arrays[key].ndim != ndim:
            raise ValueError(f"ink archives hold an array {key!r} of {ndim} dimension(s); this one does not")
    points, lengths = arrays["points"], arrays["lengths"]
    if lengths.dtype.kind not in "iu" or (lengths < 1).any() or lengths.sum() != len(points):
        raise ValueError(f"stroke lengths {lengths.tolist()[:8]} do not add up to {len(points)} points")
    cuts = np.cumsum(lengths)[:-1]
    characters = None
    if "characters" in arrays:
        if arrays["characters"].shape != (len(points),):
            raise ValueError(
                f"characters have shape {arrays['characters'].shape}, not one index for each of {len(points)} points"
            )
        characters = np.split(arrays["characters"], cuts)
    text = json.loads(str(arrays["text"].item())) if "text" in arrays else None
    legibility = arrays["legibility"].tolist() if "legibility" in arrays else None
    return Ink.from_strokes(np.split(points, cuts), text, characters, legibility)


def _check_format(name: object, version: object) -> None:
    if name != FORMAT:
        raise ValueError(f'not ink: "format" is {name!r}, not {FORMAT!r}')
    if version != VERSION:
        raise ValueError(f"ink of version {version!r}; this package reads version {VERSION}")
