"""tcpmirror and libmodsecurity over the same requests."""

from __future__ import annotations

import pytest

from bench import modsecurity
from bench.comparison import figures, ours, table, worst
from tcpmirror.detect.detector import Detector
from tcpmirror.processes.detection import build_detector
from tcpmirror.settings.tree import Settings
from tests.detect.conftest import CACHE

HEAD = b" HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n\r\n"
ATTACK = b"GET /find?q=%3Cscript%3Ealert(1)%3C/script%3E" + HEAD
HARMLESS = b"GET /find?q=chairs" + HEAD


def test_figures_are_of_the_answered_requests_only() -> None:
    told = {b"a": (True, 10.0), b"b": (False, 30.0), b"c": None}
    row = figures(lambda raw: told[raw], [b"a", b"b", b"c"])
    assert row == {"n": 2, "unanswered": 1, "flagged": 50.0, "mean": 20.0, "p50": 30.0, "p99": 30.0, "max": 30.0}


def test_every_engine_has_a_row() -> None:
    row = {"n": 2, "unanswered": 0, "flagged": 50.0, "mean": 1.0, "p50": 1.0, "p99": 1.0, "max": 1234.0}
    lines = list(table({"attacks": {"tcpmirror": row, "nginx alone": row}}))
    assert lines[2] == "| attacks | tcpmirror | 2 | 50.0 | 1 / 1 / 1 / 1,234 |"
    assert lines[3] == "| attacks | nginx alone | 2 | - | 1 / 1 / 1 / 1,234 |"


@pytest.fixture(scope="module")
def detector() -> Detector:
    return build_detector(Settings(), CACHE)


@pytest.mark.parametrize("raw", dict(worst()).values(), ids=dict(worst()))
def test_the_worst_inputs_cost_little(detector: Detector, raw: bytes) -> None:
    """Each within a tenth of a second of CPU, the first time that a detector sees it."""
    told = ours(detector)(raw)
    assert told is not None
    assert told[1] < 100_000


@pytest.mark.live
@pytest.mark.skipif(modsecurity.missing() != "", reason=modsecurity.missing())
def test_libmodsecurity_refuses_an_attack_and_costs_something() -> None:
    with modsecurity.server(True) as server:
        refused, passed = server.ask(ATTACK), server.ask(HARMLESS)
    assert refused is not None and passed is not None
    assert refused.refused and not passed.refused
    assert refused.cpu_us > 0
