"""Where servers in a row may see the end of a request in different places, it says so; where they agree, however oddly, not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.model.disagreement import Disagreement
from tcpmirror.protocols.readings import WIRE_LIMIT, Readings
from tests.protocols.transcript import CUTS, FIN, Flow, names

HIDDEN = b"GET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
TAIL = b"0\r\n\r\n"


def post(*lines: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    return b"\r\n".join([b"POST /form " + version, b"Host: shop.example", *lines, b"", b""])


def chunked(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content) + TAIL


CL_TE = b"Content-Length: %d" % len(TAIL + HIDDEN)
CHUNKED = chunked(HIDDEN)
IN_EXTENSION = b"%x\r\n%b\r\n0\r\n\r\n" % (len(TAIL + HIDDEN), TAIL + HIDDEN)

# id -> bytes of the client, name of the disagreement, first line of the request between the two ends, anomalies named
AMBIGUOUS: dict[str, tuple[bytes, str, str | None, set[str]]] = {
    "length in front, chunks behind": (
        post(CL_TE, b"Transfer-Encoding: chunked") + TAIL + HIDDEN,
        "CL.TE",
        "GET /admin HTTP/1.1",
        {"length_and_chunked"},
    ),
    "one byte hidden": (
        post(b"Content-Length: 6", b"Transfer-Encoding: chunked") + TAIL + b"G",
        "CL.TE",
        None,
        {"length_and_chunked"},
    ),
    "chunks in front, length behind": (
        post(b"Content-Length: 4", b"Transfer-Encoding: chunked") + CHUNKED,
        "TE.CL",
        "GET /admin HTTP/1.1",
        {"length_and_chunked"},
    ),
    "two lengths": (
        post(b"Content-Length: 4", b"Content-Length: %d" % (4 + len(HIDDEN))) + b"a=12" + HIDDEN,
        "CL.CL",
        "GET /admin HTTP/1.1",
        {"conflicting_length"},
    ),
    "two lengths in one header": (
        post(b"Content-Length: 4, %d" % (4 + len(HIDDEN))) + b"a=12" + HIDDEN,
        "CL.CL",
        "GET /admin HTTP/1.1",
        {"conflicting_length"},
    ),
    "blank before the colon of the coding": (
        post(CL_TE, b"Transfer-Encoding : chunked") + TAIL + HIDDEN,
        "CL.TE",
        "GET /admin HTTP/1.1",
        {"bad_header", "hidden_framing"},
    ),
    "coding after a fold": (
        post(CL_TE, b"Transfer-Encoding:\r\n chunked") + TAIL + HIDDEN,
        "CL.TE",
        "GET /admin HTTP/1.1",
        {"obs_fold", "hidden_framing"},
    ),
    "coding inside a fold": (
        post(b"X: y\r\n Transfer-Encoding: chunked", b"Content-Length: 4") + CHUNKED,
        "TE.CL",
        "GET /admin HTTP/1.1",
        {"obs_fold"},
    ),
    "xchunked": (
        post(b"Content-Length: 4", b"Transfer-Encoding: xchunked") + CHUNKED,
        "TE.CL",
        "GET /admin HTTP/1.1",
        {"unknown_coding"},
    ),
    "vertical tab before chunked": (
        post(b"Content-Length: 4", b"Transfer-Encoding: \x0bchunked") + CHUNKED,
        "TE.CL",
        "GET /admin HTTP/1.1",
        {"unknown_coding"},
    ),
    "chunked in quotes": (
        post(b"Content-Length: 4", b'Transfer-Encoding: "chunked"') + CHUNKED,
        "TE.CL",
        "GET /admin HTTP/1.1",
        {"unknown_coding"},
    ),
    "another coding after chunked": (
        post(b"Content-Length: 4", b"Transfer-Encoding: chunked", b"Transfer-Encoding: cow") + CHUNKED,
        "TE.CL",
        "GET /admin HTTP/1.1",
        {"unknown_coding", "length_and_chunked"},
    ),
    "coding with an underscore": (
        post(b"Content-Length: 4", b"Transfer_Encoding: chunked") + CHUNKED,
        "TE.CL",
        "GET /admin HTTP/1.1",
        {"hidden_framing"},
    ),
    "coding behind a bare CR": (
        post(b"X: y\rTransfer-Encoding: chunked", b"Content-Length: 4") + CHUNKED,
        "TE.CL",
        "GET /admin HTTP/1.1",
        {"bare_cr"},
    ),
    "coding behind a bare LF": (
        post(b"X: y\nTransfer-Encoding: chunked", b"Content-Length: 4") + CHUNKED,
        "TE.CL",
        "GET /admin HTTP/1.1",
        {"bare_lf"},
    ),
    "coding behind a NUL": (
        post(b"\0Transfer-Encoding: chunked", b"Content-Length: 4") + CHUNKED,
        "TE.CL",
        "GET /admin HTTP/1.1",
        {"nul_in_head", "bad_header"},
    ),
    "length with a plus sign": (
        post(b"Content-Length: +%d" % len(HIDDEN)) + HIDDEN,
        "CL.0",
        "GET /admin HTTP/1.1",
        {"bad_length"},
    ),
    "length in hexadecimal": (
        post(b"Content-Length: 0x%x" % len(HIDDEN)) + HIDDEN,
        "CL.0",
        "GET /admin HTTP/1.1",
        {"bad_length"},
    ),
    "length with a blank before the colon": (
        post(b"Content-Length : %d" % len(HIDDEN)) + HIDDEN,
        "CL.0",
        "GET /admin HTTP/1.1",
        {"hidden_framing"},
    ),
    "chunked for HTTP/1.0": (
        post(b"Transfer-Encoding: chunked", version=b"HTTP/1.0") + CHUNKED,
        "TE.0",
        "GET /admin HTTP/1.1",
        {"old_chunked"},
    ),
    "line end inside a chunk extension": (
        post(b"Transfer-Encoding: chunked") + b"2;\nxx\r\n" + IN_EXTENSION,
        "TE.TE",
        "GET /admin HTTP/1.1",
        {"chunk_extension", "bare_lf"},
    ),
    "0x before a chunk size": (
        post(b"Transfer-Encoding: chunked") + b"0x3\r\n\r\n\r\r\n" + TAIL,
        "TE.TE",
        None,
        {"bad_chunk"},
    ),
}
HARMLESS: dict[str, bytes] = {
    "plain length": post(b"Content-Length: 4") + b"a=12",
    "the same length twice": post(b"Content-Length: 4", b"Content-Length: 4") + b"a=12",
    "the same length twice in one header": post(b"Content-Length: 4, 4") + b"a=12",
    "leading zeros": post(b"Content-Length: 0004") + b"a=12",
    "chunks": post(b"Transfer-Encoding: chunked") + chunked(b"a=12"),
    "chunks in capitals": post(b"Transfer-Encoding: Chunked") + chunked(b"a=12"),
    "a coding before chunked": post(b"Transfer-Encoding: gzip, chunked") + chunked(b"a=12"),
    "identity before chunked": post(b"Transfer-Encoding: identity, chunked") + chunked(b"a=12"),
    "chunk extension": post(b"Transfer-Encoding: chunked") + b"4;name=value\r\na=12\r\n" + TAIL,
    "chunks with bare line feeds": post(b"Transfer-Encoding: chunked") + b"4\na=12\n10\n0123456789abcdef\n0\n\n",
    "length of the chunks as sent": post(b"Transfer-Encoding: chunked", b"Content-Length: 14") + chunked(b"a=12"),
    "no content by either": post(b"Transfer-Encoding: chunked", b"Content-Length: 0") + TAIL,
    "chunked for HTTP/1.0": post(b"Transfer-Encoding: chunked", version=b"HTTP/1.0") + chunked(b"a=12"),
    "bare line feeds": b"POST / HTTP/1.1\nHost: a\nContent-Length: 4\n\na=12",
    "folded header": post(b"X: a\r\n b", b"Content-Length: 4") + b"a=12",
    "negative length": post(b"Content-Length: -1"),
    "length too large for any counter": post(b"Content-Length: 99999999999999999999999999"),
    "no length at all": post(b"Content-Length:"),
    "two requests": post(b"Content-Length: 4", b"Content-Length: 4") + b"a=12" + HIDDEN,
}


def first(client: bytes, cut: str = "whole") -> tuple[Disagreement | None, set[str]]:
    flow = Flow(cut=CUTS[cut]).client(client).server(OK).end(FIN)
    request = flow.exchanges[0].request
    assert request is not None
    return request.disagreement, names(flow.exchanges[0])


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("case", AMBIGUOUS)
def test_a_request_with_two_ends_names_both(case: str, cut: str) -> None:
    client, name, smuggled, anomalies = AMBIGUOUS[case]
    found, seen = first(client, cut)
    assert found is not None
    assert (found.name, found.smuggled) == (name, smuggled)
    assert seen >= anomalies | {"framing_conflict"}
    (_, further), (_, nearer) = found.readings
    assert nearer is not None
    assert further is None or further > nearer


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("case", HARMLESS)
def test_an_oddity_that_moves_no_end_is_no_disagreement(case: str, cut: str) -> None:
    found, seen = first(HARMLESS[case], cut)
    assert found is None
    assert "framing_conflict" not in seen


def test_equal_lengths_are_named_all_the_same() -> None:
    assert "repeated_length" in first(HARMLESS["the same length twice"])[1]


def test_both_ends_are_told_in_words() -> None:
    found, _ = first(AMBIGUOUS["length in front, chunks behind"][0])
    assert found is not None
    assert found.text == (
        "Content-Length 45: body of 45 bytes; Transfer-Encoding chunked: body of 5 bytes; then 'GET /admin HTTP/1.1'"
    )


def test_lost_bytes_prove_nothing() -> None:
    client = post(CL_TE, b"Transfer-Encoding: chunked")
    flow = Flow().client(client + b"5\r\nab").lose(0, 2).client(b"c\r\n" + TAIL).server(OK).end(FIN)
    assert flow.exchanges[0].request.disagreement is None


@given(st.binary(max_size=200), st.binary(max_size=2 * WIRE_LIMIT), st.integers(0, 500), st.booleans(), st.booleans())
def test_no_bytes_raise(fields: bytes, wire: bytes, taken: int, is_chunked: bool, is_whole: bool) -> None:
    lines = b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"
    readings = Readings(b"POST / HTTP/1.1\r\n" + lines + fields + b"\r\n\r\n", is_chunked)
    readings.see(wire)
    found = readings.disagreement(taken, is_whole)
    assert found is None or found.text
