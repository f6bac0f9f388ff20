from __future__ import annotations

from sqlalchemy import insert, select

from tcpmirror.cloud.bulk import insert_rows
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import audit

ROW = {
    "time_ns": 2**62, "actor": "a\0b", "address": "", "action": "é\U0001f600", "object": "%s ? :x", "details": {"a": ["\0", None]},
}  # fmt: skip


def test_rows_are_stored_as_one_by_one(database: Database) -> None:
    with database.writing() as connection:
        connection.execute(insert(audit), ROW)
        insert_rows(connection, audit, [ROW, ROW])
        insert_rows(connection, audit, [])
    with database.reading() as connection:
        one, *others = connection.execute(select(audit)).all()
    assert [row[1:] for row in others] == [one[1:]] * 2
    assert one.actor == "a\u2400b" and one.details == ROW["details"]
