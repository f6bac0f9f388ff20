"""How things are written on pages."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row

from tcpmirror.model.attack import ATTACK_TYPES

# Families by what an attack aims at; each has a colour of its own on the pages.
_FAMILIES: Final = {
    "execution": ("rce", "ssti", "ssi", "xxe", "mass_assignment"),
    "injection": ("sqli", "nosqli", "ldapi", "mail_injection", "crlf"),
    "browser": ("xss", "redir"),
    "access": ("ptrav", "ssrf", "infoleak"),
    "exhaustion": ("data_bomb", "overlimit_res", "invalid_xml"),
}
_FAMILY_OF: Final = {kind: family for family, kinds in _FAMILIES.items() for kind in kinds}
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def visible(text: str, keep: str = "") -> str:
    r"""Return *text* with each character that draws nothing or changes how others are drawn written out (`\x1b`).

    Characters in *keep* stay. Without this a payload could hide itself, or turn a line round, on the page.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if character in keep or unicodedata.category(character) not in _INVISIBLE else _escape(character)
        for character in text
    )


def shortened(text: str, limit: int) -> str:
    """Return *text* made visible, cut to *limit* characters with an ellipsis where something is missing."""
    shown = visible(text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def type_name(kind: str) -> str:
    """Return what people call the attack type *kind*."""
    return ATTACK_TYPES[kind][1] if kind in ATTACK_TYPES else kind.replace("_", " ").capitalize()


def type_family(kind: str) -> str:
    return _FAMILY_OF.get(kind, "other")


def status_family(status: int | None) -> str:
    return f"s{status // 100}" if status is not None and 100 <= status < 600 else "s0"


def source_text(known: Row[Any]) -> str:
    """Return what is known of a source (a row of `addresses`): `NL · AS64500 Example · tor`; empty: nothing."""
    network = f"AS{known.network} {known.network_name}" if known.network else known.network_name
    parts = (known.country, shortened(network.strip(), 80), ", ".join(known.kinds.split()))
    return " · ".join(part for part in parts if part)


def utc(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def counted(number: int, noun: str) -> str:
    """Return `1 hit`, `2 hits`, `12,345 hits`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
