"""TlsSecrets: the secrets of TLS sessions that an operator gave, in the lines of an SSLKEYLOGFILE.

A line is ``LABEL CLIENT_RANDOM SECRET``, the last two in hexadecimal (RFC 9850); TLS 1.2 has one line a session, with the
master secret, TLS 1.3 one for each direction and stage. Old files also name TLS 1.2 sessions by their session id.
"""

from __future__ import annotations

import re
from typing import Final

MASTER: Final = "CLIENT_RANDOM"
EARLY: Final = "CLIENT_EARLY_TRAFFIC_SECRET"
HANDSHAKE: Final = ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET")  # of client, server
APPLICATION: Final = ("CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0")
_SECRET_SIZES: Final = {MASTER: (48,), **dict.fromkeys((EARLY, *HANDSHAKE, *APPLICATION), (32, 48))}
_LINE: Final = re.compile(rb"([A-Z0-9_]{1,64}) ([0-9A-Fa-f]{64}) ((?:[0-9A-Fa-f]{2}){1,128})")
_BY_SESSION_ID: Final = re.compile(rb"RSA Session-ID:((?:[0-9A-Fa-f]{2}){1,32}) Master-Key:([0-9A-Fa-f]{96})")
_UNUSED: Final = re.compile(rb"#|$|RSA [0-9A-Fa-f]{16} [0-9A-Fa-f]{96}$")  # comments; the premaster secrets of old


class TlsSecrets:
    """Secrets by client random, of *session_limit* sessions at most: the oldest go first.

    Its text form has none of them, so that no log and no traceback can show one. What else it keeps is masters of TLS 1.2
    sessions that may be resumed, by session id or ticket, as many again.
    """

    def __init__(self, session_limit: int) -> None:
        self._session_limit = session_limit
        self._sessions: dict[bytes, tuple[int, dict[str, bytes]]] = {}  # (time_ns, label -> secret), oldest first
        self._resumable: dict[bytes, bytes] = {}
        self.bad_lines = 0

    def __len__(self) -> int:
        """Return how many sessions secrets are known of."""
        return len(self._sessions)

    def __repr__(self) -> str:
        return f"<TlsSecrets of {len(self._sessions)} sessions>"

    def take(self, lines: bytes, time_ns: int = 0) -> None:
        """Take the secrets in whole *lines*; those that are none are counted in ``bad_lines``. *time_ns*: for `forget`."""
        for line in lines.splitlines():
            self._take_line(line.strip(), time_ns)

    def _take_line(self, line: bytes, time_ns: int) -> None:
        match = _LINE.fullmatch(line)
        if match is None:
            by_id = _BY_SESSION_ID.fullmatch(line)
            if by_id is not None:
                self.remember(bytes.fromhex(by_id[1].decode()), bytes.fromhex(by_id[2].decode()))
            elif not _UNUSED.match(line):
                self.bad_lines += 1
            return
        label = match[1].decode()
        sizes = _SECRET_SIZES.get(label)
        if sizes is None:
            return  # exporter secrets, and labels to come
        secret = bytes.fromhex(match[3].decode())
        if len(secret) not in sizes:
            self.bad_lines += 1
            return
        self._add(label, bytes.fromhex(match[2].decode()), secret, time_ns)

    def _add(self, label: str, client_random: bytes, secret: bytes, time_ns: int) -> None:
        session = self._sessions.get(client_random)
        if session is None:
            while len(self._sessions) >= self._session_limit:
                del self._sessions[next(iter(self._sessions))]
            session = self._sessions[client_random] = (time_ns, {})
        session[1][label] = secret

    def find(self, label: str, client_random: bytes) -> bytes | None:
        """Return the secret of that *label* in the session of *client_random*."""
        session = self._sessions.get(client_random)
        return None if session is None else session[1].get(label)

    def forget(self, before_ns: int) -> None:
        """Drop the sessions whose first line was taken before that time."""
        while self._sessions:
            client_random, (time_ns, _) = next(iter(self._sessions.items()))
            if time_ns >= before_ns:
                return
            del self._sessions[client_random]

    def remember(self, name: bytes, master: bytes) -> None:
        """Keep the master secret of a TLS 1.2 session that a later one may resume by *name*, its id or ticket."""
        self._resumable.pop(name, None)
        while len(self._resumable) >= self._session_limit:
            del self._resumable[next(iter(self._resumable))]
        self._resumable[name] = master

    def resumed(self, name: bytes) -> bytes | None:
        """Return the master secret of the session of that id or ticket."""
        return self._resumable.get(name)
