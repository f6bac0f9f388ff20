"""What a worker takes up of exchanges, what it leaves out, and that it stays within its bounds."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.decode.normal import Normalizer
from tcpmirror.discovery.digest import HASHES, EndpointDigest, read_row
from tcpmirror.discovery.inventory import described
from tcpmirror.discovery.observer import Observer
from tcpmirror.discovery.values import value_hash
from tcpmirror.model.exchange import Exchange, Request, Response
from tests.discovery.exchanges import NOON, exchange

MEDIA = [
    b"application/json",
    b"application/xml",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=b",
    b"text/event-stream",
]
USER = {"id": 7, "email": "ann@example.com", "tags": ["a"], "address": {"city": "Paris", "zip": None}}


def observed(*exchanges: Exchange) -> list[EndpointDigest]:
    observer = Observer()
    for each in exchanges:
        observer.observe(each, False)
    return observer.take()


def test_requests_with_plain_values_are_one_endpoint_with_its_counts() -> None:
    (digest,) = observed(*(exchange(f"/api/users/{1000 + n}", answer=USER, number=n) for n in range(5)))
    assert (digest.host, digest.method, digest.path) == ("api.example", "GET", ("api", "users", "{}"))
    assert (digest.requests, digest.sampled, digest.statuses) == (5, 5, {200: 5})
    assert (digest.first_ns, digest.last_ns) == (NOON, NOON + 4 * 10**9)
    assert digest.latency == {12: 5}  # 3 ms lie between 2**11 and 2**12 microseconds


def test_errors_of_a_known_endpoint_count_and_make_no_new_one() -> None:
    (digest,) = observed(exchange("/a"), exchange("/a", status=500), exchange("/a", status=404), exchange("/b", status=404))
    assert digest.statuses == {200: 1, 500: 1, 404: 1}


LEFT_OUT = {
    "a page": exchange("/index", media="text/html"),
    "a picture": exchange("/a.png", media="image/png"),
    "a file of no type": exchange("/a.css", media=""),
    "a preflight": exchange(method="OPTIONS"),
    "a look": exchange(method="HEAD"),
    "a tunnel": exchange("shop.example:443", method="CONNECT"),
    "a way out": exchange("/a/../b"),
    "a quote in the path": exchange("/a'b"),
    "no host name": exchange(host="a b"),
    "a path without end": exchange("/" + "a/" * 400),
}


@pytest.mark.parametrize("left_out", LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_is_no_api_is_left_out(left_out: Exchange) -> None:
    assert observed(left_out) == []


def test_attacks_are_left_out() -> None:
    observer = Observer()
    observer.observe(exchange(), True)
    assert observer.take() == []


def test_hosts_are_one_in_any_spelling() -> None:
    (digest,) = observed(
        exchange(host="API.Example"), exchange(host="api.example:80"), exchange("http://api.example/api/users/2222")
    )
    assert (digest.host, digest.requests) == ("api.example", 3)


def test_parameters_of_every_place_are_read() -> None:
    (digest,) = observed(
        exchange(
            "/api/users/1000?limit=10&expand=true", "POST", b'{"name": "x", "on": [1.5, 2]}', USER,
            Content_Type="application/json", Cookie="session=0123456789", X_Tenant="acme", Authorization="Bearer abc",
        )
    )  # fmt: skip
    kinds = {key: set(value.kinds) for key, value in digest.parameters.items()}
    assert kinds["request", "path", "2"] == {"int32"}
    assert kinds["request", "query", "limit"] == {"int32"}
    assert kinds["request", "query", "expand"] == {"boolean"}
    assert kinds["request", "json", "/name"] == {"string"}
    assert kinds["request", "json", "/on/[]"] == {"float", "int32"}
    assert kinds["request", "cookie", "session"] == {"string"} or kinds["request", "cookie", "session"] == {"digits"}
    assert kinds["request", "header", "x-tenant"] == {"string"}
    assert kinds["response", "json", "/email"] == {"email"}
    assert kinds["response", "json", "/address/zip"] == {"null"}
    assert digest.auth == {"bearer": 1}
    assert ("request", "header", "authorization") not in kinds


BODIES: dict[str, tuple[str, bytes, tuple[str, str], str]] = {
    "a form": ("application/x-www-form-urlencoded", b"age=30&city=Rome", ("form", "age"), "int32"),
    "a form of parts": (
        'multipart/form-data; boundary="b"',
        b'--b\r\nContent-Disposition: form-data; name="doc"; filename="a.txt"\r\n\r\nhello\r\n--b--\r\n',
        ("multipart", "doc"), "file",
    ),
    "XML": ("application/xml", b"<a xmlns='u'><b id='7'>2024-01-02</b></a>", ("xml", "/a/b"), "date"),
    "an attribute of XML": ("text/xml", b"<a><b id='7'>x</b></a>", ("xml", "/a/b/@id"), "int32"),
}  # fmt: skip


@pytest.mark.parametrize("case", BODIES.values(), ids=BODIES)
def test_bodies_of_every_form_are_read(case: tuple[str, bytes, tuple[str, str], str]) -> None:
    media, body, (location, name), kind = case
    (digest,) = observed(exchange("/a", "POST", body, {}, Content_Type=media))
    assert digest.parameters["request", location, name].kinds == {kind: 1}


def test_entities_of_xml_are_not_expanded() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'
    (digest,) = observed(exchange("/a", "POST", bomb, {}, Content_Type="application/xml"))
    assert not [key for key in digest.parameters if key[1] == "xml"]


OPERATIONS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a named query": ({"body": b'{"query": "query Me { me { id } }"}'}, "graphql", "query Me"),
    "a field": ({"body": b'{"query": "{ users(first: 3) { id } }"}'}, "graphql", "query users"),
    "a mutation by name": (
        {"body": b'{"operationName": "B", "query": "mutation A { a } mutation B { b }"}'}, "graphql", "mutation B",
    ),
    "SOAP": (
        {"body": b"<s:Envelope xmlns:s='u'><s:Body><m:GetPrice/></s:Body></s:Envelope>", "Content_Type": "text/xml"}, "soap", "GetPrice",
    ),
    "JSON-RPC": ({"body": b'{"jsonrpc": "2.0", "method": "sum", "params": [1], "id": 1}'}, "jsonrpc", "sum"),
    "MCP": (
        {"body": b'{"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "search", "arguments": {"q": "x"}}, "id": 1}'},
        "mcp", "tools/call search",
    ),
}  # fmt: skip


@pytest.mark.parametrize("is_searched", [False, True], ids=["not searched before", "searched before"])
@pytest.mark.parametrize("case", OPERATIONS.values(), ids=OPERATIONS)
def test_operations_behind_one_path_are_endpoints(case: tuple[dict[str, Any], str, str], is_searched: bool) -> None:
    given, kind, operation = case
    called = exchange("/endpoint", "POST", answer={"data": 1}, **({"Content_Type": "application/json"} | given))
    if is_searched and called.request is not None:
        Normalizer().normal_form(called.request)
    (digest,) = observed(called)
    assert (digest.kind, digest.operation) == (kind, operation)


def test_what_only_keeps_an_mcp_session_is_no_operation() -> None:
    ping = b'{"jsonrpc": "2.0", "method": "ping", "id": 1}'
    assert observed(exchange("/mcp", "POST", ping, {}, Content_Type="application/json")) == []


def test_parameters_are_read_of_a_sample_once_they_are_known() -> None:
    observer = Observer()
    for number in range(10_000):
        observer.observe(exchange(f"/api/users/{1000 + number}", answer=USER), False)
    assert observer.observed == 10_000
    assert 150 < observer.sampled < 400


def test_of_many_values_the_smallest_hashes_are_kept() -> None:
    (digest,) = observed(*(exchange(f"/a?q=text-{n}-{n}") for n in range(30)))
    found = digest.parameters["request", "query", "q"]
    assert found.hashes == set(sorted(value_hash(f"text-{n}-{n}") for n in range(30))[:HASHES])
    assert (found.count, found.kinds) == (30, {"string": 30})


def test_large_bodies_are_read_less_often() -> None:
    observer = Observer()
    answer = {"text": "x" * 15_000}
    for _ in range(200):
        observer.observe(exchange("/orders", answer=answer), False)
    before = observer.sampled
    for _ in range(10_000):
        observer.observe(exchange("/orders", answer=answer), False)
    assert 80 <= observer.sampled - before <= 83  # one in 122: 118 exchanges allow for one, at the next multiple of 61


def test_a_word_that_is_rare_stays_in_the_worker() -> None:
    (digest,) = observed(*(exchange("/a?sort=asc&who=ann") for _ in range(10)), exchange("/a?sort=desc"))
    assert digest.parameters["request", "query", "sort"].words == {"asc": 10}
    (digest,) = observed(
        *(exchange(f"/a?password=hunter{n}x") for n in range(3)), *(exchange("/a?password=Secret") for _ in range(9))
    )
    assert not digest.parameters["request", "query", "password"].words


@pytest.mark.slow
def test_paths_without_end_take_the_memory_of_the_endpoints_allowed() -> None:
    """Measured with a million: 2.2 MiB, 770 endpoints."""
    observer = Observer(2_000)
    tracemalloc.start()
    for number in range(200_000):
        word = "".join(chr(97 + number // 26**place % 26) for place in range(5))
        target = f"/x{word[:2]}/{word}/{word[::-1]}" if number % 2 else f"/{word}"
        observer.observe(exchange(target), False)
        if number % 50_000 == 0:
            observer.take()
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    print(f"{used / 2**20:.1f} MiB, {len(observer)} endpoints, {observer.refused} requests refused")
    assert len(observer) <= 2_000
    assert used < 40 * 2**20


@given(
    st.binary(max_size=80), st.binary(max_size=120), st.binary(max_size=200), st.sampled_from(MEDIA), st.sampled_from(MEDIA)
)
@settings(max_examples=300, deadline=None)
def test_no_bytes_make_it_raise(target: bytes, head: bytes, content: bytes, sent: bytes, answered: bytes) -> None:
    observer = Observer()
    for path in (b"/a", b"/" + target):
        asked = Request(
            b"POST " + path + b" HTTP/1.1\r\nContent-Type: " + sent + b"\r\n" + head, content, NOON, b"POST", path
        )
        told = Response(b"HTTP/1.1 200 X\r\nContent-Type: " + answered + b"\r\n\r\n" + head, content, NOON + 1, 200)
        observer.observe(Exchange(asked, told, b"\x0a\0\0\1", 1, b"\x0a\0\0\2", 2), False)
    for digest in observer.take():
        described(read_row(digest.row()))


def test_parameters_without_end_are_bounded_over_all_endpoints() -> None:
    observer = Observer()
    for number in range(600):
        names = "&".join(f"p{number}x{each}=1" for each in range(190))
        observer.observe(exchange(f"/{'abcdefghij'[number % 10]}{'klmnopqrst'[number // 10 % 10]}?{names}"), False)
    assert sum(len(digest.parameters) for digest in observer.take()) < 41_000
    observer.observe(exchange("/ak?again=1"), False)
    assert [len(digest.parameters) for digest in observer.take()] == [1]
