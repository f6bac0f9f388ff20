"""Weaknesses of many exchanges: which are looked at, what several of them come to, and records that are bounded.

Of each place (host, method, status, path without digits) some exchanges are looked at (`places`); what findings tell is
taken from every exchange. Whose object is read by whom is followed for one object in 16, for all of its readers.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final

from tcpmirror.model.attack import NO_ATTACK_TYPES
from tcpmirror.model.exchange import Exchange, Request, Response
from tcpmirror.model.finding import Finding
from tcpmirror.vulns import signs
from tcpmirror.vulns.authentication import Guards
from tcpmirror.vulns.catalog import KINDS
from tcpmirror.vulns.places import PlaceRoad
from tcpmirror.vulns.signs import ClassOf, Sign
from tcpmirror.vulns.weakness import EVIDENCE, SEGMENTS, TEXT, Sample, Weakness, WeaknessKey, add

RECORDS: Final = 1_024  # waiting to be handed on; further ones are counted
OWNERS: Final = 4_096
COOKIES: Final = 4_096
_OBJECTS: Final = 15  # mask of the hash: one object in 16
_PUBLIC: Final = "*"

Template = Callable[[bytes], tuple[str, ...]]
Within = Callable[[str], Iterator[tuple[int, int, str]]]


class Assessor(PlaceRoad):
    """What one worker saw. *template* makes a path of a target, values as ``{}``; not to be shared between threads."""

    def __init__(self, class_of: ClassOf, within: Within, template: Template) -> None:
        super().__init__()
        self._class_of = class_of
        self._within = within
        self._template = template
        self._owners: OrderedDict[tuple[str, bytes], str] = OrderedDict()
        self._open: set[tuple[str, str]] = set()  # hosts and session cookies that are no SameSite ones
        self._guards = Guards(within, template)
        self._records: dict[WeaknessKey, Weakness] = {}
        self.looked_at = 0
        self.refused = 0

    def examined(self, exchange: Exchange, findings: list[Finding], is_due: bool, is_new: bool) -> list[Sign]:
        """Return the signs that *exchange*, which has both messages, shows; *is_due*: it is its place's turn."""
        request, response = exchange.request, exchange.response
        assert request is not None and response is not None
        found = list(signs.of_findings(findings, response.status)) if findings else []
        if signs.is_owned(request, response):
            path = request.target.partition(b"?")[0]
            if zlib.crc32(path) & _OBJECTS == 0:
                found += self._of_readers(exchange, request, response, path)
        if is_due:
            self.looked_at += 1
            is_clean = not findings or all(finding.type in NO_ATTACK_TYPES for finding in findings)
            found += self._signs(exchange, request, response, is_clean, is_new)
        return found

    def _signs(
        self, exchange: Exchange, request: Request, response: Response, is_clean: bool, is_new: bool
    ) -> Iterator[Sign]:
        """Yield what the messages show; what a client sends is a sign only where it is no attack."""
        host = exchange.host or ""
        self._learn_cookies(host, response)
        yield from signs.of_versions(request, response, is_new)
        yield from signs.of_cookies(response, _is_encrypted(request, response))
        yield from signs.of_cors(request, response, host)
        yield from signs.of_files(request, response)
        if is_clean:
            yield from self._guards.look(exchange, request, response)
            if b"=" in request.target:
                yield from signs.of_address(request, self._class_of)
            yield from signs.of_forms(request, response, host, lambda name: (host, name) in self._open)

    def _learn_cookies(self, host: str, response: Response) -> None:
        """Note which session cookies *host* hands out without saying that other sites' forms go without them."""
        for key, value in response.headers:
            if key.lower() != b"set-cookie":
                continue
            pair, _, flags = value.lower().partition(b";")
            name = (host, value[: len(pair)].partition(b"=")[0].strip().decode("latin-1"))
            if b"samesite=" in flags and b"samesite=none" not in flags:
                self._open.discard(name)
            elif signs.is_session(name[1]):
                if len(self._open) >= COOKIES:
                    self._open.clear()
                self._open.add(name)

    def _of_readers(self, exchange: Exchange, request: Request, response: Response, path: bytes) -> Iterator[Sign]:
        """Yield a sign where private data of an object goes to another than who first had it; what anyone gets is public."""
        key = (exchange.host or "", path)
        who, first = signs.identity(request), self._owners.get(key)
        if first == _PUBLIC:
            return
        if not who:
            self._keep_owner(key, _PUBLIC)
        elif first is None:
            if signs.holds_private(response, self._within):
                self._keep_owner(key, who)
        elif first != who and signs.holds_private(response, self._within):
            yield Sign("idor", "", who, "private data of one object was given to different callers")

    def _keep_owner(self, key: tuple[str, bytes], who: str) -> None:
        self._owners[key] = who
        if len(self._owners) > OWNERS:
            self._owners.popitem(last=False)

    def note(self, exchange: Exchange, sign: Sign, host: str, target: bytes) -> None:
        """Take *sign* up into the records of *host* and *target* (both as they may be told)."""
        request, response = exchange.request, exchange.response
        if request is None or response is None:
            return
        kind = KINDS[sign.kind]
        method = "" if kind.of_host else request.method[:16].decode("latin-1")
        path = () if kind.of_host else tuple(part[:TEXT] for part in self._template(target)[:SEGMENTS])
        time_ns = exchange.time_ns
        sample = Sample(time_ns, sign.text[:EVIDENCE], exchange.client, exchange.server, response.status)
        made = Weakness(
            sign.kind,
            host[:TEXT],
            method,
            path,
            sign.subject[:TEXT],
            1,
            time_ns,
            time_ns,
            frozenset((sign.mark[:TEXT],)),
            sample,
        )
        if made.key in self._records or len(self._records) < RECORDS:
            add(self._records, made)
        else:
            self.refused += 1

    def take(self) -> list[Weakness]:
        """Return what was noted since the last call."""
        taken, self._records = self._records, {}
        return list(taken.values())


def _is_encrypted(request: Request, response: Response) -> bool:
    """Tell whether visitors use TLS, of which a mirror behind its end sees nothing but what headers say."""
    told = (request.header(b"x-forwarded-proto") or b"").lower()
    return told.startswith(b"https") or response.header(b"strict-transport-security") is not None
