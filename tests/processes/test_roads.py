"""The compiled roads: frames to rings, rings to exchanges, with what goes wrong counted."""

from __future__ import annotations

import pytest
from scapy.layers.dot11 import Dot11, Dot11QoS
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.l2 import Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet

from tcpmirror.decap.decapsulator import Decapsulator
from tcpmirror.decap.fragments import FragmentJoiner
from tcpmirror.model.exchange import Exchange
from tcpmirror.processes.capture_road import CaptureRoad
from tcpmirror.processes.layout import ProcessName, SharedLayout
from tcpmirror.processes.worker import Publisher, open_table, take_segments
from tcpmirror.processes.worker_road import WorkerRoad
from tcpmirror.protocols.connection import ProtocolFactory
from tcpmirror.ring.ring import KIND_SEGMENT
from tcpmirror.ring.shedding import Shedder
from tcpmirror.settings.tree import Limits, Settings
from tests.traffic import EPOCH, MAC, conversation, request, response

KEY = bytes(range(16))
TALK = [(0, request("/a")), (1, response(b"one")), (0, request("/b")), (1, response(b"two"))]


class Road:
    """A capture road and the worker roads behind it, in one process."""

    def __init__(
        self,
        workers: int = 1,
        limits: Limits | None = None,
        emit=None,
        layout: SharedLayout | None = None,
        duplicates=None,
        decapsulator: Decapsulator | None = None,
        shedder: Shedder | None = None,
        judging=None,
    ) -> None:
        """*judging*: makes, from the page of a worker, what its exchanges are given to; otherwise *emit*, for all."""
        self.limits = limits or Limits(segment_ring_bytes=1 << 20, report_ring_bytes=1 << 16)
        self.layout = layout or SharedLayout(1, workers, self.limits)
        self.counts: list[Publisher] = []
        self.exchanges: list[Exchange] = []
        self.page = self.layout.counters(ProcessName("capture", 0))
        self.capture = CaptureRoad(
            decapsulator or Decapsulator(1),
            KEY,
            [self.layout.segment_writer(0, index) for index in range(workers)],
            [self.layout.worker_bell(index) for index in range(workers)],
            self.page,
            shedder or Shedder(),
            FragmentJoiner(),
            duplicates=duplicates,
        )
        judging = judging or (lambda page: emit or self.exchanges.append)
        self.workers = [self._worker(index, judging) for index in range(workers)]

    def _worker(self, index: int, judging):
        page = self.layout.counters(ProcessName("worker", index))
        factory = ProtocolFactory(judging(page), self.limits, response_timeout_ns=5 * 10**9)
        table = open_table(factory, Settings(limits=self.limits), self.layout.workers)
        self.counts.append(Publisher(page, table, factory))
        return WorkerRoad([self.layout.segment_reader(0, index)], table, page), table, page

    def send(self, frames: list[Packet]) -> None:
        for frame in frames:
            self.capture(int(frame.time * 10**9), bytes(frame))
        self.capture.flush()

    def work(self) -> None:
        for road, table, page in self.workers:
            while take_segments(road, table, page):
                pass

    def publish(self) -> None:
        for counts in self.counts:
            counts.publish()

    def targets(self) -> list[tuple[bytes, int]]:
        return [(item.request.target, item.response.status) for item in self.exchanges if item.request and item.response]


def test_both_directions_of_every_flow_reach_the_same_worker() -> None:
    road = Road(workers=4)
    for port in range(40000, 40040):
        road.send(conversation(TALK, port=port))
    road.work()
    assert road.targets() == [(b"/a", 200), (b"/b", 200)] * 40
    assert all(page.get("segments") for _, _, page in road.workers)


def test_a_full_ring_is_counted_and_what_was_taken_is_whole() -> None:
    road = Road(limits=Limits(segment_ring_bytes=4096, report_ring_bytes=4096))
    for port in range(40000, 40020):
        road.send(conversation(TALK, port=port))
    taken = road.page.get("segments")
    assert road.page.get("packets") == taken + road.page.get("lost_ring_full") + road.page.get("lost_shed")
    assert road.page.get("lost_ring_full") > 0
    road.work()
    assert all(status == 200 for _, status in road.targets())


