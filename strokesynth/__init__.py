"""Handwriting: text in, pen strokes out; pen strokes in, text out.

    import strokesynth as ss

    synthesizer = ss.load_synthesizer()
    ink = synthesizer.write("Dear Ada,", seed=7)
    ink.save("ada.svg")
    str(ss.load_recognizer().read(ink))

Everything public is found here and imported at first use, so that `import strokesynth` alone costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .alphabet import Alphabet
    from .ink import Ink
    from .language_model import LanguageModel
    from .layout import Paragraph
    from .page import Page
    from .reading import Reading
    from .recognizer import Recognizer, load_recognizer
    from .spelling import supported_characters
    from .style import Style, styles
    from .synthesizer import SynthesisError, Synthesizer, load_synthesizer

__version__ = "0.1.0"

__all__ = [
    "Alphabet",
    "Ink",
    "LanguageModel",
    "Page",
    "Paragraph",
    "Reading",
    "Recognizer",
    "Style",
    "SynthesisError",
    "Synthesizer",
    "__version__",
    "load_recognizer",
    "load_synthesizer",
    "styles",
    "supported_characters",
]

_HOMES = {
    "Alphabet": "alphabet",
    "Ink": "ink",
    "LanguageModel": "language_model",
    "Page": "page",
    "Paragraph": "layout",
    "Reading": "reading",
    "Recognizer": "recognizer",
    "Style": "style",
    "SynthesisError": "synthesizer",
    "Synthesizer": "synthesizer",
    "load_recognizer": "recognizer",
    "load_synthesizer": "synthesizer",
    "styles": "style",
    "supported_characters": "spelling",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value  # found directly from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
