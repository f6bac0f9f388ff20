"""What every sink can do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tcpmirror.export.sinks.hit import Hit


class Sink(Protocol):
    def send(self, batch_id: str, hits: Sequence[Hit]) -> None:
        """Deliver *hits*, one at least; *batch_id* is the same when the same records come again.

        DeliveryError: try again later; RefusedError: these hits will never be taken.
        """

    def close(self) -> None: ...
