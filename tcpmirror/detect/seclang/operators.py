"""The operators that compare by themselves; expressions, phrases and tokenizers are looked for by the engine."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

Compare = Callable[[bytes, bytes], bool]

SCANNED: Final = frozenset(("rx", "rxglobal", "pm", "pmwords"))
JUDGED: Final = {"detectsqli": "sqli", "detectxss": "xss"}
_NUMBER: Final = re.compile(rb"\s*([+-]?\d+)")
_BAD_PERCENT: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_HEX_BYTES: Final = re.compile(r"\|((?:[0-9A-Fa-f]{2} ?)+)\|")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def number(value: bytes) -> int:
    """Return the number *value* begins with, 0 if none, as atoi does."""
    match = _NUMBER.match(value)
    return int(match[1]) if match else 0


def in_byte_range(value: bytes, ranges: bytes) -> bool:
    """Tell whether *value* has a byte outside *ranges*, such as ``9,10,32-126``: that is what @validateByteRange matches."""
    return bool(value.translate(None, _accepted(ranges)))


def ip_match(value: bytes, networks: bytes) -> bool:
    try:
        address = ipaddress.ip_address(value.decode("ascii"))
    except ValueError:
        return False
    return any(address in network for network in _networks(networks))


def _has_word(value: bytes, argument: bytes) -> bool:
    return re.search(rb"(?<!\w)" + re.escape(argument) + rb"(?!\w)", value) is not None


def _is_no_utf8(value: bytes, argument: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


@lru_cache(maxsize=256)
def _accepted(ranges: bytes) -> bytes:
    found = bytearray()
    for part in ranges.replace(b" ", b"").split(b","):
        low, _, high = part.partition(b"-")
        if low.isdigit():
            found += bytes(range(min(255, int(low)), min(255, int(high) if high.isdigit() else int(low)) + 1))
    return bytes(found)


@lru_cache(maxsize=256)
def _networks(text: bytes) -> tuple[Network, ...]:
    found: list[Network] = []
    for part in re.split(rb"[,\s]+", text):
        try:
            found.append(ipaddress.ip_network(part.decode("ascii"), strict=False))
        except ValueError:
            continue
    return tuple(found)


COMPARISONS: Final[dict[str, Compare]] = {
    "beginswith": lambda value, argument: value.startswith(argument),
    "contains": lambda value, argument: argument in value,
    "containsword": _has_word,
    "endswith": lambda value, argument: value.endswith(argument),
    "eq": lambda value, argument: number(value) == number(argument),
    "ge": lambda value, argument: number(value) >= number(argument),
    "gt": lambda value, argument: number(value) > number(argument),
    "le": lambda value, argument: number(value) <= number(argument),
    "lt": lambda value, argument: number(value) < number(argument),
    "ipmatch": ip_match,
    "nomatch": lambda value, argument: False,
    "streq": lambda value, argument: value == argument,
    "strmatch": lambda value, argument: argument in value,
    "unconditionalmatch": lambda value, argument: True,
    "validatebyterange": in_byte_range,
    "validateurlencoding": lambda value, argument: _BAD_PERCENT.search(value) is not None,
    "validateutf8encoding": _is_no_utf8,
    "within": lambda value, argument: value in argument,
}
# What `read_link` accepts; files of phrases have become phrases by then.
OPERATORS: Final = frozenset(COMPARISONS) | SCANNED | frozenset(JUDGED)


def phrases(name: str, argument: str) -> list[bytes]:
    """Return the phrases of @pm (between blanks) and of a file (a line each), ``|41 42|`` being bytes in hex."""
    parts = argument.split("\n") if name == "pmwords" else argument.split()
    return [
        _HEX_BYTES.sub(lambda match: bytes.fromhex(match[1]).decode("latin-1"), part).encode("utf-8", "surrogateescape")
        for part in parts
        if part
    ]
