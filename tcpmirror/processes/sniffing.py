"""What a TCP payload is by its first bytes, and the server name of a TLS ClientHello: for diagnosis, not for analysis."""

from __future__ import annotations

import re
from typing import Final

HTTP1: Final = "HTTP/1"
HTTP2: Final = "HTTP/2"
TLS: Final = "TLS"
SSH: Final = "SSH"
UNKNOWN: Final = "unknown"

_REQUEST: Final = re.compile(
    rb"[A-Z][A-Z-]{1,19} [^\x00-\x1f ]{1,8000} HTTP/1\.[01]\r?\n|(?:GET|POST|PUT|HEAD|DELETE|OPTIONS|PATCH) /"
)
_TLS_RECORD: Final = re.compile(rb"[\x14-\x17]\x03[\x00-\x04]", re.DOTALL)


def protocol_of(payload: bytes) -> str:
    """Return the protocol that begins like *payload*; `UNKNOWN` where it does not tell."""
    if payload.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")) or _REQUEST.match(payload):
        return HTTP1
    if payload.startswith(b"PRI * HTTP/2.0"):
        return HTTP2
    if _TLS_RECORD.match(payload) and len(payload) >= 5 and int.from_bytes(payload[3:5], "big") <= 16384 + 2048:
        return TLS
    return SSH if payload.startswith(b"SSH-") else UNKNOWN


def server_name(payload: bytes) -> str:
    """Return the host name in a TLS ClientHello (RFC 8446, section 4.1.2; RFC 6066, section 3); empty if there is none.

    *payload* may be cut behind the name: nothing after it is looked at.
    """
    try:
        return _server_name(payload)
    except IndexError:
        return ""


def _server_name(payload: bytes) -> str:
    if payload[0] != 0x16 or payload[5] != 1:
        return ""
    at = 9 + 2 + 32  # record and handshake headers, version, random
    at += 1 + payload[at]  # session id
    at += 2 + _u16(payload, at)  # cipher suites
    at += 1 + payload[at]  # compression methods
    end = at + 2 + _u16(payload, at)
    at += 2
    while at + 4 <= end:
        kind, size = _u16(payload, at), _u16(payload, at + 2)
        if kind == 0:
            length = _u16(payload, at + 7)
            name = payload[at + 9 : at + 9 + length]
            return name.decode("ascii", "replace") if len(name) == length and name.isascii() else ""
        at += 4 + size
    return ""


def _u16(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]
