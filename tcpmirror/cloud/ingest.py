"""Stores a batch: reports, hits, attacks and the receipt in one transaction, each at most once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Row, delete, func, insert, select

from tcpmirror.cloud.batch import Batch, SoundReport
from tcpmirror.cloud.bulk import insert_rows, update_rows
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.enrichment.book import SourceBook
from tcpmirror.cloud.enrichment.marking import note_addresses, traits_of_source
from tcpmirror.cloud.grouping import EXTENDS_NS, Hit, hits_of, parameter_name
from tcpmirror.cloud.sampling import Draw, Sampler
from tcpmirror.cloud.schema import NUL_SIGN, attacks, batches, counted_reports, facets, hits, quarantine, reports
from tcpmirror.cloud.traits import joined, trait
from tcpmirror.cloud.trends import count_hits

_CHUNK: Final = 500  # values in one IN (...); SQLite before 3.32 took 999 in all
_KEPT_RECEIPTS: Final = 200_000  # two days of a batch a second; an older batch is still known by the ids of its reports
_KEPT_QUARANTINE: Final = 10_000
_KEPT_COUNTED: Final = 1_000_000  # ids of reports that were only counted: 100 MB; an older one is known by its batch
FACETS: Final = 20_000  # different values of a kind that an attack keeps; hits with others are counted under OTHERS
OTHERS: Final = "\u2026"
_FACET_CHARS: Final = 512  # of a payload or source as a facet: PostgreSQL indexes no value over 2,704 bytes
_KEPT_OF_ATTACK: Final = (
    attacks.c.id,
    attacks.c.first_ns,
    attacks.c.last_ns,
    attacks.c.confidence,
    attacks.c.traits,
    attacks.c.response_least,
    attacks.c.response_most,
    attacks.c.payloads,
    attacks.c.sources,
)
_KEPT_NAMES: Final = tuple(column.name for column in _KEPT_OF_ATTACK[3:])
_SUMS: Final = frozenset(("hits", "payloads", "sources", "counted", "evidence_hits"))
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch. ``accepted``: reports that passed, also those that were stored before."""

    batch_id: str
    accepted: int
    duplicate: bool
    quarantined: tuple[tuple[int, str], ...]


@dataclass(slots=True)
class _Attack:
    """An attack while a batch adds to it; ``id`` is None until it is inserted."""

    id: int | None
    first_ns: int
    last_ns: int
    hits: int = 0
    confidence: float = 0.0
    proofs: int = 0
    newest_proof: Hit | None = None
    traits: str = ""
    response_least: int = 2**63 - 1
    response_most: int = 0
    payloads: int = 0
    sources: int = 0
    counted: int = 0
    newest: Hit | None = None
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    def takes(self, time_ns: int) -> bool:
        return self.first_ns - EXTENDS_NS <= time_ns <= self.last_ns + EXTENDS_NS

    def add(self, hit: Hit) -> None:
        time_ns = hit.report.fields.time_ns
        if time_ns >= self.last_ns:
            self.newest = hit
        self.first_ns = min(self.first_ns, time_ns)
        self.last_ns = max(self.last_ns, time_ns)
        self.hits += 1
        self.confidence = max(self.confidence, hit.confidence)
        if hit.evidence:
            self.proofs += 1
            self.newest_proof = hit
        self.traits = joined(self.traits, hit.traits)
        self.response_least = min(self.response_least, hit.report.fields.response_bytes)
        self.response_most = max(self.response_most, hit.report.fields.response_bytes)
        self.seen.update(_facets_of(hit))


def store_batch(
    database: Database,
    node_id: str,
    batch: Batch,
    now_ns: int,
    book: SourceBook | None = None,
    sampler: Sampler | None = None,
) -> Receipt:
    """Store *batch* of *node_id* and return its receipt; on return it is committed.

    The same batch id of the same node again changes nothing, and neither does a report whose id is stored. *book*: what is
    known of sources; *sampler*: which hits are only counted (default: none). Raises
    sqlalchemy.exc.DBAPIError if the store fails (disk full, lock); nothing of the batch is stored then.
    """
    found = [(report, hits_of(report)) for report in batch.sound]
    book = book or SourceBook()
    draw = (sampler or Sampler("off")).draw()
    with database.writing() as connection:
        earlier = _earlier_receipt(connection, node_id, batch.batch_id)
        if earlier is not None:
            return earlier
        add_reports(connection, node_id, found, book, draw)
        receipt = Receipt(
            batch.batch_id, len(batch.sound), False, tuple((refused.index, refused.reason) for refused in batch.refused)
        )
        _insert_receipt(connection, node_id, batch, receipt, now_ns)
    draw.sampler.take(draw)
    return receipt


