"""Handwriting synthesis: text in, pen strokes out.

    import strokesynth as ss

    synthesizer = ss.load_synthesizer()
    ink = synthesizer.write("Dear Ada,", seed=7)
    ink.save("ada.svg")

Everything public is found here and imported at first use, so that `import strokesynth` alone costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .alphabet import Alphabet
    from .ink import Ink
    from .synthesizer import SynthesisError, Synthesizer, load_synthesizer

__version__ = "0.1.0"

__all__ = ["Alphabet", "Ink", "SynthesisError", "Synthesizer", "__version__", "load_synthesizer"]

_HOMES = {
    "Alphabet": "alphabet",
    "Ink": "ink",
    "SynthesisError": "synthesizer",
    "Synthesizer": "synthesizer",
    "load_synthesizer": "synthesizer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value  # found directly from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
