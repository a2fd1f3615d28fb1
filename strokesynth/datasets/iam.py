"""IAM-OnDB: online handwriting of English text on a whiteboard (Liwicki & Bunke, ICDAR 2005).

https://fki.tic.heia-fr.ch/databases/iam-on-line-handwriting-database; free for non-commercial research.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import unescape

from strokesynth.datasets._archive import iter_files
from strokesynth.datasets.sample import (
    IAM,
    TEST_F,
    TEST_T,
    TEST_V,
    TRAIN,
    UNKNOWN_WRITER,
    UNLISTED,
    Label,
    ReadReport,
    Sample,
)
from strokesynth.ink import Ink
from strokesynth.ink.iam_xml import parse_strokes

SPLITS = (TRAIN, TEST_V, TEST_T, TEST_F)

_LINE_FILE = re.compile(r"(?:.*/)?(?P<form>[^/]+)-(?P<line>\d+)\.xml")


def read_iam(path: str | Path, *, report: ReadReport | None = None) -> Iterator[Sample]:
    """Yield every text line of IAM-OnDB that has a transcript.

    `path` is a folder with `lineStrokes-all.tar.gz` and `ascii-all.tar.gz` as the database hands them out, or
    with the folders `lineStrokes` and `ascii` unpacked from them; beside them `trainset.txt`,
    `testset_v.txt`, `testset_t.txt` and `testset_f.txt` (the writer-disjoint split, one form a line) and
    `writers.csv` (columns form_id, writer_id).

    `text` is the transcript as it stands, with `#` for writing that was struck out or unreadable, and in
    some forms with blanks around the punctuation: see `close_punctuation`. `split` is the name of the list
    that has the form, "other" if none has. `writer` is "form:" and the form where the table knows no writer:
    a form is always the work of one. Strokes are in device units: y grows downwards, about 75 points/s.

    Left out, and told to `report`: lines whose XML is broken, and all lines of a form that has not as many
    transcript lines as line files. Raises FileNotFoundError if strokes or transcripts are missing, ValueError
    if an archive is cut short or holds something else.
    """
    root = Path(path)
    report = report if report is not None else ReadReport()
    archive = _find(root, "lineStrokes")
    transcripts = _read_transcripts(_find(root, "ascii"))
    splits = _read_splits(root, report)
    writers = _read_writers(root, report)
    # A form has to be seen whole before its lines can be paired, hence a first pass over the names. It also finds
    # an archive cut short before any work is spent on it.
    reasons = _unpaired(archive, transcripts)
    for name, content in iter_files(archive, ".xml"):
        match = _LINE_FILE.fullmatch(name)
        if not match:
            continue
        form, line = match["form"], int(match["line"])
        id = f"{form}-{line:02d}"
        if form in reasons:
            report.skip(id, reasons[form])
            continue
        text = transcripts[form][line - 1]
        try:
            ink = Ink.from_strokes(parse_strokes(content), text=text)
        except ValueError as error:
            report.skip(id, str(error))
            continue
        report.read += 1
        writer = writers.get(form, UNKNOWN_WRITER + form)
        yield Sample(ink, Label(text, writer, splits.get(form, UNLISTED), IAM, id))


def _find(root: Path, name: str) -> Path:
    """The archive or the unpacked folder of that name."""
    for candidate in (root / f"{name}-all.tar.gz", root / name, root / f"{name}-all"):
        if candidate.exists():
            return candidate
    raise FileNotFoundError(f"IAM-OnDB: neither {name}-all.tar.gz nor a folder {name} in {root}")


def _read_transcripts(path: Path) -> dict[str, list[str]]:
    """Map each form to its lines after `CSR:`, which follow the ink line by line; those after `OCR:` are the prompt."""
    transcripts = {}
    for name, content in iter_files(path, ".txt"):
        # Like the XML, the transcripts are Latin-1; no byte above 126 occurs.
        lines = [line.strip() for line in content.decode("latin-1").splitlines()]
        if "CSR:" in lines:
            written = lines[lines.index("CSR:") + 1 :]
            entities = {"&quot;": '"', "&apos;": "'"}
            transcripts[Path(name).stem] = [unescape(line, entities) for line in written if line]
    if not transcripts:
        raise ValueError(f"{path} is not IAM-OnDB's ascii: no .txt file in it has a line CSR:")
    return transcripts


def _read_splits(root: Path, report: ReadReport) -> dict[str, str]:
    """Map each form to the name of the list that has it."""
    splits = {}
    for split in SPLITS:
        file = root / f"{split}.txt"
        if file.exists():
            splits.update(dict.fromkeys(file.read_text().split(), split))
        else:
            report.note(f"{file.name} is missing in {root}: its forms count as split {UNLISTED!r}")
    return splits


def _read_writers(root: Path, report: ReadReport) -> dict[str, str]:
    """Map each form to its writer."""
    file = root / "writers.csv"
    if not file.exists():
        report.note(f"writers.csv is missing in {root}: each form counts as a writer of its own")
        return {}
    with open(file, newline="") as rows:
        table = csv.DictReader(rows)
        if not {"form_id", "writer_id"} <= set(table.fieldnames or ()):
            raise ValueError(f"{file}: expected the columns form_id and writer_id, not {table.fieldnames}")
        return {row["form_id"]: row["writer_id"] for row in table}


def _unpaired(archive: Path, transcripts: dict[str, list[str]]) -> dict[str, str]:
    """Map each form whose lines cannot be paired with its transcript, file -0n with the nth line, to the reason."""
    lines = defaultdict(list)
    for name, _ in iter_files(archive, ".xml"):
        if match := _LINE_FILE.fullmatch(name):
            lines[match["form"]].append(int(match["line"]))
    if not lines:
        raise ValueError(
            f"{archive} is not IAM-OnDB's lineStrokes: no file in it is named like a01/a01-000/a01-000u-01.xml"
        )
    reasons = {}
    for form, numbers in lines.items():
        expected = len(transcripts.get(form, ()))
        if not expected:
            reasons[form] = "no transcript"
        elif sorted(numbers) != list(range(1, expected + 1)):
            reasons[form] = f"{len(numbers)} line files but {expected} transcript lines: pairing unsafe"
    return reasons


# Two commas are left alone: ,,x" is a German quotation.
_BEFORE_CLOSING = re.compile(r"\s+(?=[.,;:!?)\]])(?!,,)")
_AFTER_OPENING = re.compile(r"(?<=[(\[])\s+(?=\S)")
_THOUSANDS = re.compile(r"(?<=\d) , (?=\d{3}\b)")
_PAIR = re.compile(r'""(?=\s?\w)')
_CONTRACTION = re.compile(r"(?<=\w) ' ?(?=(?:s|t|d|m|ll|re|ve)\b)")

# A quotation mark all on its own, or after a colon it should not cling to.
_LOOSE = re.compile(r'(?<!\S)"(?![^\s.,;:!?)])|:"\s')
_MARKS = {'"': re.compile('"'), "'": re.compile(r"(?<!\S)'(?![^\s.,;:!?)])")}


def close_punctuation(text: str) -> str:
    """The transcript without the blanks around punctuation that nobody wrote.

    Some 980 of IAM-OnDB's 11,460 transcripts were typed as separate tokens, often only in part of a line:
    `He said , " It ' s Mr . Gray "` where the ink reads `He said, "It's Mr. Gray"`. Whether a loose quotation
    mark opens or closes follows from the others in the line, which must alternate, and from what stands
    beside it; a lone one between two words may be taken wrongly.

    A transcript that is spaced as written comes back as it is, so this may be applied to all of them. Blanks
    around a dash stay, since a tokenised hyphen cannot be told from one.
    """
    text = _THOUSANDS.sub(",", text)
    text = _BEFORE_CLOSING.sub("", text)
    text = _AFTER_OPENING.sub("", text)
    text = _CONTRACTION.sub("'", text)
    # Where one quotation ends and the next begins.
    text = _PAIR.sub('" "', text)
    if _LOOSE.search(text):
        text = _close_quotes(text, '"')
    return _close_quotes(text, "'")


def _close_quotes(text: str, mark: str) -> str:
    """Move opening quotation marks to the word after them and closing ones to what stands before."""
    pieces = _MARKS[mark].split(text)
    hints = [_hint(before, after, mark) for before, after in zip(pieces, pieces[1:], strict=False)]
    if mark == "'" and len(hints) == 1 and re.search(r"s $", pieces[0]) and re.match(r" [a-z]", pieces[1]):
        # A possessive: the boys ' room.
        hints = [-1.0]
    # An even number of marks is more likely whole quotations.
    prior = 0.0 if len(hints) % 2 else 1.5
    opens = prior + sum(-hint if i % 2 else hint for i, hint in enumerate(hints)) >= 0
    for i in range(len(hints)):
        before, after = pieces[i], pieces[i + 1]
        if opens and after.strip():
            if before and not before[-1].isspace() and after[0].isspace():
                pieces[i] = before + " "
            pieces[i + 1] = after.lstrip()
        elif not opens and before.strip():
            if before[-1].isspace() and after[:1].isalnum():
                pieces[i + 1] = " " + after
            pieces[i] = before.rstrip()
        opens = not opens
    return mark.join(pieces)


def _hint(before: str, after: str, mark: str) -> float:
    """How much the neighbours of a quotation mark speak for its opening (> 0) or closing (< 0) a quotation.

    before, after: the text up to the marks next to it.
    """
    left, right = before.rstrip(), after.lstrip()
    if right[:1] and right[0] in ".,;:!?)":
        return -3.0
    if left.endswith(":"):
        return 3.0
    # It clings to the word before, which a typist may do by mistake.
    if left and left == before:
        return -1.0 if right[:1].isupper() else -3.0
    if right and right == after:
        return 3.0
    if not left:
        return 2.0
    if not right:
        return -2.0
    if left.endswith(","):
        return 1.0 if right[0].isupper() else -1.0
    return -0.5 if left[-1] in ".?!" else 0.0
