"""Sheets as one PDF: vectors in true millimetres, and nothing else in the file.

PDF 1.4 (ISO 32000-1) is little more than a list of drawing commands, so they are written down as they are: faster
than through a plotting library, sheet after sheet in little memory, and the same bytes for the same drawings.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from strokesynth.ink.drawing import hex_color
from strokesynth.page.drawing import SheetDrawing

_POINTS = 72 / 25.4  # to the millimetre


def write_pdf(path: Path, drawings: Iterable[SheetDrawing]) -> None:
    """Write the drawings to a PDF file, one page each."""
    offsets: list[int] = []  # of objects 3, 4, ...; 1 is the catalog and 2 the list of pages
    with path.open("wb") as file:
        # The second line tells that there are bytes beyond ASCII.
        file.write(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")

        def add(body: bytes) -> None:
            offsets.append(file.tell())
            file.write(b"%d 0 obj\n%b\nendobj\n" % (len(offsets) + 2, body))

        for drawing in drawings:
            stream = zlib.compress("\n".join(_commands(drawing)).encode("ascii"), 9)
            size = f"{drawing.width * _POINTS:.4f} {drawing.height * _POINTS:.4f}".encode()
            add(
                b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %b] /Resources << >> /Contents %d 0 R >>"
                % (size, len(offsets) + 4)
            )
            add(b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(stream), stream))
        kids = b" ".join(b"%d 0 R" % number for number in range(3, len(offsets) + 3, 2))
        first = []
        for number, body in enumerate(
            (
                b"<< /Type /Catalog /Pages 2 0 R >>",
                b"<< /Type /Pages /Kids [%b] /Count %d >>" % (kids, len(offsets) // 2),
            ),
            start=1,
        ):
            first.append(file.tell())
            file.write(b"%d 0 obj\n%b\nendobj\n" % (number, body))
        table = file.tell()
        count = len(offsets) + 3
        file.write(b"xref\n0 %d\n0000000000 65535 f \n" % count)
        file.write(b"".join(b"%010d 00000 n \n" % offset for offset in (*first, *offsets)))
        file.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (count, table))


def _commands(drawing: SheetDrawing) -> Iterator[str]:
    """The content of a page, in millimetres from its top left (ISO 32000-1, 8.4.4 and 8.5)."""
    look = drawing.look
    yield f"{_POINTS:.6f} 0 0 {-_POINTS:.6f} 0 {drawing.height * _POINTS:.4f} cm"
    if look.background is not None:
        yield f"{_rgb(look.background)} rg 0 0 {drawing.width:.3f} {drawing.height:.3f} re f"
    for color, lines in drawing.rules:
        yield f"{_rgb(color)} RG {look.rule_width_mm:.4f} w"
        for (x0, y0), (x1, y1) in lines.tolist():
            yield f"{x0:.3f} {y0:.3f} m {x1:.3f} {y1:.3f} l S"
    yield f"{_rgb(look.color)} RG {look.stroke_width_mm:.4f} w 1 J 1 j"
    for curves in drawing.curves:
        (x, y), rest = curves[0, 0].tolist(), curves[:, 1:].reshape(-1, 6).tolist()
        pieces = "".join("{:.3f} {:.3f} {:.3f} {:.3f} {:.3f} {:.3f} c ".format(*six) for six in rest)
        yield f"{x:.3f} {y:.3f} m {pieces}S"


def _rgb(color: str) -> str:
    digits = hex_color(color)[1:]
    return " ".join(f"{int(digits[k : k + 2], 16) / 255:.4f}" for k in (0, 2, 4))
