"""A synthesizer whose ink is known exactly: every character is one stroke of known width."""

import numpy as np

from strokesynth import Ink
from strokesynth.alphabet import Alphabet

BLANK = 1.5
POINTS = 6


class Typewriter:
    """Writes each character as a zigzag between the baseline and its height, side by side.

    Widths differ from one writing of a character to the next, so that nobody can know them beforehand.
    """

    alphabet = Alphabet()

    def __init__(self):
        self.batches = []  # texts, as they came

    def proofreader(self, proofread, candidates=None, limit=None):
        return None

    def write(self, text, **options):
        return self.write_lines([text], **options)[0]

    def write_lines(self, texts, *, bias=None, style=None, seed=None, **_):
        self.batches.append(list(texts))
        rng = np.random.default_rng(seed)
        return [type_line(text, rng) for text in texts]


def type_line(text, rng):
    strokes, characters, x = [], [], 0.0
    for k, c in enumerate(text):
        if c == " ":
            x += BLANK
            continue
        width = rng.uniform(0.5, 1.1)
        top = 2.0 if c.isupper() or c in "bdfhklt" else 1.0
        low = 0.7 if c in "gjpqy" else 0.0
        y = np.resize([low, -top], POINTS)
        strokes.append(np.column_stack([np.linspace(x, x + width, POINTS), y]))
        characters.append([k] * POINTS)
        x += width + 0.1
    return Ink.from_strokes(strokes, text, characters)
