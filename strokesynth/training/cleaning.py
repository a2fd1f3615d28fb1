"""Cleans a corpus of lines in which a recogniser cannot find their text: mislabelled, incomplete or scribbled ones.

A synthesis network that is shown ink which says something else learns to write something else. The measure is that
of proofreading (`strokesynth.synthesis.proofread`): the negative log-likelihood of the text under a reader, in nats a
character.
"""

from __future__ import annotations

import json
import math
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strokesynth._files import atomic_write, check_writable
from strokesynth.datasets.corpus import HELD_OUT, Corpus, take
from strokesynth.ink import Ink
from strokesynth.recognition.decoding import ctc_log_likelihood, greedy
from strokesynth.recognition.recognizer import Recognizer
from strokesynth.training.readers import read_each

LIMIT = 0.8
"""Nats a character above which a line is left out. By eye, such lines are hard to read or do not say their text."""

_SHOWN = 20  # lines of each source in the report


def clean_corpus(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    recognizer: str | os.PathLike[str] | None = None,
    limit: float = LIMIT,
    workers: int | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Write the lines of a corpus in which a reader finds their text to `out`, and a report beside it (.json).

    Lines that are kept out of training stay, so that figures before and after can be compared.

    recognizer: weights of the reader; None takes those in the package. limit: nats a character. workers: processes
    of one thread each; None takes one for each core.
    Returns the report: how many lines of each source were read and left out, and the worst of them as they were read.
    Raises ValueError for a limit out of range, otherwise as `Corpus.load`, `load_recognizer` and `check_writable`.
    """
    if not (math.isfinite(limit) and limit > 0):
        raise ValueError(f"limit is {limit!r}; expected a number of nats a character above 0")
    out = check_writable(out)
    corpus = Corpus.load(path)
    nll, readings = judge(corpus, recognizer, workers=workers, progress=progress)
    judged = ~np.isin(corpus.splits, HELD_OUT)
    bad = judged & (nll > limit)
    sources = {}
    for source in dict.fromkeys(corpus.sources.tolist()):
        own = judged & (corpus.sources == source)
        worst = [i for i in np.argsort(-nll, kind="stable") if own[i] and bad[i]][:_SHOWN]
        sources[source] = {
            "lines": int(own.sum()),
            "left_out": int((own & bad).sum()),
            "points_left_out": int(corpus.lengths[own & bad].sum()),
            "worst": [
                {"id": str(corpus.ids[i]), "text": str(corpus.texts[i]), "read": readings[i]} for i in worst
            ],
        }
    cleaned = take(corpus, np.flatnonzero(~bad))
    cleaned.save(out)
    report = {"limit": limit, "samples": len(cleaned), "points": len(cleaned.points), "sources": sources}
    with atomic_write(out.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(report, indent=1) + "\n")
    return report


def describe(report: dict[str, Any]) -> str:
    """The report of `clean_corpus` as lines of text."""
    lines = [f"{report['samples']} samples, {report['points']} points kept"]
    for source, of in report["sources"].items():
        share = 100 * of["left_out"] / max(1, of["lines"])
        lines.append(f"{source}: {of['left_out']} of {of['lines']} lines left out ({share:.1f} %), such as")
        lines += [f"    {worst['text']!r}, read as {worst['read']!r}" for worst in of["worst"][:4]]
    return "\n".join(lines)


def judge(
    corpus: Corpus,
    recognizer: str | os.PathLike[str] | None = None,
    *,
    workers: int | None = None,
    progress: bool = True,
) -> tuple[NDArray[np.float64], list[str]]:
    """Read N lines: the negative log-likelihood of each text, in nats a character (N,), and what the reader reads.

    The former is -log p(text | ink) / length, infinite where the ink is too short for the text. See `clean_corpus`.
    """
    judged = read_each(corpus, _judge, "reading", recognizer=recognizer, workers=workers, progress=progress)
    return np.array([nll for nll, _ in judged]), [reading for _, reading in judged]


def _judge(reader: Recognizer, inks: list[Ink], texts: list[str]) -> list[tuple[float, str]]:
    """The negative log-likelihood of each text, in nats a character, and what is read."""
    found = [(math.inf, "")] * len(texts)
    for i, log_probs in reader.frames(inks, normalized=True):
        codes = reader.alphabet.encode(texts[i])
        nll = -ctc_log_likelihood(log_probs, codes) / len(codes)
        found[i] = nll, reader.alphabet.decode(greedy(log_probs))
    return found
