"""A thread that goes its rounds until it is told to finish, and what is said of an addressee that does not answer."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from tcpmirror.export.delivery import DeliveryError

IDLE_S: Final = 1.0
REPEAT_S: Final = 900.0  # an outage of a day is told about a hundred times, not once for each try


class Clock(Protocol):
    """Time as a thread of deliveries sees it, in seconds; a test may let a day pass in a moment."""

    def now_s(self) -> float: ...

    def wait(self, event: threading.Event, seconds: float) -> None: ...


class MonotonicClock:
    """The machine's own."""

    def now_s(self) -> float:
        return time.monotonic()

    def wait(self, event: threading.Event, seconds: float) -> None:
        event.wait(seconds)


@dataclass(slots=True)
class Rounds:
    """Calls *attempt* again and again in a thread *name*; it returns the seconds to stand off, 0.0 if all went well."""

    name: str
    attempt: Callable[[], float]
    clock: Clock = field(default_factory=MonotonicClock)
    _news: threading.Event = field(default_factory=threading.Event, init=False)
    _finishing: threading.Event = field(default_factory=threading.Event, init=False)
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something new."""
        self._news.set()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def is_finishing(self) -> bool:
        return self._finishing.is_set()

    def ask_to_finish(self) -> None:
        """Let the thread make one last round."""
        self._finishing.set()
        self._news.set()

    def finish(self, deadline_s: float) -> bool:
        """Let the thread make one last round; True if it ended within *deadline_s* seconds."""
        self.ask_to_finish()
        self._thread.join(max(0.0, deadline_s))
        return not self._thread.is_alive()

    def wait_for_news(self, limit_s: float) -> None:
        self.clock.wait(self._news, limit_s)
        self._news.clear()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._finishing.is_set()
            wait_s = self.attempt()
            if wait_s:
                self.clock.wait(self._finishing, wait_s)
            elif not is_last:
                self.wait_for_news(IDLE_S)


@dataclass(slots=True)
class Outage:
    """Since when *addressee* has not answered; tells *log* when that begins, changes, lasts and ends."""

    addressee: str
    log: logging.Logger
    clock: Clock = field(default_factory=MonotonicClock)
    what: str = "reports"  # that wait
    _reason: str = field(default="", init=False)  # empty: it answers
    _since_s: float = field(default=0.0, init=False)
    _told_s: float = field(default=0.0, init=False)
    _failures: int = field(default=0, init=False)

    def failed(self, error: DeliveryError, wait_s: float, backlog: int) -> None:
        """Take note of one failure, after which the next try comes in *wait_s* seconds and *backlog* reports wait."""
        now_s = self.clock.now_s()
        if not self._reason:
            self._since_s, self._failures = now_s, 0
        self._failures += 1
        if error.reason != self._reason or now_s - self._told_s >= REPEAT_S:
            told = (self.addressee, error.reason, self._failures, now_s - self._since_s, backlog, self.what, wait_s, error)
            self.log.warning("%s takes nothing: %s (%d failures in %.0f s, %d %s wait, next try in %.1f s): %s", *told)
            self._reason, self._told_s = error.reason, now_s

    def answered(self, backlog: int) -> None:
        """Take note that a call went well."""
        if self._reason:
            lasted_s = self.clock.now_s() - self._since_s
            told = (self.addressee, lasted_s, self._failures, backlog, self.what)
            self.log.warning("%s answers again after %.0f s and %d failures, %d %s wait", *told)
            self._reason = ""
