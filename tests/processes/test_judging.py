"""Judging: scope, counts, and what a report holds."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tcpmirror.detect.ignoring import EXPERIMENTAL, Ignored
from tcpmirror.model.exchange import Exchange, Request, Response
from tcpmirror.model.finding import Finding
from tcpmirror.model.report import Report, decode_report, encode_report
from tcpmirror.processes.judging import Judge
from tcpmirror.settings.tree import Inspection, Limits, Mask, ProxyHeaders, RequestFilter, Route, Settings
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.names import WORKER

ATTACK = Finding("sqli", ("get", "id"), "1 or 1=1", "rule", 0.9)


class Suspicious:
    """Finds the same in everything."""

    tier2 = 0
    ignored: Sequence[Ignored] = ()
    masks: Sequence[Mask] = ()

    def inspect(self, exchange: Exchange) -> list[Finding]:
        return [ATTACK]


def exchange(target: bytes = b"/admin/x?id=1", host: bytes = b"shop.example", forwarded: bytes = b"") -> Exchange:
    head = b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n"
    head += b"X-Forwarded-For: " + forwarded + b"\r\n" if forwarded else b""
    return Exchange(
        Request(head + b"\r\n", b"abc", 1000, b"GET", target),
        Response(b"HTTP/1.1 200 OK\r\n\r\n", b"y" * 50, 2000, 200),
        b"\x0a\0\0\1", 1234, b"\x0a\0\0\2", 80,
    )  # fmt: skip


def judge(settings: Settings, item: Exchange) -> tuple[list[Report], CounterPage]:
    page, kept = CounterPage.private(WORKER), []
    judged = Judge(settings, Suspicious(), lambda one, found: kept.append(judged.report(one, found)), page)
    judged(item)
    return kept, page


def test_a_report_holds_both_messages_and_survives_the_ring() -> None:
    (report,), page = judge(Settings(), exchange())
    assert (report.client, report.real_ip, report.host, report.uri, report.status) == (
        "10.0.0.1:1234", "10.0.0.1", "shop.example", "/admin/x?id=1", 200,
    )  # fmt: skip
    assert report.request.endswith(b"\r\n\r\nabc")
    assert report.response.endswith(b"y" * 50)
    assert decode_report(encode_report(report)) == report
    assert (page.get("attacks"), page.get("findings"), page.get("inspected")) == (1, 1, 1)


def test_exported_messages_are_cut_to_their_limits() -> None:
    (report,), _ = judge(Settings(limits=Limits(export_request_bytes=10, export_response_bytes=4)), exchange())
    assert (report.request, report.response) == (b"GET /admin", b"HTTP")


TRUST_ALL = ProxyHeaders(real_ip=("X-Forwarded-For",))
REAL_IPS = {
    "no header": (TRUST_ALL, b"", "10.0.0.1"),
    "one address": (TRUST_ALL, b"198.51.100.7", "198.51.100.7"),
    "the first of a list": (TRUST_ALL, b"198.51.100.7, 10.0.0.9", "198.51.100.7"),
    "with a port": (TRUST_ALL, b"198.51.100.7:5555", "198.51.100.7"),
    "ipv6 in brackets with a port": (TRUST_ALL, b"[2001:db8::7]:5555", "2001:db8::7"),
    "ipv6": (TRUST_ALL, b"2001:db8::7", "2001:db8::7"),
    "not an address": (TRUST_ALL, b"unknown", "10.0.0.1"),
    "trusted peer": (ProxyHeaders(("10.0.0.0/8",), (), ("X-Forwarded-For",)), b"198.51.100.7", "198.51.100.7"),
    "peer nobody trusts": (ProxyHeaders(("192.0.2.0/24",), (), ("X-Forwarded-For",)), b"198.51.100.7", "10.0.0.1"),
    "an empty list trusts nobody": (ProxyHeaders((), (), ("X-Forwarded-For",)), b"198.51.100.7", "10.0.0.1"),
}


@pytest.mark.parametrize("name", REAL_IPS)
def test_the_clients_address_is_found_behind_proxies(name: str) -> None:
    rule, header, expected = REAL_IPS[name]
    (report,), _ = judge(Settings(inspection=Inspection(proxy_headers=(rule,))), exchange(forwarded=header))
    assert report.real_ip == expected


def routed(*routes: Route) -> Inspection:
    return Inspection(routes=Route(application=1, routes=routes))


# id -> (inspection, application of the report or None when nothing may be reported)
SCOPES = {
    "no routes": (Inspection(), -1),
    "root application": (routed(), 1),
    "host": (routed(Route(host="shop.example", application=2)), 2),
    "host glob": (routed(Route(host="*.example", application=2)), 2),
    "other host": (routed(Route(host="*.test", application=2)), 1),
    "prefix": (routed(Route(route="/admin", application=2)), 2),
    "longest prefix": (routed(Route(route="/", application=2), Route(route="/admin/", application=3)), 3),
    "regex beats prefix": (routed(Route(route="/admin/", application=2), Route(route="~ ^/ad", application=3)), 3),
    "case-insensitive regex": (routed(Route(route="~* ^/ADMIN", application=3)), 3),
    "prefix that beats regex": (routed(Route(route="^~ /admin", application=2), Route(route="~ ^/ad", application=3)), 2),
    "exact": (routed(Route(route="= /admin/x", application=4), Route(route="^~ /admin", application=2)), 4),
    "nested": (routed(Route(host="shop.example", application=2, routes=(Route(route="/admin", application=5),))), 5),
    "mode off": (routed(Route(route="/admin", mode="off")), None),
    "bypass": (Inspection(bypass=(RequestFilter(path="^/admin"),)), None),
    "bypass wins over inspect": (
        Inspection(inspect=(RequestFilter(path="^/"),), bypass=(RequestFilter(path="^/admin"),)),
        None,
    ),
    "inspect that does not match": (Inspection(inspect=(RequestFilter(path="^/api"),)), None),
    "inspect by header": (Inspection(inspect=(RequestFilter(headers=(("host", "^shop"),)),)), -1),
    "bypass by address": (Inspection(bypass=(RequestFilter(ip_addresses=("10.0.0.0/8",)),)), None),
    "conditions are all needed": (Inspection(bypass=(RequestFilter(path="^/admin", ip_addresses=("192.0.2.0/24",)),)), -1),
}


@pytest.mark.parametrize("name", SCOPES)
def test_filters_and_routes_decide_what_is_looked_at(name: str) -> None:
    inspection, expected = SCOPES[name]
    reports, page = judge(Settings(inspection=inspection), exchange())
    if expected is None:
        assert reports == []
        assert page.get("bypassed") == 1
    else:
        assert reports[0].application == expected


class Faulty:
    """Cannot inspect what has `admin` in its target."""

    tier2 = 0
    ignored: Sequence[Ignored] = ()
    masks: Sequence[Mask] = ()

    def inspect(self, exchange: Exchange) -> list[Finding]:
        if exchange.request and b"admin" in exchange.request.target:
            raise ZeroDivisionError
        return []


def test_an_exchange_that_cannot_be_inspected_is_counted_and_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    page = CounterPage.private(WORKER)
    kept: list[Exchange] = []
    judge_all = Judge(Settings(), Faulty(), lambda one, findings: kept.append(one), page, keep_all=True)
    for _ in range(5):
        judge_all(exchange())
    judge_all(exchange(target=b"/public"))
    assert [one.request.target for one in kept if one.request] == [b"/public"]
    assert {name: page.get(name) for name in ("emitted", "inspected", "inspection_failures", "bugs")} == {
        "emitted": 6, "inspected": 1, "inspection_failures": 5, "bugs": 5,
    }  # fmt: skip
    assert [record.getMessage()[-9:] for record in caplog.records] == ["1 so far)", "2 so far)", "4 so far)"]


class Silenced(Suspicious):
    """Finds the same in everything, and is told not to say so."""

    ignored = (Ignored(ATTACK, "mine"),)

    def inspect(self, exchange: Exchange) -> list[Finding]:
        return []


def test_what_is_ignored_is_counted_by_entry_and_rule() -> None:
    page = CounterPage.private(WORKER)
    judged = Judge(Settings(), Silenced(), lambda one, found: None, page)
    for _ in range(3):
        judged(exchange())
    assert (page.get("ignored_findings"), page.get("findings"), page.get("inspected")) == (3, 0, 3)
    assert judged.ignored == {("mine", "rule"): 3}


LEARNT = {
    "nothing": ((), (), False),
    "an attack": (("sqli",), (), True),
    "a violation of a specification": (("undefined_parameter",), (), False),
    "what an answer gives away": (("infoleak",), (), False),
    "a weak token of the server's": (("weak_auth", "infoleak"), (), False),
    "an attack beside a leak": (("infoleak", "ptrav"), (), True),
    "an attack that is ignored": ((), ("mine",), True),
    "what a rule finds that is tried out": ((), (EXPERIMENTAL,), False),
}


@pytest.mark.parametrize(("types", "held_back", "expected"), LEARNT.values(), ids=LEARNT)
def test_who_learns_is_told_what_the_sites_users_do_not_send(
    types: tuple[str, ...], held_back: tuple[str, ...], expected: bool
) -> None:
    class Finds(Suspicious):
        ignored = tuple(Ignored(ATTACK, by) for by in held_back)

        def inspect(self, exchange: Exchange) -> list[Finding]:
            return [Finding(kind, ("get", "id"), "x", "rule", 0.9) for kind in types]

    told: list[bool] = []
    page = CounterPage.private(WORKER)
    judged = Judge(
        Settings(), Finds(), lambda *_: None, page, learn=lambda one, found, is_attack: told.append(bool(is_attack))
    )
    judged(exchange())
    assert (told, page.get("bugs")) == ([expected], 0)