def add_reports(
    connection: Connection,
    node_id: str,
    found: Sequence[tuple[SoundReport, list[Hit]]],
    book: SourceBook,
    draw: Draw | None = None,
) -> None:
    """Store the reports that are not stored yet, with those of their hits that *draw* keeps (None: all), and count all."""
    known = _stored_ids(connection, [report.fields.id for report, _ in found])
    fresh: dict[str, tuple[SoundReport, list[Hit]]] = {}
    for report, of_report in found:
        if report.fields.id not in known:
            fresh.setdefault(report.fields.id, (report, of_report))
    kept = {name: [hit for hit in of_report if draw is None or draw.keeps(hit)] for name, (_, of_report) in fresh.items()}
    stored = [report for name, (report, of_report) in fresh.items() if kept[name] or not of_report]
    _insert_reports(connection, node_id, stored)
    _note_counted(connection, [name for name, (_, of_report) in fresh.items() if of_report and not kept[name]])
    all_hits = [hit for _, of_report in fresh.values() for hit in of_report]
    _add_hits(connection, node_id, all_hits, {id(hit) for chosen in kept.values() for hit in chosen}, book)


def _earlier_receipt(connection: Connection, node_id: str, batch_id: str) -> Receipt | None:
    columns = select(batches.c.accepted, batches.c.quarantined)
    row = connection.execute(columns.where(batches.c.node_id == node_id, batches.c.batch_id == batch_id)).first()
    if row is None:
        return None
    return Receipt(batch_id, row.accepted, True, tuple((index, reason) for index, reason in row.quarantined))


def _stored_ids(connection: Connection, ids: Sequence[str]) -> set[str]:
    known: set[str] = set()
    for chunk in _chunks(ids):
        known.update(connection.execute(select(reports.c.id).where(reports.c.id.in_(chunk))).scalars())
        counted = counted_reports.c.report_id.in_([bytes.fromhex(one) for one in chunk])
        known.update(
            found.hex() for found in connection.execute(select(counted_reports.c.report_id).where(counted)).scalars()
        )
    return known


def _note_counted(connection: Connection, ids: Sequence[str]) -> None:
    if not ids:
        return
    insert_rows(connection, counted_reports, [{"report_id": bytes.fromhex(one)} for one in ids])
    newest = connection.execute(select(func.max(counted_reports.c.id))).scalar_one()
    connection.execute(delete(counted_reports).where(counted_reports.c.id <= newest - _KEPT_COUNTED))


def _chunks(values: Iterable[_Value]) -> Iterable[list[_Value]]:
    left = iter(values)
    while chunk := list(islice(left, _CHUNK)):
        yield chunk


def _insert_reports(connection: Connection, node_id: str, fresh: Sequence[SoundReport]) -> None:
    if not fresh:
        return
    rows = [
        report.fields.model_dump(exclude={"request_b64", "response_b64"})
        | {"node_id": node_id, "request": report.request, "response": report.response}
        for report in fresh
    ]
    insert_rows(connection, reports, rows)


def _add_hits(connection: Connection, node_id: str, fresh: Sequence[Hit], kept: Set[int], book: SourceBook) -> None:
    """Add *fresh* hits to their attacks, and store those whose `id` is in *kept*."""
    if not fresh:
        return
    ordered = sorted(fresh, key=lambda hit: hit.report.fields.time_ns)
    groups = _open_attacks(connection, ordered)
    of_node = (trait("node", node_id),)
    placed: list[tuple[Hit, _Attack]] = []
    for hit in ordered:
        attack = _attack_for(groups.setdefault(hit.key, []), hit.report.fields.time_ns)
        attack.add(hit)
        attack.counted += id(hit) not in kept
        attack.traits = joined(attack.traits, (*of_node, *traits_of_source(book.source(hit.report.fields.real_ip))))
        placed.append((hit, attack))
    touched = list({id(attack): attack for _, attack in placed}.values())
    _insert_attacks(connection, [attack for attack in touched if attack.id is None])
    insert_rows(connection, hits, [_hit_row(hit, attack) for hit, attack in placed if id(hit) in kept])
    _update_attacks(connection, touched, _count_facets(connection, touched, book))
    count_hits(connection, ((hit.report.fields.time_ns, hit.type) for hit in ordered))


