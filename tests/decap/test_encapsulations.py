"""Every encapsulation by itself, then in any order; scapy is the encoder where it knows the format, else bytes by the standard."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III
from scapy.contrib.geneve import GENEVE
from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
from scapy.contrib.mpls import MPLS
from scapy.contrib.nsh import NSH
from scapy.layers.dot11 import Dot11, Dot11QoS, RadioTap
from scapy.layers.inet import GRE, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE_PPTP, LLC, SNAP, CookedLinux, Dot1AD, Dot1AH, Dot1Q, Dot3, Ether
from scapy.layers.ppp import HDLC, PPP, PPPoE
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet

from tcpmirror.decap.decapsulator import Decapsulator
from tcpmirror.decap.link import LINK_GENEVE, LINK_VXLAN

BODY = b"GET / HTTP/1.1\r\n\r\n"
MAC = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}
INNER = IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=40000, dport=80, seq=7, ack=9, flags="PA") / BODY
INNER6 = IPv6(src="2001:db8::1", dst="2001:db8::2") / TCP(sport=40000, dport=80, seq=7, ack=9, flags="PA") / BODY
VNTAG = struct.pack("!IH", 51, 0x0800)
GROUP_TAG = struct.pack("!BBHHH", 1, 1, 1, 9, 0x0800)
WLAN = {"addr1": MAC["src"], "addr2": MAC["dst"], "addr3": MAC["src"]}


def ether(**more: int) -> Packet:
    return Ether(**MAC, **more)


def snap() -> Packet:
    return LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(OUI=0, code=0x800)


def over_udp(port: int, *, is_reply: bool = False) -> Packet:
    ports = {"sport": port, "dport": 50000} if is_reply else {"sport": 50000, "dport": port}
    return ether() / IP(src="192.0.2.1", dst="192.0.2.2") / UDP(**ports)


def gre() -> Packet:
    return ether() / IP(src="192.0.2.1", dst="192.0.2.2", proto=47)


def nflog(order: str, data: bytes = bytes(INNER)) -> bytes:
    prefix = struct.pack(order + "HH", 8, 10) + b"web\0"
    packet = struct.pack(order + "HH", 4 + len(data), 9) + data
    return b"\x02\0\0\1" + prefix + packet + b"\0" * (-len(packet) % 4)


def ayiya(packet: bytes) -> bytes:
    return bytes((0x41, 0x52, 0x11, 41)) + b"\0" * 4 + b"i" * 16 + b"s" * 20 + packet


# id -> (link type, frame, name of the tunnel's index)
WRAPPED = {
    "teredo": (1, over_udp(3544) / bytes(INNER6), 9),
    "teredo, an answer": (1, over_udp(3544, is_reply=True) / bytes(INNER6), 9),
    "teredo with origin": (1, over_udp(3544) / (b"\0\0" + b"o" * 6 + bytes(INNER6)), 9),
    "teredo with authentication and origin": (
        1, over_udp(3544) / (b"\0\1\2\3" + b"ab" + b"key" + b"n" * 8 + b"\0" + b"\0\0" + b"o" * 6 + bytes(INNER6)), 9,
    ),
    "ayiya": (1, over_udp(5072) / ayiya(bytes(INNER6)), 11),
    "gtp-u": (1, over_udp(2152) / GTP_U_Header(teid=5, gtp_type=255) / INNER, 8),
    "gtp-u with a sequence number": (1, over_udp(2152) / GTP_U_Header(teid=5, gtp_type=255, S=1, seq=9) / INNER, 8),
    "gtp-u with an extension header": (
        1, over_udp(2152) / GTP_U_Header(teid=5, gtp_type=255, E=1, next_ex=0x85) / GTPPDUSessionContainer(type=0) / INNER, 8,
    ),
    "vntag": (1, ether(type=0x8926) / VNTAG / INNER, 0),
    "vntag between vlans": (1, ether() / Dot1Q(vlan=5, type=0x8926) / struct.pack("!IHHH", 51, 0x8100, 6, 0x0800) / INNER, 0),
    "802.1ah": (1, Ether(**MAC, type=0x88E7) / Dot1AH(isid=77) / ether() / INNER, 12),
    "802.1ah behind 802.1ad": (1, ether() / Dot1AD(vlan=5, type=0x88E7) / Dot1AH(isid=77) / ether() / Dot1Q(vlan=6) / INNER, 12),
    "security group tag": (1, ether(type=0x8909) / GROUP_TAG / INNER, 0),
    "nsh to ip": (1, ether(type=0x894F) / NSH(mdtype=1, nextproto=1, context_header=b"c" * 16) / INNER, 0),
    "nsh to ethernet": (1, ether(type=0x894F) / NSH(mdtype=1, nextproto=3, context_header=b"c" * 16) / ether() / INNER, 0),
    "vxlan-gpe to ip": (1, over_udp(4789) / VXLAN(vni=9, flags=0x0C, NextProtocol=1) / INNER, 10),
    "llc behind a vlan tag": (1, ether() / Dot1Q(vlan=5, type=len(INNER) + 8) / snap() / INNER, 0),
    "erspan III": (1, gre() / GRE(seqnum_present=1, proto=0x22EB) / ERSPAN_III(session_id=12) / ether() / INNER, 4),
    "erspan III with its optional part": (
        1, gre() / GRE(seqnum_present=1, proto=0x22EB) / struct.pack("!HHIHH", 0x2000, 12, 0, 0, 1) / (b"\0" * 8) / ether() / INNER, 4,
    ),
    "erspan III around ip": (1, gre() / GRE(seqnum_present=1, proto=0x22EB) / struct.pack("!HHIHH", 0x2000, 12, 0, 0, 2 << 10) / INNER, 4),
    "erspan I": (1, gre() / GRE(proto=0x88BE) / ether() / INNER, 4),
    "pptp": (1, gre() / GRE_PPTP(seqnum_present=1, acknum_present=1) / PPP() / INNER, 3),
    "802.11 in gre": (1, gre() / GRE(proto=0x8200) / Dot11(type=2, subtype=0, **WLAN) / snap() / INNER, 3),
    "ppp in hdlc framing": (50, HDLC() / PPP() / INNER, 0),
    "cisco hdlc on a serial line": (50, b"\x0f\0\x08\0" + bytes(INNER), 0),
    "cisco hdlc": (104, b"\x0f\0\x08\0" + bytes(INNER), 0),
    "ppp": (9, PPP() / INNER, 0),
    "ppp with a compressed protocol field": (9, b"\x21" + bytes(INNER), 0),
    "ppp with a direction byte": (204, b"\1" + bytes(PPP() / INNER), 0),
    "ppp with mpls": (9, bytes(PPP(proto=0x0281)) + bytes(MPLS(label=16, s=1) / INNER), 6),
    "pppoe link": (51, PPPoE(sessionid=1) / PPP() / INNER, 7),
    "802.11": (105, Dot11(type=2, subtype=0, **WLAN) / snap() / INNER, 0),
    "802.11 with qos": (105, Dot11(type=2, subtype=8, FCfield=1, **WLAN) / Dot11QoS() / snap() / INNER, 0),
    "802.11 between access points": (105, Dot11(type=2, subtype=8, FCfield=3, addr4=MAC["dst"], **WLAN) / Dot11QoS() / snap() / INNER, 0),
    "radiotap": (127, RadioTap() / Dot11(type=2, subtype=0, **WLAN) / snap() / INNER, 0),
    "radiotap, header padded": (127, bytes(RadioTap() / Dot11(type=2, subtype=8, **WLAN) / Dot11QoS()) + b"\0\0" + bytes(snap() / INNER), 0),
    "ppi": (192, struct.pack("<BBHI", 0, 0, 8, 105) + bytes(Dot11(type=2, subtype=0, **WLAN) / snap() / INNER), 0),
    "nflog, little-endian": (239, nflog("<"), 0),
    "nflog, big-endian": (239, nflog(">"), 0),
    "null, little-endian family": (0, b"\2\0\0\0" + bytes(INNER), 0),
    "null, big-endian family": (0, b"\0\0\0\2" + bytes(INNER), 0),
    "loop": (108, b"\0\0\0\x18" + bytes(INNER6), 0),
    "mpls link": (219, MPLS(label=16, s=1) / INNER, 6),
    "linux cooked v2": (276, struct.pack("!HHIHBB8s", 0x0800, 0, 1, 1, 0, 6, b"") + bytes(INNER), 0),
    "a vxlan socket": (LINK_VXLAN, VXLAN(vni=9, flags=8) / ether() / INNER, 1),
    "a geneve socket": (LINK_GENEVE, GENEVE(vni=9) / ether() / INNER, 2),
    "a geneve socket, vxlan within": (
        LINK_GENEVE, GENEVE(vni=9, proto=0x0800) / IP() / UDP(dport=4789) / VXLAN(vni=8, flags=8) / ether() / INNER, 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRAPPED)
def test_the_segment_comes_out(name: str) -> None:
    link_type, frame, tunnel = WRAPPED[name]
    reason, segment = Decapsulator(link_type).read_frame(bytes(frame))
    assert (reason, segment is not None) == ("", True)
    assert segment is not None
    assert (segment["sport"], segment["dport"], segment["payload"], segment["tunnel"]) == (40000, 80, BODY, tunnel)
    assert not segment["has_bad_checksum"]


def subframe(packet: bytes, *, is_last: bool = False) -> bytes:
    body = bytes(snap()) + packet
    made = b"\2" * 12 + len(body).to_bytes(2, "big") + body
    return made if is_last else made + b"\0" * (-len(made) % 4)


def aggregate(*packets: bytes) -> bytes:
    head = bytearray(bytes(Dot11(type=2, subtype=8, FCfield=1, **WLAN) / Dot11QoS()))
    head[24] |= 0x80
    return bytes(head) + b"".join(subframe(packet, is_last=packet is packets[-1]) for packet in packets)


def numbered(number: int) -> bytes:
    head = IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=40000 + number, dport=80, seq=7, ack=9, flags="PA")
    return bytes(head / (b"x" * number))


AGGREGATES = {
    "bare": (105, aggregate(*map(numbered, range(5)))),
    "behind radiotap, with a checksum": (127, bytes(RadioTap()) + aggregate(*map(numbered, range(5))) + b"\1\2\3\4"),
    "in gre, in a vlan": (
        1, ether() / Dot1Q(vlan=5) / IP(src="192.0.2.1", dst="192.0.2.2", proto=47) / GRE(proto=0x8200) / aggregate(*map(numbered, range(5))),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AGGREGATES)
def test_each_frame_of_an_aggregate_comes_out(name: str) -> None:
    link_type, frame = AGGREGATES[name]
    found = Decapsulator(link_type).read_frames(bytes(frame))
    assert [reason for reason, _ in found] == [""] * 5
    assert [(each["sport"], each["payload"]) for _, each in found] == [(40000 + n, b"x" * n) for n in range(5)]
    assert {(each["vlan"], each["tunnel"]) for _, each in found} == {(5, 3) if link_type == 1 else (0, 0)}


def test_a_frame_of_an_aggregate_that_is_no_tcp_says_so_for_itself_alone() -> None:
    other = bytes(IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=53) / b"?")
    found = Decapsulator(105).read_frames(aggregate(numbered(0), other, numbered(1)))
    assert [reason for reason, _ in found] == ["", "lost_not_tcp", ""]


def test_an_aggregate_within_an_aggregate_is_too_deep() -> None:
    inner = bytes(IP(src="192.0.2.1", dst="192.0.2.2", proto=47) / GRE(proto=0x8200) / aggregate(numbered(0), numbered(1)))
    found = Decapsulator(105).read_frames(aggregate(inner, numbered(2)))
    assert [reason for reason, _ in found] == ["lost_depth", ""]


REFUSED = {
    "teredo port, not ipv6": (1, over_udp(3544) / b"hello there, this is something else, 40 bytes", "lost_not_tcp"),
    "teredo port, a length that does not fit": (1, over_udp(3544) / bytes(INNER6)[:-1], "lost_not_tcp"),
    "gtp signalling": (1, over_udp(2152) / GTP_U_Header(gtp_type=1), "lost_not_tcp"),
    "gtp port, dns within": (1, over_udp(2152) / b"\x0b\xad\1\0\0\1\0\0\0\0\0\0", "lost_not_tcp"),
    "gtp extension header of no length": (
        1,
        over_udp(2152) / (b"\x34\xff\0\x08\0\0\0\1\0\0\0\x85\0\0\0\0"),
        "lost_malformed",
    ),
    "cut vntag": (1, bytes(ether(type=0x8926)) + b"\0\0", "lost_truncated"),
    "cut i-tag": (1, bytes(ether(type=0x88E7)) + b"\0\0", "lost_truncated"),
    "nsh shorter than itself": (1, bytes(ether(type=0x894F)) + b"\0\1\1\1\0\0\0\0", "lost_malformed"),
    "encrypted 802.11": (105, bytes(Dot11(type=2, subtype=0, FCfield=0x40, **WLAN)) + b"x" * 40, "lost_not_ip"),
    "802.11 beacon": (105, bytes(Dot11(type=0, subtype=8, **WLAN)), "lost_not_ip"),
    "radiotap shorter than itself": (127, b"\0\0\2\0\0\0\0\0", "lost_malformed"),
    "nflog attribute of no length": (239, b"\2\0\0\0\0\0\1\0", "lost_malformed"),
    "nflog without a packet": (239, b"\2\0\0\0\x08\0\x0a\0web\0", "lost_not_ip"),
    "pptp without data": (1, gre() / (b"\x20\x81\x88\x0b" + b"\0" * 8), "lost_not_tcp"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_only_looks_like_it_says_why(name: str) -> None:
    link_type, frame, expected = REFUSED[name]
    assert Decapsulator(link_type).read_frame(bytes(frame)) == (expected, None)


# What a frame may be wrapped in, as (kind of what is wrapped, kind that comes of it, function); kinds: frame, packet.
WRAPPINGS = {
    "vlan": ("packet", "frame", lambda inner: ether() / Dot1Q(vlan=5) / inner),
    "vxlan": ("frame", "packet", lambda inner: IP() / UDP(sport=1, dport=4789) / VXLAN(vni=9, flags=8) / inner),
    "vxlan over ipv6": ("frame", "packet", lambda inner: IPv6() / UDP(sport=1, dport=4789) / VXLAN(vni=9, flags=8) / inner),
    "geneve": ("frame", "packet", lambda inner: IP() / UDP(sport=1, dport=6081) / GENEVE(vni=9, proto=0x6558, options=b"\0\1\2\1abcd") / inner),
    "gre": ("packet", "packet", lambda inner: IP() / GRE(proto=0x86DD if inner.version == 6 else 0x0800) / inner),
    "nvgre": ("frame", "packet", lambda inner: IP() / GRE(key_present=1, key=9, proto=0x6558) / inner),
    "ip in ip": ("packet", "packet", lambda inner: IP(proto=41 if inner.version == 6 else 4) / inner),
    "ip in ipv6": ("packet", "packet", lambda inner: IPv6(nh=41 if inner.version == 6 else 4) / inner),
    "mpls": ("packet", "frame", lambda inner: ether(type=0x8847) / MPLS(label=16, s=1) / inner),
    "pppoe": ("packet", "frame", lambda inner: ether() / PPPoE(sessionid=1) / PPP(proto=0x57 if inner.version == 6 else 0x21) / inner),
    "gtp": ("packet", "packet", lambda inner: IP() / UDP(sport=1, dport=2152) / GTP_U_Header(gtp_type=255) / inner),
    "802.1ah": ("frame", "frame", lambda inner: Ether(**MAC, type=0x88E7) / Dot1AH(isid=5) / inner),
    "ethernet": ("packet", "frame", lambda inner: ether() / inner),
    "802.1ad": ("packet", "frame", lambda inner: ether() / Dot1AD(vlan=5) / Dot1Q(vlan=6) / inner),
    "vntag": ("packet", "frame", lambda inner: ether(type=0x8926) / struct.pack("!IH", 51, ethertype(inner)) / bytes(inner)),
    "erspan I": ("frame", "packet", lambda inner: IP(proto=47) / GRE(proto=0x88BE) / inner),
    "erspan II": ("frame", "packet", lambda inner: IP(proto=47) / GRE(seqnum_present=1, proto=0x88BE) / ERSPAN_II(session_id=1) / inner),
    "erspan III": ("frame", "packet", lambda inner: IP(proto=47) / GRE(seqnum_present=1, proto=0x22EB) / ERSPAN_III(session_id=1) / inner),
    "vxlan-gpe": (
        "packet", "packet",
        lambda inner: IP() / UDP(sport=1, dport=4789) / VXLAN(vni=9, flags=0x0C, NextProtocol=2 if inner.version == 6 else 1) / inner,
    ),
    "geneve around ip": ("packet", "packet", lambda inner: IP() / UDP(sport=1, dport=6081) / GENEVE(vni=9, proto=ethertype(inner)) / inner),
    "geneve around vxlan": (
        "frame", "packet",
        lambda inner: IP() / UDP(sport=1, dport=6081) / GENEVE(vni=9, proto=0x0800) / IP() / UDP(sport=1, dport=4789) / VXLAN(vni=8, flags=8) / inner,
    ),
    "teredo": (
        "packet", "packet",
        lambda inner: IP() / UDP(sport=1, dport=3544) / bytes(inner if inner.version == 6 else IPv6(nh=4) / inner),
    ),
    "802.3": ("packet", "frame", lambda inner: Dot3(**MAC) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=0x86DD if inner.version == 6 else 0x800) / inner),
}  # fmt: skip


# Links that carry an IP packet -> link type, function.
LINKS = {
    "ethernet": (1, lambda inner: ether(type=ethertype(inner)) / bytes(inner)),
    "null": (0, lambda inner: b"\2\0\0\0" + bytes(inner)),
    "loop": (108, lambda inner: b"\0\0\0\2" + bytes(inner)),
    "raw": (12, bytes),
    "ppp": (9, lambda inner: bytes(PPP(proto=0x57 if inner.version == 6 else 0x21)) + bytes(inner)),
    "cisco hdlc": (104, lambda inner: b"\x0f\0" + ethertype(inner).to_bytes(2, "big") + bytes(inner)),
    "linux cooked": (113, lambda inner: bytes(CookedLinux(proto=ethertype(inner))) + bytes(inner)),
    "linux cooked v2": (276, lambda inner: struct.pack("!HHIHBB8s", ethertype(inner), 0, 1, 1, 0, 6, b"") + bytes(inner)),
    "nflog": (239, lambda inner: nflog("<", bytes(inner))),
    "802.11": (
        105,
        lambda inner: bytes(Dot11(type=2, subtype=0, **WLAN) / LLC(ctrl=3) / SNAP(code=ethertype(inner))) + bytes(inner),
    ),
}
TWO_LEVELS = {"802.1ad": 2, "geneve around vxlan": 2}


def ethertype(packet: Packet) -> int:
    return 0x86DD if packet.version == 6 else 0x0800


def levels(name: str, packet: Packet) -> int:
    """Return how many encapsulations the wrapping adds around *packet*."""
    return 2 if name == "teredo" and packet.version == 4 else TWO_LEVELS.get(name, 0 if name == "ethernet" else 1)


@given(st.booleans(), st.sampled_from(sorted(LINKS)), st.data())
@settings(max_examples=500, deadline=None)
def test_any_order_of_eight_encapsulations_gives_the_segment_back(is_six: bool, link: str, data) -> None:
    kind, packet, depth = "packet", INNER6 if is_six else INNER, 0
    limit = data.draw(st.integers(0, 8)) - (link == "802.11") * 2  # its own two
    while depth < limit or kind == "frame":
        fitting = sorted(name for name, (takes, _, _) in WRAPPINGS.items() if takes == kind)
        name = data.draw(st.sampled_from(fitting))
        if depth + levels(name, packet) > 8 - (link == "802.11") * 2:
            break
        depth += levels(name, packet)
        _, kind, wrap = WRAPPINGS[name]
        packet = wrap(packet.copy())
    link_type, made = LINKS[link] if kind == "packet" else (1, bytes)
    reason, segment = Decapsulator(link_type).read_frame(bytes(made(packet)))
    assert reason == ""
    assert segment is not None
    assert (segment["sport"], segment["seq"], segment["payload"]) == (40000, 7, BODY)


@given(st.sampled_from(sorted([*WRAPPED, *AGGREGATES])), st.data())
@settings(max_examples=500, deadline=None)
def test_no_cut_or_changed_byte_makes_it_raise(name: str, data) -> None:
    link_type, packet, *_ = WRAPPED[name] if name in WRAPPED else AGGREGATES[name]
    frame = bytearray(bytes(packet))
    for _ in range(data.draw(st.integers(0, 3))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(frame[: data.draw(st.integers(0, len(frame)))])
    for _, segment in Decapsulator(link_type).read_frames(cut):
        if segment is not None:
            assert segment["payload"] in cut


FOUR, SIX = {"src": "10.0.0.1", "dst": "10.0.0.2"}, {"src": "2001:db8::1", "dst": "2001:db8::2"}
SUPER_FRAMES = {
    "ipv4 of the longest length": (IP(**FOUR), 65535 - 40),
    "ipv4 without a length": (IP(**FOUR, len=0, proto=6), 180_000),
    "ipv6 of the longest length": (IPv6(**SIX), 65535 - 20),
    "ipv6 without a length": (IPv6(**SIX, plen=0, nh=6), 180_000),
}


@pytest.mark.parametrize("name", SUPER_FRAMES)
def test_offload_frames_are_read_whole(name: str) -> None:
    header, size = SUPER_FRAMES[name]
    frame = bytes(ether() / header / TCP(sport=40000, dport=80, seq=7, chksum=0)) + b"z" * size
    if size < 65536:
        frame = bytes(ether() / header / TCP(sport=40000, dport=80, seq=7, chksum=0) / (b"z" * size))
    segment = Decapsulator(1).read_frame(frame)[1]
    assert segment is not None
    assert (len(segment["payload"]), segment["missing"]) == (size, 0)
