"""The ClientHello of TLS (RFC 8446, section 4.1.2): the name asked for, and the JA3 and JA4 fingerprints of who asks.

JA3: MD5 of version, ciphers, extensions, groups and point formats in the order sent. JA4: version, counts and ALPN to read,
then two truncated SHA-256 over the sorted ciphers and the sorted extensions with the signature algorithms. Both leave out
GREASE values (RFC 8701).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

HANDSHAKE: Final = 22
CLIENT_HELLO: Final = 1
SERVER_NAME, GROUPS, POINT_FORMATS, SIGNATURE_ALGORITHMS, ALPN, SUPPORTED_VERSIONS = 0, 10, 11, 13, 16, 43
_VERSIONS: Final = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3"}


@dataclass(frozen=True, slots=True)
class ClientHello:
    """``sni``: the server name or ""; ``alpn``: the protocols offered; ``version``: the highest TLS version offered."""

    sni: str
    alpn: tuple[str, ...]
    version: int
    ja3: str
    ja4: str


class Cursor:
    """Reads big-endian fields off bytes; EOFError past their end, which no reader of messages lets out."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        if self._at + size > len(self._data):
            raise EOFError
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> Cursor:
        """Return a cursor over a field that *size* bytes of length go before."""
        return Cursor(self.take(self.number(size)))

    def numbers(self, size: int) -> list[int]:
        """Return what is left as numbers of *size* bytes each."""
        found = []
        while self.left >= size:
            found.append(self.number(size))
        return found

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    @property
    def rest(self) -> bytes:
        return self._data[self._at :]


def read_client_hello(opening: bytes) -> tuple[ClientHello | None, bool]:
    """Return the ClientHello at the beginning of a TLS stream, if it is whole, and whether more bytes may complete one."""
    message, is_open = _handshake(opening)
    if len(message) < 4:
        return None, is_open
    if message[0] != CLIENT_HELLO:
        return None, False
    size = int.from_bytes(message[1:4], "big")
    if len(message) < 4 + size:
        return None, is_open
    try:
        return _client_hello(Cursor(message[4 : 4 + size])), False
    except EOFError:
        return None, False


def _handshake(opening: bytes) -> tuple[bytes, bool]:
    """Return the handshake bytes of the records in *opening* (RFC 8446, section 5.1), and whether more may come."""
    message, at = b"", 0
    while at < len(opening):
        if opening[at] != HANDSHAKE:
            return message, False
        size = int.from_bytes(opening[at + 3 : at + 5], "big")
        message += opening[at + 5 : at + 5 + size]
        at += 5 + size
    return message, True


def _is_grease(value: int) -> bool:
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF


def _client_hello(hello: Cursor) -> ClientHello:
    legacy = hello.number(2)
    hello.take(32)  # random
    hello.vector(1)  # session id
    ciphers = [cipher for cipher in hello.vector(2).numbers(2) if not _is_grease(cipher)]
    hello.vector(1)  # compression methods
    extensions: dict[int, bytes] = {}
    if hello.left:
        fields = hello.vector(2)
        while fields.left:
            kind = fields.number(2)
            content = fields.vector(2).rest
            if not _is_grease(kind):
                extensions.setdefault(kind, content)
    versions = [version for version in _list(extensions, SUPPORTED_VERSIONS, 1) if not _is_grease(version)]
    version = max(versions, default=legacy)
    alpn = _alpn(extensions)
    return ClientHello(
        sni=_server_name(extensions),
        alpn=alpn,
        version=version,
        ja3=_ja3(legacy, ciphers, extensions),
        ja4=_ja4(version, ciphers, extensions, alpn),
    )


def _list(extensions: dict[int, bytes], kind: int, length_size: int, size: int = 2) -> list[int]:
    """Return the numbers in an extension that is one vector of them; none if it is missing."""
    content = extensions.get(kind)
    return Cursor(content).vector(length_size).numbers(size) if content else []


def _server_name(extensions: dict[int, bytes]) -> str:
    content = extensions.get(SERVER_NAME)
    if not content:
        return ""
    names = Cursor(content).vector(2)
    while names.left:
        is_host = names.number(1) == 0
        name = names.vector(2).rest
        if is_host:
            return name.decode("latin-1")
    return ""


def _alpn(extensions: dict[int, bytes]) -> tuple[str, ...]:
    content = extensions.get(ALPN)
    found = []
    if content:
        names = Cursor(content).vector(2)
        while names.left:
            found.append(names.vector(1).rest.decode("latin-1"))
    return tuple(found)


def _ja3(legacy: int, ciphers: list[int], extensions: dict[int, bytes]) -> str:
    groups = [group for group in _list(extensions, GROUPS, 2) if not _is_grease(group)]
    lists = (ciphers, list(extensions), groups, _list(extensions, POINT_FORMATS, 1, 1))
    text = ",".join([str(legacy), *("-".join(map(str, numbers)) for numbers in lists)])
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _ja4(version: int, ciphers: list[int], extensions: dict[int, bytes], alpn: tuple[str, ...]) -> str:
    first = alpn[0] if alpn else ""
    ends = first[0] + first[-1] if first else "00"
    if not ends.isalnum() or not ends.isascii():
        coded = first.encode("latin-1").hex()
        ends = coded[0] + coded[-1]
    domain = "d" if SERVER_NAME in extensions else "i"
    counts = f"{min(len(ciphers), 99):02}{min(len(extensions), 99):02}"
    kinds = sorted(f"{kind:04x}" for kind in extensions if kind not in (SERVER_NAME, ALPN))
    algorithms = [f"{value:04x}" for value in _list(extensions, SIGNATURE_ALGORITHMS, 2) if not _is_grease(value)]
    signed = ",".join(kinds) + ("_" + ",".join(algorithms) if algorithms else "")
    parts = (",".join(sorted(f"{cipher:04x}" for cipher in ciphers)), signed if kinds else "")
    return f"t{_VERSIONS.get(version, '00')}{domain}{counts}{ends}_" + "_".join(map(_short_hash, parts))


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else "0" * 12
