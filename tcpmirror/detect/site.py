"""Whether an address belongs to the site that a request asks, as far as names tell.

Names that end in the same two labels count as one site: without a list of public suffixes that errs towards harmless.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from tcpmirror.model.exchange import Request

# Scheme, user, host: as browsers read them, which take backslashes for slashes (WHATWG URL Standard, section 4.4).
_HOST: Final = re.compile(
    rb"\s*(?:[a-z][a-z0-9+.-]{0,15}:)?[/\\]{2,}(?:[^/\\?#\s@]{0,256}@)?([^/\\?#\s:]{1,253})", re.IGNORECASE
)
WHERE: Final = ("value", "referer")  # what a rule asks to belong to another site


def is_foreign(request: Request, where: str, value: bytes) -> bool:
    """Tell whether *value* (or the request's Referer) is the address of another site; unknown ones are not."""
    address = value if where == "value" else request.header(b"referer") or b""
    target = host_of(address)
    own = (request.header(b"host") or b"").strip().lower().rsplit(b":", 1)[0]
    if not target or not own:
        return False
    return not _is_same_site(target, own)


def host_of(address: bytes) -> bytes:
    """Return the host of *address* in lower case; nothing if it names none."""
    match = _HOST.match(address)
    return match.group(1).lower().rstrip(b".") if match else b""


def _is_same_site(one: bytes, other: bytes) -> bool:
    if one == other:
        return True
    if _is_number(one) or _is_number(other):
        return False
    return one.split(b".")[-2:] == other.split(b".")[-2:]


def _is_number(host: bytes) -> bool:
    try:
        ipaddress.ip_address(host.decode("latin-1").strip("[]"))
    except ValueError:
        return False
    return True
