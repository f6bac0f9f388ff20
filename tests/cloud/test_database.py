from __future__ import annotations

import stat
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from tcpmirror.cloud.database import Database, open_database
from tcpmirror.cloud.schema import metadata
from tcpmirror.errors import EnvironmentFault


def test_only_the_owner_reads_the_file_and_its_companions(tmp_path: Path) -> None:
    database = open_database(tmp_path / "cloud.db")
    with database.writing() as connection:
        connection.execute(text("create table something (x)"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"cloud.db": 0o600, "cloud.db-wal": 0o600, "cloud.db-shm": 0o600}
    database.close()


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "cloud.db"
    path.touch(mode=0o644)
    open_database(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_migrations_make_what_the_tables_say(database: Database) -> None:
    made = inspect(database.engine)
    assert set(made.get_table_names()) == {*metadata.tables, "alembic_version"}
    for name, table in metadata.tables.items():
        columns = {column["name"]: column["nullable"] for column in made.get_columns(name)}
        assert columns == {column.name: bool(column.nullable) for column in table.columns}, name
        plain = [index for index in made.get_indexes(name) if "duplicates_constraint" not in index]
        indexes = {index["name"]: index["column_names"] for index in plain}
        assert indexes == {index.name: [column.name for column in index.columns] for index in table.indexes}, name
        assert made.get_pk_constraint(name)["constrained_columns"] == [key.name for key in table.primary_key], name
        foreign = {key["constrained_columns"][0]: key["referred_table"] for key in made.get_foreign_keys(name)}
        assert foreign == {key.parent.name: key.column.table.name for key in table.foreign_keys}, name


def test_opening_again_changes_nothing(address: str) -> None:
    for _ in range(2):
        database = open_database(address)
        with database.reading() as connection:
            assert connection.execute(text("select count(*) from alembic_version")).scalar_one() == 1
        database.close()


def test_readers_see_the_store_as_it_was_when_they_began(database: Database) -> None:
    with database.reading() as reader:
        assert reader.execute(text("select count(*) from tokens")).scalar_one() == 0
        with database.writing() as writer:
            writer.execute(text("insert into tokens (name, role, sha256, created_ns) values ('a', 'read', 'b', 1)"))
        assert reader.execute(text("select count(*) from tokens")).scalar_one() == 0
    with database.reading() as reader:
        assert reader.execute(text("select count(*) from tokens")).scalar_one() == 1


def test_an_exception_rolls_the_block_back(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.writing() as writer:
        writer.execute(text("insert into tokens (name, role, sha256, created_ns) values ('a', 'read', 'b', 1)"))
        raise ZeroDivisionError
    with database.reading() as reader:
        assert reader.execute(text("select count(*) from tokens")).scalar_one() == 0


def _future(path: Path) -> None:
    database = open_database(path)
    with database.writing() as connection:
        connection.execute(text("update alembic_version set version_num = '9999'"))
    database.close()


UNUSABLE = {
    "a directory": lambda path: path.mkdir(),
    "not a database": lambda path: path.write_bytes(b"this is no database" * 100),
    "a schema from the future": _future,
}


@pytest.mark.parametrize("make", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_what_cannot_be_used_is_named(tmp_path: Path, make) -> None:
    path = tmp_path / "cloud.db"
    make(path)
    with pytest.raises(EnvironmentFault, match=r"cloud\.database: .*cloud\.db"):
        open_database(path)
