"""Searches as text: a value out of traffic as the term that finds it, and what may complete a search."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tcpmirror.cloud.search.grammar import LENGTH_LIMIT, SearchError
from tcpmirror.cloud.search.keys import KEYS, number_of_address
from tcpmirror.cloud.search.kinds import OWASP
from tcpmirror.cloud.search.language import GROUPS, parse
from tcpmirror.cloud.search.tree import Any
from tcpmirror.model.attack import ATTACK_TYPES

VALUE_LIMIT: Final = 300  # characters of a value that a term is made for
_PLAIN: Final = re.compile(r"[A-Za-z0-9._:/@+%&=~$-]+")
_PERIODS: Final = ("last 15m", "last hour", "last 24h", "last week", "last month", "today", "yesterday")


@dataclass(frozen=True, slots=True)
class Completion:
    """``text`` completes a word of a search; ``about`` tells people what it is."""

    text: str
    about: str


def term(key: str, value: str) -> str:
    """Return the term that finds *value* and nothing else; empty where the language has none for it."""
    if not value or len(value) > VALUE_LIMIT:
        return ""
    if key == "ip" and not _is_address(value):
        return quoted(value)
    return f"{key}:{value if _PLAIN.fullmatch(value) else quoted(value)}"


def quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def narrowed(search: str, more: str) -> str:
    """Return *search* with the term *more* besides; as it was where that is in it already or would not fit."""
    search = search.strip()
    if not more or f" {more} " in f" {search} ":
        return search
    base = f"({search})" if _has_alternatives(search) else search
    joined = f"{base} {more}".strip()
    return joined if len(joined) <= LENGTH_LIMIT else search


def completions() -> list[Completion]:
    """Return the words of the language, those that people want most often first."""
    words = [Completion(f"{key.name}:", f"{key.about}, as {key.example}") for key in KEYS]
    words += [Completion(f"{key.name}:{choice}", key.about) for key in KEYS for choice in key.choices]
    words += [Completion(f"type:{code}", name) for code, (_, name, _) in ATTACK_TYPES.items()]
    words += [Completion(code, name) for code, (_, name, _) in ATTACK_TYPES.items()]
    words += [Completion(period, "time") for period in _PERIODS]
    words += [Completion(code, name) for code, (name, _) in OWASP.items()]
    words += [Completion(f"statuscode:{group}", "response code") for group in ("2xx", "3xx", "4xx", "5xx", "none")]
    return (
        words
        + [Completion("attacks", "all of them"), Completion("incidents", "attacks that succeeded")]
        + [Completion("sampled", "attacks with hits that were counted and not kept")]
        + [Completion(name, "") for name in GROUPS]
    )


def _is_address(value: str) -> bool:
    try:
        number_of_address(value)
    except ValueError:
        return False
    return True


def _has_alternatives(search: str) -> bool:
    try:
        return isinstance(parse(search, 0), Any)
    except SearchError:
        return False
