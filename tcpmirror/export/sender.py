"""The thread that empties the spool into the cloud, at the cloud's pace."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from tcpmirror.export.batches import Batch, next_batch
from tcpmirror.export.client import BatchRefusedError, CloudClient, CloudError
from tcpmirror.export.rejected import append_rejected
from tcpmirror.export.spool import Spool
from tcpmirror.telemetry.counters import CounterPage

HEARTBEAT_S: Final = 30.0
IDLE_S: Final = 1.0
DIGESTS_S: Final = 2.0
log = logging.getLogger(__name__)


@dataclass(slots=True)
class BackOff:
    """How long to wait after each failure in a row: doubling from *first_s* to *limit_s*, any share of it from a half up.

    The random share keeps a fleet of sensors from coming back to a recovering cloud all at once.
    """

    first_s: float = 0.5
    limit_s: float = 60.0
    failures: int = 0

    def next_s(self, retry_after_s: float | None = None) -> float:
        """Return the wait before the next try, at least what the cloud asked for."""
        wait_s = min(self.limit_s, self.first_s * 2.0 ** min(self.failures, 32)) * random.uniform(0.5, 1.0)
        self.failures += 1
        return max(wait_s, retry_after_s or 0.0)

    def reset(self) -> None:
        self.failures = 0


class Outbox(Protocol):
    """What else goes to the cloud: bodies of calls to ``path``, the same until it is done; ``what`` they are, in words."""

    @property
    def path(self) -> str: ...

    @property
    def sent_counter(self) -> str: ...

    @property
    def what(self) -> str: ...

    def next(self) -> tuple[bytes, int] | None: ...

    def done(self) -> None: ...


@dataclass(slots=True)
class Sender:
    """Sends what *spool* holds through *client*; the only writer of the sending counters of *counters*.

    ``batch_reports`` reports make a batch, fewer are sent once they have waited ``batch_interval_s``. ``stats`` returns what
    a heartbeat says, ``after_heartbeat`` is called when it was taken. For ``start_patience_s`` a cloud that has not answered
    yet is no failure: it is starting too.
    """

    spool: Spool
    client: CloudClient
    counters: CounterPage
    batch_reports: int
    batch_interval_s: float
    stats: Callable[[], dict[str, object]]
    back_off: BackOff = field(default_factory=BackOff)
    start_patience_s: float = 0.0
    after_heartbeat: Callable[[], None] = lambda: None
    outboxes: tuple[Outbox, ...] = ()
    _digests_at_s: float = field(default=0.0, init=False)
    _wake: threading.Event = field(default_factory=threading.Event, init=False)
    _finishing: threading.Event = field(default_factory=threading.Event, init=False)
    _heartbeat_at_s: float = field(default=0.0, init=False)
    _patient_until_s: float = field(default=0.0, init=False)
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)

    def start(self) -> None:
        self._patient_until_s = time.monotonic() + self.start_patience_s
        self._thread.start()

    def wake(self) -> None:
        """Say that the spool has something new."""
        self._wake.set()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def finish(self, deadline_s: float) -> bool:
        """Send what *deadline_s* seconds allow, trying each batch once; True if the thread ended in time."""
        self._finishing.set()
        self._wake.set()
        self._thread.join(max(0.0, deadline_s))
        return not self._thread.is_alive()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._finishing.is_set()
            wait_s = self._attempt()
            if wait_s:
                self._finishing.wait(wait_s)
            elif not is_last:
                self._wait_for_news(IDLE_S)

    def _attempt(self) -> float:
        """Send everything there is; return the seconds to stand off, 0.0 if all went well."""
        try:
            self._heartbeat()
            while self._batch_is_due() and (batch := next_batch(self.spool, self.batch_reports)) is not None:
                self._deliver(batch)
                self.back_off.reset()
                self._heartbeat()
            self._send_digests()
        except CloudError as error:
            return self._stand_off_s(error)
        except OSError as error:
            wait_s = self.back_off.next_s()
            log.error("the spool cannot be read, next try in %.1f s: %s", wait_s, error)
            return wait_s
        return 0.0

    def _batch_is_due(self) -> bool:
        """Return whether there is something to send, after giving a batch that is not full its time to fill."""
        until_s = time.monotonic() + self.batch_interval_s
        while 0 < self.spool.state().backlog < self.batch_reports and not self._finishing.is_set():
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                break
            self._wait_for_news(left_s)
        return self.spool.state().backlog > 0

    def _wait_for_news(self, limit_s: float) -> None:
        self._wake.wait(limit_s)
        self._wake.clear()

    def _deliver(self, batch: Batch) -> None:
        """Bring *batch* off the spool: sent, or halved until the refused reports stand alone. CloudError: not yet."""
        waiting = [batch]
        while waiting:
            batch = waiting.pop()
            try:
                self._send(batch)
            except BatchRefusedError as error:
                if len(batch.reports) > 1:
                    waiting.extend(reversed(batch.halves()))
                    continue
                self._reject(batch, str(error))
            self.spool.acknowledge(batch.part)

    def _send(self, batch: Batch) -> None:
        if batch.problem:
            raise BatchRefusedError(batch.problem)
        receipt = self.client.send(batch.id, batch.body)
        self.counters.set("cloud_up", 1)
        self.counters.add("batches_sent")
        self.counters.add("reports_sent", len(batch.reports))
        if receipt.quarantined:
            log.warning(
                "the cloud could not read %d reports of batch %s and keeps them aside", receipt.quarantined, batch.id
            )

    def _reject(self, batch: Batch, reason: str) -> None:
        self.counters.add("batch_rejected")
        path = self.spool.directory / "rejected.jsonl"
        log.error("the cloud refuses a report, it goes to %s: %s", path, reason)
        try:
            append_rejected(path, batch.part.records[0], reason)
        except OSError as error:
            log.error("the refused report is lost, %s cannot be written: %s", path, error)

    def _heartbeat(self) -> None:
        if time.monotonic() < self._heartbeat_at_s:
            return
        self._heartbeat_at_s = time.monotonic() + HEARTBEAT_S
        try:
            self.client.heartbeat(self.stats())
            self.after_heartbeat()
        except BatchRefusedError as error:
            log.warning("the cloud refuses the heartbeat: %s", error)
        self.counters.set("cloud_up", 1)

    def _send_digests(self) -> None:
        """Send digests now and then. A cloud that does not take them is no reason to hold reports back."""
        if time.monotonic() < self._digests_at_s and not self._finishing.is_set():
            return
        self._digests_at_s = time.monotonic() + DIGESTS_S
        for outbox in self.outboxes:
            if not self._emptied(outbox):
                self._digests_at_s = time.monotonic() + HEARTBEAT_S
                return

    def _emptied(self, outbox: Outbox) -> bool:
        """Send what is in *outbox*; False where the cloud cannot be reached."""
        while (call := outbox.next()) is not None:
            try:
                self.client.send_digests(call[0], outbox.path)
            except BatchRefusedError as error:
                log.error("the cloud refuses %d %s: %s", call[1], outbox.what, error)
            except CloudError as error:
                log.warning("%s wait for the cloud: %s", outbox.what, error)
                return False
            else:
                self.counters.add(outbox.sent_counter, call[1])
            outbox.done()
        return True

    def _stand_off_s(self, error: CloudError) -> float:
        """Count the failure; return the seconds before the next try."""
        if not error.connected and time.monotonic() < self._patient_until_s and not self.counters.get("cloud_up"):
            log.debug("the cloud is not there yet: %s", error)
            self._heartbeat_at_s = 0.0
            return self.back_off.first_s
        self.counters.set("cloud_up", 0)
        self.counters.add("batch_failures")
        if not error.connected:
            self.counters.add("batch_connect_failures")
        wait_s = self.back_off.next_s(error.retry_after_s)
        log.warning("the cloud cannot be reached as agreed, next try in %.1f s: %s", wait_s, error)
        return wait_s
