"""When tokens and sessions were last used: noted in memory at each call, written now and then.

A call that only reads must neither wait for a writer nor fail because the disk is full.
"""

from __future__ import annotations

import threading
from typing import Final

from sqlalchemy import bindparam, update

from tcpmirror.cloud.database import Database
from tcpmirror.cloud.schema import sessions, tokens

_KEPT: Final = 100_000  # noted uses between two writes


class LastUses:
    """Uses that were noted since the last `write`."""

    def __init__(self) -> None:
        self._tokens: dict[int, int] = {}
        self._sessions: dict[bytes, int] = {}
        self._lock = threading.Lock()

    def note_token(self, token_id: int, now_ns: int) -> None:
        with self._lock:
            if len(self._tokens) < _KEPT:
                self._tokens[token_id] = now_ns

    def note_session(self, sha256: bytes, now_ns: int) -> None:
        with self._lock:
            if len(self._sessions) < _KEPT:
                self._sessions[sha256] = now_ns

    def write(self, database: Database) -> None:
        """Store what was noted; what cannot be stored (DBAPIError) is noted again at the next use."""
        with self._lock:
            of_tokens, self._tokens = self._tokens, {}
            of_sessions, self._sessions = self._sessions, {}
        if not of_tokens and not of_sessions:
            return
        with database.writing() as connection:
            for table, key, noted in ((tokens, tokens.c.id, of_tokens), (sessions, sessions.c.sha256, of_sessions)):
                if noted:
                    rows = [{"b_key": each, "b_used": now_ns} for each, now_ns in noted.items()]
                    connection.execute(
                        update(table).where(key == bindparam("b_key")).values(last_used_ns=bindparam("b_used")), rows
                    )
