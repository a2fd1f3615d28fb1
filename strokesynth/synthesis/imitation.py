"""From lines of ink to the style of whoever wrote them: normalise together, align to the text, encode."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from strokesynth.alphabet import Alphabet
from strokesynth.ink import Ink
from strokesynth.ink.normalize import normalize_together
from strokesynth.nn.style_encoder import References
from strokesynth.nn.styled import StyledNetwork
from strokesynth.recognition.recognizer import Recognizer, load_recognizer
from strokesynth.synthesis.posterior import StylePosterior
from strokesynth.synthesis.spelling import spell

MOST_LINES = 500
"""Lines that one style may be made of; some dozens are as good."""

MISMATCH = 2.0
"""Most nats a character that its text may cost the reader of a line; cleaning a corpus leaves lines out above 0.8."""


def imitate(
    inks: Sequence[Ink],
    texts: Sequence[str] | None,
    network: StyledNetwork,
    recognizer: Recognizer | None = None,
    *,
    force: bool = False,
    normalized: bool = False,
) -> tuple[StylePosterior, Ink]:
    """The posterior of the style that these lines are written in, and the one of them that tells most, normalised.

    See `Style.from_ink` for the arguments; normalized: the ink is that of a corpus, use it as it is.
    """
    prepared = prepare(inks, texts, network, recognizer, force=force, normalized=normalized)
    alphabet = Alphabet()
    references = [(line.to_offsets(), owner, alphabet.encode(line.text or "")) for line, owner in prepared]
    with torch.no_grad():
        given = References.of(references).to(network.offset_mean.device)
        everything = [torch.arange(len(given.codes), device=given.codes.device)]
        posterior = network.encoder.styles(*network.encoder.instances(given), given, everything)
    arrays = (
        posterior.hand,
        posterior.characters,
        (0.5 * posterior.hand_log_variance).exp(),
        (0.5 * posterior.characters_log_variance).exp(),
    )
    numbers = StylePosterior(network.style_space, *(part[0].cpu().numpy() for part in arrays))
    best, _ = max(prepared, key=lambda pair: len(set(pair[0].text or "")))
    return numbers, best


def prepare(
    inks: Sequence[Ink],
    texts: Sequence[str] | None,
    network: StyledNetwork,
    recognizer: Recognizer | None = None,
    *,
    force: bool = False,
    normalized: bool = False,
) -> list[tuple[Ink, NDArray[np.int64]]]:
    """Each line normalised, with its text in base letters, and the character that each of its points belongs to (n,).

    The arguments are those of `imitate`. Raises ValueError as `Style.from_ink`.
    """
    if not inks:
        raise ValueError("a style is made from at least one line of ink, and there is none")
    if len(inks) > MOST_LINES:
        raise ValueError(f"a style is made from at most {MOST_LINES} lines of ink, and there are {len(inks)}")
    for i, ink in enumerate(inks):
        if not isinstance(ink, Ink):
            raise ValueError(f"line {i} is a {type(ink).__name__}; expected Ink")
    if texts is not None and len(texts) != len(inks):
        raise ValueError(f"each line has one text; got {len(inks)} lines and {len(texts)} texts")
    reader = _packaged_reader() if recognizer is None else recognizer
    said = _texts(inks, texts, reader, network.config.pen.alphabet_size)
    lines = list(inks) if normalized else normalize_together(inks, said)
    aligned = reader.align(lines, said, normalized=True)
    result = []
    for i, (line, text, found) in enumerate(zip(lines, said, aligned, strict=True)):
        if found is None:
            raise ValueError(f"line {i} is too short for its text {text!r}")
        if found.nll > MISMATCH and not force:
            (reading,) = reader.read_lines([line], normalized=True)
            raise ValueError(
                f"line {i} does not seem to say {text!r}: it reads {str(reading)!r}. "
                "If it does say that, give force=True"
            )
        result.append((Ink(line.strokes, text), np.concatenate(found.characters)))
    return result


def _texts(inks: Sequence[Ink], texts: Sequence[str] | None, reader: Recognizer, size: int) -> list[str]:
    """What each line says, in base letters: as given, as the ink has it, or as it reads."""
    alphabet = Alphabet()
    if alphabet.size != size:
        raise ValueError(f"the network has {size} characters; expected {alphabet.size}")
    known = [ink.text for ink in inks] if texts is None else list(texts)
    unknown = [i for i, text in enumerate(known) if text is None]
    readings = reader.read_lines([inks[i] for i in unknown]) if unknown else []
    for i, reading in zip(unknown, readings, strict=True):
        known[i] = str(reading)
    said = []
    for i, text in enumerate(known):
        if not isinstance(text, str):
            raise ValueError(f"the text of line {i} is a {type(text).__name__}; expected a str")
        if not text.strip():
            raise ValueError(f"line {i} says nothing, and a style needs characters to look at")
        try:
            said.append(" ".join(spell(text, alphabet).base.split()))
        except ValueError as error:
            raise ValueError(f"line {i}: {error}") from None
    return said


@cache
def _packaged_reader() -> Recognizer:
    return load_recognizer()
