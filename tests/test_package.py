"""The package as a whole: light to import, typed, and saying the same about itself everywhere."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import strokesynth

ROOT = Path(__file__).resolve().parents[1]


def python(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return done.stdout.strip()


def test_import_is_light():
    program = (
        "import sys, strokesynth; print(*({'torch', 'numpy', 'scipy', 'matplotlib'} & set(sys.modules)))"
    )
    assert python(program) == ""
    # The same program does see what is loaded.
    assert python(program.replace("strokesynth;", "strokesynth; strokesynth.Alphabet;")) == "numpy"


@pytest.mark.parametrize("name", sorted(strokesynth.__all__))
def test_public_names_are_there(name):
    assert getattr(strokesynth, name) is not None
    assert name in dir(strokesynth)
    if name != "__version__":
        assert getattr(strokesynth, name).__module__ == f"strokesynth.{strokesynth._HOMES[name]}"


def test_every_lazy_name_is_public():
    assert set(strokesynth.__all__) == {"__version__", *strokesynth._HOMES}


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="'strokesynth' has no attribute 'penmanship'"):
        strokesynth.penmanship  # noqa: B018


def test_the_version_is_one():
    declared = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert declared is not None
    assert strokesynth.__version__ == declared[1]


def test_the_package_is_typed():
    assert (Path(strokesynth.__file__).parent / "py.typed").is_file()


def test_the_console_script_exists():
    declared = re.search(r'^strokesynth = "(.+):(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert declared is not None
    assert callable(getattr(importlib.import_module(declared[1]), declared[2]))
