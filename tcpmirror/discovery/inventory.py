"""The inventory: what digests add up to, under path templates, without noise.

`fold` brings digests of paths under the templates of their host; `described` says of an endpoint what people ask:
parameters with their types, how calls authenticate, what is sensitive, how risky it is. Both are functions of the
digests alone, so the same traffic gives the same inventory wherever it is put together.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tcpmirror.discovery.digest import EndpointDigest, EndpointKey, ParameterDigest, ParameterKey, add
from tcpmirror.discovery.schema import RARE, schema_of, type_text
from tcpmirror.discovery.templates import VALUE, Decided, Path, decide
from tcpmirror.discovery.values import kind_of_sent, value_hash
from tcpmirror.model.sensitive_class import GROUPS

MIN_REQUESTS: Final = 5  # answered with 2xx; an endpoint with fewer is noise
CLASS_SHARE: Final = 0.1  # of the values of a parameter; a class of fewer is an accident
CLASS_COUNT: Final = 3
CONSISTENT: Final = 0.95
MANY_PARAMETERS: Final = 10
_RISKS: Final = {"sensitive": 8, "parameters": 6, "body": 6, "upload": 6, "variable": 6}


@dataclass(slots=True)
class Inventory:
    """Digests merged by endpoint; each digest counts once, by its id."""

    table: dict[EndpointKey, EndpointDigest] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def add(self, digest_id: str, rows: Iterable[EndpointDigest]) -> None:
        if digest_id not in self.taken:
            self.taken.add(digest_id)
            for row in rows:
                add(self.table, row)

    def merge(self, other: Inventory) -> None:
        """Add *other*, whose digests are others than ours, or all of them known."""
        if not other.taken <= self.taken:
            self.taken |= other.taken
            for row in other.table.values():
                add(self.table, row)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: ``schema`` is JSON Schema, ``sensitive`` the classes of its values, ``distinct`` an estimate."""

    side: str
    location: str
    name: str
    required: bool
    type: str
    schema: dict[str, Any]
    sensitive: tuple[str, ...]
    count: int
    distinct: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint as people see it. ``path`` is the template with names for its values; ``latency_ms`` percentiles."""

    host: str
    method: str
    path: str
    kind: str
    operation: str
    requests: int
    errors: int
    first_ns: int
    last_ns: int
    statuses: dict[str, int]
    latency_ms: dict[str, float]
    auth: dict[str, int]
    auth_state: str
    types: dict[str, int]
    risk: int
    factors: tuple[str, ...]
    sensitive: tuple[str, ...]
    parameters: tuple[Parameter, ...]


def fold(
    digests: Iterable[EndpointDigest],
    learned: Mapping[str, Collection[Path]] | None = None,
    corrections: Mapping[str, Collection[Path]] | None = None,
) -> dict[EndpointKey, EndpointDigest]:
    """Return *digests* under the templates of their hosts; *learned* and *corrections* are templates by host."""
    by_host: dict[str, list[EndpointDigest]] = {}
    for digest in digests:
        by_host.setdefault(digest.host, []).append(digest)
    found: dict[EndpointKey, EndpointDigest] = {}
    for host, rows in by_host.items():
        tree = decide(_methods(rows), (learned or {}).get(host, ()), (corrections or {}).get(host, ()))
        for row in rows:
            add(found, _under_template(row, tree))
    return found


def _methods(rows: Iterable[EndpointDigest]) -> dict[Path, Counter[str]]:
    paths: dict[Path, Counter[str]] = {}
    for row in rows:
        paths.setdefault(row.path, Counter())[row.method] += row.requests
    return paths


def _under_template(row: EndpointDigest, tree: Decided) -> EndpointDigest:
    template = tree.template(row.path)
    if template == row.path:
        return row
    found = EndpointDigest(row.host, row.method, template, row.kind, row.operation)
    found.merge(row)
    for place, (segment, kind) in enumerate(zip(row.path, template, strict=True)):
        if segment != kind:
            value = ParameterDigest(row.requests, Counter({kind_of_sent(segment): row.requests}))
            value.hashes.add(value_hash(segment))
            value.short = value.long = len(segment)
            own = found.parameters.setdefault(("request", "path", str(place)), ParameterDigest())
            own.merge(value)
    return found


def is_noise(digest: EndpointDigest, min_requests: int = MIN_REQUESTS) -> bool:
    """Tell whether too few requests were answered well."""
    return sum(count for status, count in digest.statuses.items() if 200 <= status < 300) < min_requests


def described(digest: EndpointDigest) -> Endpoint:
    """Return what people ask about the endpoint of *digest*."""
    parameters = _parameters(digest)
    sensitive = tuple(sorted({name for parameter in parameters for name in parameter.sensitive}))
    factors = _factors(digest, parameters, bool(sensitive))
    return Endpoint(
        host=digest.host,
        method=digest.method,
        path=named_path(digest),
        kind=digest.kind,
        operation=digest.operation,
        requests=digest.requests,
        errors=sum(count for status, count in digest.statuses.items() if status >= 400),
        first_ns=digest.first_ns,
        last_ns=digest.last_ns,
        statuses={str(status): count for status, count in sorted(digest.statuses.items())},
        latency_ms={f"p{share}": percentile_ms(digest.latency, share) for share in (50, 95, 99)},
        auth=dict(digest.auth),
        auth_state=auth_state(digest.auth),
        types=dict(digest.types),
        risk=max((_RISKS[factor] for factor in factors), default=1),
        factors=factors,
        sensitive=sensitive,
        parameters=parameters,
    )


def percentile_ms(latency: Mapping[int, int], share: int) -> float:
    """Return the time under which *share* percent of the answers stayed, in milliseconds: a power of two microseconds."""
    wanted, seen = sum(latency.values()) * share / 100, 0
    for power in sorted(latency):
        seen += latency[power]
        if seen >= wanted:
            return float(2**power) / 1000
    return 0.0


def auth_state(auth: Mapping[str, int]) -> str:
    """Return ``consistent``, ``partial`` or ``missing``: how many of the calls authenticate."""
    total = sum(auth.values())
    share = 1.0 - auth.get("none", 0) / total if total else 0.0
    return "consistent" if share >= CONSISTENT else "partial" if share > 0.0 else "missing"


def named_path(digest: EndpointDigest) -> str:
    """Return the template with names for its values, by what stands before them: ``/users/{user_id}/files/{file_name}``."""
    names = value_names(digest)
    segments = [
        segment.replace(VALUE, f"{{{names[place]}}}", 1) if place in names else segment
        for place, segment in enumerate(digest.path)
    ]
    return "/" + "/".join(segments)


def value_names(digest: EndpointDigest) -> dict[int, str]:
    """Return the name of the value in each place of the template that has one, all different."""
    found: dict[int, str] = {}
    for place, segment in enumerate(digest.path):
        if not segment.startswith(VALUE):
            continue
        before = next((name for name in reversed(digest.path[:place]) if not name.startswith(VALUE)), "")
        value = digest.parameters.get(("request", "path", str(place)))
        ending = "name" if value is not None and set(value.kinds) <= {"string", "empty"} else "id"
        name = f"{_singular(re.sub(r'[^A-Za-z0-9]+', '_', before).strip('_'))}_{ending}".strip("_")
        while name in found.values():
            name += "_2"
        found[place] = name
    return found


def _singular(noun: str) -> str:
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("s", "")):
        if noun.endswith(ending) and len(noun) > len(ending) + 1 and not noun.endswith("ss"):
            return noun[: -len(ending)] + instead
    return noun


def _parameters(digest: EndpointDigest) -> tuple[Parameter, ...]:
    names = value_names(digest)
    found = []
    for key in sorted(digest.parameters):
        value, (side, location, name) = digest.parameters[key], key
        if location == "path" and (not name.isdigit() or int(name) not in names):
            continue
        if _is_accident(digest, key, value):
            continue
        found.append(
            Parameter(
                side=side,
                location=location,
                name=names[int(name)] if location == "path" else name,
                required=location == "path" or is_required(digest, key),
                type=type_text(value),
                schema=schema_of(value),
                sensitive=_classes(value),
                count=value.count,
                distinct=value.distinct,
            )
        )
    return tuple(found)


def _is_accident(digest: EndpointDigest, key: ParameterKey, value: ParameterDigest) -> bool:
    """Tell whether so few of the calls had the parameter that it is none of the API's."""
    return key[1] != "path" and digest.sampled >= 1 / RARE and value.count < RARE * digest.sampled


