"""Which endpoints ask who calls: one that gives private data to anybody, beside others that do not, forgot to (CWE-306).

An endpoint is guarded once it refused a call without credentials and let one with some in. Siblings are the endpoints of one
folder: ``/api/users/{}`` and ``/api/orders``. Where SIBLINGS of them are guarded, that is how things are meant there.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final

from tcpmirror.model.exchange import Exchange, Request, Response
from tcpmirror.vulns.signs import OWNED, Sign, digest, kinds_within

SIBLINGS: Final = 2
FOLDERS: Final = 1_024
ENDPOINTS: Final = 64  # of a folder
_REFUSED: Final = 1
_LET_IN: Final = 2
_GUARDED: Final = _REFUSED | _LET_IN
_CREDENTIALS: Final = re.compile(
    rb"(?i)\n(?:authorization|proxy-authorization|cookie|[\w-]*(?:api-?key|token|session|auth|signature)[\w-]*|x-amz-[\w-]+):"
)
_KEY_IN_ADDRESS: Final = re.compile(
    rb"(?i)[?&][\w.-]*(?:key|token|sig|signature|session|sid|auth|code|hash|password)[\w.-]*="
)
_CHANGES: Final = (b"PUT", b"PATCH", b"DELETE")
# What is nobody's business but its owner's; a phone number or address of mail is, where the path names an owner.
_SECRET: Final = frozenset(("card", "iban", "national_id", "password", "api_key", "private_key", "birth_date", "health_id"))
_OWNERS: Final = _SECRET | {"phone", "email"}

Within = Callable[[str], Iterator[tuple[int, int, str]]]
Endpoint = tuple[bytes, tuple[str, ...]]


def is_anonymous(request: Request) -> bool:
    """Tell whether nothing in *request* says who asks."""
    return _CREDENTIALS.search(request.head) is None and _KEY_IN_ADDRESS.search(request.target) is None


class Guards:
    """What the endpoints of each folder were seen to ask for; bounded, the folder that was silent longest goes first."""

    def __init__(self, within: Within, template: Callable[[bytes], tuple[str, ...]]) -> None:
        self._within = within
        self._template = template
        self._folders: OrderedDict[tuple[str, tuple[str, ...]], dict[Endpoint, int]] = OrderedDict()

    def look(self, exchange: Exchange, request: Request, response: Response) -> Iterator[Sign]:
        """Yield a sign where *exchange* gave what is private to nobody in particular."""
        anonymous, status = is_anonymous(request), response.status
        is_good = 200 <= status < 300
        seen = _REFUSED if anonymous and status in (401, 403) else _LET_IN if not anonymous and is_good else 0
        if not seen and not (anonymous and is_good):
            return
        template = self._template(request.target)
        endpoint = (request.method, template)
        known = self._folder(exchange.host or "", template)
        if seen:
            if endpoint in known or len(known) < ENDPOINTS:
                known[endpoint] = known.get(endpoint, 0) | seen
            return
        if known.get(endpoint, 0) & _REFUSED or not self._is_private(request, response):
            return
        guarded = sum(flags == _GUARDED for other, flags in known.items() if other[1] != template)
        if guarded >= SIBLINGS:
            mark = digest(exchange.client_ip + request.target.partition(b"?")[0])
            text = f"answered with {status} to a call without credentials, unlike {guarded} endpoints beside it"
            yield Sign("missing-authentication", "", mark, text)

    def _folder(self, host: str, template: tuple[str, ...]) -> dict[Endpoint, int]:
        names = [at for at, part in enumerate(template) if part not in ("{}", "")]
        key = (host, template[: names[-1]] if names else ())
        known = self._folders.setdefault(key, {})
        self._folders.move_to_end(key)
        if len(self._folders) > FOLDERS:
            self._folders.popitem(last=False)
        return known

    def _is_private(self, request: Request, response: Response) -> bool:
        if request.method in _CHANGES:
            return True
        wanted = _OWNERS if OWNED.search(request.target) else _SECRET
        return request.method == b"GET" and not wanted.isdisjoint(kinds_within(response, self._within))
