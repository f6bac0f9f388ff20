"""Segments of a few connections out of records of eight bytes, and what a flow table must make of them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from tcpmirror.reassembly.flow_table import FlowTable
from tcpmirror.reassembly.transcript import Transcript, TranscriptFactory

RECORD: Final = 8
FIN, SYN, RST, ACK, URG = 1, 2, 4, 16, 32
CLIENT, SERVER = b"\x0a\0\0\1", b"\x0a\0\0\2"
MS: Final = 1_000_000
STARTS: Final = (1000, 0, 2**31 - 300, 2**32 - 300)
LIMITS: Final = {
    "memory_limit": 24_000, "flow_limit": 3, "idle_ns": 30_000 * MS, "half_open_ns": 3000 * MS, "closing_ns": 200 * MS,
    "reorder_bytes": 4000, "reorder_segments": 6,
}  # fmt: skip
BACK: Final = 300  # positions begin so far before the first byte, to have numbers before the ISN too
STREAMS: Final = tuple(random.Random(side).randbytes(70_000) for side in (0, 1))  # what each side says, by position
BELIED: Final = tuple(bytes(byte ^ 0x55 for byte in stream) for stream in STREAMS)  # what a liar says in its place


@dataclass(frozen=True)
class Record:
    """``side``; TCP ``flags``; ``at``: position of the first byte; ``size``; ``ack``: position or None; ``after_ms``; ``port``;
    ``missing``: bytes the capture cut off; ``lies``: other bytes than the stream has there."""

    side: int
    flags: int
    at: int
    size: int
    ack: int | None
    after_ms: int
    port: int
    missing: int
    lies: bool

    @classmethod
    def of(cls, raw: bytes) -> Record:
        first, rest = raw[0], raw[7]
        flags = (SYN if first & 2 else 0) | (FIN if first & 4 else 0) | (RST if first & 8 and first & 16 else 0)
        return cls(
            side=first & 1,
            flags=flags | (ACK if first & 32 else 0),
            at=(raw[1] << 8 | raw[2]) % 60_000,
            size=raw[3] * (1 if first & 64 else 9),
            ack=(raw[4] << 8 | raw[5]) if first & 32 else None,
            after_ms=(raw[6] & 15) ** 4,
            port=4000 + (rest & 3),
            missing=(rest >> 2 & 7) * 10,
            lies=first & 128 != 0 and rest & 32 != 0,
        )

    def raw(self) -> bytes:
        first = self.side | 64 | (2 if self.flags & SYN else 0) | (4 if self.flags & FIN else 0)
        first |= (24 if self.flags & RST else 0) | (32 if self.ack is not None else 0) | (128 if self.lies else 0)
        last = self.port - 4000 | self.missing // 10 << 2 | (32 if self.lies else 0)
        return bytes((first, self.at >> 8, self.at & 255, self.size, *divmod(self.ack or 0, 256), 1, last))


def reassemble(data: bytes) -> None:
    """Every byte that came in is in one counter at any time; what is held keeps to its limit; each delivered byte is the one that
    the stream has at that position, a gap moves on by its length; after the end nothing is held."""
    factory = TranscriptFactory()
    table = FlowTable(factory, **LIMITS)
    start, now, came, has_lies = STARTS[(data[0] if data else 0) % 4], 1000 * MS, 0, False
    for at in range(1, len(data) - RECORD + 1, RECORD):
        record = Record.of(data[at : at + RECORD])
        now += record.after_ms * MS
        came += record.size
        has_lies |= record.lies
        _feed(table, record, start, now)
        if data[at + 6] & 16:
            table.advance(now)
        _check(table, came)
        assert table.held_bytes <= LIMITS["memory_limit"]
    table.end_all()
    _check(table, came)
    assert table.reorder_held_bytes == table.held_bytes == table.flows == 0
    if not has_lies:
        for transcript in factory.opened:
            _check_streams(transcript)


def _feed(table: FlowTable, record: Record, start: int, now: int) -> None:
    stream = (BELIED if record.lies else STREAMS)[record.side]
    ends = [(CLIENT, record.port), (SERVER, 80)]
    (src, sport), (dst, dport) = ends[record.side], ends[1 - record.side]
    seq = (start + record.at - BACK) % 2**32
    ack = (start + record.ack - BACK) % 2**32 if record.ack is not None else 0
    first = record.at + (record.flags & SYN != 0)  # SYN takes a number and no byte
    payload = stream[first : first + record.size]
    table.feed(src, sport, dst, dport, seq, ack, record.flags, payload, now, record.missing, flow_hash=record.port)


def _check(table: FlowTable, came: int) -> None:
    ends = (
        table.stream_bytes, table.retransmitted_bytes, table.ignored_bytes, table.reorder_held_bytes, table.abandoned_bytes
    )  # fmt: skip
    assert came == sum(ends), ("bytes", came, ends)


def _check_streams(transcript: Transcript) -> None:
    for side in (0, 1):
        sender = side if transcript.flow.client_ip == CLIENT else 1 - side
        seen = transcript.stream(side)
        assert not seen or is_at_some_place(seen, _gaps(transcript, side), STREAMS[sender]), (side, len(seen))


def _gaps(transcript: Transcript, side: int) -> list[tuple[int, int]]:
    """Return (first, end) of the parts of `stream` that are bytes and no gap."""
    parts, at = [], 0
    for what, which, value in transcript.events:
        if which == side and what in ("data", "gap"):
            size = len(value) if isinstance(value, bytes) else value
            if what == "data":
                parts.append((at, at + size))
            at += size
    return parts


def is_at_some_place(seen: bytes, parts: list[tuple[int, int]], stream: bytes) -> bool:
    """Whether there is a position in *stream* from which on all *parts* of *seen* are what it says."""
    longest = max(parts, key=lambda part: part[1] - part[0], default=(0, 0))
    at = stream.find(seen[slice(*longest)])
    while at >= 0:
        base = at - longest[0]
        if all(seen[first:end] == stream[base + first : base + end] for first, end in parts if base + first >= 0):
            return True
        at = stream.find(seen[slice(*longest)], at + 1)
    return False
