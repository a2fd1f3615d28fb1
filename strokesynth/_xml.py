"""Reading XML that somebody else wrote.

What no ink file has any use for is refused before it can do harm: a document type, and with it every entity
(the billion laughs, and files fetched from elsewhere), and elements nested without end.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import NoReturn
from xml.parsers import expat

MAX_DEPTH = 200  # of elements within one another; ink files have less than ten

ID = "{http://www.w3.org/XML/1998/namespace}id"


def parse(data: bytes) -> ET.Element:
    """The root element of an XML document, in UTF-8, UTF-16 or the 8-bit encoding that it declares.

    Raises ValueError on XML that is broken, declares a document type or is nested more than `MAX_DEPTH` deep.
    """
    parser = ET.XMLParser(target=_PlainTree())
    try:
        parser.feed(data)
        root: ET.Element = parser.close()
    except (ET.ParseError, LookupError) as error:  # LookupError: an encoding that does not exist
        raise ValueError(f"broken XML ({error})") from error
    return root


def scan(data: bytes, start: Callable[[str, dict[str, str]], None]) -> None:
    """Call start(tag, attributes) for each element of an XML document; no tree is built.

    Raises ValueError on XML that is broken or declares a document type.
    """
    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(data, True)
    except (KeyError, IndexError):  # of `start`
        raise
    except (expat.ExpatError, LookupError) as error:
        raise ValueError(f"broken XML ({error})") from error


def local_name(element: ET.Element) -> str:
    """The tag without its namespace."""
    return element.tag.rpartition("}")[2]


def writable(text: str) -> str:
    """The text with what XML 1.0 cannot hold (control characters, half surrogates) replaced."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


class _PlainTree(ET.TreeBuilder):
    """A tree builder that stops at a document type, before any entity could be declared or expanded."""

    depth = 0

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        _refuse(name)

    def start(self, tag: str, attrs: dict[str, str]) -> ET.Element:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError(f"XML with more than {MAX_DEPTH} elements within one another is refused")
        return super().start(tag, attrs)

    def end(self, tag: str) -> ET.Element:
        self.depth -= 1
        return super().end(tag)


def _refuse(name: str, *_: object) -> NoReturn:
    raise ValueError(
        f"XML with a document type declaration (<!DOCTYPE {name}>) is refused; ink has no use for one"
    )
