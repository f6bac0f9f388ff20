"""VXLAN and GENEVE sent to a socket on loopback: every inner frame comes, of any size, over IPv4 and IPv6."""

from __future__ import annotations

import socket

import pytest

from tcpmirror.capture.tunnel_socket import TunnelSocket
from tcpmirror.decap.link import LINK_GENEVE, LINK_VXLAN
from tcpmirror.errors import EnvironmentFault
from tcpmirror.settings.tree import Source
from tests.capture.frames import Kept, read_until, segment

VXLAN = b"\x08\0\0\0\0\0\x2a\0"
FAMILIES = {
    "ipv4": ("127.0.0.1:0", "127.0.0.1", socket.AF_INET),
    "ipv6": ("[::1]:0", "::1", socket.AF_INET6),
    "ipv4 to every address": ("0.0.0.0:0", "127.0.0.1", socket.AF_INET),
    "ipv4 to every address of both": ("[::]:0", "127.0.0.1", socket.AF_INET),
    "ipv6 without an address": (":0", "::1", socket.AF_INET6),
}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("size", [10, 1500, 9000, 65000])
def test_a_datagram_of_any_size_comes_whole_with_its_time(name: str, size: int) -> None:
    listen, host, family = FAMILIES[name]
    opened, kept = TunnelSocket(Source(kind="vxlan_socket", listen_address=listen)), Kept()
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.sendto(VXLAN + segment(1000, size), (host, opened.address[1]))
    read_until(lambda: opened.receive(kept), lambda: len(kept.frames) == 1)
    assert (kept.frames[0].frame, kept.frames[0].link_type) == (VXLAN + segment(1000, size), LINK_VXLAN)
    assert kept.frames[0].time_ns > 10**18
    assert opened.stats().received == 1
    opened.close()


def test_geneve_has_a_link_type_of_its_own() -> None:
    opened = TunnelSocket(Source(kind="geneve_socket", listen_address="127.0.0.1:0"))
    assert opened.link_type == LINK_GENEVE
    opened.close()


def test_what_the_kernel_drops_is_counted() -> None:
    opened, kept = TunnelSocket(Source(kind="vxlan_socket", listen_address="127.0.0.1:0", buffer_bytes=65536)), Kept()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(500):
            sender.sendto(VXLAN + segment(1000, 1400), opened.address)
        while opened.receive(kept):
            pass
        sender.sendto(VXLAN + segment(1000), opened.address)
    before = len(kept.frames)
    read_until(lambda: opened.receive(kept), lambda: len(kept.frames) == before + 1)
    stats = opened.stats()
    assert stats.dropped > 0
    assert (len(kept.frames) + stats.dropped, stats.received) == (501, 501)
    opened.close()


def test_an_address_that_is_not_ours_is_told() -> None:
    with pytest.raises(EnvironmentFault, match=r"192\.0\.2\.1:4789: cannot listen there"):
        TunnelSocket(Source(kind="vxlan_socket", listen_address="192.0.2.1:4789"))
