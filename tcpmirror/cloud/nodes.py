"""The sensors that report here: registration, credentials, heartbeats."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select, update

from tcpmirror.cloud.audit import SYSTEM, Actor, record
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import nodes
from tcpmirror.cloud.tokens import digest
from tcpmirror.cloud.trends import note_traffic


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


def list_nodes(database: Database) -> list[Row[Any]]:
    """Return every node, the one heard of last first."""
    with database.reading() as connection:
        return list(connection.execute(select(nodes).order_by(nodes.c.last_seen_ns.desc()).limit(1000)).all())
