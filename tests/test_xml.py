"""XML from anywhere: read in its encoding, and refused where it is broken or hostile."""

import xml.etree.ElementTree as ET

import pytest
from makers import LAUGHS

from strokesynth._xml import MAX_DEPTH, local_name, parse, scan, writable


def tags(data):
    found = []
    scan(data, lambda tag, attributes: found.append((tag, attributes)))
    return found


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8", None),
        ("utf-8-sig", "UTF-8"),
        ("utf-16", "UTF-16"),
        ("utf-16", None),
        ("latin-1", "ISO-8859-1"),
        ("cp1252", "windows-1252"),
    ],
)
def test_encodings_are_honoured(encoding, declared):
    head = f'<?xml version="1.0" encoding="{declared}"?>' if declared else ""
    data = f'{head}<a b="ß">é</a>'.encode(encoding)
    root = parse(data)
    assert (root.get("b"), root.text) == ("ß", "é")
    assert tags(data) == [("a", {"b": "ß"})]


def test_namespaces():
    root = parse(b'<i:a xmlns:i="http://x.org/y"><b/></i:a>')
    assert [local_name(e) for e in root.iter()] == ["a", "b"]


@pytest.mark.parametrize("read", [parse, tags])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (f"{LAUGHS}]><a>&l9;</a>".encode(), "<!DOCTYPE a>.* refused"),
        (b'<!DOCTYPE b [<!ENTITY e SYSTEM "file:///etc/hostname">]><b>&e;</b>', "<!DOCTYPE b>.* refused"),
        (b'<!DOCTYPE c SYSTEM "http://localhost/c.dtd"><c/>', "<!DOCTYPE c>.* refused"),
        (b"<!DOCTYPE html><html></html>", "<!DOCTYPE html>.* refused"),
        (b"", "broken XML"),
        (b"no XML", "broken XML"),
        (b"<a><b></a>", "broken XML .*line 1"),
        (b"<a>&e;</a>", "broken XML"),
        (b"<a>\xff</a>", "broken XML"),
        (b"<a>\0</a>", "broken XML"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "broken XML .*no-such"),
        ("<a>é</a>".encode("utf-16")[:-3], "broken XML"),
    ],
)
def test_what_is_refused(read, data, message):
    with pytest.raises(ValueError, match=message) as caught:
        read(data)
    assert type(caught.value) is ValueError  # not ExpatError, nor an error of decoding


def test_errors_of_the_callback_are_its_own():
    with pytest.raises(KeyError, match="y"):
        scan(b"<a/>", lambda tag, attributes: attributes["y"])


@pytest.mark.parametrize("data", [b"<a/>" * 2, b"<a></a><b>"])
def test_one_root_only(data):
    with pytest.raises(ValueError, match="broken XML"):
        parse(data)


def test_depth_is_limited():
    nested = b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH
    assert sum(1 for _ in parse(nested).iter()) == MAX_DEPTH
    with pytest.raises(ValueError, match=f"more than {MAX_DEPTH} elements within"):
        parse(b"<a>" + nested + b"</a>")
    with pytest.raises(ValueError, match="within one another"):
        parse(b"<a>" * 100_000)
    assert len(parse(b"<a>" + b"<b/>" * 5 * MAX_DEPTH + b"</a>")) == 5 * MAX_DEPTH  # siblings are no depth


def test_writable_text_can_be_written():
    given = "a\x00\x1b\ud800\ufffe<&]]>\t\n\U0001f58b"
    assert writable(given) == "a\ufffd\ufffd\ufffd\ufffd<&]]>\t\n\U0001f58b"
    element = ET.Element("a")
    element.text = writable(given)
    assert parse(ET.tostring(element, encoding="utf-8")).text == element.text
