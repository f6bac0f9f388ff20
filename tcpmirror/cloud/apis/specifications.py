"""Specifications that operators gave, by host: of each name the newest is current, the ones before are former."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import zstandard
from sqlalchemy import Connection, Row, delete, insert, select, update

from tcpmirror.cloud.audit import Actor, record
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import api_hosts, api_specifications
from tcpmirror.discovery.specification import DOCUMENT_BYTES, Specification, read_specification

KEPT: Final = 5  # versions of one name


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
        "document": zstandard.ZstdCompressor(level=9).compress(raw),
    }
    with database.writing() as connection:
        connection.execute(insert(api_specifications), row)
        same = select(api_specifications.c.id).where(
            api_specifications.c.host == host, api_specifications.c.name == row["name"]
        )
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
    columns = select(table.c.id, table.c.host, table.c.name, table.c.version, table.c.operations, table.c.created_ns)
    if host:
        columns = columns.where(table.c.host == host)
    with database.reading() as connection:
        return list(connection.execute(columns.order_by(table.c.id.desc()).limit(500)))


def delete_specification(database: Database, actor: Actor, specification_id: int, now_ns: int) -> bool:
    """Take a specification away; False if there is none."""
    with database.writing() as connection:
        wanted = api_specifications.c.id == specification_id
        row = connection.execute(select(api_specifications.c.host, api_specifications.c.name).where(wanted)).first()
        if row is None:
            return False
        connection.execute(delete(api_specifications).where(wanted))
        _stale(connection, row.host, now_ns)
        record(connection, actor, "specification.delete", row.host, {"name": row.name}, now_ns)
    return True


def _stale(connection: Connection, host: str, now_ns: int) -> None:
    """Have the endpoints of *host* built anew."""
    connection.execute(update(api_hosts).where(api_hosts.c.host == host).values(changed_ns=now_ns, built_ns=0))
