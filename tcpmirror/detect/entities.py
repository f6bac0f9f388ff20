"""What an XML document says about itself: entities that would explode, an encoding that is a lie."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from tcpmirror.model.exchange import Request
from tcpmirror.model.finding import Finding
from tcpmirror.model.point import Point

_AMPLIFIED_BYTES: Final = 100_000  # expanded size nobody declares entities for (libxml2 stops at 10 MB, expat at 8 MB)
_ENTITY: Final = re.compile(rb"<!ENTITY\s+(?:%\s+)?([^\s>\"']{1,128})\s+(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)
_REFERENCE: Final = re.compile(rb"[&%]([A-Za-z_][\w.-]{0,127});")
_DECLARED: Final = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
# Encodings that hide ASCII markup from filters and that no client of an API sends.
_HIDING: Final = re.compile(rb"utf-?7|cp037|ibm-?0?\d+|ebcdic|ucs|utf-?32|iso-2022|hz", re.IGNORECASE)


def is_suspect(body: bytes) -> bool:
    """Tell whether *body* needs a look by `findings`."""
    if b"<" not in body:
        return False
    start = body[:512]
    declares = b"<!" in body and b"<!entity" in body.lower()
    return declares or (b"<?xml" in start.replace(b"\0", b"") and _liar(body) != "")


def findings(request: Request, points: list[Point]) -> Iterator[Finding]:
    """Yield ``data_bomb`` for explosive DTDs, ``invalid_xml`` for a body whose declared encoding is not its real one."""
    for point in points:
        if point.path[-1] == "xml_dtd" and expanded_bytes(point.value, request.body) > _AMPLIFIED_BYTES:
            yield Finding("data_bomb", point.path, point.value[:512].decode("latin-1"), "data-bomb-entities", 0.95)
    liar = _liar(request.body)
    if liar:
        yield Finding("invalid_xml", ("post",), request.body[:200].decode("latin-1"), liar, 0.9)


def expanded_bytes(dtd: bytes, body: bytes) -> int:
    """Return how many bytes *body* would have with the entities of *dtd* expanded, without expanding anything.

    Entities may only use those declared before, as parsers expand them at use; each declaration is looked at once.
    """
    sizes: dict[bytes, int] = {}
    for match in _ENTITY.finditer(dtd):
        value = match.group(2) if match.group(2) is not None else match.group(3) or b""
        size = len(value) + sum(sizes.get(name, 0) for name in _REFERENCE.findall(value))
        sizes.setdefault(match.group(1), min(size, 1 << 62))
    content = body[body.find(dtd) + len(dtd) :] if dtd in body else body
    return sum(sizes.get(name, 0) for name in _REFERENCE.findall(content)) + _nested(dtd, sizes)


def _nested(dtd: bytes, sizes: dict[bytes, int]) -> int:
    """Count parameter entities that the DTD itself uses."""
    return sum(sizes.get(name, 0) for name in re.findall(rb"%([A-Za-z_][\w.-]{0,127});", dtd))


def _liar(body: bytes) -> str:
    """Return the id of what is wrong with the XML declaration of *body*, or an empty text."""
    start = body[:512]
    declared = _DECLARED.search(start.replace(b"\0", b""))
    if declared is None:
        return ""
    name = declared.group(1).lower()
    if _HIDING.match(name):
        return "invalid-xml-hiding-encoding"
    is_wide = start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in start[:8]
    return "invalid-xml-wrong-encoding" if is_wide != name.startswith((b"utf-16", b"utf16")) else ""
