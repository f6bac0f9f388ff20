"""Opens the store: SQLite in WAL mode in a file that only its owner reads, brought to the newest schema."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError

from tcpmirror.errors import EnvironmentFault

# Readers and the writer wait this long for each other's locks; in WAL mode only two writers ever meet.
_BUSY_MS = 5_000
_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    # FULL: a commit that was acknowledged survives a power cut (NORMAL would keep it only over a crash of the process).
    "PRAGMA synchronous=FULL",
    f"PRAGMA busy_timeout={_BUSY_MS}",
    # Fold the log back every 32 MiB: at the default 4 MiB that happens at every second full batch.
    "PRAGMA wal_autocheckpoint=8192",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA cache_size=-32768",
)


class Database:
    """One open store. Any thread may read at any time; one thread at a time writes."""

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


def open_database(path: Path) -> Database:
    """Return the store in the SQLite file *path*, made or migrated as needed; EnvironmentFault if that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)  # SQLite gives its -wal and -shm files the mode of the file itself
    except OSError as error:
        raise EnvironmentFault(f"cloud.database: {path}: {error.strerror}; accepted: a path this user may write") from error
    engine = create_engine(f"sqlite:///{path}", pool_size=8, max_overflow=32, pool_timeout=10)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    try:
        _migrate(engine)
    except (DatabaseError, CommandError) as error:
        engine.dispose()
        raise EnvironmentFault(f"cloud.database: {path} cannot be used: {getattr(error, 'orig', error)}") from error
    return Database(engine)


def _prepare(connection: Any, record: object) -> None:
    # The driver's own transactions begin as readers and fail when they turn into writers; _begin says which kind is meant.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("tcpmirror_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    with engine.connect() as connection:
        connection.execution_options(tcpmirror_writes=True)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
