"""What every reader yields, labelled ink, with the names of sources and splits; and the account a reader keeps."""

from __future__ import annotations

from dataclasses import dataclass, field

from strokesynth.ink import Ink

# Sources: the corpus and, where it has several, the kind of its samples.
IAM = "iam"
NPY = "npy"
UNIPEN_TEXT = "unipen-text"
UNIPEN_WORDS = "unipen-words"
UNIPEN_CHARS = "unipen-chars"
COMPOSED = "composed"
"""Lines that nobody wrote in one go: put together from one writer's isolated characters and words."""

RUNNING_TEXT = (IAM, NPY, UNIPEN_TEXT)
"""Sources whose words stand in sentences."""

# Splits: each database's own name for its part. `TRAIN` and `TEST` also name the parts of databases without a split.
TRAIN = "trainset"
TEST = "testset"
TEST_V = "testset_v"
TEST_T = "testset_t"
TEST_F = "testset_f"
UNLISTED = "other"
"""Forms of IAM-OnDB that none of its lists names."""

UNKNOWN_WRITER = "form:"
"""How the writer of a form of IAM-OnDB is named where nobody knows who it was: this and the form."""


@dataclass(frozen=True, slots=True)
class Label:
    """What is known about a piece of handwriting.

    text    the transcript as the corpus gives it
    writer  identifies the person within `source`
    split   the part of the corpus the sample belongs to; parts share no writer
    source  corpus and kind: "iam", "npy", "unipen-text", "unipen-words", "unipen-chars", "composed"
    id      identifies the sample within `source`
    """

    text: str
    writer: str
    split: str
    source: str
    id: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled piece of handwriting; what the label says can be had from the sample as well.

    ink    strokes with x to the right and y **down**; from a reader as recorded, in the units of the device
    label  see `Label`
    """

    ink: Ink
    label: Label

    @property
    def text(self) -> str:
        """The transcript."""
        return self.label.text

    @property
    def writer(self) -> str:
        """The person who wrote it."""
        return self.label.writer

    @property
    def split(self) -> str:
        """The part of the corpus."""
        return self.label.split

    @property
    def source(self) -> str:
        """Corpus and kind."""
        return self.label.source

    @property
    def id(self) -> str:
        """The name of the sample within its source."""
        return self.label.id


@dataclass(slots=True)
class ReadReport:
    """Filled in by a reader while it runs: pass one in to learn what was left out and why.

    read     number of samples yielded so far
    skipped  (id, reason) of everything that could not be used
    notes    what concerns the corpus as a whole, such as a missing table of writers
    """

    read: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def skip(self, id: str, reason: str) -> None:
        """Note one sample that is left out."""
        self.skipped.append((id, reason))

    def note(self, text: str) -> None:
        """Note something about the corpus as a whole."""
        self.notes.append(text)

    def __str__(self) -> str:
        return "\n".join(
            [f"{self.read} read, {len(self.skipped)} skipped", *self.notes]
            + [f"skipped {id}: {reason}" for id, reason in self.skipped]
        )