def is_required(digest: EndpointDigest, key: ParameterKey) -> bool:
    """Tell whether the parameter was always there: in each call, or in each object that could hold it."""
    side, location, name = key
    count = digest.parameters[key].count
    if location in ("json", "graphql", "argument"):
        if not name:
            return True
        parent = digest.parameters.get((side, location, name.rpartition("/")[0]))
        return parent is not None and count >= parent.kinds["object"]
    return count >= digest.sampled > 0


def _classes(value: ParameterDigest) -> tuple[str, ...]:
    looked_at = min(value.count, 64) or 1
    return tuple(
        sorted(
            name
            for name, count in value.classes.items()
            if name in GROUPS and (count >= CLASS_COUNT or value.count < CLASS_COUNT) and count >= CLASS_SHARE * looked_at
        )
    )


def _factors(digest: EndpointDigest, parameters: tuple[Parameter, ...], is_sensitive: bool) -> tuple[str, ...]:
    sent = [parameter for parameter in parameters if parameter.side == "request"]
    in_body = ("json", "xml", "form", "multipart", "graphql", "argument")
    given = [parameter for parameter in sent if parameter.location in ("query", *in_body) and parameter.name]
    structured = digest.kind not in ("graphql", "soap") and any(parameter.location in ("json", "xml") for parameter in sent)
    signs = {
        "sensitive": is_sensitive,
        "parameters": len(given) > MANY_PARAMETERS,
        "body": structured,
        "upload": any(parameter.schema.get("format") == "binary" for parameter in sent),
        "variable": any(segment.startswith(VALUE) for segment in digest.path),
    }
    return tuple(name for name, holds in signs.items() if holds)
