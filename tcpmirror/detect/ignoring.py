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

from tcpmirror.detect.conditions import Where, host_matcher, host_name, is_below, point_parts, text_matcher
from tcpmirror.detect.verdict import NAMED, key_of
from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.settings.tree import Ignore

IGNORED_LIMIT: Final = 256  # kept of one exchange
EXPERIMENTAL: Final = "experimental"  # the entry that holds back what rules find that are tried out


class Requester(NamedTuple):
    """Who asked whom, behind trusted proxies; ``host`` may have a port."""

    host: str
    address: str
    application: int = -1


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
        return [entry for entry in self._ignoring.entries if entry.applies(self._exchange, path, requester)]


class Entry:
    """One entry of the operator's, compiled."""

    def __init__(self, item: Ignore) -> None:
        self.name = item.name
        self._types = frozenset(item.types)
        self._rules = re.compile("|".join(map(fnmatch.translate, item.rules))).match if item.rules else None
        self._host = host_matcher(item.host)
        self._path = text_matcher(item.path)
        self._parameter = text_matcher(item.parameter)
        self._point = point_parts(item.point)
        self._where = Where(item.where)
        self._parsers = frozenset(item.parsers)
        self._binary = item.binary
        self._networks = tuple(map(ipaddress.ip_network, item.networks))

    def applies(self, exchange: Exchange, path: str, requester: Requester) -> bool:
        """Tell whether the conditions about the exchange hold; *path* is latin-1 text."""
        return (
            (self._host is None or self._host(host_name(requester.host)) is not None)
            and (self._path is None or self._path(path) is not None)
            and (not self._networks or any(ipaddress.ip_address(requester.address) in net for net in self._networks))
            and self._where.hold(exchange, requester.host, requester.application)
        )

    def holds(self, finding: Finding) -> bool:
        """Tell whether the conditions about the finding hold."""
        return (
            (not self._types or finding.type in self._types)
            and (self._rules is None or self._rules(finding.rule) is not None)
            and is_below(finding.point, self._point)
            and (self._parameter is None or self._parameter(key_of(finding.point)) is not None)
            and (not self._parsers or not self._parsers.isdisjoint(_steps_of(finding.point, len(self._point))))
            and (not self._binary or is_binary(finding.payload))
        )


def _steps_of(path: tuple[str, ...], begin: int) -> list[str]:
    """Return the parsers in *path* from *begin* on: names of members stand behind the step that says so."""
    steps, at = [], 0
    while at < len(path):
        if at >= begin:
            steps.append(path[at])
        at += 2 if path[at] in NAMED else 1
    return steps


def is_binary(text: str) -> bool:
    """Tell whether *text* (a character a byte) is of something that is no text: control characters people do not type."""
    odd = sum((char < " " and char not in "\t\r\n") or char == "\x7f" for char in text)
    return "\0" in text or odd * 20 > len(text)
