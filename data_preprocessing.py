"""Prepare a training corpus from handwriting databases: see ``python data_preprocessing.py --help``."""

from strokesynth.cli import prepare_main

if __name__ == "__main__":
    raise SystemExit(prepare_main())
