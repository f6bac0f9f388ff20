"""The bench's client: it knows when a response is whole, however its bytes are cut."""

from __future__ import annotations

import itertools
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.client import Answer, Connection, Request

RESPONSE = b'HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 13\r\nX: y\r\n\r\n{"id":4711}\r\n'


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"


@given(st.sampled_from([RESPONSE, CHUNKED]), st.lists(st.integers(1, 100)))
def test_any_cut_of_a_response_gives_its_status_at_the_last_byte(response: bytes, cuts: list[int]) -> None:
    answer = Answer()
    edges = sorted({0, *(cut for cut in cuts if cut < len(response)), len(response)})
    parts = [response[start:end] for start, end in itertools.pairwise(edges)]
    assert [answer.feed(part) for part in parts] == [0] * (len(parts) - 1) + [200]


def test_two_responses_one_after_the_other_are_two() -> None:
    answer = Answer()
    assert [answer.feed(RESPONSE), answer.feed(RESPONSE.replace(b"200", b"404"))] == [200, 404]


WRONG = {
    "bytes after the body": RESPONSE + b"x",
    "no length": b"HTTP/1.1 200 OK\r\n\r\n",
    "length that is no number": b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_measured_is_refused(case: str) -> None:
    with pytest.raises(ValueError):
        Answer().feed(WRONG[case])


def test_wrong_status_and_early_end_are_refused() -> None:
    for sent, complaint in ((RESPONSE, "status 200 instead of 404"), (b"", "closed the connection")):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            connection = Connection(ours, iter([Request(b"GET / HTTP/1.1\r\n\r\n", 404)]))
            assert connection.send_next()
            theirs.sendall(sent)
            theirs.shutdown(socket.SHUT_WR)
            with pytest.raises(ValueError, match=complaint):
                connection.read()
