"""Handshake messages of TLS 1.2 and 1.3 (RFC 5246, section 7.4; RFC 8446, section 4), as far as keys depend on them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tcpmirror.protocols.client_hello import Cursor

CLIENT_HELLO, SERVER_HELLO, NEW_SESSION_TICKET, END_OF_EARLY_DATA, ENCRYPTED_EXTENSIONS = 1, 2, 4, 5, 8
FINISHED, KEY_UPDATE = 20, 24
READ: Final = frozenset(
    (CLIENT_HELLO, SERVER_HELLO, NEW_SESSION_TICKET, END_OF_EARLY_DATA, ENCRYPTED_EXTENSIONS, FINISHED, KEY_UPDATE)
)
TLS12, TLS13 = 0x0303, 0x0304
ENCRYPT_THEN_MAC, SESSION_TICKET, EARLY_DATA, SUPPORTED_VERSIONS = 22, 35, 42, 43
RETRY: Final = hashlib.sha256(b"HelloRetryRequest").digest()  # the random of a HelloRetryRequest (RFC 8446, section 4.1.3)
MESSAGE_LIMIT: Final = 1 << 17  # of those read; a ClientHello or ticket may have 64 KiB in each of its fields


class MessageReader:
    """Puts the messages of one direction together again; those that tell nothing about keys are passed over unkept."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._skip = 0
        self._wanted = 4  # bytes there have to be before there is something to do

    @property
    def held_bytes(self) -> int:
        return len(self._data)

    def clear(self) -> None:
        """Forget what began: bytes were lost."""
        self._data.clear()
        self._skip, self._wanted = 0, 4

    def read(self, content: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (type, body) of each message that *content* completes."""
        passed = min(self._skip, len(content))
        self._skip -= passed
        self._data += content[passed:]
        while len(self._data) >= self._wanted:
            kind, size = self._data[0], int.from_bytes(self._data[1:4], "big")
            end = 4 + size
            if kind not in READ or size > MESSAGE_LIMIT:
                self._skip = max(0, end - len(self._data))
                del self._data[:end]
                self._wanted = 4
            elif end > len(self._data):
                self._wanted = end
            else:
                body = bytes(self._data[4:end])
                del self._data[:end]
                self._wanted = 4
                yield kind, body


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """What a ClientHello says about keys."""

    random: bytes
    session_id: bytes
    ticket: bytes
    suites: tuple[int, ...]
    offers_early_data: bool
    offers_13: bool


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """What a ServerHello, or a HelloRetryRequest, says about keys."""

    random: bytes
    session_id: bytes
    suite: int
    version: int
    is_compressed: bool
    is_mac_outside: bool

    @property
    def is_retry(self) -> bool:
        return self.random == RETRY


def read_client_keys(body: bytes) -> ClientKeys | None:
    """Return what a ClientHello says; None if it is none."""
    try:
        hello = Cursor(body)
        hello.take(2)
        random, session_id = hello.take(32), hello.vector(1).rest
        suites = tuple(hello.vector(2).numbers(2))
        hello.vector(1)
        found = _extensions(hello)
        versions = Cursor(found.get(SUPPORTED_VERSIONS, b"\0")).vector(1).numbers(2)
    except EOFError:
        return None
    return ClientKeys(random, session_id, found.get(SESSION_TICKET, b""), suites, EARLY_DATA in found, TLS13 in versions)


def read_server_keys(body: bytes) -> ServerKeys | None:
    """Return what a ServerHello says; None if it is none."""
    try:
        hello = Cursor(body)
        version = hello.number(2)
        random, session_id = hello.take(32), hello.vector(1).rest
        suite, compression = hello.number(2), hello.number(1)
        found = _extensions(hello)
    except EOFError:
        return None
    chosen = found.get(SUPPORTED_VERSIONS, b"")
    if len(chosen) == 2:
        version = int.from_bytes(chosen, "big")
    return ServerKeys(random, session_id, suite, version, compression != 0, ENCRYPT_THEN_MAC in found)


def accepts_early_data(body: bytes) -> bool:
    """Return whether EncryptedExtensions say that 0-RTT data is taken (RFC 8446, section 4.2.10)."""
    try:
        return EARLY_DATA in _extensions(Cursor(body))
    except EOFError:
        return False


def read_ticket(body: bytes) -> bytes:
    """Return the ticket of a NewSessionTicket of TLS 1.2 (RFC 5077, section 3.3), or nothing."""
    try:
        message = Cursor(body)
        message.take(4)
        return message.vector(2).rest
    except EOFError:
        return b""


def _extensions(fields: Cursor) -> dict[int, bytes]:
    """Return the extensions that *fields* end in; EOFError when they are cut."""
    found: dict[int, bytes] = {}
    if fields.left:
        fields = fields.vector(2)
        while fields.left:
            kind = fields.number(2)
            found.setdefault(kind, fields.vector(2).rest)
    return found
