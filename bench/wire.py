"""Frames of made-up connections, the same in every run."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

MSS: Final = 1448
STEP_NS: Final = 50_000
EPOCH_NS: Final = 1_700_000_000 * 10**9
ETHERNET: Final = b"\x02\0\0\0\0\2\x02\0\0\0\0\1\x08\0"
_IPV4_AT: Final = 14
_TCP_AT: Final = 34
ADDRESSES: Final = (b"\x0a\x01\0\1", b"\x0a\x01\0\2")
FIN, SYN, PSH, ACK = 1, 2, 8, 16
CLIENT_PORTS: Final = 60_000  # of one address that `moved` gives


def connection(turns: Iterable[tuple[int, bytes]], number: int) -> Iterator[tuple[int, bytes]]:
    """Yield (time_ns, Ethernet frame) of connection *number*: handshake, *turns* of (side, bytes), FINs. Side 0: client."""
    ports = (20_000 + number % 40_000, 80)
    sequence = [1000, 900_000]
    time_ns = EPOCH_NS + number * 10**9
    steps = [(0, SYN, b""), (1, SYN | ACK, b""), (0, ACK, b"")]
    for side, data in turns:
        steps += [(side, PSH | ACK, data[at : at + MSS]) for at in range(0, len(data), MSS)]
    for side, flags, payload in [*steps, (0, FIN | ACK, b""), (1, FIN | ACK, b""), (0, ACK, b"")]:
        time_ns += STEP_NS
        seen = sequence[1 - side] if flags & ACK else 0
        yield time_ns, frame(side, ports, sequence[side], seen, flags, payload)
        sequence[side] += len(payload) + bool(flags & (SYN | FIN))


def frame(side: int, ports: tuple[int, int], sequence: int, seen: int, flags: int, payload: bytes) -> bytes:
    """Return a frame with right checksums."""
    ends = ADDRESSES[side] + ADDRESSES[1 - side]
    tcp = struct.pack("!HHIIBBHHH", ports[side], ports[1 - side], sequence, seen, 0x50, flags, 65535, 0, 0) + payload
    tcp = tcp[:16] + _checksum(ends + struct.pack("!BBH", 0, 6, len(tcp)) + tcp) + tcp[18:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + ends
    return ETHERNET + head[:10] + _checksum(head) + head[12:] + tcp


def moved(packet: bytes, side: int, number: int) -> bytes:
    """Return a frame of `frame` as of client *number*: its address and port change, and both checksums (RFC 1624)."""
    at = _IPV4_AT + (12 if side == 0 else 16)
    port_at = _TCP_AT + (0 if side == 0 else 2)
    address, port = (0x0A << 24 | 0x20 << 16) + number // CLIENT_PORTS, 1024 + number % CLIENT_PORTS
    words = (
        (address >> 16) + (address & 0xFFFF) - int.from_bytes(packet[at : at + 2]) - int.from_bytes(packet[at + 2 : at + 4])
    )
    changed = bytearray(packet)
    changed[at : at + 4] = address.to_bytes(4)
    changed[port_at : port_at + 2] = port.to_bytes(2)
    _add(changed, _IPV4_AT + 10, words)
    _add(changed, _TCP_AT + 16, words + port - int.from_bytes(packet[port_at : port_at + 2]))
    return bytes(changed)


def _add(packet: bytearray, at: int, words: int) -> None:
    """Let the checksum at *at* tell of data whose 16-bit words sum up to so much more."""
    total = (0xFFFF - int.from_bytes(packet[at : at + 2]) + words) % 0xFFFF or 0xFFFF
    packet[at : at + 2] = (0xFFFF - total).to_bytes(2)


def _checksum(data: bytes) -> bytes:
    """Return the Internet checksum (RFC 1071) of *data*, not all zero: a sum of one's complement is one modulo 65535."""
    total = int.from_bytes(data + b"\0" * (len(data) % 2)) % 0xFFFF or 0xFFFF
    return (0xFFFF - total).to_bytes(2)