def test_a_fragmented_segment_comes_by_the_slow_road() -> None:
    frames: list[Packet] = []
    for frame in conversation([(0, request("/" + "x" * 900)), (1, response(b"y" * 1200))]):
        for piece in fragment(frame[IP], fragsize=400):
            wrapped = Ether(**MAC) / piece
            wrapped.time = frame.time
            frames.append(wrapped)
    road = Road()
    road.send(frames)
    road.work()
    assert road.targets() == [(b"/" + b"x" * 900, 200)]
    pieces = road.page.get("packets") - road.page.get("segments")
    assert (road.page.get("fragments_joined"), road.page.get("lost_fragment")) == (pieces, 0)
    assert pieces > 0


def test_every_frame_of_an_aggregate_is_a_packet() -> None:
    frames = conversation(TALK)
    head = bytearray(bytes(Dot11(type=2, subtype=8, FCfield=1) / Dot11QoS()))
    head[24] |= 0x80
    bodies = [b"\xaa\xaa\3\0\0\0\x08\0" + bytes(frame[IP]) for frame in frames]
    subframes = [bytes(12) + len(body).to_bytes(2, "big") + body + bytes(-(14 + len(body)) % 4) for body in bodies]
    road = Road(decapsulator=Decapsulator(105))
    road.capture(1, bytes(head) + b"".join(subframes))
    road.work()
    assert road.targets() == [(b"/a", 200), (b"/b", 200)]
    assert road.page.get("packets") == road.page.get("segments") == len(frames)


def test_a_bug_costs_one_connection_and_is_counted() -> None:
    kept: list[Exchange] = []

    def emit(exchange: Exchange) -> None:
        if exchange.client_port == 40001:
            raise ZeroDivisionError
        kept.append(exchange)

    road = Road(emit=emit)
    for port in range(40000, 40003):
        road.send(conversation(TALK, port=port, start=EPOCH + port))
    road.work()
    assert [item.client_port for item in kept] == [40000, 40000, 40002, 40002]
    assert road.workers[0][2].get("bugs") >= 1


def test_a_record_that_kills_can_be_left_out() -> None:
    road = Road()
    road.send(conversation(TALK))
    reader = road.layout.segment_reader(0, 0)
    before = reader.position
    road.workers[0][0].skip(0)
    assert reader.position > before
    road.work()
    assert road.targets() == [(b"/a", 200), (b"/b", 200)]  # it was the SYN


def test_a_record_cut_by_a_broken_producer_is_passed_over() -> None:
    road = Road()
    writer = road.layout.segment_writer(0, 0)
    writer.write(KIND_SEGMENT, b"\xff" * 88)
    writer.write(9, b"unknown kind")
    again = Road()
    again.send(conversation(TALK))
    road.work()
    again.work()
    assert road.exchanges == []
    assert len(again.targets()) == 2


@pytest.mark.parametrize("jump", [10.0, 10**6], ids=["ten seconds", "eleven days"])
def test_one_packet_from_the_future_does_not_end_the_others_flows(jump: float) -> None:
    road = Road()
    frames = conversation(TALK)
    stray = conversation([], port=50000, start=EPOCH + jump)[:1]
    road.send([*frames[:6], *stray, *frames[6:]])
    road.work()
    assert road.targets() == [(b"/a", 200), (b"/b", 200)]


def test_equal_connections_of_two_vlans_or_vnis_are_apart_only_where_that_is_set() -> None:
    """Two customers use the same addresses, ports and sequence numbers at the same time."""

    def wrapped(kind: str, number: int, frame: Packet) -> Packet:
        if kind == "vlan":
            made = Ether(**MAC) / Dot1Q(vlan=number) / frame[IP]
        else:
            made = Ether(**MAC) / IP(src="192.0.2.1", dst="192.0.2.2") / UDP(dport=4789) / VXLAN(vni=number, flags=8) / frame
        made.time = frame.time
        return made

    talks = [conversation([(0, request(f"/{name}")), (1, response(name.encode()))]) for name in ("one", "two")]
    for kind, vlans, vnis in (("vlan", True, False), ("vni", False, True), ("vlan", False, False), ("vni", True, False)):
        road = Road()
        road.capture.keep_apart(vlans, vnis)
        road.send([wrapped(kind, 5 + at, frame) for pair in zip(*talks, strict=True) for at, frame in enumerate(pair)])
        road.work()
        is_apart = vlans if kind == "vlan" else vnis
        assert (sorted(road.targets()) == [(b"/one", 200), (b"/two", 200)]) is is_apart, (kind, vlans, vnis)


