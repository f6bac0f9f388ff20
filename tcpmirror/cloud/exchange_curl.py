"""A stored request as a command line for curl that sends the same again, and does nothing else.

Every byte of the request is a stranger's. Words stand in single quotes; what cannot be printed is written by printf(1) in
octal (POSIX shells alike). Header names must be tokens (RFC 9110, 5.6.2): curl would read a file for one that begins with
`@`.
"""

from __future__ import annotations

import re
from typing import Final

from tcpmirror.cloud.exchange_http import message

_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_AUTHORITY: Final = re.compile(r"(?:[0-9.]+|\[[0-9a-fA-F:.]+\])(?::\d{1,5})?")
_PRINTABLE: Final = re.compile(rb"[\t\n\x20-\x7e]*")
_UNSAFE_IN_URL: Final = re.compile(rb"[^\x21-\x7e]")
_BODY_BYTES: Final = 64 * 1024  # longer ones would not go on a command line


def curl_command(server: str, request: bytes) -> str:
    """Return the command, with the address the request went to; empty if no request was kept or *server* is no address."""
    sent = message(request)
    if sent is None or not _AUTHORITY.fullmatch(server):
        return ""
    method, _, rest = sent.start.partition(b" ")
    target = rest.rpartition(b" ")[0] or rest
    words = ["curl", "--include", "--globoff", "--path-as-is", "--http1.1"]
    if _TOKEN.fullmatch(method):
        words += ["--head"] if method == b"HEAD" else ["--request", word(method)]
    words.append(word(f"http://{server}".encode() + _path(target)))
    for name, value in sent.headers:
        if _TOKEN.fullmatch(name):
            words += ["--header", word(name + (b": " + value if value else b";"))]
    if sent.body:
        words += ["--data-raw", word(sent.body[:_BODY_BYTES])]
        if b"content-type" not in {name.lower() for name, _ in sent.headers}:
            words += ["--header", word(b"Content-Type:")]
    return " ".join(words)


def word(raw: bytes) -> str:
    """Return *raw* as one word of a POSIX shell.

    NUL, which no argument can hold, is left out, and newlines at the end of what has to go through printf(1).
    """
    if _PRINTABLE.fullmatch(raw):
        return "'" + raw.decode().replace("'", "'\\''") + "'"
    written = "".join(_octal(byte) for byte in raw if byte)
    return f"\"$(printf '{written}')\""


def _octal(byte: int) -> str:
    plain = 0x20 <= byte < 0x7F and byte not in b"'%\\-"  # printf would take a first hyphen for an option
    return chr(byte) if plain else f"\\{byte:03o}"


def _path(target: bytes) -> bytes:
    path = _UNSAFE_IN_URL.sub(lambda odd: b"%%%02X" % odd.group()[0], target)
    scheme, mark, rest = path.partition(b"://")
    if mark and b"/" not in scheme:
        path = b"/" + rest.partition(b"/")[2]
    return path if path.startswith(b"/") else b"/" + path
