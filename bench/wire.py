"""Frames of made-up connections, the same in every run."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

import dpkt

MSS: Final = 1448
STEP_NS: Final = 50_000
EPOCH_NS: Final = 1_700_000_000 * 10**9
ETHERNET: Final = b"\x02\0\0\0\0\2\x02\0\0\0\0\1\x08\0"
ADDRESSES: Final = (b"\x0a\x01\0\1", b"\x0a\x01\0\2")
FIN, SYN, PSH, ACK = 1, 2, 8, 16


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


def _checksum(data: bytes) -> bytes:
    value: int = dpkt.in_cksum(data)
    return value.to_bytes(2, "big")
