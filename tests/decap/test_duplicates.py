"""Second copies of a packet: told from first ones and from retransmissions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.decap.duplicates import DuplicateTable

WINDOW_NS = 10_000_000
PACKET = {"flow_hash": 0x1234567890ABCDEF, "seq": 7, "ack": 9, "flags": 0x18, "length": 100, "identity": 0x00050006}

# id -> what the second packet has else, ns between them, whether it is a second copy
SECOND = {
    "the same at once": ({}, 0, True),
    "the same within the window": ({}, WINDOW_NS - 1, True),
    "the same, with the earlier time": ({}, -5, True),
    "the same after the window": ({}, WINDOW_NS, False),
    "another flow": ({"flow_hash": 1}, 0, False),
    "another sequence number": ({"seq": 8}, 0, False),
    "another acknowledgment": ({"ack": 10}, 0, False),
    "other flags": ({"flags": 0x19}, 0, False),
    "another length": ({"length": 101}, 0, False),
    "a retransmission, with another identification": ({"identity": 0x00060006}, 5, False),
    "another checksum, as other timestamps make it": ({"identity": 0x00050007}, 5, False),
}


@pytest.mark.parametrize("name", SECOND)
def test_only_the_same_packet_within_the_window_is_a_second_copy(name: str) -> None:
    change, later_ns, expected = SECOND[name]
    table = DuplicateTable(WINDOW_NS)
    assert not table.is_second_copy(**PACKET, time_ns=10**18)
    assert table.is_second_copy(**(PACKET | change), time_ns=10**18 + later_ns) is expected


def test_the_window_runs_from_the_first_copy() -> None:
    table = DuplicateTable(WINDOW_NS)
    times = [10**18 + step * WINDOW_NS * 6 // 10 for step in range(4)]
    assert [table.is_second_copy(**PACKET, time_ns=time) for time in times] == [False, True, False, True]


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)), unique=True, min_size=1, max_size=200))
def test_a_copy_of_each_packet_is_found_and_no_packet_taken_for_another(packets: list[tuple[int, int]]) -> None:
    table = DuplicateTable(WINDOW_NS)
    for at, (seq, ack) in enumerate(packets):
        packet = PACKET | {"seq": seq, "ack": ack, "time_ns": 10**18 + at}
        assert (table.is_second_copy(**packet), table.is_second_copy(**packet)) == (False, True)


def test_ten_milliseconds_of_half_a_million_packets_a_second_are_remembered() -> None:
    table, packets = DuplicateTable(WINDOW_NS), 5_000
    for seq in range(packets):
        table.is_second_copy(**(PACKET | {"seq": seq}), time_ns=10**18 + seq * 2000)
    found = sum(
        table.is_second_copy(**(PACKET | {"seq": seq}), time_ns=10**18 + packets * 2000 - 2000) for seq in range(packets)
    )
    assert found > packets * 0.9
