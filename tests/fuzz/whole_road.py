"""Frames through capture, rings and workers in one process."""

from __future__ import annotations

from typing import Final

from tcpmirror.decap.duplicates import DuplicateTable
from tests.fuzz.compiled import take
from tests.fuzz.script import MARK
from tests.fuzz.seeds import LINK_TYPES
from tests.processes.test_accounting import SMALL, assert_bytes_add_up, assert_messages_add_up, assert_packets_add_up
from tests.processes.test_roads import Road

START: Final = 1_700_000_000 * 10**9


def drive(data: bytes) -> None:
    """Every packet, byte and message ends in one counter, at any time; after the end nothing is held.

    *data*: options, then frames between marks, the first byte of each being the time that has passed.
    """
    options = data[0] if data else 0
    link_type = LINK_TYPES[options >> 3] if options >> 3 < len(LINK_TYPES) else 1
    road = Road(1 + (options & 1), SMALL, duplicates=DuplicateTable() if options & 2 else None)
    now = START
    for piece in data[1:].split(MARK):
        now += (piece[0] & 31) ** 4 * 1000_000 if piece else 0
        take(road.capture, now, piece[1:], link_type)
        assert_packets_add_up(road.page)
        if not options & 4:
            _work(road)
    road.capture.end_source()
    _work(road)
    assert_packets_add_up(road.page)
    assert road.page.get("fragments_held") == 0
    for _, table, _ in road.workers:
        table.end_all()
    road.publish()
    for _, _, page in road.workers:
        assert page.get("reorder_held_bytes") == page.get("held_bytes") == page.get("bugs") == 0
        assert_bytes_add_up(page)
        assert_messages_add_up(page)


def _work(road: Road) -> None:
    road.capture.flush()
    road.work()
    road.publish()
    for _, _, page in road.workers:
        assert_bytes_add_up(page)
