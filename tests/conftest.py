"""Shared by all tests: one thread, so that results and run times do not hang on the machine's load."""

import os

# Before the first import of numpy and torch, whose thread pools are sized once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
