"""The kernel filter: libpcap itself says which frames it lets through."""

from __future__ import annotations

import pcap
import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import CookedLinux, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN

from tcpmirror.capture.bpf import build_filter
from tcpmirror.settings.tree import Source

WEB = IP(src="203.0.113.5", dst="203.0.113.6") / TCP(sport=40000, dport=80)
OTHER = IP(src="203.0.113.5", dst="203.0.113.6") / TCP(sport=40000, dport=22)
E = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")

CASES = {
    "untagged": (E / WEB, True),
    "tagged": (E / Dot1Q(vlan=5) / WEB, True),
    "double tagged": (E / Dot1Q(vlan=5) / Dot1Q(vlan=6) / WEB, True),
    "the answer": (E / IP() / TCP(sport=80, dport=40000), True),
    "vxlan": (E / IP() / UDP(dport=4789) / VXLAN() / E / OTHER, True),
    "tagged vxlan": (E / Dot1Q(vlan=5) / IP() / UDP(dport=4789) / VXLAN() / E / WEB, True),
    "fragment": (E / IP(flags="MF") / UDP(), True),
    "another port": (E / OTHER, False),
    "another port, tagged": (E / Dot1Q(vlan=5) / OTHER, False),
    "dns": (E / IP() / UDP(dport=53), False),
}


@pytest.mark.parametrize("name", CASES)
def test_the_port_filter_lets_the_right_frames_through(name: str) -> None:
    frame, is_wanted = CASES[name]
    program = pcap.bpf(build_filter(Source(interface="eth0", ports=(80,))).encode(), pcap.DLT_EN10MB)
    assert bool(program.filter(bytes(frame))) is is_wanted


def test_on_the_any_device_tagged_frames_pass_whatever_their_port() -> None:
    program = pcap.bpf(build_filter(Source(interface="any", ports=(80,))).encode(), pcap.DLT_LINUX_SLL)
    cases = [(CookedLinux(proto=0x800) / WEB, True), (CookedLinux(proto=0x800) / OTHER, False)]
    cases += [
        (CookedLinux(proto=0x8100) / Dot1Q(vlan=5) / WEB, True),
        (CookedLinux(proto=0x88A8) / Dot1Q(vlan=5) / WEB, True),
    ]
    assert [bool(program.filter(bytes(frame))) for frame, _ in cases] == [wanted for _, wanted in cases]


def test_no_port_means_no_filter() -> None:
    assert build_filter(Source()) == ""


def test_the_operators_own_filter_is_taken_as_it_is() -> None:
    assert build_filter(Source(bpf="tcp and net 10/8", ports=(80,))) == "tcp and net 10/8"
