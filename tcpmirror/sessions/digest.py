"""Digests: what was seen of each session in a day, as values that merge.

Counts add up, bounded sets keep their first members in order, the time line its newest events: any order of merging gives
the same. Whoever merges takes each digest once, by its id. Long sessions are split by the day (UTC) of their requests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

DAY_NS: Final = 86_400 * 10**9
EVENTS: Final = 200  # newest requests of a session and day; as many again of those with attacks
ENDPOINTS: Final = 64
TEXT: Final = 256
_FEW: Final = 8
_LARGEST: Final = 2**63 - 1
SETS: Final = ("sources", "agents", "hosts", "users", "roles", "linked")
COUNTERS: Final = ("statuses", "endpoints", "attacks")

SessionKey = tuple[str, int]  # id, day since 1970


class Event(NamedTuple):
    """One request on the time line. ``path`` has no query; ``duration_us``, ``status``: -1 without an answer.

    ``attacks``: types of its findings, joined by blanks. ``bytes``: of the answer's body.
    """

    time_ns: int
    source: str
    method: str
    host: str
    path: str
    status: int
    duration_us: int
    bytes: int
    attacks: str


@dataclass(slots=True)
class SessionDigest:
    """What was seen of a session in a day.

    ``id``: 16 hexadecimal digits, made of the value that names it; ``kind``: where that stands, as ``cookie PHPSESSID``;
    ``linked``: ids of sessions that this one came out of (a token was handed out in them); ``statuses``: by class (``4xx``);
    ``endpoints``: by ``METHOD host/path`` with values left out; ``attacks``: findings by type; ``context``: values of
    parameters that the operator named, as ``name=value``.
    """

    id: str
    day: int
    kind: str
    first_ns: int = 0
    last_ns: int = 0
    requests: int = 0
    errors: int = 0
    request_bytes: int = 0
    response_bytes: int = 0
    sources: set[str] = field(default_factory=set)
    agents: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    users: set[str] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)
    linked: set[str] = field(default_factory=set)
    context: set[str] = field(default_factory=set)
    statuses: Counter[str] = field(default_factory=Counter)
    endpoints: Counter[str] = field(default_factory=Counter)
    attacks: Counter[str] = field(default_factory=Counter)
    events: set[Event] = field(default_factory=set)
    attack_events: set[Event] = field(default_factory=set)

    @property
    def key(self) -> SessionKey:
        return (self.id, self.day)

    def merge(self, other: SessionDigest) -> None:
        """Add *other*, of the same session and day."""
        self.kind = min(self.kind or other.kind, other.kind or self.kind)
        self.first_ns = min(self.first_ns or other.first_ns, other.first_ns or self.first_ns)
        self.last_ns = max(self.last_ns, other.last_ns)
        self.requests += other.requests
        self.errors += other.errors
        self.request_bytes += other.request_bytes
        self.response_bytes += other.response_bytes
        for name in SETS:
            setattr(self, name, _first(getattr(self, name) | getattr(other, name), _FEW))
        self.context = _first(self.context | other.context, 4 * _FEW)
        for name in COUNTERS:
            own = getattr(self, name)
            own.update(getattr(other, name))
            for key in sorted(own)[ENDPOINTS:]:
                del own[key]
        self.events = _newest(self.events | other.events)
        self.attack_events = _newest(self.attack_events | other.attack_events)

    @property
    def time_line(self) -> list[Event]:
        """The events that are kept, the newest first."""
        return sorted(self.events | self.attack_events, reverse=True)


def merged(digests: Iterable[SessionDigest]) -> dict[SessionKey, SessionDigest]:
    """Return one digest a session and day; those given stay as they are."""
    table: dict[SessionKey, SessionDigest] = {}
    for digest in digests:
        add(table, digest)
    return table


def add(table: dict[SessionKey, SessionDigest], digest: SessionDigest) -> None:
    """Merge *digest* into *table*."""
    own = table.get(digest.key)
    if own is None:
        own = table[digest.key] = SessionDigest(digest.id, digest.day, digest.kind)
    own.merge(digest)


def row_of(digest: SessionDigest) -> dict[str, Any]:
    """Return *digest* in types of JSON; `read_row` is the inverse."""
    plain = ("id", "day", "kind", "first_ns", "last_ns", "requests", "errors", "request_bytes", "response_bytes")
    row: dict[str, Any] = {name: getattr(digest, name) for name in plain}
    row |= {name: sorted(getattr(digest, name)) for name in (*SETS, "context")}
    row |= {name: dict(getattr(digest, name)) for name in COUNTERS}
    return row | {name: [list(event) for event in sorted(getattr(digest, name))] for name in ("events", "attack_events")}


def read_row(row: Any) -> SessionDigest:
    """Return the digest in *row*; ValueError says what is wrong with it."""
    try:
        found = SessionDigest(_text(row["id"]), _count(row["day"]), _text(row["kind"]))
        for name in ("first_ns", "last_ns", "requests", "errors", "request_bytes", "response_bytes"):
            setattr(found, name, _count(row[name]))
        for name in SETS:
            setattr(found, name, {_text(value) for value in row[name][:_FEW]})
        found.context = {_text(value) for value in row["context"][: 4 * _FEW]}
        for name in COUNTERS:
            counts = list(row[name].items())[:ENDPOINTS]
            setattr(found, name, Counter({_text(key): _count(count) for key, count in counts}))
        found.events = {_event(event) for event in row["events"][:EVENTS]}
        found.attack_events = {_event(event) for event in row["attack_events"][:EVENTS]}
    except (TypeError, KeyError, AttributeError) as problem:
        raise ValueError(f"no digest of a session: {problem!r}") from problem
    return found


def _event(row: list[Any]) -> Event:
    time_ns, source, method, host, path, status, duration_us, size, attacks = row
    return Event(
        _count(time_ns),
        _text(source),
        _text(method),
        _text(host),
        _text(path),
        _count(status, -1),
        _count(duration_us, -1),
        _count(size),
        _text(attacks),
    )


def _first(values: set[str], most: int) -> set[str]:
    return values if len(values) <= most else set(sorted(values)[:most])


def _newest(events: set[Event]) -> set[Event]:
    return events if len(events) <= EVENTS else set(sorted(events)[-EVENTS:])


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > TEXT:
        raise ValueError(f"a text of up to {TEXT} characters is needed")
    return value


def _count(value: Any, least: int = 0) -> int:
    if type(value) is not int or not least <= value <= _LARGEST:
        raise ValueError(f"a whole number from {least} on is needed")
    return value
