"""What a worker learns about weaknesses, on its way to the exporter: masked like everything that leaves a worker."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from typing import Final

from tcpmirror.detect.masks import CompiledMask
from tcpmirror.discovery.sensitive import class_of, classes_within
from tcpmirror.discovery.shape import segment_key
from tcpmirror.model.exchange import Exchange
from tcpmirror.model.rows import chunks, encode_rows
from tcpmirror.processes.masking import veil_of
from tcpmirror.settings.tree import Limits
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.vulns.assessor import Assessor
from tcpmirror.vulns.signs import Sign
from tcpmirror.vulns.weakness import ROWS, wire_row

RECORD_BYTES: Final = 256 * 1024
MasksOf = Callable[[Exchange], list[CompiledMask]]
log = logging.getLogger(__name__)


def template(target: bytes) -> tuple[str, ...]:
    """Return the path of *target* as segments, values as ``{}``."""
    path = target.partition(b"?")[0]
    if not path.startswith(b"/"):
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    return tuple("{}" if segment.isdigit() else segment_key(segment)[0] for segment in path[1:].split(b"/"))


class WeaknessNews:
    """``look`` looks at a worker's exchanges; `records` tell the exporter of it, each under an id that comes once."""

    def __init__(self, page: CounterPage, limits: Limits) -> None:
        self._assessor = Assessor(class_of, classes_within, template)
        self.look = self._assessor.look
        self._page = page
        self._limits = limits
        self.masks_of: MasksOf = lambda exchange: []
        self._epoch = os.urandom(8).hex()
        self._sent = 0
        self._too_large = 0

    def note(self, exchange: Exchange, found: list[Sign]) -> None:
        """Take up what `look` *found* in *exchange*."""
        request = exchange.request
        host, target = exchange.host or exchange.server, b"" if request is None else request.target
        masks = self.masks_of(exchange)
        if masks:
            veil = veil_of(exchange, masks, self._limits)
            host, target = veil.line(host), veil.target(target)
            found = [Sign(sign.kind, veil.line(sign.subject), veil.line(sign.mark), veil.line(sign.text)) for sign in found]
        for sign in found:
            self._assessor.note(exchange, sign, host.lower(), target)

    def records(self, limit_bytes: int) -> Iterator[bytes]:
        """Yield what is new since the last call, in records of up to *limit_bytes*."""
        taken = self._assessor.take()
        self._page.add("weakness_signs", sum(weakness.count for weakness in taken))
        kept = 0
        for chunk in chunks(map(wire_row, taken), min(limit_bytes, RECORD_BYTES), ROWS):
            kept += len(chunk)
            self._sent += 1
            yield encode_rows(f"{self._epoch}-{self._sent}", chunk)
        self._too_large += len(taken) - kept
        self._page.set("weakness_refused", self._assessor.refused + self._too_large)
