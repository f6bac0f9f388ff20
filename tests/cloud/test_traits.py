from __future__ import annotations

import orjson
import pytest

from tcpmirror.cloud.batch import parse_batch
from tcpmirror.cloud.traits import PER_KIND, joined, trait, traits_of
from tests.cloud.running import b64, report


def traits(head: str, body: bytes = b"", **changes: object) -> set[str]:
    raw = head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body
    sent = {"batch_id": "a", "reports": [report(1, request_b64=b64(raw), **changes)]}
    return set(traits_of(parse_batch(orjson.dumps(sent)).sound[0]))


PROTOCOLS = {
    "graphql by path": ("POST /v1/graphql HTTP/1.1", b"", "/v1/graphql?x", "graphql"),
    "graphql by type": ("POST /q HTTP/1.1\nContent-Type: application/graphql", b"", "/q", "graphql"),
    "grpc": ("POST /p.S/M HTTP/2\ncontent-type: application/grpc+proto", b"", "/p.S/M", "grpc"),
    "websocket": ("GET /ws HTTP/1.1\nUpgrade: WebSocket", b"", "/ws", "websocket"),
    "soap": ("POST /s HTTP/1.1\nContent-Type: text/xml", b"<soapenv:Envelope>", "/s", "soap"),
    "soap by its header": ("POST /s HTTP/1.1\nSOAPAction: x", b"", "/s", "soap"),
    "xml-rpc": ("POST /x HTTP/1.1\nContent-Type: text/xml", b"<methodCall>", "/x", "xml-rpc"),
    "json-rpc": ("POST /j HTTP/1.1\nContent-Type: application/json", b'{"jsonrpc":"2.0"}', "/j", "json-rpc"),
    "rest": ("POST /j HTTP/1.1\nContent-Type: application/json; charset=utf-8", b"{}", "/j", "rest"),
    "form": ("POST /f HTTP/1.1\nContent-Type: multipart/form-data; boundary=x", b"", "/f", "web-form"),
    "a page": ("GET / HTTP/1.1", b"", "/", ""),
}


@pytest.mark.parametrize(("head", "body", "uri", "protocol"), PROTOCOLS.values(), ids=PROTOCOLS.keys())
def test_api_protocol(head: str, body: bytes, uri: str, protocol: str) -> None:
    found = {one for one in traits(head, body, uri=uri) if one.startswith("proto:")}
    assert found == ({f"proto:{protocol}"} if protocol else set())


def test_webdav_is_told_by_its_methods() -> None:
    assert "proto:webdav" in traits("PROPFIND / HTTP/1.1", method="PROPFIND")


AUTHENTICATIONS = {
    "nothing": ("", {"none"}),
    "basic": ("Authorization: Basic YTpi", {"basic"}),
    "bearer": ("Authorization: Bearer abc", {"bearer"}),
    "token in three parts": ("Authorization: Bearer eyJhbGciOiJub25lIn0.e30.", {"bearer", "jwt"}),
    "own scheme": ("Authorization: Token abc", {"api-key"}),
    "aws": ("Authorization: AWS4-HMAC-SHA256 Credential=x", {"aws"}),
    "scram": ("Authorization: SCRAM-SHA-256 x", {"scram"}),
    "cookie and key": ("Cookie: sid=1\nX-API-Key: 2", {"cookie", "api-key"}),
    "cookie with a token": ("Cookie: t=eyJhbGciOiJub25lIn0.e30.x", {"cookie", "jwt"}),
}


@pytest.mark.parametrize(("line", "found"), AUTHENTICATIONS.values(), ids=AUTHENTICATIONS.keys())
def test_authentication(line: str, found: set[str]) -> None:
    assert {one[5:] for one in traits(f"GET / HTTP/1.1\n{line}") if one.startswith("auth:")} == found


def test_key_and_token_in_the_address() -> None:
    assert {"auth:api-key", "auth:oauth2"} <= traits("GET /?api_key=1&access_token=2 HTTP/1.1")


def test_hostile_value_stays_one_trait() -> None:
    assert trait("method", "G ET\n%") == "method:g%20et%0a%25"
    assert len(trait("method", "x" * 5000)) < 80


def test_an_attack_keeps_a_bounded_number_of_each_kind() -> None:
    known = joined("", (f"method:{number}" for number in range(100)))
    assert len(known.split()) == PER_KIND
    assert joined(known, ["method:late", "auth:none"]) == known + "auth:none "
    assert joined(known, known.split()) is known
