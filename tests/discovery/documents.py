"""Requests as clients of real public APIs would send them, made from the path templates of twelve OpenAPI documents.

`specifications.json.gz` lists method, path and path parameters of each operation; title, version, licence and package of each
document stand in it. Values follow what a parameter says of itself (type, format, pattern, enum), else its name; how many values
a parameter has and how often each is asked for is drawn once a document, heavy-tailed, as usage is.
"""

from __future__ import annotations

import gzip
import json
import random
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIRST, SECOND = (part.split() for part in Path(__file__).with_name("names.txt").read_text().split("\n\n"))
NAMES = re.compile(
    r"(?i)(name|slug|owner|repo|org|user|branch|tag|ref|key|team|path|enterprise|login|scope|title|dag|head|label)"
)
OPAQUE = re.compile(r"(?i)(id|gid|sid|uuid|token|hash|ids|oid)$")


@dataclass(frozen=True, slots=True)
class Call:
    """One request, and which operation it is a call of: method and template with ``{}`` for every parameter."""

    method: str
    path: str
    operation: tuple[str, str]


def documents() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        gzip.decompress(Path(__file__).with_name("specifications.json.gz").read_bytes())
    )
    return found


def bare(template: str) -> str:
    """Return *template* without the names of its parameters."""
    return re.sub(r"\{[^}]*\}", "{}", template)


def operations(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(method, document["base"] + bare(path)) for method, path, _ in document["operations"]}


def calls(document: dict[str, Any], seed: int, median: float = 30.0) -> Iterator[Call]:
    """Yield requests for every operation of *document*, in any order; some operations are called often, some rarely."""
    chance = random.Random(f"{document['name']} {seed}")
    values = _Values(chance)
    made: list[Call] = []
    for method, path, parameters in document["operations"]:
        operation = (method, document["base"] + bare(path))
        for _ in range(max(5, round(chance.lognormvariate(0.0, 0.9) * median))):
            filled = re.sub(r"\{([^}]*)\}", lambda found: values.of(found[1], parameters[found[1]], found), path)
            made.append(Call(method, document["base"] + filled, operation))
    chance.shuffle(made)
    yield from made


class _Values:
    """The values that the parameters of one document take."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._pools: dict[str, list[str]] = {}
        self._places: dict[str, tuple[str, dict[str, Any]]] = {}

    def of(self, name: str, schema: dict[str, Any], place: re.Match[str]) -> str:
        """Return a value of parameter *name*; what stands in one place is of one kind, whatever the document calls it."""
        name, schema = self._places.setdefault(bare(place.string[: place.end()]), (name, schema))
        if "enum" in schema:
            return str(self._chance.choice(schema["enum"]))
        pool = self._pools.setdefault(f"{name} {sorted(schema.items())}", [])
        if not pool:
            make = self._maker(name, schema)
            pool += [make() for _ in range(self._chance.choice((15, 40, 120, 400)))]
        return pool[min(int(self._chance.paretovariate(0.7)) - 1, len(pool) - 1) if self._chance.random() < 0.5 else
                    self._chance.randrange(len(pool))]  # fmt: skip

    def _maker(self, name: str, schema: dict[str, Any]) -> Callable[[], str]:
        chance = self._chance
        kind, form = schema.get("type", "string"), schema.get("format", "")
        if kind in ("integer", "number"):
            top = 10 ** chance.choice((3, 5, 8))
            return lambda: str(chance.randrange(1, top))
        if kind == "boolean":
            return lambda: chance.choice(("true", "false"))
        if form == "uuid":
            return self._uuid
        if form in ("date", "date-time"):
            return lambda: f"20{chance.randrange(10, 30)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
        if sid := re.match(r"\^([A-Z]{2})\[0-9a-fA-F\]\{32\}\$", schema.get("pattern", "")):
            return lambda: sid[1] + self._letters("0123456789abcdef", 32)
        if re.search(r"(?i)sha|commit|digest", name):
            return lambda: self._letters("0123456789abcdef", 40)
        if OPAQUE.search(name) and not re.search(r"(?i)OrKey|dag_|task_id", name):
            return chance.choice((self._uuid, self._number, self._prefixed(name), self._base62, self._hex))
        return self._name

    def _letters(self, alphabet: str, size: int) -> str:
        return "".join(self._chance.choice(alphabet) for _ in range(size))

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._chance.getrandbits(128), version=4))

    def _number(self) -> str:
        return str(self._chance.randrange(10**6, 10**16))

    def _hex(self) -> str:
        return self._letters("0123456789abcdef", 24)

    def _base62(self) -> str:
        return self._letters("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 22)

    def _prefixed(self, name: str) -> Callable[[], str]:
        return lambda: f"{name[:3].lower()}_{self._base62()[:16]}"

    def _name(self) -> str:
        first, second = self._chance.choice(FIRST), self._chance.choice(SECOND)
        match self._chance.randrange(6):
            case 0:
                return first
            case 1:
                return second
            case 2:
                return f"{first}-{second}"
            case 3:
                return f"{second}-{self._chance.randrange(1, 100)}"
            case 4:
                return f"{first}_{second}"
            case _:
                return f"{first}{self._chance.randrange(1, 10_000)}"
