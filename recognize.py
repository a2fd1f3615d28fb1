"""Read handwriting: see ``python recognize.py --help``."""

from strokesynth.cli import recognize_main

if __name__ == "__main__":
    raise SystemExit(recognize_main())
