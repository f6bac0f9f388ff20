"""The filter for inner packets judges what encapsulations carry, and nothing else."""

from __future__ import annotations

import pytest
from scapy.layers.inet import GRE, IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN

from tcpmirror.processes.capture import filter_inner
from tcpmirror.settings.tree import Source
from tests.processes.test_roads import Road
from tests.traffic import MAC

PACKET = IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=40000, dport=80) / b"x"
OUTER = Ether(**MAC) / IP(src="192.0.2.1", dst="192.0.2.2")
VXLAN_PACKET = OUTER / UDP(dport=4789) / VXLAN(vni=9, flags=8) / Ether(**MAC) / PACKET
NESTED = OUTER / UDP(dport=4789) / VXLAN(vni=9, flags=8) / Ether(**MAC) / IP(src="198.51.100.1") / GRE() / PACKET
# id -> filter, frame, whether it is kept
CASES = {
    "inner frame wanted": ("host 10.0.0.2", VXLAN_PACKET, True),
    "inner frame not wanted": ("host 10.0.0.3", VXLAN_PACKET, False),
    "the outer packet does not count": ("host 192.0.2.1", VXLAN_PACKET, False),
    "inner packet wanted": ("tcp port 80", OUTER / GRE() / PACKET, True),
    "inner packet not wanted": ("tcp port 81", OUTER / GRE() / PACKET, False),
    "the innermost packet counts": ("src host 10.0.0.1", NESTED, True),
    "the one between does not": ("src host 198.51.100.1", NESTED, False),
    "no encapsulation": ("tcp port 81", Ether(**MAC) / PACKET, True),
}


@pytest.mark.parametrize("name", CASES)
def test_what_encapsulations_carry_is_judged(name: str) -> None:
    expression, frame, is_kept = CASES[name]
    road = Road()
    filter_inner(road.capture, Source(inner_bpf=expression))
    road.send([frame])
    assert (road.page.get("segments"), road.page.get("lost_filtered")) == ((1, 0) if is_kept else (0, 1))
