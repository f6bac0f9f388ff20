"""What opens protected TLS records: one class for each way a record is protected.

``open(sequence, record)`` returns (content type, plaintext), or None when the record is not the one with that number, or not
whole. ``overhead``: bytes of a record, its header aside, that are no plaintext: exact for AEAD without padding, the least
for CBC.
"""

from __future__ import annotations

import hmac
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305

from tcpmirror.protocols.tls_suites import CBC, CCM, CCM_8, CHACHA20, GCM, Suite

HEADER_SIZE: Final = 5
EXPLICIT_NONCE: Final = 8
BLOCK: Final = 16
TAG_SIZES: Final = {GCM: 16, CCM: 16, CCM_8: 8, CHACHA20: 16}
MAC_SIZES: Final = {"": 0, "sha1": 20, "sha256": 32, "sha384": 48}

Opened = tuple[int, bytes]


class Protection(Protocol):
    overhead: int

    def open(self, sequence: int, record: bytes) -> Opened | None: ...

    def hinted(self, record: bytes) -> int: ...


def _aead(kind: str, key: bytes) -> AESGCM | AESCCM | ChaCha20Poly1305:
    if kind == GCM:
        return AESGCM(key)
    if kind == CHACHA20:
        return ChaCha20Poly1305(key)
    return AESCCM(key, TAG_SIZES[kind])


class Aead13:
    """TLS 1.3 (RFC 8446, section 5.2): the content type stands behind the content, and zeros behind that."""

    def __init__(self, suite: Suite, key: bytes, iv: bytes) -> None:
        self._aead = _aead(suite.kind, key)
        self._iv = int.from_bytes(iv, "big")
        self.overhead = TAG_SIZES[suite.kind] + 1

    def open(self, sequence: int, record: bytes) -> Opened | None:
        nonce = (self._iv ^ sequence).to_bytes(12, "big")
        try:
            inner = self._aead.decrypt(nonce, record[HEADER_SIZE:], record[:HEADER_SIZE])
        except (InvalidTag, ValueError):
            return None
        if inner and inner[-1]:
            return inner[-1], inner[:-1]
        inner = inner.rstrip(b"\0")
        return (inner[-1], inner[:-1]) if inner else None

    def hinted(self, record: bytes) -> int:
        return -1


class Aead12:
    """GCM and CCM in TLS 1.2 (RFC 5288, section 3): half of the nonce comes with each record."""

    def __init__(self, suite: Suite, key: bytes, salt: bytes) -> None:
        self._aead = _aead(suite.kind, key)
        self._salt = salt
        self._tag_size = TAG_SIZES[suite.kind]
        self._first: int | None = None  # what the nonces of the records were counted from
        self.overhead = EXPLICIT_NONCE + self._tag_size

    def open(self, sequence: int, record: bytes) -> Opened | None:
        size = len(record) - HEADER_SIZE - self.overhead
        if size < 0:
            return None
        explicit = record[HEADER_SIZE : HEADER_SIZE + EXPLICIT_NONCE]
        data = sequence.to_bytes(8, "big") + record[:3] + size.to_bytes(2, "big")
        try:
            plain = self._aead.decrypt(self._salt + explicit, record[HEADER_SIZE + EXPLICIT_NONCE :], data)
        except (InvalidTag, ValueError):
            return None
        self._first = int.from_bytes(explicit, "big") - sequence
        return record[0], plain

    def hinted(self, record: bytes) -> int:
        """Return which number the record has if its sender counts nonces, as all known ones do; -1 where that is unknown."""
        if self._first is None:
            return -1
        return int.from_bytes(record[HEADER_SIZE : HEADER_SIZE + EXPLICIT_NONCE], "big") - self._first


class ChaCha12:
    """ChaCha20-Poly1305 in TLS 1.2 (RFC 7905, section 2)."""

    def __init__(self, key: bytes, iv: bytes) -> None:
        self._aead = ChaCha20Poly1305(key)
        self._iv = int.from_bytes(iv, "big")
        self.overhead = TAG_SIZES[CHACHA20]

    def open(self, sequence: int, record: bytes) -> Opened | None:
        size = len(record) - HEADER_SIZE - self.overhead
        if size < 0:
            return None
        data = sequence.to_bytes(8, "big") + record[:3] + size.to_bytes(2, "big")
        try:
            return record[0], self._aead.decrypt((self._iv ^ sequence).to_bytes(12, "big"), record[HEADER_SIZE:], data)
        except (InvalidTag, ValueError):
            return None

    def hinted(self, record: bytes) -> int:
        return -1


class Cbc12:
    """CBC with HMAC in TLS 1.2 (RFC 5246, section 6.2.3.2), also with the MAC outside (RFC 7366)."""

    def __init__(self, suite: Suite, key: bytes, mac_key: bytes, is_mac_outside: bool) -> None:
        self._aes = algorithms.AES(key)
        self._mac_key, self._mac, self._mac_size = mac_key, suite.mac, MAC_SIZES[suite.mac]
        self._is_mac_outside = is_mac_outside
        self.overhead = BLOCK + self._mac_size + 1

    def open(self, sequence: int, record: bytes) -> Opened | None:
        body = record[HEADER_SIZE:]
        if self._is_mac_outside:
            body, mac = body[: -self._mac_size], body[-self._mac_size :]
            if not self._is_of(sequence, record, body, mac):
                return None
        if len(body) < 2 * BLOCK or len(body) % BLOCK:
            return None
        decryptor = Cipher(self._aes, modes.CBC(body[:BLOCK])).decryptor()
        plain = decryptor.update(body[BLOCK:])
        end = len(plain) - 1 - plain[-1]
        if self._is_mac_outside:
            return (record[0], plain[:end]) if end >= 0 else None
        end -= self._mac_size
        if end < 0 or not self._is_of(sequence, record, plain[:end], plain[end : end + self._mac_size]):
            return None
        return record[0], plain[:end]

    def _is_of(self, sequence: int, record: bytes, content: bytes, mac: bytes) -> bool:
        head = sequence.to_bytes(8, "big") + record[:3] + len(content).to_bytes(2, "big")
        return hmac.compare_digest(hmac.digest(self._mac_key, head + content, self._mac), mac)

    def hinted(self, record: bytes) -> int:
        return -1


def key_block_size(suite: Suite) -> int:
    """Return how many bytes of key material both directions of TLS 1.2 need (RFC 5246, section 6.3)."""
    return 2 * (MAC_SIZES[suite.mac] + suite.key_size + _iv_size(suite))


def protection12(suite: Suite, block: bytes, is_server: bool, is_mac_outside: bool) -> Protection:
    """Return what opens the records of one direction in TLS 1.2; *block*: the key material of both."""
    sizes = (MAC_SIZES[suite.mac], suite.key_size, _iv_size(suite))
    parts, at = [], 0
    for size in sizes:
        parts.append(block[at + is_server * size : at + (is_server + 1) * size])
        at += 2 * size
    mac_key, key, iv = parts
    if suite.kind == CBC:
        return Cbc12(suite, key, mac_key, is_mac_outside)
    return ChaCha12(key, iv) if suite.kind == CHACHA20 else Aead12(suite, key, iv)


def _iv_size(suite: Suite) -> int:
    """Return the size of the part of the nonce that comes of the key schedule; CBC sends its IVs."""
    return {CHACHA20: 12, CBC: 0}.get(suite.kind, 4)
