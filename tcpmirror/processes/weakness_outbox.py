"""The workers' weaknesses in the exporter, merged until the cloud takes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from tcpmirror.processes.outbox import MergingOutbox, new_id
from tcpmirror.vulns.weakness import ROWS, Weakness, WeaknessKey, add, decode_weaknesses, encode_weaknesses


class WeaknessOutbox(MergingOutbox[WeaknessKey, Weakness]):
    path: Final = "/api/v1/vulnerabilities/records"
    sent_counter: Final = "weaknesses_sent"
    what: Final = "weaknesses"
    most = 16_384

    def _read(self, record: bytes) -> list[Weakness]:
        return decode_weaknesses(record)[1]

    def _merge(self, table: dict[WeaknessKey, Weakness], row: Weakness) -> None:
        add(table, row)

    def _records(self, rows: Iterable[Weakness]) -> Iterator[tuple[bytes, int]]:
        left = iter(rows)
        while chunk := list(islice(left, ROWS)):
            yield encode_weaknesses(new_id(), chunk), len(chunk)
