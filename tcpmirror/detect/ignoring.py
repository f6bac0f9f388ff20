"""Findings that the operator does not want to see: counted under the name of what ignores them, never reported.

Nothing of it is looked at before there is a finding. Then the ignoring is exact: a rule that is ignored at a point has no
word there, and what the other rules say without it is still a finding.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from tcpmirror.detect.verdict import key_of
from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.settings.tree import Ignore

IGNORED_LIMIT: Final = 256  # kept of one exchange
_Matches = Callable[[str], object]


class Requester(NamedTuple):
    """Who asked whom, behind trusted proxies; ``host`` may have a port."""

    host: str
    address: str


Who = Callable[[Exchange], Requester]


class Ignored(NamedTuple):
    """A finding that is not reported, and the name of the entry that says so."""

    finding: Finding
    by: str


class Ignoring:
    """The operator's entries, compiled; the first that holds gives its name."""

    def __init__(self, entries: Iterable[Ignore], who: Who) -> None:
        self.entries = tuple(map(Entry, entries))
        self.who = who

    def of(self, exchange: Exchange) -> Sieve:
        return Sieve(self, exchange)


class Sieve:
    """The entries over one exchange; ``ignored``: what was held back."""

    def __init__(self, ignoring: Ignoring, exchange: Exchange) -> None:
        self.ignored: list[Ignored] = []
        self._ignoring = ignoring
        self._exchange = exchange
        self._entries: list[Entry] | None = None
        self._seen: set[tuple[str, str, tuple[str, ...]]] = set()

    def passes(self, finding: Finding) -> bool:
        """Tell whether *finding* is to be reported, and keep it in ``ignored`` if not."""
        if self._entries is None:
            self._entries = self._applicable()
        name = next((entry.name for entry in self._entries if entry.holds(finding)), "")
        if name and (key := (name, finding.rule, finding.point)) not in self._seen and len(self._seen) < IGNORED_LIMIT:
            self._seen.add(key)
            self.ignored.append(Ignored(finding, name))
        return not name

    def _applicable(self) -> list[Entry]:
        """Return the entries whose conditions about the exchange hold."""
        request = self._exchange.request
        path = "" if request is None else request.target.partition(b"?")[0].decode("latin-1")
        requester = self._ignoring.who(self._exchange)
        return [entry for entry in self._ignoring.entries if entry.applies(path, requester)]


class Entry:
    """One entry of the operator's, compiled."""

    def __init__(self, item: Ignore) -> None:
        self.name = item.name
        self._types = frozenset(item.types)
        self._rules = re.compile("|".join(map(fnmatch.translate, item.rules))).match if item.rules else None
        self._host = re.compile(fnmatch.translate(item.host.lower().replace("[^", "[!"))).match if item.host else None
        self._path = _matcher(item.path)
        self._parameter = _matcher(item.parameter)
        self._point = tuple(item.point[1:-1].split("][") if item.point[:1] == "[" else filter(None, item.point.split(".")))
        self._networks = tuple(map(ipaddress.ip_network, item.networks))

    def applies(self, path: str, requester: Requester) -> bool:
        """Tell whether the conditions about the exchange hold; *path* is latin-1 text."""
        host = re.sub(r":\d*\Z", "", requester.host).lower()
        return (
            (self._host is None or self._host(host) is not None)
            and (self._path is None or self._path(path) is not None)
            and (not self._networks or any(ipaddress.ip_address(requester.address) in net for net in self._networks))
        )

    def holds(self, finding: Finding) -> bool:
        """Tell whether the conditions about the finding hold."""
        return (
            (not self._types or finding.type in self._types)
            and (self._rules is None or self._rules(finding.rule) is not None)
            and _is_below(finding.point, self._point)
            and (self._parameter is None or self._parameter(key_of(finding.point)) is not None)
        )


def _is_below(path: tuple[str, ...], prefix: tuple[str, ...]) -> bool:
    """Header names compare without case, as they are (RFC 9110, section 5.1)."""
    if len(path) < len(prefix):
        return False
    return all(want in ("*", part) or want.upper() == part for part, want in zip(path, prefix, strict=False))


def _matcher(text: str) -> _Matches | None:
    if not text:
        return None
    if text.startswith("~"):
        return re.compile(text[1:].strip()).search
    return re.compile(fnmatch.translate(text.replace("[^", "[!"))).match
