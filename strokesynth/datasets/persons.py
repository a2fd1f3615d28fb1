"""Who wrote a line: one person may stand in a corpus under several names."""

from __future__ import annotations

_SAME_PEOPLE = {"cee": "ced", "apb": "apa", "apc": "apa", "apd": "apa", "ape": "apa"}


def person(writer: str) -> str:
    """The name that all lines of a writer share.

    In UNIPEN the contributors ced and cee, and apa to ape, are collections of the same people, who have the same name
    after the colon.
    """
    contributor, colon, name = writer.partition(":")
    return f"{_SAME_PEOPLE.get(contributor, contributor)}{colon}{name}" if colon else writer
