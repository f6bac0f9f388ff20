"""What an entry that ignores findings would have silenced, had it been there before.

Judged by the code of the nodes (`detect.ignoring`) over the stored reports, finding by finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, literal, select

from tcpmirror.cloud.database import Database
from tcpmirror.cloud.grouping import target_path
from tcpmirror.cloud.schema import attacks, hits, reports
from tcpmirror.detect.ignoring import Entry, Requester
from tcpmirror.model.exchange import Exchange, Request
from tcpmirror.model.finding import Finding
from tcpmirror.settings.tree import Ignore

WEEK_NS: Final = 7 * 86_400 * 10**9
_LOOKED_AT: Final = 100_000  # hits; more would keep whoever asks waiting for seconds
_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class SilencedAttack:
    """An attack of which ``silenced`` of the ``hits`` within the time would not have been reported."""

    row: Row[*tuple[Any, ...]]
    silenced: int
    hits: int


@dataclass(frozen=True, slots=True)
class Preview:
    """Of ``looked_at`` hits ``silenced`` would not have been reported; ``attacks``: those with most of them.

    ``attack_count``: how many attacks have any; ``is_whole``: False where more hits were stored than are looked at.
    """

    since_ns: int
    looked_at: int
    silenced: int
    attack_count: int
    attacks: tuple[SilencedAttack, ...]
    is_whole: bool


def preview(database: Database, entry: Ignore, since_ns: int) -> Preview:
    """Return what *entry* would have silenced since *since_ns*."""
    compiled = Entry(entry)
    found: list[SilencedAttack] = []
    looked_at = 0
    with database.reading() as connection:
        for attack in _attacks(connection, entry, since_ns):
            silenced = seen = 0
            for row in _hits(connection, attack.id, since_ns, _LOOKED_AT - looked_at, bool(entry.where)):
                seen += 1
                silenced += _is_silenced(compiled, attack.type, row)
            looked_at += seen
            if silenced:
                found.append(SilencedAttack(attack, silenced, seen))
            if looked_at >= _LOOKED_AT:
                break
    found.sort(key=lambda one: one.silenced, reverse=True)
    total = sum(one.silenced for one in found)
    return Preview(since_ns, looked_at, total, len(found), tuple(found[:_SHOWN]), looked_at < _LOOKED_AT)


def _attacks(connection: Connection, entry: Ignore, since_ns: int) -> Sequence[Row[*tuple[Any, ...]]]:
    columns = (attacks.c.id, attacks.c.type, attacks.c.host, attacks.c.path, attacks.c.parameter, attacks.c.last_ns)
    recent = select(*columns).where(attacks.c.last_ns >= since_ns)
    if entry.types:
        recent = recent.where(attacks.c.type.in_(entry.types))
    if entry.host and not set(entry.host) & set("*?["):
        name = entry.host.lower()
        recent = recent.where(attacks.c.host.startswith(name, autoescape=True))  # a port may follow
    return connection.execute(recent.order_by(attacks.c.last_ns.desc())).all()


def _hits(
    connection: Connection, attack_id: int, since_ns: int, limit: int, asks_requests: bool
) -> Sequence[Row[*tuple[Any, ...]]]:
    request = reports.c.request if asks_requests else literal(b"").label("request")
    columns = (reports.c.host, reports.c.uri, reports.c.real_ip, reports.c.findings, reports.c.method, reports.c.application)
    of_attack = (
        select(*columns, request)
        .join(hits, hits.c.report_id == reports.c.id)
        .where(hits.c.attack_id == attack_id, hits.c.time_ns >= since_ns)
        .limit(limit)
    )
    return connection.execute(of_attack).all()


def _asked(row: Row[*tuple[Any, ...]]) -> Exchange:
    """Return what conditions on single values look at: the request as far as it was kept."""
    head = row.request.partition(b"\r\n\r\n")[0]
    return Exchange(Request(head, b"", 0, (row.method or "").encode(), (row.uri or "").encode()))


def _is_silenced(entry: Entry, kind: str, row: Row[*tuple[Any, ...]]) -> bool:
    """Tell whether every finding of the hit's type would have been ignored."""
    try:
        if not entry.applies(_asked(row), target_path(row.uri), Requester(row.host or "", row.real_ip, row.application)):
            return False
    except ValueError:  # networks are asked for, and the source is no address: what a client claimed in a header
        return False
    findings = [
        Finding(one["type"], tuple(one["point"]), one["payload"], one["rule"], one["confidence"])
        for one in row.findings
        if one["type"] == kind
    ]
    return all(entry.holds(finding) for finding in findings)
