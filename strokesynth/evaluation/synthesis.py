"""How well a synthesizer writes, in figures: what ``evaluate.py`` measures, part by part.

Every part returns figures as JSON can hold them, and all but the speed depend on the weights and the options alone.
Rates are shares (0.01 is 1 %), and an interval is low and high, at 95 %.
"""

from __future__ import annotations

import platform
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from strokesynth.datasets.corpus import HELD_OUT, Corpus, spread
from strokesynth.datasets.sample import IAM, UNIPEN_TEXT
from strokesynth.evaluation import texts as test_texts
from strokesynth.evaluation import variety
from strokesynth.evaluation.legibility import (
    Advance,
    Legibility,
    has_extent,
    kind_of,
    read_lines,
    recognised,
    worst,
    write_lines,
)
from strokesynth.evaluation.metrics import confusions
from strokesynth.evaluation.recognition import read_corpus
from strokesynth.evaluation.variety import WrittenWord
from strokesynth.ink import Ink
from strokesynth.recognition.recognizer import Recognizer
from strokesynth.synthesis.style import styles
from strokesynth.synthesis.synthesizer import Synthesizer
from strokesynth.training.synthesis_task import SynthesisTask

GROUPS = {
    "letters": str.isalpha,
    "digits": str.isdigit,
    "marks": lambda character: not character.isalnum(),
}

# Sources of lines that someone wrote in one go.
_REAL = (IAM, UNIPEN_TEXT)
_WORST, _CONFUSIONS = 24, 30
_PAGE = 1800  # characters
_MOST_PAIRS = 60  # pairs of writings of one word
_RATIOS = (
    ("one style", "one writer"),
    ("no style", "one writer"),
    ("two styles", "two writers"),
    ("no style", "two writers"),
)

ProgressBar = Callable[[str, int], AbstractContextManager[Advance]]
"""Makes a bar with a label and a number of steps, and gives the function that moves it on."""


