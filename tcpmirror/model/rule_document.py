"""The rules that a cloud hands to its nodes: packs by name under one serial number, and the bytes that are signed.

A JSON object (RFC 8259): ``serial``, which grows with each change, and ``packs``, the YAML text of each by its name. What is
signed (Ed25519, RFC 8032) is a prefix that no other message has, and then these very bytes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

SIGNED_PREFIX: Final = b"tcpmirror rules 1\n"
PACK_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class RuleDocument:
    serial: int
    packs: tuple[tuple[str, str], ...]


def encode_rules(document: RuleDocument) -> bytes:
    """Return the bytes of *document*, the same for the same packs in any order."""
    return json.dumps({"packs": dict(sorted(document.packs)), "serial": document.serial}, separators=(",", ":")).encode()


def decode_rules(payload: bytes) -> RuleDocument:
    """Return the document in *payload*; ValueError if it holds none."""
    given = json.loads(payload)
    if not isinstance(given, dict) or not isinstance(given.get("packs"), dict):
        raise ValueError("no rule document")
    serial, packs = given.get("serial"), given["packs"]
    if type(serial) is not int or serial < 0:
        raise ValueError("serial: a whole number is needed")
    if not all(PACK_NAME.fullmatch(name) and isinstance(text, str) for name, text in packs.items()):
        raise ValueError("packs: texts by names of small letters, digits and dashes are needed")
    return RuleDocument(serial, tuple(sorted(packs.items())))


def signed_bytes(payload: bytes) -> bytes:
    """Return what the signature of *payload* is made over."""
    return SIGNED_PREFIX + payload
