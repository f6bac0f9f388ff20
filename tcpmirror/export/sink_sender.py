"""The thread that empties the spool into one sink, at the sink's pace."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from typing import Final

from tcpmirror.export.delivery import BackOff, DeliveryError, RefusedError
from tcpmirror.export.rejected import append_rejected
from tcpmirror.export.rounds import Clock, MonotonicClock, Outage, Rounds
from tcpmirror.export.sinks.hit import Hit
from tcpmirror.export.sinks.opening import open_sink
from tcpmirror.export.sinks.selection import Selection, selection_of
from tcpmirror.export.sinks.sink import Sink
from tcpmirror.export.slice import Slice
from tcpmirror.export.spool import Spool
from tcpmirror.export.spool_reader import SpoolReader
from tcpmirror.export.tallies import SinkTally, Tallies
from tcpmirror.export.wire import read_report
from tcpmirror.settings import tree

READ_LIMIT_BYTES: Final = 8 << 20
log = logging.getLogger(__name__)


@dataclass(slots=True)
class SinkSender:
    """Gives *sink* what *selection* takes of what *reader* finds; counts into *tally*.

    A batch has ``batch_reports`` reports, fewer once they have waited ``batch_interval_s``.
    """

    reader: SpoolReader
    sink: Sink
    selection: Selection
    tally: SinkTally
    batch_reports: int
    batch_interval_s: float
    back_off: BackOff = field(default_factory=BackOff)
    clock: Clock = field(default_factory=MonotonicClock)
    rounds: Rounds = field(init=False)
    _outage: Outage = field(init=False)

    def __post_init__(self) -> None:
        self.rounds = Rounds(f"sink {self.reader.name}", self._attempt, self.clock)
        self._outage = Outage(f"sink {self.reader.name}", log, self.clock)

    def start(self) -> None:
        self.rounds.start()

    def _attempt(self) -> float:
        """Send everything there is; return the seconds to stand off, 0.0 if all went well."""
        try:
            while self._batch_is_due() and (part := self.reader.read(self.batch_reports, READ_LIMIT_BYTES)) is not None:
                self.reader.plan(part)
                self._deliver(part)
                self.back_off.reset()
                self._publish()
        except DeliveryError as error:
            wait_s = self.back_off.next_s(error.retry_after_s)
            self.tally.up = 0
            self.tally.failures[error.reason] += 1
            self._outage.failed(error, wait_s, self.reader.backlog)
            self._publish()
            return wait_s
        except OSError as error:
            wait_s = self.back_off.next_s()
            log.error("sink %s: the spool cannot be read, next try in %.1f s: %s", self.reader.name, wait_s, error)
            return wait_s
        self._publish()
        return 0.0

    def _batch_is_due(self) -> bool:
        """Return whether there is something to send, after giving a batch that is not full its time to fill."""
        until_s = self.clock.now_s() + self.batch_interval_s
        while 0 < self.reader.backlog < self.batch_reports and not self.rounds.is_finishing:
            left_s = until_s - self.clock.now_s()
            if left_s <= 0:
                break
            self.rounds.wait_for_news(left_s)
        return self.reader.backlog > 0

    def _deliver(self, part: Slice) -> None:
        """Bring *part* past the reader: sent, or halved until the refused reports stand alone. DeliveryError: not yet."""
        waiting = [part]
        while waiting:
            part = waiting.pop()
            hits = [hit for record in part.records for hit in self._hits(record)]
            try:
                if hits:
                    self._send(part, hits)
            except RefusedError as error:
                count = len(part.records)
                if count > 1:
                    waiting += [part.part(count // 2, count), part.part(0, count // 2)]
                    continue
                self._reject(part.records[0], str(error))
            self.reader.acknowledge(part)

    def _send(self, part: Slice, hits: list[Hit]) -> None:
        place = f"{part.segment}|{part.salt}|{part.offset}|{part.end}"
        self.sink.send(hashlib.blake2b(place.encode(), digest_size=16).hexdigest(), hits)
        self.tally.up = 1
        self.tally.sent += len(hits)
        self._outage.answered(self.reader.backlog)

    def _hits(self, record: bytes) -> list[Hit]:
        try:
            return self.selection.hits(read_report(record))
        except ValueError:
            return []  # the cloud's sender has set it aside and said so

    def _reject(self, record: bytes, reason: str) -> None:
        self.tally.rejected += 1
        path = self.reader.spool.directory / f"rejected-{self.reader.name}.jsonl"
        log.error("sink %s refuses a report, it goes to %s: %s", self.reader.name, path, reason)
        try:
            append_rejected(path, record, reason)
        except OSError as error:
            log.error("the refused report is lost, %s cannot be written: %s", path, error)

    def _publish(self) -> None:
        self.tally.backlog, self.tally.dropped = self.reader.backlog, self.reader.dropped


def sink_senders(sinks: tuple[tree.Sink, ...], spool: Spool, tallies: Tallies, version: str) -> tuple[SinkSender, ...]:
    """Return a sender for each of *sinks*, not yet started; EnvironmentFault names what one of them lacks."""
    return tuple(
        SinkSender(
            spool.reader(each.name),
            open_sink(each, version),
            selection_of(each),
            tallies.sinks[each.name],
            each.batch_reports,
            each.batch_interval_ns / 1e9,
        )
        for each in sinks
    )
