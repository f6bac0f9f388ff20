"""Nothing is lost silently: whatever comes, and whenever a process dies, the ledgers close, packet by packet and byte by byte."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from tcpmirror.decap.decapsulator import Decapsulator
from tcpmirror.decap.duplicates import DuplicateTable
from tcpmirror.detect.ignoring import Ignored
from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.processes.judging import Judge
from tcpmirror.processes.layout import ProcessName
from tcpmirror.processes.worker import contained
from tcpmirror.settings.tree import Inspection, Limits, Mask, Route, Settings
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.ledger import CAPTURED_BYTE_ENDS, EXCHANGE_ENDS, PACKET_ENDS, STREAM_BYTE_ENDS, Ledger, read_ledgers
from tcpmirror.telemetry.names import WORKER
from tests.processes.test_roads import TALK, Road
from tests.traffic import MAC, conversation, request, response

SMALL = Limits(
    segment_ring_bytes=1 << 20,
    report_ring_bytes=1 << 16,
    streams_bytes=96 << 10,
    flows=16,
    reorder_bytes=4096,
    reorder_segments=8,
)
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
        raw(conversation([(0, b"\x7fnothing that is known" * 9), (1, b"\x01" * 90)], port=40004)),
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
    assert page.get("packets") == sum(map(page.get, PACKET_ENDS))
    assert page.get("tcp_bytes") == sum(map(page.get, CAPTURED_BYTE_ENDS))


def assert_bytes_add_up(page: CounterPage) -> None:
    assert page.get("published_bytes") == page.get("segment_bytes") == sum(map(page.get, STREAM_BYTE_ENDS))
    assert page.get("gap_bytes") >= page.get("truncated_bytes")
    assert page.get("not_http_bytes") >= page.get("tls_bytes")


def assert_messages_add_up(page: CounterPage) -> None:
    assert page.get("requests") == page.get("exchanges") - page.get("response_only")
    assert page.get("responses") == page.get("exchanges") - page.get("unanswered")
    assert page.get("not_http_bytes") <= page.get("stream_bytes")


def closed(road: Road) -> tuple[Ledger, ...]:
    """Return the ledgers of *road*, which must close."""
    found = read_ledgers([road.page], [page for _, _, page in road.workers])
    assert [(ledger.unit, ledger.difference) for ledger in found] == [("packets", 0), ("bytes", 0), ("exchanges", 0)]
    return found


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
        closed(road)


class Nothing:
    """Finds nothing, and has a fault: each *fault*-th exchange is one too many for it."""

    tier2 = 0
    ignored: Sequence[Ignored] = ()
    masks: Sequence[Mask] = ()

    def __init__(self, fault: int = 0) -> None:
        self.fault = fault
        self.seen = 0

    def inspect(self, exchange: Exchange) -> list[Finding]:
        self.seen += 1
        if self.fault and self.seen % self.fault == 0:
            raise ZeroDivisionError
        return []


OFF = Settings(inspection=Inspection(routes=Route(routes=(Route(route="/b", mode="off"),))))
# id -> (what the decapsulation leaves out, faults on purpose, window of second copies, settings, fault of the detector)
WORLDS: dict[str, tuple[dict[str, Any], tuple[float, float], bool, Settings, int]] = {
    "as it comes": ({}, (0, 0), False, Settings(), 0),
    "second copies dropped": ({}, (0, 0), True, Settings(), 0),
    "another port": ({"tcp_ports": (8080,)}, (0, 0), True, Settings(), 0),
    "one host": ({"hosts": ("10.1.0.2",)}, (0, 0), True, Settings(), 0),
    "one VLAN": ({"vlan_ids": (9,)}, (0, 0), False, Settings(), 0),
    "a VNI denied": ({"vni_deny": (42,)}, (0, 0), False, Settings(), 0),
    "some addresses ignored": ({"ignored": [(("10.1.0.0/16",), "src_or_dst")]}, (0, 0), False, Settings(), 0),
    "gaps on purpose": ({}, (0.1, 0), True, Settings(), 0),
    "full rings on purpose": ({}, (0, 0.1), True, Settings(), 0),
    "both, and a route that is off": ({}, (0.05, 0.05), True, OFF, 0),
    "detection off": ({}, (0, 0), False, Settings(inspection=Inspection(enabled=False)), 0),
    "a detector with a fault": ({}, (0.02, 0), False, OFF, 2),
}


def world(name: str, workers: int, limits: Limits | None) -> tuple[Road, list[Exchange]]:
    """Return a road through the world of that name, and what will have been found by it."""
    found: list[Exchange] = []
    leaves_out, (gap, ring_full), drops_copies, chosen, fault = WORLDS[name]

    def judging(page: CounterPage) -> Judge:
        return Judge(chosen, Nothing(fault), lambda exchange, findings: found.append(exchange), page, keep_all=True)

    road = Road(
        workers,
        limits,
        duplicates=DuplicateTable() if drops_copies else None,
        decapsulator=Decapsulator(1, **leaves_out),
        judging=judging,
    )
    road.capture.simulate(gap, ring_full)
    return road, found


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(traffic(), st.integers(1, 2), st.booleans(), st.sampled_from([1, 7, 1000]), st.sampled_from(sorted(WORLDS)))
def test_every_packet_byte_and_message_ends_in_one_counter(
    frames: list[Frame], workers: int, is_tight: bool, batch: int, name: str
) -> None:
    road, found = world(name, workers, SMALL if is_tight else None)
    run(road, frames, batch)
    road.capture.end_source()
    assert road.page.get("fragments_held") == 0
    assert_packets_add_up(road.page)
    assert sum(page.get("segments") for _, _, page in road.workers) == road.page.get("segments")
    assert sum(page.get("segment_bytes") for _, _, page in road.workers) == road.page.get("segment_bytes")
    end_all(road)
    road.publish()
    for _, _, page in road.workers:
        assert page.get("reorder_held_bytes") == page.get("held_bytes") == 0
        assert_bytes_add_up(page)
        assert_messages_add_up(page)
        assert page.get("emitted") == page.get("exchanges") + page.get("websocket_messages")
    packets, payload, exchanges = closed(road)
    assert packets.waiting == payload.waiting == exchanges.waiting == 0
    assert len(found) == exchanges.taken_in - exchanges.reasons["failed"]


def end_all(road: Road) -> None:
    """End every flow, each time a fault of the detector comes in between too."""
    for _, table, page in road.workers:
        while not contained(page, table, table.end_all):
            pass


def test_every_reason_occurs() -> None:
    """What the property holds for would be little if the traffic drawn never met a reason."""
    seen: dict[str, set[str]] = {"packets": set(), "bytes": set(), "exchanges": set()}
    long_talk = material()[1]
    snap = [(time, data[:120]) for time, data in long_talk]
    deep = TCP()
    for _ in range(10):
        deep = IP() / deep
    others = [[(0.0, b"\x45\x00")], [(0.0, bytes(Ether(**MAC) / deep))]]
    for name in WORLDS:
        for kind in (*material(), snap, *others, [frame for frame in long_talk for _ in (0, 1)]):
            road, _ = world(name, 1, None)
            run(road, kind, 3)
            road.capture.end_source()
            end_all(road)
            road.publish()
            for ledger in closed(road):
                seen[ledger.unit] |= {reason for reason, count in ledger.reasons.items() if count}
    elsewhere = {
        "nic_drop",
        "kernel_drop",
        "unwatched",
        "interrupted",
        "skipped",
        "shed",
        "unknown_link",
        "discarded",
        "other_shard",
    }
    packets, payload, exchanges = closed(world("as it comes", 1, None)[0])
    assert seen["packets"] == packets.reasons.keys() - elsewhere
    assert seen["bytes"] == payload.reasons.keys() - elsewhere - {"abandoned"}
    assert seen["exchanges"] == exchanges.reasons.keys()


def test_frames_of_an_unknown_link_are_counted() -> None:
    road = Road(decapsulator=Decapsulator(9999))
    run(road, material()[0][:3], 1)
    assert closed(road)[0].reasons["unknown_link"] == 3


def test_flows_that_are_shed_are_counted() -> None:
    road = Road(limits=Limits(segment_ring_bytes=1 << 16, report_ring_bytes=1 << 16))
    for time, data in [frame for port in range(300) for frame in raw(conversation(TALK, port=20000 + port))]:
        road.capture(int(time * 10**9), data)
        road.capture.flush()
        closed(road)
    packets, payload, _ = closed(road)
    assert packets.reasons["shed"]
    assert payload.reasons["shed"]


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(traffic(), st.integers(0, 400), st.sampled_from([1, 7, 50]))
def test_whenever_a_process_dies_what_it_held_is_counted(frames: list[Frame], at: int, batch: int) -> None:
    road, _ = world("second copies dropped", 2, None)
    run(road, frames[: at % len(frames)], batch)
    for time, data in frames[at % len(frames) :]:
        road.capture(int(time * 10**9), data)
    for worker, _, _ in road.workers:
        worker.turn()  # and nothing of it is published
    held = sum(page.get("flows") for _, _, page in road.workers)
    again = Road(2, layout=road.layout)
    packets, payload, _ = closed(again)
    assert packets.waiting >= 0
    assert payload.waiting >= 0
    assert sum(page.get("flows_lost") for _, _, page in again.workers) == held
    run(again, frames, batch)
    end_all(again)
    again.publish()
    again.capture.end_source()
    assert [ledger.waiting for ledger in closed(again)] == [0, 0, 0]


def test_a_record_that_was_in_hand_twice_is_counted_once() -> None:
    road = Road()
    for time, data in material()[0]:
        road.capture(int(time * 10**9), data)
    died = Died()
    with pytest.raises(Died):
        Road(layout=road.layout, emit=died).workers[0][0].turn()
    again = Road(layout=road.layout)
    again.work()
    again.publish()
    assert closed(again)[0].analysed == len(material()[0])
    assert again.workers[0][2].get("segments") == again.page.get("segments")
    assert again.workers[0][2].get("interrupted_bytes") > 0


class Died(BaseException):
    """Ends a worker where it stands."""

    def __call__(self, exchange: Exchange) -> None:
        raise self


def test_packets_that_find_no_room_are_counted() -> None:
    road = Road(limits=Limits(segment_ring_bytes=8192, report_ring_bytes=4096))
    run(road, material()[1] + material()[8], batch=1000)
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


def test_a_bug_in_one_flow_at_its_deadline_leaves_the_others_theirs() -> None:
    """All of them are due in the same slot of the timer wheel."""
    met: list[int] = []

    def emit(exchange: Exchange) -> None:
        met.append(exchange.client_port)
        if len(met) == 3:
            raise ZeroDivisionError

    road = Road(emit=emit)
    ports = [*range(42000, 42010)]
    run(road, [frame for port in ports for frame in raw(conversation(TALK[:1], port=port)[:4])], batch=1000)
    _, table, page = road.workers[0]
    last_ns = max(int(frame.time * 10**9) for frame in conversation(TALK[:1]))
    for passed_s in range(1, 10):
        contained(page, table, lambda due=last_ns + passed_s * 10**9: table.advance(due))
    assert sorted(met) == ports, "each unanswered request is told, 5 s after it came"
    assert (page.get("bugs"), table.flows) == (1, len(ports) - 1)


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
    assert sum(map(page.get, EXCHANGE_ENDS)) == page.get("emitted") == 2


def test_fragments_of_a_process_that_died_are_lost_and_counted() -> None:
    road = Road()
    run(road, material()[6][:5], batch=1)
    assert road.page.get("fragments_held") > 0
    again = Road(layout=road.layout)
    assert again.page.get("fragments_held") == 0
    assert again.page.get("lost_fragment") > 0
    assert_packets_add_up(again.page)
    assert again.layout.counters(ProcessName("capture", 0)).get("packets") == 5
