"""Beginnings and ends: what only the sensor sees (a small TTL, a number outside the window) neither ends a flow nor moves it."""

from __future__ import annotations

from tcpmirror.model.anomaly import Anomaly
from tests.reassembly.test_flow_table import ACK, CLIENT, FIN, MS, RST, SECOND, SERVER, SYN, Wire

URG = 32
RESET_END, IDLE_END = 2, 3


def joined(wire: Wire, client_isn: int, server_isn: int = 5000) -> Wire:
    """Return a wire over the same 4-tuple and table with other sequence numbers."""
    other = Wire(client_isn=client_isn, server_isn=server_isn)
    other.factory, other.table, other.time = wire.factory, wire.table, wire.time + MS
    return other


def has(wire: Wire, anomaly: Anomaly, flow: int = 0) -> bool:
    return bool(wire.factory.opened[flow].flow.anomalies >> anomaly & 1)


# -- RST ------------------------------------------------------------------------------------------------------------------


def test_a_clients_reset_ends_the_flow_when_nothing_more_comes_of_it() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"one", ack=0)
    wire.send(0, 3, flags=RST)
    assert wire.factory.opened[0].events == [("data", 0, b"one")]
    wire.table.advance(wire.time + 3 * SECOND)
    assert [event[0] for event in wire.factory.opened[0].events] == ["data", "end", "end"]
    assert wire.factory.opened[0].events[-1] == ("end", 1, RESET_END)
    assert has(wire, Anomaly.RESET)


def test_a_client_that_goes_on_after_its_reset_was_not_believed_by_its_server_either() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"GET /?q=<scr", ack=0)
    wire.send(0, 12, flags=RST)
    wire.send(0, 12, b"ipt>", ack=0)
    assert wire.stream(0) == b"GET /?q=<script>"
    assert len(wire.factory.opened) == 1
    assert has(wire, Anomaly.FALSE_END)
    assert not has(wire, Anomaly.RESET)


def test_a_servers_reset_ends_the_flow_at_once() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"one", ack=0)
    wire.send(1, 0, ack=3, flags=RST | ACK)
    assert wire.factory.opened[0].events[-1] == ("end", 1, RESET_END)


def test_a_reset_below_the_window_is_nothing() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"one", ack=0)
    wire.send(1, 0, b"x", ack=3)
    wire.send(1, -5, flags=RST)
    wire.send(1, 1, b"two", ack=3)
    assert wire.stream(1) == b"xtwo"


def test_data_that_crosses_a_servers_reset_is_ignored_when_it_is_old() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"one", ack=0)
    wire.send(1, 0, flags=RST)
    wire.send(0, 0, b"one", ack=0)
    assert len(wire.factory.opened) == 1


def test_a_refused_connection_makes_no_sink() -> None:
    wire = Wire()
    wire.send(0, -1, flags=SYN)
    wire.send(1, -1, ack=0, flags=RST | ACK)
    wire.finish()
    assert wire.factory.opened == []


# -- FIN ------------------------------------------------------------------------------------------------------------------


def test_a_fin_that_only_the_sensor_saw_does_not_hide_what_follows() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"GET /", ack=0)
    wire.send(0, 5, flags=FIN | ACK, ack=0)
    wire.send(0, 5, b"attack", ack=0)
    assert wire.stream(0) == b"GET /attack"
    assert has(wire, Anomaly.FALSE_END)


def test_an_acknowledged_fin_ends_the_direction_and_what_follows_is_ignored() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"bye", flags=FIN | ACK, ack=0)
    wire.send(1, 0, ack=4)
    wire.send(0, 3, b"more", ack=0)
    assert wire.factory.opened[0].events == [("data", 0, b"bye"), ("end", 0, 1)]
    assert wire.table.ignored_bytes == 4


def test_a_fin_whose_acknowledgement_was_lost_counts_after_the_closing_time() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"bye", flags=FIN | ACK, ack=0)
    wire.table.advance(wire.time + 3 * SECOND)
    assert wire.factory.opened[0].events == [("data", 0, b"bye"), ("end", 0, 1)]
    wire.send(1, 0, b"still here", ack=3, after=4 * SECOND)
    assert wire.stream(1) == b"still here"


def test_a_fin_below_what_was_said_is_nothing() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"one", ack=0)
    wire.send(0, 1, flags=FIN | ACK, ack=0)
    wire.send(1, 0, ack=3)
    wire.send(0, 3, b"two", ack=0)
    assert wire.stream(0) == b"onetwo"


def test_a_repeated_fin_ends_once() -> None:
    wire = Wire()
    wire.open()
    for _ in range(3):
        wire.send(1, 0, b"bye", flags=FIN | ACK, ack=0)
    assert wire.factory.opened[0].events == [("data", 1, b"bye"), ("end", 1, 1)]


