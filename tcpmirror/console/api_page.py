"""One endpoint: what it takes, what it answers, how risky it is."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy import Row

from tcpmirror.console.api_list import risk_text
from tcpmirror.console.parts import LocalTime, Text, block, link
from tcpmirror.console.text import shortened
from tcpmirror.discovery.inventory import Endpoint, Parameter

_FACTORS: Final = {
    "sensitive": "sensitive data",
    "parameters": "many parameters",
    "body": "takes JSON or XML",
    "upload": "takes files",
    "variable": "a value in the path",
}
_COLUMNS: Final = ("Name", "In", "Type", "Required", "Values", "Different", "Sensitive", "Seen")


def show(row: Row[Any], endpoint: Endpoint) -> None:
    """Build the page of *endpoint*."""
    with block("div", "tm-head"):
        Text("h1", f"{shortened(endpoint.method, 16)} {shortened(endpoint.path, 300)}")
        link("All endpoints of this host", f"/apis?{urlencode({'host': endpoint.host})}", "tm-button")
    with block("dl", "tm-facts"):
        for name, value in _facts(endpoint):
            Text("dt", name)
            Text("dd", value)
        Text("dt", "First and last seen")
        with block("dd"):
            LocalTime(endpoint.first_ns)
            Text("span", " – ")
            LocalTime(endpoint.last_ns)
    for side, heading in (("request", "Request"), ("response", "Answer")):
        parameters = [each for each in endpoint.parameters if each.side == side]
        Text("h2", heading)
        if parameters:
            _table(heading, parameters)
        else:
            Text("p", "Nothing that is its own was seen.", "tm-quiet")


def _facts(endpoint: Endpoint) -> list[tuple[str, str]]:
    factors = ", ".join(_FACTORS[factor] for factor in endpoint.factors) or "no factor"
    latency = ", ".join(f"{name} under {value:g} ms" for name, value in endpoint.latency_ms.items())
    found = [
        ("Host", shortened(endpoint.host, 100)),
        ("Risk", f"{risk_text(endpoint.risk)}: {factors}"),
        ("Requests", f"{endpoint.requests:,}, {endpoint.errors:,} of them answered with 400 or above"),
        ("Answers", ", ".join(f"{status}: {count:,}" for status, count in endpoint.statuses.items())),
        ("Time to answer", latency),
        ("Authentication", f"{endpoint.auth_state} ({', '.join(sorted(endpoint.auth)) or 'none seen'})"),
        ("Media types", ", ".join(shortened(name, 80) for name in sorted(endpoint.types)) or "none"),
    ]
    return [("Operation", f"{endpoint.kind} {shortened(endpoint.operation, 100)}"), *found] if endpoint.operation else found


def _table(heading: str, parameters: list[Parameter]) -> None:
    with block("div", "tm-table-wrap"), block("table", "tm-table tm-nodes tm-apis").props(f'aria-label="{heading}"'):
        with block("thead"), block("tr"):
            for name in _COLUMNS:
                Text("th", name).props('scope="col"')
        with block("tbody"):
            for each in parameters:
                _row(each)


def _row(each: Parameter) -> None:
    with block("tr", "tm-still"):
        Text("td", shortened(each.name, 120) or "(whole)")
        Text("td", each.location)
        Text("td", each.type)
        Text("td", "yes" if each.required else "no")
        Text("td", _values(each.schema))
        Text("td", f"{each.distinct:,}" if each.distinct else "—")
        Text("td", ", ".join(each.sensitive).replace("_", " ") or "—", "tm-warn" if each.sensitive else "")
        Text("td", f"{each.count:,}")


def _values(schema: dict[str, Any]) -> str:
    """Return the bounds or choices of a schema in a few words."""
    if "enum" in schema:
        return shortened(", ".join(json.dumps(value) for value in schema["enum"]), 200)
    if "minimum" in schema:
        return f"{schema['minimum']:g} to {schema['maximum']:g}"
    if "minLength" in schema:
        return f"{schema['minLength']} to {schema['maxLength']} characters"
    return "—"
