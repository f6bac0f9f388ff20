"""Responses that browsers read although no RFC allows them: the body they get is the body that is told."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.protocols.disfigured import mended
from tests.protocols.transcript import CUTS, Flow, names

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"

# id -> (response bytes, status, body, an anomaly)
READ: dict[str, tuple[bytes, int, bytes, str]] = {
    "a bare CR between headers": (b"HTTP/1.1 200 ok\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n" + CHUNKED, 200, b"hello", "bare_cr"),
    "a bare CR after the status": (b"HTTP/1.1 200\rTransfer-Encoding:chunked\r\nX: y\r\n\r\n" + CHUNKED, 200, b"hello", "bare_cr"),
    "bare CRs throughout": (b"HTTP/1.1 200 ok\rX: y\rTransfer-Encoding: chunked\r\n\r\n" + CHUNKED, 200, b"hello", "bare_cr"),
    "a bare CR before a value": (
        b"HTTP/1.1 200 ok\r\nContent-Encoding:\r gzip\r\n\r\n" + gzip.compress(b"hello"), 200, b"hello", "bare_cr"
    ),
    "no status": (b"HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", 0, b"hello", "bad_start_line"),
    "no status and a bare CR": (b"HTTP/1.1\rTransfer-Encoding:chunked\r\nX: y\r\n\r\n" + CHUNKED, 0, b"hello", "bad_start_line"),
    "a word for a version": (b"HTTP/1.1foo\rTransfer-Encoding:chunked\r\nX: y\r\n\r\n" + CHUNKED, 0, b"hello", "bare_cr"),
    "two digits": (b"HTTP/1.1 20 ok\r\nContent-Length: 5\r\n\r\nhello", 20, b"hello", "bad_start_line"),
    "two digits and a letter": (b"HTTP/1.1 20x ok\r\nContent-Length: 5\r\n\r\nhello", 20, b"hello", "bad_start_line"),
    "four digits": (b"HTTP/1.1 2040 ok\r\nContent-Length: 5\r\n\r\nhello", 2040, b"hello", "bad_start_line"),
    "NULs for spaces": (b"HTTP/1.1\x00200\0ok\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED, 200, b"hello", "nul_in_head"),
    "a NUL in the version": (b"HTTP/1\x00.1 200 ok\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", "nul_in_head"),
    "NULs in a header": (b"HTTP/1.1 200 ok\r\nTransfer\0-Encoding: chun\0ked\r\n\r\n" + CHUNKED, 200, b"hello", "nul_in_head"),
    "a NUL in a coding's name": (
        b"HTTP/1.1 200 ok\r\nContent\0-Encoding: deflate\r\n\r\n" + zlib.compress(b"hello"), 200, b"hello", "nul_in_head"
    ),
    "framing in a folded line": (
        b"HTTP/1.1 200 ok\r\nX: y\r\n\tTransfer-Encoding: chunked\r\nZ: z\r\n\r\n" + CHUNKED, 200, b"hello", "obs_fold"
    ),
    "a length of two words": (b"HTTP/1.1 200 ok\r\nContent-Length: 3\r\n 5\r\n\r\nhello", 200, b"hello", "bad_length"),
    "a list of one length": (b"HTTP/1.1 200 ok\r\nContent-Length: 5 , 5\r\n\r\nhello", 200, b"hello", ""),
    "framing that the body denies": (
        b"HTTP/1.1 200 ok\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n<html>", 200, b"<html>", "bare_cr"
    ),
    "three codings": (
        b"HTTP/1.1 200 ok\r\nContent-Encoding: deflate, gzip\r\nContent-Encoding: deflate\r\n\r\n"
        + zlib.compress(gzip.compress(zlib.compress(b"hello"))),
        200,
        b"hello",
        "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize(("response", "status", "body", "anomaly"), READ.values(), ids=READ)
def test_the_body_is_the_one_browsers_get(response, status, body, anomaly, cut):
    (exchange,) = Flow(cut=cut).client(GET).server(response).end().exchanges
    assert (exchange.response.status, exchange.response.body) == (status, body)
    assert exchange.response.head == response[: response.index(b"\r\n\r\n") + 4]
    assert not anomaly or anomaly in names(exchange)


def test_a_server_of_another_protocol_is_no_response():
    flow = Flow().client(GET).server(b"HTTP-ish 2 greeting\r\n\r\nHTTPS/7\r\n\r\n").end()
    assert flow.factory.responses == 0


def test_requests_are_not_mended():
    (exchange,) = Flow().client(b"POST /a HTTP/1.1\r\nX: y\rContent-Length: 2\r\n\r\n").server(
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    ).exchanges  # fmt: skip
    assert exchange.request.header(b"content-length") is None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([b"\r", b"\n", b"\0", b" ", b"a:", b"x", b"Content-Length: 1"]), max_size=12).map(b"".join))
def test_mending_is_settled_after_once(head):
    assert mended(mended(head)) == mended(head)