def _open_attacks(connection: Connection, ordered: Sequence[Hit]) -> dict[bytes, list[_Attack]]:
    """Return the stored attacks that some hit of *ordered* (by time) may extend, by key, newest first."""
    earliest, latest = ordered[0].report.fields.time_ns, ordered[-1].report.fields.time_ns
    columns = select(attacks.c.key, *_KEPT_OF_ATTACK)
    groups: dict[bytes, list[_Attack]] = {}
    for chunk in _chunks(dict.fromkeys(hit.key for hit in ordered)):
        near = columns.where(
            attacks.c.key.in_(chunk), attacks.c.last_ns >= earliest - EXTENDS_NS, attacks.c.first_ns <= latest + EXTENDS_NS
        )
        for row in connection.execute(near.order_by(attacks.c.last_ns.desc())):
            groups.setdefault(row.key, []).append(_stored(row))
    return groups


def _stored(row: Row[*tuple[Any, ...]]) -> _Attack:
    _, *kept = row
    return _Attack(*kept[:3], **dict(zip(_KEPT_NAMES, kept[3:], strict=True)))


def _attack_for(candidates: list[_Attack], time_ns: int) -> _Attack:
    for attack in candidates:
        if attack.takes(time_ns):
            return attack
    attack = _Attack(None, time_ns, time_ns)
    candidates.insert(0, attack)
    return attack


def _facets_of(hit: Hit) -> Iterable[tuple[str, str]]:
    fields = hit.report.fields
    yield "source", fields.real_ip.replace("\0", NUL_SIGN)
    yield "status", "" if fields.status is None else str(fields.status)
    for payload in dict.fromkeys(payload[:_FACET_CHARS].replace("\0", NUL_SIGN) for payload in hit.payloads):
        yield "payload", payload


def _insert_attacks(connection: Connection, fresh: Sequence[_Attack]) -> None:
    if not fresh:
        return
    statement = insert(attacks).returning(attacks.c.id, sort_by_parameter_order=True)
    ids = connection.execute(statement, [_attack_row(attack) for attack in fresh]).scalars()
    for attack, assigned in zip(fresh, ids, strict=True):
        attack.id = assigned


