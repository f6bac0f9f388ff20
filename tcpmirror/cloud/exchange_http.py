"""A stored exchange as HTTP/1.1 that can be sent and read again.

What is kept of a message is its head as it was and its body with transfer and content codings undone, perhaps cut. The
headers that spoke of the codings and the length are therefore replaced by what holds of the kept body.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_FRAMING: Final = frozenset((b"content-length", b"transfer-encoding", b"content-encoding", b"trailer", b"http2-settings"))
_VERSION: Final = re.compile(rb"HTTP/\d(?:\.\d)?")


@dataclass(frozen=True, slots=True)
class Message:
    """``start``: the first line; ``headers``: (name, value) as sent, but none that frames the body."""

    start: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def encoded(self, has_body: bool = True) -> bytes:
        """Return the bytes of the message in HTTP/1.1; *has_body* False: no length is told, as in a GET."""
        lines = [_VERSION.sub(b"HTTP/1.1", self.start), *(name + b": " + value for name, value in self.headers)]
        if self.body or has_body:
            lines.append(b"Content-Length: %d" % len(self.body))
        return b"\r\n".join(lines) + b"\r\n\r\n" + self.body


def message(kept: bytes) -> Message | None:
    """Return the message in *kept*, None if nothing of one was kept."""
    head, blank, body = kept.partition(b"\r\n\r\n")
    if not blank:
        head, blank, body = kept.partition(b"\n\n")
    lines = head.replace(b"\r\n", b"\n").split(b"\n")
    if not lines[0].strip():
        return None
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if colon and name.strip().lower() not in _FRAMING:
            headers.append((name.strip(), value.strip()))
    return Message(lines[0].strip(), tuple(headers), body)
