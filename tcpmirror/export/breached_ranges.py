"""Breached passwords, asked of a service by the first five digits of their SHA-1 (k-anonymity).

The form is that of "Pwned Passwords": ``GET {url}/{PREFIX}`` is answered with a line ``SUFFIX:COUNT`` for each hash that
begins so, padded with lines of count 0 where that is asked for. The service learns a prefix that hundreds of passwords
share; which of them was meant, if any, is found here. Source: L. Li et al., "Protocols for checking compromised
credentials", CCS 2019.
"""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import httpx

from tcpmirror.export.delivery import DeliveryError, reason_of, reason_of_status, retry_after_s

PREFIX: Final = 5  # hexadecimal digits that the service is told
KEPT_DIGITS: Final = 16  # of the rest: 64 bits
ANSWER_LIMIT_BYTES: Final = 1 << 20  # a range holds about 40 KB
RANGES: Final = 1_000  # kept, about 8 KB each: the least recently used goes
FRESH_S: Final = 24 * 3600.0
_HEX: Final = frozenset("0123456789ABCDEFabcdef")


class BreachedRanges:
    """Asks *url* for ranges, one call at a time, and keeps them for FRESH_S."""

    def __init__(self, url: str, timeout_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url.rstrip("/")
        self._clock = clock
        self._timeout_s = timeout_s
        self._http = httpx.Client(timeout=timeout_s, headers={"User-Agent": "tcpmirror", "Add-Padding": "true"})
        self._ranges: OrderedDict[str, tuple[float, array[int]]] = OrderedDict()

    def is_known(self, digest: str) -> bool | None:
        """Tell whether the password whose SHA-1 is *digest* (40 hexadecimal digits) is breached; None: ask first."""
        prefix = digest[:PREFIX].upper()
        kept = self._ranges.get(prefix)
        if kept is None or self._clock() - kept[0] > FRESH_S:
            return None
        self._ranges.move_to_end(prefix)
        wanted = int(digest[PREFIX : PREFIX + KEPT_DIGITS], 16)
        at = bisect_left(kept[1], wanted)
        return at < len(kept[1]) and kept[1][at] == wanted

    def ask(self, digest: str) -> None:
        """Fetch the range of *digest*; DeliveryError where the service does not answer as agreed."""
        prefix = digest[:PREFIX].upper()
        found = array("Q", sorted(self._read(self._get(prefix))))
        self._ranges[prefix] = self._clock(), found
        self._ranges.move_to_end(prefix)
        while len(self._ranges) > RANGES:
            self._ranges.popitem(last=False)

    def close(self) -> None:
        self._http.close()

    def _get(self, prefix: str) -> str:
        answer, until = bytearray(), self._clock() + self._timeout_s
        try:
            with self._http.stream("GET", f"{self._url}/{prefix}") as response:
                for chunk in response.iter_bytes():
                    answer += chunk
                    if len(answer) > ANSWER_LIMIT_BYTES or self._clock() > until:
                        raise DeliveryError("an answer that does not end", "timeout")
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            raise DeliveryError(f"{type(error).__name__}: {error}", reason_of(error)) from error
        if response.status_code != 200:
            wait_s = retry_after_s(response.headers.get("Retry-After", ""))
            raise DeliveryError(f"status {response.status_code}", reason_of_status(response.status_code), wait_s)
        return answer.decode("ascii", "replace")

    @staticmethod
    def _read(answer: str) -> list[int]:
        """Return the first KEPT_DIGITS of each suffix in *answer*; DeliveryError if it holds anything else."""
        found = []
        for line in answer.splitlines():
            suffix, _, count = line.strip().partition(":")
            if len(suffix) != 40 - PREFIX or not _HEX.issuperset(suffix) or not count.isdecimal():
                raise DeliveryError(f"no range: {line[:60]!r}", "answer")
            if int(count) > 0:
                found.append(int(suffix[:KEPT_DIGITS], 16))
        return found