def _attack_row(attack: _Attack) -> dict[str, Any]:
    hit = attack.newest
    assert hit is not None, "an attack is made by its first hit"
    return {
        "key": hit.key,
        "type": hit.type,
        "point": list(hit.point),
        "parameter": parameter_name(hit.point),
        "host": hit.host,
        "first_ns": attack.first_ns,
        "hits": 0,
        "payloads": 0,
        "sources": 0,
        "confidence": 0.0,
        "traits": "",
        "response_least": 0,
        "response_most": 0,
        "last_ns": attack.last_ns,
        **_newest_columns(hit),
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


def _hit_row(hit: Hit, attack: _Attack) -> dict[str, Any]:
    return {
        "attack_id": attack.id,
        "report_id": hit.report.fields.id,
        "time_ns": hit.report.fields.time_ns,
        "type": hit.type,
        "point": list(hit.point),
        "payloads": list(hit.payloads),
        "rule": hit.rule,
        "confidence": hit.confidence,
        "evidence": hit.evidence,
    }


def _count_facets(connection: Connection, touched: Sequence[_Attack], book: SourceBook) -> Counter[tuple[int | None, str]]:
    """Add what the batch saw to the stored counts; return how many values were new, by attack and kind."""
    for attack in touched:
        _fold_facets(connection, attack)
    added = {(attack.id, kind, value): count for attack in touched for (kind, value), count in attack.seen.items()}
    fresh: Counter[tuple[int | None, str]] = Counter()
    sources: set[str] = set()
    for attack_id, kind, value, hits_now in _counted_up(connection, added):
        # A count that is no more than what this batch brought belongs to a value that was not there before.
        if hits_now == added[attack_id, kind, value] and value != OTHERS:
            fresh[attack_id, kind] += 1
            if kind == "source":
                sources.add(value)
    if sources:
        note_addresses(connection, sources, book)
    return fresh


def _counted_up(
    connection: Connection, added: Mapping[tuple[int | None, str, str], int]
) -> Iterator[tuple[int, str, str, int]]:
    """Add *added* to the stored counts; give each (attack, kind, value) with what its count is now.

    Many rows in one statement of the driver's: SQLAlchemy's road for each of them costs more than the database does.
    """
    mark = "(%s, %s, %s, %s)" if connection.dialect.name == "postgresql" else "(?, ?, ?, ?)"
    for chunk in _chunks(added.items()):
        statement = f"""
            INSERT INTO facets (attack_id, kind, value, hits) VALUES {", ".join([mark] * len(chunk))}
            ON CONFLICT (attack_id, kind, value) DO UPDATE SET hits = facets.hits + excluded.hits
            RETURNING attack_id, kind, value, hits
        """
        values = tuple(part for key, number in chunk for part in (*key, number))
        yield from connection.exec_driver_sql(statement, values).tuples()


def _fold_facets(connection: Connection, attack: _Attack) -> None:
    """Put together under OTHERS what the batch saw where the attack has as many different values as it may keep."""
    for kind, known in (("payload", attack.payloads), ("source", attack.sources)):
        seen = [value for of_kind, value in attack.seen if of_kind == kind]
        if known + len(seen) <= FACETS:
            continue
        of_attack = select(facets.c.value).where(facets.c.attack_id == attack.id, facets.c.kind == kind)
        stored = {
            value
            for chunk in _chunks(seen)
            for value in connection.execute(of_attack.where(facets.c.value.in_(chunk))).scalars()
        }
        fresh = [value for value in seen if value not in stored]
        for value in fresh[max(FACETS - known, 0) :]:
            attack.seen[kind, OTHERS] += attack.seen.pop((kind, value))


def _update_attacks(connection: Connection, touched: Sequence[_Attack], fresh: Counter[tuple[int | None, str]]) -> None:
    counts = [
        {
            "id": attack.id,
            "first_ns": attack.first_ns,
            "last_ns": attack.last_ns,
            "confidence": attack.confidence,
            "traits": attack.traits,
            "response_least": attack.response_least,
            "response_most": attack.response_most,
            "hits": attack.hits,
            "payloads": fresh[attack.id, "payload"],
            "sources": fresh[attack.id, "source"],
            "counted": attack.counted,
        }
        for attack in touched
    ]
    update_rows(connection, attacks, counts, _SUMS)
    proven = [
        {"id": attack.id, "evidence_hits": attack.proofs, "evidence": attack.newest_proof.evidence}
        for attack in touched
        if attack.newest_proof is not None
    ]
    update_rows(connection, attacks, proven, _SUMS)
    newest = [{"id": attack.id} | _newest_columns(attack.newest) for attack in touched if attack.newest is not None]
    update_rows(connection, attacks, newest)


def _insert_receipt(connection: Connection, node_id: str, batch: Batch, receipt: Receipt, now_ns: int) -> None:
    row = {
        "node_id": node_id,
        "batch_id": batch.batch_id,
        "accepted": receipt.accepted,
        "quarantined": list(receipt.quarantined),
        "received_ns": now_ns,
    }
    number = connection.execute(insert(batches).returning(batches.c.id), [row]).scalar_one()
    connection.execute(delete(batches).where(batches.c.id <= number - _KEPT_RECEIPTS))
    refused = [
        {
            "node_id": node_id,
            "batch_id": batch.batch_id,
            "position": record.index,
            "reason": record.reason,
            "record": record.record,
            "received_ns": now_ns,
        }
        for record in batch.refused
    ]
    if refused:
        connection.execute(insert(quarantine), refused)
        last = connection.execute(select(func.max(quarantine.c.id))).scalar_one()
        connection.execute(delete(quarantine).where(quarantine.c.id <= last - _KEPT_QUARANTINE))
