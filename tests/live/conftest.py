"""Live tests need root and the tools of `bench.network`; without them they are skipped, with the reason."""

from __future__ import annotations

import pytest

from bench.network import missing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = missing()
    for item in items:
        if item.get_closest_marker("live") and reason:
            item.add_marker(pytest.mark.skip(reason=reason))
