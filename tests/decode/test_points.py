"""The points of a request: every part, every notation, within the budgets."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.decode.points import Decoded, request_points, response_points
from tcpmirror.model.anomaly import Anomaly
from tcpmirror.model.exchange import Request, Response
from tcpmirror.model.point import point_text
from tcpmirror.settings.tree import Limits

LIMITS = Limits()


def decoded(target: bytes = b"/", headers: bytes = b"", body: bytes = b"", limits: Limits = LIMITS) -> Decoded:
    head = b"POST " + target + b" HTTP/1.1\r\nHost: a.example\r\n" + headers + b"\r\n"
    return request_points(Request(head, body, 0, b"POST", target), limits)


def values(result: Decoded) -> dict[str, bytes]:
    return {point_text(point.path): point.value for point in result.points}


MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\none\r\n'
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="x.txt"\r\nContent-Type: text/plain\r\n\r\ntext of it\r\n--b--\r\n'
)
PLACES = {
    "path and file name": (b"/a/b%20c/x.tar.gz", b"", b"", {"[path][0]": b"a", "[path][1]": b"b%20c", "[path][1][percent]": b"b c",
        "[action_name]": b"x", "[action_ext]": b"gz", "[uri]": b"/a/b%20c/x.tar.gz"}),
    "query": (b"/?q=a+b&n", b"", b"", {"[get][q]": b"a b", "[get_name]": b"n"}),
    "repeated parameter": (b"/?a=1&a=2", b"", b"", {"[get][a][array][0]": b"1", "[get][a][array][1]": b"2", "[get][a][pollution]": b"1,2"}),
    "hash and array names": (b"/?u[$ne]=1&t[]=2", b"", b"", {"[get][u][hash][$ne]": b"1", "[get][t][array]": b"2"}),
    "double percent": (b"/?a=%2527", b"", b"", {"[get][a]": b"%27", "[get][a][percent]": b"'"}),
    "header": (b"/", b"X-A: b c\r\n", b"", {"[header][X-A]": b"b c"}),
    "cookie": (b"/", b"Cookie: s=1; t=%3C\r\n", b"", {"[header][COOKIE][cookie][s]": b"1", "[header][COOKIE][cookie][t][percent]": b"<"}),
    "Referer's parameters": (b"/", b"Referer: http://a/?q=%3C\r\n", b"", {"[header][REFERER][url][q]": b"<"}),
    "around a Referer's parameters": (b"/", b"Referer: http://a/%3C?q=%3Cb#%3E\r\n", b"", {"[header][REFERER][url][q]": b"<b",
        "[header][REFERER][percent]": b"http://a/<#>"}),
    "JSON": (b"/", b"", b'{"a":[1,{"b":"\\u003c"}],"b c":null}', {"[post][json_doc][hash][a][array][0]": b"1",
        "[post][json_doc][hash][a][array][1][hash][b]": b"<", "[post][json_doc][hash_name]": b"b c"}),
    "JSON in a string": (b"/", b"", b'{"a":"{\\"b\\":\\"c d\\"}"}', {"[post][json_doc][hash][a][json_doc][hash][b]": b"c d"}),
    "broken JSON": (b"/", b"", b'{"a": "b c", }', {"[post]": b'{"a": "b c", }', "[post][json_doc][array]": b"b c"}),
    "gzip that no header names": (b"/", b"", gzip.compress(b"some a<b text", mtime=0), {"[post][gzip]": b"some a<b text"}),
    "form without a type": (b"/", b"", b"a=1&b=%3C", {"[post][form_urlencoded][b]": b"<"}),
    "XML": (b"/", b"", b'<?xml version="1.0"?><a b="c d"><!--e--><f>g &lt;</f></a>', {"[post][xml][xml_tag][a][xml_attr][b]": b"c d",
        "[post][xml][xml_tag][a][xml_comment]": b"e", "[post][xml][xml_tag][a][xml_tag][f]": b"g <", "[post][xml][xml_pi]": b'xml version="1.0"'}),
    "DTD": (b"/", b"", b'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///y">]><r>&x;</r>', {"[post][xml][xml_dtd_entity]": b'SYSTEM "file:///y"'}),
    "multipart": (b"/", b"Content-Type: multipart/form-data; boundary=b\r\n", MULTIPART, {"[post][multipart][a]": b"one",
        "[post][multipart][f][filename]": b"x.txt", "[post][multipart][f][file]": b"text of it"}),
    "multipart without a type": (b"/", b"", MULTIPART, {"[post][multipart][a]": b"one"}),
    "JWT": (b"/", b"Authorization: Bearer eyJhbGciOiJub25lIn0.eyJ1IjoiYSBiIn0.\r\n", b"",
        {"[header][AUTHORIZATION][jwt][jwt_header][base64][json_doc][hash][alg]": b"none",
         "[header][AUTHORIZATION][jwt][jwt_payload][base64][json_doc][hash][u]": b"a b"}),
    "GraphQL argument": (b"/", b"", b'{"query":"{a(b:\\"c d\\"){e}}"}', {"[post][json_doc][hash][query][gql_query][gql_arg][0]": b"c d"}),
    "UTF-16": (b"/", b"", '{"a":"b c"}'.encode("utf-16"), {"[post][json_doc][hash][a]": b"b c"}),
    "UTF-16 without a mark": (b"/", b"", "a plain text".encode("utf-16-le"), {"[post]": b"a plain text"}),
    "hexadecimal": (b"/?a=2f6574632f70617373", b"", b"", {"[get][a][hex]": b"/etc/pass"}),
    "gzip in base64": (b"/?a=" + base64.urlsafe_b64encode(gzip.compress(b"hidden text", mtime=0)).rstrip(b"="), b"", b"",
        {"[get][a][base64][gzip]": b"hidden text"}),
}  # fmt: skip


@pytest.mark.parametrize(("target", "headers", "body", "expected"), PLACES.values(), ids=PLACES)
def test_points_of(target: bytes, headers: bytes, body: bytes, expected: dict[str, bytes]) -> None:
    found = decoded(target, headers, body)
    pairs = {(point_text(point.path), point.value) for point in found.points}
    for path, value in expected.items():
        assert any(p.startswith(path) and v == value for p, v in pairs), (path, sorted(pairs))


def test_nested_encodings_end_at_the_depth_limit() -> None:
    value = b"<'>"
    for _ in range(12):
        value = b"".join(b"%%%02x" % byte for byte in value) if len(value) < 200 else value.replace(b"%", b"%25")
    result = decoded(b"/?a=" + value)
    assert result.anomalies >> Anomaly.DECODE_DEPTH_LIMIT & 1


def test_the_number_of_points_is_bounded_and_noted() -> None:
    result = decoded(
        b"/?" + b"&".join(b"a%d=b c" % index for index in range(500)), limits=dataclasses.replace(LIMITS, decode_points=100)
    )
    assert len(result.points) == 100
    assert result.anomalies >> Anomaly.DECODE_COUNT_LIMIT & 1


def test_the_decoded_bytes_are_bounded_and_noted() -> None:
    bomb = base64.urlsafe_b64encode(gzip.compress(b"a b " * 1_000_000))
    result = decoded(b"/?a=" + bomb, limits=dataclasses.replace(LIMITS, decode_bytes=100_000))
    assert result.anomalies >> Anomaly.DECODE_BYTES_LIMIT & 1
    assert sum(len(point.value) for point in result.points) <= 100_000


HOSTILE = {
    "open brackets": b"[" * 200_000,
    "open tags": b"<a>" * 100_000,
    "tags without an end": b"<a " * 100_000,
    "comments without an end": b"<!--" * 50_000,
    "quotes": b'{"' * 100_000,
    "boundaries": b"--b\r\n" * 50_000,
    "entities": b"<!DOCTYPE a [" + b"<!ENTITY a 'b'>" * 20_000 + b"]>",
    "doctypes": b"<!DOCTYPE [" * 20_000,
    "ampersands": b"a=1&" * 50_000,
    "backslashes": b'{"a":"' + b"\\" * 200_000,
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bodies_cost_no_more_than_their_size(body: bytes) -> None:
    started = time.process_time()
    decoded(b"/", b"", body)
    assert time.process_time() - started < 1.5


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=300))
def test_no_bytes_make_it_fail(target: bytes, body: bytes) -> None:
    decoded(target, b"Cookie: " + target.replace(b"\n", b"") + b"\r\n", body)


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_every_string_of_a_json_document_is_a_point(document: object) -> None:
    def strings(value: object) -> list[str]:
        if isinstance(value, str):
            return [value] if value else []
        if isinstance(value, dict):
            return [text for member in value.values() for text in strings(member)]
        return [text for member in value for text in strings(member)] if isinstance(value, list) else []

    found = {point.value for point in decoded(b"/", b"", json.dumps([document]).encode()).points}
    for text in strings(document):
        if text[:1] not in "{[":
            assert text.encode("utf-8", "surrogatepass") in found


def test_a_response_gives_status_headers_and_the_start_of_its_body() -> None:
    response = Response(b"HTTP/1.1 404 Not Found\r\nServer: x\r\n\r\n", b"a" * 100_000, 0, 404)
    found = values(response_points(response, LIMITS))
    assert found["[response_status]"] == b"404"
    assert found["[response_header][SERVER]"] == b"x"
    assert len(found["[response_body]"]) == 65536
