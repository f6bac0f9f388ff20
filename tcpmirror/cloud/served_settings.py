"""The settings that nodes fetch: texts for all of them, for a group or for one, signed, under a number that grows.

The key is that of the rules. A text is read here by the code that nodes read it with, before it is kept.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, case, delete, insert, select

from tcpmirror.cloud.audit import Actor, record
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.facts import fact, keep_fact
from tcpmirror.cloud.schema import node_settings, nodes
from tcpmirror.cloud.served_rules import signing_key
from tcpmirror.errors import SettingsError
from tcpmirror.model.settings_document import SettingsDocument, encode_settings, signed_settings_bytes
from tcpmirror.settings.pushed import with_pushed
from tcpmirror.settings.tree import Settings

ALL: Final = "all"
SCOPES: Final = 500
_SERIAL: Final = "settings_serial"
_TOLD_CHARS: Final = 4_000  # of a text in the log of changes


class BadSettings(Exception):
    """Settings that a node would refuse, or a scope that is none; its text says where and why."""


@dataclass(frozen=True, slots=True)
class SignedSettings:
    """``payload``: see `model.settings_document`; ``signature``: Base64; ``etag``: the same for the same payload."""

    payload: bytes
    signature: str
    etag: str


def signed_settings(database: Database, node_id: str) -> SignedSettings:
    """Return what node *node_id* is to have now."""
    with database.reading() as connection:
        group = connection.execute(select(nodes.c.group_name).where(nodes.c.id == node_id)).scalar() or ""
        scopes = [ALL, *([f"group:{group}"] if group else []), f"node:{node_id}"]
        order = case({scope: place for place, scope in enumerate(scopes)}, value=node_settings.c.scope)
        found = select(node_settings.c.scope, node_settings.c.text).where(node_settings.c.scope.in_(scopes))
        layers = tuple((row.scope, row.text) for row in connection.execute(found.order_by(order)))
        document = SettingsDocument(_serial(connection), node_id, layers)
    payload = encode_settings(document)
    signature = base64.b64encode(signing_key(database).sign(signed_settings_bytes(payload))).decode()
    return SignedSettings(payload, signature, f'"{hashlib.sha256(payload).hexdigest()[:32]}"')


def keep_settings(database: Database, scope: str, text: str, actor: Actor, now_ns: int) -> None:
    """Give the nodes of *scope* (`all`, `group:NAME`, `node:ID`) the YAML *text*, in place of what they had; empty: nothing.

    Raises BadSettings. Who changed what is in the log of changes: the text before and the text after.
    """
    _check(database, scope, text)
    row = {"scope": scope, "text": text, "changed_ns": now_ns, "changed_by": actor.name}
    with database.writing() as connection:
        before = connection.execute(select(node_settings.c.text).where(node_settings.c.scope == scope)).scalar() or ""
        if before == text:
            return
        connection.execute(delete(node_settings).where(node_settings.c.scope == scope))
        if text.strip():
            connection.execute(insert(node_settings), row)
        keep_fact(connection, _SERIAL, str(_serial(connection) + 1).encode())
        told = {"before": before[:_TOLD_CHARS], "after": text[:_TOLD_CHARS]}
        record(connection, actor, "settings.keep", scope, told, now_ns)


def list_settings(database: Database) -> tuple[int, list[Row[Any]]]:
    """Return the number of the last change, and every scope that has settings, by name."""
    with database.reading() as connection:
        rows = connection.execute(select(node_settings).order_by(node_settings.c.scope)).all()
        return _serial(connection), list(rows)


def _check(database: Database, scope: str, text: str) -> None:
    kind, _, name = scope.partition(":")
    with database.reading() as connection:
        known = set(connection.execute(select(node_settings.c.scope)).scalars())
        is_node = connection.execute(select(nodes.c.id).where(nodes.c.id == name)).first() is not None
    if not (scope == ALL or (kind == "group" and name) or (kind == "node" and (is_node or scope in known))):
        raise BadSettings(f"scope: {scope[:100]!r}; accepted: all, group:NAME, or node:ID of a node")
    if scope not in known and len(known) >= SCOPES:
        raise BadSettings(f"scope: there are {SCOPES} already; accepted: one of them")
    try:
        with_pushed(Settings(), text, f"settings for {scope}")
    except SettingsError as error:
        raise BadSettings(str(error)) from error


def _serial(connection: Connection) -> int:
    return int(fact(connection, _SERIAL) or b"0")
