"""From a recorded sample to its label in the corpus and normalised offsets, or to the reason why it is left out.

Lines are normalised in groups of one writer, because the x-height of one short line is uncertain and that of several
is not. For a recogniser they are judged in the same way, but each is kept as the recogniser will meet it: normalised by
itself, without a look at its text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from strokesynth.datasets.fitness import LIMITS, implausible, mismatched, unusable
from strokesynth.datasets.iam import close_punctuation
from strokesynth.datasets.sample import IAM, TEST_F, TEST_T, TEST_V, Label, Sample
from strokesynth.ink import Ink
from strokesynth.ink.normalize import Baseline, estimate_baseline, normalize

Labelled = tuple[Label, np.ndarray]
"""A label and the normalised offsets (n, 3) of its ink."""

_FREEDOM = 0.12
"""How far the logarithm of a line's x-height may be from that of its group."""

_NO_BASELINE = "no baseline found"


def normalize_group(samples: Sequence[Sample], task: str) -> list[tuple[Label, np.ndarray | str]]:
    """Normalise consecutive samples of one writer for ``task``.

    Returns, for each sample, its label with the text as it was written, and either its offsets (n, 3) or the reason to
    leave it out. The recorded ink is not handed back: it is as large as the result.
    """
    limits = LIMITS[task]
    texts = [transcript(sample.label) for sample in samples]
    reasons = [unusable(sample, text) for sample, text in zip(samples, texts, strict=True)]
    baselines: list[Baseline | None] = []
    for i, (sample, text) in enumerate(zip(samples, texts, strict=True)):
        try:
            baselines.append(estimate_baseline(sample.ink, text) if reasons[i] is None else None)
        except ValueError:
            baselines.append(None)
            reasons[i] = _NO_BASELINE
    heights = [(np.log(b.x_height), len(t)) for b, t in zip(baselines, texts, strict=True) if b]
    usual = _weighted_median(heights) if heights else 0.0
    results: list[np.ndarray | str] = [reason or "" for reason in reasons]
    fit: list[int] = []
    widths: list[float] = []
    for i, (sample, text, baseline) in enumerate(zip(samples, texts, baselines, strict=True)):
        if not baseline:
            continue
        found = np.log(baseline.x_height)
        near = np.clip(found, usual - _FREEDOM, usual + _FREEDOM)
        if near != found:
            baseline = estimate_baseline(sample.ink, text, x_height=float(np.exp(near)))
        ink = normalize(sample.ink, baseline=baseline)
        reason = implausible(text, ink, limits)
        results[i] = reason or ink.to_offsets()
        if reason is None:
            fit.append(i)
            widths.append(ink.bounds[2])
    for i, bad in zip(fit, mismatched([texts[i] for i in fit], widths, limits), strict=True):
        if bad:
            results[i] = "as wide as another text"
    if task == "recognition":
        for i, sample in enumerate(samples):
            if texts[i] and (not isinstance(results[i], str) or _published(sample.label)):
                results[i] = normalize_alone(Ink(sample.ink.strokes))
    labels = [replace(sample.label, text=text) for sample, text in zip(samples, texts, strict=True)]
    return list(zip(labels, results, strict=True))


def normalize_alone(ink: Ink) -> np.ndarray | str:
    """Return the offsets (n, 3) of ink normalised as a recogniser has to, or the reason why that cannot be done."""
    try:
        return normalize(ink).to_offsets()
    except ValueError:
        return _NO_BASELINE


def normalize_again(labelled: Labelled) -> Labelled:
    """Normalise offsets once more, without their text; those of a single dot stay as they are."""
    label, offsets = labelled
    result = normalize_alone(Ink.from_offsets(offsets))
    return labelled if isinstance(result, str) else (label, result)


def transcript(label: Label) -> str:
    """Return the text as it was written: in one line, and without the blanks that IAM-OnDB has around punctuation."""
    text = close_punctuation(label.text) if label.source == IAM else label.text
    return " ".join(text.split())


def _published(label: Label) -> bool:
    """Whether published figures count this line, so that none may be left out, however bad."""
    return label.source == IAM and label.split in (TEST_V, TEST_T, TEST_F)


def _weighted_median(pairs: Sequence[tuple[float, float]]) -> float:
    values, weights = np.array(sorted(pairs)).T
    return float(values[np.searchsorted(np.cumsum(weights), weights.sum() / 2)])
