"""Makes the endpoints of a host out of its digests, and notes what changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from tcpmirror.cloud.apis.packing import endpoint_key, key_of, packed, unpacked
from tcpmirror.cloud.apis.specifications import specifications_of
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import api_changes, api_endpoints, api_hosts, api_paths, api_templates
from tcpmirror.discovery.digest import EndpointDigest
from tcpmirror.discovery.inventory import Endpoint, described, fold, is_noise
from tcpmirror.discovery.specification import Specification, compare
from tcpmirror.discovery.templates import VALUE, Path

DAY_NS: Final = 86_400 * 10**9
LEARNING_NS: Final = DAY_NS  # in which an endpoint's parameters become known: no changes yet
UNUSED_NS: Final = 7 * DAY_NS
KEPT_NS: Final = 30 * DAY_NS  # an unused endpoint goes then; when it is called again it is new
BUILD_NS: Final = 5 * 10**9  # a host is not built more often by what sensors send
FOLDED: Final = 2_000  # rows of one host: from here on those under one template are stored as one
SETTLED: Final = 12  # different texts of a value, for it to stay one: the names of collections in one place are fewer
SETTLED_EACH: Final = 100  # or requests for each of them
_CHANGES: Final = 5_000  # kept of one host


def build_stale(database: Database, now_ns: int, at_once: bool = True) -> None:
    """Build the hosts of which there is news; without *at_once* not those built a moment ago."""
    stale = select(api_hosts.c.host).where(api_hosts.c.built_ns < api_hosts.c.changed_ns)
    if not at_once:
        stale = stale.where(api_hosts.c.built_ns < now_ns - BUILD_NS)
    with database.reading() as connection:
        hosts = connection.execute(stale).scalars().all()
    for host in hosts:
        with database.writing() as connection:
            build(connection, host, now_ns)


def build(connection: Connection, host: str, now_ns: int) -> None:
    """Make the endpoints of *host* anew."""
    stored = connection.execute(select(api_paths.c.digest).where(api_paths.c.host == host)).scalars().all()
    rows = [unpacked(raw) for raw in stored]
    specifications = specifications_of(connection, host)
    learned, corrections = _templates(connection, host)
    folded = fold(rows, {host: [*learned, *_specified(specifications.current)]}, {host: corrections})
    _learn(connection, host, set(filter(None, map(settled, folded.values()))), learned, now_ns)
    if len(rows) > FOLDED:
        _store_folded(connection, host, folded.values())
    shown = [digest for digest in folded.values() if not is_noise(digest)]
    rogue = compare({(digest.method, digest.path) for digest in shown}, specifications.current, specifications.former)
    states: dict[tuple[str, Path], str] = {}
    if specifications.current:
        states = dict.fromkeys(rogue.shadow, "shadow") | dict.fromkeys(rogue.zombie, "zombie")
    _store(connection, host, {endpoint_key(digest): digest for digest in shown}, states, now_ns)
    connection.execute(update(api_hosts).where(api_hosts.c.host == host).values(built_ns=now_ns, changed_ns=now_ns))


def _specified(specifications: Iterable[Specification]) -> list[Path]:
    """Return the templates that specifications know: what they call a parameter is a value, below each base."""
    return [(*base, *path) for each in specifications for _, path in each.operations for base in each.bases if VALUE in path]


def _templates(connection: Connection, host: str) -> tuple[list[Path], list[Path]]:
    columns = select(api_templates.c.source, api_templates.c.template).where(api_templates.c.host == host)
    found = connection.execute(columns).all()
    learned = [tuple(row.template) for row in found if row.source == "learned"]
    return learned, [tuple(row.template) for row in found if row.source == "operator"]


def settled(digest: EndpointDigest) -> Path:
    """Return how far the template is to stay: to its last value before one of which too little was seen; empty: not at all.

    The first requests to a few collections look like values, each seen once: what they make is made anew until more come.
    """
    end = 0
    for place, segment in enumerate(digest.path):
        if not segment.startswith(VALUE):
            continue
        texts = digest.parameters.get(("request", "path", str(place)))  # none: such as no route would hold
        if texts is not None and texts.distinct < SETTLED and texts.count < SETTLED_EACH * texts.distinct:
            break
        end = place + 1
    return digest.path[:end]


def _learn(connection: Connection, host: str, paths: Collection[Path], learned: Collection[Path], now_ns: int) -> None:
    """Remember the templates whose values are settled, so that they stay when other traffic comes."""
    fresh = set(paths) - set(learned)
    if fresh:
        rows = [
            {
                "key": key_of(host, "learned", *path),
                "host": host,
                "source": "learned",
                "template": list(path),
                "created_ns": now_ns,
            }
            for path in fresh
        ]
        connection.execute(insert(api_templates), rows)


def _store_folded(connection: Connection, host: str, folded: Iterable[EndpointDigest]) -> None:
    connection.execute(delete(api_paths).where(api_paths.c.host == host))
    rows = [
        {"key": endpoint_key(digest), "host": host, "last_ns": digest.last_ns, "digest": packed(digest)} for digest in folded
    ]
    if rows:
        connection.execute(insert(api_paths), rows)


@dataclass(frozen=True, slots=True)
class _Change:
    endpoint: Endpoint
    change: str
    details: dict[str, Any]


def _store(
    connection: Connection, host: str, found: dict[bytes, EndpointDigest], states: dict[tuple[str, Path], str], now_ns: int
) -> None:
    before = {row.key: row for row in connection.execute(select(api_endpoints).where(api_endpoints.c.host == host)).all()}
    changes: list[_Change] = []
    for key, digest in found.items():
        endpoint = described(digest)
        rogue = states.get((digest.method, digest.path), "")
        if key not in before:
            row = _row(key, digest, endpoint, rogue) | {"found_ns": now_ns, "changed_ns": 0}
            connection.execute(insert(api_endpoints), row)
            changes.append(_Change(endpoint, "added", {}))
        elif before[key].last_ns != digest.last_ns or before[key].requests != digest.requests or before[key].rogue != rogue:
            changed = _changed_parameters(before[key], endpoint)
            row = _row(key, digest, endpoint, rogue)
            if changed:
                row["changed_ns"] = now_ns
                changes.append(_Change(endpoint, "changed", changed))
            connection.execute(update(api_endpoints).where(api_endpoints.c.key == key).values(**row))
    gone = [row.id for key, row in before.items() if key not in found]
    if gone:
        connection.execute(delete(api_endpoints).where(api_endpoints.c.id.in_(gone)))
    _note(connection, host, changes, now_ns)


def _row(key: bytes, digest: EndpointDigest, endpoint: Endpoint, rogue: str) -> dict[str, Any]:
    return {
        "key": key,
        "host": endpoint.host,
        "method": endpoint.method,
        "path": endpoint.path,
        "template": list(digest.path),
        "kind": endpoint.kind,
        "operation": endpoint.operation,
        "requests": endpoint.requests,
        "errors": endpoint.errors,
        "first_ns": endpoint.first_ns,
        "last_ns": endpoint.last_ns,
        "risk": endpoint.risk,
        "sensitive": f" {' '.join(endpoint.sensitive)} ",
        "auth_state": endpoint.auth_state,
        "parameters": len(endpoint.parameters),
        "rogue": rogue,
        "digest": packed(digest),
    }


def _changed_parameters(before: Row[Any], endpoint: Endpoint) -> dict[str, Any]:
    """Return which parameters came and went since *before*; nothing while the endpoint is still being learned."""
    if endpoint.last_ns - before.first_ns < LEARNING_NS:
        return {}
    old = {(each.side, each.location, each.name) for each in described(unpacked(before.digest)).parameters}
    new = {(each.side, each.location, each.name) for each in endpoint.parameters}
    found = {"added": sorted(map(list, new - old)), "gone": sorted(map(list, old - new))}
    return {name: parameters for name, parameters in found.items() if parameters}


def _note(connection: Connection, host: str, changes: Iterable[_Change], now_ns: int) -> None:
    rows = [
        {
            "time_ns": now_ns,
            "host": host,
            "method": each.endpoint.method,
            "path": each.endpoint.path,
            "operation": each.endpoint.operation,
            "change": each.change,
            "details": each.details,
        }
        for each in changes
    ]
    if not rows:
        return
    connection.execute(insert(api_changes), rows)
    oldest = select(api_changes.c.id).where(api_changes.c.host == host).order_by(api_changes.c.id.desc())
    last = connection.execute(oldest.offset(_CHANGES).limit(1)).scalar()
    if last is not None:
        connection.execute(delete(api_changes).where(api_changes.c.host == host, api_changes.c.id <= last))


def sweep_unused(database: Database, now_ns: int) -> None:
    """Note endpoints that were not called for UNUSED_NS, and forget those of KEPT_NS; both by the time of now."""
    table = api_endpoints
    noted = select(api_changes.c.id).where(
        api_changes.c.host == table.c.host,
        api_changes.c.method == table.c.method,
        api_changes.c.path == table.c.path,
        api_changes.c.operation == table.c.operation,
        api_changes.c.change == "unused",
        api_changes.c.time_ns > table.c.last_ns,
    )
    columns = [table.c[name] for name in ("id", "host", "method", "path", "operation")]
    quiet = select(*columns).where(
        table.c.last_ns < now_ns - UNUSED_NS, table.c.last_ns >= now_ns - KEPT_NS, ~noted.exists()
    )
    old = select(*columns).where(table.c.last_ns < now_ns - KEPT_NS)
    with database.reading() as connection:
        changes = [("unused", row) for row in connection.execute(quiet)]
        changes += [("gone", row) for row in connection.execute(old)]
    if not changes:
        return
    with database.writing() as connection:
        for change, row in changes:
            _note_row(connection, row, change, now_ns)
        connection.execute(delete(table).where(table.c.last_ns < now_ns - KEPT_NS))
        connection.execute(delete(api_paths).where(api_paths.c.last_ns < now_ns - KEPT_NS))


def _note_row(connection: Connection, row: Row[Any], change: str, now_ns: int) -> None:
    named = {name: getattr(row, name) for name in ("host", "method", "path", "operation")}
    connection.execute(insert(api_changes), named | {"time_ns": now_ns, "change": change, "details": {}})
