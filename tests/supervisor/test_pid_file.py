"""One sensor for each run directory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tcpmirror.errors import EnvironmentFault
from tcpmirror.supervisor.pid_file import PID_FILE, AlreadyRunningError, PidFile, holders, is_locked, leader, wait_unlocked
from tests.supervisor.conftest import eventually

HOLDER = """
import sys, time
from pathlib import Path
from tcpmirror.supervisor.pid_file import PidFile
held = PidFile(Path(sys.argv[1]))
held.write()
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path):  # type: ignore[no-untyped-def]
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)]) as process:
        eventually(lambda: leader(tmp_path) == process.pid)
        yield process
        process.kill()


def test_a_second_one_is_refused_and_told_who_holds_it(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    with pytest.raises(AlreadyRunningError, match=f"locked by pid {holder.pid}") as refused:
        PidFile(tmp_path)
    assert refused.value.pids == (holder.pid,)
    assert is_locked(tmp_path)


def test_a_killed_holder_leaves_no_lock(tmp_path: Path, holder: subprocess.Popen[bytes]) -> None:
    holder.kill()
    assert wait_unlocked(tmp_path, 5)
    assert (tmp_path / PID_FILE).read_text() == f"{holder.pid}\n", "the file stays, and says nothing"
    assert leader(tmp_path) == 0
    PidFile(tmp_path).remove()


def test_a_stranger_who_got_the_pid_is_no_leader(tmp_path: Path) -> None:
    (tmp_path / PID_FILE).write_text(f"{os.getppid()}\n")
    assert leader(tmp_path) == 0
    assert not is_locked(tmp_path)


@pytest.mark.parametrize("text", ["", "abc", "-1", "99999999999999999999"], ids=["empty", "letters", "negative", "huge"])
def test_any_content_is_harmless(tmp_path: Path, text: str) -> None:
    (tmp_path / PID_FILE).write_text(text)
    assert leader(tmp_path) == 0
    held = PidFile(tmp_path)
    held.write()
    assert (tmp_path / PID_FILE).read_text() == f"{os.getpid()}\n"
    held.remove()
    assert not (tmp_path / PID_FILE).exists()


def test_a_forked_child_keeps_the_lock_of_its_parent(tmp_path: Path) -> None:
    held = PidFile(tmp_path)
    child = os.fork()
    if child == 0:
        signal.pause()
    held.let_go()
    assert is_locked(tmp_path)
    assert holders(tmp_path) == (child,)
    assert not wait_unlocked(tmp_path, 0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert wait_unlocked(tmp_path, 5)


def test_no_directory_is_an_environment_fault_for_who_starts_and_nothing_for_who_asks(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"supervisor\.run_dir"):
        PidFile(tmp_path / "nosuch")
    assert not is_locked(tmp_path / "nosuch")
    assert holders(tmp_path / "nosuch") == ()
