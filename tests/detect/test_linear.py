"""Nothing in detection costs more than linear time: twice the bytes, twice the work, whatever the bytes are."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tcpmirror.detect.detector import Detector
from tests.detect.hostile import PIECES, PLACES, readers

READERS = dict(readers())
SHORT, TIMES = 4096, 8
# A quadratic reader takes 64 times as long for eight times the bytes; a loaded machine makes 8 look like 20 at most.
STEEPEST = 30
FLOOR_NS = 300_000  # below that the clock and the caches decide
# What the dearest input known takes, with room for a slower and loaded machine (`python -m bench.worst`).
NS_PER_BYTE = 20_000


def cost_ns(read: Callable[[bytes], object], value: bytes, runs: int = 3) -> int:
    """Return the CPU time that *read* takes for *value*, the least of *runs*."""
    costs = []
    for _ in range(runs):
        started = time.thread_time_ns()
        read(value)
        costs.append(time.thread_time_ns() - started)
    return min(costs)


def check_is_linear(read: Callable[[bytes], object]) -> None:
    for piece in PIECES:
        long = piece * (TIMES * SHORT // len(piece))
        cost, bound = cost_ns(read, long, 1), NS_PER_BYTE * len(long)
        # Once may hold a whole collection of garbage of all the tests before: what is dear is so thrice.
        assert cost < bound or cost_ns(read, long) < bound, piece
        if cost > FLOOR_NS * STEEPEST:
            least = max(FLOOR_NS, cost_ns(read, piece * (SHORT // len(piece))))
            assert cost_ns(read, long) < STEEPEST * least, piece


@pytest.mark.parametrize("name", READERS)
def test_a_reader_takes_linear_time(name: str) -> None:
    check_is_linear(READERS[name])


@pytest.mark.parametrize("place", PLACES)
def test_a_request_takes_linear_time_on_both_tiers(detector: Detector, place: str) -> None:
    def read(value: bytes) -> None:
        request = PLACES[place](value)
        detector.is_suspect(request)
        detector.judge_request(request)

    check_is_linear(read)


def test_entities_that_would_expand_to_gigabytes_cost_less_than_a_millisecond_a_kilobyte(detector: Detector) -> None:
    entities = b"".join(b'<!ENTITY l%d "%s">' % (level, b"&l%d;" % (level - 1) * 10) for level in range(1, 10))
    body = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY l0 "lol">' + entities + b"]><l>" + b"&l9;" * 100 + b"</l>"
    request = PLACES["body"](body)
    assert "data_bomb" in {finding.type for finding in detector.judge_request(request)}
    # Four times what it takes, because other programs share the processor's caches.
    assert cost_ns(lambda _: (detector.is_suspect(request), detector.judge_request(request)), b"", 20) < 4_000_000
