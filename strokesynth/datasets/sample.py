"""What every reader yields, and the account it keeps of what it could not read."""

from __future__ import annotations

from dataclasses import dataclass, field

from strokesynth.ink import Ink

TRAIN = "trainset"
TEST = "testset"


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled piece of handwriting, as recorded.

    ink     strokes in the units of the recording device, x to the right, y **down**; not normalised
    text    the transcript as the corpus gives it
    writer  identifies the person within `source`
    split   the part of the corpus the sample belongs to; parts share no writer
    source  corpus and kind: "iam", "unipen-text", "unipen-words", "unipen-chars", "npy"
    id      identifies the sample within `source`
    """

    ink: Ink
    text: str
    writer: str
    split: str
    source: str
    id: str


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
