"""Inserts of many rows by the driver itself: SQLAlchemy's road for each value costs more than the database does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

import orjson
from sqlalchemy import Column, Connection, LargeBinary, Table
from sqlalchemy.types import TypeEngine

from tcpmirror.cloud.schema import NUL_SIGN, Packed, TrafficText

CHUNK: Final = 500  # values in one IN (...); SQLite before 3.32 took 999 in all
_MARKS: Final = {"postgresql": "%s"}
_Value = TypeVar("_Value")


def chunks(values: Iterable[_Value], size: int = CHUNK) -> Iterator[list[_Value]]:
    """Yield *values* in lists of *size*, the last of what is left."""
    left = iter(values)
    while chunk := list(islice(left, size)):
        yield chunk


def insert_rows(connection: Connection, table: Table, rows: Sequence[dict[str, Any]], or_else: str = "") -> None:
    """Insert *rows*, all with the same columns; see `insert_values`."""
    if rows:
        names = tuple(rows[0])
        insert_values(connection, table, names, [tuple([row[name] for name in names]) for row in rows], or_else)


def insert_values(
    connection: Connection, table: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]], or_else: str = ""
) -> None:
    """Insert *rows*, the values of columns *names*, each as the column's type would have it stored.

    *or_else*: what follows ON CONFLICT; empty: a row that is there already is an error.
    """
    if not rows:
        return
    mark = _MARKS.get(connection.dialect.name, "?")
    conflict = f" ON CONFLICT {or_else}" if or_else else ""
    statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join([mark] * len(names))}){conflict}"
    connection.exec_driver_sql(statement, _stored_values(table, names, rows))


def update_rows(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]], added: frozenset[str] = frozenset()
) -> None:
    """Set in the row of each ``id`` of *rows*, all with the same columns, what they say; columns in *added* grow by it."""
    if not rows:
        return
    names = (*(name for name in rows[0] if name != "id"), "id")
    mark = _MARKS.get(connection.dialect.name, "?")
    changes = ", ".join(f"{name} = {name} + {mark}" if name in added else f"{name} = {mark}" for name in names[:-1])
    values = _stored_values(table, names, [tuple([row[name] for name in names]) for row in rows])
    connection.exec_driver_sql(f"UPDATE {table.name} SET {changes} WHERE id = {mark}", values)


def values_in(connection: Connection, column: Column[_Value], values: Sequence[_Value]) -> list[_Value]:
    """Return those of *values*, at most CHUNK, that *column* has."""
    if not values:
        return []
    marks = ", ".join([_MARKS.get(connection.dialect.name, "?")] * len(values))
    statement = f"SELECT {column.name} FROM {column.table.name} WHERE {column.name} IN ({marks})"
    return [found for (found,) in connection.exec_driver_sql(statement, tuple(values))]


def new_ids(connection: Connection, table: Table, number: int) -> range | list[int]:
    """Return *number* ids that no row of *table* has or had (`sqlite_autoincrement`); the caller is the only writer."""
    if connection.dialect.name == "postgresql":
        statement = f"SELECT nextval(pg_get_serial_sequence('{table.name}', 'id')) FROM generate_series(1, {number})"
        return list(connection.exec_driver_sql(statement).scalars())
    statement = f"SELECT seq FROM sqlite_sequence WHERE name = '{table.name}'"
    last = connection.exec_driver_sql(statement).scalar() or 0
    return range(last + 1, last + 1 + number)


def _stored_values(table: Table, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return *rows* as the driver takes them, a column at a time."""
    by_name = zip(names, zip(*rows, strict=True), strict=True)
    return list(zip(*(_stored_column(table.c[name].type, column) for name, column in by_name), strict=True))


def _stored_column(kind: TypeEngine[Any], column: Sequence[Any]) -> Iterable[Any]:
    if isinstance(kind, Packed):
        return [orjson.dumps(value).decode() for value in column]
    # One look at all of them: hardly any text has a NUL.
    if isinstance(kind, TrafficText) and "\0" in "".join(filter(None, column)):
        return [text and text.replace("\0", NUL_SIGN) for text in column]
    if isinstance(kind, LargeBinary):
        return map(bytearray, column)  # sqlite3 looks for an adapter of each `bytes`, and fails, before it takes them
    return column
