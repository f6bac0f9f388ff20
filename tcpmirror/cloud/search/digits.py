"""Ranges of numbers inside text, as patterns of digits: `[1-9]`, `[1-9][0-9]` and `100` are the numbers from 1 to 100."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Boolean, ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


def digit_patterns(low: int, high: int) -> list[str]:
    """Return patterns that together hold for the decimal numbers from *low* to *high*, and for no others.

    At most two for each digit of the two, and one for each length between.
    """
    if low > high:
        return []
    found: list[str] = []
    for length in range(len(str(low)), len(str(high)) + 1):
        first, last = 10 ** (length - 1) if length > 1 else 0, 10**length - 1
        found += _of_length(str(max(low, first)), str(min(high, last)))
    return found


def _of_length(low: str, high: str) -> Iterator[str]:
    """Yield patterns for the numbers between two of the same length."""
    if not low:
        yield ""
    elif low[0] == high[0]:
        for rest in _of_length(low[1:], high[1:]):
            yield low[0] + rest
    else:
        below, above = int(low[0]), int(high[0])
        if set(low[1:]) - {"0"}:
            yield from (low[0] + rest for rest in _of_length(low[1:], "9" * (len(low) - 1)))
            below += 1
        if set(high[1:]) - {"9"}:
            yield from (high[0] + rest for rest in _of_length("0" * (len(high) - 1), high[1:]))
            above -= 1
        if below <= above:
            yield _digit(below, above) + "[0-9]" * (len(low) - 1)


def _digit(low: int, high: int) -> str:
    return str(low) if low == high else f"[{low}-{high}]"


class holds_digits(FunctionElement[bool]):  # noqa: N801 - used as a function of SQL
    """``holds_digits(column, pattern)``: the text has *pattern* in it; only digits in brackets mean something in it."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[str], pattern: str) -> None:
        super().__init__(column, pattern)


@compiles(holds_digits)
def _found(element: holds_digits, compiler: Any, **options: Any) -> str:
    column, pattern = (compiler.process(clause, **options) for clause in element.clauses)
    if compiler.dialect.name == "postgresql":
        return f"({column} ~ {pattern})"
    return f"({column} GLOB '*' || {pattern} || '*')"
