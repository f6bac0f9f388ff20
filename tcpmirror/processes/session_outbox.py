"""Sessions' digests in the exporter: the workers' merged, until the cloud takes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from tcpmirror.processes.outbox import CALL_BYTES, MergingOutbox, new_id
from tcpmirror.sessions.digest import SessionDigest, SessionKey, add
from tcpmirror.sessions.record import chunks, decode_rows, encode_rows, wire_row


class SessionOutbox(MergingOutbox[SessionKey, SessionDigest]):
    path: Final = "/api/v1/sessions/digests"
    sent_counter: Final = "session_digests_sent"
    what: Final = "digests of sessions"
    most = 8_192

    def __init__(self, withhold_attacks: bool = False) -> None:
        super().__init__()
        self._withhold_attacks = withhold_attacks

    def _read(self, record: bytes) -> list[SessionDigest]:
        digests = decode_rows(record)[1]
        if self._withhold_attacks:
            for digest in digests:
                _without_attacks(digest)
        return digests

    def _merge(self, table: dict[SessionKey, SessionDigest], row: SessionDigest) -> None:
        add(table, row)

    def _records(self, rows: Iterable[SessionDigest]) -> Iterator[tuple[bytes, int]]:
        return ((encode_rows(new_id(), chunk), len(chunk)) for chunk in chunks(map(wire_row, rows), CALL_BYTES))


def _without_attacks(digest: SessionDigest) -> None:
    digest.attacks.clear()
    digest.attack_events.clear()
    digest.events = {event._replace(attacks="") for event in digest.events}
