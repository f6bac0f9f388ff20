"""multipart/form-data (RFC 7578) and its relatives: fields, file names, file contents and the headers of parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from tcpmirror.decode.keys import text_key
from tcpmirror.decode.text import is_text, percent
from tcpmirror.model.anomaly import Anomaly

if TYPE_CHECKING:
    from tcpmirror.decode.walk import Path, Walk

_BOUNDARY: Final = re.compile(rb"boundary\s*=\s*(?:\"([^\"]{1,256})\"|([^\s;,]{1,256}))", re.IGNORECASE)
_SNIFFED: Final = re.compile(rb"\A\s*--([^\r\n]{1,256}?)(?:--)?\r?\n")
_PARAMETER: Final = re.compile(rb";\s*(name|filename)(\*?)\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"?|([^;\r\n]*))", re.IGNORECASE)
_HEAD_LIMIT: Final = 8192


def looks_like(body: bytes) -> bool:
    return _SNIFFED.match(body) is not None and b"content-disposition" in body[:1024].lower()


def boundary_of(content_type: bytes, body: bytes) -> bytes | None:
    """Return the boundary that *body* is cut by: the declared one if it occurs, else the one it begins with."""
    declared = _BOUNDARY.search(content_type)
    if declared is not None:
        boundary = declared.group(1) or declared.group(2) or b""
        if b"--" + boundary in body:
            return boundary
    sniffed = _SNIFFED.match(body)
    return sniffed.group(1) if sniffed is not None else None


def read(walk: Walk, path: Path, boundary: bytes, body: bytes) -> None:
    """Visit the parts of *body*."""
    for part in _parts(boundary, body):
        if part is None:
            walk.note(Anomaly.BAD_MULTIPART)
        else:
            _part(walk, (*path, "multipart"), part)


def texts(boundary: bytes, body: bytes) -> Iterator[tuple[bytes, bool, bool]]:
    """Yield (text, whether it is a file's content, whether it is decoded further) for all that `read` visits.

    A field is one text with its head, because some rules look at names and values together.
    """
    for part in _parts(boundary, body):
        if part is None:
            continue
        head, separator, content = _cut(part)
        if not separator or _names(head)[1] is None:
            yield part, False, True
        else:
            yield head, False, True
            yield content, True, is_text(_without_break(content))


def _parts(boundary: bytes, body: bytes) -> Iterator[bytes | None]:
    """Yield the parts of *body*, and None behind them if it does not end as it should."""
    for part in body.split(b"--" + boundary, 1025)[1:]:
        if part.startswith(b"--"):
            return
        yield part.removeprefix(b"\r").removeprefix(b"\n")
    yield None


def _without_break(content: bytes) -> bytes:
    """Return *content* without the line break that belongs to the boundary behind it."""
    return content.removesuffix(b"\n").removesuffix(b"\r")


def _part(walk: Walk, path: Path, part: bytes) -> None:
    head, separator, content = _cut(part)
    if not separator:
        walk.note(Anomaly.BAD_MULTIPART)
        walk.visit(path, part)
        return
    name, filename = _names(head)
    here = (*path, text_key(name))
    walk.name((*path[:-1], "multipart_name"), name)
    for line in head.splitlines():
        header, colon, value = line.partition(b":")
        if colon and header.strip().lower() not in (b"content-disposition", b"content-length"):
            walk.visit((*here, "header", text_key(header.strip().upper())), value.strip())
    content = _without_break(content)
    if filename is None:
        walk.visit(here, content)
        return
    walk.visit((*here, "filename"), filename)
    if is_text(content):
        walk.visit((*here, "file"), content)
    else:
        walk.add((*here, "file"), content)


def _cut(part: bytes) -> tuple[bytes, bytes, bytes]:
    crlf = part.find(b"\r\n\r\n", 0, _HEAD_LIMIT)
    newline = part.find(b"\n\n", 0, _HEAD_LIMIT)
    if newline >= 0 and (crlf < 0 or newline < crlf):
        return part[:newline], b"\n\n", part[newline + 2 :]
    return (part[:crlf], b"\r\n\r\n", part[crlf + 4 :]) if crlf >= 0 else (part, b"", b"")


def _names(head: bytes) -> tuple[bytes, bytes | None]:
    """Return the field name and the file name (None: no file) of a part."""
    name, filename = b"", None
    for match in _PARAMETER.finditer(head):
        value = match.group(3) if match.group(3) is not None else match.group(4)
        if match.group(2):  # RFC 8187: charset'language'percent-encoded
            value = percent(value.rpartition(b"'")[2])
        if match.group(1).lower() == b"name":
            name = value
        else:
            filename = value
    return name, filename
