"""A search as conditions on the table of attacks, in SQL that SQLite and PostgreSQL understand alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any as Anything
from typing import Final, assert_never

import orjson
from sqlalchemy import Column, ColumnElement, Integer, Text, and_, case, cast, false, not_, or_, select, true, type_coerce
from sqlalchemy.sql import visitors

from tcpmirror.cloud.schema import addresses, attacks, facets, hits, nodes
from tcpmirror.cloud.search.alike import alike
from tcpmirror.cloud.search.digits import digit_patterns, holds_digits
from tcpmirror.cloud.search.grammar import Piece
from tcpmirror.cloud.search.keys import read_pattern
from tcpmirror.cloud.search.kinds import OWASP, RISKS, TARGETS
from tcpmirror.cloud.search.tree import (
    UNBOUNDED,
    Absent,
    Addresses,
    All,
    Any,
    Between,
    During,
    Match,
    Not,
    Pattern,
    Query,
    Value,
    Word,
)
from tcpmirror.cloud.traits import trait
from tcpmirror.model.attack import ATTACK_TYPES
from tcpmirror.model.finding import SEVERITIES

Condition = ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class _Facet:
    """Some facet of the attack, of this kind, holds."""

    kind: str
    holds: Condition


@dataclass(frozen=True, slots=True)
class _Address:
    """Some source of the attack holds, as a condition on `addresses`."""

    holds: Condition


def condition(query: Query) -> Condition:
    """Return the condition on `attacks` that holds for what *query* asks for."""
    match query:
        case All(parts):
            return and_(true(), *map(condition, parts))
        case Any(parts):
            return or_(false(), *map(condition, parts))
        case Not(part):
            return not_(condition(part))
        case During(since_ns, until_ns):
            return _during(since_ns, until_ns)
        case Word(text):
            return _contains(text)
        case Match("incident", _):
            return attacks.c.evidence_hits > 0
        case Match("sampled", _):
            return attacks.c.counted > 0
        case Match(key, values):
            return _one_of([_MEANINGS[key](value) for value in values])
    assert_never(query)


def _one_of(meanings: Sequence[Condition | _Facet | _Address]) -> Condition:
    """Hold where one of *meanings* does. What is looked for in the same table is looked for in one go."""
    found = [meaning for meaning in meanings if isinstance(meaning, ColumnElement)]
    of_addresses = [meaning.holds for meaning in meanings if isinstance(meaning, _Address)]
    if of_addresses:
        meant = facets.c.value.in_(select(addresses.c.address).where(or_(*of_addresses)))
        found.append(_with_facet("source", meant))
    by_kind: dict[str, list[Condition]] = {}
    for meaning in meanings:
        if isinstance(meaning, _Facet):
            by_kind.setdefault(meaning.kind, []).append(meaning.holds)
    return or_(false(), *found, *(_with_facet(kind, or_(*holding)) for kind, holding in by_kind.items()))


def _with_facet(kind: str, holds: Condition) -> Condition:
    return attacks.c.id.in_(select(facets.c.attack_id).where(facets.c.kind == kind, holds))


def about_types(asked: Condition, column: Column[str]) -> Condition | None:
    """Return *asked* as a condition on *column*, which holds attack types; None where it asks for more than types."""
    columns = {each for each in visitors.iterate(asked) if isinstance(each, Column)}
    if not columns <= {attacks.c.type}:
        return None

    def replaced(element: Anything, **_: Anything) -> Anything:
        return column if element is attacks.c.type else None

    return visitors.replacement_traverse(asked, {}, replaced)


def _during(since_ns: int, until_ns: int) -> Condition:
    # A bound that holds for every attack is left out: SQLite would enter an index by it, and read all rows.
    since = [attacks.c.last_ns >= since_ns] if since_ns > 0 else []
    until = [attacks.c.first_ns <= until_ns] if until_ns < UNBOUNDED else []
    return and_(true(), *since, *until)


def _contains(text: str) -> Condition:
    pattern = f"%{read_pattern(Piece(text, 0, quoted=True)).like}%"
    columns = (attacks.c.host, attacks.c.path, attacks.c.parameter, attacks.c.last_payload, attacks.c.last_source)
    return or_(*(alike(column, pattern) for column in columns))


def _like(column: ColumnElement[str], value: Value) -> Condition:
    assert isinstance(value, Pattern), "what the key's reader returns"
    return alike(column, value.like)


def _between(low: ColumnElement[int], high: ColumnElement[int], value: Value) -> Condition:
    """Hold where the range from *low* to *high* and the one that is looked for have a number in common."""
    assert isinstance(value, Between), "what the key's reader returns"
    return and_(high >= value.low, low <= value.high)


def _type(value: Value) -> Condition:
    assert isinstance(value, Pattern), "what the key's reader returns"
    literal_type = value.literal
    return attacks.c.type == literal_type.lower() if literal_type is not None else _like(attacks.c.type, value)


def _of_types(groups: dict[str, frozenset[str]], value: Value) -> Condition:
    """Hold for the types of the group that *value* names; the group without types of its own has all the rest."""
    assert isinstance(value, Pattern), "what the key's reader returns"
    kinds = groups.get(value.literal or "")
    if kinds is not None:
        return attacks.c.type.in_(sorted(kinds))
    return attacks.c.type.not_in(sorted(kind for named in groups.values() for kind in named))


def _severity(value: Value) -> Condition:
    assert isinstance(value, Pattern), "what the key's reader returns"
    return attacks.c.severity == SEVERITIES.index(value.literal or "") + 1


def _owasp(value: Value) -> Condition:
    assert isinstance(value, Pattern), "what the key's reader returns"
    return attacks.c.type.in_(sorted(OWASP[value.literal or ""][1]))


def _weakness(value: Value) -> Condition:
    assert isinstance(value, Between), "what the key's reader returns"
    kinds = [kind for kind, (_, _, cwe) in ATTACK_TYPES.items() if any(value.low <= one <= value.high for one in cwe)]
    return attacks.c.type.in_(kinds)


def _source(value: Value) -> Condition | _Address:
    if isinstance(value, Between):
        return _between(attacks.c.sources, attacks.c.sources, value)
    assert isinstance(value, Addresses), "what the key's reader returns"
    if value.low == value.high:
        return _Address(addresses.c.number == f"{value.low:032x}")
    # Two comparisons: PostgreSQL reads no COLLATE, which our text has, inside BETWEEN.
    return _Address(and_(addresses.c.number >= f"{value.low:032x}", addresses.c.number <= f"{value.high:032x}"))


def _network(value: Value) -> Condition | _Address:
    if isinstance(value, Between):
        return attacks.c.traits.contains(f" network:as{value.low} ")
    return _Address(_like(addresses.c.network_name, value))


def _list(value: Value) -> _Address:
    assert isinstance(value, Pattern), "what the key's reader returns"
    on_it = addresses.c.mark != "" if value.literal == "any" else addresses.c.mark == value.literal
    # The comparison with nothing is what the index of marked addresses is for.
    return _Address(and_(addresses.c.mark != "", on_it))


def _status(value: Value) -> _Facet:
    if isinstance(value, Absent):
        return _Facet("status", facets.c.value == "")
    assert isinstance(value, Between), "what the key's reader returns"
    if value.low == value.high:
        return _Facet("status", facets.c.value == str(value.low))
    number = case((facets.c.value == "", None), else_=cast(facets.c.value, Integer))
    return _Facet("status", number.between(value.low, min(value.high, 99_999)))


def _parameter(value: Value) -> Condition:
    """A value with brackets is looked for in the point as people write it: `[post][json_doc]*`."""
    assert isinstance(value, Pattern), "what the key's reader returns"
    if "[" not in value.like:
        return _like(attacks.c.parameter, value)
    tags = [orjson.dumps(tag).decode()[1:-1].replace("\\\\", "\\") for tag in value.like.strip("[]").split("][")]
    return alike(type_coerce(attacks.c.point, Text), '["' + '","'.join(tags) + "%")


def _payload(value: Value) -> _Facet:
    return _Facet("payload", _like(facets.c.value, value))


def _trait(kind: str) -> Callable[[Value], Condition]:
    """Return the meaning of a key whose values are traits; a wildcard can stand at their end only."""

    def meaning(value: Value) -> Condition:
        assert isinstance(value, Pattern), "what the key's reader returns"
        if value.literal is not None:
            return attacks.c.traits.contains(f" {trait(kind, value.literal)} ", autoescape=True)
        start = Pattern(value.like.removesuffix("%")).literal or ""
        return attacks.c.traits.contains(f" {trait(kind, start)}", autoescape=True)

    return meaning


def _application(value: Value) -> Condition:
    """A range is some patterns of digits: the number of an application may be any of 64 bits."""
    assert isinstance(value, Between), "what the key's reader returns"
    if value.low == value.high:
        return attacks.c.traits.contains(f" app:{value.low} ")
    patterns = digit_patterns(value.low, min(value.high, UNBOUNDED))
    return and_(
        attacks.c.traits.contains(" app:"),
        or_(false(), *(holds_digits(attacks.c.traits, f" app:{each} ") for each in patterns)),
    )


def _node(value: Value) -> Condition:
    """The nodes of that name or id, and the attacks with a hit of theirs."""
    meant = (
        select(nodes.c.id).where(or_(_like(nodes.c.name, value), _like(nodes.c.id, value))).cte().prefix_with("MATERIALIZED")
    )
    theirs = select(meant.c.id).where(attacks.c.traits.contains(" node:" + meant.c.id + " "))
    # The first is asked once, the second for each attack.
    return and_(select(meant.c.id).exists(), theirs.exists())


def _request(value: Value) -> Condition:
    assert isinstance(value, Pattern), "what the key's reader returns"
    return attacks.c.id.in_(select(hits.c.attack_id).where(hits.c.report_id == value.literal))


_MEANINGS: Final[dict[str, Callable[[Value], Condition | _Facet | _Address]]] = {
    "type": _type,
    "ip": _source,
    "country": _trait("country"),
    "source": _trait("source"),
    "network": _network,
    "list": _list,
    "domain": lambda value: _like(attacks.c.host, value),
    "url": lambda value: _like(attacks.c.path, value),
    "param": _parameter,
    "payload": _payload,
    "statuscode": _status,
    "method": _trait("method"),
    "size": lambda value: _between(attacks.c.response_least, attacks.c.response_most, value),
    "n": lambda value: _between(attacks.c.hits, attacks.c.hits, value),
    "proto": _trait("proto"),
    "auth": _trait("auth"),
    "target": lambda value: _of_types(TARGETS, value),
    "risk": lambda value: _of_types(RISKS, value),
    "severity": _severity,
    "grade": _trait("grade"),
    "owasp": _owasp,
    "cwe": _weakness,
    "rule": _trait("rule"),
    "anomaly": _trait("anomaly"),
    "app": _application,
    "node": _node,
    "request_id": _request,
    "state": lambda value: _like(attacks.c.status, value),
    "assignee": lambda value: _like(attacks.c.assignee, value),
    "id": lambda value: _between(attacks.c.id, attacks.c.id, value),
}
