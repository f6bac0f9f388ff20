"""The thread that empties the spool into the cloud, at the cloud's pace."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from tcpmirror.export.batches import Batch, next_batch
from tcpmirror.export.client import BatchRefusedError, CloudClient, CloudError
from tcpmirror.export.delivery import BackOff
from tcpmirror.export.rejected import append_rejected
from tcpmirror.export.rounds import Clock, MonotonicClock, Outage, Rounds
from tcpmirror.export.spool_reader import SpoolReader
from tcpmirror.telemetry.counters import CounterPage

DIGESTS_S: Final = 2.0
DIGESTS_REFUSED_S: Final = 30.0
log = logging.getLogger(__name__)


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
    """Sends what *reader* finds through *client*; the only writer of the sending counters of *counters*.

    ``batch_reports`` reports make a batch, fewer are sent once they have waited ``batch_interval_s``. ``stats`` returns what
    a heartbeat says, ``after_heartbeat`` is called when it was taken. For ``start_patience_s`` a cloud that has not answered
    yet is no failure: it is starting too.
    """

    reader: SpoolReader
    client: CloudClient
    counters: CounterPage
    batch_reports: int
    batch_interval_s: float
    stats: Callable[[], dict[str, object]]
    back_off: BackOff = field(default_factory=BackOff)
    start_patience_s: float = 0.0
    after_heartbeat: Callable[[], None] = lambda: None
    outboxes: tuple[Outbox, ...] = ()
    clock: Clock = field(default_factory=MonotonicClock)
    heartbeat_interval_s: float = 30.0
    rounds: Rounds = field(init=False)
    _outage: Outage = field(init=False)
    _digests_at_s: float = field(default=0.0, init=False)
    _heartbeat_at_s: float = field(default=0.0, init=False)
    _patient_until_s: float = field(default=0.0, init=False)
    _delivered_s: float = field(default=-math.inf, init=False)

    def __post_init__(self) -> None:
        self.rounds = Rounds("sender", self._attempt, self.clock)
        self._outage = Outage("the cloud", log, self.clock)

    def start(self) -> None:
        self._patient_until_s = self.clock.now_s() + self.start_patience_s
        self.rounds.start()

    def _attempt(self) -> float:
        """Send everything there is; return the seconds to stand off, 0.0 if all went well."""
        try:
            self._heartbeat()
            while self._batch_is_due() and self._send_batch():
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
        """Return whether there is something to send, after giving a batch that is not full its time to fill.

        That time runs from the batch before, so what comes after a pause goes at once.
        """
        until_s = self._delivered_s + self.batch_interval_s
        while 0 < self.reader.backlog < self.batch_reports and not self.rounds.is_finishing:
            left_s = until_s - self.clock.now_s()
            if left_s <= 0:
                break
            self.rounds.wait_for_news(left_s)
        return self.reader.backlog > 0

    def _send_batch(self) -> bool:
        """Send the next batch; False if there is none."""
        batch = next_batch(self.reader, self.batch_reports)
        if batch is None:
            return False
        self._deliver(batch)
        self._delivered_s = self.clock.now_s()
        self.back_off.reset()
        return True

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
            self.reader.acknowledge(batch.part)

    def _send(self, batch: Batch) -> None:
        if batch.problem:
            raise BatchRefusedError(batch.problem)
        receipt = self.client.send(batch.id, batch.body)
        self.counters.set("cloud_up", 1)
        self._outage.answered(self.reader.backlog)
        self.counters.add("batches_sent")
        self.counters.add("reports_sent", len(batch.reports))
        if receipt.quarantined:
            log.warning(
                "the cloud could not read %d reports of batch %s and keeps them aside", receipt.quarantined, batch.id
            )

    def _reject(self, batch: Batch, reason: str) -> None:
        self.counters.add("batch_rejected")
        path = self.reader.spool.directory / "rejected.jsonl"
        log.error("the cloud refuses a report, it goes to %s: %s", path, reason)
        try:
            append_rejected(path, batch.part.records[0], reason)
        except OSError as error:
            log.error("the refused report is lost, %s cannot be written: %s", path, error)

    def _heartbeat(self) -> None:
        if self.clock.now_s() < self._heartbeat_at_s:
            return
        self._heartbeat_at_s = self.clock.now_s() + self.heartbeat_interval_s
        try:
            self.client.heartbeat(self.stats())
            self.after_heartbeat()
        except BatchRefusedError as error:
            log.warning("the cloud refuses the heartbeat: %s", error)
        self.counters.set("cloud_up", 1)
        if not self.reader.backlog:  # else a batch has yet to show that it is over
            self._outage.answered(0)

    def _send_digests(self) -> None:
        """Send digests now and then. A cloud that does not take them is no reason to hold reports back."""
        if self.clock.now_s() < self._digests_at_s and not self.rounds.is_finishing:
            return
        self._digests_at_s = self.clock.now_s() + DIGESTS_S
        for outbox in self.outboxes:
            if not self._emptied(outbox):
                self._digests_at_s = self.clock.now_s() + DIGESTS_REFUSED_S
                return

    def _emptied(self, outbox: Outbox) -> bool:
        """Send what is in *outbox*; False where the cloud cannot be reached. Reports that came meanwhile go first."""
        while (call := outbox.next()) is not None:
            while self.reader.backlog > 0 and self._send_batch():
                pass
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
        if not error.connected and self.clock.now_s() < self._patient_until_s and not self.counters.get("cloud_up"):
            log.debug("the cloud is not there yet: %s", error)
            self._heartbeat_at_s = 0.0
            return self.back_off.first_s
        self.counters.set("cloud_up", 0)
        self.counters.add("batch_failures")
        self.counters.add(f"failed_{error.reason}")
        if not error.connected:
            self.counters.add("batch_connect_failures")
        wait_s = self.back_off.next_s(error.retry_after_s)
        self._outage.failed(error, wait_s, self.reader.backlog)
        return wait_s
