"""Readers of handwriting corpora. Each is a generator of `Sample`: ink, text, writer, split.

`data/README.md` tells where each corpus comes from, on what terms, and how its files should lie.
"""

from .iam import read_iam
from .punctuation import close_punctuation
from .sample import ReadReport, Sample
from .strokes_npy import read_strokes_npy
from .unipen import read_unipen, unipen_split
from .unipen_npz import read_unipen_npz

__all__ = [
    "ReadReport",
    "Sample",
    "close_punctuation",
    "read_iam",
    "read_strokes_npy",
    "read_unipen",
    "read_unipen_npz",
    "unipen_split",
]
