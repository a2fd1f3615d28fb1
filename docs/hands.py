"""Draws the sheet of all bundled hands in the guide to styles: ``python docs/hands.py docs/images/hands.png``."""

import sys

import strokesynth as ss
from strokesynth import plots

TEXT = "The quick brown fox jumps over a lazy dog"

synthesizer = ss.load_synthesizer()
inks = [synthesizer.write(TEXT, style=name, seed=1, proofread=True) for name in ss.styles()]
plots.plot_lines(inks, ss.styles(), columns=2).savefig(sys.argv[1], dpi=80)
