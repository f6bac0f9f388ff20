"""Decapsulation: whatever the packets are wrapped in, the segment inside comes out; scapy is the independent encoder."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.contrib.erspan import ERSPAN_II
from scapy.contrib.geneve import GENEVE
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import GRE, ICMP, IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting
from scapy.layers.l2 import ARP, LLC, SNAP, CookedLinux, Dot1AD, Dot1Q, Dot3, Ether, Loopback
from scapy.layers.ppp import PPP, PPPoE
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Padding

from tcpmirror.decap.decapsulator import Decapsulator

ETHERNET, RAW, NULL, SLL = 1, 101, 0, 113
MAC = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}


def ether(**more: int) -> Packet:
    return Ether(**MAC, **more)


def outer() -> Packet:
    return ether() / IP(src="192.0.2.1", dst="192.0.2.2")


def tcp4(payload: bytes = b"GET / HTTP/1.1\r\n\r\n") -> Packet:
    return IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=40000, dport=80, seq=7, ack=9, flags="PA") / payload


def tcp6() -> Packet:
    return (
        IPv6(src="2001:db8::1", dst="2001:db8::2")
        / TCP(sport=40000, dport=80, seq=7, ack=9, flags="PA")
        / b"GET / HTTP/1.1\r\n\r\n"
    )


# id -> (link type, frame, vlan, inner vlan, vni)
WRAPPED = {
    "ethernet": (ETHERNET, ether() / tcp4(), 0, 0, -1),
    "ethernet with ipv6": (ETHERNET, ether() / tcp6(), 0, 0, -1),
    "padding behind a short packet": (ETHERNET, ether() / tcp4() / Padding(b"\0" * 20), 0, 0, -1),
    "802.1Q": (ETHERNET, ether() / Dot1Q(vlan=42) / tcp4(), 42, 0, -1),
    "802.1Q inside 802.1Q": (ETHERNET, ether() / Dot1Q(vlan=42) / Dot1Q(vlan=7) / tcp4(), 42, 7, -1),
    "802.1ad": (ETHERNET, ether() / Dot1AD(vlan=42) / Dot1Q(vlan=7) / tcp6(), 42, 7, -1),
    "three tags": (ETHERNET, ether() / Dot1Q(vlan=1) / Dot1Q(vlan=2) / Dot1Q(vlan=3) / tcp4(), 1, 2, -1),
    "vxlan": (ETHERNET, outer() / UDP(dport=4789) / VXLAN(vni=99, flags=8) / ether() / tcp4(), 0, 0, 99),
    "vlan inside vxlan": (ETHERNET, outer() / UDP(dport=4789) / VXLAN(vni=99, flags=8) / ether() / Dot1Q(vlan=5) / tcp4(), 5, 0, 99),
    "vxlan inside vlan": (ETHERNET, ether() / Dot1Q(vlan=5) / IP() / UDP(dport=4789) / VXLAN(vni=99, flags=8) / ether() / tcp4(), 5, 0, 99),
    "vxlan over ipv6": (ETHERNET, ether() / IPv6() / UDP(dport=4789) / VXLAN(vni=99, flags=8) / ether() / tcp6(), 0, 0, 99),
    "geneve": (ETHERNET, outer() / UDP(dport=6081) / GENEVE(vni=77) / ether() / tcp4(), 0, 0, 77),
    "geneve around vxlan": (
        ETHERNET,
        outer() / UDP(dport=6081) / GENEVE(vni=77, proto=0x0800) / IP() / UDP(dport=4789) / VXLAN(vni=99, flags=8) / ether() / tcp4(),
        0, 0, 99,
    ),
    "gre": (ETHERNET, outer() / GRE() / tcp4(), 0, 0, -1),
    "gre with key and sequence number": (ETHERNET, outer() / GRE(key_present=1, key=5, seqnum_present=1) / tcp4(), 0, 0, -1),
    "nvgre": (ETHERNET, outer() / GRE(key_present=1, key=99 << 8, proto=0x6558) / ether() / tcp4(), 0, 0, 99),
    "erspan II": (ETHERNET, outer() / GRE(seqnum_present=1, proto=0x88BE) / ERSPAN_II(session_id=12) / ether() / tcp4(), 0, 0, 12),
    "ip in ip": (ETHERNET, outer() / tcp4(), 0, 0, -1),
    "6in4": (ETHERNET, outer() / tcp6(), 0, 0, -1),
    "mpls": (ETHERNET, ether(type=0x8847) / MPLS(label=16, s=0) / MPLS(label=17, s=1) / tcp4(), 0, 0, -1),
    "pppoe": (ETHERNET, ether() / PPPoE(sessionid=1) / PPP() / tcp4(), 0, 0, -1),
    "llc and snap": (ETHERNET, Dot3(**MAC) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(OUI=0, code=0x800) / tcp4(), 0, 0, -1),
    "raw ip": (RAW, tcp4(), 0, 0, -1),
    "raw ipv6": (RAW, tcp6(), 0, 0, -1),
    "loopback": (NULL, Loopback(type=2) / tcp4(), 0, 0, -1),
    "linux cooked": (SLL, CookedLinux(proto=0x800) / tcp4(), 0, 0, -1),
    "two tags on the any device": (SLL, bytes(CookedLinux(proto=0x88A8)) + bytes.fromhex("00640800002a0800") + bytes(tcp4()), 100, 42, -1),
    "ip options": (ETHERNET, ether() / IP(src="10.0.0.1", dst="10.0.0.2", options=[IPOption_NOP(), IPOption_NOP()]) / tcp4()[TCP], 0, 0, -1),
    "ipv6 extension headers": (
        ETHERNET,
        ether() / IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrRouting() / tcp6()[TCP],
        0, 0, -1,
    ),
    "atomic fragment": (
        ETHERNET, ether() / IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrFragment(nh=6) / tcp6()[TCP], 0, 0, -1,
    ),
    "wrong checksums": (ETHERNET, ether() / IP(src="10.0.0.1", dst="10.0.0.2", chksum=1) / TCP(sport=40000, dport=80, seq=7, ack=9, flags="PA", chksum=2) / b"GET / HTTP/1.1\r\n\r\n", 0, 0, -1),
}  # fmt: skip


@pytest.mark.parametrize("name", WRAPPED)
def test_the_segment_comes_out_of_any_wrapping(name: str) -> None:
    link_type, frame, vlan, inner_vlan, vni = WRAPPED[name]
    reason, segment = Decapsulator(link_type).read_frame(bytes(frame))
    assert (reason, segment is not None) == ("", True)
    assert segment is not None
    expected_ip = bytes.fromhex("20010db8000000000000000000000001") if len(segment["src"]) == 16 else b"\x0a\0\0\1"
    seen = {
        key: segment[key]
        for key in ("src", "sport", "dport", "seq", "ack", "payload", "vlan", "inner_vlan", "vni", "missing")
    }
    assert seen == {
        "src": expected_ip, "sport": 40000, "dport": 80, "seq": 7, "ack": 9, "payload": b"GET / HTTP/1.1\r\n\r\n",
        "vlan": vlan, "inner_vlan": inner_vlan, "vni": vni, "missing": 0,
    }  # fmt: skip


REFUSED = {
    "arp": (ETHERNET, ether() / ARP(), "lost_not_ip"),
    "udp": (ETHERNET, outer() / UDP(dport=53) / b"dns", "lost_not_tcp"),
    "icmp": (ETHERNET, outer() / ICMP(), "lost_not_tcp"),
    "fragment": (ETHERNET, ether() / IP(flags="MF") / tcp4()[TCP], "lost_fragment"),
    "cut ethernet": (ETHERNET, b"\0" * 9, "lost_truncated"),
    "cut mpls stack": (ETHERNET, bytes(ether(type=0x8847) / MPLS(label=16, s=0)), "lost_truncated"),
    "cut tcp header": (ETHERNET, bytes(ether() / tcp4())[:40], "lost_truncated"),
    "tcp header longer than the packet": (ETHERNET, ether() / IP() / TCP(dataofs=15), "lost_malformed"),
    "ip header of 8 bytes": (ETHERNET, ether() / IP(ihl=2) / TCP(), "lost_malformed"),
    "unknown link type": (147, b"anything", "lost_unknown_link"),
    "nothing": (ETHERNET, b"", "lost_truncated"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_goes_no_further_says_why(name: str) -> None:
    link_type, frame, expected = REFUSED[name]
    assert Decapsulator(link_type).read_frame(bytes(frame)) == (expected, None)


def test_encapsulation_deeper_than_the_limit_is_refused() -> None:
    frame = ether()
    for _ in range(9):
        frame = frame / IP(src="192.0.2.1", dst="192.0.2.2")
    assert Decapsulator(ETHERNET).read_frame(bytes(frame / tcp4()))[0] == "lost_depth"


def test_bytes_cut_off_by_the_capture_are_counted_in_the_segment() -> None:
    frame = bytes(ether() / tcp4(b"x" * 1000))
    reason, segment = Decapsulator(ETHERNET).read_frame(frame[:-300])
    assert reason == ""
    assert segment is not None
    assert (len(segment["payload"]), segment["missing"]) == (700, 300)


def test_an_offload_frame_without_ip_length_ends_with_the_frame() -> None:
    frame = bytearray(bytes(ether() / tcp4(b"y" * 3000)))
    frame[16:18] = b"\0\0"
    segment = Decapsulator(ETHERNET).read_frame(bytes(frame))[1]
    assert segment is not None
    assert segment["payload"] == b"y" * 3000


def _run(of: tuple[int, int]) -> bytes:
    """Return (byte, so many times)."""
    return bytes([of[0]]) * of[1]


CHECKSUMS = {
    "right": (ether() / tcp4(), False),
    "right over ipv6, odd length": (ether() / IPv6(src="2001:db8::1", dst="2001:db8::2") / TCP() / b"odd", False),
    "right in a tunnel": (outer() / GRE() / tcp4(), False),
    "wrong in tcp": (ether() / IP() / TCP(chksum=0x1234) / b"x", True),
    "wrong in ip": (ether() / IP(chksum=0x1234) / TCP() / b"x", True),
}


@pytest.mark.parametrize("name", CHECKSUMS)
def test_a_wrong_checksum_is_noted_and_the_segment_taken_all_the_same(name: str) -> None:
    frame, is_bad = CHECKSUMS[name]
    reason, segment = Decapsulator(ETHERNET).read_frame(bytes(frame))
    assert reason == ""
    assert segment is not None
    assert segment["has_bad_checksum"] is is_bad


@settings(deadline=None)
@given(
    st.one_of(st.binary(max_size=200), st.tuples(st.sampled_from([0, 1, 0xFF]), st.integers(0, 1500)).map(_run)),
    st.integers(0, 1500),
    st.integers(1, 255),
)
def test_a_checksum_tells_of_any_changed_byte_of_any_length(payload: bytes, place: int, change: int) -> None:
    frame = bytearray(bytes(ether() / tcp4(payload)))
    decapsulator = Decapsulator(ETHERNET)
    right = decapsulator.read_frame(bytes(frame))[1]
    frame[-1 - place % (len(payload) + 8)] ^= change  # one of the payload, or of the end of the header
    wrong = decapsulator.read_frame(bytes(frame))[1]
    assert right is not None
    assert not right["has_bad_checksum"]
    assert wrong is None or wrong["has_bad_checksum"]


def test_the_checksum_of_a_cut_segment_is_not_judged() -> None:
    segment = Decapsulator(ETHERNET).read_frame(bytes(ether() / tcp4(b"z" * 500))[:-100])[1]
    assert segment is not None
    assert not segment["has_bad_checksum"]


VXLAN_42 = outer() / UDP(dport=4789) / VXLAN(vni=42, flags=8) / ether() / tcp4()
GENEVE_7_VXLAN_42 = (
    outer()
    / UDP(dport=6081)
    / GENEVE(vni=7, proto=0x0800)
    / IP()
    / UDP(dport=4789)
    / VXLAN(vni=42, flags=8)
    / ether()
    / tcp4()
)
TAGGED = ether() / Dot1Q(vlan=5) / Dot1Q(vlan=6) / tcp4()
PLAIN = ether() / tcp4()
FILTERS = {
    "port wanted": ({"tcp_ports": [80]}, PLAIN, True),
    "port not wanted": ({"tcp_ports": [8080]}, PLAIN, False),
    "port inside a tunnel": ({"tcp_ports": [80]}, VXLAN_42, True),
    "vni allowed": ({"vni_allow": [41, 42]}, VXLAN_42, True),
    "vni not allowed": ({"vni_allow": [41]}, VXLAN_42, False),
    "vni denied": ({"vni_deny": [42]}, VXLAN_42, False),
    "another vni denied": ({"vni_deny": [41]}, VXLAN_42, True),
    "plain traffic has no vni to filter": ({"vni_allow": [41]}, PLAIN, True),
    "outer vni of nested tunnels": ({"vni_allow": [7], "inner_vni_allow": [42]}, GENEVE_7_VXLAN_42, True),
    "outer vni not allowed": ({"vni_allow": [8], "inner_vni_allow": [42]}, GENEVE_7_VXLAN_42, False),
    "inner vni not allowed": ({"vni_allow": [7], "inner_vni_allow": [43]}, GENEVE_7_VXLAN_42, False),
    "vlan wanted": ({"vlan_ids": [5]}, TAGGED, True),
    "inner vlan wanted": ({"vlan_ids": [6]}, TAGGED, True),
    "vlan not wanted": ({"vlan_ids": [7]}, TAGGED, False),
    "untagged when a vlan is wanted": ({"vlan_ids": [5]}, PLAIN, False),
    "other vxlan port": ({"vxlan_ports": [8472]}, VXLAN_42, False),
    "host wanted": ({"hosts": ["10.0.0.2"]}, PLAIN, True),
    "host not wanted": ({"hosts": ["10.0.0.3"]}, PLAIN, False),
    "source ignored": ({"ignored": [(["10.0.0.0/31"], "src")]}, PLAIN, False),
    "source ignored, but it is the target": ({"ignored": [(["10.0.0.2"], "src")]}, PLAIN, True),
    "target ignored": ({"ignored": [(["10.0.0.2"], "dst")]}, PLAIN, False),
    "either ignored": ({"ignored": [(["10.0.0.2"], "src_or_dst")]}, PLAIN, False),
    "both needed": ({"ignored": [(["10.0.0.2"], "src_and_dst")]}, PLAIN, True),
    "the sensor's own server": ({"own_endpoints": [(b"\x0a\0\0\2", 80)]}, PLAIN, False),
    "the sensor's own port elsewhere": ({"own_endpoints": [(b"\x0a\0\0\3", 80)]}, PLAIN, True),
    "both there": ({"ignored": [(["10.0.0.0/8"], "src_and_dst")]}, PLAIN, False),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters_keep_what_the_settings_say(name: str) -> None:
    arguments, frame, is_kept = FILTERS[name]
    reason, _ = Decapsulator(ETHERNET, **arguments).read_frame(bytes(frame))
    assert (reason == "") is is_kept
    assert reason in ("", "lost_filtered", "lost_not_tcp")


@given(st.binary(max_size=200), st.sampled_from([0, 1, 9, 12, 101, 104, 113, 228, 276, 999]))
@settings(max_examples=500)
def test_no_bytes_make_it_raise(frame: bytes, link_type: int) -> None:
    Decapsulator(link_type).read_frame(frame)


@given(st.sampled_from(sorted(WRAPPED)), st.data())
@settings(max_examples=500)
def test_no_cut_or_changed_byte_makes_it_raise_or_read_past_the_end(name: str, data) -> None:
    link_type, packet, *_ = WRAPPED[name]
    frame = bytearray(bytes(packet))
    for _ in range(data.draw(st.integers(0, 3))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(frame[: data.draw(st.integers(0, len(frame)))])
    _, segment = Decapsulator(link_type).read_frame(cut)
    if segment is not None:
        assert segment["payload"] in cut
