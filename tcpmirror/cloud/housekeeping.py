"""What the cloud does by itself: a thread that writes last uses and takes away what has expired."""

from __future__ import annotations

import logging
import threading
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tcpmirror.cloud.apis.building import build_stale, sweep_unused
from tcpmirror.cloud.behavior.intake import forget_old
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.enrichment.entries import expire_entries
from tcpmirror.cloud.retention import expire, retention_in_force
from tcpmirror.cloud.schema import audit, sessions
from tcpmirror.cloud.service import Service
from tcpmirror.cloud.sessions.intake import forget_old_sessions

_log = logging.getLogger(__name__)
INTERVAL_S: Final = 30.0
_KEPT_AUDIT: Final = 200_000  # entries; at a hundred changes a day, five years


class Housekeeping:
    """Runs `turn` every INTERVAL_S until closed. A store that fails is tried again at the next turn."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, after one last turn."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        stopping = False
        while not stopping:
            stopping = self._stop.wait(INTERVAL_S)
            try:
                turn(self._service, self._stop)
            except (DBAPIError, PoolTimeoutError) as error:
                _log.warning("housekeeping waits for the store: %s", getattr(error, "orig", error))


def turn(service: Service, stop: threading.Event | None = None) -> None:
    """Do everything once; what may take long ends when *stop* is set."""
    stop = stop or threading.Event()
    service.last_uses.write(service.database)
    expire_entries(service.database, service.clock())
    service.book.look(service.clock())
    service.marking.turn(service.database, service.book, stop)
    sweep(service.database, service.clock())
    build_stale(service.database, service.clock())
    sweep_unused(service.database, service.clock())
    forget_old(service.database, service.clock())
    forget_old_sessions(service.database, service.clock())
    if not stop.is_set():
        kept, _ = retention_in_force(service.database, service.retention)
        expire(service.database, kept, service.clock(), stop)


def sweep(database: Database, now_ns: int) -> None:
    """Take away expired sessions, and the oldest of the audit log where it is longer than it may be."""
    with database.reading() as connection:
        expired = connection.execute(select(func.count()).where(sessions.c.expires_ns <= now_ns)).scalar_one()
        newest = connection.execute(select(func.max(audit.c.id))).scalar() or 0
        oldest = connection.execute(select(func.min(audit.c.id))).scalar() or 0
    if not expired and newest - oldest < _KEPT_AUDIT:
        return
    with database.writing() as connection:
        connection.execute(delete(sessions).where(sessions.c.expires_ns <= now_ns))
        connection.execute(delete(audit).where(audit.c.id <= newest - _KEPT_AUDIT))
