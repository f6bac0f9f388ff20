"""A detector with the built-in rules, compiled once and kept in the build folder from one run to the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcpmirror.detect.detector import Detector
from tcpmirror.processes.detection import build_detector
from tcpmirror.settings.tree import Settings

CACHE = Path(__file__).parents[2] / "build" / "rules"


@pytest.fixture(scope="session")
def detector() -> Detector:
    return build_detector(Settings(), CACHE)
