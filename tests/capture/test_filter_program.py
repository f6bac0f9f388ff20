"""Filters compiled by libpcap: what they keep, and what is not accepted."""

from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Dot1Q, Ether

from tcpmirror.capture.filter_program import FilterProgram
from tcpmirror.errors import EnvironmentFault
from tests.capture.frames import MAC, segment

PACKET = IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=40000, dport=80)
CASES = {
    "port wanted": ("tcp port 80", 1, Ether(**MAC) / PACKET, True),
    "port not wanted": ("tcp port 81", 1, Ether(**MAC) / PACKET, False),
    "tagged": ("vlan 5 and tcp port 80", 1, Ether(**MAC) / Dot1Q(vlan=5) / PACKET, True),
    "raw ip": ("host 10.0.0.2", 12, PACKET, True),
    "nothing": ("tcp", 1, b"", False),
}


@pytest.mark.parametrize("name", CASES)
def test_a_program_keeps_what_its_expression_says(name: str) -> None:
    expression, link_type, packet, expected = CASES[name]
    assert FilterProgram(expression, link_type).is_match(bytes(packet)) is expected


def test_the_kernel_gets_eight_bytes_an_instruction() -> None:
    program = FilterProgram("tcp port 80", 1)
    assert len(program.instructions()) == 8 * len(program) > 0
    assert program.is_match(segment(1))


def test_an_expression_that_libpcap_refuses_is_told() -> None:
    with pytest.raises(EnvironmentFault, match=r"'no such filter' is not accepted: .+"):
        FilterProgram("no such filter", 1)
