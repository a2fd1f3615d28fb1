"""UNIPEN train_r01_v07 in its original format (Guyon et al., ICPR 1994): text files of dotted keywords.

    .INCLUDE aga/data/nikkshmn.dat      a file in the folder include/
    .COORD X Y                          what the columns of the numbers below mean
    .PEN_DOWN                           one component: pen positions, y growing upwards
    1021 334
    1023 338
    .PEN_UP                             another; one without positions does not count
    .SEGMENT WORD 4-8 OK "twelve"       components 4 to 8 are the word

https://doi.org/10.5281/zenodo.1195803, CC BY 4.0; an older notice on the CD of 1999 allows research use only.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from strokesynth.datasets._archive import iter_files
from strokesynth.datasets.sample import (
    TEST,
    TRAIN,
    UNIPEN_CHARS,
    UNIPEN_TEXT,
    UNIPEN_WORDS,
    Label,
    ReadReport,
    Sample,
)
from strokesynth.ink import Ink

# The categories 2, 3 and 6 of the distribution show the same ink once more: 2 that of 1a to 1d, 3 the
# characters within words and texts, 6 the words of 7 that have neither digits nor symbols.
CATEGORIES = {"text": ("8",), "words": ("7",), "chars": ("1a", "1b", "1c", "1d")}
KINDS = tuple(CATEGORIES)
SOURCES = {"text": UNIPEN_TEXT, "words": UNIPEN_WORDS, "chars": UNIPEN_CHARS}
"""The source of the samples of each kind."""

_NAME = re.compile(r"(?:[^/]+/)*?((?:data|include)/.+)")
_SEGMENT = re.compile(r'\S+\s+(?P<where>[\d:,\s-]+)\s\S+\s+"(?P<label>.*)"\s*', re.DOTALL)
_SPAN = re.compile(r"(\d+)(?::(\d+))?(?:-(\d+)(?::(\d+))?)?")


def unipen_split(writer: str) -> str:
    """The split a writer belongs to: "testset" for about 4 % of them, "trainset" for the rest.

    UNIPEN has no split of its own. This one depends on the writer's name alone, so it is the same for every kind
    of sample, for the original files and the parsed ones, and however much of them is at hand.
    """
    digest = hashlib.sha256(writer.encode()).digest()
    return TEST if int.from_bytes(digest[:8], "big") % 25 == 0 else TRAIN


def read_unipen(
    path: str | Path, *, kinds: Iterable[str] = KINDS, report: ReadReport | None = None
) -> Iterator[Sample]:
    r"""Yield the labelled segments of UNIPEN train_r01_v07, kind by kind.

    `path` is the archive `train_r01_v07….tar.gz`, the folder `train_r01_v07` unpacked from it (with `data` and
    `include`), or a folder that holds one of the two. An archive is streamed once and its files are kept
    compressed in memory, because those in `data` refer to those in `include`.

    "text" is category 8 of the distribution, "words" category 7, "chars" 1a to 1d; the others repeat them.
    `source` is "unipen-" and the kind, `writer` contributor and writer ("aga:nikkshmn"), `split` comes from
    `unipen_split`. The ink has the pen-down components only, in tablet units, y turned to grow downwards.

    Left out, and told to `report`: segments without a label (`\@`), without ink or with all points at (0, 0),
    and what cannot be read. Raises FileNotFoundError if nothing of UNIPEN is there, ValueError if an archive is
    damaged or holds something else.
    """
    report = report if report is not None else ReadReport()
    files = _open(Path(path))
    for kind in kinds:
        if kind not in KINDS:
            raise ValueError(f"UNIPEN has no kind {kind!r}; there are {', '.join(KINDS)}")
        folders = tuple(f"data/{category}/" for category in CATEGORIES[kind])
        for name in sorted(name for name in files if name.startswith(folders)):
            yield from _read_file(name, files, SOURCES[kind], report)


def _open(path: Path) -> dict[str, Path | bytes]:
    """Map each name, from data/ or include/ on, to its content: a file, or compressed bytes."""
    if path.is_dir():
        places = [path, path / "train_r01_v07", *sorted(path.glob("train_r01_v07*gz"))]
        found = [p for p in places if p.is_file() or (p / "data").is_dir() and (p / "include").is_dir()]
        if not found:
            raise FileNotFoundError(
                f"UNIPEN: {path} has neither the folders data and include nor an archive train_r01_v07*.tar.gz"
            )
        path = found[0]
    files: dict[str, Path | bytes] = {}
    if path.is_dir():
        for folder in ("data", "include"):
            for file in (path / folder).rglob("*"):
                if file.is_file():
                    files[file.relative_to(path).as_posix()] = file
    else:
        for name, content in iter_files(path):
            if match := _NAME.fullmatch(name):
                files[match[1]] = zlib.compress(content, 1)
    if not any(name.startswith("data/") for name in files):
        raise ValueError(f"{path} is not UNIPEN's train_r01_v07: it holds no files like data/1a/gmd/alek.dat")
    return files


@dataclass
class _Recording:
    """What the keywords of a file and of those it includes have told so far."""

    columns: list[str] = field(default_factory=lambda: ["X", "Y"])
    writer: str | None = None
    components: list[_Component] = field(default_factory=list)
    segments: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Component:
    """A run of pen positions, as yet unread: most files hold many more than a category's segments need."""

    pen_down: bool
    numbers: str
    columns: list[str]

    def points(self) -> np.ndarray:
        """float32 (n, 2), y growing downwards. Raises ValueError if the numbers are not rows of the columns."""
        first_row = self.numbers.split("\n", 1)[0].split()
        if not {"X", "Y"} <= set(self.columns) or len(first_row) % len(self.columns):
            raise ValueError(f"a position {' '.join(first_row)!r} where .COORD is {' '.join(self.columns)}")
        rows = np.array(self.numbers.split(), dtype=np.float32).reshape(-1, len(self.columns))
        return np.column_stack([rows[:, self.columns.index("X")], -rows[:, self.columns.index("Y")]])


