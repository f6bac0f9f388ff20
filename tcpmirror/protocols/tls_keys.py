"""The key schedules of TLS: traffic keys from a secret (RFC 8446, section 7) or a master secret (RFC 5246, section 6.3)."""

from __future__ import annotations

import hmac
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384()}


def expand_label(secret: bytes, label: bytes, size: int, hash_name: str, context: bytes = b"") -> bytes:
    """Return HKDF-Expand-Label of TLS 1.3 (RFC 8446, section 7.1), *size* bytes; *label* without its prefix."""
    label = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes([len(label)]) + label + bytes([len(context)]) + context
    return HKDFExpand(_HASHES[hash_name], size, info).derive(secret)


def traffic_keys(secret: bytes, key_size: int, hash_name: str) -> tuple[bytes, bytes]:
    """Return key and IV of one direction in TLS 1.3 (RFC 8446, section 7.3)."""
    return expand_label(secret, b"key", key_size, hash_name), expand_label(secret, b"iv", 12, hash_name)


def next_secret(secret: bytes, hash_name: str) -> bytes:
    """Return the secret after a KeyUpdate (RFC 8446, section 7.2)."""
    return expand_label(secret, b"traffic upd", len(secret), hash_name)


def key_block(master: bytes, server_random: bytes, client_random: bytes, size: int, hash_name: str) -> bytes:
    """Return *size* bytes of key material of TLS 1.2: PRF(master, "key expansion", ...) (RFC 5246, sections 5 and 6.3)."""
    seed = b"key expansion" + server_random + client_random
    block, step = b"", seed
    while len(block) < size:
        step = hmac.digest(master, step, hash_name)
        block += hmac.digest(master, step + seed, hash_name)
    return block[:size]
