"""Every attack type that needs no configuration, from captured packets to a finding of that type."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tcpmirror.model.attack import ATTACK_TYPES, SPECIFICATION_TYPES
from tests.processes.test_analysis import analyse
from tests.traffic import EPOCH, conversation, request, response, write_capture

# Types of what takes more than one exchange.
OVER_TIME = {
    "brute", "dirbust", "bola", "api_abuse", "multiple_payloads", "credential_stuffing", "account_takeover",
    "security_crawlers", "scraping", "file_upload_violation", "resource_consumption", "enum",
    "gql_doc_size", "gql_value_size", "gql_debug",
}  # fmt: skip
XML = {"Content_Type": "text/xml"}
JSON = {"Content_Type": "application/json"}
LAUGHS = (
    '<!DOCTYPE l [<!ENTITY a0 "lol">' + "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9)) + "]><l>&a9;</l>"
)


def query(value: str) -> bytes:
    return request(f"/t?q={quote(value, safe='')}")


def nested(levels: int) -> str:
    return "{a" + "".join(f"{{f{n}" for n in range(levels)) + "}" * (levels + 1)


# type -> (the request, the body of the answer); each type stands once, at an address of its own
TYPES = {
    "sqli": (query("1' UNION SELECT null,password FROM users-- -"), b"ok"),
    "nosqli": (query("' || this.password.match(/.*/)//"), b"ok"),
    "rce": (query("127.0.0.1; cat /etc/hosts"), b"ok"),
    "ssi": (query('<!--#exec cmd="id" -->'), b"ok"),
    "ssti": (query("{{7*7}}"), b"ok"),
    "ldapi": (query("*)(uid=*))(|(uid=*"), b"ok"),
    "mail_injection": (query("a@b.example\r\nBcc: c@d.example"), b"ok"),
    "ssrf": (query("http://169.254.169.254/latest/meta-data/"), b"ok"),
    "ptrav": (query("../../../etc/passwd"), b"ok"),
    "xxe": (request("/t", "POST", b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///x">]><r>&x;</r>', **XML), b"ok"),
    "scanner": (request("/t", User_Agent="sqlmap/1.7.2#stable (https://sqlmap.org)"), b"ok"),
    "xss": (query("<script>alert(document.cookie)</script>"), b"ok"),
    "redir": (request("/login?next=%2F%2Fevil.example.net%2Fx"), b"ok"),
    "crlf": (query("x\r\nSet-Cookie: a=b"), b"ok"),
    "mass_assignment": (request("/users", "POST", b'{"name":"ann","is_admin":true,"role":"admin"}', **JSON), b"ok"),
    "data_bomb": (request("/t", "POST", LAUGHS.encode(), **XML), b"ok"),
    "invalid_xml": (request("/t", "POST", '<?xml version="1.0" encoding="ISO-8859-1"?><r/>'.encode("utf-16"), **XML), b"ok"),
    "overlimit_res": (request("/t?q=%25" + "25" * 40 + "3Cscript"), b"ok"),
    "infoleak": (request("/t"), b"Traceback (most recent call last):\n  File \"/srv/a.py\", line 3, in run\nKeyError: 1\n"),
    "gql_depth": (request("/graphql", "POST", json.dumps({"query": nested(30)}).encode(), **JSON), b"{}"),
    "gql_aliases": (
        request(
            "/graphql", "POST", json.dumps({"query": "{" + " ".join(f"a{n}:login(p:1){{t}}" for n in range(40)) + "}"}).encode(), **JSON
        ),
        b"{}",
    ),
    "gql_docs_per_batch": (request("/graphql", "POST", json.dumps([{"query": "{ a { b } }"}] * 40).encode(), **JSON), b"{}"),
    "gql_introspection": (request("/graphql", "POST", b'{"query":"{__schema{types{name}}}"}', **JSON), b"{}"),
    "weak_auth": (
        request("/t", Authorization="Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxNyIsIm5hbWUiOiJhbm4ifQ."), b"ok"
    ),
    "request_smuggling": (
        b"POST /t HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 35\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        b"GET /admin HTTP/1.1\r\nHost: b\r\n\r\n",
        b"ok",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[int, set[str]]:
    """The types found, by the client's port."""
    talks = [
        conversation([(0, sent), (1, response(answer))], port=40_000 + at, start=EPOCH + at / 10)
        for at, (sent, answer) in enumerate(TYPES.values())
    ]
    path = write_capture(Path(tmp_path_factory.mktemp("types")) / "types.pcap", *talks)
    types: dict[int, set[str]] = {}
    for line in analyse(path)[2]:
        types.setdefault(int(line["client"].rpartition(":")[2]), set()).add(line["type"])
    return types


@pytest.mark.parametrize("kind", TYPES)
def test_each_type_goes_from_packets_to_a_finding(found: dict[int, set[str]], kind: str) -> None:
    assert kind in found.get(40_000 + list(TYPES).index(kind), set())


def test_every_type_has_its_row_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "detection.md").read_text()
    assert set(TYPES) == set(ATTACK_TYPES) - {"vpatch"} - SPECIFICATION_TYPES - OVER_TIME
    assert [kind for kind in TYPES if f"\n| `{kind}` |" not in page] == []
