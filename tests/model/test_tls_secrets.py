"""Key log lines: what is taken, what is none, and what is forgotten."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.model.tls_secrets import APPLICATION, EARLY, HANDSHAKE, MASTER, TlsSecrets

RANDOM = bytes(range(32))
NAME = RANDOM.hex().encode()
GOOD = {
    MASTER: b"CLIENT_RANDOM %b " % NAME + b"ab" * 48,
    EARLY: b"CLIENT_EARLY_TRAFFIC_SECRET %b " % NAME + b"ab" * 32,
    HANDSHAKE[0]: b"CLIENT_HANDSHAKE_TRAFFIC_SECRET %b " % NAME + b"AB" * 48,
    HANDSHAKE[1]: b"SERVER_HANDSHAKE_TRAFFIC_SECRET %b " % NAME.upper() + b"ab" * 32,
    APPLICATION[0]: b"CLIENT_TRAFFIC_SECRET_0 %b " % NAME + b"ab" * 32 + b"\r",
    APPLICATION[1]: b"  SERVER_TRAFFIC_SECRET_0 %b " % NAME + b"ab" * 32,
}
BAD = {
    "no line": b"hello",
    "a short random": b"CLIENT_RANDOM abcd " + b"ab" * 48,
    "a master of the wrong size": b"CLIENT_RANDOM %b " % NAME + b"ab" * 32,
    "an odd digit": GOOD[MASTER] + b"a",
    "half a line": GOOD[MASTER][:-1],
    "bytes": bytes(range(128, 256)),
}
UNUSED = {
    "a comment": b"# TLS secrets log file",
    "an empty line": b"",
    "an exporter secret": b"EXPORTER_SECRET %b " % NAME + b"ab" * 32,
    "a premaster secret": b"RSA 0123456789abcdef " + b"ab" * 48,
}


@pytest.mark.parametrize(("label", "line"), GOOD.items(), ids=GOOD.keys())
def test_a_secret_is_found_by_its_label_and_client_random(label: str, line: bytes) -> None:
    secrets = TlsSecrets(10)
    secrets.take(b"junk\n" + line + b"\n# end")
    assert set(secrets.find(label, RANDOM) or b"") == {0xAB}
    assert secrets.find(label, bytes(32)) is None
    assert (len(secrets), secrets.bad_lines) == (1, 1)


@pytest.mark.parametrize("line", BAD.values(), ids=BAD.keys())
def test_a_line_that_is_none_is_counted(line: bytes) -> None:
    secrets = TlsSecrets(10)
    secrets.take(line)
    assert (len(secrets), secrets.bad_lines) == (0, 1)


@pytest.mark.parametrize("line", UNUSED.values(), ids=UNUSED.keys())
def test_a_line_of_no_use_is_no_bad_one(line: bytes) -> None:
    secrets = TlsSecrets(10)
    secrets.take(line)
    assert (len(secrets), secrets.bad_lines) == (0, 0)


def test_old_lines_name_a_session_by_its_id() -> None:
    secrets = TlsSecrets(10)
    secrets.take(b"RSA Session-ID:0102 Master-Key:" + b"cd" * 48)
    assert secrets.resumed(b"\x01\x02") == b"\xcd" * 48


def line(number: int) -> bytes:
    return b"CLIENT_RANDOM %064x " % number + b"ab" * 48


def test_the_oldest_sessions_go_first() -> None:
    secrets = TlsSecrets(3)
    for number in range(5):
        secrets.take(line(number), time_ns=number)
        secrets.remember(b"%d" % number, b"m")
    assert [secrets.find(MASTER, number.to_bytes(32, "big")) is not None for number in range(5)] == [False] * 2 + [True] * 3
    assert [secrets.resumed(b"%d" % number) for number in range(5)] == [None, None, b"m", b"m", b"m"]
    secrets.forget(4)
    assert len(secrets) == 1


def test_no_text_form_shows_a_secret() -> None:
    secrets = TlsSecrets(3)
    secrets.take(line(7))
    assert "ab" * 4 not in f"{secrets} {secrets!r}"


@given(st.binary(max_size=400))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    secrets = TlsSecrets(3)
    secrets.take(data)
    assert len(secrets) == 0
