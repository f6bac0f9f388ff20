"""JSON Web Tokens that anyone could have made, or keep: unsigned, signed with a secret that stands in public examples,
bringing their own key along, or giving a privilege for ever.

RFC 8725 (best practices), sections 2.1, 2.2 and 2.9 to 2.10; RFC 7519, section 4.1.4 for the claim that ends a token.
Checking a signature takes a few microseconds a secret, so tokens seen before are remembered.
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

# From where a run of the alphabet begins and from nowhere else in it, so that each is read once.
_TOKEN: Final = re.compile(rb"(?<![A-Za-z0-9_-])([A-Za-z0-9_-]+)(\.ey[A-Za-z0-9_-]{2,8192})\.([A-Za-z0-9_-]{0,1024})")
_HEAD_BYTES: Final = range(10, 4099)
_HASHES: Final = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
_CONFIDENCE: Final = {"weak-token-endless-privilege": 0.7, "weak-token-own-key": 0.8}
_OWN_KEY: Final = frozenset(("jwk", "jku", "x5u"))
_PRIVILEGE_CLAIM: Final = re.compile(
    r"(?:is_?)?(?:roles?|groups?|scopes?|authorities|permissions?|admin\w*|superuser|staff|root)", re.I
)
_ENDS: Final = frozenset(("exp", "expires", "expires_at", "expiration"))
_PRIVILEGE: Final = re.compile(r"\b(?:\w{0,20}admin\w{0,20}|root|superuser|true)\b", re.IGNORECASE)
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
        return any(self.weakness(signed, signature) for signed, signature in _tokens(form))

    def findings(self, points: Iterable[Point]) -> Iterator[Finding]:
        for point in points:
            if b".ey" not in point.value:
                continue
            for signed, signature in _tokens(point.value):
                rule = self.weakness(signed, signature)
                if rule:
                    payload = (signed + b"." + signature)[:512].decode("latin-1")
                    yield Finding("weak_auth", point.path, payload, rule, _CONFIDENCE.get(rule, 0.9))

    def weakness(self, signed: bytes, signature: bytes) -> str:
        """Return the id of the weakness of a token, or an empty text."""
        token = signed + b"." + signature
        known = self._known.get(token)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[token] = _weakness(signed, signature)
        return known


def _tokens(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (what is signed, signature) of each token in *text*, whatever of its alphabet stands in front."""
    for match in _TOKEN.finditer(text):
        run, claims, signature = match.groups()
        head = run[run.find(b"ey") :] if b"ey" in run else b""
        if len(head) in _HEAD_BYTES:
            yield head + claims, signature


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
    if not _OWN_KEY.isdisjoint(header) and header.get("typ") != "dpop+jwt":  # RFC 9449: there the key is what is proved
        return "weak-token-own-key"
    digest = _HASHES.get(algorithm.upper())
    try:
        claimed = _decoded(signature)
    except binascii.Error:
        return ""
    if digest is None or not claimed:
        return "weak-token-unsigned" if digest is not None else ""
    if any(hmac.digest(secret, signed, digest) == claimed for secret in _SECRETS):
        return "weak-token-known-secret"
    return "weak-token-endless-privilege" if _is_endless_privilege(signed.partition(b".")[2]) else ""


def _is_endless_privilege(claims: bytes) -> bool:
    """Tell whether *claims* give a privilege and none says when that ends: one leak is for ever."""
    try:
        payload = json.loads(_decoded(claims))
    except (ValueError, RecursionError):
        return False
    if not isinstance(payload, dict) or not _ENDS.isdisjoint(payload):
        return False
    given = [value for name, value in payload.items() if _PRIVILEGE_CLAIM.fullmatch(name)]
    return any(_PRIVILEGE.search(json.dumps(value)) for value in given)


def _decoded(part: bytes) -> bytes:
    return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
