"""One direction of a TLS connection: which keys are in use, which record is next, and why there may be no plaintext."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from tcpmirror.protocols.tls_ciphers import Protection
from tcpmirror.protocols.tls_handshake import ClientKeys, MessageReader, ServerKeys

CLIENT, SERVER = 0, 1
# A gap is searched at a cost that stays in proportion to what was received: so many bytes may be authenticated in vain.
SEARCH_BYTES: Final = 1 << 22


class Refusal(IntEnum):
    """Why `TlsSession.open` gives no plaintext."""

    WAITS_FOR_SECRET = 1
    WAITS_FOR_PEER = 2  # the other direction has to tell first which keys there are
    BAD = 3  # no key opens this record
    GIVEN_UP = 4  # nor any other one of this direction; `TlsSession.fault` says why


class Fault(IntEnum):
    """Why a direction is not decrypted."""

    NO_SECRET = 1
    UNSUPPORTED = 2
    AUTHENTICATION = 3
    JOINED = 4
    GAP = 5


class Stage(IntEnum):
    """What protects the next record of a direction; those of TLS 1.3 in their order."""

    CLEAR = 0
    EARLY = 1
    HANDSHAKE = 2
    APPLICATION = 3
    TLS12 = 4


class Direction:
    """One direction: the keys in use, and the number of the next record under them."""

    def __init__(self, role: int) -> None:
        self.role = role
        self.stage = Stage.CLEAR
        self.protection: Protection | None = None
        self.secret = b""
        self.sequence = 0
        self.messages = MessageReader()
        self.hello: tuple[ClientKeys, ServerKeys] | None = None  # of TLS 1.2: what the keys in use come from
        self.is_given_up = False
        self.has_opened = False
        self.bad = 0
        self.budget = SEARCH_BYTES

    def enter(self, stage: Stage) -> None:
        self.stage = stage
        self.protection = None
        self.secret = b""
        self.sequence = 0
