"""Lists that are read whole, as people, tokens or masks: what their rows are found by, and in which orders they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from tcpmirror.model.attack import ATTACK_TYPES
from tcpmirror.model.finding import SEVERITIES

TEXT_LIMIT: Final = 200  # characters that are looked for
_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rows of a list: those with each word of *text*, in any case, in the order *sort*; empty: all, as usual."""

    text: str = ""
    sort: str = ""


@dataclass(frozen=True, slots=True)
class ShortList:
    """What a list's rows are found by, names of attributes, and its orders, the usual one first.

    ``orders``: the name of an order -> the attribute that it is by; with a minus downwards, nothing last.
    """

    texts: tuple[str, ...]
    orders: Mapping[str, str]

    def chosen(self, rows: Iterable[_Row], asked: Asked) -> list[_Row]:
        """Return those of *rows* that are asked for, in their order."""
        words = asked.text.casefold().split()
        kept = [row for row in rows if all(word in self._text_of(row) for word in words)]
        by = self.orders.get(asked.sort) or next(iter(self.orders.values()))
        kept.sort(key=_key(by.removeprefix("-")), reverse=by.startswith("-"))
        return kept

    def _text_of(self, row: object) -> str:
        return " ".join(_text_of(getattr(row, name)) for name in self.texts).casefold()


def _text_of(value: object) -> str:
    """Return what people read of *value*: of a dictionary its names and values, of an attack type its name, too."""
    if isinstance(value, Mapping):
        return " ".join(f"{name} {_text_of(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(_text_of, value))
    return f"{value} {ATTACK_TYPES[value][1]}" if value in ATTACK_TYPES else str(value)


def _key(name: str) -> Callable[[Any], tuple[bool, Any]]:
    """Return a key by the attribute *name*; texts go regardless of capitals, severities by their rank."""

    def key(row: Any) -> tuple[bool, Any]:
        value = getattr(row, name)
        if name == "severity":
            return True, SEVERITIES.index(value)
        return value is not None, value.casefold() if isinstance(value, str) else value or 0

    return key


PEOPLE: Final = ShortList(("name", "role"), {"name": "name", "role": "role", "newest": "-created_ns"})
TOKENS: Final = ShortList(
    ("name", "role", "created_by"), {"newest": "-id", "name": "name", "role": "role", "used": "-last_used_ns"}
)
SIGN_INS: Final = ShortList(
    ("account", "address", "browser"), {"newest": "-created_ns", "account": "account", "used": "-last_used_ns"}
)
INTEGRATIONS: Final = ShortList(("name", "problem"), {"name": "name", "sent": "-sent", "newest": "-id"})
PACKS: Final = ShortList(("name", "text", "changed_by"), {"name": "name", "rules": "-rules", "newest": "-changed_ns"})
IGNORED: Final = ShortList(("name", "entry", "reason", "created_by"), {"newest": "-id", "name": "name", "by": "created_by"})
MASKS: Final = IGNORED
SOURCES: Final = ShortList(
    ("list", "kind", "value", "reason", "created_by"),
    {"newest": "-id", "list": "list", "value": "value", "expiry": "expires_ns", "by": "created_by"},
)
BUILT_IN: Final = ShortList(
    ("id", "type", "title", "severity"), {"type": "type", "id": "id", "severity": "-severity", "confidence": "-confidence"}
)
