"""What lies above a threshold, as an attack: a few of its requests as hits, all of them in its count."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pydantic import ValidationError
from sqlalchemy import Connection, and_, func, select, update

from tcpmirror.behavior.counter import CounterKey, Excess, Sample
from tcpmirror.cloud.attack_sums import SOURCE, TARGET, Sum, add_sums
from tcpmirror.cloud.batch import FindingIn, ReportIn, SoundReport
from tcpmirror.cloud.enrichment.book import SourceBook
from tcpmirror.cloud.grouping import attack_key, hits_of
from tcpmirror.cloud.ingest import add_reports
from tcpmirror.cloud.schema import attacks, behavior_counters, facets, hits
from tcpmirror.cloud.trends import count_more
from tcpmirror.model.point import point_text

# What one source does by itself; what is tried at one place is one attack, however many sources try.
_OF_SOURCE: Final = frozenset(
    ("multiple_payloads", "resource_consumption", "api_abuse", "security_crawlers", "scraping", "account_takeover")
)
_BY_PARAMETER: Final = frozenset(("bola", "enum"))


@dataclass(frozen=True, slots=True)
class Marked:
    """Requests above the threshold of *key*: *known* of this attack before, *total* now, some of them as samples.

    ``why``: what is said of them; empty: what the key counts.
    """

    key: CounterKey
    excess: Excess
    known: int
    total: int
    samples: tuple[Sample, ...]
    why: str
    confidence: float


def add_marked(connection: Connection, node_id: str, marked: Marked, attack_id: int | None, book: SourceBook) -> int:
    """Add *marked* to the attack *attack_id*, or where that is None to the one it belongs to; return that."""
    reports = [report for sample in marked.samples if (report := _of_sample(sample, marked)) is not None]
    if not reports and attack_id is None:
        reports = [_without_sample(marked)]
    stored = _hits_of(connection, [report.fields.id for report in reports])
    if reports:
        _add_hits(connection, node_id, marked.key, reports, book)
        now = _hits_of(connection, [report.fields.id for report in reports])
        attack_id = now[max(reports, key=lambda report: report.fields.time_ns).fields.id]
        stored = {name: attack for name, attack in now.items() if name not in stored}
    assert attack_id is not None, "a report was added where there was none"
    # Other controls may have marked the same requests: what counts is the one that marked most.
    most = max(marked.known, _most_of_others(connection, marked.key, attack_id))
    _add_count(connection, attack_id, marked, max(0, marked.total - most) - len(stored))
    return attack_id


def _hits_of(connection: Connection, report_ids: list[str]) -> dict[str, int]:
    """Return which attack each of the stored reports is of."""
    found = select(hits.c.report_id, hits.c.attack_id).where(hits.c.report_id.in_(report_ids))
    return {row.report_id: row.attack_id for row in connection.execute(found)}


def _most_of_others(connection: Connection, key: CounterKey, attack_id: int) -> int:
    table = behavior_counters
    most = select(func.max(table.c.marked - table.c.since)).where(
        table.c.attack_id == attack_id, table.c.subject == key.subject, table.c.key != key.digest
    )
    return connection.execute(most).scalar() or 0


def _add_hits(connection: Connection, node_id: str, key: CounterKey, reports: list[SoundReport], book: SourceBook) -> None:
    name = attack_key(key.type, (*_point(key), *((key.subject,) if key.type in _OF_SOURCE else ())), key.host, key.path)
    found = [
        (report, [hit._replace(key=name, host=key.host or hit.host, path=key.path or hit.path) for hit in hits_of(report)])
        for report in reports
    ]
    add_reports(connection, node_id, found, book)


def _add_count(connection: Connection, attack_id: int, marked: Marked, more: int) -> None:
    """Count *more* requests that are not stored one by one; negative: some that are stored were counted before."""
    last = func.max if connection.dialect.name == "sqlite" else func.greatest
    values = {"hits": attacks.c.hits + more, "last_ns": last(attacks.c.last_ns, marked.excess.last_ns)}
    connection.execute(update(attacks).where(attacks.c.id == attack_id).values(**values))
    count_more(connection, marked.excess.last_ns, marked.key.type, more)
    of_source = and_(facets.c.attack_id == attack_id, facets.c.kind == "source", facets.c.value == marked.key.subject)
    connection.execute(update(facets).where(of_source).values(hits=facets.c.hits + more))
    host = connection.execute(select(attacks.c.host).where(attacks.c.id == attack_id)).scalar_one()
    # As it is stored: the key's text may hold what a store has another sign for.
    source = connection.execute(select(facets.c.value).where(of_source)).scalar()
    grown = [(TARGET, host)] + ([(SOURCE, source)] if source is not None else [])
    sums = {(*place, marked.key.type): Sum(0, more, marked.excess.last_ns) for place in grown}
    add_sums(connection, sums)


def _point(key: CounterKey) -> tuple[str, ...]:
    return key.point if key.type in _BY_PARAMETER else ()


def _finding(marked: Marked) -> FindingIn:
    key = marked.key
    text = f"more than {key.threshold} {_what(key)} in {key.window_ns / 1e9:g} s" if key.threshold else _single(key)
    return FindingIn(
        type=key.type, point=list(_point(key)), payload=marked.why or text, rule=key.control, confidence=marked.confidence
    )


def _single(key: CounterKey) -> str:
    """Say what one request did that its control does not allow at all."""
    if key.unit == "fields":
        return f"{point_text(key.point)} is sent, which only answers hold"
    return (
        f"a request beyond the limit of {key.control}"
        if key.unit == "requests"
        else f"{_what(key)}, not one of them allowed"
    )


def _what(key: CounterKey) -> str:
    """Say what a counter of *key* counts."""
    point = point_text(key.point)
    return {
        "requests": "requests",
        "values": f"different values of {point}" if point else "different values",
        "sizes": f"answers {key.limit} times as large as usual",
        "waits": f"answers waited for {key.limit} times as long as usual",
        "surges": f"requests beyond {key.limit} times as many as usual",
        "fields": f"requests with {point}, which only answers hold,",
    }[key.unit]


def _of_sample(sample: Sample, marked: Marked) -> SoundReport | None:
    """Return *sample* as a report of the attack; None where it is not sound."""
    try:
        fields = ReportIn.model_validate(orjson.loads(sample.report))
        request = base64.b64decode(fields.request_b64, validate=True)
        response = base64.b64decode(fields.response_b64, validate=True)
    except (ValidationError, ValueError):
        return None
    report_id = _id(marked.key, sample.id)
    return SoundReport(fields.model_copy(update={"id": report_id, "findings": [_finding(marked)]}), request, response)


def _without_sample(marked: Marked) -> SoundReport:
    """Return a report for an attack none of whose requests was kept."""
    key, excess = marked.key, marked.excess
    fields: dict[str, Any] = {
        "id": _id(key, str(excess.first_ns)),
        "time_ns": excess.last_ns,
        "duration_ns": None,
        "client": key.subject,
        "server": "",
        "real_ip": key.subject,
        "encapsulation": "",
        "protocol": "",
        "method": None,
        "host": key.host,
        "uri": key.path,
        "status": None,
        "request_bytes": 0,
        "response_bytes": 0,
        "application": -1,
        "anomalies": [],
        "findings": [_finding(marked)],
    }
    return SoundReport(ReportIn(**fields), b"", b"")


def _id(key: CounterKey, of: str) -> str:
    """Return the id of a report, the same for all controls that make it a part of one attack."""
    parts = (key.type, *_point(key), key.host, key.path, of)
    return hashlib.blake2b("\n".join(parts).encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()
