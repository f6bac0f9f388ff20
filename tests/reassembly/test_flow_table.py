"""The flow table: any order and repetition of segments gives the same streams, and what was lost is told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.model.anomaly import Anomaly
from tcpmirror.reassembly.flow_table import FlowTable
from tcpmirror.reassembly.transcript import TranscriptFactory

CLIENT, SERVER = b"\x0a\x00\x00\x01", b"\x0a\x00\x00\x02"
FIN, SYN, RST, ACK = 1, 2, 4, 16
MS = 1_000_000
SECOND = 1000 * MS


class Wire:
    """Feeds segments of one connection to a table; sequence numbers count from the ISNs."""

    def __init__(self, client_isn: int = 1000, server_isn: int = 5000, **limits: int) -> None:
        bounds = {
            "memory_limit": 1 << 26,
            "flow_limit": 1000,
            "idle_ns": 300 * SECOND,
            "half_open_ns": 30 * SECOND,
            "closing_ns": 2 * SECOND,
            "reorder_bytes": 1 << 20,
            "reorder_segments": 4096,
        }
        self.factory = TranscriptFactory()
        self.table = FlowTable(self.factory, **(bounds | limits))
        self.isn = (client_isn, server_isn)
        self.time = SECOND

    def send(self, side: int, at: int, payload: bytes = b"", flags: int = ACK, ack: int | None = None, **more: int) -> None:
        self.time += more.pop("after", MS)
        ends = [(CLIENT, 4000), (SERVER, 80)]
        (src, sport), (dst, dport) = (ends[0], ends[1]) if side == 0 else (ends[1], ends[0])
        seq = (self.isn[side] + 1 + at) % 2**32
        number = 0 if ack is None else (self.isn[1 - side] + 1 + ack) % 2**32
        self.table.feed(
            src, sport, dst, dport, seq, number, flags if ack is not None else flags & ~ACK, payload, self.time, **more
        )

    def open(self) -> None:
        self.send(0, -1, flags=SYN)
        self.send(1, -1, flags=SYN | ACK, ack=0)
        self.send(0, 0, ack=0)

    def finish(self) -> None:
        self.table.end_all()

    def stream(self, side: int, flow: int = 0) -> bytes:
        return self.factory.opened[flow].stream(side)


def test_in_order_data_reaches_the_sink_at_once() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"GET ", ack=0)
    assert wire.stream(0) == b"GET "
    wire.send(1, 0, b"HTTP", ack=4)
    assert wire.stream(1) == b"HTTP"


@given(
    data=st.binary(min_size=1, max_size=60),
    isn=st.sampled_from([0, 1000, 2**31 - 30, 2**32 - 30]),
    cuts=st.lists(st.tuples(st.integers(0, 59), st.integers(1, 20)), max_size=20),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=300, deadline=None)
def test_any_order_and_repetition_of_segments_gives_the_same_stream(data, isn, cuts, order) -> None:
    wire = Wire(client_isn=isn)
    wire.open()
    pieces = [(at, at + 7) for at in range(0, len(data), 7)] + [(at, at + size) for at, size in cuts if at < len(data)]
    order.shuffle(pieces)
    for start, stop in pieces:
        wire.send(0, start, data[start:stop], ack=0)
    assert wire.stream(0) == data


@given(
    data=st.binary(min_size=10, max_size=80),
    lost=st.sets(st.integers(0, 9), min_size=1, max_size=5),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=200, deadline=None)
def test_what_is_never_seen_becomes_a_gap_of_exactly_its_length(data, lost, order) -> None:
    wire = Wire()
    wire.open()
    size = -(-len(data) // 10)
    pieces = [(at, data[at * size : (at + 1) * size]) for at in range(10) if at not in lost]
    order.shuffle(pieces)
    for at, piece in pieces:
        wire.send(0, at * size, piece, ack=0)
    wire.finish()
    if pieces:
        seen = wire.stream(0)
        assert len(seen) <= len(data)
        assert all(mine in (theirs, ord("?")) for mine, theirs in zip(seen, data, strict=False))


def test_the_first_copy_of_an_overlap_stays_and_the_conflict_is_told() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 4, b"GOOD", ack=0)
    wire.send(0, 4, b"EVIL", ack=0)
    wire.send(0, 0, b"say ", ack=0)
    assert wire.stream(0) == b"say GOOD"
    assert wire.factory.opened[0].flow.anomalies >> Anomaly.OVERLAP_CONFLICT & 1


def test_a_hole_the_receiver_acknowledged_becomes_a_gap() -> None:
    wire = Wire()
    wire.open()
    wire.send(1, 10, b"later", ack=0)
    wire.send(0, 0, ack=15)
    assert wire.factory.opened[0].events == []
    wire.send(0, 0, ack=15, after=200 * MS)
    assert wire.factory.opened[0].events == [("gap", 1, 10), ("data", 1, b"later")]


def test_a_hole_nobody_acknowledged_stays_open_for_the_retransmission() -> None:
    wire = Wire()
    wire.open()
    wire.send(1, 10, b"later", ack=0)
    wire.send(0, 0, ack=0, after=20 * SECOND)
    wire.send(1, 0, b"ten bytes.", ack=0)
    assert wire.stream(1) == b"ten bytes.later"


def test_a_one_sided_hole_becomes_a_gap_after_three_seconds() -> None:
    wire = Wire()
    wire.send(0, 0, b"a", ack=0)
    wire.send(0, 5, b"f", ack=0)
    wire.send(0, 6, b"g", ack=0, after=4 * SECOND)
    assert wire.stream(0) == b"a????fg"


def test_past_the_reorder_window_the_hole_of_a_server_is_a_gap() -> None:
    wire = Wire(reorder_bytes=1000)
    wire.open()
    for at in range(10, 40000, 100):
        wire.send(1, at, b"x" * 100, ack=0)
    assert wire.factory.opened[0].flow.anomalies >> Anomaly.REORDER_LIMIT & 1
    assert wire.stream(1).count(b"?") == 10


def test_past_the_reorder_window_a_client_does_not_make_the_sensor_skip_what_its_server_waits_for() -> None:
    wire = Wire(reorder_segments=50)
    wire.open()
    for at in range(1 << 20, (1 << 20) + 4000, 2):
        wire.send(0, at, b"x", ack=0)
    wire.send(0, 0, b"GET /attack", ack=0)
    assert wire.factory.opened[0].flow.anomalies >> Anomaly.REORDER_LIMIT & 1
    assert wire.stream(0) == b"GET /attack"
    assert wire.table.held_bytes < 20_000


def test_fin_of_both_sides_ends_the_flow_and_late_data_is_ignored() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"bye", ack=0, flags=ACK | FIN)
    wire.send(1, 0, b"ok", ack=4, flags=ACK | FIN)
    wire.send(0, 0, b"bye", ack=3, flags=ACK | FIN)
    wire.send(0, 3, b"late", ack=3)
    kinds = [(kind, side) for kind, side, _ in wire.factory.opened[0].events]
    assert kinds == [("data", 0), ("end", 0), ("data", 1), ("end", 1)]
    assert len(wire.factory.opened) == 1


def test_fin_before_the_data_it_follows_does_not_end_the_stream_early() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 3, b"def", ack=0, flags=ACK | FIN)
    wire.send(0, 0, b"abc", ack=0)
    wire.send(1, 0, ack=7)
    assert wire.factory.opened[0].events == [("data", 0, b"abc"), ("data", 0, b"def"), ("end", 0, 1)]


def test_a_reset_far_from_the_window_is_not_believed() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"one", ack=0)
    wire.send(0, 100_000_000, flags=RST)
    wire.send(0, 3, b"two", ack=0)
    assert wire.stream(0) == b"onetwo"


def test_data_after_a_reset_of_the_server_is_a_new_flow() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"one", ack=0)
    wire.send(1, 0, flags=RST)
    wire.send(0, 3, b"two", ack=0)
    assert [wire.stream(0, flow) for flow in (0, 1)] == [b"one", b"two"]


def test_the_four_tuple_used_again_is_a_new_flow() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"old", ack=0)
    again = Wire(client_isn=900_000, server_isn=77)
    again.factory, again.table, again.time = wire.factory, wire.table, wire.time
    again.open()
    again.send(0, 0, b"new", ack=0)
    assert [again.stream(0, flow) for flow in (0, 1)] == [b"old", b"new"]
    assert again.factory.opened[1].flow.anomalies >> Anomaly.TUPLE_REUSED & 1


def test_a_syn_nobody_answers_does_not_cut_a_living_flow() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"one", ack=0)
    fake = Wire(client_isn=900_000)
    fake.table, fake.time = wire.table, wire.time
    fake.send(0, -1, flags=SYN)
    wire.send(0, 3, b"two", ack=0)
    assert wire.stream(0) == b"onetwo"


def test_a_repeated_syn_and_first_segment_change_nothing() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"one", ack=0)
    wire.send(0, -1, flags=SYN)
    wire.send(0, 0, b"one", ack=0)
    wire.send(0, 3, b"two", ack=0)
    assert wire.stream(0) == b"onetwo"
    assert len(wire.factory.opened) == 1


def test_data_in_the_syn_is_kept() -> None:
    wire = Wire()
    wire.time += MS
    wire.table.feed(CLIENT, 4000, SERVER, 80, 1000, 0, SYN, b"fast", wire.time)
    wire.send(1, -1, flags=SYN | ACK, ack=4)
    wire.send(0, 4, b" open", ack=0)
    assert wire.stream(0) == b"fast open"


def test_a_flow_joined_in_the_middle_says_so() -> None:
    wire = Wire()
    wire.send(1, 0, b"HTTP/1.1 200", ack=50)
    flow = wire.factory.opened[0].flow
    assert not flow.is_client_known
    assert flow.anomalies >> Anomaly.MIDSTREAM & 1
    assert (flow.client_ip, flow.client_port) == (SERVER, 80)


def test_the_sender_of_a_syn_ack_seen_alone_is_the_server() -> None:
    wire = Wire()
    wire.send(1, -1, flags=SYN | ACK, ack=0)
    wire.send(0, 0, b"GET", ack=0)
    flow = wire.factory.opened[0].flow
    assert (flow.is_client_known, flow.client_ip) == (True, CLIENT)


def test_bytes_the_capture_cut_off_are_a_gap() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"abc", ack=0, missing=2)
    wire.send(0, 5, b"fg", ack=0)
    assert wire.stream(0) == b"abc??fg"


@pytest.mark.parametrize("clock_runs", [True, False], ids=["clock runs", "only the flow's own packets"])
def test_idle_time_is_packet_time_and_the_same_whoever_looks(clock_runs: bool) -> None:
    wire = Wire(idle_ns=10 * SECOND)
    wire.open()
    wire.send(0, 0, b"one", ack=0)
    if clock_runs:
        wire.table.advance(wire.time + 60 * SECOND)
        assert wire.table.flows == 0
    wire.send(0, 3, b"two", ack=0, after=60 * SECOND)
    assert [wire.stream(0, flow) for flow in (0, 1)] == [b"one", b"two"]
    assert wire.factory.opened[0].events[-2:] == [("end", 0, 3), ("end", 1, 3)]


def test_the_memory_limit_evicts_the_longest_idle_flow_first() -> None:
    wire = Wire(memory_limit=20_000)
    wire.open()
    wire.send(0, 5, b"held" * 1000, ack=0)
    for port in range(5000, 5100):
        wire.table.feed(CLIENT, port, SERVER, 80, 1, 0, SYN, b"", wire.time, flow_hash=port)
    assert wire.table.held_bytes <= 20_000
    assert wire.table.flows_evicted
    assert wire.factory.opened[0].events[-1] == ("end", 1, 4)


def test_the_flow_limit_holds() -> None:
    wire = Wire(flow_limit=50)
    for port in range(5000, 5200):
        wire.table.feed(CLIENT, port, SERVER, 80, 1, 0, SYN, b"", wire.time, flow_hash=port)
    assert wire.table.flows == 50
    assert wire.table.flows_evicted == 150


def test_half_open_flows_leave_sooner() -> None:
    wire = Wire()
    for port in range(5000, 5200):
        wire.table.feed(CLIENT, port, SERVER, 80, 1, 0, SYN, b"", wire.time, flow_hash=port)
    wire.table.advance(wire.time + 31 * SECOND)
    assert wire.table.flows == 0
    assert wire.table.held_bytes == 0


@given(
    segments=st.lists(
        st.tuples(
            st.booleans(),
            st.integers(0, 2**32 - 1) | st.integers(990, 1100),
            st.integers(0, 2**32 - 1),
            st.integers(0, 63),
            st.binary(max_size=30),
            st.integers(0, 100 * SECOND),
            st.integers(0, 40),
        ),
        max_size=40,
    )
)
@settings(max_examples=300, deadline=None)
def test_no_segments_make_the_table_raise_or_leak(segments) -> None:
    wire = Wire(memory_limit=50_000)
    for from_server, seq, ack, flags, payload, time_ns, missing in segments:
        src, dst = ((SERVER, 80), (CLIENT, 4000)) if from_server else ((CLIENT, 4000), (SERVER, 80))
        wire.table.feed(*src, *dst, seq, ack, flags, payload, time_ns, missing)
        wire.table.advance(time_ns)
    wire.finish()
    assert (wire.table.flows, wire.table.held_bytes) == (0, 0)
    for transcript in wire.factory.opened:
        for side in (0, 1):
            assert sum(1 for kind, of_side, _ in transcript.events if (kind, of_side) == ("end", side)) == 1


def test_data_held_behind_a_fin_is_let_go_and_counted() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 100, b"from another connection", ack=0)
    wire.send(0, 0, flags=FIN | ACK, ack=0)
    wire.finish()
    assert wire.table.ignored_bytes == 23
    assert wire.table.reorder_held_bytes == 0
    assert wire.table.held_bytes == 0


def test_the_end_of_one_direction_waits_for_what_the_other_lost() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"ask", ack=0)
    wire.send(1, 0, b"answer", ack=10)  # seven bytes of the client were lost
    wire.send(1, 6, flags=FIN | ACK, ack=10)
    events = wire.factory.opened[0].events
    assert events == [("data", 0, b"ask"), ("data", 1, b"answer")]
    wire.table.advance(wire.time + 3 * SECOND)
    assert [event[:2] for event in events[2:]] == [("gap", 0), ("end", 1)]
    assert events[2] == ("gap", 0, 7)


def test_the_end_of_one_direction_comes_when_the_hole_of_the_other_is_filled() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 3, b"more", ack=0)
    wire.send(1, 0, b"answer", ack=7)
    wire.send(1, 6, flags=FIN | ACK, ack=7)
    wire.send(0, 0, b"ask", ack=7)
    assert [event[:2] for event in wire.factory.opened[0].events] == [("data", 1), ("data", 0), ("data", 0), ("end", 1)]
