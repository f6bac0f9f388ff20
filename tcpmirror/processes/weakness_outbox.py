"""The workers' weaknesses in the exporter, merged until the cloud takes them; without attacks, where those stay here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Final

from tcpmirror.processes.outbox import MergingOutbox, new_id
from tcpmirror.vulns.weakness import ROWS, Weakness, WeaknessKey, add, decode_weaknesses, encode_weaknesses


class WeaknessOutbox(MergingOutbox[WeaknessKey, Weakness]):
    path: Final = "/api/v1/vulnerabilities/records"
    sent_counter: Final = "weaknesses_sent"
    what: Final = "weaknesses"
    most = 16_384

    def __init__(self, withhold_attacks: bool = False) -> None:
        super().__init__()
        self._withhold_attacks = withhold_attacks

    def _read(self, record: bytes) -> list[Weakness]:
        found = decode_weaknesses(record)[1]
        if self._withhold_attacks:
            for weakness in found:
                _without_attack(weakness)
        return found

    def _merge(self, table: dict[WeaknessKey, Weakness], row: Weakness) -> None:
        add(table, row)

    def _records(self, rows: Iterable[Weakness]) -> Iterator[tuple[bytes, int]]:
        left = iter(rows)
        while chunk := list(islice(left, ROWS)):
            yield encode_weaknesses(new_id(), chunk), len(chunk)


def _without_attack(weakness: Weakness) -> None:
    """Leave of an attack that worked where it did, and nothing of what was sent or by whom."""
    if weakness.kind.startswith("exploited-"):
        weakness.sample = replace(weakness.sample, text="", client="")
