"""The case-insensitive LIKE, on both kinds of store."""

from __future__ import annotations

import pytest
from sqlalchemy import literal, select

from tcpmirror.cloud.database import Database
from tcpmirror.cloud.search.alike import alike

CASES = {
    "letter case is ignored": ("Shop.Example", "shop.EX%", True),
    "a wildcard is any text": ("shop.example", "%.example", True),
    "one place is one character": ("abc", "a_c", True),
    "an escaped wildcard is itself": ("100%", "100\\%", True),
    "an escaped wildcard is nothing else": ("1000", "100\\%", False),
    "a backslash is escaped by one": ("a\\b", "a\\\\b", True),
    "an apostrophe is text": ("o'neil", "O'%", True),
    "letters beyond ASCII are themselves": ("é", "é", True),
}


@pytest.mark.parametrize(("text", "pattern", "holds"), CASES.values(), ids=CASES.keys())
def test_text_is_like_its_pattern(lasting_database: Database, text: str, pattern: str, holds: bool) -> None:
    with lasting_database.reading() as connection:
        assert bool(connection.execute(select(alike(literal(text), pattern))).scalar_one()) is holds
