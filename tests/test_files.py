"""Files appear whole or not at all, and a bad place is named before any work is done."""

import os
import signal
import stat
import subprocess
import sys

import numpy as np
import pytest

from strokesynth._files import atomic_write, check_writable


def test_the_file_appears_whole_and_alone(tmp_path):
    target = tmp_path / "a.npz"
    with atomic_write(target) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".npz"
        np.savez(temporary, a=np.arange(3))
        assert not target.exists()
    assert os.listdir(tmp_path) == ["a.npz"]
    with np.load(target) as archive:
        np.testing.assert_array_equal(archive["a"], [0, 1, 2])


@pytest.mark.parametrize("before", [None, "old"])
def test_a_failure_changes_nothing(tmp_path, before):
    target = tmp_path / "a.txt"
    if before is not None:
        target.write_text(before)
    files = os.listdir(tmp_path)
    with pytest.raises(RuntimeError, match="half way"), atomic_write(target) as temporary:
        temporary.write_text("new, but not all of it")
        raise RuntimeError("half way")
    assert os.listdir(tmp_path) == files
    assert before is None or target.read_text() == before


def test_a_killed_process_leaves_the_old_file(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    program = (
        "import os, signal, sys\n"
        "from strokesynth._files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert target.read_text() == "old"


def test_permissions_are_those_of_any_new_file_or_stay(tmp_path):
    (plain := tmp_path / "plain").write_text("")
    target = tmp_path / "a.txt"
    with atomic_write(target) as temporary:
        temporary.write_text("new")
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    target.chmod(0o640)
    with atomic_write(target) as temporary:
        temporary.write_text("newer")
    assert stat.S_IMODE(target.stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path):
    (folder := tmp_path / "elsewhere").mkdir()
    link = tmp_path / "link.txt"
    link.symlink_to(folder / "real.txt")
    with atomic_write(link) as temporary:
        temporary.write_text("through the link")
    assert link.is_symlink()
    assert (folder / "real.txt").read_text() == "through the link"


def test_a_long_name_leaves_room_for_the_temporary_one(tmp_path):
    target = tmp_path / ("n" * 250 + ".txt")
    with atomic_write(target) as temporary:
        temporary.write_text("new")
    assert target.read_text() == "new"


def test_bad_places_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError, match="missing' does not exist"):
        check_writable(tmp_path / "missing" / "a.svg")
    with pytest.raises(FileNotFoundError, match="file' is a file, not a folder"):
        check_writable(tmp_path / "file" / "a.svg")
    with pytest.raises(ValueError, match="is a folder; expected the name of a file"):
        check_writable(tmp_path)
    with pytest.raises(ValueError, match="not a regular file"):
        check_writable(os.devnull)
    with pytest.raises(ValueError, match="cannot write .*nnnn"), atomic_write(tmp_path / ("n" * 300)):
        pytest.fail("the block was entered")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the root user may write everywhere"
)
def test_read_only_places_are_named(tmp_path):
    (locked := tmp_path / "locked.txt").write_text("keep")
    locked.chmod(0o444)
    with pytest.raises(ValueError, match="the file or its folder is read-only"):
        check_writable(locked)
    tmp_path.chmod(0o555)
    with pytest.raises(ValueError, match="is not writable"):
        check_writable(tmp_path / "a.svg")
    tmp_path.chmod(0o755)
