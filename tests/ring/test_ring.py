"""The ring: what goes in comes out, whole and in order, whoever dies in between."""

from __future__ import annotations

import mmap
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.ring.ring import HEADER_BYTES, Doorbell, RingReader, RingWriter, ring_bytes


def memory(capacity: int = 4096) -> memoryview:
    return memoryview(mmap.mmap(-1, ring_bytes(capacity)))


@given(st.lists(st.tuples(st.integers(1, 65535), st.binary(max_size=700)), max_size=60), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_in_order_whatever_the_interleaving(records, turns) -> None:
    shared = memory()
    writer, reader = RingWriter(shared), RingReader(shared)
    waiting, seen = list(records), []
    while waiting or not reader.is_empty:
        if waiting and turns.random() < 0.6 and writer.write(*waiting[0]):
            waiting.pop(0)
        elif (record := reader.read()) is not None:
            seen.append(record)
            reader.advance()
    assert seen == records


def test_a_full_ring_refuses_and_keeps_what_it_has() -> None:
    shared = memory()
    writer, reader = RingWriter(shared), RingReader(shared)
    count = 0
    while writer.write(1, b"x" * 100):
        count += 1
    assert count == 4096 // 112
    assert writer.fill > 0.9
    for _ in range(count):
        assert reader.read() == (1, b"x" * 100)
        reader.advance()
    assert reader.read() is None
    assert writer.write(1, b"again")


def test_a_record_larger_than_half_the_ring_is_refused_and_the_largest_fits_anywhere() -> None:
    shared = memory()
    writer, reader = RingWriter(shared), RingReader(shared)
    assert not writer.write(1, b"x" * (writer.largest_payload + 1))
    for offset in range(50):
        assert writer.write(1, b"o" * offset)
        reader.read()
        reader.advance()
        assert writer.write(2, b"y" * writer.largest_payload)
        assert reader.read() == (2, b"y" * writer.largest_payload)
        reader.advance()


def test_a_consumer_that_dies_before_advance_finds_the_record_again() -> None:
    shared = memory()
    RingWriter(shared).write(1, b"once")
    assert RingReader(shared).read() == (1, b"once")
    successor = RingReader(shared)
    assert successor.read() == (1, b"once")
    successor.advance()
    assert RingReader(shared).read() is None


def test_a_producer_that_dies_before_publishing_leaves_no_trace() -> None:
    shared = memory()
    writer = RingWriter(shared)
    writer.write(1, b"whole")
    shared[HEADER_BYTES + 16 + 8 :][:4] = b"torn"
    assert RingWriter(shared).write(1, b"next")
    reader = RingReader(shared)
    seen = []
    while (record := reader.read()) is not None:
        seen.append(record[1])
        reader.advance()
    assert seen == [b"whole", b"next"]


def test_a_record_with_an_impossible_size_is_given_up_not_followed() -> None:
    shared = memory()
    writer, reader = RingWriter(shared), RingReader(shared)
    writer.write(1, b"hello")
    shared[HEADER_BYTES : HEADER_BYTES + 4] = b"\xff\xff\xff\x7f"
    assert reader.read() is None
    assert reader.corruptions == 1
    writer.write(1, b"after")
    assert reader.read() == (1, b"after")


def test_memory_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="ring_bytes"):
        RingWriter(memoryview(bytearray(5000)))


def test_two_processes_exchange_records_without_loss() -> None:
    shared, bell_memory = memory(1 << 16), memoryview(mmap.mmap(-1, 4096))
    reader, bell = RingReader(shared), Doorbell(bell_memory[:64])
    pid = os.fork()
    if pid == 0:
        writer = RingWriter(shared)
        for number in range(20_000):
            while not writer.write(1, number.to_bytes(4, "little") * (number % 40)):
                os.sched_yield()
            bell.ring()
        os._exit(0)
    expected = 0
    while expected < 20_000:
        ticket = bell.ticket()
        record = reader.read()
        if record is None:
            bell.wait(ticket, 1000)
            continue
        assert record == (1, expected.to_bytes(4, "little") * (expected % 40))
        reader.advance()
        expected += 1
    assert os.waitpid(pid, 0)[1] == 0


def test_a_bell_rung_between_ticket_and_wait_is_not_missed() -> None:
    bell = Doorbell(memoryview(mmap.mmap(-1, 4096))[:64])
    ticket = bell.ticket()
    bell.ring()
    assert bell.wait(ticket, 10_000)


def test_waiting_for_a_silent_bell_ends_at_the_time_out() -> None:
    bell = Doorbell(memoryview(mmap.mmap(-1, 4096))[:64])
    assert not bell.wait(bell.ticket(), 10)
