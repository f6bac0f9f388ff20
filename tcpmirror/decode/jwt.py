"""JSON Web Tokens (RFC 7519) in compact form: header and payload become points of their own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tcpmirror.decode import json_doc
from tcpmirror.decode.text import base64_text

if TYPE_CHECKING:
    from tcpmirror.decode.walk import Path, Walk

_TOKEN: Final = re.compile(
    rb"\A(?:(bearer|lsapi2|mobapp2) +)?(ey[A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]*)\Z", re.IGNORECASE
)


def looks_like(value: bytes) -> bool:
    return b"ey" in value[:12] and _TOKEN.match(value) is not None


def read(walk: Walk, path: Path, value: bytes, depth: int) -> None:
    """Visit the header and the payload of the token *value*; the signature holds nothing to look at."""
    match = _TOKEN.match(value)
    if match is None:
        return
    walk.add((*path, "jwt"), b".".join(match.group(2, 3, 4)))
    for tag, part in (("jwt_header", match.group(2)), ("jwt_payload", match.group(3))):
        plain = base64_text(part)
        if plain is not None and not json_doc.read(walk, (*path, "jwt", tag, "base64"), plain, depth):
            walk.visit((*path, "jwt", tag, "base64"), plain, depth)