def test_a_half_closed_flow_goes_on_in_the_other_direction() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"ask", flags=FIN | ACK, ack=0)
    for at in range(0, 50, 10):
        wire.send(1, at, b"0123456789", ack=4, after=10 * SECOND)
    wire.send(1, 50, flags=FIN | ACK, ack=4)
    wire.send(0, 4, ack=51)
    assert len(wire.stream(1)) == 50
    assert [event[:2] for event in wire.factory.opened[0].events if event[0] == "end"] == [("end", 0), ("end", 1)]


# -- SYN, and the 4-tuple used again --------------------------------------------------------------------------------------


def test_the_servers_word_goes_before_a_second_syn_with_another_number() -> None:
    wire = Wire()
    wire.send(0, -1, flags=SYN)
    joined(wire, 700_000).send(0, -1, flags=SYN)
    wire.time += 5 * MS
    wire.send(1, -1, flags=SYN | ACK, ack=0)
    wire.send(0, 0, b"GET /", ack=0)
    assert wire.stream(0) == b"GET /"


def test_a_second_syn_after_the_answer_to_the_first_moves_nothing() -> None:
    wire = Wire()
    wire.open()
    fake = joined(wire, 700_000)
    fake.send(0, -1, flags=SYN)
    fake.send(0, 0, b"harmless", ack=0)
    wire.time = fake.time
    wire.send(0, 0, b"attack", ack=0)
    assert wire.stream(0) == b"attack"


def test_a_new_connection_is_known_by_the_servers_acknowledgement_when_its_syn_ack_was_lost() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"old", ack=0)
    again = joined(wire, 90_000_000, 80_000_000)
    again.send(0, -1, flags=SYN)
    again.send(1, 0, ack=0)
    again.send(0, 0, b"new", ack=0)
    assert [again.stream(0, flow) for flow in (0, 1)] == [b"old", b"new"]


def test_a_server_only_mirror_sees_the_4_tuple_used_again() -> None:
    wire = Wire()
    wire.send(1, -1, flags=SYN | ACK, ack=0)
    wire.send(1, 0, b"old", ack=10)
    again = joined(wire, 90_000_000, 80_000_000)
    again.send(1, -1, flags=SYN | ACK, ack=0)
    again.send(1, 0, b"new", ack=10)
    assert [again.stream(1, flow) for flow in (0, 1)] == [b"old", b"new"]
    assert again.factory.opened[1].flow.client_ip == CLIENT


def test_a_client_only_mirror_sees_the_4_tuple_used_again() -> None:
    wire = Wire()
    wire.send(0, -1, flags=SYN)
    wire.send(0, 0, b"old", ack=0)
    again = joined(wire, 90_000_000)
    again.send(0, -1, flags=SYN)
    again.send(0, 0, b"new", ack=0)
    assert [again.stream(0, flow) for flow in (0, 1)] == [b"old", b"new"]


def test_time_wait_is_reused_by_a_syn_and_by_data_far_from_the_old_numbers() -> None:
    for with_syn in (True, False):
        wire = Wire()
        wire.open()
        wire.send(0, 0, b"bye", flags=FIN | ACK, ack=0)
        wire.send(1, 0, flags=FIN | ACK, ack=4)
        wire.send(0, 4, ack=1)
        again = joined(wire, 90_000_000, 80_000_000)
        if with_syn:
            again.open()
        again.send(0, 0, b"new", ack=0)
        assert [again.stream(0, flow) for flow in (0, 1)] == [b"bye", b"new"]
        assert has(again, Anomaly.MIDSTREAM, 1) is not with_syn


