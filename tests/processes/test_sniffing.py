from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.processes.sniffing import HTTP1, HTTP2, SSH, TLS, UNKNOWN, protocol_of, server_name


def client_hello(host: str) -> bytes:
    """Return the first flight of this Python's own TLS client."""
    sent, received = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(received, sent, server_hostname=host)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


BEGINNINGS = {
    "request": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", HTTP1),
    "request without its end": (b"POST /upload?x=", HTTP1),
    "unknown method": (b"PROPFIND /a HTTP/1.1\r\n", HTTP1),
    "absolute target": (b"GET http://a/ HTTP/1.0\r\n", HTTP1),
    "response": (b"HTTP/1.1 404 Not Found\r\n", HTTP1),
    "preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HTTP2),
    "handshake": (b"\x16\x03\x01\x02\x00\x01", TLS),
    "application data": (b"\x17\x03\x03\x40\x00data", TLS),
    "record longer than TLS allows": (b"\x17\x03\x03\xff\xff", UNKNOWN),
    "ssh": (b"SSH-2.0-OpenSSH_9.6\r\n", SSH),
    "nothing": (b"", UNKNOWN),
    "words": (b"HELLO there\r\n", UNKNOWN),
    "binary": (bytes(40), UNKNOWN),
}


@pytest.mark.parametrize(("payload", "protocol"), BEGINNINGS.values(), ids=BEGINNINGS.keys())
def test_a_protocol_is_told_by_its_beginning(payload: bytes, protocol: str) -> None:
    assert protocol_of(payload) == protocol


def test_the_server_name_of_a_real_client_hello_is_found() -> None:
    hello = client_hello("shop.example.org")
    assert protocol_of(hello) == TLS
    assert server_name(hello) == "shop.example.org"


def test_a_cut_client_hello_gives_the_whole_name_or_none() -> None:
    hello = client_hello("shop.example.org")
    assert {server_name(hello[:cut]) for cut in range(len(hello))} == {"", "shop.example.org"}


@given(st.binary(max_size=600))
def test_no_bytes_make_it_raise(payload: bytes) -> None:
    protocol_of(payload)
    server_name(payload)
    server_name(b"\x16\x03\x01\x02\x00\x01" + payload)
