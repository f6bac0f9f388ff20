"""The inventory's news in the exporter: the workers' digests, merged until the cloud takes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from tcpmirror.discovery.digest import EndpointDigest, EndpointKey, add
from tcpmirror.discovery.record import chunks, decode_rows, encode_rows, wire_row
from tcpmirror.processes.outbox import CALL_BYTES, MergingOutbox, new_id


class ApiOutbox(MergingOutbox[EndpointKey, EndpointDigest]):
    path: Final = "/api/v1/inventory/digests"
    sent_counter: Final = "api_digests_sent"
    what: Final = "digests of the inventory"
    most = 32_768

    def _read(self, record: bytes) -> list[EndpointDigest]:
        return decode_rows(record)[1]

    def _merge(self, table: dict[EndpointKey, EndpointDigest], row: EndpointDigest) -> None:
        add(table, row)

    def _records(self, rows: Iterable[EndpointDigest]) -> Iterator[tuple[bytes, int]]:
        return ((encode_rows(new_id(), chunk), len(chunk)) for chunk in chunks(map(wire_row, rows), CALL_BYTES))
