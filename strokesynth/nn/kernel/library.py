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

import torch

SWITCH = "STROKESYNTH_NATIVE"
"""Environment variable: 0 keeps to the plain steps, an instruction set compiles for that one."""

INSTRUCTION_SETS = {
    "native": ("-march=native", "-mcpu=native", None),
    "avx512": ("-mavx512f -mavx2 -mfma -mf16c",),
    "avx2": ("-mavx2 -mfma -mf16c",),
    "baseline": (None,),
}
"""Instruction sets that code can be compiled for, with their compiler flags; the first that works is taken."""

_FOLDER = Path(__file__).parent
_FLAGS = ("-std=gnu11", "-O3", "-shared", "-fPIC", "-pthread")
_SECONDS = 120


def chosen() -> str | None:
    """The instruction set that the environment asks for; None if it asks for the plain steps.

    Raises ValueError where it says something else, or asks for instructions that the processor does not have.
    """
    given = os.environ.get(SWITCH, "").strip().lower()
    if given in ("0", "off", "no", "false"):
        return None
    name = "native" if given in ("", "1", "on", "yes", "true") else given
    if name not in INSTRUCTION_SETS:
        raise ValueError(f"{SWITCH} is {given!r}; expected 0, 1 or one of {', '.join(INSTRUCTION_SETS)}")
    if not runs(name):
        raise ValueError(f"{SWITCH} is {given!r}, but this processor does not have these instructions")
    return name


def runs(instructions: str) -> bool:
    """Whether the processor has this instruction set of `INSTRUCTION_SETS`."""
    has = {"AVX512": ("avx512", "avx2"), "AVX2": ("avx2",)}.get(torch.backends.cpu.get_cpu_capability(), ())
    return instructions in ("native", "baseline", *has)


@functools.cache
def load(half: bool, instructions: str = "native") -> ctypes.CDLL | None:
    """The compiled step for weights in float16 (`half`) or float32; None where it cannot be had.

    instructions: one of `INSTRUCTION_SETS` that the processor `runs`.
    """
    step = compiled("step", f"-DHALF={int(half)}", instructions=instructions)
    if step is not None:
        step.strokesynth_scratch_size.argtypes = (ctypes.c_int64,)
        step.strokesynth_scratch_size.restype = ctypes.c_int64
    return step


def compiled(name: str, *options: str, instructions: str = "native") -> ctypes.CDLL | None:
    """NAME.c compiled with these options of the compiler; None where it cannot be had.

    instructions: one of `INSTRUCTION_SETS` that the processor `runs`.

    It is kept in `cache_folders`, under a name that changes with the source, the compiler's flags and the processor.
    """
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    try:
        source = (_FOLDER / f"{name}.c").read_bytes()
    except OSError:
        return None
    for tuning in INSTRUCTION_SETS[instructions]:
        flags = (*_FLAGS, *options, *(tuning or "").split())
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
    """Folders where compiled code may be kept: the user's cache, or else one among the temporary files."""
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "strokesynth"
    except RuntimeError:  # no home directory
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
    """The abilities of the processor, which tell apart the machines that share a home folder."""
    text = platform.machine() + platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        lines = []
    of_interest = ("model name", "flags", "Features", "CPU part")
    return "\n".join([text, *sorted({line for line in lines if line.startswith(of_interest)})]).encode()
