"""SQLite in WAL mode, in a file that only its owner reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event

from tcpmirror.errors import EnvironmentFault

# Readers and the writer wait this long for each other's locks; in WAL mode only two writers ever meet.
_BUSY_MS: Final = 5_000
_PRAGMAS: Final = (
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


def open_engine(path: Path) -> Engine:
    """Return connections to the file *path*, made if it is not there; EnvironmentFault if this user may not have it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)  # SQLite gives its -wal and -shm files the mode of the file itself
    except OSError as error:
        raise EnvironmentFault(f"cloud.database: {path}: {error.strerror}; accepted: a path this user may write") from error
    engine = create_engine(f"sqlite:///{path}", pool_size=8, max_overflow=32, pool_timeout=10)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


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
