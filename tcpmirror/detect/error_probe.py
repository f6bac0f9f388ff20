"""Values that made a database complain: what a scanner sends to learn whether a quote reaches the query (CWE-89).

By itself such a value (``1..,('".(),``) is no SQL. With a database's error in the answer it has shown the hole. Asked only
where the answer was already found to tell an error; names such as O'Brien are no probes, nor is a search for the error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from tcpmirror.model.exchange import Request
from tcpmirror.model.finding import Finding

RULE: Final = "sqli-error-probe"
ANSWER: Final = "infoleak-database-error"
_LONGEST: Final = 96  # bytes; probes are short
_BODY_BYTES: Final = 8192
_PROBE: Final = re.compile(rb"""['"`\\]\s*(?:$|[)("'<>;,#]|--|/\*)|[)(<>;,]\s*['"]""")
_WORDS: Final = re.compile(rb"[A-Za-z]{3,}\s+[A-Za-z]{3,}")


def findings(request: Request, told: Iterable[Finding]) -> list[Finding]:
    """Return the parameter of *request* that probed, if *told* (of the whole exchange) has an error and no injection."""
    kinds = {finding.type for finding in told}
    if "sqli" in kinds or not any(finding.rule == ANSWER for finding in told):
        return []
    for point, value in _values(request):
        if is_probe(value):
            return [Finding("sqli", point, value.decode("latin-1"), RULE, 0.8)]
    return []


def is_probe(value: bytes) -> bool:
    """Tell whether *value* is syntax that breaks out of a string, and no text in quotes."""
    if not 1 < len(value) <= _LONGEST or _WORDS.search(value):
        return False
    wrapped = value[:1] == value[-1:] and value[:1] in (b"'", b'"') and value.count(value[:1]) == 2
    return not wrapped and _PROBE.search(value) is not None


def _values(request: Request) -> Iterator[tuple[tuple[str, ...], bytes]]:
    """Yield (point, value) of the parameters of the address and of a form."""
    fields: list[tuple[tuple[str, ...], bytes]] = [(("get",), request.target.partition(b"?")[2])]
    if b"form-urlencoded" in (request.header(b"content-type") or b"").lower():
        fields.append((("post", "form_urlencoded"), request.body[:_BODY_BYTES]))
    for place, text in fields:
        for pair in text.split(b"&")[:100]:
            name, _, value = pair.partition(b"=")
            yield (*place, _plain(name).decode("latin-1")), _plain(value)


def _plain(raw: bytes) -> bytes:
    return unquote_to_bytes(raw.replace(b"+", b" "))
