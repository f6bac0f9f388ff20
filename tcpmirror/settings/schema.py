"""The words the key tables are written in: key, section, list, map.

The tables (`capture_keys`, `inspection_keys`, `service_keys`, `sensor_keys`) are data: reading, checking, writing and
documenting settings all walk the same ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tcpmirror.settings.kinds import Scalar

VERSIONS: Final = (2, 3, 4)


class Missing:
    """The default of a key that has none."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


@dataclass(frozen=True)
class ListOf:
    item: Kind
    accepted: str = "a list"


@dataclass(frozen=True)
class OneOrMany:
    """A map, or a list of such maps."""

    item: Section
    accepted: str = "a map or a list of maps"


@dataclass(frozen=True)
class MapOf:
    """A map of free names; becomes a tuple of pairs."""

    name: Scalar
    value: Scalar
    accepted: str = "a map"


@dataclass(frozen=True)
class Anything:
    """Whatever it is, it is not looked at."""

    accepted: str = "anything"


@dataclass(frozen=True)
class Section:
    """A map with known keys.

    Without *build* its keys set targets in the settings tree by themselves. With it, the map is a value: *build* gets what
    was given, by target, and *take* gives all of it back from the value, by target. *known* is called when the keys are
    needed, so that a section can hold itself.
    """

    known: Callable[[], tuple[Key, ...]]
    build: Callable[[dict[str, Any]], Any] | None = None
    take: Callable[[Any], dict[str, Any]] | None = None
    accepted: str = "a map"


Kind = Scalar | ListOf | OneOrMany | MapOf | Anything | Section


@dataclass(frozen=True)
class Key:
    """One key of the file.

    *target*: where in the settings tree (dotted), or in the value of its section, what it says goes. Names with a leading
    `:` are no fields: `assemble` makes fields of them.
    """

    name: str
    kind: Kind
    meaning: str
    target: str = ""
    default: Any = MISSING  # as in the tree; MISSING: the tree's own default
    versions: tuple[int, ...] = VERSIONS
    instead: str = ""  # a key that means nothing here: what happens instead
    alias: bool = False  # another key says the same, and is the one that is written
    own: bool = False  # no key of the native node
    required: bool = False
    secret: bool = False
    example: Any = MISSING  # shown where the default would say nothing
