"""Fixtures: a store, and a running cloud."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tcpmirror.cloud.database import Database, open_database
from tests.cloud.running import RunningCloud


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "cloud.db")
    yield opened
    opened.close()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[RunningCloud]:
    with RunningCloud(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def lasting_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """Yield one cloud for all tests of a module that leave nothing behind which others would notice."""
    with RunningCloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running
