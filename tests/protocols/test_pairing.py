"""Pairing when bytes were lost: a response may stay alone, but it is never given to the request of another."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.model.exchange import Exchange
from tests.protocols.transcript import CLIENT, SERVER, Flow, names

Step = tuple[int, bytes]


def request(number: int, body: int = 0) -> Step:
    return CLIENT, b"POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s" % (number, body, b"q" * body)


def plain(number: int) -> Step:
    return SERVER, b"HTTP/1.1 200 OK\r\nX-Id: %d\r\nContent-Length: 13\r\n\r\nbody\nof %05d" % (number, number)


def chunked(number: int) -> Step:
    return SERVER, (
        b"HTTP/1.1 200 OK\r\nX-Id: %d\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nbody of\r\n6\r\n %05d\r\n0\r\n\r\n"
        % (number, number)
    )


# id -> the messages of a flow in the order in which they crossed the mirror
TRANSCRIPTS: dict[str, list[Step]] = {
    "one after the other": [request(1, 5), plain(1), request(2), chunked(2), request(3, 9), plain(3), request(4), plain(4)],
    "a burst": [request(1), request(2, 4), request(3), request(4), plain(1), chunked(2), plain(3), plain(4)],
    "two bursts": [request(1), request(2), plain(1), plain(2), request(3), request(4), plain(3), plain(4)],
    "a burst, then one by one": [request(1), request(2), plain(1), plain(2), request(3), plain(3), request(4), plain(4)],
}
TWO_IN_FLIGHT = [request(1), request(2), plain(1), request(3), plain(2), request(4), plain(3), plain(4)]


def play(steps: list[Step], side: int, start: int, stop: int, known: bool = True) -> Flow:
    """Deliver *steps* but for bytes [start, stop) of *side*'s stream, of which is told when the next ones come, or the end."""
    flow = Flow(is_client_known=known)
    at = [0, 0]
    is_told = start >= stop
    for sender, data in steps:
        begin, at[sender] = at[sender], at[sender] + len(data)
        if sender != side or at[sender] <= start:
            flow.send(sender, data)
            continue
        flow.send(sender, data[: max(0, start - begin)])
        if not is_told and at[sender] > stop:
            flow.lose(sender, stop - start)
            is_told = True
        flow.send(sender, data[max(0, max(start, stop) - begin) :])
    if not is_told and at[side] > start:
        flow.lose(side, stop - start)
    return flow.end()


def response_id(exchange: Exchange) -> str | None:
    """Return the id in the response, or None if the part that names it was lost."""
    assert exchange.response is not None
    value = exchange.response.header(b"x-id")
    if value is None or not exchange.response.head.endswith(b"\r\n\r\n"):
        return None
    return value.decode()


def assert_no_mispair(flow: Flow) -> int:
    """Return how many pairs there are, none of them wrong."""
    pairs = 0
    for exchange in flow.exchanges:
        if exchange.request is not None and exchange.response is not None and response_id(exchange) is not None:
            assert exchange.request.target[1:].decode() == response_id(exchange)
            pairs += 1
    assert [exchange.index for exchange in flow.exchanges] == list(range(len(flow.exchanges)))
    return pairs


@pytest.mark.parametrize("known", [True, False], ids=["from the SYN", "joined"])
@pytest.mark.parametrize("side", [CLIENT, SERVER], ids=["request", "response"])
@pytest.mark.parametrize("steps", TRANSCRIPTS.values(), ids=TRANSCRIPTS)
def test_one_gap_anywhere_never_joins_strangers(steps, side, known):
    total = sum(len(data) for sender, data in steps if sender == side)
    played = 0
    for start in range(total):
        for size in (1, 7, 60, 75, 150, 230):
            flow = play(steps, side, start, min(total, start + size), known)
            assert_no_mispair(flow)
            played += 1
    assert played > 400


@pytest.mark.parametrize("known", [True, False], ids=["from the SYN", "joined"])
def test_client_with_always_two_in_flight_may_lose_any_message(known):
    at = [0, 0]
    for sender, data in TWO_IN_FLIGHT:
        assert_no_mispair(play(TWO_IN_FLIGHT, sender, at[sender], at[sender] + len(data), known))
        at[sender] += len(data)


def test_gap_free_transcripts_are_paired_whole():
    for known in (True, False):
        for id_, steps in (*TRANSCRIPTS.items(), ("two in flight", TWO_IN_FLIGHT)):
            flow = play(steps, CLIENT, 10**6, 10**6, known)
            assert [(e.request.target, e.response.status) for e in flow.exchanges] == [
                (b"/%d" % n, 200) for n in (1, 2, 3, 4)
            ], id_


def test_lost_exchange_costs_no_other_one_of_a_client_that_waits():
    steps = [step for number in range(1, 9) for step in (request(number), plain(number))]
    size = len(request(1)[1])
    for lost in range(8):
        flow = play(steps, CLIENT, lost * size, (lost + 1) * size)
        assert assert_no_mispair(flow) == 7
        assert [names(e) for e in flow.exchanges if e.request is None] == [{"response_only"}]


def test_gap_inside_a_counted_body_loses_nothing_but_the_bytes():
    steps = [request(1, 500), plain(1), request(2), plain(2)]
    head = len(request(1, 500)[1]) - 500
    flow = play(steps, CLIENT, head + 100, head + 300)
    assert assert_no_mispair(flow) == 2
    assert (len(flow.exchanges[0].request.body), flow.exchanges[0].request.wire_length) == (300, 500)
    assert [names(e) for e in flow.exchanges] == [{"gap"}, set()]


