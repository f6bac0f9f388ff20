"""Digest: what a worker tells the exporter now and then about the mirror, and its bytes on the ring.

A record is whole rows of 56 bytes, little endian: i32 source, i32 VNI (-1: none), u16 VLAN, u16 inner VLAN (0: none),
u32 zero, then five u64 counts. Counts are what was added since the row before of the same origin.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

_ROW = struct.Struct("<iiHHI5Q")


@dataclass(frozen=True, slots=True)
class MirrorNews:
    """What was added for one origin; ``source``: index of the capture process, -1 for all origins beyond the limit."""

    source: int
    vlan: int
    inner_vlan: int
    vni: int
    seen_bytes: int
    lost_bytes: int
    flows: int
    one_sided_flows: int
    no_syn_flows: int


def encode_digest(rows: Iterable[MirrorNews]) -> bytes:
    """Return the bytes of *rows*; `decode_digest` is the inverse."""
    return b"".join(
        _ROW.pack(
            row.source,
            row.vni,
            row.vlan,
            row.inner_vlan,
            0,
            row.seen_bytes,
            row.lost_bytes,
            row.flows,
            row.one_sided_flows,
            row.no_syn_flows,
        )
        for row in rows
    )


def decode_digest(record: bytes) -> list[MirrorNews]:
    """Return the rows in *record*; ValueError if it is not whole rows."""
    if len(record) % _ROW.size:
        raise ValueError(f"{len(record)} bytes are no whole rows of a digest")
    return [
        MirrorNews(source, vlan, inner_vlan, vni, *counts)
        for source, vni, vlan, inner_vlan, _, *counts in _ROW.iter_unpack(record)
    ]
