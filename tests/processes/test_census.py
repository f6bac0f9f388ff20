"""The census: flows by what they speak, place by place, as they come."""

from __future__ import annotations

from collections import Counter
from typing import Any

from scapy.packet import Packet

from tcpmirror.decap.decapsulator import Decapsulator
from tcpmirror.decap.fragments import FragmentJoiner
from tcpmirror.model.protocol_news import ProtocolNews, decode_protocols
from tcpmirror.processes.capture_road import CaptureRoad
from tcpmirror.processes.census import NAMES_A_RECORD, NAMES_LIMIT, OTHER, PLACES_LIMIT, Census
from tcpmirror.processes.layout import ProcessName, SharedLayout
from tcpmirror.processes.surveyed_flow import CensusFactory
from tcpmirror.processes.worker import open_table, take_segments
from tcpmirror.processes.worker_road import WorkerRoad
from tcpmirror.ring.ring import KIND_PROTOCOLS
from tcpmirror.ring.shedding import Shedder
from tcpmirror.settings.tree import Limits, Settings
from tests.processes.test_doctor import HTTP_2, PRIVATE, in_vxlan, tagged, talks

LIMITS = Limits(segment_ring_bytes=1 << 20, report_ring_bytes=1 << 16)


def layout() -> SharedLayout:
    return SharedLayout(1, 1, LIMITS)


def told(shared: SharedLayout, census: Census) -> list[ProtocolNews]:
    census.send(shared.report_writer(0), shared.exporter_bell())
    reader = shared.report_reader(0)
    found: list[ProtocolNews] = []
    while (record := reader.read()) is not None:
        assert record[0] == KIND_PROTOCOLS
        found.append(decode_protocols(record[1]))
        reader.advance()
    return found


def counted(frames: list[Packet], are_over: bool = True) -> list[ProtocolNews]:
    """Return what a worker tells of *frames*; not *are_over*: while its flows are still open."""
    shared, census, exchanges = layout(), Census(), list[Any]()
    factory = CensusFactory(exchanges.append, census, LIMITS, response_timeout_ns=5 * 10**9)
    table = open_table(factory, Settings(limits=LIMITS), 1)
    page = shared.counters(ProcessName("worker", 0))
    capture = CaptureRoad(
        Decapsulator(1), bytes(16), [shared.segment_writer(0, 0)], [shared.worker_bell(0)],
        shared.counters(ProcessName("capture", 0)), Shedder(), FragmentJoiner(),
    )  # fmt: skip
    for frame in frames:
        capture(int(frame.time * 10**9), bytes(frame))
    road = WorkerRoad([shared.segment_reader(0, 0)], table, page)
    while take_segments(road, table, page):
        pass
    if are_over:
        table.end_all()
    return told(shared, census)


def test_each_place_has_its_protocols_and_server_names() -> None:
    unknown = talks(1, [(0, b"EHLO mail\r\n"), (1, b"250 ok\r\n")], "10.1.0.5")
    frames = tagged(talks(3), 100) + in_vxlan(talks(2, HTTP_2, "10.1.0.7")) + talks(2, PRIVATE, "10.1.0.8") + unknown
    assert {news.place: (dict(news.protocols), dict(news.names)) for news in counted(frames)} == {
        (0, 100, 0, -1): ({"HTTP/1": 3}, {}),
        (0, 0, 0, 42): ({"HTTP/2": 2}, {}),
        (0, 0, 0, -1): ({"TLS": 2, "unknown": 1}, {"shop.example": 2}),
    }


def test_a_flow_counts_while_it_is_open() -> None:
    frames = [frame for frame in talks(4) if not frame["TCP"].flags.F]
    [news] = counted(frames, are_over=False)
    assert dict(news.protocols) == {"HTTP/1": 4}


def test_a_flow_without_data_does_not_count() -> None:
    assert counted([frame for frame in talks(4) if frame["TCP"].flags.S]) == []


def test_places_and_names_that_traffic_makes_up_are_bounded() -> None:
    census = Census()
    for number in range(3 * PLACES_LIMIT):
        census.count((0, number % 4096, 0, number), "TLS")
    for number in range(3 * NAMES_LIMIT):
        census.name((0, 0, 0, 0), f"{number}.example")
    shared = layout()
    found: list[ProtocolNews] = []
    while more := told(shared, census):
        assert all(len(news.names) <= NAMES_A_RECORD for news in more)
        found += more
    assert len({news.place for news in found}) == PLACES_LIMIT + 1
    assert next(news for news in found if news.place == OTHER).protocols["TLS"] == 2 * PLACES_LIMIT
    assert sum((news.protocols for news in found), Counter[str]()) == {"TLS": 3 * PLACES_LIMIT}
    assert sum((news.names for news in found), Counter[str]()).total() == NAMES_LIMIT
    assert told(shared, census) == []


def test_the_longest_names_fit_into_a_ring() -> None:
    census = Census()
    for number in range(NAMES_LIMIT):
        census.name((0, 0, 0, -1), f"{number:03}" + "\x00" * 252)
    shared = layout()
    found = told(shared, census) + told(shared, census)  # the first time they do not all find room
    assert sum(len(news.names) for news in found) == NAMES_LIMIT


def test_tags_are_told_apart() -> None:
    assert {news.place[1] for news in counted(tagged(talks(2), 5) + tagged(talks(2, server="10.1.0.9"), 6))} == {5, 6}
