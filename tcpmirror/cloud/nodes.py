"""The sensors that report here: registration, credentials, heartbeats."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, delete, func, insert, or_, select, update

from tcpmirror.cloud.audit import SYSTEM, Actor, record
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import nodes
from tcpmirror.cloud.tokens import digest
from tcpmirror.cloud.trends import note_traffic

NODE_LIMIT: Final = 1000
TRIED: Final = 100  # experimental rules of one node that are told of
SILENT_NS: Final = 120 * 1_000_000_000  # without a heartbeat, which come every 30 s, a node counts as silent


@dataclass(frozen=True, slots=True)
class NodeCredential:
    """What a node signs its calls with, as `<node_id>.<secret>`; the secret is known to the node alone."""

    node_id: str
    secret: str


def register_node(database: Database, about: dict[str, str], now_ns: int, actor: Actor = SYSTEM) -> NodeCredential:
    """Store a new node; *about* has `name`, `group_name`, `version`, `mode` and `hostname`."""
    credential = NodeCredential(secrets.token_hex(16), secrets.token_urlsafe(32))
    row = {
        "id": credential.node_id,
        "secret_sha256": digest(credential.secret),
        "registered_ns": now_ns,
        "last_seen_ns": now_ns,
        "stats": {},
        **about,
    }
    with database.writing() as connection:
        connection.execute(insert(nodes), row)
        record(connection, actor, "node.register", credential.node_id, about, now_ns)
    return credential


def node_of(database: Database, credential: str) -> str | None:
    """Return the id of the node that *credential* (`<node_id>.<secret>`) belongs to, None if it belongs to none."""
    node_id, _, secret = credential.partition(".")
    with database.reading() as connection:
        stored = connection.execute(select(nodes.c.secret_sha256).where(nodes.c.id == node_id)).scalar()
    return node_id if hmac.compare_digest(stored or b"", digest(secret)) else None


def record_heartbeat(database: Database, node_id: str, stats: dict[str, Any], now_ns: int) -> None:
    """Keep what a node tells of itself, and count what came in since it did so before."""
    this = nodes.c.id == node_id
    with database.writing() as connection:
        before = connection.execute(select(nodes.c.stats, nodes.c.last_seen_ns).where(this)).first()
        if before is not None:
            note_traffic(connection, node_id, before.stats, stats, now_ns - before.last_seen_ns, now_ns)
        connection.execute(update(nodes).where(this).values(last_seen_ns=now_ns, stats=stats))


def change_node(database: Database, node_id: str, name: str | None, group: str | None, actor: Actor, now_ns: int) -> bool:
    """Give a node another name or group (None leaves it); return whether there is such a node."""
    wanted = {column: value for column, value in (("name", name), ("group_name", group)) if value is not None}
    with database.writing() as connection:
        if connection.execute(select(nodes.c.id).where(nodes.c.id == node_id)).first() is None:
            return False
        if wanted:
            connection.execute(update(nodes).where(nodes.c.id == node_id).values(**wanted))
            record(connection, actor, "node.change", node_id, wanted, now_ns)
    return True


def remove_node(database: Database, node_id: str, actor: Actor, now_ns: int) -> bool:
    """Forget a node and its credential; what it reported stays. Return whether there was one."""
    with database.writing() as connection:
        name = connection.execute(delete(nodes).where(nodes.c.id == node_id).returning(nodes.c.name)).scalar()
        if name is None:
            return False
        record(connection, actor, "node.remove", node_id, {"name": name}, now_ns)
    return True


@dataclass(frozen=True, slots=True)
class NodeHealth:
    """What a node's last heartbeat says, as far as it says it; None: it does not.

    ``drops``: packets and segments lost before they were analysed, since the sensor's start; ``backlog``: reports that wait
    for this cloud; ``rules_serial``: which rules of ours it took, ``rules_problem``: why it took no newer ones; the same of
    settings.
    """

    is_live: bool
    packets: int | None
    exchanges: int | None
    drops: int | None
    coverage: float | None
    backlog: int | None
    rules_serial: int | None
    rules_problem: str
    settings_serial: int | None = None
    settings_problem: str = ""


def node_health(row: Row[Any], now_ns: int) -> NodeHealth:
    """Return how the node of *row* does at *now_ns*."""
    stats = row.stats
    lost = [_number(stats.get(f"capture_{name}")) for name in ("kernel_dropped", "lost_shed", "lost_ring_full")]
    known = [int(one) for one in lost if one is not None]
    rules = stats.get("rules")
    rules = rules if isinstance(rules, dict) else {}
    settings = stats.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    return NodeHealth(
        is_live=now_ns - row.last_seen_ns < SILENT_NS,
        packets=_whole(stats.get("capture_packets")),
        exchanges=_whole(stats.get("worker_exchanges")),
        drops=sum(known) if known else None,
        coverage=_number(stats.get("coverage")),
        backlog=_whole(stats.get("exporter_backlog")),
        rules_serial=_whole(rules.get("serial")),
        rules_problem=str(rules.get("problem", ""))[:2000],
        settings_serial=_whole(settings.get("serial")),
        settings_problem=str(settings.get("problem", ""))[:2000],
    )


def tried_findings(database: Database) -> dict[str, int]:
    """Return what experimental rules would have found, by rule, as the nodes told last."""
    found: dict[str, int] = {}
    for row in list_nodes(database):
        told = row.stats.get("tried_findings")
        for rule, count in list(told.items())[:TRIED] if isinstance(told, dict) else ():
            if (number := _whole(count)) is not None:
                found[str(rule)[:200]] = found.get(str(rule)[:200], 0) + number
    return found


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def list_nodes(database: Database) -> list[Row[Any]]:
    """Return every node, the one heard of last first."""
    return page_of_nodes(database, NodeFilter(), NODE_LIMIT).rows


ORDERS: Final = {
    "last": nodes.c.last_seen_ns.desc(),
    "first": nodes.c.registered_ns.desc(),
    "name": func.lower(nodes.c.name),
    "group": func.lower(nodes.c.group_name),
    "version": nodes.c.version.desc(),
}


@dataclass(frozen=True, slots=True)
class NodeFilter:
    """Which nodes: those with *text* in their name, group, host, version or mode; in which of ORDERS."""

    text: str = ""
    sort: str = "last"


@dataclass(frozen=True, slots=True)
class NodePage:
    """Some of the nodes that were asked for, and how many there are of them."""

    rows: list[Row[Any]]
    total: int


def count_nodes(database: Database) -> int:
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(nodes)).scalar_one()


def page_of_nodes(database: Database, wanted: NodeFilter, limit: int, offset: int = 0) -> NodePage:
    """Return up to *limit* of the nodes that *wanted* asks for, beginning with the one after *offset*."""
    told = (nodes.c.name, nodes.c.group_name, nodes.c.hostname, nodes.c.version, nodes.c.mode)
    asked = or_(*(column.icontains(wanted.text, autoescape=True) for column in told))
    ordered = select(nodes).where(asked).order_by(ORDERS[wanted.sort], nodes.c.id).limit(limit).offset(offset)
    with database.reading() as connection:
        rows = list(connection.execute(ordered).all())
        total = connection.execute(select(func.count()).select_from(nodes).where(asked)).scalar_one()
    return NodePage(rows, total)
