"""Write a text by hand: see ``python generate.py --help``."""

from strokesynth.cli import generate_main

if __name__ == "__main__":
    raise SystemExit(generate_main())
