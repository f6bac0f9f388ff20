"""LIKE that ignores the case of ASCII letters, as each database does it fastest."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class alike(FunctionElement[bool]):  # noqa: N801 - used as a function of SQL
    """``alike(column, pattern)``: an SQL LIKE pattern with a backslash as escape.

    SQLAlchemy's own `ilike` calls `lower` for each row on SQLite, whose LIKE ignores case by itself: over 200,000 attacks
    that took three times as long.
    """

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[str], pattern: str) -> None:
        super().__init__(column, pattern)


@compiles(alike)
def _like(element: alike, compiler: Any, **options: Any) -> str:
    column, pattern = element.clauses
    word = "ILIKE" if compiler.dialect.name == "postgresql" else "LIKE"
    return f"({compiler.process(column, **options)} {word} {compiler.process(pattern, **options)} ESCAPE '\\')"
