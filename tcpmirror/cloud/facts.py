"""What the store keeps one of, by its name."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from tcpmirror.cloud.schema import facts


def fact(connection: Connection, name: str) -> bytes:
    """Return the fact called *name*, empty if there is none."""
    return connection.execute(select(facts.c.value).where(facts.c.name == name)).scalar() or b""


def keep_fact(connection: Connection, name: str, value: bytes) -> None:
    connection.execute(delete(facts).where(facts.c.name == name))
    connection.execute(insert(facts), {"name": name, "value": value})
