"""Why a delivery failed, in one closed list of words, and how long to wait before the next try.

Whatever goes wrong with an addressee (the cloud, a sink) is one of two exceptions: `DeliveryError`, try again later, or
`RefusedError`, these very reports will never be taken.
"""

from __future__ import annotations

import random
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import httpx

# Nobody answered at all: no such name, nobody listens or no road there, no TLS between the two, the proxy will not.
UNREACHED: Final = ("dns", "connect", "tls", "proxy")
# Somebody did: too late, the connection broke, 401 or 403, 429, 5xx, or what is no answer to the call.
REASONS: Final = (*UNREACHED, "timeout", "broken", "unauthorized", "throttled", "server", "answer")
RETRY_AFTER_LIMIT_S: Final = 3600.0


class DeliveryError(Exception):
    """The addressee could not be reached or did not answer as agreed; later it may.

    ``reason``: one of REASONS; ``retry_after_s``: how long it asked us to wait, None if it did not.
    """

    def __init__(self, problem: str, reason: str = "answer", retry_after_s: float | None = None) -> None:
        super().__init__(problem)
        self.reason = reason
        self.retry_after_s = retry_after_s

    @property
    def connected(self) -> bool:
        """False if nobody answered at all."""
        return self.reason not in UNREACHED


class RefusedError(Exception):
    """The addressee understood and will never take these reports."""


@dataclass(slots=True)
class BackOff:
    """How long to wait after each failure in a row: doubling from *first_s* to *limit_s*, any share of it from a half up.

    The random share keeps a fleet of sensors from coming back to a recovering cloud all at once.
    """

    first_s: float = 0.5
    limit_s: float = 60.0
    failures: int = 0

    def next_s(self, retry_after_s: float | None = None) -> float:
        """Return the wait before the next try, at least what the addressee asked for."""
        wait_s = min(self.limit_s, self.first_s * 2.0 ** min(self.failures, 32)) * random.uniform(0.5, 1.0)
        self.failures += 1
        return max(wait_s, retry_after_s or 0.0)

    def reset(self) -> None:
        self.failures = 0


def reason_of(error: Exception) -> str:
    """Return the word of REASONS for an exception of httpx or of the socket module."""
    causes = tuple(_causes(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "dns"
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return "tls"
    match error:
        case httpx.ProxyError():
            return "proxy"
        case httpx.ConnectTimeout() | httpx.ConnectError() | httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return "connect"
        case httpx.TimeoutException() | TimeoutError():
            return "timeout"
        case httpx.NetworkError() | httpx.RemoteProtocolError() | OSError():
            return "connect" if isinstance(error, ConnectionRefusedError) else "broken"
        case _:
            return "answer"


def reason_of_status(status: int) -> str:
    """Return the word of REASONS for an HTTP status that is no success."""
    if status in (401, 403):
        return "unauthorized"
    if status == 407:
        return "proxy"
    if status == 429:
        return "throttled"
    return "server" if status >= 500 else "answer"


def retry_after_s(value: str) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110, section 10.2.3); None for a date or anything else."""
    return min(float(value), RETRY_AFTER_LIMIT_S) if value.isascii() and value.isdecimal() else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield *error* and what it was raised from, however deep."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__
