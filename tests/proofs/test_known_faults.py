"""Faults that GoReplay's raw input is known for, one case each, under the letters and numbers of its published analysis: none is ours."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet

from tcpmirror.decap.decapsulator import Decapsulator
from tcpmirror.settings.tree import Limits
from tests.metamorphic.changes import as_six, ether, fragmented, ip_of, mirrored_twice
from tests.metamorphic.talk import Frame, Line, lines_of, raw
from tests.processes.test_roads import Road
from tests.protocols.transcript import Flow
from tests.reassembly.test_flow_table import Wire
from tests.traffic import MAC, conversation, request, response

Found = list[tuple[str, str, int]]  # method, target, status


def short(lines: list[Line]) -> Found:
    return [(line.method.decode("latin-1"), line.target.decode("latin-1"), line.status) for line in lines]


def of(*turns: tuple[int, bytes], **more: int) -> Found:
    return short(lines_of(raw(conversation(turns, **more))))


def one(target: str = "/a", method: str = "GET", status: int = 200) -> Found:
    return [(method, target, status)]


def padded() -> list[Frame]:
    """Frames of 60 bytes at least, as a wire has them: the last segments are shorter than that."""
    packets = conversation([(0, request()[:-1]), (0, request()[-1:]), (1, response(b"x")[:-1]), (1, b"x")])
    return [(time, data.ljust(60, b"\xaa")) for time, data in raw(packets)]


def wrapping() -> list[Frame]:
    packets = conversation([(0, request("/w" * 800)), (1, response(b"r" * 5000))])
    for packet in packets:
        from_client = packet[TCP].dport == 80
        packet[TCP].seq = (packet[TCP].seq + (2**32 - 1100 if from_client else 2**32 - 901_000)) % 2**32
        packet[TCP].ack = (packet[TCP].ack + (2**32 - 901_000 if from_client else 2**32 - 1100)) % 2**32
    return raw(packets)


def sent_again() -> list[Frame]:
    """A request in two segments, repeated with another boundary, before and after the answer."""
    whole = request("/again", "POST", b"p" * 100)
    packets = conversation([(0, whole), (1, response())])
    (data,) = [packet for packet in packets if packet[TCP].dport == 80 and bytes(packet[TCP].payload)]
    again = []
    for first, end in ((0, 30), (30, 80), (50, len(whole)), (0, len(whole))):
        copy = Ether(**MAC) / IP(src=data[IP].src, dst=data[IP].dst) / TCP(sport=data[TCP].sport, dport=80, seq=data[TCP].seq + first, ack=data[TCP].ack, flags="PA") / whole[first:end]  # fmt: skip
        copy.time = data.time
        again.append(copy)
    at = packets.index(data)
    late = again[-1].copy()
    late.time = packets[-1].time
    return raw([*packets[:at], *again[:3], *packets[at + 1 :], late])


def tagged(*tags: Packet) -> list[Frame]:
    """Each frame with the next of *tags* around, None for no tag: one mirror port with all kinds on it."""
    frames = []
    for number, packet in enumerate(conversation([(0, request("/a")), (1, response())])):
        tag = tags[number % len(tags)]
        frames.append(
            (
                int(packet.time * 10**9),
                bytes(ether(ip_of(packet)) if tag is None else Ether(**MAC) / tag.copy() / ip_of(packet)),
            )
        )
    return frames


def six_in_fragments() -> list[Frame]:
    frames: list[Frame] = []
    for number, packet in enumerate(conversation([(0, request("/six", "POST", b"z" * 900)), (1, response(b"y" * 900))])):
        inner = as_six(packet)[IPv6]
        pieces = (
            [inner]
            if len(inner) < 400
            else fragment6(IPv6(src=inner.src, dst=inner.dst) / IPv6ExtHdrFragment(id=number) / inner[TCP], 400)
        )
        frames += [(int(packet.time * 10**9), bytes(Ether(**MAC) / piece)) for piece in pieces]
    return frames


def tunnelled(size: int) -> list[Frame]:
    packets = conversation([(0, request("/jumbo")), (1, response(b"j" * 20_000))], segment=size)
    return [
        (int(packet.time * 10**9), bytes(Ether(**MAC) / IP(src="192.0.2.1") / UDP(dport=4789) / VXLAN(vni=7, flags=8) / Ether(**MAC) / Dot1Q(vlan=3) / ip_of(packet)))
        for packet in packets
    ]  # fmt: skip


def reset(answer: bytes) -> list[Frame]:
    """A request, *answer*, and a RST of the server instead of FINs."""
    packets = [packet for packet in conversation([(0, request("/a")), (1, answer)]) if not packet[TCP].flags.F]
    data = next(packet for packet in reversed(packets) if packet[TCP].sport == 80 and packet[TCP].payload)
    at = packets.index(data)
    end = data.copy()
    end[TCP].remove_payload()
    end[TCP].flags, end[TCP].seq = "RA", data[TCP].seq + len(answer)
    whole = Ether(**MAC) / ip_of(end)  # with lengths and sums anew
    whole.time = data.time + 0.0005
    return raw([*packets[: at + 1], whole])


EARLY = [
    (0, request("/slow", "POST", b"u" * 400)[:250]), (1, b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"),
    (0, request("/slow", "POST", b"u" * 400)[250:]), (1, response()),
]  # fmt: skip
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ZEROS = bytes(3000)
# claim -> (what is found, what must be)
CASES: dict[str, tuple[Callable[[], Found], Found]] = {
    "G1 an answer that begins before the request is whole splits nothing": (lambda: of(*EARLY), one("/slow", "POST")),
    "G2 pipelined requests are told apart": (
        lambda: of((0, request("/1") + request("/2")), (1, response() + response(b"", 404))), [("GET", "/1", 200), ("GET", "/2", 404)],
    ),
    "G4 padding of short frames is no payload": (lambda: short(lines_of(padded())), one("/")),
    "G5 a body of zero bytes is a body": (
        lambda: [(line.method.decode(), str(len(line.asked)), line.asked.count(0)) for line in lines_of(raw(conversation([(0, request("/z", "POST", ZEROS)), (1, response())])))],
        [("POST", "3000", 3000)],
    ),
    "G6 fragments of IPv4 are joined": (lambda: short(lines_of(fragmented(conversation([(0, request("/a")), (1, response(b"x" * 900))]), 200))), one()),
    "G6 fragments of IPv6 are joined": (lambda: short(lines_of(six_in_fragments())), one("/six", "POST")),
    "G7 sequence numbers wrap": (lambda: short(lines_of(wrapping())), one("/w" * 800)),
    "G8 a retransmission with other boundaries is told once": (lambda: short(lines_of(sent_again())), one("/again", "POST")),
    "G8 a SPAN of both ports tells each request once": (
        lambda: short(lines_of(mirrored_twice(conversation([(0, request("/a")), (1, response())]), None))), one(),
    ),
    "G9 a request line longer than a segment": (lambda: of((0, request("/" + "l" * 4000)), (1, response())), one("/" + "l" * 4000)),
    "G9 methods that no list has": (
        lambda: of((0, request("/a", "PROPFIND")), (1, response(b"", 207)), (0, request("/b", "QUERY")), (1, response())), [("PROPFIND", "/a", 207), ("QUERY", "/b", 200)],
    ),
    "G10 status codes that no list has": (lambda: of((0, request("/a")), (1, response(b"", 499)), (0, request("/b")), (1, response(b"", 999))), [("GET", "/a", 499), ("GET", "/b", 999)]),
    "G11 a head over many segments": (lambda: of((0, request("/a", X_Long="v" * 40)), (1, response()), segment=3), one()),
    "G12 a body that ends with the connection": (lambda: of((0, b"GET /a HTTP/1.0\r\n\r\n"), (1, b"HTTP/1.0 200 OK\r\n\r\nall of it")), one()),
    "G12 HEAD, 204 and 304 have no body": (
        lambda: of((0, request("/h", "HEAD")), (1, response(b"12345")[:-5]), (0, request("/n")), (1, b"HTTP/1.1 304 N\r\nContent-Length: 7\r\n\r\n"), (0, request("/x")), (1, b"HTTP/1.1 204 N\r\n\r\n")),
        [("GET", "/n", 304), ("GET", "/x", 204), ("HEAD", "/h", 200)],
    ),
    "G12 so may one of HTTP/1.1": (lambda: of((0, request("/a")), (1, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it")), one()),
    "G13 a chunk that looks like the last one is not": (
        lambda: [(line.method.decode(), line.answered.decode(), line.status) for line in lines_of(raw(conversation([(0, request()), (1, CHUNKS + b"6\r\n0\r\n\r\n!\r\n"), (1, b"0\r\n\r\n")])))],
        [("GET", "0\r\n\r\n!", 200)],
    ),
    "G13 trailers nobody announced, and the next answer in the same segment": (
        lambda: of((0, request("/1") + request("/2")), (1, CHUNKS + b"1\r\nx\r\n0\r\nT: 1\r\n\r\n" + response(b"", 201))), [("GET", "/1", 200), ("GET", "/2", 201)],
    ),
    "G14 a FIN tells what is there": (lambda: short(lines_of(raw(conversation([(0, request("/a")), (1, response(b"12345")[:-3])])))), one()),
    "G14 a RST tells what is there": (lambda: short(lines_of(reset(response(b"12345")[:-3]))), one()),
    "G15 interim answers of any length": (
        lambda: of((0, request("/a", "POST", b"xy")[:-2]), (1, b"HTTP/1.0 100 Go on, please\r\nX-A: b\r\n\r\n"), (0, b"xy"), (1, response())), one("/a", "POST"),
    ),
    "G16 an empty value on a line that ends in LF": (lambda: of((0, b"GET /a HTTP/1.1\nA:\nB: \n\n"), (1, b"HTTP/1.1 200 OK\nContent-Length:\n\n")), one()),
    "V1 V2 untagged, tagged and doubly tagged frames on one port": (
        lambda: short(lines_of(tagged(None, Dot1Q(vlan=2), Dot1Q(vlan=1), Dot1AD(vlan=9) / Dot1Q(vlan=2)))), one(),
    ),
    "X1 inner frames of any size, S1 super-frames": (lambda: short(lines_of(tunnelled(9000)) + lines_of(tunnelled(20_000))), one("/jumbo") * 2),
    "X2 who is client is told by the content where no SYN was": (
        lambda: short(lines_of(raw(conversation([(0, request("/a")), (1, response()), (0, request("/b")), (1, response(b"", 404))], port=90)[3:]))),
        [("GET", "/a", 200), ("GET", "/b", 404)],
    ),
    "X3 VLAN inside VXLAN": (lambda: short(lines_of(tunnelled(1000))), one("/jumbo")),
}  # fmt: skip


@pytest.mark.parametrize("claim", CASES)
def test_none_of_the_known_faults_is_ours(claim: str) -> None:
    find, wanted = CASES[claim]
    assert find() == wanted


def test_g3_flows_whose_sums_collide_stay_apart() -> None:
    """10.0.0.1 to .4 and 10.0.0.2 to .3 have the same sum of addresses, ports and ACK numbers."""
    talks = [conversation([(0, request(f"/{client}")), (1, response(client.encode()))], client=client, server=server) for client, server in (("10.0.0.1", "10.0.0.4"), ("10.0.0.2", "10.0.0.3"), ("10.0.0.3", "10.0.0.2"))]  # fmt: skip
    mixed = sorted((packet for talk in talks for packet in talk), key=lambda packet: packet.time)
    assert [(line.target, line.answered) for line in lines_of(raw(mixed))] == [
        (f"/10.0.0.{n}".encode(), f"10.0.0.{n}".encode()) for n in (1, 2, 3)
    ]


def test_g17_memory_keeps_to_its_limit() -> None:
    wire = Wire(memory_limit=200_000)
    dice = random.Random(3)
    for number in range(4000):
        port = 1000 + dice.randrange(500)
        wire.table.feed(
            b"\x0a\0\0\1", port, b"\x0a\0\0\2", 80, dice.randrange(60_000), 1, 16, bytes(500), number * 10**6, flow_hash=port
        )
        assert wire.table.held_bytes <= 200_000
    assert wire.table.flows_evicted > 0


def test_g18_counters_tell_each_packet_once() -> None:
    road = Road(limits=Limits(segment_ring_bytes=1 << 20, report_ring_bytes=1 << 16))
    packets = conversation([(0, request()), (1, response())])
    for packet in packets:
        road.send([packet])
        road.publish()
    assert road.page.get("packets") == road.page.get("segments") == len(packets)


def test_v1_vlan_ids_are_alternatives() -> None:
    decapsulator = Decapsulator(1, vlan_ids=(1, 2))
    kept = {vlan: not decapsulator.reason(bytes(Ether(**MAC) / Dot1Q(vlan=vlan) / IP() / TCP())) for vlan in (1, 2, 3)}
    assert kept == {1: True, 2: True, 3: False}


def test_b1_x2_ports_are_judged_inside_tunnels_and_other_hosts_are_kept() -> None:
    decapsulator = Decapsulator(1, tcp_ports=(80,))
    inner = [Ether(**MAC) / IP(src="10.9.9.9", dst="10.8.8.8") / TCP(dport=port) for port in (80, 22)]
    outer = Ether(**MAC) / IP(dst="192.0.2.2") / UDP(dport=4789) / VXLAN(vni=1, flags=8)
    assert [decapsulator.reason(bytes(outer / frame)) for frame in inner] == ["", "lost_filtered"]


def test_g16_no_head_of_few_bytes_stops_anything() -> None:
    dice = random.Random(5)
    for _ in range(2000):
        head = bytes(dice.choice(b"A: \r\n\t\0") for _ in range(dice.randrange(12)))
        Flow(chooses=True).client(b"GET / HTTP/1.1\n" + head + b"\n\n").server(b"HTTP/1.1 200 OK\n" + head + b"\n\n").end()


def test_single_fragment_without_its_first_is_no_segment() -> None:
    _, second, *_ = fragment(IP(src="10.0.0.1", dst="10.0.0.2", id=9) / TCP(sport=1, dport=80) / (b"y" * 2000), fragsize=800)
    assert Decapsulator(1).reason(bytes(ether(second))) == "lost_fragment"
