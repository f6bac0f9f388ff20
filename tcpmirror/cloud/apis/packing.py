"""Digests and keys as the tables hold them."""

from __future__ import annotations

import hashlib

import orjson
import zstandard

from tcpmirror.discovery.digest import EndpointDigest, read_row

_LIMIT: int = 16 << 20


def packed(digest: EndpointDigest) -> bytes:
    return zstandard.ZstdCompressor(level=3).compress(orjson.dumps(digest.row()))


def unpacked(raw: bytes) -> EndpointDigest:
    return read_row(orjson.loads(zstandard.ZstdDecompressor().decompress(raw, max_output_size=_LIMIT)))


def key_of(*parts: str) -> bytes:
    """Return 16 bytes that name *parts*."""
    return hashlib.blake2b("\n".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def endpoint_key(digest: EndpointDigest) -> bytes:
    return key_of(digest.host, digest.method, "/".join(digest.path), digest.kind, digest.operation)
