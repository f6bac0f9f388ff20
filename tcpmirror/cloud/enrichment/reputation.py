"""Lists of addresses, networks and ranges that mean something, one a line, in files or at URLs.

What follows `#` or `;` is a comment, of a line in columns (CSV) the first counts. A line that is no address is left out and
counted: such lists have headings, and one odd line must not take away the rest.
"""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from tcpmirror.cloud.enrichment.databases import signature_of
from tcpmirror.cloud.search.keys import number_of_address
from tcpmirror.errors import EnvironmentFault

LIST_BYTES: Final = 64 << 20  # of one list; the largest public ones have some megabytes
_PATIENCE_S: Final = 20.0
_SEPARATOR: Final = re.compile(r"[\s,;#]")


@dataclass(frozen=True, slots=True)
class Networks:
    """Ranges of addresses as 128-bit numbers (IPv4 in ::ffff:0:0/96), in order, none touching the next."""

    lows: tuple[int, ...] = ()
    highs: tuple[int, ...] = ()
    left_out: int = 0  # lines that were no address

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int]], left_out: int = 0) -> Networks:
        """Return the (first, last) numbers of *ranges*, in any order, as one."""
        lows: list[int] = []
        highs: list[int] = []
        for low, high in sorted(ranges):
            if highs and low <= highs[-1] + 1:
                highs[-1] = max(highs[-1], high)
            else:
                lows.append(low)
                highs.append(high)
        return cls(tuple(lows), tuple(highs), left_out)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self.lows, number) - 1
        return at >= 0 and number <= self.highs[at]

    def __len__(self) -> int:
        return len(self.lows)


def read_networks(text: str) -> Networks:
    """Return the addresses, networks and ranges (`FIRST-LAST`) in *text*."""
    ranges: list[tuple[int, int]] = []
    left_out = 0
    for line in text.splitlines():
        word = _SEPARATOR.split(line.strip(), maxsplit=1)[0].strip("\"'")
        if not word:
            continue
        try:
            ranges.append(range_of(word))
        except ValueError:
            left_out += 1
    return Networks.of(ranges, left_out)


def range_of(text: str) -> tuple[int, int]:
    """Return the first and last number of an address, a network (host bits are ignored) or a range; ValueError."""
    first, dash, last = text.partition("-")
    if dash:
        low, high = number_of_address(first), number_of_address(last)
        if high < low:
            raise ValueError(f"{text!r} ends before it begins")
        return low, high
    network = ipaddress.ip_network(text.strip(), strict=False)
    return number_of_address(str(network.network_address)), number_of_address(str(network.broadcast_address))


@dataclass(slots=True)
class ReputationList:
    """The list at *origin* (a path or an http(s) URL), whose addresses are of *kind*; ``problem``: why it is not newer."""

    kind: str
    origin: str
    networks: Networks = Networks()
    problem: str = ""
    _seen: tuple[int, int, int] | str = (0, 0, 0)

    @property
    def is_remote(self) -> bool:
        return self.origin.startswith(("http://", "https://"))

    def look(self) -> bool:
        """Read it if it changed; return whether it did. What cannot be read leaves what was, with its ``problem``."""
        try:
            text = self._fetched() if self.is_remote else self._read()
        except EnvironmentFault as fault:
            self.problem = str(fault)
            return False
        self.problem = ""
        if text is None:
            return False
        before, self.networks = self.networks, read_networks(text)
        if not self.networks and text.strip():
            self.networks, self.problem = before, f"{self.origin}: no line is an address or a network"
        return self.networks != before

    def _read(self) -> str | None:
        path = Path(self.origin)
        seen = signature_of(path)
        if seen == self._seen and seen != (0, 0, 0):
            return None
        try:
            with path.open("rb") as file:
                data = file.read(LIST_BYTES + 1)
        except OSError as error:
            raise EnvironmentFault(f"{self.origin}: {error.strerror}") from error
        self._seen = seen
        return self._text(data)

    def _fetched(self) -> str | None:
        headers = {"If-None-Match": self._seen} if isinstance(self._seen, str) else {}
        try:
            with httpx.stream("GET", self.origin, headers=headers, timeout=_PATIENCE_S, follow_redirects=True) as answer:
                if answer.status_code == 304:
                    return None
                if answer.status_code != 200:
                    raise EnvironmentFault(f"{self.origin}: answered {answer.status_code}")
                data = bytearray()
                for chunk in answer.iter_bytes():
                    data += chunk
                    if len(data) > LIST_BYTES:
                        break
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, UnicodeError) as error:
            raise EnvironmentFault(f"{self.origin}: {type(error).__name__}: {error}") from error
        text = self._text(bytes(data))
        self._seen = answer.headers.get("ETag", "") or (0, 0, 0)
        return text

    def _text(self, data: bytes) -> str:
        if len(data) > LIST_BYTES:
            raise EnvironmentFault(f"{self.origin}: over {LIST_BYTES >> 20} MiB")
        return data.decode("utf-8", "replace")
