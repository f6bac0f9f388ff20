"""Captures made from another: the same exchanges behind an encapsulation, or with connections around them that say nothing.

The frames come from a real capture; what is put before them follows RFC 7348 (VXLAN) and IEEE 802.1Q.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import dpkt

from bench.traffic import FORMAT, Capture, kept

IDLE: Final = 100_000  # connections of the kind `h` at SCALE=1
VXLAN_PORT: Final = 4789
_IPV4_AT: Final = 14
_PORTS: Final = 50_000  # client ports that an idle address uses

Wrap = Callable[[bytes], bytes]


def tagged(frame: bytes) -> bytes:
    """Return the Ethernet *frame* with an 802.1Q tag, VLAN 42."""
    return frame[:12] + b"\x81\x00\x00\x2a" + frame[12:]


def tunnelled(frame: bytes) -> bytes:
    """Return the Ethernet *frame* in VXLAN, VNI 4711, between two tunnel end points."""
    vxlan = b"\x08\x00\x00\x00" + (4711 << 8).to_bytes(4, "big") + frame
    udp = struct.pack("!HHHH", 49152, VXLAN_PORT, 8 + len(vxlan), 0) + vxlan
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0x4000, 64, 17, 0, b"\x0a\x5c\0\1", b"\x0a\x5c\0\2")
    checksum: int = dpkt.in_cksum(head)
    head = head[:10] + checksum.to_bytes(2, "big") + head[12:]
    return b"\x02\0\0\0\0\2\x02\0\0\0\0\1\x08\0" + head + udp


ENCAPSULATIONS: Final[dict[str, tuple[str, Wrap]]] = {
    "e": ("a in VXLAN", tunnelled),
    "f": ("a with VLAN tags", tagged),
}


def encapsulated(name: str, source: Capture) -> Capture:
    """Return the capture *source* with each frame behind the encapsulation *name* of ENCAPSULATIONS."""
    wrap = ENCAPSULATIONS[name][1]
    path = beside(source, name)

    def make() -> Capture:
        with path.open("wb") as file:
            writer = dpkt.pcap.Writer(file, snaplen=65535)
            for time_s, frame in frames(source):
                writer.writepkt(wrap(frame), time_s)
        return described(source, path, name, source.packets)

    return kept(path, make)


def with_idle(source: Capture, connections: int) -> Capture:
    """Return *source* after the handshakes of so many connections on which nothing else is ever said."""
    path = beside(source, "h", f"-{connections}")

    def make() -> Capture:
        records = list(frames(source))
        start = records[0][0]
        opening = [frame for _, frame in records[:3]]
        with path.open("wb") as file:
            writer = dpkt.pcap.Writer(file, snaplen=65535)
            for number in range(connections):
                for place, frame in enumerate(opening):
                    writer.writepkt(moved(frame, number), start - 1.0 + number / connections + place * 1e-7)
            for time_s, frame in records:
                writer.writepkt(frame, time_s)
        return described(source, path, "h", source.packets + 3 * connections)

    return kept(path, make)


def moved(frame: bytes, number: int) -> bytes:
    """Return a frame of a handshake as of another client: address and port count up with *number*."""
    packet = bytearray(frame)
    tcp_at = _IPV4_AT + 4 * (packet[_IPV4_AT] & 15)
    from_server = packet[tcp_at : tcp_at + 2] == b"\0\x50"
    address_at, port_at = (_IPV4_AT + 16, tcp_at + 2) if from_server else (_IPV4_AT + 12, tcp_at)
    packet[address_at : address_at + 4] = bytes((10, 92, number // _PORTS >> 8, number // _PORTS & 255))
    packet[port_at : port_at + 2] = (10_000 + number % _PORTS).to_bytes(2, "big")
    ethernet: Any = dpkt.ethernet.Ethernet(bytes(packet))
    ethernet.data.sum = 0  # dpkt computes a checksum that is 0
    ethernet.data.data.sum = 0
    return bytes(ethernet)


def frames(source: Capture) -> Iterator[tuple[float, bytes]]:
    """Yield time in seconds and bytes of each frame of *source*."""
    with Path(source.path).open("rb") as file:
        yield from dpkt.pcap.Reader(file)


def beside(source: Capture, name: str, note: str = "") -> Path:
    return Path(source.path).with_name(f"{name}-{source.exchanges}{note}.pcap")


def described(source: Capture, path: Path, name: str, packets: int) -> Capture:
    """Return what a file with *source*'s exchanges in it holds."""
    return dataclasses.replace(source, path=str(path), format=FORMAT, kind=name, packets=packets, bytes=path.stat().st_size)
