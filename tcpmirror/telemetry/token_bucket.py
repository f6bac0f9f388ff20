"""A token bucket: so many at once, and so many a second from then on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class TokenBucket:
    """Holds up to *burst* tokens, all of them at first; *rate_s* come back each second. ``clock``: seconds, monotonic."""

    burst: float
    rate_s: float
    clock: Callable[[], float] = time.monotonic
    _tokens: float = field(init=False)
    _at_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens, self._at_s = self.burst, self.clock()

    def refill(self) -> None:
        """Put in what has come back by now."""
        now_s = self.clock()
        self._tokens = min(self.burst, self._tokens + (now_s - self._at_s) * self.rate_s)
        self._at_s = now_s

    def take(self, wanted: int = 1) -> int:
        """Take out up to *wanted* whole tokens; return how many there were."""
        taken = min(wanted, int(self._tokens))
        self._tokens -= taken
        return taken
