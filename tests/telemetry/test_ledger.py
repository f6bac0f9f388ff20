"""Ledgers close: every counter of an end stands in one of them, and a page is read in one moment."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.ledger import (
    CAPTURED_BYTE_ENDS,
    EXCHANGE_ENDS,
    LOSSES,
    PACKET_ENDS,
    STREAM_BYTE_ENDS,
    ledgers,
    read_ledgers,
)
from tcpmirror.telemetry.names import CAPTURE, WORKER

COUNT = st.integers(0, 10**6)


def pages() -> tuple[CounterPage, CounterPage]:
    return CounterPage.private(CAPTURE), CounterPage.private(WORKER)


@given(st.data())
def test_whatever_the_ends_are_the_ledgers_close(data: st.DataObject) -> None:
    capture, worker = pages()
    for name in (*PACKET_ENDS, *CAPTURED_BYTE_ENDS, "kernel_dropped", "interface_dropped", "unwatched"):
        capture.set(name, data.draw(COUNT))
    capture.set("packets", sum(map(capture.get, PACKET_ENDS)))
    capture.set("tcp_bytes", sum(map(capture.get, CAPTURED_BYTE_ENDS)))
    for name in (*STREAM_BYTE_ENDS, *EXCHANGE_ENDS, "gap_bytes", "tls_bytes", "segments", "skipped_records"):
        worker.set(name, data.draw(COUNT))
    worker.set("published_bytes", sum(map(worker.get, STREAM_BYTE_ENDS)))
    worker.set("emitted", sum(map(worker.get, EXCHANGE_ENDS)))
    assert [ledger.difference for ledger in read_ledgers([capture], [worker])] == [0, 0, 0]


@pytest.mark.parametrize("counter", ["packets", "tcp_bytes"])
def test_what_no_end_accounts_for_is_a_difference(counter: str) -> None:
    capture, worker = pages()
    capture.set(counter, 1)
    assert sum(ledger.difference for ledger in read_ledgers([capture], [worker])) == 1


@pytest.mark.parametrize(("emitted", "waiting", "difference"), [(1, 1, 0), (2, 2, 0), (3, 2, 1)])
def test_an_exchange_in_the_hand_of_a_worker_waits_and_more_than_that_are_missing(
    emitted: int, waiting: int, difference: int
) -> None:
    capture, worker = pages()
    worker.set("emitted", emitted)
    _, _, exchanges = read_ledgers([capture], [worker, pages()[1]])
    assert (exchanges.waiting, exchanges.difference) == (waiting, difference)


def test_every_reason_of_a_packet_has_a_place() -> None:
    packets, *_ = ledgers([dict.fromkeys(CAPTURE, 0)], [dict.fromkeys(WORKER, 0)])
    assert {name.removeprefix("lost_") for name in LOSSES} < packets.reasons.keys()
    assert {
        "nic_drop",
        "kernel_drop",
        "ring_full",
        "shed",
        "filtered",
        "truncated",
        "fragment",
        "not_tcp",
    } < packets.reasons.keys()


def test_a_page_is_read_as_of_one_moment() -> None:
    capture, worker = pages()
    is_over = threading.Event()

    def count() -> None:
        while not is_over.is_set():
            capture.add("packets")
            capture.add("lost_not_tcp")

    writer = threading.Thread(target=count)
    writer.start()
    try:
        differences = [read_ledgers([capture], [worker])[0].difference for _ in range(300)]
    finally:
        is_over.set()
        writer.join()
    assert set(differences) <= {0, 1}, "at most the packet in hand is in no place"


def test_a_writer_that_waits_for_its_processor_in_the_middle_is_given_time() -> None:
    capture, worker = pages()
    worker.add("published_bytes", 46_125)  # and of what they were it has not told yet
    later = threading.Timer(0.02, worker.add, ("stream_bytes", 46_125))
    capture.add("tcp_bytes", 46_125)
    capture.add("segment_bytes", 46_125)
    later.start()
    found = read_ledgers([capture], [worker])
    later.join()
    assert [ledger.difference for ledger in found] == [0, 0, 0]
