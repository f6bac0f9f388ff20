"""PostgreSQL: connections that notice a lost server soon, snapshots for readers, one writer at a time."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from tcpmirror.errors import EnvironmentFault

# Held by a writer until its commit, by whatever process of this cloud: two batches must not begin the same attack.
_WRITER_LOCK: Final = 0x7463706D  # "tcpm"
_ACCEPTED: Final = "accepted: postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
# A server that vanished (power, network) sends no reset: without these a request would hang for the kernel's two hours.
_CONNECTING: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "tcpmirror-cloud",
}
# A page that takes longer is not waited for; a writer that lost its client gives its lock back.
_SETTINGS: Final = (
    "SET statement_timeout = '60s'",
    "SET lock_timeout = '10s'",
    "SET idle_in_transaction_session_timeout = '120s'",
    # What an attack must not have (`!ip:10.0.0.0/8`) is looked up in a table in memory; where it does not fit into what is
    # allowed, PostgreSQL reads it anew for every attack: minutes instead of a fraction of a second.
    "SET work_mem = '64MB'",
)


def open_engine(address: str) -> Engine:
    """Return connections to the database at *address*; EnvironmentFault if it is no such address."""
    url = _url(address)
    given = {name: value for name, value in _CONNECTING.items() if name not in url.query}
    engine = create_engine(url, connect_args=given, pool_size=8, max_overflow=32, pool_timeout=10, pool_pre_ping=True)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def without_password(address: str) -> str:
    return _url(address).set(drivername="postgresql").render_as_string(hide_password=True)


def _url(address: str) -> URL:
    try:
        url = make_url(address).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError) as error:
        # Its text would repeat the address, and with it the password.
        raise EnvironmentFault(f"cloud.database: not the address of a database; {_ACCEPTED}") from error
    if not url.database:
        raise EnvironmentFault(f"cloud.database: the address names no database; {_ACCEPTED}")
    return url


def _prepare(connection: Any, record: object) -> None:
    connection.autocommit = True
    for setting in _SETTINGS:
        connection.execute(setting)
    connection.autocommit = False


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("tcpmirror_writes", False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
