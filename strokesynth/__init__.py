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
    from strokesynth.alphabet import Alphabet
    from strokesynth.ink import Ink
    from strokesynth.ink.lines import split_rows
    from strokesynth.ink.normalize import normalize
    from strokesynth.page.layout import Paragraph
    from strokesynth.page.page import Page
    from strokesynth.recognition.language_model import LanguageModel
    from strokesynth.recognition.reading import Reading
    from strokesynth.recognition.recognizer import Recognizer, load_recognizer
    from strokesynth.synthesis.session import SynthesisError
    from strokesynth.synthesis.spelling import supported_characters
    from strokesynth.synthesis.style import Style, styles
    from strokesynth.synthesis.synthesizer import Synthesizer, load_synthesizer

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
    "normalize",
    "split_rows",
    "styles",
    "supported_characters",
]

_HOMES = {
    "Alphabet": "alphabet",
    "Ink": "ink.ink",
    "LanguageModel": "recognition.language_model",
    "Page": "page.page",
    "Paragraph": "page.layout",
    "Reading": "recognition.reading",
    "Recognizer": "recognition.recognizer",
    "Style": "synthesis.style",
    "SynthesisError": "synthesis.session",
    "Synthesizer": "synthesis.synthesizer",
    "load_recognizer": "recognition.recognizer",
    "load_synthesizer": "synthesis.synthesizer",
    "normalize": "ink.normalize",
    "split_rows": "ink.lines",
    "styles": "synthesis.style",
    "supported_characters": "synthesis.spelling",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value  # found directly from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
