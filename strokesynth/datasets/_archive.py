"""Files of a corpus, whether it lies there as a .tar.gz archive or as an unpacked folder."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path


def iter_files(path: Path, suffix: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of every file whose name ends in `suffix`; `name` is relative, with slashes.

    `path` is a folder or a gzip-compressed tar archive. The archive is streamed once, in its own order, and
    nothing is unpacked to disk; a folder is walked in sorted order.

    Raises FileNotFoundError if there is no such path, ValueError if the archive is damaged, cut short or no
    .tar.gz at all.
    """
    if path.is_dir():
        for file in sorted(path.rglob(f"*{suffix}")):
            if file.is_file():
                yield file.relative_to(path).as_posix(), file.read_bytes()
        return
    if not path.exists():
        raise FileNotFoundError(f"no archive or folder {path}")
    try:
        # tarfile's own "r|gz" takes a cut-off gzip stream for the end of the archive; gzip.open does not.
        with gzip.open(path) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.isfile() else None
                    if content and member.name.endswith(suffix):
                        yield member.name, content.read()
            # The checksum comes last.
            while stream.read(1 << 20):
                pass
    except (EOFError, tarfile.TarError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(
            f"{path} is damaged, cut short or not a .tar.gz archive ({error}); fetch it again"
        ) from error
