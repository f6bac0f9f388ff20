"""Where specifications meet requests: a part of the detector that knows the host behind proxies, and CPU time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from tcpmirror.decode.client_address import ClientAddress
from tcpmirror.discovery.enforcement import Enforcement
from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.settings.tree import Settings

log = logging.getLogger(__name__)


def enforcing(documents: Sequence[tuple[str, str, str]], settings: Settings) -> Callable[[Exchange], list[Finding]]:
    """Return what compares exchanges with *documents*: (host, name, text). One that cannot be used is told in the log."""
    enforcement = Enforcement(documents, time.thread_time_ns)
    for problem in enforcement.problems:
        log.error("a specification is not enforced: %s", problem)
    addresses = ClientAddress(settings.inspection.proxy_headers)

    def inspect(exchange: Exchange) -> list[Finding]:
        request = exchange.request
        return [] if request is None else enforcement.findings(request, addresses.host(exchange) or "")

    return inspect
