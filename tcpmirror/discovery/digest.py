"""Digests: what was seen of each endpoint, as values that merge.

Counts add up, bounds widen, sets of the smallest hashes unite: merging is associative and commutative, so one worker or
eight, one sensor or many come to the same. A digest carries an id, and whoever merges digests takes each id once
(`Inventory.add`), which makes it idempotent too. A row is the JSON form of one endpoint's digest; rows come over a ring
and over the network, so reading them checks everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

HASHES: Final = 16  # the smallest are kept: exact up to here, then an estimate (Z. Bar-Yossef et al., RANDOM 2002)
HASH_BITS: Final = 32
WORDS: Final = 10  # choices of an enumeration
PARAMETERS: Final = 400  # of one endpoint; further ones are not taken up
TEXT: Final = 200  # characters of a name
SEGMENTS: Final = 32
_COUNTS: Final = 64  # different keys in one table of counts
_LARGEST: Final = 2**63 - 1
_Number = TypeVar("_Number", int, float)

SIDES: Final = ("request", "response")
LOCATIONS: Final = ("path", "query", "header", "cookie", "form", "multipart", "json", "xml", "graphql", "argument")
KINDS: Final = ("rest", "graphql", "soap", "grpc", "jsonrpc", "mcp")

ParameterKey = tuple[str, str, str]  # side, location, name; of nested ones a JSON pointer with `[]` for any element
EndpointKey = tuple[str, str, tuple[str, ...], str, str]  # host, method, path, kind, operation
_Key = TypeVar("_Key", int, str)


def _no_counts() -> Counter[Any]:
    """Return an empty table: `Counter()` looks at what it was given, which takes most of the time of reading a row."""
    return Counter.__new__(Counter)


def _add_counts(own: Counter[_Key], other: Counter[_Key]) -> None:
    """Add *other* to *own*, in half the time of `Counter.update`."""
    for key, count in other.items():
        own[key] = own.get(key, 0) + count


@dataclass(slots=True)
class ParameterDigest:
    """What values a parameter took.

    ``count``: times it was there; ``kinds``: how many values were of each type or format; ``low``/``high``: of numbers;
    ``short``/``long``: lengths of texts; ``hashes``: the smallest of the values' hashes; ``words``: choices, where
    values are few short words; ``classes``: how many values were sensitive, by class.
    """

    count: int = 0
    kinds: Counter[str] = field(default_factory=_no_counts)
    low: float | None = None
    high: float | None = None
    short: int | None = None
    long: int | None = None
    hashes: set[int] = field(default_factory=set)
    words: Counter[str] = field(default_factory=_no_counts)
    classes: Counter[str] = field(default_factory=_no_counts)

    def merge(self, other: ParameterDigest) -> None:
        self.count += other.count
        _add_counts(self.kinds, other.kinds)
        self.low, self.high = _least(self.low, other.low), _most(self.high, other.high)
        self.short, self.long = _least(self.short, other.short), _most(self.long, other.long)
        self.hashes = smallest(self.hashes | other.hashes)
        _add_counts(self.words, other.words)
        _add_counts(self.classes, other.classes)

    def keep_words(self, least: int) -> None:
        """Forget the words seen less than *least* times, and all where values are no choice out of a few."""
        kept = self.words if len(self.hashes) <= WORDS and not self.classes else {}
        self.words = Counter({word: count for word, count in kept.items() if count >= least})

    @property
    def distinct(self) -> int:
        """How many different values there were, exact up to HASHES - 1."""
        if len(self.hashes) < HASHES:
            return len(self.hashes)
        estimate: int = round((HASHES - 1) * 2**HASH_BITS / max(*self.hashes, 1))
        return estimate

    def row(self) -> dict[str, Any]:
        made: dict[str, Any] = {"n": self.count, "k": dict(self.kinds)}
        for name, value in (("lo", self.low), ("hi", self.high), ("s", self.short), ("l", self.long)):
            if value is not None:
                made[name] = value
        if self.hashes:
            made["h"] = sorted(self.hashes)
        if self.words:
            made["w"] = dict(self.words)
        if self.classes:
            made["c"] = dict(self.classes)
        return made


@dataclass(slots=True)
class EndpointDigest:
    """What was seen of one endpoint since the digest before.

    ``path``: segments, a value is ``{}``; ``latency``: answers by the power of two of their microseconds; ``sampled``: of
    the requests, those whose parameters were read; ``auth``: of those, by how they authenticate; ``types``: media types as
    ``request application/json``.
    """

    host: str
    method: str
    path: tuple[str, ...]
    kind: str = "rest"
    operation: str = ""
    requests: int = 0
    first_ns: int = 0
    last_ns: int = 0
    sampled: int = 0
    statuses: Counter[int] = field(default_factory=_no_counts)
    latency: Counter[int] = field(default_factory=_no_counts)
    auth: Counter[str] = field(default_factory=_no_counts)
    types: Counter[str] = field(default_factory=_no_counts)
    parameters: dict[ParameterKey, ParameterDigest] = field(default_factory=dict)

    @property
    def key(self) -> EndpointKey:
        return (self.host, self.method, self.path, self.kind, self.operation)

    def merge(self, other: EndpointDigest) -> None:
        """Add *other*, of the same endpoint or of one whose path is another case of the same template."""
        self.first_ns = min(self.first_ns or other.first_ns, other.first_ns or self.first_ns)
        self.last_ns = max(self.last_ns, other.last_ns)
        self.requests += other.requests
        self.sampled += other.sampled
        _add_counts(self.statuses, other.statuses)
        _add_counts(self.latency, other.latency)
        _add_counts(self.auth, other.auth)
        _add_counts(self.types, other.types)
        for key, parameter in other.parameters.items():
            own = self.parameters.get(key)
            if own is None:
                own = self.parameters[key] = ParameterDigest()
            own.merge(parameter)
        if len(self.parameters) > PARAMETERS:  # the same ones stay in any order of merging
            for key in sorted(self.parameters)[PARAMETERS:]:
                del self.parameters[key]

    def row(self) -> dict[str, Any]:
        return {
            "host": self.host,
            "method": self.method,
            "path": list(self.path),
            "kind": self.kind,
            "operation": self.operation,
            "requests": self.requests,
            "first_ns": self.first_ns,
            "last_ns": self.last_ns,
            "sampled": self.sampled,
            "statuses": {str(status): count for status, count in self.statuses.items()},
            "latency": {str(power): count for power, count in self.latency.items()},
            "auth": dict(self.auth),
            "types": dict(self.types),
            "parameters": [[*key, parameter.row()] for key, parameter in self.parameters.items()],
        }


def smallest(hashes: set[int]) -> set[int]:
    return hashes if len(hashes) <= HASHES else set(sorted(hashes)[:HASHES])


def merged(digests: Iterable[EndpointDigest]) -> dict[EndpointKey, EndpointDigest]:
    """Return one digest per endpoint; those given stay as they are."""
    found: dict[EndpointKey, EndpointDigest] = {}
    for digest in digests:
        add(found, digest)
    return found


def add(table: dict[EndpointKey, EndpointDigest], digest: EndpointDigest) -> None:
    """Merge *digest* into *table*."""
    own = table.get(digest.key)
    if own is None:
        own = table[digest.key] = EndpointDigest(*digest.key)
    own.merge(digest)


def read_row(row: Any) -> EndpointDigest:
    """Return the digest in *row*; ValueError names what is wrong with it."""
    try:
        found = EndpointDigest(
            host=_text(row["host"], "host"),
            method=_text(row["method"], "method"),
            path=tuple(_text(segment, "path") for segment in row["path"][:SEGMENTS]),
            kind=_one_of(row["kind"], KINDS, "kind"),
            operation=_text(row["operation"], "operation"),
            requests=_count(row["requests"], "requests"),
            first_ns=_count(row["first_ns"], "first_ns"),
            last_ns=_count(row["last_ns"], "last_ns"),
            sampled=_count(row["sampled"], "sampled"),
            statuses=_by_number(_counts(row["statuses"], "statuses")),
            latency=_by_number(_counts(row["latency"], "latency")),
            auth=_counts(row["auth"], "auth"),
            types=_counts(row["types"], "types"),
        )
        for side, location, name, parameter in row["parameters"][:PARAMETERS]:
            key = (_one_of(side, SIDES, "side"), _one_of(location, LOCATIONS, "location"), _text(name, "name"))
            found.parameters[key] = _parameter(parameter)
    except (TypeError, KeyError, AttributeError) as problem:
        raise ValueError(f"no digest of an endpoint: {problem!r}") from problem
    return found


def _parameter(row: Mapping[str, Any]) -> ParameterDigest:
    return ParameterDigest(
        count=_count(row["n"], "n"),
        kinds=_counts(row["k"], "k"),
        low=_number(row.get("lo"), "lo"),
        high=_number(row.get("hi"), "hi"),
        short=None if "s" not in row else _count(row["s"], "s"),
        long=None if "l" not in row else _count(row["l"], "l"),
        hashes=smallest({_count(value, "h") for value in row.get("h", ())}),
        words=_counts(row.get("w", {}), "w"),
        classes=_counts(row.get("c", {}), "c"),
    )


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or len(value) > TEXT:
        raise ValueError(f"{name}: a text of up to {TEXT} characters is needed")
    return value


def _one_of(value: Any, accepted: tuple[str, ...], name: str) -> str:
    if value not in accepted:
        raise ValueError(f"{name}: {str(value)[:40]!r} is not accepted; accepted: {', '.join(accepted)}")
    return str(value)


def _count(value: Any, name: str) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise ValueError(f"{name}: a whole number from 0 on is needed")
    return value


def _number(value: Any, name: str) -> float | None:
    if value is not None and type(value) not in (int, float):
        raise ValueError(f"{name}: a number is needed")
    found: float | None = value
    return found


def _counts(value: Any, name: str) -> Counter[str]:
    if not isinstance(value, dict) or len(value) > _COUNTS:
        raise ValueError(f"{name}: a map of up to {_COUNTS} counts is needed")
    found = _no_counts()
    for key, count in value.items():
        found[_text(key, name)] = _count(count, name)
    return found


def _by_number(counts: Counter[str]) -> Counter[int]:
    found = _no_counts()
    for key, count in counts.items():
        found[int(key)] = count
    return found


def _least(left: _Number | None, right: _Number | None) -> _Number | None:
    return right if left is None else left if right is None else min(left, right)


def _most(left: _Number | None, right: _Number | None) -> _Number | None:
    return right if left is None else left if right is None else max(left, right)
