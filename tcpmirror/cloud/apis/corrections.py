"""Templates that the operator says: they go before what statistics say."""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import Row, delete, func, insert, select, update

from tcpmirror.cloud.apis.packing import key_of
from tcpmirror.cloud.audit import Actor, record
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import api_hosts, api_templates
from tcpmirror.discovery.digest import SEGMENTS
from tcpmirror.discovery.specification import bare_path

KEPT: Final = 1_000  # of one host
_PATH: Final = re.compile(r"/[^\s?#]{0,1000}")


def list_corrections(database: Database, host: str = "") -> list[Row[Any]]:
    table = api_templates
    wanted = select(table.c.id, table.c.host, table.c.template, table.c.created_ns).where(table.c.source == "operator")
    if host:
        wanted = wanted.where(table.c.host == host)
    with database.reading() as connection:
        return list(connection.execute(wanted.order_by(table.c.id)))


def add_correction(database: Database, actor: Actor, host: str, path: str, now_ns: int) -> None:
    """Say that *path* (values in braces) is a template of *host*; ValueError if it is no path, or there are too many."""
    template = bare_path(path)
    if not _PATH.fullmatch(path) or len(template) > SEGMENTS:
        raise ValueError(f"path: {path[:80]!r} is not accepted; accepted: /segments with values in braces, up to {SEGMENTS}")
    table = api_templates
    key = key_of(host, "operator", *template)
    with database.writing() as connection:
        count = select(func.count()).where(table.c.host == host, table.c.source == "operator")
        if connection.execute(count).scalar_one() >= KEPT:
            raise ValueError(f"host: {host[:80]!r} has {KEPT} templates already, which is all there may be")
        if connection.execute(select(table.c.id).where(table.c.key == key)).first() is None:
            row = {"key": key, "host": host, "source": "operator", "template": list(template), "created_ns": now_ns}
            connection.execute(insert(table), row)
        connection.execute(update(api_hosts).where(api_hosts.c.host == host).values(changed_ns=now_ns, built_ns=0))
        record(connection, actor, "api_template.create", host, {"path": path}, now_ns)


def delete_correction(database: Database, actor: Actor, correction_id: int, now_ns: int) -> bool:
    """Take a template of the operator's away; False if there is none."""
    table = api_templates
    with database.writing() as connection:
        wanted = (table.c.id == correction_id, table.c.source == "operator")
        row = connection.execute(select(table.c.host, table.c.template).where(*wanted)).first()
        if row is None:
            return False
        connection.execute(delete(table).where(*wanted))
        connection.execute(update(api_hosts).where(api_hosts.c.host == row.host).values(changed_ns=now_ns, built_ns=0))
        record(connection, actor, "api_template.delete", row.host, {"path": "/" + "/".join(row.template)}, now_ns)
    return True
