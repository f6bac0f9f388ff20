"""What all tests share: where the artefacts of a run are kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep", metavar="DIR", help="keep logs, captures and screenshots of the tests in DIR")
    parser.addoption("--complete", action="store_true", help="fail, not skip, where a server that tests need is missing")


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
