"""Inserts of many rows by the driver itself: SQLAlchemy's road for each value costs more than the database does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Table

from tcpmirror.cloud.schema import NUL_SIGN, Packed, TrafficText

_MARKS: Final = {"postgresql": "%s"}


def insert_rows(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Insert *rows*, all with the same columns, each value as the column's type would have it stored."""
    if not rows:
        return
    names = list(rows[0])
    written = [(name, _writer(table, name)) for name in names]
    mark = _MARKS.get(connection.dialect.name, "?")
    statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join([mark] * len(names))})"
    values = [tuple([row[name] if write is None else write(row[name]) for name, write in written]) for row in rows]
    connection.exec_driver_sql(statement, values)


def update_rows(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]], added: frozenset[str] = frozenset()
) -> None:
    """Set in the row of each ``id`` of *rows*, all with the same columns, what they say; columns in *added* grow by it."""
    if not rows:
        return
    names = [name for name in rows[0] if name != "id"]
    written = [(name, _writer(table, name)) for name in names]
    mark = _MARKS.get(connection.dialect.name, "?")
    changes = ", ".join(f"{name} = {name} + {mark}" if name in added else f"{name} = {mark}" for name in names)
    values = [(*[row[name] if write is None else write(row[name]) for name, write in written], row["id"]) for row in rows]
    connection.exec_driver_sql(f"UPDATE {table.name} SET {changes} WHERE id = {mark}", values)


def _writer(table: Table, name: str) -> Callable[[Any], Any] | None:
    kind = table.c[name].type
    if isinstance(kind, Packed):
        return _packed
    return _storable if isinstance(kind, TrafficText) else None


def _packed(value: Any) -> str:
    return orjson.dumps(value).decode()


def _storable(text: str | None) -> str | None:
    return text.replace("\0", NUL_SIGN) if text is not None and "\0" in text else text
