"""What callers may do."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """Read looks; analyst also judges what was found; admin also manages access, nodes and rules.

    Deploy registers nodes and does nothing else; people do not have it.
    """

    DEPLOY = "deploy"
    READ = "read"
    ANALYST = "analyst"
    ADMIN = "admin"

    def may(self, needed: Role) -> bool:
        """Tell whether whoever has this role may do what *needed* may."""
        return self is needed or (needed in _LADDER and self in _LADDER and _LADDER.index(self) > _LADDER.index(needed))


_LADDER: Final = (Role.READ, Role.ANALYST, Role.ADMIN)
ROLES_OF_PEOPLE: Final = frozenset(_LADDER)
