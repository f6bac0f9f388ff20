"""The systemd unit: accepted by systemd, as tight as it says, and not too tight for what the processes load."""

from __future__ import annotations

import configparser
import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.supervisor.conftest import REPOSITORY

UNIT = REPOSITORY / "configs/systemd/tcpmirror.service"
PROGRAM = "/opt/tcpmirror/bin/tcpmirror-supervisor"
EXPOSURE = 30  # tenths of systemd's scale from 0 (closed) to 10 (open); an unrestricted service has 9.6
PR_SET_MDWE = 65
PR_MDWE_REFUSE_EXEC_GAIN = 1

analyze = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists on this machine."""
    text = UNIT.read_text()
    assert text.count(PROGRAM) == 2
    (tmp_path / UNIT.name).write_text(text.replace(PROGRAM, sys.executable))
    return tmp_path / UNIT.name


@analyze
def test_systemd_finds_no_fault(unit: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, [line for line in done.stderr.splitlines() if UNIT.name in line]) == (0, [])


@analyze
def test_systemd_would_find_a_fault(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("Type=notify", "Type=notifies"))
    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False)
    assert "notifies" in done.stderr


@analyze
def test_the_service_is_closed(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=yes", f"--threshold={EXPOSURE}", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze cannot look at files")
    assert done.returncode == 0, done.stdout[-2000:]


def test_the_only_capability_is_raw_sockets() -> None:
    service = read_service()
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == "CAP_NET_RAW"
    assert service["User"] == "tcpmirror"
    assert service["KillMode"] == "mixed", "the supervisor stops the others, in order"


def test_commands_of_the_unit_exist() -> None:
    from tcpmirror.supervisor.command import COMMANDS

    service = read_service()
    for key in ("ExecStart", "ExecReload"):
        program, command, *_ = service[key].split()
        assert program == PROGRAM
        assert command in COMMANDS


def test_what_the_processes_load_works_without_writable_code() -> None:
    """MemoryDenyWriteExecute=yes breaks what compiles at run time; the kernel's own switch is as strict."""
    if ctypes.CDLL(None).prctl(66, 0, 0, 0, 0) < 0:
        pytest.skip("this kernel cannot refuse executable memory to one process")
    done = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "refused\nloaded\n", done.stderr[-3000:]


LOADING = f"""
import ctypes, mmap
assert ctypes.CDLL(None).prctl({PR_SET_MDWE}, {PR_MDWE_REFUSE_EXEC_GAIN}, 0, 0, 0) == 0
try:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
except OSError:
    print("refused")
import hyperscan
database = hyperscan.Database()
database.compile(expressions=[b"union.*select"], ids=[1], flags=[0])
found = []
database.scan(b"union all select", match_event_handler=lambda *match: found.append(match))
assert found
import argon2
argon2.PasswordHasher().hash("x")
import sqlalchemy
assert sqlalchemy.create_engine("sqlite://").connect().execute(sqlalchemy.text("select 1")).scalar() == 1
import brotli, fastapi, httpx, nicegui, orjson, pcap, uvicorn, zstandard
from tcpmirror.supervisor import command
print("loaded")
"""


def read_service() -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(UNIT.read_text())
    return parser["Service"]
