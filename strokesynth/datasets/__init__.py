"""Readers of handwriting corpora. Each is a generator of `Sample`: ink with a label (text, writer, split, …).

`data/README.md` tells where each corpus comes from, on what terms, and how its files should lie.
"""

from strokesynth.datasets.iam import close_punctuation, read_iam
from strokesynth.datasets.sample import Label, ReadReport, Sample
from strokesynth.datasets.strokes_npy import read_strokes_npy
from strokesynth.datasets.unipen import read_unipen, unipen_split
from strokesynth.datasets.unipen_npz import read_unipen_npz

__all__ = [
    "Label",
    "ReadReport",
    "Sample",
    "close_punctuation",
    "read_iam",
    "read_strokes_npy",
    "read_unipen",
    "read_unipen_npz",
    "unipen_split",
]
