"""Compiling the C files of this folder, once for each machine and user."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

SWITCH = "STROKESYNTH_NATIVE"
"""Environment variable: 0 keeps to the plain steps."""

_FOLDER = Path(__file__).parent
_FLAGS = ("-std=gnu11", "-O3", "-shared", "-fPIC", "-pthread")
_TUNING = ("-march=native", "-mcpu=native", None)  # what compilers call it; the first that works is taken
_SECONDS = 120


def switched_off() -> bool:
    """Whether the environment asks for the plain steps."""
    return os.environ.get(SWITCH, "").strip().lower() in ("0", "off", "no", "false")


@functools.cache
def load(half: bool) -> ctypes.CDLL | None:
    """The compiled step for weights in float16 (`half`) or float32; None where it cannot be had."""
    step = compiled("step", f"-DHALF={int(half)}")
    if step is not None:
        step.strokesynth_scratch_size.argtypes = (ctypes.c_int64,)
        step.strokesynth_scratch_size.restype = ctypes.c_int64
    return step


def compiled(name: str, *options: str) -> ctypes.CDLL | None:
    """NAME.c compiled with these options of the compiler; None where it cannot be had.

    It is kept in `cache_folders`, under a name that changes with the source, the compiler's flags and the processor.
    """
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    try:
        source = (_FOLDER / f"{name}.c").read_bytes()
    except OSError:
        return None
    for tuning in _TUNING:
        flags = (*_FLAGS, *options, *filter(None, [tuning]))
        digest = hashlib.sha256(b"\0".join([source, *map(str.encode, flags), _processor()])).hexdigest()
        for folder in cache_folders():
            path = folder / f"{name}-{digest[:20]}.so"
            try:
                if not path.exists():
                    if compiler is None:
                        continue
                    _compile(compiler, flags, name, path)
                return ctypes.CDLL(str(path))
            except subprocess.SubprocessError:
                break  # these flags are not for this compiler
            except OSError:
                continue  # nothing can be written there, or not be loaded from there
    return None


def cache_folders() -> list[Path]:
    """Where compiled code may be kept: in the user's cache, or else among the temporary files."""
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "strokesynth"
    except RuntimeError:  # nobody's home
        home = None
    user = os.getuid() if hasattr(os, "getuid") else 0
    temporary = Path(tempfile.gettempdir()) / f"strokesynth-{user}"
    return [folder for folder in (home, temporary) if folder is not None and _is_own(folder)]


def _is_own(folder: Path) -> bool:
    """Whether only this user writes to the folder, which is made if need be: what lies there is going to be run."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.stat()
    except OSError:
        return False
    return not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & 0o022)


def _compile(compiler: str, flags: tuple[str, ...], name: str, path: Path) -> None:
    """Under another name first, so that no process meets half a library."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        output = Path(folder) / path.name
        subprocess.run(
            [compiler, *flags, str(_FOLDER / f"{name}.c"), "-o", str(output), "-lm"],
            check=True,
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.replace(output, path)


def _processor() -> bytes:
    """What the processor can do: a home folder may be shared by different machines."""
    text = platform.machine() + platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        lines = []
    of_interest = ("model name", "flags", "Features", "CPU part")
    return "\n".join([text, *sorted({line for line in lines if line.startswith(of_interest)})]).encode()
