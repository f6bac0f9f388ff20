"""IP datagrams from their fragments: the slow road, in Python, because fragments are rare.

The first copy of each byte stays. Receivers differ where copies disagree (RFC 5722 has IPv6 receivers drop such a
datagram, and Linux drops it for IPv4 too since 4.19), but none of today lets the later copy win, so the first is what a
server may have read. Bounded by datagrams in progress, each by the 64 KiB an offset can reach; the oldest goes first, and
after 30 seconds of packet time (RFC 791 suggests 15, RFC 8200 allows 60). The number of pieces is not bounded: a request
in pieces of 8 bytes is whole too.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

TIMEOUT_NS: Final = 30_000_000_000
REPEAT_NS: Final = (
    10_000_000  # a mirror's second copy of a piece comes within this time; an identifier is not used again so soon
)
IPV6_FRAGMENT: Final = 44
IPV6_EXTENSIONS: Final = (0, 43, 60, 135)
LARGEST: Final = 65535  # of a datagram (RFC 791, RFC 8200)
UNIT: Final = 8  # offsets count units of 8 bytes

Key = tuple[bytes, bytes, int, int, int]


@dataclass(frozen=True, slots=True)
class _Piece:
    """One fragment: ``head`` is the header in front of a whole datagram, ``protocol`` what the datagram carries."""

    key: Key
    head: bytes
    protocol: int
    offset: int
    is_last: bool
    data: bytes


@dataclass(slots=True)
class _Datagram:
    """A datagram in progress: its bytes, a flag for each unit that is there; ``total`` is known once the last piece came."""

    time_ns: int
    pieces: int = 0
    data: bytearray = field(default_factory=bytearray)
    units: bytearray = field(default_factory=bytearray)
    total: int = -1
    head: bytes = b""
    protocol: int = 0

    def add(self, piece: _Piece) -> None:
        self.pieces += 1
        self._fill(piece.offset, piece.data)
        if piece.is_last and self.total < 0:
            self.total = piece.offset + len(piece.data)
        if piece.offset == 0 and not self.head:
            self.head, self.protocol = piece.head, piece.protocol

    def whole(self) -> bytes | None:
        """Return the datagram, with a header that no longer calls it a fragment, when no byte of it is missing."""
        if self.total < 0 or not self.head:
            return None
        count = -(-self.total // UNIT)
        if len(self.units) < count or self.units.find(0, 0, count) >= 0:
            return None
        return _with_header(self.head, self.protocol, bytes(self.data[: self.total]))

    def _fill(self, offset: int, data: bytes) -> None:
        first, end = offset // UNIT, -(-(offset + len(data)) // UNIT)
        if len(self.data) < offset + len(data):
            self.data.extend(bytes(offset + len(data) - len(self.data)))
            self.units.extend(bytes(end - len(self.units)))
        if self.units.find(1, first, end) < 0:
            self.data[offset : offset + len(data)] = data
            self.units[first:end] = b"\1" * (end - first)
            return
        for unit in range(first, end):
            if not self.units[unit]:
                at = unit * UNIT
                part = data[at - offset : at - offset + UNIT]
                self.data[at : at + len(part)] = part
                self.units[unit] = 1


class FragmentJoiner:
    """Joins fragments of one source's IP datagrams.

    Each piece given to `add` ends in exactly one place: it completes a datagram, or it is counted in ``joined`` (part of a
    datagram that was completed, or a copy of such a part) or in ``lost``, or it waits and is counted in ``held``.
    """

    def __init__(self, limit: int = 1024) -> None:
        self._limit = limit
        self._datagrams: OrderedDict[Key, _Datagram] = OrderedDict()
        self._finished: OrderedDict[Key, int] = OrderedDict()
        self.incomplete = 0  # datagrams given up
        self.joined = 0
        self.lost = 0
        self.held = 0

    def add(self, packet: bytes, time_ns: int, tags: int = 0) -> bytes | None:
        """Take *packet* (from its IP header on); return the whole datagram when this was its last missing piece.

        Pieces with other *tags* (VLANs, VNI) belong to other datagrams.
        """
        self._expire(time_ns)
        piece = _read_ipv4(packet, tags) if packet[:1] and packet[0] >> 4 == 4 else _read_ipv6(packet, tags)
        if piece is None:
            self.lost += 1
            return None
        finished_ns = self._finished.get(piece.key)
        if finished_ns is not None and abs(time_ns - finished_ns) < REPEAT_NS and piece.key not in self._datagrams:
            self.joined += 1
            return None
        datagram = self._datagrams.get(piece.key) or self._open(piece.key, time_ns)
        datagram.add(piece)
        self.held += 1
        whole = datagram.whole()
        if whole is not None:
            del self._datagrams[piece.key]
            self._finish(piece.key, time_ns)
            self.held -= datagram.pieces
            self.joined += datagram.pieces - 1
        return whole

    def clear(self) -> None:
        """Give up all that waits: no more pieces come."""
        while self._datagrams:
            self._give_up()
        self._finished.clear()

    def _open(self, key: Key, time_ns: int) -> _Datagram:
        if len(self._datagrams) >= self._limit:
            self._give_up()
        datagram = self._datagrams[key] = _Datagram(time_ns)
        return datagram

    def _finish(self, key: Key, time_ns: int) -> None:
        self._finished[key] = time_ns
        self._finished.move_to_end(key)
        if len(self._finished) > self._limit:
            self._finished.popitem(last=False)

    def _give_up(self) -> None:
        _, datagram = self._datagrams.popitem(last=False)
        self.incomplete += 1
        self.held -= datagram.pieces
        self.lost += datagram.pieces

    def _expire(self, now_ns: int) -> None:
        while self._datagrams:
            oldest = next(iter(self._datagrams.values()))
            if now_ns - oldest.time_ns < TIMEOUT_NS:
                return
            self._give_up()


def _read_ipv4(packet: bytes, tags: int) -> _Piece | None:
    """Return the piece; None where a header is cut or says what cannot be (RFC 791, section 3.1)."""
    if len(packet) < 20:
        return None
    head_length, length = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big")
    data = packet[head_length : length or len(packet)]
    field_ = int.from_bytes(packet[6:8], "big")
    key = (packet[12:16], packet[16:20], int.from_bytes(packet[4:6], "big"), packet[9], tags)
    return _checked(_Piece(key, packet[:head_length], packet[9], (field_ & 0x1FFF) * UNIT, not field_ & 0x2000, data))


def _read_ipv6(packet: bytes, tags: int) -> _Piece | None:
    """Return the piece; None where a header is cut, unknown or says what cannot be (RFC 8200, section 4.5)."""
    if len(packet) < 48:
        return None
    end = 40 + int.from_bytes(packet[4:6], "big")
    following, at = packet[6], 40
    while following != IPV6_FRAGMENT:
        if following not in IPV6_EXTENSIONS or at + 8 > len(packet):
            return None
        following, at = packet[at], at + (packet[at + 1] + 1) * 8
    if at + 8 > len(packet):
        return None
    field_, data = int.from_bytes(packet[at + 2 : at + 4], "big"), packet[at + 8 : end]
    key = (packet[8:24], packet[24:40], int.from_bytes(packet[at + 4 : at + 8], "big"), 0, tags)
    return _checked(_Piece(key, packet[:40], packet[at], field_ & 0xFFF8, not field_ & 1, data))


def _checked(piece: _Piece) -> _Piece | None:
    """Return *piece* if it has bytes, whole units of them unless it is the last, and ends within the largest datagram."""
    if not piece.data or (not piece.is_last and len(piece.data) % UNIT) or piece.offset + len(piece.data) > LARGEST:
        return None
    return piece


def _with_header(head: bytes, protocol: int, payload: bytes) -> bytes:
    """Return the datagram. Longer than its length field can say, the field is 0: then the end of the bytes counts."""
    out = bytearray(head)
    if out[0] >> 4 == 4:
        length = len(out) + len(payload)
        out[2:4] = (length if length <= LARGEST else 0).to_bytes(2, "big")
        out[6:8] = b"\0\0"
    else:
        out[4:6] = len(payload).to_bytes(2, "big")
        out[6] = protocol
    return bytes(out) + payload
