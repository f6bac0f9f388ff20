"""JSON Web Tokens that anyone could have made: unsigned, or signed with a secret that stands in public examples.

RFC 8725 (best practices), sections 2.1 and 2.2. Checking a signature takes a few microseconds a secret, so tokens seen
before are remembered.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import yaml

from tcpmirror.model.finding import Finding
from tcpmirror.model.point import Point

_TOKEN: Final = re.compile(rb"(ey[A-Za-z0-9_-]{8,4096}\.ey[A-Za-z0-9_-]{2,8192})\.([A-Za-z0-9_-]{0,1024})")
_HASHES: Final = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
_REMEMBERED: Final = 4096
_SECRETS: Final = tuple(
    secret.encode() for secret in yaml.safe_load((Path(__file__).parent / "known_secrets.yaml").read_text(encoding="utf-8"))
)


class TokenCheck:
    """Weak tokens, each judged once."""

    def __init__(self) -> None:
        self._known: dict[bytes, str] = {}

    def is_suspect(self, form: bytes) -> bool:
        """Tell whether a request's normal form holds a weak token."""
        if b".ey" not in form:
            return False
        return any(self.weakness(match.group(1), match.group(2)) for match in _TOKEN.finditer(form))

    def findings(self, points: Iterable[Point]) -> Iterator[Finding]:
        for point in points:
            if b".ey" not in point.value:
                continue
            for match in _TOKEN.finditer(point.value):
                rule = self.weakness(match.group(1), match.group(2))
                if rule:
                    yield Finding("weak_auth", point.path, match.group()[:512].decode("latin-1"), rule, 0.9)

    def weakness(self, signed: bytes, signature: bytes) -> str:
        """Return the id of the weakness of a token, or an empty text."""
        token = signed + b"." + signature
        known = self._known.get(token)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[token] = _weakness(signed, signature)
        return known


def _weakness(signed: bytes, signature: bytes) -> str:
    try:
        header = json.loads(_decoded(signed.partition(b".")[0]))
    except (ValueError, RecursionError):
        return ""
    algorithm = header.get("alg", "none") if isinstance(header, dict) else None
    if not isinstance(algorithm, str):
        return ""
    if algorithm.lower() in ("none", ""):
        return "weak-token-unsigned"
    digest = _HASHES.get(algorithm.upper())
    try:
        claimed = _decoded(signature)
    except binascii.Error:
        return ""
    if digest is None or not claimed:
        return "weak-token-unsigned" if digest is not None else ""
    is_guessable = any(hmac.digest(secret, signed, digest) == claimed for secret in _SECRETS)
    return "weak-token-known-secret" if is_guessable else ""


def _decoded(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
