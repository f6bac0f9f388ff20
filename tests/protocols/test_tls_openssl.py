"""What the `openssl` command says to itself over loopback: the cases that no library of Python lets one ask for."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.protocols.test_tls import Tap
from tests.protocols.tls_peers import CLIENT, SERVER, Wire, certificate
from tests.protocols.transcript import names

DEADLINE_S = 20.0
REQUEST = b"GET /items?id=1 HTTP/1.0\n\n"


def until(is_so: object, what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@dataclass
class Recorder:
    """Stands between a client and a server on loopback, and writes down what each sends."""

    target: int
    wire: Wire = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def _carry(self) -> None:
        client, _ = self._listening.accept()
        server = socket.create_connection(("127.0.0.1", self.target))
        back = threading.Thread(target=self._copy, args=(server, client, SERVER), daemon=True)
        back.start()
        self._copy(client, server, CLIENT)
        back.join(DEADLINE_S)
        for end in (client, server, self._listening):
            end.close()

    def _copy(self, source: socket.socket, target: socket.socket, side: int) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.wire.append((side, data))
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def join(self) -> None:
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()

    def sent(self, side: int) -> int:
        return sum(len(data) for its, data in self.wire if its == side)


@dataclass
class Server:
    """A running `openssl s_server`; what is typed goes to the client."""

    port: int
    process: subprocess.Popen[bytes]

    def type(self, text: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()


@contextlib.contextmanager
def server(*arguments: str) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", str(certificate()), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        line = b""
        while b"ACCEPT" not in line:
            line = process.stdout.readline()
            assert line, "s_server ended"
        threading.Thread(target=process.stdout.read, daemon=True).start()
        try:
            yield Server(port, process)
        finally:
            process.kill()


def talk(
    directory: Path, server: Server, *arguments: str, said: tuple[bytes, ...] = (REQUEST,), answer: bytes = b""
) -> tuple[Wire, bytes]:
    """Return what `openssl s_client` and the server sent, and the key log.

    Each part of *said* is typed when the one before is on the wire, then *answer* at the server, which otherwise closes.
    """
    recorder, keys = Recorder(server.port), directory / f"keys-{time.monotonic_ns()}"
    command = [
        "openssl",
        "s_client",
        "-connect",
        f"127.0.0.1:{recorder.port}",
        "-crlf",
        "-keylogfile",
        str(keys),
        *arguments,
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        until(
            lambda: keys.exists() and (b"SECRET_0" in keys.read_bytes() or b"CLIENT_RANDOM" in keys.read_bytes()), "no keys"
        )
        for text in said:
            before = recorder.sent(CLIENT)
            process.stdin.write(text)
            process.stdin.flush()
            until(lambda before=before: recorder.sent(CLIENT) > before, f"{text!r} was not sent")
        if answer:
            before = recorder.sent(SERVER)
            server.type(answer)
            until(lambda: recorder.sent(SERVER) > before, "no answer")
            process.stdin.close()
        recorder.join()
        process.stdout.read()
    return recorder.wire, keys.read_bytes()


def assert_read(wire: Wire, keys: bytes, requests: int = 1) -> None:
    tap = Tap(keys).see(wire).end()
    assert [(one.request.target, one.response.status) for one in tap.exchanges] == [(b"/items?id=1", 200)] * requests
    assert all(re.search(rb"Ciphers|Cipher", one.response.body) and "decrypted" in names(one) for one in tap.exchanges)
    assert tap.reasons == {}
    assert tap.decryption.tls_bad_records == 0


CASES: dict[str, tuple[tuple[str, ...], tuple[bytes, ...]]] = {
    "AES-128-GCM": (("-ciphersuites", "TLS_AES_128_GCM_SHA256"), (REQUEST,)),
    "AES-256-GCM": (("-ciphersuites", "TLS_AES_256_GCM_SHA384"), (REQUEST,)),
    "ChaCha20": (("-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"), (REQUEST,)),
    "CCM": (("-ciphersuites", "TLS_AES_128_CCM_SHA256"), (REQUEST,)),
    "CCM-8": (("-ciphersuites", "TLS_AES_128_CCM_8_SHA256"), (REQUEST,)),
    "key updates of both sides": ((), (b"K\n", b"k\n", b"K\n", REQUEST)),
    "padding": (("-record_padding", "512"), (REQUEST,)),
    "small records": (("-max_send_frag", "512"), (REQUEST,)),
    "agreed small records": (("-maxfraglen", "512"), (REQUEST,)),
    "renegotiation": (("-tls1_2",), (b"R\n", REQUEST)),
    "renegotiation, CBC": (("-tls1_2", "-cipher", "AES128-SHA"), (b"R\n", REQUEST)),
}


@pytest.mark.parametrize(("arguments", "said"), CASES.values(), ids=CASES.keys())
def test_what_openssl_says_comes_out(arguments: tuple[str, ...], said: tuple[bytes, ...], tmp_path: Path) -> None:
    common = ("-ciphersuites", "-record_padding", "-max_send_frag")
    ours = [part for part in arguments if arguments[0] in common]
    with server("-www", "-client_renegotiation", *ours) as running:
        assert_read(*talk(tmp_path, running, *arguments, said=said))


@pytest.mark.parametrize("is_taken", [True, False])
def test_early_data(is_taken: bool, tmp_path: Path) -> None:
    """Data with the first packet; a server that was started anew does not know the ticket, and passes it over."""
    session, early = tmp_path / "session", tmp_path / "early"
    early.write_bytes(b"GET /early HTTP/1.0\r\n\r\n")
    answer = b"HTTP/1.0 200 OK\nContent-Length: 0\n\n"
    with server("-early_data", "-crlf") as first:
        talk(tmp_path, first, "-sess_out", str(session), answer=answer)
        resuming = ("-sess_in", str(session), "-early_data", str(early))
        if is_taken:
            wire, keys = talk(tmp_path, first, *resuming, said=(), answer=answer)
    if not is_taken:
        with server("-early_data", "-crlf") as second:
            wire, keys = talk(tmp_path, second, *resuming, answer=answer)
    assert b"CLIENT_EARLY_TRAFFIC_SECRET" in keys
    tap = Tap(keys).see(wire).end()
    assert [(one.request.target, one.response.status) for one in tap.exchanges] == [
        (b"/early" if is_taken else b"/items?id=1", 200)
    ]
    assert tap.reasons == {}
