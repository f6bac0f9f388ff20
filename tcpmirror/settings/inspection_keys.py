"""The keys of version 3 and 4 about what is analysed, and how: client addresses, filters, routes, inspector."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tcpmirror.settings.kinds import (
    FLAG,
    GLOB,
    HEADER_NAME,
    LOCATION,
    MODE_KIND,
    NETWORK,
    PATH,
    PATTERN,
    UUID,
    Duration,
    RejectedError,
    Whole,
)
from tcpmirror.settings.schema import Key, ListOf, MapOf, Section
from tcpmirror.settings.tree import SECOND, ProxyHeaders, RequestFilter, Route

_MILLISECOND = 1_000_000
_HEADER_NAMES = ListOf(HEADER_NAME)

PROXY_HEADERS = (
    Key(
        "trusted_networks",
        ListOf(NETWORK),
        "Peers whose headers are believed. Left out: every peer. An empty list: none.",
        "trusted_networks",
        example=["10.0.0.0/8"],
    ),
    Key(
        "original_host",
        _HEADER_NAMES,
        "Headers to take the host from, the first that is there.",
        "original_host",
        example=["X-Forwarded-Host"],
    ),
    Key(
        "real_ip",
        _HEADER_NAMES,
        "Headers to take the client address from; of a list, its first value.",
        "real_ip",
        example=["X-Forwarded-For"],
    ),
)

REQUEST_FILTER = (
    Key("path", PATTERN, "A regular expression for the path.", "path", example="^/api/"),
    Key("url", PATTERN, "A regular expression for the whole URL.", "url"),
    Key(
        "headers",
        MapOf(HEADER_NAME, PATTERN),
        "Header names, each with a regular expression.",
        "headers",
        example={"User-Agent": "^probe"},
    ),
    Key("ip_addresses", ListOf(NETWORK), "Networks of the client's real address.", "ip_addresses", example=["192.0.2.0/24"]),
)


def _filter(given: dict[str, Any]) -> RequestFilter:
    if not any(given.values()):
        raise RejectedError("the filter has no condition, so it would match every request")
    return RequestFilter(**given)


def fields_of(value: Any) -> dict[str, Any]:
    """Return the fields of a frozen value by name."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


_FILTER = Section(lambda: REQUEST_FILTER, _filter, fields_of)
_PROXY = Section(lambda: PROXY_HEADERS, lambda given: ProxyHeaders(**given), fields_of)

INPUT_FILTERS = (
    Key("inspect", ListOf(_FILTER), "Analyse only requests that match one of these; empty: all.", "inspection.inspect"),
    Key("bypass", ListOf(_FILTER), "Never analyse these; wins over `inspect`.", "inspection.bypass"),
)


def inherited_route(given: dict[str, Any], parent: Route) -> Route:
    """Return the route *given* describes; application, mode and tenant it does not name are its parent's."""
    own: dict[str, Any] = {"application": parent.application, "mode": parent.mode, "tenant": parent.tenant} | given
    route = Route(**(own | {"routes": ()}))
    routes = tuple(inherited_route(child, route) for child in given.get("routes", ()))
    return Route(**(own | {"routes": routes}))


_APPLICATION = Whole(1, (1 << 31) - 1, also=-1)
_ROUTE_VALUES = (
    Key("wallarm_application", _APPLICATION, "Number of the application; -1: none.", "application"),
    Key("wallarm_mode", MODE_KIND, "`off`: not analysed. A tap cannot block: `block` is as `monitoring`.", "mode"),
    Key("wallarm_partner_client_uuid", UUID, "The tenant.", "tenant"),
)
ROUTE: tuple[Key, ...] = (
    Key("host", GLOB, "Host name with `*`, `?`, `[a-z]`; matches whole names. Empty: any.", "host"),
    Key("route", LOCATION, "Location as in NGINX (`/a`, `= /a`, `^~ /a`, `~ re`, `~* re`). Empty: any.", "route"),
    *_ROUTE_VALUES,
    Key(
        "routes",
        ListOf(Section(lambda: ROUTE, dict, fields_of)),
        "Routes within this one; what they leave out is inherited.",
        "routes",
    ),
)
_ROOT_ROUTE = (
    *_ROUTE_VALUES,
    Key("routes", ListOf(Section(lambda: ROUTE, dict, fields_of)), "Routes, with values of their own.", "routes"),
)

HTTP_INSPECTOR = (
    Key(
        "workers",
        Whole(1, 1024, words=(("auto", 0),)),
        "Worker processes; `auto`: one for each CPU the sensor may use.",
        "workers",
    ),
    Key("libdetection_enabled", FLAG, "Let grammars confirm what patterns found.", "inspection.libdetection"),
    Key("api_firewall_enabled", FLAG, "Compare requests with the API's specification.", "inspection.api_specification"),
    Key(
        "wallarm_process_time_limit",
        Duration(_MILLISECOND, 60 * SECOND),
        "CPU time for one exchange; then it is given up and reported as `overlimit_res`.",
        "limits.process_time_ns",
    ),
    Key(
        "real_ip_header",
        replace(HEADER_NAME, may_be_empty=True),
        "Header with the client's address, from any peer; `proxy_headers` says more exactly.",
        ":real_ip_header",
        default="",
        example="X-Real-IP",
        alias=True,
    ),
    Key(
        "api_firewall_database",
        PATH,
        "Specifications of the native node.",
        default="/opt/wallarm/var/lib/wallarm-api/2/wallarm_api.db",
        instead="specifications are kept by the cloud of `cloud`",
    ),
    Key("wmcp_enabled", FLAG, "MCP analysis.", default=True, instead="MCP messages are analysed as the JSON they are"),
    Key(
        "wallarm_dir",
        PATH,
        "Rules and keys of the native node.",
        default="/opt/wallarm/etc/wallarm",
        instead="the rules are built in; more of them come from `inspection.rules_dir`",
    ),
    Key(
        "shm_dir",
        PATH,
        "Shared files of the native node's engine.",
        default="/opt/wallarm/shm",
        instead="shared memory is anonymous and needs no directory",
    ),
    Key(
        "drop_percent",
        Whole(0, 100),
        "Share of requests that are not analysed.",
        default=0,
        instead="under overload `shedding` skips whole flows",
    ),
)

INSPECTION_KEYS = (
    Key("http_inspector", Section(lambda: HTTP_INSPECTOR), "How exchanges are analysed."),
    Key(
        "proxy_headers",
        ListOf(_PROXY),
        "Where client address and host stand when proxies come before; the first rule that matches counts.",
        "inspection.proxy_headers",
    ),
    Key("input_filters", Section(lambda: INPUT_FILTERS), "Which requests are analysed at all."),
    Key(
        "route_config",
        Section(lambda: _ROOT_ROUTE, lambda given: inherited_route(given, Route()), fields_of),
        "Application, mode and tenant, by host and location.",
        "inspection.routes",
    ),
)
