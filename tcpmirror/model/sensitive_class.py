"""The classes of sensitive data, each with the group it belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

GROUPS: Final = {
    "email": "pii",
    "phone": "pii",
    "name": "pii",
    "address": "pii",
    "birth_date": "pii",
    "national_id": "pii",
    "ip": "pii",
    "location": "pii",
    "device_id": "pii",
    "password": "credentials",
    "token": "credentials",
    "jwt": "credentials",
    "api_key": "credentials",
    "private_key": "credentials",
    "session": "credentials",
    "card": "financial",
    "iban": "financial",
    "account": "financial",
    "card_security": "financial",
    "salary": "financial",
    "diagnosis": "medical",
    "health_id": "medical",
}
GROUP_NAMES: Final = tuple(dict.fromkeys(GROUPS.values()))


def classes_of(words: Iterable[str]) -> frozenset[str]:
    """Return the classes that *words* name: themselves, or all of a group."""
    wanted = frozenset(words)
    return frozenset(name for name, group in GROUPS.items() if name in wanted or group in wanted)
