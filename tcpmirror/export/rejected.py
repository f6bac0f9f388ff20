"""Where the reports go that the cloud refuses one by one: a JSON lines file, kept for whoever looks into it."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Final

import orjson

FILE_LIMIT_BYTES: Final = 16 << 20  # two of them are kept; the cloud refusing everything must not fill the disk


def append_rejected(path: Path, record: bytes, reason: str) -> None:
    """Append one line ``{"reason", "record_b64"}`` (the encoded report) to *path*; OSError if the disk does not take it."""
    line = orjson.dumps({"reason": reason, "record_b64": base64.b64encode(record).decode()}) + b"\n"
    if path.exists() and path.stat().st_size + len(line) > FILE_LIMIT_BYTES:
        path.replace(path.with_name(path.name + ".1"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        file.write(line)