def test_gap_up_to_the_end_of_a_body_ends_the_message():
    flow = Flow().client(request(1, 5)[1][:-5]).lose(CLIENT, 5).server(plain(1)[1])
    assert len(flow.exchanges) == 1
    assert names(flow.exchanges[0]) == {"gap"}


def test_gap_inside_chunk_data_is_skipped():
    flow = (
        Flow()
        .client(request(1)[1])
        .server(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabcd")
        .lose(SERVER, 8)
    )
    flow.server(b"wxyz\r\n0\r\n\r\n")
    assert flow.exchanges[0].response.body == b"abcdwxyz"
    assert names(flow.exchanges[0]) == {"gap"}


def test_gap_past_the_body_cuts_the_message_and_the_rest_is_hunted():
    flow = Flow().client(request(1, 50)[1][:-40]).lose(CLIENT, 60).client(b"t: h\r\n\r\n", request(3)[1]).end()
    assert [e.request.target for e in flow.exchanges] == [b"/1", b"/3"]
    assert names(flow.exchanges[0]) == {"gap", "incomplete"}


def test_gap_in_a_head_keeps_what_was_seen_of_it():
    flow = Flow().client(b"GET /a?x=1 HTTP/1.1\r\nHost: h\r\nCoo").lose(CLIENT, 30).server(plain(1)[1]).end()
    assert [(e.request.target, e.response.status) for e in flow.exchanges] == [(b"/a?x=1", 200)]
    assert names(flow.exchanges[0]) == {"gap", "incomplete"}


def test_start_line_behind_a_lost_body_is_found_in_the_middle_of_its_line():
    flow = (
        Flow().client(b"POST /a HTTP/1.1\r\nContent-Le").lose(CLIENT, 30).client(b'{"k": "v"}GET /b HTTP/1.1\r\n\r\n').end()
    )
    assert [e.request.target for e in flow.exchanges] == [b"/a", b"/b"]


def test_order_is_certain_again_when_nothing_was_in_flight_for_long():
    flow = Flow().client(request(1)[1], request(2)[1]).lose(CLIENT, 40).server(plain(1)[1], plain(2)[1])
    flow.wait(6).client(request(4)[1]).server(plain(4)[1])
    assert assert_no_mispair(flow) == 3


def test_uncertain_request_is_settled_by_time_too():
    flow = Flow(is_client_known=False).client(request(1)[1]).server(plain(1)[1])
    assert flow.exchanges == []
    flow.wait(6)
    flow.sink.expire(flow.time_ns)
    assert assert_no_mispair(flow) == 1
    assert flow.sink.deadline_ns == 0
    assert flow.sink.held_bytes < 1024


def talk(flow: Flow, exchanges: int, pause_s: float = 0.02) -> Flow:
    """Let a client that waits for its answers ask so many times."""
    for number in range(exchanges):
        flow.client(request(number)[1]).wait(pause_s).server(plain(number)[1]).wait(pause_s)
    return flow


def test_a_busy_connection_joined_in_the_middle_is_paired_after_some_turns():
    flow = talk(Flow(is_client_known=False), 30)
    assert assert_no_mispair(flow) >= 29


def test_a_joined_connection_that_falls_silent_is_paired_when_no_answer_can_come_any_more():
    flow = talk(Flow(is_client_known=False), 4)
    flow.wait(6)
    flow.sink.expire(flow.time_ns)
    assert assert_no_mispair(flow) == 4
    assert flow.sink.deadline_ns == 0


def test_a_joined_client_that_is_seen_to_pipeline_is_not_taken_for_one_that_waits():
    flow, under_way, number = Flow(is_client_known=False), [1, 2], 3
    for turn in range(60):
        answers = 2 if turn % 5 == 4 else 1  # now and then the server is quicker than the next request
        for _ in range(answers):
            flow.server(plain(under_way.pop(0))[1]).wait(0.02)
        for _ in range(answers):
            flow.client(request(number)[1]).wait(0.02)
            under_way.append(number)
            number += 1
    assert_no_mispair(flow)


def test_uncertain_flow_holds_no_more_than_the_limit():
    flow = Flow(is_client_known=False)
    flow.client(request(0)[1]).server(plain(0)[1])
    for number in range(1, 2000):
        flow.client(request(number)[1]).client(request(number)[1]).server(plain(number)[1])
    assert flow.sink.held_bytes < 256 * 1024
    flow.end()
    assert sum(e.request is not None for e in flow.exchanges) == 1 + 2 * 1999


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_losses_never_raise_and_never_lose_count(data):
    steps = data.draw(st.sampled_from(list(TRANSCRIPTS.values())))
    flow = Flow(is_client_known=data.draw(st.booleans()))
    for sender, message in steps:
        kept = data.draw(st.lists(st.tuples(st.integers(0, len(message)), st.integers(0, 80)), max_size=2).map(sorted))
        at = 0
        for start, size in kept:
            if start >= at:
                flow.send(sender, message[at:start])
                flow.lose(sender, size or 1)
                at = start + size
        flow.send(sender, message[at:])
        flow.wait(data.draw(st.sampled_from([0, 0, 0.1, 6])))
    flow.end()
    factory = flow.factory
    assert flow.sink.held_bytes < 20_000
    assert factory.exchanges == len(flow.exchanges)
    assert sum(e.request is not None for e in flow.exchanges) == factory.requests
    assert sum(e.response is not None for e in flow.exchanges) == factory.responses
