"""Weaknesses: what was seen of one kind at one place, as values that merge.

Counts add up, times widen, marks unite, of the samples the earliest stays: merging is associative and commutative, so one
worker or eight, one sensor or many come to the same. A record of rows has an id, and who merges takes each id once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import orjson

from tcpmirror.model import rows
from tcpmirror.vulns.catalog import KINDS

MARKS: Final = 8  # kept: the smallest in order; more than any kind needs
ROWS: Final = 2_000  # of one record
TEXT: Final = 200  # characters of a name
SEGMENTS: Final = 32
EVIDENCE: Final = 512
_LARGEST: Final = 2**63 - 1

WeaknessKey = tuple[str, str, str, tuple[str, ...], str]


@dataclass(frozen=True, slots=True)
class Sample:
    """The exchange that showed it first; ``text``: what of it does, in words or as it was sent (latin-1)."""

    time_ns: int
    text: str
    client: str = ""
    server: str = ""
    status: int = 0


@dataclass(slots=True)
class Weakness:
    """``path``: segments, a value is ``{}``; ``subject``: the parameter, cookie, product or rule that it is about."""

    kind: str
    host: str
    method: str
    path: tuple[str, ...]
    subject: str
    count: int
    first_ns: int
    last_ns: int
    marks: frozenset[str]
    sample: Sample

    @property
    def key(self) -> WeaknessKey:
        return (self.kind, self.host, self.method, self.path, self.subject)

    @property
    def is_proven(self) -> bool:
        return len(self.marks) >= KINDS[self.kind].needed

    def merge(self, other: Weakness) -> None:
        self.count = min(self.count + other.count, _LARGEST)
        self.first_ns, self.last_ns = min(self.first_ns, other.first_ns), max(self.last_ns, other.last_ns)
        self.marks = kept_marks(self.marks | other.marks)
        self.sample = min(self.sample, other.sample, key=_order)

    def row(self) -> dict[str, Any]:
        sample = self.sample
        return {
            "kind": self.kind,
            "host": self.host,
            "method": self.method,
            "path": list(self.path),
            "subject": self.subject,
            "count": self.count,
            "first_ns": self.first_ns,
            "last_ns": self.last_ns,
            "marks": sorted(self.marks),
            "sample": [sample.time_ns, sample.text, sample.client, sample.server, sample.status],
        }


def _order(sample: Sample) -> tuple[int, str, str, str, int]:
    return (sample.time_ns, sample.client, sample.server, sample.text, sample.status)


def kept_marks(marks: frozenset[str]) -> frozenset[str]:
    return marks if len(marks) <= MARKS else frozenset(sorted(marks)[:MARKS])


def add(table: dict[WeaknessKey, Weakness], weakness: Weakness) -> None:
    """Merge *weakness* into *table*, which from then on owns it."""
    own = table.get(weakness.key)
    if own is None:
        table[weakness.key] = weakness
    else:
        own.merge(weakness)


def encode_weaknesses(record_id: str, found: Iterable[Weakness]) -> bytes:
    """Return the record of *found* under *record_id* (see `model.rows`); `decode_weaknesses` is the inverse."""
    return rows.encode_rows(record_id, map(wire_row, found))


def wire_row(weakness: Weakness) -> bytes:
    """Return *weakness* as the JSON of its row."""
    return orjson.dumps(_sound(weakness.row()))


def decode_weaknesses(record: bytes) -> tuple[str, list[Weakness]]:
    """Return (id, weaknesses) of *record*; ValueError if it is none. Its writer reads hostile traffic: all is checked."""
    record_id, found = rows.checked_rows(orjson.loads(record), ROWS)
    return record_id, [read_row(row) for row in found]


def read_row(row: Any) -> Weakness:
    """Return the weakness in *row*; ValueError names what is wrong with it."""
    try:
        kind = _text(row["kind"], "kind")
        if kind not in KINDS:
            raise ValueError(f"kind: {kind!r} is not known")
        time_ns, text, client, server, status = row["sample"]
        return Weakness(
            kind,
            _text(row["host"], "host"),
            _text(row["method"], "method"),
            tuple(_text(part, "path") for part in row["path"][:SEGMENTS]),
            _text(row["subject"], "subject"),
            _count(row["count"], "count"),
            _count(row["first_ns"], "first_ns"),
            _count(row["last_ns"], "last_ns"),
            kept_marks(frozenset(_text(mark, "marks") for mark in row["marks"][:MARKS])),
            Sample(
                _count(time_ns, "sample"),
                _text(text, "sample", EVIDENCE),
                _text(client, "sample"),
                _text(server, "sample"),
                _count(status, "sample"),
            ),
        )
    except (TypeError, KeyError, AttributeError) as problem:
        raise ValueError(f"no weakness: {problem!r}") from problem


def _sound(row: dict[str, Any]) -> dict[str, Any]:
    """Return *row* with texts that UTF-8 can carry."""
    return {name: _encodable(value) for name, value in row.items()}


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return [_encodable(each) for each in value] if isinstance(value, list) else value


def _text(value: Any, name: str, limit: int = TEXT) -> str:
    if not isinstance(value, str) or len(value) > limit:
        raise ValueError(f"{name}: a text of up to {limit} characters is needed")
    return value


def _count(value: Any, name: str) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise ValueError(f"{name}: a whole number from 0 on is needed")
    return value
