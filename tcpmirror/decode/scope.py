"""Which exchanges are looked at, and for which application: `input_filters` and `route_config`."""

from __future__ import annotations

import fnmatch
import ipaddress
import re
from dataclasses import dataclass

from tcpmirror.model.exchange import Request
from tcpmirror.settings.tree import Inspection, RequestFilter, Route


@dataclass(frozen=True, slots=True)
class Scope:
    """``application``: -1 when none was configured; ``mode`` ``off`` means: do not look."""

    application: int
    mode: str


class ScopeRules:
    """Compiled filters and routes. Rules are few and looked at in order; with none, everything is in scope."""

    def __init__(self, inspection: Inspection) -> None:
        self._inspect = tuple(_Filter(item) for item in inspection.inspect)
        self._bypass = tuple(_Filter(item) for item in inspection.bypass)
        self._root = inspection.routes
        self._default = Scope(inspection.routes.application, inspection.routes.mode)
        self.is_trivial = not (self._inspect or self._bypass or inspection.routes.routes) and self._default.mode != "off"

    @property
    def default(self) -> Scope:
        return self._default

    def of(self, request: Request, host: str, real_ip: str) -> Scope:
        """Return the scope of *request*; bypass wins over inspect."""
        path = request.target.partition(b"?")[0].decode("latin-1")
        if any(item.matches(request, path, real_ip) for item in self._bypass):
            return Scope(self._default.application, "off")
        if self._inspect and not any(item.matches(request, path, real_ip) for item in self._inspect):
            return Scope(self._default.application, "off")
        return self.route(host, path)

    def route(self, host: str, path: str) -> Scope:
        """Return the scope of requests for *path* at *host* that no filter leaves out."""
        return _route(self._root, self._default, host.rpartition(":")[0] if _has_port(host) else host, path)


class _Filter:
    def __init__(self, item: RequestFilter) -> None:
        self._path = re.compile(item.path) if item.path else None
        self._url = re.compile(item.url) if item.url else None
        self._headers = tuple((name.lower().encode(), re.compile(pattern)) for name, pattern in item.headers)
        self._networks = tuple(ipaddress.ip_network(net, strict=False) for net in item.ip_addresses)

    def matches(self, request: Request, path: str, real_ip: str) -> bool:
        if self._path is not None and not self._path.search(path):
            return False
        if self._url is not None and not self._url.search(request.target.decode("latin-1")):
            return False
        for name, pattern in self._headers:
            value = request.header(name)
            if value is None or not pattern.search(value.decode("latin-1")):
                return False
        return not self._networks or any(ipaddress.ip_address(real_ip) in network for network in self._networks)


def _has_port(host: str) -> bool:
    head, separator, tail = host.rpartition(":")
    return bool(separator) and tail.isdigit() and ("]" in head or ":" not in head)


def _route(parent: Route, inherited: Scope, host: str, path: str) -> Scope:
    """Return the scope by the best of *parent*'s routes, gone into as deep as they match."""
    candidates = [route for route in parent.routes if _matches_host(route, host)]
    best = _best_location(candidates, path)
    if best is None:
        return inherited
    own = Scope(best.application if best.application != -1 else inherited.application, best.mode or inherited.mode)
    return _route(best, own, host, path)


def _matches_host(route: Route, host: str) -> bool:
    """A glob in which ``*`` stops at no separator of host names but the whole name has to match."""
    pattern = route.host.replace("[^", "[!")
    return not route.host or fnmatch.fnmatchcase(host.lower(), pattern.lower())


def _best_location(routes: list[Route], path: str) -> Route | None:
    """Choose as NGINX does: exact, the longest prefix if it is ``^~``, the first regex, the longest prefix."""
    prefix: tuple[int, Route, bool] | None = None
    for route in routes:
        operator, location = _split(route.route)
        if operator == "=" and path == location:
            return route
        if operator in ("", "^~") and path.startswith(location) and (prefix is None or len(location) > prefix[0]):
            prefix = (len(location), route, operator == "^~")
    if prefix is not None and prefix[2]:
        return prefix[1]
    for route in routes:
        operator, location = _split(route.route)
        if operator in ("~", "~*") and re.search(location, path, re.IGNORECASE if operator == "~*" else 0):
            return route
    return prefix[1] if prefix is not None else None


def _split(route: str) -> tuple[str, str]:
    """Return (operator, location) of an NGINX-like location: ``=``, ``~``, ``~*``, ``^~`` or none in front of it."""
    for operator in ("^~", "~*", "=", "~"):
        if route.startswith(operator):
            return operator, route[len(operator) :].strip()
    return "", route.strip()
