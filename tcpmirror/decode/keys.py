"""How the keys of maps stand in a path."""

from __future__ import annotations


def text_key(key: bytes) -> str:
    """Return a map key as it stands in a path: UTF-8 where it is, else one character a byte; at most 128 characters."""
    try:
        return key[:512].decode()[:128]
    except UnicodeDecodeError:
        return key[:128].decode("latin-1")
