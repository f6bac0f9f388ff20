"""IP datagrams from their fragments: the slow road, through dpkt, because fragments are rare and their headers vary.

The first copy of each byte stays (as Linux and most receivers of today do, RFC 5722 forbids overlaps for IPv6). Bounded by
datagrams in
progress and by bytes; the oldest goes first, and after 30 seconds of packet time (RFC 791 suggests 15, RFC 8200 allows 60).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

import dpkt

TIMEOUT_NS: Final = 30_000_000_000
MAX_PIECES: Final = 128  # 64 KiB in pieces of 512 bytes
IPV6_FRAGMENT: Final = 44

Key = tuple[bytes, bytes, int, int]


@dataclass(slots=True)
class _Datagram:
    """Pieces by offset; ``total`` is known once the last fragment came; ``head`` is the header in front of the first."""

    time_ns: int
    pieces: dict[int, bytes] = field(default_factory=dict)
    total: int = -1
    head: bytes = b""
    protocol: int = 0


class FragmentJoiner:
    """Joins fragments of one source's IP datagrams."""

    def __init__(self, limit: int = 1024) -> None:
        self._limit = limit
        self._datagrams: OrderedDict[Key, _Datagram] = OrderedDict()
        self.incomplete = 0  # datagrams given up
        self.given_up = 0  # pieces that came to nothing: of those datagrams, second copies, malformed ones
        self.held = 0  # pieces that wait for the others
        self.joined = 0  # pieces of datagrams that became whole, the last one of each not counted

    def add(self, packet: bytes, time_ns: int) -> bytes | None:
        """Take *packet* (from its IP header on); return the whole datagram when this was its last missing piece."""
        self._expire(time_ns)
        self.given_up += 1  # unless it is found to be of use
        try:
            parsed = _read_ipv4(packet) if packet[:1] and packet[0] >> 4 == 4 else _read_ipv6(packet)
        except (dpkt.UnpackError, IndexError, ValueError, KeyError):
            return None  # dpkt leaks these on cut headers
        if parsed is None:
            return None
        key, head, protocol, offset, is_last, data = parsed
        datagram = self._datagrams.get(key)
        if datagram is None:
            datagram = self._open(key, time_ns)
        if offset not in datagram.pieces and len(datagram.pieces) < MAX_PIECES:
            datagram.pieces[offset] = data
            self.given_up -= 1
            self.held += 1
        if is_last and datagram.total < 0:
            datagram.total = offset + len(data)
        if offset == 0:
            datagram.head, datagram.protocol = head, protocol
        whole = _join(datagram)
        if whole is None:
            return None
        del self._datagrams[key]
        rebuilt = _with_header(datagram, whole)
        if rebuilt is None:
            self._give_up(datagram)
            return None
        self.held -= len(datagram.pieces)
        self.joined += len(datagram.pieces) - 1
        return rebuilt

    def give_up_all(self) -> None:
        """Let go of what is held: its source has ended."""
        while self._datagrams:
            self._give_up(self._datagrams.popitem(last=False)[1])

    def _give_up(self, datagram: _Datagram) -> None:
        self.incomplete += 1
        self.held -= len(datagram.pieces)
        self.given_up += len(datagram.pieces)

    def _open(self, key: Key, time_ns: int) -> _Datagram:
        if len(self._datagrams) >= self._limit:
            self._give_up(self._datagrams.popitem(last=False)[1])
        datagram = self._datagrams[key] = _Datagram(time_ns)
        return datagram

    def _expire(self, now_ns: int) -> None:
        while self._datagrams:
            oldest = next(iter(self._datagrams.values()))
            if now_ns - oldest.time_ns < TIMEOUT_NS:
                return
            self._give_up(self._datagrams.popitem(last=False)[1])


_Parsed = tuple[Key, bytes, int, int, bool, bytes]


def _read_ipv4(packet: bytes) -> _Parsed | None:
    ip = dpkt.ip.IP(packet)
    header_length = ip.hl * 4
    data = packet[header_length : ip.len] if ip.len else packet[header_length:]
    is_last = not packet[6] & 0x20
    if not data or (not is_last and len(data) % 8):
        return None
    key = (bytes(ip.src), bytes(ip.dst), ip.id, ip.p)
    offset = (int.from_bytes(packet[6:8], "big") & 0x1FFF) * 8
    return key, packet[:header_length], ip.p, offset, is_last, data


def _read_ipv6(packet: bytes) -> _Parsed | None:
    ip = dpkt.ip6.IP6(packet)
    end = 40 + ip.plen if ip.plen else len(packet)
    following, at = packet[6], 40
    while following != IPV6_FRAGMENT:
        if following not in (0, 43, 60, 135):
            return None
        following, at = packet[at], at + (packet[at + 1] + 1) * 8
    field_, data = int.from_bytes(packet[at + 2 : at + 4], "big"), packet[at + 8 : end]
    is_last = not field_ & 1
    if not data or (not is_last and len(data) % 8):
        return None
    key = (bytes(ip.src), bytes(ip.dst), int.from_bytes(packet[at + 4 : at + 8], "big"), 6)
    return key, packet[:40], packet[at], field_ & 0xFFF8, is_last, data


def _join(datagram: _Datagram) -> bytes | None:
    """Return the payload when no byte of it is missing; where pieces overlap the one that begins earlier stays."""
    if datagram.total < 0 or not datagram.head:
        return None
    out = bytearray()
    for offset in sorted(datagram.pieces):
        if offset > len(out):
            return None
        out += datagram.pieces[offset][len(out) - offset :]
    return bytes(out[: datagram.total]) if len(out) >= datagram.total else None


def _with_header(datagram: _Datagram, payload: bytes) -> bytes | None:
    """Return the datagram with a header that no longer calls it a fragment."""
    head = bytearray(datagram.head)
    if head[0] >> 4 == 4:
        if len(head) + len(payload) > 65535:
            return None
        head[2:4] = (len(head) + len(payload)).to_bytes(2, "big")
        head[6:8] = b"\0\0"
    else:
        if len(payload) > 65535:
            return None
        head[4:6] = len(payload).to_bytes(2, "big")
        head[6] = datagram.protocol
    return bytes(head) + payload
