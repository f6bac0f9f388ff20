"""One endpoint: what it takes, what it answers, how risky it is."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import urlencode

from sqlalchemy import Row

from tcpmirror.console.api_list import risk_text
from tcpmirror.console.parts import LocalTime, Text, block, link, table, text_cell
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
    of_host = f"/apis?{urlencode({'host': endpoint.host})}"
    with block("nav", "tm-crumbs").props('aria-label="Way back"'):
        link("APIs", "/apis")
        link(shortened(endpoint.host, 80), of_host)
        Text("span", f"#{row.id}")
    with block("div", "tm-head"):
        Text("h1", f"{shortened(endpoint.method, 16)} {shortened(endpoint.path, 300)}")
        link("All endpoints of this host", of_host, "tm-button")
    with block("div", "tm-stack"):
        with block("section", "tm-panel"), block("dl", "tm-facts"):
            for name, value in _facts(endpoint):
                _fact(name, value)
            for name, time_ns in (("First seen", endpoint.first_ns), ("Last seen", endpoint.last_ns)):
                with block("div"):
                    Text("dt", name)
                    with block("dd"):
                        LocalTime(time_ns)
        for side, heading in (("request", "Request"), ("response", "Answer")):
            _parameters(heading, [each for each in endpoint.parameters if each.side == side])


def _fact(name: str, value: str) -> None:
    with block("div"):
        Text("dt", name)
        Text("dd", value)


def _parameters(heading: str, parameters: list[Parameter]) -> None:
    with block("section", "tm-panel"):
        Text("h2", heading)
        if not parameters:
            Text("p", "Nothing that is its own was seen.", "tm-quiet")
            return
        with block("div", "tm-table-wrap tm-flat"), table(heading, _COLUMNS):
            for each in parameters:
                with block("tr"):
                    _row(each)


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


def _row(each: Parameter) -> None:
    text_cell("Name", shortened(each.name, 120) or "(whole)", "tm-mono")
    text_cell("In", each.location)
    text_cell("Type", each.type)
    text_cell("Required", "yes" if each.required else "no")
    text_cell("Values", _values(each.schema))
    text_cell("Different", f"{each.distinct:,}" if each.distinct else "—")
    text_cell("Sensitive", ", ".join(each.sensitive).replace("_", " ") or "—", "tm-warn" if each.sensitive else "")
    text_cell("Seen", f"{each.count:,}")


def _values(schema: dict[str, Any]) -> str:
    """Return the bounds or choices of a schema in a few words."""
    if "enum" in schema:
        return shortened(", ".join(json.dumps(value) for value in schema["enum"]), 200)
    if "minimum" in schema:
        return f"{schema['minimum']:g} to {schema['maximum']:g}"
    if "minLength" in schema:
        return f"{schema['minLength']} to {schema['maxLength']} characters"
    return "—"
