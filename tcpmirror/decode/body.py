"""What a request body is: decided by its bytes first, by Content-Type where the bytes leave it open."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from tcpmirror.decode import form, json_doc, json_scan, multipart, xml
from tcpmirror.decode.text import is_text
from tcpmirror.model.anomaly import Anomaly
from tcpmirror.model.exchange import Request

if TYPE_CHECKING:
    from tcpmirror.decode.walk import Path, Walk

_FORM_START: Final = re.compile(rb"\s*[A-Za-z0-9._\[\]%-]*=")
_XML_START: Final = re.compile(rb"\s*<(?:\?xml\b|!DOCTYPE\s+\w+\s*[\[>]|\w+:?Envelope\b|svg\b)", re.IGNORECASE)
_UTF16_LOOK: Final = 16  # bytes: eight characters of ASCII in a row are no chance
_GZIP: Final = b"\x1f\x8b\x08"  # some servers look no further than this, whatever Content-Encoding says
_POST: Final[Path] = ("post",)
_INCOMPLETE: Final = 1 << Anomaly.INCOMPLETE


def read(walk: Walk, content_type: bytes, body: bytes) -> None:
    """Visit what *body* holds. The whole of it is a point of its own unless a notation explains it."""
    kind = content_type.lower()
    body = _from_utf16(body)
    if not _structured(walk, kind, body):
        if _is_readable(body):
            walk.visit(_POST, body)
        else:
            walk.add((*_POST, "file"), body)


def _structured(walk: Walk, kind: bytes, body: bytes) -> bool:
    if (kind.startswith(b"multipart/") or multipart.looks_like(body)) and _multipart(walk, kind, body):
        return True
    first = body.lstrip()[:1]
    said_form = b"urlencoded" in kind
    if first and first in b"{[":
        if json_doc.read(walk, _POST, body):
            return True
        if not said_form:
            json_doc.read_strings(walk, _POST, body)
            return False
    if first == b"<":
        is_xml = xml.read(walk, _POST, body)
        return is_xml and (_XML_START.match(body) is not None or b"xml" in kind)
    if said_form or (b"\n" not in body and _FORM_START.match(body) is not None):
        form.read(walk, (*_POST, "form_urlencoded"), body)
        return True
    return False


def whole(request: Request) -> bytes:
    """Return the body of *request*; a document in JSON of which only the beginning was kept, or came, is closed there."""
    sent = request.body
    if request.body_length > len(sent) or request.anomalies & _INCOMPLETE:
        return json_scan.closed(sent) or sent
    return sent


def texts(content_type: bytes, body: bytes) -> Iterable[tuple[bytes, bool, bool]] | None:
    """Return (text, whether it is a file's content, whether it is decoded further) for what `read` makes of *body*.

    None unless it is read as parts, or as the bytes of a file: the first tier reads those otherwise than other bodies.
    """
    kind = content_type.lower()
    if _from_utf16(body) is not body:
        return None
    if kind.startswith(b"multipart/") or multipart.looks_like(body):
        boundary = multipart.boundary_of(kind, body) or multipart.boundary_of(b"", body)
        return None if boundary is None else multipart.texts(boundary, body)
    first = body.lstrip()[:1]
    if first in (b"{", b"[", b"<") or b"urlencoded" in kind or (b"\n" not in body and _FORM_START.match(body) is not None):
        return None
    return None if _is_readable(body) else [(body, True, False)]


def _is_readable(body: bytes) -> bool:
    """Tell whether a body that no notation explains is looked into; else it is the bytes of some file."""
    return body.startswith(_GZIP) or b"\0" not in body[:1024] or is_text(body[:1024])


def _multipart(walk: Walk, kind: bytes, body: bytes) -> bool:
    boundary = multipart.boundary_of(kind, body) or multipart.boundary_of(b"", body)
    if boundary is None:
        walk.note(Anomaly.BAD_MULTIPART)
        return False
    multipart.read(walk, _POST, boundary, body)
    return True


def _from_utf16(body: bytes) -> bytes:
    """Return *body* as UTF-8 if it is UTF-16: by its mark, or by a NUL beside each of its first characters."""
    start = body[:_UTF16_LOOK]
    if body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif len(start) < 4:
        return body
    elif not any(start[::2]) and all(start[1::2]):
        encoding = "utf-16-be"
    elif not any(start[1::2]) and all(start[::2]):
        encoding = "utf-16-le"
    else:
        return body
    return body.decode(encoding, "replace").encode("utf-8", "replace")
