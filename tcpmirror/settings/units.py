"""Sizes and durations as people write them: `512MiB`, `64K`, `1m30s`, `500ms`."""

from __future__ import annotations

import re
from typing import Final

# Every multiple is binary: nobody who writes 64K for a buffer means 64,000, and GoReplay reads `kb` and `mb` so too.
SIZE_UNITS: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
DURATION_UNITS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5 and U+03BC: Go takes both
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
WRITTEN_UNITS: Final = ("h", "m", "s", "ms", "us", "ns")
LONGEST: Final = 40  # characters; longer numbers mean nothing and cost quadratic time to convert

_SIZE = re.compile(r"(\d+)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE | re.ASCII)
_DURATION_PART = re.compile(r"(\d+)(?:\.(\d+))?(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_DURATION = re.compile(rf"(?:{_DURATION_PART.pattern})+", re.ASCII)


def parse_size(text: str) -> int | None:
    """Return the bytes that *text* names, None if it is no size."""
    match = _SIZE.fullmatch(text) if len(text) <= LONGEST else None
    return int(match[1]) * SIZE_UNITS[match[2].lower()] if match else None


def format_size(size: int) -> str | int:
    """Return the shortest exact form; `parse_size` gives *size* back."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        scale = SIZE_UNITS[unit[0].lower()]
        if size and size % scale == 0:
            return f"{size // scale}{unit}"
    return size


def parse_duration(text: str) -> int | None:
    """Return nanoseconds for a duration in Go's form (``time.ParseDuration``, no sign), None if it is none.

    A bare number is none, except 0: what unit it would have depends on who reads it.
    """
    if text == "0":
        return 0
    if len(text) > LONGEST or not _DURATION.fullmatch(text):
        return None
    return sum(_part_ns(whole, fraction, unit) for whole, fraction, unit in _DURATION_PART.findall(text))


def _part_ns(whole: str, fraction: str, unit: str) -> int:
    scale = DURATION_UNITS[unit]
    return int(whole) * scale + (int(fraction) * scale // 10 ** len(fraction) if fraction else 0)


def format_duration(time_ns: int) -> str:
    """Return Go's form of *time_ns* in whole units; `parse_duration` gives *time_ns* back."""
    parts = []
    for unit in WRITTEN_UNITS:
        count, time_ns = divmod(time_ns, DURATION_UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
