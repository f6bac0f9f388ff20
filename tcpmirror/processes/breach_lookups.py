"""Logins whose passwords nobody here knows, until a service has said whether they are breached.

Workers hand on the hash of such a password in memory that sensor processes share; the exporter asks, and what was said is
counted as workers count. Nothing but the first five digits of a hash leaves the sensor, and no hash is kept or logged.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tcpmirror.behavior.counter import Counter
from tcpmirror.export.breached_ranges import BreachedRanges
from tcpmirror.export.delivery import BackOff, DeliveryError
from tcpmirror.export.rounds import Clock, MonotonicClock, Outage, Rounds
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.token_bucket import TokenBucket

WAITING: Final = 10_000  # logins; further ones are counted and left out
log = logging.getLogger(__name__)


class BreachLookups:
    """Asks *ranges* about logins, *rate* calls a second at most; *confirm* takes those with a breached password."""

    def __init__(
        self,
        ranges: BreachedRanges,
        rate: float,
        page: CounterPage,
        confirm: Callable[[Counter], None],
        clock: Clock | None = None,
    ) -> None:
        self._ranges, self._page, self._confirm = ranges, page, confirm
        self._clock = clock or MonotonicClock()
        self._bucket = TokenBucket(max(1.0, rate), rate, self._clock.now_s)
        self._rate = rate
        self._waiting: deque[Counter] = deque()
        self._lock = threading.Lock()
        self._back_off = BackOff(1.0, 300.0)
        self._outage = Outage("the lookup of breached passwords", log, self._clock, "logins")
        self.rounds = Rounds("breached passwords", self._attempt, self._clock)

    def add(self, login: Counter) -> None:
        """Take *login*, of unit ``unchecked``: its ``method`` is the SHA-1 of the password."""
        with self._lock:
            if len(self._waiting) >= WAITING:
                self._page.add("breach_dropped")
                return
            self._waiting.append(login)
        self.rounds.wake()

    def _attempt(self) -> float:
        """Ask about all that wait; return the seconds to stand off, 0.0 if all went well."""
        while self._waiting and not self.rounds.is_finishing:
            login = self._waiting[0]
            is_breached = self._ranges.is_known(login.key.method)
            if is_breached is None:
                wait_s = self._asked(login.key.method)
                if wait_s:
                    return wait_s
                continue
            self._waiting.popleft()
            if is_breached:
                self._page.add("breach_found", sum(slot.count for slot in login.slots.values()))
                self._confirm(replace(login, key=login.key._replace(unit="values", method="")))
        return 0.0

    def _asked(self, digest: str) -> float:
        """Ask for the range of *digest*; return the seconds to wait before the next try, 0.0 if it was answered."""
        self._bucket.refill()
        if not self._bucket.take():
            return 1 / self._rate
        self._page.add("breach_lookups")
        try:
            self._ranges.ask(digest)
        except DeliveryError as error:
            self._page.add("breach_failures")
            wait_s = self._back_off.next_s(error.retry_after_s)
            self._outage.failed(error, wait_s, len(self._waiting))
            return wait_s
        self._back_off.reset()
        self._outage.answered(len(self._waiting))
        return 0.0
