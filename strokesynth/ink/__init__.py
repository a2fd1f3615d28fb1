"""What a pen wrote: ink, its files, how it is drawn, and its geometry."""

from strokesynth.ink.ink import Ink, check_output

__all__ = ["Ink", "check_output"]
