"""Nothing is lost silently: whatever comes, the counters of the roads add up, packet by packet and byte by byte."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.processes.judging import Judge
from tcpmirror.processes.layout import ProcessName
from tcpmirror.settings.tree import Inspection, Limits, Route, Settings
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.names import CAPTURE, WORKER
from tests.processes.test_roads import TALK, Road
from tests.traffic import MAC, conversation, request, response

SMALL = Limits(
    segment_ring_bytes=1 << 20,
    report_ring_bytes=1 << 16,
    memory_bytes=96 << 10,
    flows=16,
    reorder_bytes=4096,
    reorder_segments=8,
)
LOSSES = tuple(name for name in CAPTURE if name.startswith("lost_"))
Frame = tuple[float, bytes]


def raw(frames: list[Packet]) -> list[Frame]:
    return [(float(frame.time), bytes(frame)) for frame in frames]


def wrapped(frames: list[Packet], outer: Packet) -> list[Frame]:
    return [(float(frame.time), bytes(outer / frame)) for frame in frames]


@cache
def material() -> tuple[list[Frame], ...]:
    """Return kinds of traffic, each a list of frames in order."""
    long_talk = [(0, request("/long", "POST", b"x" * 3000)), (1, response(b"y" * 5000)), (0, request("/b")), (1, response())]
    pieces = [
        (float(frame.time), bytes(Ether(**MAC) / piece))
        for frame in conversation([(0, request("/" + "f" * 700)), (1, response())], port=41000)
        for piece in fragment(frame[IP], fragsize=200)
    ]
    tunnel = Ether(**MAC) / IP(src="10.9.0.1", dst="10.9.0.2") / UDP(sport=5000, dport=4789) / VXLAN(vni=42)
    others: list[Packet] = [
        Ether(**MAC) / ARP(),
        Ether(**MAC) / IP(dst="10.0.0.9") / UDP(dport=53) / Raw(b"query"),
        Ether(**MAC) / IPv6() / UDP(dport=53),
        Ether(**MAC) / IP(proto=89) / Raw(b"ospf"),
        Ether(**MAC) / IP(len=10) / TCP(),
        Ether(**MAC, type=0x86DD) / Raw(b"\x60"),
        Ether(**MAC) / Dot1Q(vlan=7) / IP(frag=100) / Raw(b"a lone piece"),
        Ether(**MAC) / IP(src="10.1.0.1", dst="10.1.0.2") / TCP(sport=40000, dport=80, flags="RA", seq=1) / Raw(b"why"),
    ]
    return (
        raw(conversation(TALK)),
        raw(conversation(long_talk, port=40001, segment=100)),
        raw(conversation([(0, b"\x16\x03\x01" + bytes(600)), (1, b"\x00" * 900)], port=40002)),
        raw(conversation(TALK * 3, port=40000, start=1_700_000_000.2)),
        wrapped(conversation(TALK, port=40003), tunnel),
        pieces,
        raw(others),
        [frame for port in range(42000, 42020) for frame in raw(conversation(TALK[:2], port=port)[:5])],
    )


@st.composite
def traffic(draw: st.DrawFn) -> list[Frame]:
    """Draw several kinds of traffic, mixed, with frames lost, repeated, cut and swapped."""
    kinds = draw(st.lists(st.integers(0, len(material()) - 1), min_size=1, max_size=4, unique=True))
    frames = sorted((frame for kind in kinds for frame in material()[kind]), key=lambda frame: frame[0])
    for how, at, cut in draw(
        st.lists(
            st.tuples(st.sampled_from(["lose", "repeat", "cut", "swap", "flip"]), st.integers(0, 400), st.integers(0, 200)),
            max_size=30,
        )
    ):
        place = at % len(frames)
        time, data = frames[place]
        if how == "lose" and len(frames) > 1:
            del frames[place]
        elif how == "repeat":
            frames.insert((at + cut) % len(frames), (time, data))
        elif how == "cut":
            frames[place] = (time, data[:cut])
        elif how == "swap":
            frames[place] = frames[(at + cut) % len(frames)]
            frames[(at + cut) % len(frames)] = (time, data)
        elif data:
            frames[place] = (time, data[: cut % len(data)] + bytes([at % 256]) + data[cut % len(data) + 1 :])
    return frames


def assert_packets_add_up(page: CounterPage) -> None:
    ends = sum(map(page.get, ("segments", "duplicates", "fragments_joined", "fragments_held", *LOSSES)))
    assert page.get("packets") == ends


def assert_bytes_add_up(page: CounterPage) -> None:
    ends = ("stream_bytes", "retransmitted_bytes", "ignored_bytes", "reorder_held_bytes", "abandoned_bytes")
    assert page.get("segment_bytes") == sum(map(page.get, ends))
    assert page.get("gap_bytes") >= page.get("truncated_bytes")


def assert_messages_add_up(page: CounterPage) -> None:
    assert page.get("requests") == page.get("exchanges") - page.get("response_only")
    assert page.get("responses") == page.get("exchanges") - page.get("unanswered")
    assert page.get("not_http_bytes") <= page.get("stream_bytes")


def run(road: Road, frames: list[Frame], batch: int) -> None:
    for at in range(0, len(frames), batch):
        for time, data in frames[at : at + batch]:
            road.capture(int(time * 10**9), data)
            assert_packets_add_up(road.page)
        road.capture.flush()
        road.work()
        road.publish()
        for _, _, page in road.workers:
            assert_bytes_add_up(page)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(traffic(), st.integers(1, 2), st.booleans(), st.sampled_from([1, 7, 1000]))
def test_every_packet_byte_and_message_ends_in_one_counter(
    frames: list[Frame], workers: int, is_tight: bool, batch: int
) -> None:
    road = Road(workers, SMALL if is_tight else None)
    run(road, frames, batch)
    road.capture.end_source()
    assert road.page.get("fragments_held") == 0
    assert_packets_add_up(road.page)
    assert sum(page.get("segments") for _, _, page in road.workers) == road.page.get("segments")
    assert sum(page.get("segment_bytes") for _, _, page in road.workers) == road.page.get("segment_bytes")
    for _, table, _ in road.workers:
        table.end_all()
    road.publish()
    for _, _, page in road.workers:
        assert page.get("reorder_held_bytes") == page.get("held_bytes") == 0
        assert_bytes_add_up(page)
        assert_messages_add_up(page)
    assert len(road.exchanges) == sum(page.get("exchanges") for _, _, page in road.workers)


def test_packets_that_find_no_room_are_counted() -> None:
    road = Road(limits=Limits(segment_ring_bytes=8192, report_ring_bytes=4096))
    run(road, material()[1] + material()[7], batch=1000)
    assert road.page.get("lost_ring_full") > 0


def test_the_bytes_of_a_flow_given_up_for_a_bug_are_counted() -> None:
    def emit(exchange: Exchange) -> None:
        raise ZeroDivisionError

    road = Road(emit=emit)
    frames = material()[1]
    run(road, frames[:20] + frames[25:] + frames[20:25], batch=3)
    page = road.workers[0][2]
    assert page.get("bugs") > 0
    assert page.get("abandoned_bytes") > 0
    assert_packets_add_up(road.page)


class Nothing:
    """Finds nothing."""

    tier2 = 0

    def inspect(self, exchange: Exchange) -> list[Finding]:
        return []


JUDGES = {
    "inspected": (Settings(), Nothing(), "inspected"),
    "detection off": (Settings(inspection=Inspection(enabled=False)), Nothing(), "uninspected"),
    "no detector": (Settings(), None, "uninspected"),
    "bypassed": (Settings(inspection=Inspection(routes=Route(mode="off"))), Nothing(), "bypassed"),
}


@pytest.mark.parametrize(("chosen", "detector", "counter"), JUDGES.values(), ids=JUDGES.keys())
def test_every_exchange_is_inspected_or_counted(chosen: Settings, detector: Nothing | None, counter: str) -> None:
    page = CounterPage.private(WORKER)
    road = Road(emit=Judge(chosen, detector, lambda exchange, findings: None, page))
    run(road, material()[0], batch=100)
    _, table, own = road.workers[0]
    table.end_all()
    road.publish()
    assert page.get(counter) == own.get("exchanges") == 2
    assert sum(map(page.get, ("inspected", "uninspected", "bypassed"))) == 2


def test_fragments_of_a_process_that_died_are_lost_and_counted() -> None:
    road = Road()
    run(road, material()[5][:5], batch=1)
    assert road.page.get("fragments_held") > 0
    again = Road(layout=road.layout)
    assert again.page.get("fragments_held") == 0
    assert again.page.get("lost_fragment") > 0
    assert_packets_add_up(again.page)
    assert again.layout.counters(ProcessName("capture", 0)).get("packets") == 5
