"""Engines on a real interface: every frame once, with its tag and time; filters, drops, and interfaces that vanish."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.network import Namespace, missing, network, run
from tcpmirror.capture.packet_socket import ETH_P_ALL, RawSource, RingSource
from tcpmirror.capture.pcap_source import LiveSource
from tcpmirror.capture.sources import open_live
from tcpmirror.errors import EnvironmentFault
from tcpmirror.settings.tree import Source
from tests.capture.frames import Kept, read_until, segment

pytestmark = [pytest.mark.live, pytest.mark.skipif(bool(missing()), reason=missing() or "-")]
ENGINES = {"af_packet": RingSource, "raw_socket": RawSource}
TAGGED = ("libpcap", "af_packet", "raw_socket")


@contextlib.contextmanager
def wire(mtu: int = 9000) -> Iterator[tuple[Namespace, socket.socket]]:
    """Yield a namespace with `mon0`, which the calling thread is in, and a socket whose frames arrive on it."""
    with network() as net:
        sensor, peer = net.namespace("sensor"), net.namespace("peer")
        net.cable((sensor, "mon0"), (peer, "out"), mtu)
        with peer.entered():
            sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            sender.bind(("out", ETH_P_ALL))
        with sender, sensor.entered():
            yield sensor, sender


def tagged(frame: bytes, *ids: int) -> bytes:
    return frame[:12] + b"".join(struct.pack("!HH", 0x8100, number) for number in ids) + frame[12:]


@pytest.mark.parametrize("engine", ENGINES)
def test_every_frame_comes_once_whole_and_in_order(engine: str) -> None:
    with wire() as (_, sender):
        opened, kept = open_live(Source(interface="mon0", engine=engine, buffer_bytes=8 << 20)), Kept()
        assert isinstance(opened, ENGINES[engine])
        frames = [segment(1000 + number, 10 + number * 7) for number in range(1000)]
        for frame in frames:
            sender.send(frame)
        read_until(lambda: opened.receive(kept), lambda: len(kept.with_ports(1999)) == 1)
        assert [each.frame for each in kept.frames if b"\0\x50" in each.frame[34:38]] == frames
        assert {each.link_type for each in kept.frames} == {1}
        assert kept.frames[0].time_ns > 10**18
        assert opened.stats().dropped == 0
        assert opened.stats().received >= 1000
        opened.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_tag_that_the_kernel_takes_off_is_not_lost(engine: str) -> None:
    with wire() as (_, sender):
        opened, kept = open_live(Source(interface="mon0", engine=engine)), Kept()
        sender.send(tagged(segment(1001), 42))
        sender.send(tagged(segment(1002), 100, 42))
        sender.send(segment(1003))
        read_until(lambda: opened.receive(kept), lambda: len(kept.with_ports(1001, 1002, 1003)) == 3)
        seen = kept.with_ports(1001, 1002, 1003)
        assert [each.vlan for each in seen] == [42, 100, 0]
        assert [each.frame[12:14] for each in seen] == [b"\x08\0", b"\x81\0", b"\x08\0"]
        opened.close()


FILTERS = {
    "ports": ({"ports": (80,)}, {1001, 1002, 1003}),
    "own filter": ({"bpf": "src port 1001"}, {1001}),
    "own filter by tag": ({"bpf": "vlan 42 and tcp"}, {1002}),
    "own filter by the inner of two tags": ({"bpf": "vlan 100 and vlan 43"}, {1003}),
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("engine", TAGGED)
def test_the_kernel_runs_the_filter_on_tagged_frames_too(engine: str, name: str) -> None:
    chosen, expected = FILTERS[name]
    with wire() as (_, sender):
        opened, kept = open_live(Source(interface="mon0", engine=engine, **chosen)), Kept()
        last = max(expected)
        for frame in (
            segment(1001),
            tagged(segment(1002), 42),
            tagged(segment(1003), 100, 43),
            segment(1004)[:36] + b"\0\x51",
        ):
            sender.send(frame)
        sender.send(
            tagged(segment(last), 42) if last == 1002 else tagged(segment(last), 100, 43) if last == 1003 else segment(last)
        )
        read_until(lambda: opened.receive(kept), lambda: len(kept.with_ports(last)) == 2)
        assert {port for port in range(1001, 1005) if kept.with_ports(port)} == expected
        opened.close()


def test_what_the_ring_cannot_hold_is_counted_as_dropped() -> None:
    with wire() as (_, sender):
        opened, kept = RingSource(Source(interface="mon0", engine="af_packet", buffer_bytes=2 << 20)), Kept()
        for _ in range(1000):
            sender.send(segment(1001, 8000))

        def is_balanced() -> bool:  # a frame that the kernel sent itself may still lie in a block that is not full
            stats = opened.stats()
            return stats.dropped > 0 and len(kept.frames) + stats.dropped == stats.received

        read_until(lambda: opened.receive(kept), is_balanced)
        sender.send(segment(1002))
        read_until(lambda: opened.receive(kept), lambda: len(kept.with_ports(1002)) == 1)
        opened.close()


def test_sources_with_fanout_share_the_flows_of_an_interface() -> None:
    with wire() as (_, sender):
        source = Source(interface="mon0", engine="af_packet", fanout=True)
        opened, kept = [RingSource(source) for _ in range(2)], [Kept(), Kept()]
        ports = range(1001, 1101)
        for port in (*ports, *ports):
            sender.send(segment(port))

        def receive() -> None:
            for ring, into in zip(opened, kept, strict=True):
                ring.receive(into)

        read_until(receive, lambda: sum(len(into.with_ports(*ports)) for into in kept) == 200)
        counts = [[len(into.with_ports(port)) for port in ports] for into in kept]
        assert all(sorted(pair) == [0, 2] for pair in zip(*counts, strict=True))
        assert min(map(sum, counts)) > 20
        for ring in opened:
            ring.close()


def test_loopback_frames_come_once() -> None:
    for engine in ENGINES:
        with network() as net, net.namespace("sensor").entered():
            opened, kept = open_live(Source(interface="lo", engine=engine)), Kept()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"once", ("127.0.0.1", 9))
            read_until(lambda: opened.receive(kept), lambda: any(b"once" in each.frame for each in kept.frames))
            for _ in range(3):
                opened.receive(kept)
            assert sum(each.frame.endswith(b"once") and each.frame[23] == socket.IPPROTO_UDP for each in kept.frames) == 1
            opened.close()


def test_any_takes_frames_of_every_interface() -> None:
    with wire() as (_, sender):
        opened, kept = open_live(Source(interface="any", engine="af_packet", ports=(80,))), Kept()
        sender.send(tagged(segment(1001), 42))
        read_until(lambda: opened.receive(kept), lambda: len(kept.with_ports(1001)) == 1)
        opened.close()


@pytest.mark.parametrize("engine", TAGGED)
@pytest.mark.parametrize("ports", [(), (80,)], ids=["no filter", "a filter"])
def test_ignored_interfaces_are_left_out_of_any(engine: str, ports: tuple[int, ...]) -> None:
    with wire() as (sensor, sender):
        run("ip", "-n", sensor.name, "link", "add", "left", "type", "veth", "peer", "name", "right")
        for name in ("left", "right"):
            run("ip", "-n", sensor.name, "link", "set", name, "up")
        opened = open_live(Source(interface="any", engine=engine, ports=ports, ignore_interfaces=("left", "right", "later")))
        kept = Kept()
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as other:
            other.bind(("left", ETH_P_ALL))
            other.send(segment(1001))
        run("ip", "-n", sensor.name, "link", "set", "left", "down")
        run("ip", "-n", sensor.name, "link", "set", "left", "name", "later")
        opened.stats()
        run("ip", "-n", sensor.name, "link", "set", "later", "up")
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as other:
            other.bind(("later", ETH_P_ALL))
            other.send(segment(1001))
        sender.send(segment(1002))
        read_until(lambda: opened.receive(kept), lambda: len(kept.with_ports(1002)) == 1)
        assert kept.with_ports(1001) == []
        opened.close()


@pytest.mark.parametrize("engine", TAGGED)
def test_an_interface_that_vanishes_is_told_and_can_be_opened_again(engine: str) -> None:
    with wire() as (sensor, _):
        source, kept = Source(interface="mon0", engine=engine, buffer_bytes=4 << 20), Kept()
        opened = open_live(source)
        run("ip", "-n", sensor.name, "link", "delete", "mon0")
        with pytest.raises(OSError, match="mon0"):
            read_until(lambda: opened.receive(kept), lambda: False)
        opened.close()
        with contextlib.suppress(EnvironmentFault):
            open_live(source)
        run("ip", "-n", sensor.name, "link", "add", "mon0", "type", "veth", "peer", "name", "out2")
        for name in ("mon0", "out2"):
            run("ip", "-n", sensor.name, "link", "set", name, "up")
        again = open_live(source)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
            sender.bind(("out2", ETH_P_ALL))
            sender.send(segment(1001))
            read_until(lambda: again.receive(kept), lambda: len(kept.with_ports(1001)) == 1)
        again.close()


@pytest.mark.skipif(not Path("/dev/net/tun").exists(), reason="no tun device")
@pytest.mark.parametrize("engine", ENGINES)
def test_an_interface_without_ethernet_gives_ip_packets(engine: str) -> None:
    with network() as net:
        sensor = net.namespace("sensor")
        run("ip", "-n", sensor.name, "tuntap", "add", "dev", "tun0", "mode", "tun")
        run("ip", "-n", sensor.name, "address", "add", "10.77.0.1/24", "dev", "tun0")
        run("ip", "-n", sensor.name, "link", "set", "tun0", "up")
        with sensor.entered():
            opened = open_live(Source(interface="tun0", engine=engine, ports=(80,)))
            assert opened.link_type == 12
            opened.close()


def test_an_interface_that_does_not_exist_is_told() -> None:
    for engine in ENGINES:
        with pytest.raises(EnvironmentFault, match="'nosuch0' does not exist"):
            open_live(Source(interface="nosuch0", engine=engine))


def test_libpcap_stays_the_engine_without_a_choice() -> None:
    with wire():
        opened = open_live(Source(interface="mon0"))
        assert isinstance(opened, LiveSource)
        opened.close()


@pytest.mark.parametrize("engine", TAGGED)
@pytest.mark.parametrize("ports", [(), (80,)], ids=["no filter", "a filter"])
def test_the_longest_packet_is_whole_unless_a_snap_length_cuts_it(engine: str, ports: tuple[int, ...]) -> None:
    longest = segment(1001, 65535 - 40)
    for snaplen, expected in ((65535, longest), (1000, longest[:1000])):
        with wire(65535) as (_, sender):
            opened, kept = open_live(Source(interface="mon0", engine=engine, ports=ports, snaplen=snaplen)), Kept()
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            sender.send(longest)
            read_until(lambda: opened.receive(kept), lambda: len(kept.with_ports(1001)) == 1)
            assert kept.with_ports(1001)[0].frame == expected
            opened.close()


@pytest.mark.alone
@pytest.mark.parametrize("engine", TAGGED)
def test_a_lone_frame_on_a_quiet_wire_is_not_kept_back(engine: str) -> None:
    """The kernel hands over a block of frames when it is full or 100 ms old at most; a frame by itself waits no longer than that."""
    with wire() as (_, sender):
        opened = open_live(Source(interface="mon0", engine=engine, buffer_bytes=8 << 20))
        waits = []
        for number in range(5):
            quiet = Kept()
            while opened.receive(quiet):
                pass
            kept, sent = Kept(), time.monotonic()
            sender.send(segment(3000 + number, 10))
            read_until(lambda: opened.receive(kept), lambda: bool(kept.with_ports(3000 + number)))
            waits.append(time.monotonic() - sent)
        opened.close()
        assert sorted(waits)[2] < 0.2, waits
