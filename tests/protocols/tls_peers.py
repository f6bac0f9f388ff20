"""Two ends that speak TLS with each other in memory, by OpenSSL, and write down what went over the wire and their key log."""

from __future__ import annotations

import datetime
import functools
import itertools
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

CLIENT, SERVER = 0, 1
Wire = list[tuple[int, bytes]]


_numbers = itertools.count()
_kept: list[tempfile.TemporaryDirectory[str]] = []  # it goes when the interpreter ends


def scratch() -> Path:
    """Return a directory of this process."""
    if not _kept:
        _kept.append(tempfile.TemporaryDirectory(prefix="tls-peers-"))
    return Path(_kept[0].name)


@functools.cache
def certificate(kind: str = "rsa") -> Path:
    """Return a file with a key and a certificate for `shop.example`, made once a run."""
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.example")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = scratch() / f"{kind}.pem"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + made.public_bytes(pem))
    return path


@dataclass
class Talk:
    """One connection. ``wire``: (side, bytes) in order; `secrets`: the key log so far."""

    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: str = ""
    alpn: tuple[str, ...] = ("http/1.1",)
    key: str = "rsa"
    curve: str = ""  # of the server alone: a client that guessed another one is told to try again
    options: int = 0
    session: ssl.SSLSession | None = None
    contexts: tuple[ssl.SSLContext, ssl.SSLContext] | None = None
    wire: Wire = field(default_factory=list)

    def __post_init__(self) -> None:
        self._log = scratch() / f"{next(_numbers)}.keys"
        contexts = self.contexts or self._made()
        self.contexts = contexts
        contexts[CLIENT].keylog_filename = str(self._log)
        self._bios = [(ssl.MemoryBIO(), ssl.MemoryBIO()) for _ in contexts]
        self._ends = [
            contexts[CLIENT].wrap_bio(*self._bios[CLIENT], server_hostname="shop.example", session=self.session),
            contexts[SERVER].wrap_bio(*self._bios[SERVER], server_side=True),
        ]
        done = [False, False]
        while not all(done):
            for side, end in enumerate(self._ends):
                done[side] = done[side] or self._try(end.do_handshake)
                self._carry(side)

    def _made(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        for context in (client, server):
            context.minimum_version = context.maximum_version = self.version
            context.options |= self.options
            context.set_alpn_protocols(list(self.alpn))
            if self.ciphers:
                context.set_ciphers(self.ciphers)
        server.load_cert_chain(certificate(self.key))
        if self.curve:
            server.set_ecdh_curve(self.curve)
        return client, server

    @staticmethod
    def _try(step: Callable[[], object]) -> bool:
        try:
            step()
        except ssl.SSLWantReadError:
            return False
        return True

    def _carry(self, side: int) -> None:
        """Move what *side* has written to the other end, over the wire."""
        data = self._bios[side][1].read()
        if data:
            self.wire.append((side, data))
            self._bios[1 - side][0].write(data)

    def say(self, side: int, *chunks: bytes) -> Talk:
        """Send each chunk from *side*, in records of its own."""
        for chunk in chunks:
            self._ends[side].write(chunk)
            self._carry(side)
            while self._try(lambda: self._ends[1 - side].read(1 << 20)):
                if not self._bios[1 - side][0].pending:
                    break
        return self

    def ask(self, request: bytes, response: bytes) -> Talk:
        return self.say(CLIENT, request).say(SERVER, response)

    def hear(self, side: int) -> Talk:
        """Let *side* read what came without data in it (tickets)."""
        self._try(lambda: self._ends[side].read(1))
        return self

    @property
    def client(self) -> ssl.SSLObject:
        return self._ends[CLIENT]

    @property
    def keys(self) -> bytes:
        return self._log.read_bytes()


def records(data: bytes) -> list[bytes]:
    """Return the TLS records that *data* consists of."""
    found, at = [], 0
    while at < len(data):
        end = at + 5 + int.from_bytes(data[at + 3 : at + 5], "big")
        found.append(data[at:end])
        at = end
    return found
