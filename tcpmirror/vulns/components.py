"""Components that traffic names with their versions, and which of these have known vulnerabilities.

The list is data (`components.yaml`). A version proves nothing where a distribution mends without a new number, so what comes
of it says "check".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import yaml

_NUMBER: Final = re.compile(r"\d+|[a-z]+")
_NAMED: Final = re.compile(rb"([A-Za-z][A-Za-z0-9_.-]{1,30})[/ (]{1,2}v?(\d{1,4}(?:\.\d{1,5}){1,3}[a-z]?)(?![\d.])")
_FILE: Final = re.compile(
    rb"\b(jquery-ui|jquery|bootstrap|angular|lodash|moment|handlebars|dompurify)"
    rb"(?:\.min)?[-.@/]v?(\d{1,3}\.\d{1,3}\.\d{1,3})(?:[/.-](?:core|slim|min|dist|umd|bundle|purify|jquery)){0,3}(?:\.js|/)",
    re.IGNORECASE,
)
_FOLDER_REST: Final = re.compile(rb"[^\s\"'<>?]{0,100}")
_OTHER_VERSION: Final = re.compile(rb"-v?\d{1,3}\.\d{1,3}\.\d{1,3}")
_SAME: Final = {"apache-tomcat": "tomcat", "coyote": "tomcat", "purify": "dompurify", "httpd": "apache"}


class Component(NamedTuple):
    product: str
    version: str


class Fault(NamedTuple):
    """``first``: the first version that has it, empty: all before ``below``, the first without it."""

    first: str
    below: str
    cves: tuple[str, ...]


@cache
def known_faults() -> dict[str, tuple[Fault, ...]]:
    """Return the faults of the list by product."""
    rows = yaml.safe_load((Path(__file__).parent / "components.yaml").read_text(encoding="utf-8"))
    found: dict[str, list[Fault]] = {}
    for row in rows:
        found.setdefault(row["product"], []).append(Fault(str(row.get("from", "")), str(row["below"]), tuple(row["cves"])))
    return {product: tuple(faults) for product, faults in found.items()}


def fault_of(component: Component) -> Fault | None:
    """Return the first known fault of *component*, None for none."""
    version = ordered(component.version)
    for fault in known_faults().get(component.product, ()):
        if (not fault.first or version >= ordered(fault.first)) and version < ordered(fault.below):
            return fault
    return None


def ordered(version: str) -> tuple[tuple[int, str], ...]:
    """Return what versions compare by: 1.0.1 < 1.0.1f < 1.0.2."""
    return tuple((int(part), "") if part.isdigit() else (0, part) for part in _NUMBER.findall(version.lower()))


def named_in(header: bytes) -> Iterator[Component]:
    """Yield the components with versions in the value of a header such as Server (RFC 9110, section 10.2.4)."""
    for match in _NAMED.finditer(header):
        yield _component(match)


def files_in(text: bytes) -> Iterator[Component]:
    """Yield the libraries whose file names, with versions, stand in *text* (a path or a page).

    A folder's version is that of the file of its name in it: ``jquery/2.1.0/jquery.js``, not ``jquery/0.3.0/x-1.7.2.js``.
    """
    for match in _FILE.finditer(text):
        if match.group()[-1:] == b"/":
            rest = _FOLDER_REST.match(text, match.end())
            inside = rest.group().lower() if rest is not None else b""
            if match.group(1).lower() not in inside or _OTHER_VERSION.search(inside):
                continue
        yield _component(match)


def _component(match: re.Match[bytes]) -> Component:
    product = match.group(1).decode("latin-1").lower()
    return Component(_SAME.get(product, product), match.group(2).decode("latin-1"))
