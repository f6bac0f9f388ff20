"""The thread that sends stored hits to the integrations, each at its own pace and none lost while one is away."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tcpmirror.cloud.integrations import (
    claim,
    give_up,
    list_integrations,
    note_problem,
    note_sent,
    sink_of,
    waiting_hits,
)
from tcpmirror.cloud.service import Service
from tcpmirror.errors import EnvironmentFault
from tcpmirror.export.delivery import BackOff, DeliveryError, RefusedError
from tcpmirror.export.sinks.hit import Hit
from tcpmirror.export.sinks.opening import open_sink
from tcpmirror.export.sinks.sink import Sink
from tcpmirror.settings import tree
from tcpmirror.telemetry.version import installed_version

_log = logging.getLogger(__name__)
INTERVAL_S: Final = 2.0
_AT_ONCE: Final = 4  # integrations that are served side by side
_CLOSING_S: Final = 3.0
_BATCH: Final = 100  # hits in one delivery
_BATCHES: Final = 20  # in one turn of one integration


@dataclass(slots=True)
class _Pace:
    """How an integration did; ``due_ns``: not before then again."""

    back_off: BackOff = field(default_factory=BackOff)
    due_ns: int = 0


class Deliveries:
    """Runs `turn` every INTERVAL_S until closed. A store that fails is tried again at the next turn."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._paces: dict[int, _Pace] = {}
        self._name = secrets.token_hex(8)
        self._has_sent = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deliveries", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread. A delivery that hangs is left to itself: it was not noted, so it comes again."""
        self._stop.set()
        self._thread.join(_CLOSING_S)
        if self._has_sent and not self._thread.is_alive():
            with suppress(DBAPIError, PoolTimeoutError):  # else others wait until the claim runs out
                give_up(self._service.database, self._name)

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL_S):
            try:
                self.turn()
            except (DBAPIError, PoolTimeoutError) as error:
                _log.warning("integrations wait for the store: %s", getattr(error, "orig", error))

    def turn(self) -> None:
        """Send what waits to each integration that is due."""
        rows = list_integrations(self._service.database)
        self._paces = {row.id: self._paces.get(row.id, _Pace()) for row in rows}
        due = [row for row in rows if self._paces[row.id].due_ns <= self._service.clock()]
        if due and self._may_send():
            self._has_sent = True
            with ThreadPoolExecutor(min(_AT_ONCE, len(due)), thread_name_prefix="integration") as pool:
                list(pool.map(self._serve, due))

    def _may_send(self) -> bool:
        return claim(self._service.database, self._name, self._service.clock())

    def _serve(self, row: Row[Any]) -> None:
        database, pace, after = self._service.database, self._paces[row.id], row.after_hit
        settings = sink_of(row)
        try:
            for _ in range(_BATCHES):
                with database.reading() as connection:
                    last, found = waiting_hits(connection, settings, after, _BATCH)
                if last == after or self._stop.is_set() or not self._may_send():
                    break
                refused = _send(settings, f"{row.id}-{after}", found) if found else ""
                note_sent(database, row.id, last, len(found))
                if refused:
                    note_problem(database, row.id, refused)
                after = last
            pace.back_off.reset()
        except (DeliveryError, EnvironmentFault) as error:
            wait_s = pace.back_off.next_s(getattr(error, "retry_after_s", None))
            pace.due_ns = self._service.clock() + int(wait_s * 1e9)
            note_problem(database, row.id, str(error))
            _log.warning("integration %s: next try in %.0f s: %s", row.name, wait_s, error)


def _send(settings: tree.Sink, batch_id: str, found: Sequence[Hit]) -> str:
    """Deliver *found*; return why some were refused, empty if none was. DeliveryError: none counts as sent."""
    sink = open_sink(settings, installed_version())
    try:
        return _halved(sink, batch_id, found)
    finally:
        sink.close()


def _halved(sink: Sink, batch_id: str, found: Sequence[Hit]) -> str:
    try:
        sink.send(batch_id, found)
    except RefusedError as error:
        if len(found) == 1:
            return f"refused hit {found[0].id}: {error}"
        half = len(found) // 2
        parts = {"a": found[:half], "b": found[half:]}
        problems = [_halved(sink, f"{batch_id}{part}", of_part) for part, of_part in parts.items()]
        return next(filter(None, problems), "")
    return ""


def send_trial(settings: tree.Sink, found: Sequence[Hit]) -> str:
    """Send *found* once; return what went wrong, empty if nothing did."""
    try:
        return _send(settings, "trial", found)
    except (DeliveryError, EnvironmentFault) as error:
        return str(error)
