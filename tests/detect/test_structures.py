"""What patterns cannot tell: weak tokens, explosive entities, lying encodings, oversized GraphQL."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from tcpmirror.detect.detector import Detector
from tcpmirror.detect.entities import expanded_bytes
from tcpmirror.detect.graphql import shape
from tests.detect.requests import request


def token(header: dict[str, str], secret: bytes = b"", payload: bytes = b'{"sub":"17","name":"ann"}') -> bytes:
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (json.dumps(header).encode(), payload))
    signature = hmac.digest(secret, signed, hashlib.sha256) if secret else b""
    return signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")


TOKENS = {
    "unsigned": (token({"alg": "none"}), True),
    "unsigned, other case": (token({"alg": "nOnE"}), True),
    "signature left out": (token({"alg": "HS256"}), True),
    "secret of every tutorial": (token({"alg": "HS256"}, b"secret"), True),
    "own secret": (token({"alg": "HS256"}, b"9f8a-not-guessable-31"), False),
    "asymmetric": (token({"alg": "RS256"}, b"x"), False),
    "cut": (token({"alg": "HS256"})[:40], False),
}


@pytest.mark.parametrize(("value", "is_weak"), TOKENS.values(), ids=TOKENS)
@pytest.mark.parametrize("header", [b"Authorization: Bearer %s", b"Cookie: t=%s", b"X-Token: %s"])
def test_weak_tokens(detector: Detector, header: bytes, value: bytes, is_weak: bool) -> None:
    for _ in range(2):
        found = detector.inspect(request(b"GET", b"/me", header % value + b"\r\n"))
        assert ("weak_auth" in {finding.type for finding in found}) is is_weak


def laughs(levels: int, times: int) -> bytes:
    lines = [b'<!ENTITY a0 "lol">']
    lines += [b'<!ENTITY a%d "%s">' % (n + 1, b"&a%d;" % n * times) for n in range(levels)]
    return b"<!DOCTYPE l [" + b"".join(lines) + b"]>"


def test_expansion_is_computed_without_expanding() -> None:
    dtd = laughs(9, 10)
    assert expanded_bytes(dtd, dtd + b"<l>&a9;</l>") >= 3 * 10**9
    assert expanded_bytes(dtd, dtd + b"<l>&a0;</l>") == 3


@pytest.mark.parametrize(("levels", "times", "is_bomb"), [(9, 10, True), (1, 2, False)])
def test_explosive_entities_are_a_data_bomb(detector: Detector, levels: int, times: int, is_bomb: bool) -> None:
    body = b'<?xml version="1.0"?>' + laughs(levels, times) + b"<l>&a%d;</l>" % levels
    found = detector.inspect(request(b"POST", b"/", b"Content-Type: text/xml\r\n", body))
    assert ("data_bomb" in {finding.type for finding in found}) is is_bomb


ENCODINGS = {
    "UTF-16 said to be Latin-1": ('<?xml version="1.0" encoding="ISO-8859-1"?><r/>'.encode("utf-16"), True),
    "UTF-7": (b'<?xml version="1.0" encoding="UTF-7"?><r/>', True),
    "UTF-8": (b'<?xml version="1.0" encoding="UTF-8"?><r/>', False),
    "honest UTF-16": ('<?xml version="1.0" encoding="UTF-16"?><r/>'.encode("utf-16"), False),
    "none declared": (b'<?xml version="1.0"?><r/>', False),
}


@pytest.mark.parametrize(("body", "is_invalid"), ENCODINGS.values(), ids=ENCODINGS)
def test_lying_encodings_are_invalid_xml(detector: Detector, body: bytes, is_invalid: bool) -> None:
    found = detector.inspect(request(b"POST", b"/", b"Content-Type: text/xml\r\n", body))
    assert ("invalid_xml" in {finding.type for finding in found}) is is_invalid


def test_the_shape_of_a_document_leaves_strings_and_arguments_out() -> None:
    assert shape(b'{ a(b: "{{{", c: {d: 1}) { x: y # {{{\n } }') == (2, 1, 1)
    assert shape(b"{a{b{a{b{a{b}}}}}}")[:2] == (6, 3)


DOCUMENTS = {
    "deep": (b"{a" + b"".join(b"{f%d" % n for n in range(30)) + b"}" * 31, "gql_depth"),
    "circular": (b"{" + b"posts{author{" * 6 + b"name" + b"}" * 13, "gql_depth"),
    "aliases": (b"{" + b" ".join(b"a%d:login(p:1){t}" % n for n in range(40)) + b"}", "gql_aliases"),
    "directives": (b"{a " + b"@x" * 60 + b"}", "gql_aliases"),
    "introspection": (b"{__schema{types{name}}}", "gql_introspection"),
    "honest": (b"query Q($id: ID!) { user(id: $id) { name posts { title author { name } } } }", ""),
}


@pytest.mark.parametrize(("document", "kind"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_oversized_documents(detector: Detector, document: bytes, kind: str) -> None:
    body = json.dumps({"query": document.decode()}).encode()
    found = {finding.type for finding in detector.inspect(request(b"POST", b"/graphql", b"", body))}
    assert found == ({kind} if kind else set())


def test_batches_are_counted(detector: Detector) -> None:
    def types(count: int) -> set[str]:
        body = json.dumps([{"query": "{ a { b } }"}] * count).encode()
        return {finding.type for finding in detector.inspect(request(b"POST", b"/graphql", b"", body))}

    assert types(40) == {"gql_docs_per_batch"}
    assert types(5) == set()


def test_batches_of_guesses_are_told(detector: Detector) -> None:
    def types(*secrets: str) -> set[str]:
        body = json.dumps(
            [{"query": f'mutation {{ login(name: "ann", password: "{one}") {{ token }} }}'} for one in secrets]
        )
        checked = request(b"POST", b"/graphql", b"", body.encode())
        found = {finding.type for finding in detector.inspect(checked)}
        assert detector.is_suspect(checked.request) or not found
        return found

    assert types("a", "b", "c", "d", "e") == {"gql_docs_per_batch"}
    assert types("a", "b", "c", "d") == set()
    assert types(*"aaaaa") == set()
