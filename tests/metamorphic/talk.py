"""Captures as lists of packets, and the exchanges that the product's own roads find in them, in this process."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

from scapy.packet import Packet

from tcpmirror.decap.decapsulator import Decapsulator
from tcpmirror.decap.duplicates import DuplicateTable
from tcpmirror.model.anomaly import anomaly_names
from tcpmirror.model.exchange import Exchange
from tests.processes.test_roads import Road
from tests.protocols.http2_peers import Call, Peers
from tests.traffic import EPOCH, conversation, request, response

SEGMENT = 1000  # bytes: eight headers around it leave room in a frame of 802.3, whose length ends at 1500
BATCH = 40  # frames between two looks at the rings
Frame = tuple[int, bytes]  # nanoseconds, bytes


@dataclass(frozen=True, order=True)
class Line:
    """What must stay the same of an exchange; ``status`` -1: no response; ``gap``: it says that something is missing."""

    client: str
    method: bytes
    target: bytes
    asked: bytes
    status: int
    answered: bytes
    gap: bool

    @classmethod
    def of(cls, exchange: Exchange) -> Line:
        asked, answered = exchange.request, exchange.response
        names = set(anomaly_names(exchange.anomalies))
        return cls(
            exchange.client,
            asked.method if asked else b"",
            asked.target if asked else b"",
            asked.body if asked else b"",
            answered.status if answered else -1,
            answered.body if answered else b"",
            bool(names & {"gap", "incomplete", "response_timeout", "response_only", "truncated_coding"}),
        )


def lines_of(frames: list[Frame], link_type: int = 1, workers: int = 1, depth: int = 12) -> list[Line]:
    """Return the exchanges in *frames*, sorted; AssertionError when the packets do not add up."""
    return sorted(map(Line.of, exchanges_of(frames, link_type, workers, depth)))


def exchanges_of(frames: list[Frame], link_type: int = 1, workers: int = 1, depth: int = 12) -> list[Exchange]:
    road = Road(workers, duplicates=DuplicateTable(10_000_000))
    road.capture.use(Decapsulator(link_type, depth_limit=depth), 0)
    for at in range(0, len(frames), BATCH):
        for time_ns, data in frames[at : at + BATCH]:
            road.capture(time_ns, data)
        road.capture.flush()
        road.work()
    road.capture.end_source()
    for _, table, _ in road.workers:
        table.end_all()
    assert road.page.get("lost_ring_full") == 0
    return road.exchanges


def raw(packets: list[Packet]) -> list[Frame]:
    return [(int(packet.time * 10**9), bytes(packet)) for packet in packets]


def varied(client: str = "10.1.0.1", server: str = "10.1.0.2") -> list[Packet]:
    """Return connections of every kind of well-behaved traffic, their packets in the order of time."""
    ends = {"client": client, "server": server}
    packed = gzip.compress(b"the same words again " * 60, mtime=0)
    coded = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"%x\r\n%s\r\n" % (n, b"c" * n) for n in (7, 900, 1))
        + b"0\r\n\r\n"
    )
    post = request("/upload", "POST", b"u" * 3000)
    head_end = post.index(b"\r\n\r\n") + 4
    talks = [
        [(0, request("/a")), (1, response(b"one")), (0, request("/b")), (1, response(b"two" * 800)), (0, request("/missing")), (1, response(b"no", 404))],
        [(0, request("/1") + request("/2") + request("/3")), (1, response(b"1") + response(b"2") + response(b"3"))],
        [(0, request("/chunked")), (1, chunked), (0, request("/gzip")), (1, coded)],
        [(0, request("/head", "HEAD")), (1, response()), (0, request("/after")), (1, response(b"z"))],
        [(0, post[:head_end]), (1, b"HTTP/1.1 100 Continue\r\n\r\n"), (0, post[head_end:]), (1, response(b"", 201))],
        [(0, request("/no")), (1, b"HTTP/1.1 204 No Content\r\n\r\n"), (0, request("/same")), (1, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"), (0, request("/last")), (1, response())],
        [(0, b"GET /old HTTP/1.0\r\n\r\n"), (1, b"HTTP/1.0 200 OK\r\n\r\nuntil the connection ends")],
        Peers().run(Call(), Call(b"POST", b"/h2", body=b"b" * 2000, response_body=b"r" * 3000)).said,
    ]  # fmt: skip
    packets = [
        packet
        for number, talk in enumerate(talks)
        for packet in conversation(talk, port=40000 + number, start=EPOCH + number / 1000, segment=SEGMENT, **ends)
    ]
    return sorted(packets, key=lambda packet: packet.time)
