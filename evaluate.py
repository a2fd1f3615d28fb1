"""Measure how well handwriting is written: see ``python evaluate.py --help``."""

from strokesynth.cli.evaluate import evaluate_main

if __name__ == "__main__":
    raise SystemExit(evaluate_main())
