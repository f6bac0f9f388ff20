"""Specifications that operators gave, by host: of each name the newest is current, the ones before are former."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import yaml
import zstandard
from sqlalchemy import Connection, Row, delete, insert, select, update

from tcpmirror.cloud.audit import Actor, record
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import api_hosts, api_specifications
from tcpmirror.cloud.serial import rules_were_changed
from tcpmirror.discovery.specification import DOCUMENT_BYTES, Specification, read_specification

KEPT: Final = 5  # versions of one name
ENFORCED_CHARACTERS: Final = 1 << 20  # of one document that nodes get
PACK_CHARACTERS: Final = 4 << 20  # of all of them


@dataclass(frozen=True, slots=True)
class Specifications:
    current: tuple[Specification, ...]
    former: tuple[Specification, ...]


def specifications_of(connection: Connection, host: str) -> Specifications:
    """Return what is specified for *host*."""
    columns = select(api_specifications.c.name, api_specifications.c.document).where(api_specifications.c.host == host)
    current: dict[str, Specification] = {}
    former: list[Specification] = []
    for row in connection.execute(columns.order_by(api_specifications.c.id)).all():
        if row.name in current:
            former.append(current[row.name])
        raw = zstandard.ZstdDecompressor().decompress(row.document, max_output_size=DOCUMENT_BYTES)
        current[row.name] = read_specification(raw)
    return Specifications(tuple(current.values()), tuple(former))


def add_specification(database: Database, actor: Actor, host: str, name: str, raw: bytes, now_ns: int) -> Specification:
    """Store *raw* as the newest version of *name* for *host*; ValueError if it is no OpenAPI document."""
    found = read_specification(raw)
    row = {
        "host": host,
        "name": name or found.title or "specification",
        "version": found.version,
        "operations": len(found.operations),
        "created_ns": now_ns,
        "enforced": False,
        "document": zstandard.ZstdCompressor(level=9).compress(raw),
    }
    with database.writing() as connection:
        named = (api_specifications.c.host == host, api_specifications.c.name == row["name"])
        enforced = select(api_specifications.c.id).where(*named, api_specifications.c.enforced.is_(True))
        row["enforced"] = connection.execute(enforced.limit(1)).first() is not None
        connection.execute(insert(api_specifications), row)
        if row["enforced"]:
            rules_were_changed(connection)
        same = select(api_specifications.c.id).where(*named)
        old = connection.execute(same.order_by(api_specifications.c.id.desc()).offset(KEPT)).scalars().all()
        if old:
            connection.execute(delete(api_specifications).where(api_specifications.c.id.in_(old)))
        _stale(connection, host, now_ns)
        details = {"name": row["name"], "version": found.version, "operations": len(found.operations)}
        record(connection, actor, "specification.create", host, details, now_ns)
    return found


def list_specifications(database: Database, host: str = "") -> list[Row[Any]]:
    """Return the specifications without their documents, newest first."""
    table = api_specifications
    columns = select(
        table.c.id, table.c.host, table.c.name, table.c.version, table.c.operations, table.c.created_ns, table.c.enforced
    )
    if host:
        columns = columns.where(table.c.host == host)
    with database.reading() as connection:
        return list(connection.execute(columns.order_by(table.c.id.desc()).limit(500)))


def delete_specification(database: Database, actor: Actor, specification_id: int, now_ns: int) -> bool:
    """Take a specification away; False if there is none."""
    with database.writing() as connection:
        wanted = api_specifications.c.id == specification_id
        row = connection.execute(select(api_specifications).where(wanted)).first()
        if row is None:
            return False
        connection.execute(delete(api_specifications).where(wanted))
        if row.enforced:
            rules_were_changed(connection)
        _stale(connection, row.host, now_ns)
        record(connection, actor, "specification.delete", row.host, {"name": row.name}, now_ns)
    return True


def enforce(database: Database, actor: Actor, specification_id: int, enforced: bool, now_ns: int) -> bool:
    """Have nodes compare requests with the newest version of a specification's name, or no longer; False if there is none.

    ValueError: it is too large to go to nodes.
    """
    table = api_specifications
    with database.writing() as connection:
        row = connection.execute(select(table).where(table.c.id == specification_id)).first()
        if row is None:
            return False
        if enforced and len(_document(row)) > ENFORCED_CHARACTERS:
            raise ValueError(f"the document has {len(_document(row))} characters; nodes take up to {ENFORCED_CHARACTERS}")
        same = update(table).where(table.c.host == row.host, table.c.name == row.name)
        connection.execute(same.values(enforced=enforced))
        rules_were_changed(connection)
        record(connection, actor, "specification.enforce", row.host, {"name": row.name, "enforced": enforced}, now_ns)
    return True


def specification_pack(connection: Connection) -> str:
    """Return the rule pack with the newest version of every enforced specification, empty without one."""
    table = api_specifications
    newest: dict[tuple[str, str], Row[Any]] = {}
    for row in connection.execute(select(table).where(table.c.enforced.is_(True)).order_by(table.c.id)).all():
        newest[row.host, row.name] = row
    entries, room = [], PACK_CHARACTERS
    for (host, name), row in sorted(newest.items()):
        document = _document(row)
        room -= len(document)
        if len(document) <= ENFORCED_CHARACTERS and room >= 0:
            entries.append({"host": host, "name": name, "document": document})
    return yaml.safe_dump({"specifications": entries}, allow_unicode=True, sort_keys=False) if entries else ""


def _document(row: Row[Any]) -> str:
    raw = zstandard.ZstdDecompressor().decompress(row.document, max_output_size=DOCUMENT_BYTES)
    return raw.decode("utf-8", "replace")


def _stale(connection: Connection, host: str, now_ns: int) -> None:
    """Have the endpoints of *host* built anew."""
    connection.execute(update(api_hosts).where(api_hosts.c.host == host).values(changed_ns=now_ns, built_ns=0))