def _read_file(
    name: str, files: dict[str, Path | bytes], source: str, report: ReadReport
) -> Iterator[Sample]:
    recording = _Recording()
    try:
        _parse(name, files, recording, ())
    except (OSError, ValueError) as error:
        report.skip(name, str(error))
        return
    # The name is data/category/contributor/…
    writer = f"{name.split('/')[2]}:{recording.writer or Path(name).stem}"
    split = unipen_split(writer)
    for i, segment in enumerate(recording.segments):
        id = f"{name.removeprefix('data/')}#{i}"
        try:
            text, strokes = _read_segment(segment, recording.components)
            ink = Ink.from_strokes(strokes, text=text)
        except ValueError as error:
            report.skip(id, str(error))
            continue
        report.read += 1
        yield Sample(ink, Label(text, writer, split, source, id))


def _parse(name: str, files: dict[str, Path | bytes], recording: _Recording, within: tuple[str, ...]) -> None:
    """Add what the file says to the recording. Raises ValueError if an include is missing or circular."""
    if name not in files:
        raise ValueError(f"{name} is missing, which {within[-1]} includes")
    if name in within:
        raise ValueError(f"{name} includes itself")
    place = files[name]
    content = place.read_bytes() if isinstance(place, Path) else zlib.decompress(place)
    # A keyword is a dot at the start of a line; anything else belongs to the keyword before.
    for statement in ("\n" + content.decode("latin-1").replace("\r\n", "\n")).split("\n.")[1:]:
        keyword, body = (*statement.split(None, 1), "", "")[:2]
        # A component without positions is not counted.
        if keyword in ("PEN_DOWN", "PEN_UP") and body:
            recording.components.append(_Component(keyword == "PEN_DOWN", body, recording.columns))
        elif keyword == "SEGMENT":
            recording.segments.append(body)
        elif keyword == "INCLUDE":
            _parse(f"include/{body.strip()}", files, recording, (*within, name))
        elif keyword == "COORD":
            recording.columns = body.split()
        elif keyword == "WRITER_ID":
            recording.writer = body.strip()


def _read_segment(segment: str, components: list[_Component]) -> tuple[str, list[np.ndarray]]:
    """Label and strokes of a .SEGMENT statement. Raises ValueError if it has none or they cannot be read."""
    match = _SEGMENT.fullmatch(segment)
    if not match:
        raise ValueError(f"not a segment: {segment.strip()[:80]!r}")
    label = match["label"]
    if label in ("", r"\@"):
        raise ValueError("no label")
    strokes: list[np.ndarray] = []
    for span in match["where"].split(","):
        strokes += _span(span.strip(), components)
    if not strokes:
        raise ValueError("no ink")
    if not any(stroke.any() for stroke in strokes):
        raise ValueError("all points are (0, 0)")
    return re.sub(r"\\(.)", r"\1", label), strokes


def _span(span: str, components: list[_Component]) -> Iterator[np.ndarray]:
    """The strokes of "4", "4-8", or from and up to single points "4:17-8:0", ends included."""
    match = _SPAN.fullmatch(span)
    if not match:
        raise ValueError(f"not a range of components: {span!r}")
    first, last = int(match[1]), int(match[3] or match[1])
    first_point = int(match[2] or 0)
    last_point = match[4] if match[3] else match[2]
    if not first <= last < len(components):
        raise ValueError(f"range {span} of {len(components)} components")
    for i in range(first, last + 1):
        if components[i].pen_down:
            start = first_point if i == first else 0
            end = int(last_point) + 1 if i == last and last_point else None
            points = components[i].points()[start:end]
            if len(points):
                yield points
