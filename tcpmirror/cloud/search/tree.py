"""What a search asks for: a tree of values that no longer knows how it was written."""

from __future__ import annotations

from dataclasses import dataclass

UNBOUNDED = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Pattern:
    """Text with wildcards, letter case ignored: ``like`` is an SQL LIKE pattern with a backslash as escape."""

    like: str

    @property
    def literal(self) -> str | None:
        """The text itself if there is no wildcard in it."""
        text, rest = [], iter(self.like)
        for character in rest:
            if character in "%_":
                return None
            text.append(next(rest) if character == "\\" else character)
        return "".join(text)


@dataclass(frozen=True, slots=True)
class Between:
    """Numbers from ``low`` to ``high``, both included."""

    low: int
    high: int = UNBOUNDED


@dataclass(frozen=True, slots=True)
class Addresses:
    """Addresses from ``low`` to ``high`` as 128-bit numbers, both included; IPv4 ones are those of ::ffff:0:0/96."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no such value, as for a response that was not seen."""


Value = Pattern | Between | Addresses | Absent


@dataclass(frozen=True, slots=True)
class Word:
    """Free text: a part of host, path, parameter, payload or source."""

    text: str


@dataclass(frozen=True, slots=True)
class Match:
    """``key`` (its full name) has one of ``values``."""

    key: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class During:
    """The attack was going on between the two times, in nanoseconds since 1970."""

    since_ns: int
    until_ns: int = UNBOUNDED


@dataclass(frozen=True, slots=True)
class Not:
    part: Query


@dataclass(frozen=True, slots=True)
class All:
    """All parts hold; with no part anything does."""

    parts: tuple[Query, ...] = ()


@dataclass(frozen=True, slots=True)
class Any:
    """One of the parts holds."""

    parts: tuple[Query, ...]


Query = Word | Match | During | Not | All | Any
