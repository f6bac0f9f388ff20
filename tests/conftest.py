"""What all tests share: where the artefacts of a run are kept, and which tests have the machine to themselves."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A run judges the change, not the machine: examples take what time they take.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeat", settings.get_profile("explore"), derandomize=True, database=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep", metavar="DIR", help="keep logs, captures and screenshots of the tests in DIR")
    parser.addoption("--complete", action="store_true", help="fail, not skip, where a server that tests need is missing")


def pytest_configure(config: pytest.Config) -> None:
    """Take other examples of the standing properties in each run; in a complete one the same, so that it can be repeated."""
    settings.load_profile("repeat" if config.getoption("--complete") else "explore")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Let a test that is to be alone run while no other does, on whichever worker."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    with _turn(is_alone=item.get_closest_marker("alone") is not None):
        return (yield)


@contextmanager
def _turn(*, is_alone: bool) -> Iterator[None]:
    """Hold a lock with others or alone. Who waits to be alone keeps the gate, so that nobody else gets in meanwhile.

    Locks are released, not left to the closing of files: processes that a test forked hold the same ones.
    """
    with Path(__file__).open() as gate, Path(__file__).with_name("__init__.py").open() as room:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(room, fcntl.LOCK_UN)


@pytest.fixture
def artefacts(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a directory for what a test leaves behind: under `--keep`, else a temporary one."""
    keep = request.config.getoption("--keep")
    if not keep:
        return tmp_path
    name = "".join(character if character.isalnum() else "-" for character in request.node.nodeid)
    made = Path(keep).resolve() / name[-100:]
    shutil.rmtree(made, ignore_errors=True)  # of an earlier run
    made.mkdir(parents=True)
    return made
