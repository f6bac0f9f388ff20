"""TLS 1.3 whose two ends have known secrets, so that what stands inside of records can be fuzzed and not only what stands around.

A script (`tests.fuzz.script`) has three more letters: ``K`` lines of a key log that become known at that point; ``X`` and ``Y`` a
record of client or server that is sealed here: a byte that says how (`Sealer.seal`), then what is inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tcpmirror.model.tls_secrets import APPLICATION, HANDSHAKE
from tcpmirror.protocols.tls_keys import next_secret, traffic_keys
from tests.fuzz.script import MARK, Step, steps_of
from tests.protocols.test_client_hello import hello, record, vector

RANDOM: Final = bytes(32)  # of the client; `hello` has it
FINISHED: Final = b"\x14\0\0\x20" + bytes(32)
KEY_UPDATE: Final = b"\x18\0\0\1\0"
TYPES: Final = (23, 22, 21, 20)


def secret_of(stage: int, side: int) -> bytes:
    return bytes([stage, side] * 16)


def key_log() -> bytes:
    """Return the lines of all four secrets."""
    lines = [
        f"{label} {RANDOM.hex()} {secret_of(stage, side).hex()}"
        for stage, labels in enumerate((HANDSHAKE, APPLICATION))
        for side, label in enumerate(labels)
    ]
    return "\n".join(lines).encode()


def opening() -> bytes:
    """Return a script in which both ends choose TLS_AES_128_GCM_SHA256."""
    body = b"\x03\x03" + b"s" * 32 + b"\0" + b"\x13\x01\0" + vector(2, b"\0\x2b\0\2\3\4")
    return b"C" + record(hello()) + MARK + b"S" + record(b"\2" + vector(3, body))


class Sealer:
    """Both ends' keys; each direction and stage counts its records."""

    def __init__(self) -> None:
        self._sequences: dict[tuple[int, int], int] = {}

    def seal(self, side: int, how: int, inside: bytes) -> bytes:
        """Return a record. *how*: bits 0 and 1 the stage (handshake, application, after one KeyUpdate, after two), 2 and 3 the type
        of its content, 4 whether a number is left out, 5 and 6 how much padding."""
        stage = how & 3
        secret = secret_of(min(stage, 1), side)
        for _ in range(stage - 1):
            secret = next_secret(secret, "sha256")
        key, iv = traffic_keys(secret, 16, "sha256")
        number = self._sequences.get((side, stage), 0) + (how >> 4 & 1)
        self._sequences[side, stage] = number + 1
        inner = inside[:16384] + bytes([TYPES[how >> 2 & 3]]) + bytes((how >> 5) * 9)
        header = b"\x17\3\3" + (len(inner) + 16).to_bytes(2, "big")
        nonce = (int.from_bytes(iv, "big") ^ number).to_bytes(12, "big")
        return header + AESGCM(key).encrypt(nonce, inner, header)


def sealed_steps(script: bytes) -> Iterator[Step]:
    """Yield the steps of *script* with its records sealed; ("keys", 0, lines) where secrets become known."""
    sealer = Sealer()
    for piece in script.split(MARK):
        letter, rest = piece[:1], piece[1:]
        if letter == b"K":
            yield "keys", 0, rest
        elif letter in (b"X", b"Y") and rest:
            side = int(letter == b"Y")
            yield "data", side, sealer.seal(side, rest[0] & 127, rest[1:])
        else:
            yield from steps_of(piece)
