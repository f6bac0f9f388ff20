"""Opens the store, on SQLite or PostgreSQL, and brings it to the newest schema."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from tcpmirror.cloud import postgresql, sqlite
from tcpmirror.errors import EnvironmentFault

_URL_SCHEMES: Final = ("postgresql://", "postgres://")


class Database:
    """One open store. Any thread may read at any time; one thread at a time writes.

    Writers come one after another on both kinds of store, so what one of them has read stays true until it has written:
    SQLite locks the file, PostgreSQL a number that all processes of a cloud know.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writing = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view of the store; what is written meanwhile is not seen."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, committed at the end of the block and rolled back by an exception out of it."""
        with self._writing, self.engine.connect() as connection:
            connection.execution_options(tcpmirror_writes=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        self.engine.dispose()


def open_database(where: Path | str) -> Database:
    """Return the store at *where*, made or migrated as needed; EnvironmentFault if that cannot be.

    *where* is the path of an SQLite file or a `postgresql://USER:PASSWORD@HOST/DATABASE` address, whose database exists.
    """
    is_url = str(where).startswith(_URL_SCHEMES)
    engine = postgresql.open_engine(str(where)) if is_url else sqlite.open_engine(Path(where))
    try:
        _migrate(engine)
    except (DBAPIError, CommandError) as error:
        engine.dispose()
        raise EnvironmentFault(f"cloud.database: {shown(where)} cannot be used: {getattr(error, 'orig', error)}") from error
    return Database(engine)


def shown(where: Path | str) -> str:
    """Return *where* as it may be logged: an address without its password."""
    return postgresql.without_password(str(where)) if str(where).startswith(_URL_SCHEMES) else str(where)


def _migrate(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    with engine.connect() as connection:
        connection.execution_options(tcpmirror_writes=True)
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")  # a step may have to read a large table
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
