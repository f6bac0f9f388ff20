"""Stores batches: reports, hits, attacks and receipts in one transaction, each at most once."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select

from tcpmirror.cloud.attack_sums import COUNTRY, SOURCE, TARGET, Sum, Sums, add_sums
from tcpmirror.cloud.batch import Batch, ReportIn, SoundReport
from tcpmirror.cloud.bulk import chunks, insert_rows, insert_values, values_in
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.enrichment.book import SourceBook
from tcpmirror.cloud.enrichment.marking import note_addresses, traits_of_sources
from tcpmirror.cloud.facet_counts import OTHERS, Facet, begin_facets, count_facets, fold_facets, fresh_values
from tcpmirror.cloud.grouping import Hit, hits_of
from tcpmirror.cloud.growth import Growing, begin_attacks, place_hits, store_hits, write_grown
from tcpmirror.cloud.sampling import Draw, Sampler
from tcpmirror.cloud.schema import batches, counted_reports, quarantine, reports
from tcpmirror.cloud.traits import trait
from tcpmirror.cloud.trends import count_hits

_KEPT_RECEIPTS: Final = 200_000  # two days of a batch a second; an older batch is still known by the ids of its reports
_KEPT_QUARANTINE: Final = 10_000
_KEPT_COUNTED: Final = 1_000_000  # ids of reports that were only counted: 100 MB; an older one is known by its batch
_SENT: Final = frozenset(("request_b64", "response_b64", "findings"))
_FIELDS: Final = tuple(name for name in ReportIn.model_fields if name not in _SENT)
_REPORT_NAMES: Final = (*_FIELDS, "findings", "node_id", "request", "response")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch. ``accepted``: reports that passed, also those that were stored before."""

    batch_id: str
    accepted: int
    duplicate: bool
    quarantined: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """A batch with the hits of its reports, ready to be stored."""

    node_id: str
    batch: Batch
    found: list[tuple[SoundReport, list[Hit]]]

    @classmethod
    def of(cls, node_id: str, batch: Batch) -> Sent:
        return cls(node_id, batch, [(report, hits_of(report)) for report in batch.sound])


def store_batch(
    database: Database,
    node_id: str,
    batch: Batch,
    now_ns: int,
    book: SourceBook | None = None,
    sampler: Sampler | None = None,
) -> Receipt:
    """Store *batch* of *node_id* and return its receipt; see `store_batches`."""
    return store_batches(database, [Sent.of(node_id, batch)], now_ns, book, sampler)[0]


def store_batches(
    database: Database,
    sent: Sequence[Sent],
    now_ns: int,
    book: SourceBook | None = None,
    sampler: Sampler | None = None,
) -> list[Receipt]:
    """Store batches, one after another in one transaction, and return their receipts; on return all are committed.

    The same batch id of the same node again changes nothing, and neither does a report whose id is stored. *book*: what is
    known of sources; *sampler*: which hits are only counted (default: none). Raises
    sqlalchemy.exc.DBAPIError if the store fails (disk full, lock); nothing of any of them is stored then.
    """
    book = book or SourceBook()
    draw = (sampler or Sampler("off")).draw()
    with database.writing() as connection:
        receipts = [_stored(connection, one, now_ns, book, draw) for one in sent]
    draw.sampler.take(draw)
    return receipts


def _stored(connection: Connection, sent: Sent, now_ns: int, book: SourceBook, draw: Draw) -> Receipt:
    batch = sent.batch
    earlier = _earlier_receipt(connection, sent.node_id, batch.batch_id)
    if earlier is not None:
        return earlier
    add_reports(connection, sent.node_id, sent.found, book, draw)
    refused = tuple((refused.index, refused.reason) for refused in batch.refused)
    receipt = Receipt(batch.batch_id, len(batch.sound), False, refused)
    _insert_receipt(connection, sent.node_id, batch, receipt, now_ns)
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
    for chunk in chunks(ids):
        known.update(values_in(connection, reports.c.id, chunk))
        counted = values_in(connection, counted_reports.c.report_id, [bytes.fromhex(one) for one in chunk])
        known.update(found.hex() for found in counted)
    return known


def _note_counted(connection: Connection, ids: Sequence[str]) -> None:
    if not ids:
        return
    insert_rows(connection, counted_reports, [{"report_id": bytes.fromhex(one)} for one in ids])
    newest = connection.execute(select(func.max(counted_reports.c.id))).scalar_one()
    connection.execute(delete(counted_reports).where(counted_reports.c.id <= newest - _KEPT_COUNTED))


def _insert_reports(connection: Connection, node_id: str, fresh: Sequence[SoundReport]) -> None:
    insert_values(connection, reports, _REPORT_NAMES, [_report_values(node_id, report) for report in fresh])


def _report_values(node_id: str, report: SoundReport) -> tuple[Any, ...]:
    """Return the columns of *report*. Dumping a pydantic model takes ten times what reading its fields does."""
    fields = vars(report.fields)
    findings = [vars(finding) for finding in report.fields.findings]
    return (*[fields[name] for name in _FIELDS], findings, node_id, report.request, report.response)


def _add_hits(connection: Connection, node_id: str, fresh: Sequence[Hit], kept: Set[int], book: SourceBook) -> None:
    """Add *fresh* hits to their attacks, and store those whose `id` is in *kept*."""
    if not fresh:
        return
    of_node = trait("node", node_id)
    sources = {hit.report.fields.real_ip for hit in fresh}
    about = {source: (of_node, *known) for source, known in traits_of_sources(sources, book).items()}
    placed = place_hits(connection, fresh, kept, about)
    begun = [attack for attack in placed.attacks if attack.id is None]
    grown = [attack for attack in placed.attacks if attack.id is not None]
    for attack in placed.attacks:
        fold_facets(connection, attack)
    begin_attacks(connection, begun)
    store_hits(connection, [(hit, attack) for hit, attack in placed.hits if id(hit) in kept])
    first_seen = begin_facets(connection, begun)
    new_facets = count_facets(connection, grown)
    write_grown(connection, grown, fresh_values(new_facets))
    first_seen |= new_facets
    note_addresses(connection, {value for _, kind, value in first_seen if kind == "source" and value != OTHERS}, book)
    add_sums(connection, _sums(placed.attacks, {id(attack) for attack in begun}, first_seen))
    count_hits(connection, ((hit.report.fields.time_ns, hit.type) for hit in fresh))


def _sums(touched: Sequence[Growing], begun: Set[int], first_seen: Set[Facet]) -> Sums:
    """Return what the batch adds to the sums of sources, countries and targets; *begun*: the `id` of new attacks."""
    sums: Sums = {}
    for attack in touched:
        hit = attack.example
        assert hit is not None, "it was touched by a hit"
        target = sums.setdefault((TARGET, hit.host, hit.type), Sum())
        target.add(id(attack) in begun, attack.hits, attack.last_ns)
        for country in attack.new_countries():
            sums.setdefault((COUNTRY, country, hit.type), Sum()).add(1, 0, attack.last_ns)
        for (kind, value), count in attack.seen.items():
            if kind == "source":
                of_source = sums.setdefault((SOURCE, value, hit.type), Sum())
                of_source.add((attack.id, kind, value) in first_seen, count, attack.last_ns)
    return sums


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
