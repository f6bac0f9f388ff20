"""Fixtures: a store of either kind, and a running cloud on it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.postgresql import PostgreSQL, programs
from tcpmirror.cloud.database import Database, open_database
from tests.cloud.running import RunningCloud


@pytest.fixture(scope="session")
def postgresql(request: pytest.FixtureRequest) -> Iterator[PostgreSQL]:
    """Yield a server for the whole run; without the programs: skip, or fail if the run is to be `--complete`."""
    if programs() is None:
        reason = "PostgreSQL's server programs are not installed"
        if request.config.getoption("--complete"):
            pytest.fail(reason)
        pytest.skip(reason)
    with PostgreSQL() as server:
        yield server


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def store_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def new_store(
    store_kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], str]:
    """Return a function that makes an empty store of this kind and returns where it is."""
    if store_kind == "postgresql":
        server: PostgreSQL = request.getfixturevalue("postgresql")
        return server.new_database
    template = tmp_path_factory.mktemp("template") / "cloud.db"
    open_database(template).close()

    def new_copy() -> str:
        """Copy the empty store: migrations take half a second, and their own tests walk through them."""
        return shutil.copy(template, tmp_path_factory.mktemp("store"))

    return new_copy


@pytest.fixture
def address(new_store: Callable[[], str], request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield where a store of its own for this test is."""
    made = new_store()
    yield made
    if "://" in made:
        request.getfixturevalue("postgresql").drop_database(made)  # each is 8 MB


@pytest.fixture
def database(address: str) -> Iterator[Database]:
    opened = open_database(address)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def lasting_database(new_store: Callable[[], str]) -> Iterator[Database]:
    """Yield one store for all tests of a module that leave nothing behind which others would notice."""
    opened = open_database(new_store())
    yield opened
    opened.close()


@pytest.fixture
def cloud(tmp_path: Path, address: str) -> Iterator[RunningCloud]:
    with RunningCloud(tmp_path, address) as running:
        yield running


@pytest.fixture(scope="module")
def lasting_cloud(new_store: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """Yield one cloud for all tests of a module that leave nothing behind which others would notice."""
    with RunningCloud(tmp_path_factory.mktemp("cloud"), new_store()) as running:
        yield running
