from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.export.cloud import TestCloud


@pytest.fixture
def cloud() -> Iterator[TestCloud]:
    running = TestCloud()
    yield running
    running.close()


@pytest.fixture
def eventually() -> Callable[..., None]:
    """Return a function that polls a claim until it holds, and fails when it does not within the deadline."""

    def poll(claim: Callable[[], object], deadline_s: float = 60.0) -> None:
        until_s = time.monotonic() + deadline_s
        while not claim():
            assert time.monotonic() < until_s, "did not happen in time"
            time.sleep(0.001)

    return poll
