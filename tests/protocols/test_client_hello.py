"""The ClientHello: names and fingerprints, and what is none."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.protocols.client_hello import read_client_hello


def vector(size: int, content: bytes) -> bytes:
    return len(content).to_bytes(size, "big") + content


def extension(kind: int, content: bytes) -> bytes:
    return kind.to_bytes(2, "big") + vector(2, content)


EXTENSIONS = [
    extension(0x1A1A, b""),
    extension(0, vector(2, b"\0" + vector(2, b"a.example"))),
    extension(10, vector(2, bytes.fromhex("2a2a001d0017"))),
    extension(11, vector(1, b"\0")),
    extension(13, vector(2, bytes.fromhex("04030804"))),
    extension(16, vector(2, vector(1, b"h2") + vector(1, b"http/1.1"))),
    extension(43, vector(1, bytes.fromhex("3a3a03040303"))),
]


def hello(extensions: list[bytes] = EXTENSIONS, ciphers: str = "0a0a13011302c02b") -> bytes:
    body = b"\x03\x03" + bytes(32) + vector(1, b"") + vector(2, bytes.fromhex(ciphers)) + vector(1, b"\0")
    body += vector(2, b"".join(extensions)) if extensions else b""
    return b"\x01" + vector(3, body)


def record(content: bytes) -> bytes:
    return b"\x16\x03\x01" + vector(2, content)


def test_names_and_fingerprints():
    told, is_open = read_client_hello(record(hello()))
    assert not is_open
    assert (told.sni, told.alpn, told.version) == ("a.example", ("h2", "http/1.1"), 0x0304)
    text = b"771,4865-4866-49195,0-10-11-13-16-43,29-23,0"
    assert told.ja3 == hashlib.md5(text, usedforsecurity=False).hexdigest()
    ciphers = hashlib.sha256(b"1301,1302,c02b").hexdigest()[:12]
    kinds = hashlib.sha256(b"000a,000b,000d,002b_0403,0804").hexdigest()[:12]
    assert told.ja4 == f"t13d0306h2_{ciphers}_{kinds}"


def test_without_extensions():
    told, _ = read_client_hello(record(hello([], "0035")))
    assert (told.sni, told.alpn, told.version) == ("", (), 0x0303)
    assert told.ja4.startswith("t12i010000_")
    assert told.ja4.endswith("_000000000000")


def test_a_hello_over_several_records():
    message = hello()
    opening = b"".join(record(message[at : at + 20]) for at in range(0, len(message), 20))
    assert read_client_hello(opening)[0] == read_client_hello(record(message))[0]
    for size in range(len(opening)):
        assert read_client_hello(opening[:size]) == (None, True)


NO_HELLO = {
    "a server hello": record(b"\x02\0\0\x02ab"),
    "an alert": b"\x15\x03\x03\0\x02\x02\x28",
    "a cut extension": record(b"\x01" + vector(3, hello()[4:-3])),
}


@pytest.mark.parametrize("opening", NO_HELLO.values(), ids=NO_HELLO)
def test_what_is_no_hello_is_none(opening):
    assert read_client_hello(opening) == (None, False)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=120), st.integers(0, 150))
def test_no_bytes_raise(noise, at):
    message = hello()
    read_client_hello(record(message[:at] + noise + message[at + len(noise) :]))
    read_client_hello(noise)
