"""Finds with a reader which character each point of a corpus belongs to; style encoders are trained on this.

The alignment is kept in a file beside the corpus: it takes minutes for a large corpus, and depends on nothing but the
corpus and the reader.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from strokesynth._files import atomic_write, check_writable
from strokesynth.datasets.corpus import Corpus
from strokesynth.ink import Ink
from strokesynth.recognition.recognizer import Recognizer
from strokesynth.training.readers import read_each

FORMAT = 1
NOBODY = -1
"""Stands in place of a character for the points of a line in which the reader cannot find its text."""

# What reading a file raises that is cut short, no archive, or an archive of something else; np.load gives an array for
# a .npy file, which cannot be opened as an archive (AttributeError before Python 3.11).
_DAMAGE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def align_corpus(
    corpus: Corpus,
    *,
    recognizer: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> NDArray[np.int16]:
    """Give each point of the corpus (P,) the index into its line's text of the character that it belongs to.

    recognizer: weights of the reader; None takes those in the package. workers: processes of one thread each; None
    takes one for each core. Points of a line that cannot say its text have `NOBODY`.
    Raises as `load_recognizer`.
    """
    lines = read_each(corpus, _align, "aligning", recognizer=recognizer, workers=workers, progress=progress)
    return np.concatenate([np.zeros(0, np.int16), *lines])


def align_file(
    corpus: str | os.PathLike[str],
    *,
    recognizer: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> tuple[Path, NDArray[np.int16]]:
    """Align the corpus in a file and write the alignment beside it; returns where it is, and what it holds.

    See `align_corpus`. Raises as `Corpus.load`, `load_recognizer` and `check_writable` as well.
    """
    path = check_writable(alignment_file(corpus))
    characters = align_corpus(Corpus.load(corpus), recognizer=recognizer, workers=workers, progress=progress)
    save_alignment(path, characters)
    return path, characters


def describe(path: Path, characters: NDArray[np.int16]) -> str:
    """What `align_file` returned in a line to read."""
    missing = 100 * np.count_nonzero(characters == NOBODY) / max(1, len(characters))
    return f"{path}: {len(characters)} points, {missing:.2f} % of them in lines that cannot say their text"


def alignment_file(corpus: str | os.PathLike[str]) -> Path:
    """The file in which the alignment of a corpus file is kept, beside it."""
    path = Path(corpus)
    return path.with_name(f"{path.stem}.characters.npz")


def save_alignment(path: str | os.PathLike[str], characters: NDArray[np.int16]) -> None:
    """Write what `align_corpus` gave, whole or not at all."""
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, format=np.int32(FORMAT), characters=characters)


def load_alignment(path: str | os.PathLike[str], corpus: Corpus) -> NDArray[np.int16]:
    """Read the alignment of this corpus.

    Raises FileNotFoundError where there is none, ValueError where the file is no alignment or of another corpus.
    """
    path = Path(path)
    make = "make one with data_preprocessing.py --align CORPUS"
    if not path.is_file():
        raise FileNotFoundError(f"no alignment at {path}: {make}")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            version, characters = int(archive["format"]), archive["characters"]
    except _DAMAGE as error:
        raise ValueError(f"{path} is not an alignment, or is cut short ({error}): {make}") from error
    if version != FORMAT:
        raise ValueError(f"{path} is an alignment of version {version}; this program reads version {FORMAT}")
    texts = np.repeat(np.array([len(text) for text in corpus.texts], np.int64), corpus.lengths)
    if (
        characters.dtype.kind not in "iu"
        or characters.shape != (len(corpus.points),)
        or not ((characters >= NOBODY) & (characters < texts)).all()
    ):
        raise ValueError(f"{path} is not the alignment of this corpus of {len(corpus.points)} points: {make}")
    return characters.astype(np.int16)


def _align(reader: Recognizer, inks: list[Ink], texts: list[str]) -> list[NDArray[np.int16]]:
    """The character of each point of each line."""
    return [
        np.full(sum(map(len, ink.strokes)), NOBODY, np.int16)
        if alignment is None
        else np.concatenate(alignment.characters).astype(np.int16)
        for ink, alignment in zip(inks, reader.align(inks, texts, normalized=True), strict=True)
    ]