def test_the_same_packets_by_two_sources_are_one_exchange() -> None:
    """Each source has a duplicates filter of its own: what both deliver is for reassembly to see as sent again."""
    limits = Limits(segment_ring_bytes=1 << 20, report_ring_bytes=1 << 16)
    layout = SharedLayout(2, 1, limits)
    road = Road(limits=limits, layout=layout)
    second = CaptureRoad(
        Decapsulator(1), KEY, [layout.segment_writer(1, 0)], [layout.worker_bell(0)],
        layout.counters(ProcessName("capture", 1)), Shedder(), FragmentJoiner(),
    )  # fmt: skip
    table, page = road.workers[0][1:]
    readers = [layout.segment_reader(source, 0) for source in range(2)]
    road.workers[0] = (WorkerRoad(readers, table, page), table, page)
    frames = conversation(TALK)
    road.send(frames)
    for frame in frames:
        second(int(frame.time * 10**9), bytes(frame))
    second.flush()
    road.work()
    assert road.targets() == [(b"/a", 200), (b"/b", 200)]
    road.publish()
    payload = sum(len(data) for _, data in TALK)
    assert page.get("stream_bytes") == payload == page.get("retransmitted_bytes") + page.get("ignored_bytes")
    assert page.get("overlap_conflicts") == page.get("gaps") == 0


# What the mirror lost -> the numbers of the packets of the second connection (SYN, SYN-ACK, ACK, ...).
LOST = {"nothing": (), "the SYN-ACK": (1,), "the SYN": (0,), "both": (0, 1), "the handshake": (0, 1, 2)}


@pytest.mark.parametrize("lost", LOST)
def test_a_connection_that_takes_the_number_of_the_one_before_is_no_copy_of_it(lost: str) -> None:
    """Whoever chooses the client's number cannot choose the server's."""
    first = conversation([(0, request("/first")), (1, response(b"one"))])
    start = float(first[-1].time) + 0.01
    again = conversation([(0, request("/again")), (1, response(b"two"))], start=start, numbers=(1000, 5_000_000))
    road = Road()
    road.send(first + [frame for number, frame in enumerate(again) if number not in LOST[lost]])
    road.work()
    assert road.targets() == [(b"/first", 200), (b"/again", 200)]


@pytest.mark.parametrize("lost", LOST)
def test_a_copy_by_another_source_that_lost_its_beginning_is_no_second_exchange(lost: str) -> None:
    frames = conversation(TALK)
    road = Road()
    road.send(frames)
    road.send([frame for number, frame in enumerate(frames) if number not in LOST[lost]])
    road.work()
    assert road.targets() == [(b"/a", 200), (b"/b", 200)]


@pytest.mark.parametrize("back_s", [2, 20, 10_000])
@pytest.mark.parametrize("batch", [1, 3, 5, 40])
def test_where_time_goes_back_a_batch_may_end_anywhere(batch: int, back_s: int) -> None:
    """Captures put together one behind the other: what is older than the clock is no later for that."""
    frames = conversation(TALK, start=EPOCH + back_s, port=40001) + conversation(TALK, port=40002)
    road = Road()
    for at in range(0, len(frames), batch):
        road.send(frames[at : at + batch])
        road.work()
    assert road.targets() == [(b"/a", 200), (b"/b", 200)] * 2


def test_after_the_clock_was_set_back_what_is_due_is_done_in_time() -> None:
    asked = conversation([(0, request("/unanswered"))], port=40001)[:-3]
    road = Road()
    for frames in (conversation(TALK, start=EPOCH + 36_000), asked):
        road.send(frames)
        road.work()
    for number in range(30):  # others talk on, for more than the response time-out of 5 s
        road.send(conversation(TALK, start=EPOCH + 0.3 * number, port=41000 + number))
        road.work()
    assert [item.request.target for item in road.exchanges if item.response is None] == [b"/unanswered"]
