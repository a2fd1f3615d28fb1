"""Train a network: see ``python train.py --help``."""

from strokesynth.cli import train_main

if __name__ == "__main__":
    raise SystemExit(train_main())
