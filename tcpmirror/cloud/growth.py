"""Attacks while a batch adds hits to them: found in the store or begun, added to, written back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from tcpmirror.cloud.batch import SoundReport
from tcpmirror.cloud.bulk import chunks, insert_values, new_ids, update_rows
from tcpmirror.cloud.facet_counts import OTHERS
from tcpmirror.cloud.grouping import EXTENDS_NS, Hit, parameter_name
from tcpmirror.cloud.schema import NUL_SIGN, attacks, hits
from tcpmirror.cloud.traits import countries_of, joined

_FACET_CHARS: Final = 512  # of a payload or source as a facet: PostgreSQL indexes no value over 2,704 bytes
_KEPT: Final = (
    "id",
    "first_ns",
    "last_ns",
    "confidence",
    "severity",
    "traits",
    "response_least",
    "response_most",
    "payloads",
    "sources",
)
_SUMS: Final = frozenset(("hits", "payloads", "sources", "counted", "evidence_hits"))
_HIT_NAMES: Final = (
    "attack_id",
    "report_id",
    "time_ns",
    "type",
    "point",
    "payloads",
    "rule",
    "confidence",
    "evidence",
    "grade",
    "severity",
)


@dataclass(slots=True)
class Growing:
    """An attack while a batch adds to it. ``id``: None until it is stored; ``seen``: hits by facet, of this batch alone.

    ``stored``: what the store has in its columns.
    """

    id: int | None
    first_ns: int
    last_ns: int
    confidence: float = 0.0
    severity: int = 0
    traits: str = ""
    response_least: int = 2**63 - 1
    response_most: int = 0
    payloads: int = 0
    sources: int = 0
    hits: int = 0
    counted: int = 0
    proofs: int = 0
    newest: Hit | None = None
    newest_proof: Hit | None = None
    example: Hit | None = None
    seen: dict[tuple[str, str], int] = field(default_factory=dict)
    told: set[tuple[str, ...]] = field(default_factory=set)
    stored: dict[str, Any] = field(default_factory=dict)

    def takes(self, time_ns: int) -> bool:
        return self.first_ns - EXTENDS_NS <= time_ns <= self.last_ns + EXTENDS_NS

    def add(self, hit: Hit, is_kept: bool, more_traits: tuple[str, ...]) -> None:
        """Count *hit*; *is_kept*: it is stored, too; *more_traits*: what is known of its sensor and source."""
        fields = hit.report.fields
        if fields.time_ns >= self.last_ns:
            self.newest, self.last_ns = hit, fields.time_ns
        self.example = hit
        self.first_ns = min(self.first_ns, fields.time_ns)
        self.hits += 1
        self.counted += not is_kept
        self.confidence = max(self.confidence, hit.confidence)
        self.severity = max(self.severity, hit.severity)
        if hit.evidence:
            self.proofs += 1
            self.newest_proof = hit
        self._tell(hit.traits)
        self._tell(more_traits)
        self.response_least = min(self.response_least, fields.response_bytes)
        self.response_most = max(self.response_most, fields.response_bytes)
        seen = self.seen
        for facet in _facets_of(hit):
            seen[facet] = seen.get(facet, 0) + 1

    def new_countries(self) -> set[str]:
        """Return the countries of its sources that the store does not know of it."""
        stored: str = self.stored.get("traits", "")
        return countries_of(self.traits) - countries_of(stored) if self.traits != stored else set()

    def _tell(self, traits: tuple[str, ...]) -> None:
        if traits not in self.told:
            self.told.add(traits)
            self.traits = joined(self.traits, traits)


@dataclass(frozen=True, slots=True)
class Placed:
    """Hits with the attack that each is of, and all attacks that got one."""

    hits: list[tuple[Hit, Growing]]
    attacks: list[Growing]


def place_hits(
    connection: Connection, fresh: Sequence[Hit], kept: Set[int], traits_of: Mapping[str, tuple[str, ...]]
) -> Placed:
    """Add each of *fresh* to the attack that it extends, or to a new one.

    *kept*: the `id` of hits that are stored, the others are counted only; *traits_of*: what is known of each source.
    """
    ordered = sorted(fresh, key=lambda hit: hit.report.fields.time_ns)
    groups = _open_attacks(connection, ordered)
    placed: list[tuple[Hit, Growing]] = []
    for hit in ordered:
        attack = _attack_for(groups.setdefault(hit.key, []), hit.report.fields.time_ns)
        attack.add(hit, id(hit) in kept, traits_of[hit.report.fields.real_ip])
        placed.append((hit, attack))
    return Placed(placed, list({id(attack): attack for _, attack in placed}.values()))


def _open_attacks(connection: Connection, ordered: Sequence[Hit]) -> dict[bytes, list[Growing]]:
    """Return the stored attacks that some hit of *ordered* (by time) may extend, by key, newest first."""
    earliest, latest = ordered[0].report.fields.time_ns, ordered[-1].report.fields.time_ns
    columns = select(attacks.c.key, *(attacks.c[name] for name in _KEPT))
    groups: dict[bytes, list[Growing]] = {}
    for chunk in chunks(dict.fromkeys(hit.key for hit in ordered)):
        near = columns.where(
            attacks.c.key.in_(chunk), attacks.c.last_ns >= earliest - EXTENDS_NS, attacks.c.first_ns <= latest + EXTENDS_NS
        )
        for row in connection.execute(near.order_by(attacks.c.last_ns.desc())):
            groups.setdefault(row.key, []).append(_stored(row))
    return groups


def _stored(row: Row[*tuple[Any, ...]]) -> Growing:
    columns = dict(zip(_KEPT, row[1:], strict=True))
    return Growing(**columns, stored=columns)


def _attack_for(candidates: list[Growing], time_ns: int) -> Growing:
    for attack in candidates:
        if attack.takes(time_ns):
            return attack
    attack = Growing(None, time_ns, time_ns)
    candidates.insert(0, attack)
    return attack


def _facets_of(hit: Hit) -> list[tuple[str, str]]:
    fields = hit.report.fields
    payloads = dict.fromkeys([payload[:_FACET_CHARS].replace("\0", NUL_SIGN) for payload in hit.payloads])
    return [
        ("source", fields.real_ip.replace("\0", NUL_SIGN)),
        ("status", "" if fields.status is None else str(fields.status)),
        *[("payload", payload) for payload in payloads],
    ]


def begin_attacks(connection: Connection, fresh: Sequence[Growing]) -> None:
    """Store attacks that are new, as the batch left them."""
    if not fresh:
        return
    for attack, number in zip(fresh, new_ids(connection, attacks, len(fresh)), strict=True):
        attack.id = number
    rows = [_new_row(attack) for attack in fresh]
    names = tuple(rows[0])
    insert_values(connection, attacks, names, [tuple(row.values()) for row in rows])


def _new_row(attack: Growing) -> dict[str, Any]:
    hit, proof = attack.newest, attack.newest_proof
    assert hit is not None, "an attack is made by its first hit"
    return {
        **_grown_columns(attack),
        "key": hit.key,
        "type": hit.type,
        "point": list(hit.point),
        "parameter": parameter_name(hit.point),
        "host": hit.host,
        "payloads": _different(attack, "payload"),
        "sources": _different(attack, "source"),
        "evidence_hits": attack.proofs,
        "evidence": proof.evidence if proof is not None else "",
        **_newest_columns(hit),
    }


def _different(attack: Growing, kind: str) -> int:
    return sum(1 for of_kind, value in attack.seen if of_kind == kind and value != OTHERS)


def _grown_columns(attack: Growing) -> dict[str, Any]:
    return {
        "id": attack.id,
        "first_ns": attack.first_ns,
        "last_ns": attack.last_ns,
        "confidence": attack.confidence,
        "severity": attack.severity,
        "traits": attack.traits,
        "response_least": attack.response_least,
        "response_most": attack.response_most,
        "hits": attack.hits,
        "counted": attack.counted,
    }


def _changed_columns(attack: Growing) -> dict[str, Any]:
    """Return what an attack is found by and what is not as it is stored: a column that is named has its indexes written."""
    stored = attack.stored
    return {
        name: value
        for name, value in _grown_columns(attack).items()
        if name == "id" or name not in stored or stored[name] != value
    }


def _newest_columns(hit: Hit) -> dict[str, Any]:
    fields = hit.report.fields
    return {
        "path": hit.path,
        "method": fields.method,
        "server": fields.server,
        "last_source": fields.real_ip,
        "last_payload": hit.payloads[0],
        "last_status": fields.status,
    }


def store_hits(connection: Connection, placed: Iterable[tuple[Hit, Growing]]) -> None:
    """Store hits of attacks that have an id."""
    insert_values(connection, hits, _HIT_NAMES, [_hit_values(hit, hit.report, attack) for hit, attack in placed])


def _hit_values(hit: Hit, report: SoundReport, attack: Growing) -> tuple[Any, ...]:
    fields = report.fields
    return (
        attack.id,
        fields.id,
        fields.time_ns,
        hit.type,
        hit.point,
        hit.payloads,
        hit.rule,
        hit.confidence,
        hit.evidence,
        hit.grade,
        hit.severity,
    )


def write_grown(connection: Connection, grown: Sequence[Growing], fresh: Mapping[tuple[int | None, str], int]) -> None:
    """Add what the batch brought to attacks that were stored; *fresh*: how many values of a facet were new to each."""
    by_columns: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for attack in grown:
        row = _changed_columns(attack) | {name: fresh.get((attack.id, name[:-1]), 0) for name in ("payloads", "sources")}
        if attack.newest is not None:
            row |= _newest_columns(attack.newest)
        by_columns.setdefault(tuple(row), []).append(row)
    for rows in by_columns.values():
        update_rows(connection, attacks, rows, _SUMS)
    proven = [
        {"id": attack.id, "evidence_hits": attack.proofs, "evidence": attack.newest_proof.evidence}
        for attack in grown
        if attack.newest_proof is not None
    ]
    update_rows(connection, attacks, proven, _SUMS)