@dataclass(frozen=True)
class Options:
    """How much is measured. The seed chooses the texts, and how they are written."""

    seed: int = 0
    lines: int = 200  # of each class
    per_character: int = 50
    characters: str = test_texts.CHARACTERS
    biases: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
    writings: int = 4  # of each line of `variety.LINES` in each style, and three times as many without one
    styles: tuple[str, ...] = ()  # for the variety; none stands for all bundled ones
    real_lines: int = 1200  # at most, of each kind
    validation_lines: int = 320  # of each source
    rounds: int = 3  # number of timings, of which the median is given

    def __post_init__(self) -> None:
        for name in ("lines", "per_character", "writings", "real_lines", "validation_lines", "rounds"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 1")
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; expected at least 0")


QUICK = Options(
    lines=6,
    per_character=2,
    characters="aehnrtxAHQ038.,'@&(#",
    biases=(0.0, 0.5, 1.0, 2.0),
    writings=2,
    styles=("plain", "flowing"),
    real_lines=40,
    validation_lines=16,
    rounds=1,
)
"""Options for a first look, whose figures say little."""


class Result(NamedTuple):
    """The findings of one part of the evaluation."""

    figures: dict[str, Any]
    sheet: Sequence[tuple[Ink, str]] = ()  # ink worth looking at, with titles


class SynthesisEvaluation:
    """The parts, for one synthesizer and any number of readers, of which the first is the main one.

    corpus: one for recognition, with real lines to compare with. generation_corpus: one for generation, for the nats.
    Parts that need one of them are not `available` without. Raises ValueError for a corpus of the other task, or
    without held-out lines, and where there is no reader.
    """

    def __init__(
        self,
        synthesizer: Synthesizer,
        readers: Mapping[str, Recognizer],
        options: Options,
        *,
        corpus: Corpus | None = None,
        generation_corpus: Corpus | None = None,
        bar: ProgressBar = lambda what, steps: nullcontext(lambda n: None),
    ) -> None:
        if not readers:
            raise ValueError("reading needs at least one reader, and none was given")
        for name, task, given in (
            ("corpus", "recognition", corpus),
            ("generation_corpus", "generation", generation_corpus),
        ):
            if given is not None and given.task != task:
                raise ValueError(f"{name} is a corpus for {given.task}; expected one for {task}")
            if given is not None and not np.isin(given.splits, HELD_OUT).any():
                raise ValueError(
                    f"{name} has no line of the splits {' or '.join(HELD_OUT)}, which are kept out of training; "
                    f"it has {', '.join(sorted(set(given.splits)))}"
                )
        self.synthesizer, self.readers, self.options = synthesizer, dict(readers), options
        self.corpus, self.generation_corpus, self.bar = corpus, generation_corpus, bar
        self.parts: dict[str, Callable[[], Result]] = {
            "legibility": lambda: self.legibility(proofread=False),
            "legibility_proofread": lambda: self.legibility(proofread=True),
            "real": self.real,
            "characters": lambda: self.characters(proofread=False),
            "characters_proofread": lambda: self.characters(proofread=True),
            "bias": self.bias,
            "variety": self.variety,
            "nats": self.nats,
            "speed": self.speed,
        }

    def available(self, part: str) -> bool:
        """Whether the corpus that a part needs was given."""
        needed = {"real": self.corpus, "nats": self.generation_corpus}
        return needed.get(part, self) is not None

    def legibility(self, *, proofread: bool) -> Result:
        """Measure how each class of lines is read at the default bias, and find the worst lines."""
        texts = {
            kind: test_texts.lines(kind, self.options.lines, self.options.seed) for kind in test_texts.CLASSES
        }
        flat = [text for some in texts.values() for text in some]
        kinds = [kind for kind, some in texts.items() for _ in some]
        inks, readings = self._write_and_read(
            "proofread lines" if proofread else "lines", texts, proofread=proofread
        )
        found = {}
        for name, read in readings.items():
            by_kind = {
                kind: (
                    [t for t, k in zip(flat, kinds) if k == kind],
                    [r for r, k in zip(read, kinds) if k == kind],
                )
                for kind in texts
            }
            found[name] = {kind: Legibility.of(*both).to_dict() for kind, both in by_kind.items()}
        main = next(iter(readings.values()))
        bad = [
            {"class": kinds[i], "written": flat[i], "read": main[i], "ink": inks[i] is not None}
            for i in worst(flat, main, _WORST)
        ]
        sheet = [
            (ink, f"{kinds[i]}: {flat[i]}   read: {main[i]}")
            for i in worst(flat, main, _WORST)
            if (ink := inks[i]) is not None
        ]
        return Result({"readers": found, "worst": bad, "confusions": _confusions(flat, main)}, sheet)

    def real(self) -> Result:
        """Measure how well the readers read lines that people wrote, by kind."""
        corpus = _given(self.corpus, "corpus")
        chosen = np.flatnonzero(np.isin(corpus.splits, HELD_OUT) & np.isin(corpus.sources, _REAL))
        # In IAM-OnDB, "#" stands for what is struck out.
        chosen = np.array([i for i in chosen if corpus.sources[i] != IAM or "#" not in corpus.texts[i]], int)
        kinds = np.array([kind_of(str(corpus.texts[i])) for i in chosen], str)
        parts = {
            kind: spread(chosen[kinds == kind], self.options.real_lines)
            for kind in ("letters", "digits", "symbols")
            if (kinds == kind).any()
        }
        found: dict[str, Any] = {}
        with self.bar("real lines", len(self.readers) * sum(map(len, parts.values()))) as progress:
            for name, reader in self.readers.items():
                found[name] = {}
                for kind, indices in parts.items():
                    readings = read_corpus(reader, corpus, indices, progress=progress)
                    writers = [str(w) for w in corpus.writers[indices]]
                    score = Legibility.of(
                        [str(t) for t in corpus.texts[indices]], [r.text for r in readings], writers
                    )
                    found[name][kind] = score.to_dict() | {"writers": len(set(writers))}
        return Result({"readers": found})

    def characters(self, *, proofread: bool) -> Result:
        """Count how often each character is recognised in its usual company."""
        options = self.options
        places = [
            p for c in options.characters for p in test_texts.places(c, options.per_character, options.seed)
        ]
        texts = {"characters": [p.text for p in places]}
        what = "proofread characters" if proofread else "characters"
        _, readings = self._write_and_read(what, texts, proofread=proofread)
        found = {}
        for name, read in readings.items():
            right = np.array([recognised(p.text, p.at, r) for p, r in zip(places, read)])
            counts = right.reshape(len(options.characters), options.per_character).sum(1)
            table = dict(zip(options.characters, counts.tolist(), strict=True))
            groups = {
                group: sum(table[c] for c in table if is_one(c))
                / max(1, options.per_character * sum(is_one(c) for c in table))
                for group, is_one in GROUPS.items()
            }
            found[name] = {"recognised": table, "groups": groups}
        main = next(iter(readings.values()))
        company = {c: test_texts.company(c) for c in options.characters}
        return Result(
            {
                "of": options.per_character,
                "company": company,
                "readers": found,
                "confusions": _confusions(texts["characters"], main),
            }
        )

    def bias(self) -> Result:
        """Measure how the same plain sentences are read at each bias, without proofreading."""
        texts = {"sentences": test_texts.lines("sentences", self.options.lines, self.options.seed)}
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in self.readers}
        for bias in self.options.biases:
            _, readings = self._write_and_read(f"bias {bias:g}", texts, bias=bias)
            for name, read in readings.items():
                found[name].append({"bias": bias} | Legibility.of(texts["sentences"], read).to_dict())
        return Result({"readers": found})

    def variety(self) -> Result:
        """Measure how different two writings of a word are, beside those of people where there is a corpus."""
        options, reader = self.options, next(iter(self.readers.values()))
        names = options.styles or tuple(styles())
        calls: list[tuple[str | None, int]] = [(s, k) for s in names for k in range(options.writings)]
        calls += [(None, k) for k in range(3 * options.writings)]
        styled, free = list[WrittenWord](), list[WrittenWord]()
        with self.bar("variety", len(calls) * len(variety.LINES)) as progress:
            for style, k in calls:
                label = f"variety {style} {k}"
                inks = write_lines(
                    self.synthesizer,
                    variety.LINES,
                    seed=options.seed,
                    label=label,
                    style=style,
                    progress=progress,
                )
                readable = [(j, variety.as_read(ink)) for j, ink in enumerate(inks) if has_extent(ink)]
                readings = reader.read_lines([ink for _, ink in readable], normalized=True)
                for (j, ink), reading in zip(readable, readings, strict=True):
                    line = (style, k, j)
                    cut = variety.cut_words(
                        ink, variety.LINES[j], reading, hand=style or line, line=line, label=j
                    )
                    (free if style is None else styled).extend(cut)
        limits: dict[str, Any] = {"most": _MOST_PAIRS, "seed": options.seed}
        kinds = {
            "one style": variety.pairs(styled, one_hand=True, one_text=True, **limits),
            "two styles": variety.pairs(styled, one_hand=False, one_text=True, **limits),
            "no style": variety.pairs(free, one_hand=False, one_text=True, **limits),
        }
        if self.corpus is not None:
            people = self._words_of_people(reader)
            kinds["one writer"] = variety.pairs(people, one_hand=True, one_text=False, **limits)
            kinds["two writers"] = variety.pairs(people, one_hand=False, one_text=False, **limits)
        differences = {
            kind: {
                word: [variety.difference(a.shape, b.shape) for a, b in two] for word, two in words.items()
            }
            for kind, words in kinds.items()
        }
        ratios = _RATIOS if self.corpus is not None else ()
        found = variety.compare(differences, ratios, seed=options.seed)
        figures = {
            "words": list(found.words),
            "pairs": found.pairs,
            "x_heights": {kind: _interval(values) for kind, values in found.means.items()},
            "ratios": [
                {"of": a, "to": b, **_interval(values, "ratio")} for (a, b), values in found.ratios.items()
            ],
        }
        return Result(figures)

    def nats(self) -> Result:
        """Measure what held-out ink costs the synthesis network in nats, see `SynthesisTask.validate`."""
        task = SynthesisTask(
            "conditional_handwriting",
            _given(self.generation_corpus, "generation_corpus"),
            batch_size=32,
            seed=self.options.seed,
            validation=HELD_OUT,
            validation_lines=self.options.validation_lines,
        )
        if task.alphabet != self.synthesizer.alphabet:
            raise ValueError("the nats are measured with the usual alphabet, and these weights have another")
        figures = task.validate(self.synthesizer.network)
        rows = {}
        for name in ("valid", *task.validation):
            keys = ("nats_per_point", "nats_per_sequence", "squared_error_per_point")
            rows["all" if name == "valid" else name] = {key: figures[f"{name}_{key}"] for key in keys}
        lines = {source: len(indices) for source, indices in task.validation.items()}
        return Result({"lines": lines, "sources": rows})

    def speed(self) -> Result:
        """Points a second for one line and 32 of them, 40 characters each, and seconds for a page.

        Rates are medians after a warm-up. The page is written once with and once without proofreading.
        """
        options, write_lines = self.options, self.synthesizer.write_lines
        texts = test_texts.lines("sentences", 400, options.seed)
        texts = sorted(texts, key=lambda t: (abs(len(t) - 40), t))[:32]
        page, length = "", _PAGE if options.rounds > 1 else _PAGE // 6
        for text in test_texts.lines("sentences", 100, options.seed + 1):
            page = f"{page} {text}".strip() if len(page) < length else page
        rates: dict[str, list[float]] = {"one line": [], "32 lines": []}
        pages = {}
        lines = len(page) // 40
        with self.bar("speed", 33 * options.rounds + 2 * lines) as progress:
            for proofread in (False, True):  # to warm up, and to load the reader
                write_lines(texts[:1], seed=options.seed, proofread=proofread)
            for k in range(options.rounds):
                for name, some in (("one line", [texts[k % 32]]), ("32 lines", texts)):
                    start = time.perf_counter()
                    inks = write_lines(some, seed=options.seed + k)
                    rates[name].append(sum(ink.n_points for ink in inks) / (time.perf_counter() - start))
                    progress(len(some))
            for name, proofread in (("plain", False), ("proofread", True)):
                start = time.perf_counter()
                self.synthesizer.write_page(page, seed=options.seed, proofread=proofread)
                pages[name] = time.perf_counter() - start
                progress(lines)
        return Result(
            {
                "points_per_second": {name: statistics.median(of) for name, of in rates.items()},
                "page": {"characters": len(page), "seconds": pages},
                "machine": {
                    "processor": _processor(),
                    "threads": torch.get_num_threads(),
                    "torch": torch.__version__,
                    "python": platform.python_version(),
                },
            }
        )

    def _write_and_read(
        self, what: str, texts: Mapping[str, Sequence[str]], **options: Any
    ) -> tuple[list[Ink | None], dict[str, list[str]]]:
        """Ink of all texts, by label, and what each reader finds in it."""
        count = sum(map(len, texts.values()))
        inks: list[Ink | None] = []
        with self.bar(what, count * (1 + len(self.readers))) as progress:
            for label, of in texts.items():
                inks += write_lines(
                    self.synthesizer, of, seed=self.options.seed, label=label, progress=progress, **options
                )
            readings = {
                name: read_lines(reader, inks, progress=progress) for name, reader in self.readers.items()
            }
        return inks, readings

    def _words_of_people(self, reader: Recognizer) -> list[WrittenWord]:
        corpus, found = _given(self.corpus, "corpus"), list[WrittenWord]()
        indices = variety.lines_of_people(corpus, _REAL, self.options.real_lines, self.options.seed)
        with self.bar("words of people", 2 * len(indices)) as progress:
            readings = read_corpus(reader, corpus, indices, progress=progress)
            for i, reading in zip(indices.tolist(), readings, strict=True):
                ink, writer = Ink.from_offsets(corpus.offsets(i)), str(corpus.writers[i])
                found += variety.cut_words(ink, str(corpus.texts[i]), reading, hand=writer, line=i)
                progress(1)
        return found


def _given(corpus: Corpus | None, name: str) -> Corpus:
    if corpus is None:
        raise ValueError(f"this part needs {name}, and none was given")
    return corpus


def _processor() -> str:
    """Its name, as far as the system tells."""
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def _confusions(texts: Sequence[str], readings: Sequence[str]) -> list[dict[str, Any]]:
    return [c._asdict() for c in confusions(texts, readings)[:_CONFUSIONS]]


def _interval(values: tuple[float, float, float], name: str = "mean") -> dict[str, float]:
    return dict(zip((name, "low", "high"), values, strict=True))
