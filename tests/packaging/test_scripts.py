"""The set-up scripts say what is missing, and change nothing when they are only asked."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted([*(ROOT / "scripts").glob("*.sh"), ROOT / ".ci" / "run"])
# What the scripts themselves run; a machine on which only these are found has no compiler, nginx or apt-get.
COMMANDS = ("bash", "dirname", "grep", "sort", "realpath", "cat")


def bare_path(folder: Path, uid: str = "1000", **commands: str) -> str:
    """Return a PATH with only what a set-up starts with; there the user is *uid* and *commands* are small scripts."""
    for name in COMMANDS:
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    for name, text in {"id": f"echo {uid}", "python3": f'exec {sys.executable} "$@"', **commands}.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    return str(folder)


def run(*command: str, path: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ROOT / command[0]), *command[1:]],
        env={"PATH": path, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_script_parses(script: Path) -> None:
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_has_nothing_to_say() -> None:
    done = subprocess.run(
        ["shellcheck", "--external-sources", *map(str, SCRIPTS)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == ""


def test_without_root_the_missing_packages_are_named_and_nothing_is_made(tmp_path: Path) -> None:
    done = run("scripts/setup.sh", path=bare_path(tmp_path))
    assert done.returncode == 1
    assert "apt-get install --yes --no-install-recommends" in done.stderr
    assert " gcc" in done.stderr.splitlines()[-1]
    assert "nginx" not in done.stderr, "the sensor itself needs no web server"
    assert done.stdout == ""


def test_the_test_suite_wants_its_servers_and_tools(tmp_path: Path) -> None:
    done = run("scripts/system-packages.sh", "--tests", path=bare_path(tmp_path))
    assert done.returncode == 1
    # Commands of /usr/sbin and /sbin are found without being on PATH, so what is asked for here is what stands in /usr/bin.
    assert {"gcc", "curl"} <= set(done.stderr.splitlines()[-1].split())


def test_a_package_that_two_commands_come_from_is_named_once(tmp_path: Path) -> None:
    line = run("scripts/system-packages.sh", "--tests", path=bare_path(tmp_path)).stderr.splitlines()[-1]
    packages = line.partition("--no-install-recommends ")[2].split()
    assert packages
    assert len(packages) == len(set(packages))


def test_root_that_only_checks_installs_nothing(tmp_path: Path) -> None:
    tried = tmp_path / "apt-was-run"
    folder = tmp_path / "bin"
    folder.mkdir()
    path = bare_path(folder, uid="0", **{"apt-get": f"echo > {tried}"})
    done = run("scripts/setup.sh", "--check", path=path)
    assert done.returncode == 1
    assert "gcc" in done.stderr
    assert not tried.exists()


def test_an_interpreter_that_is_too_old_is_refused_by_name(tmp_path: Path) -> None:
    old = 'if [[ $1 == --version ]]; then echo "Python 3.9.2"; else exit 1; fi'
    path = bare_path(tmp_path, python3=old, **dict.fromkeys(("python3.11", "python3.12", "python3.13"), "exit 127"))
    done = run("scripts/setup.sh", path=path)
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed: python3 is Python 3.9.2" in done.stderr


def test_the_interpreter_can_be_named(tmp_path: Path) -> None:
    done = run("scripts/setup.sh", "--check", path=bare_path(tmp_path, python3="exit 1"), PYTHON=sys.executable)
    assert "Python 3.11 or newer" not in done.stderr


@pytest.mark.parametrize("script", ["scripts/setup.sh", "scripts/system-packages.sh"])
def test_an_unknown_argument_is_a_usage_error(tmp_path: Path, script: str) -> None:
    done = run(script, "--fast", path=bare_path(tmp_path))
    assert done.returncode == 2
    assert "--fast" in done.stderr


def test_ci_runs_the_whole_suite() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text()
