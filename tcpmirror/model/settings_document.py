"""The settings that a cloud hands to one of its nodes: texts under one serial number, and the bytes that are signed.

A JSON object (RFC 8259): ``serial``, which grows with each change, ``node``, whom it is for, and ``layers``, pairs of a
scope and its YAML text, of which a later one goes before an earlier one. What is signed (Ed25519, RFC 8032) is a prefix
that no other message has, and then these very bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

SIGNED_PREFIX: Final = b"tcpmirror settings 1\n"
SCOPE_CHARS: Final = 300


@dataclass(frozen=True, slots=True)
class SettingsDocument:
    """``layers``: (scope, text), as ``("all", "log: {level: debug}")``."""

    serial: int
    node: str
    layers: tuple[tuple[str, str], ...]


def encode_settings(document: SettingsDocument) -> bytes:
    """Return the bytes of *document*, the same for the same document."""
    fields = {"layers": document.layers, "node": document.node, "serial": document.serial}
    return json.dumps(fields, separators=(",", ":")).encode()


def decode_settings(payload: bytes) -> SettingsDocument:
    """Return the document in *payload*; ValueError if it holds none."""
    given = json.loads(payload)
    if not isinstance(given, dict) or not isinstance(given.get("layers"), list):
        raise ValueError("no settings document")
    serial, node, layers = given.get("serial"), given.get("node"), given["layers"]
    if type(serial) is not int or serial < 0:
        raise ValueError("serial: a whole number is needed")
    if not isinstance(node, str):
        raise ValueError("node: a text is needed")
    if not all(isinstance(one, list) and len(one) == 2 and all(isinstance(part, str) for part in one) for one in layers):
        raise ValueError("layers: pairs of a scope and a text are needed")
    return SettingsDocument(serial, node, tuple((scope[:SCOPE_CHARS], text) for scope, text in layers))


def signed_settings_bytes(payload: bytes) -> bytes:
    """Return what the signature of *payload* is made over."""
    return SIGNED_PREFIX + payload