def test_stragglers_do_not_keep_a_closed_flow() -> None:
    wire = Wire()
    wire.open()
    wire.send(1, 0, flags=RST)
    for _ in range(10):
        wire.send(0, 0, ack=0, after=SECOND // 2)
    assert wire.table.flows_total > 1  # it was over after two seconds, whatever came


def test_both_ends_open_at_the_same_time() -> None:
    wire = Wire()
    wire.send(0, -1, flags=SYN)
    wire.send(1, -1, flags=SYN)
    wire.send(0, -1, flags=SYN | ACK, ack=0)
    wire.send(1, -1, flags=SYN | ACK, ack=0)
    wire.send(0, 0, b"ask", ack=0)
    wire.send(1, 0, b"answer", ack=3)
    assert (wire.stream(0), wire.stream(1)) == (b"ask", b"answer")
    assert wire.factory.opened[0].flow.client_ip == CLIENT


# -- data of a SYN (TCP Fast Open) ----------------------------------------------------------------------------------------


def fast_open(wire: Wire, data: bytes) -> None:
    wire.table.feed(CLIENT, 4000, SERVER, 80, wire.isn[0], 0, SYN, data, wire.time)


def test_data_of_a_syn_that_the_server_refused_is_not_what_it_reads() -> None:
    wire = Wire()
    fast_open(wire, b"harmless")
    wire.send(1, -1, flags=SYN | ACK, ack=0)
    wire.send(0, 0, b"<script>", ack=0)
    assert wire.stream(0) == b"<script>"
    assert wire.table.ignored_bytes == 8


def test_data_of_a_syn_counts_as_far_as_it_was_acknowledged() -> None:
    wire = Wire()
    fast_open(wire, b"GET /harmless")
    wire.send(1, -1, flags=SYN | ACK, ack=5)
    wire.send(0, 5, b"attack", ack=0)
    assert wire.stream(0) == b"GET /attack"


def test_without_the_servers_direction_the_client_tells_what_was_taken() -> None:
    for taken, more in ((True, b"!"), (False, b"fast open")):
        wire = Wire()
        fast_open(wire, b"fast open")
        wire.send(0, 9 if taken else 0, more, ack=0)
        assert wire.stream(0) == (b"fast open!" if taken else b"fast open")


def test_data_of_a_syn_that_nobody_answered_is_shown_at_the_end() -> None:
    wire = Wire()
    fast_open(wire, b"GET / HTTP/1.1")
    assert wire.factory.opened == []
    wire.table.advance(wire.time + 60 * SECOND)
    assert wire.stream(0) == b"GET / HTTP/1.1"
    assert (wire.table.held_bytes, wire.table.reorder_held_bytes) == (0, 0)


# -- probes, urgent data, depth, odd numbers ------------------------------------------------------------------------------


def test_probes_of_a_closed_window_bring_each_byte_once() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, 0, b"abc", ack=0)
    for _ in range(4):
        wire.send(0, 3, b"d", ack=0, after=SECOND)
        wire.send(1, 0, ack=3)
    wire.send(1, 0, ack=4)
    wire.send(0, 3, b"def", ack=0)
    assert wire.stream(0) == b"abcdef"
    assert wire.table.overlap_conflicts == 0


def test_segments_before_the_beginning_are_nothing() -> None:
    wire = Wire()
    wire.open()
    wire.send(0, -20, b"x" * 20, ack=0)
    wire.send(0, 0, b"GET", ack=0)
    assert wire.stream(0) == b"GET"


def test_urgent_bytes_are_in_the_stream_or_not_as_the_setting_says() -> None:
    for inline, stream in ((True, b"malicXious"), (False, b"malicious")):
        wire = Wire(urgent_inline=inline)
        wire.open()
        wire.send(0, 0, b"mal", ack=0)
        wire.send(0, 3, b"icX", ack=0, flags=ACK | URG, urgent=3)
        wire.send(0, 6, b"ious", ack=0)
        assert wire.stream(0) == stream
        assert has(wire, Anomaly.URGENT_DATA)
        assert wire.table.stream_bytes + wire.table.ignored_bytes == 10


def test_an_urgent_byte_that_is_yet_to_come_is_left_out_when_it_does() -> None:
    wire = Wire(urgent_inline=False)
    wire.open()
    wire.send(0, 4, b"fgh", ack=0)
    wire.send(0, 0, b"ab", ack=0, flags=ACK | URG, urgent=3)
    wire.send(0, 2, b"Xe", ack=0)
    assert wire.stream(0) == b"abefgh"


def test_past_its_depth_a_direction_is_counted_and_not_read() -> None:
    wire = Wire(flow_depth=10)
    wire.open()
    wire.send(1, 0, b"0123456789abcdef", ack=0)
    wire.send(1, 16, b"ghij", ack=0)
    wire.send(0, 0, b"other", ack=0)
    assert wire.factory.opened[0].events == [("data", 1, b"0123456789"), ("gap", 1, 6), ("gap", 1, 4), ("data", 0, b"other")]
    assert (wire.table.stream_bytes, wire.table.ignored_bytes, wire.table.gaps) == (15, 10, 0)
    assert has(wire, Anomaly.FLOW_DEPTH)


# -- one direction only ---------------------------------------------------------------------------------------------------


def test_a_one_sided_flow_says_so_while_it_lives_and_takes_it_back() -> None:
    wire = Wire()
    wire.send(0, 0, b"GET", ack=0)
    assert has(wire, Anomaly.ONE_SIDED)
    wire.send(1, 0, b"HTTP", ack=3)
    assert not has(wire, Anomaly.ONE_SIDED)


def test_a_one_sided_flow_that_ended_is_over_after_the_closing_time() -> None:
    for side in (0, 1):
        wire = Wire()
        wire.send(side, 0, b"all", ack=0)
        wire.send(side, 3, flags=FIN | ACK, ack=9)
        assert wire.factory.opened[0].events[-1] == ("end", 0, 1)  # nobody told who the client is: the first to speak
        wire.table.advance(wire.time + 3 * SECOND)
        assert wire.table.flows == 0
        assert wire.factory.opened[0].events[-1] == ("end", 1, IDLE_END)
