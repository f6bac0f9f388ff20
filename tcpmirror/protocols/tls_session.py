"""TlsSession: the secrets of one TLS connection, and which of them opens the next record of each direction.

TLS 1.3 has a secret for each direction and stage, and each ends with a message: the early one with EndOfEarlyData, the
handshake's with Finished, the application's with each KeyUpdate (RFC 8446, section 7). TLS 1.2 has one master secret, taken
into use at ChangeCipherSpec, anew after each renegotiation (RFC 5246). Where records were lost the number of the next one is
searched for, forward from the last one seen, and then among the first ones under the secrets that come next: what a record
is authenticated with tells which one it is.
"""

from __future__ import annotations

from typing import Final

from tcpmirror.model import tls_secrets
from tcpmirror.model.tls_secrets import TlsSecrets
from tcpmirror.protocols.tls_ciphers import HEADER_SIZE, Aead13, Opened, Protection, key_block_size, protection12
from tcpmirror.protocols.tls_direction import CLIENT, SEARCH_BYTES, SERVER, Direction, Fault, Refusal, Stage
from tcpmirror.protocols.tls_handshake import (
    CLIENT_HELLO,
    ENCRYPTED_EXTENSIONS,
    END_OF_EARLY_DATA,
    FINISHED,
    KEY_UPDATE,
    NEW_SESSION_TICKET,
    SERVER_HELLO,
    TLS12,
    TLS13,
    ClientKeys,
    ServerKeys,
    accepts_early_data,
    read_client_keys,
    read_server_keys,
    read_ticket,
)
from tcpmirror.protocols.tls_keys import key_block, next_secret, traffic_keys
from tcpmirror.protocols.tls_suites import TLS12 as SUITES12
from tcpmirror.protocols.tls_suites import TLS13 as SUITES13
from tcpmirror.protocols.tls_suites import Suite

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
LARGEST_RECORD: Final = HEADER_SIZE + 16384 + 2048  # RFC 5246, section 6.2.3; TLS 1.3 allows less
SMALLEST_RECORD: Final = HEADER_SIZE + 17
BAD_LIMIT: Final = 16  # records of a direction in a row that no key opens, before it is given up
BAD_FIRST_LIMIT: Final = 8  # the same, where none was ever opened: the secret is not the right one
SEARCH_RECORDS: Final = 4096


class TlsSession:
    """One connection. ``is_final``: secrets that are not there will not come any more."""

    def __init__(self, secrets: TlsSecrets, is_final: bool) -> None:
        self.secrets = secrets
        self.is_final = is_final
        self.is_peer_final = False
        self.fault: Fault | None = None
        self.lost_bytes = 0  # plaintext that was lost before the record opened last, as far as that can be told
        self._directions = (Direction(CLIENT), Direction(SERVER))
        self._client: ClientKeys | None = None
        self._server: ServerKeys | None = None
        self._version = 0
        self._is_early_accepted: bool | None = None
        self._ticket = b""

    @property
    def held_bytes(self) -> int:
        return self._directions[0].messages.held_bytes + self._directions[1].messages.held_bytes

    def open(self, role: int, record: bytes, lost: int = 0) -> bytes | Refusal:
        """Return the application data in *record* of *role*, which may be nothing; *lost*: bytes unseen before it."""
        side = self._directions[role]
        self.lost_bytes = 0
        side.budget = min(side.budget + len(record), SEARCH_BYTES)
        if side.is_given_up:
            return Refusal.GIVEN_UP
        if lost:
            side.messages.clear()
        if side.stage == Stage.CLEAR:
            return self._open_clear(side, record, lost)
        if side.stage == Stage.TLS12 or record[0] == APPLICATION_DATA:
            return self._open_protected(side, record, lost)
        return b""  # TLS 1.3: a ChangeCipherSpec for the sake of middleboxes, or an alert from before there were keys

    def lose_record(self, role: int, size: int) -> int:
        """Take note that one record of *size* bytes was lost; return how much plaintext it had, at most."""
        side = self._directions[role]
        side.messages.clear()
        if side.protection is None:
            return 0
        side.sequence += 1
        return max(0, size - HEADER_SIZE - side.protection.overhead) if side.stage >= Stage.APPLICATION else 0

    def conclude(self) -> None:
        """Say why a direction of which nothing was opened was not, now that nothing more comes."""
        if self.fault is None and any(side.bad and not side.has_opened for side in self._directions):
            self.fault = Fault.AUTHENTICATION

    # -- in clear -------------------------------------------------------------------------------------------------------

    def _open_clear(self, side: Direction, record: bytes, lost: int) -> bytes | Refusal:
        kind = record[0]
        if side.role == SERVER and self._client is None and kind == HANDSHAKE and not self.is_peer_final:
            return Refusal.WAITS_FOR_PEER
        if kind == HANDSHAKE:
            self._read_messages(side, record[HEADER_SIZE:])
            if self._client is None and not side.messages.held_bytes:
                return self._give_up(side, Fault.JOINED)
            return Refusal.GIVEN_UP if side.is_given_up else b""
        if self._client is None:
            return self._give_up(side, Fault.JOINED)
        if kind == CHANGE_CIPHER_SPEC:
            return self._change_cipher(side)
        if kind != APPLICATION_DATA:
            return b""
        if self._version == TLS13:
            return self._begin_13(side, record, lost)
        if self._version == TLS12 and self._server is not None:  # its ChangeCipherSpec was lost, or its Finished too
            self._change_cipher(side)
            side.sequence = 1
            return self._open_protected(side, record, max(lost, SMALLEST_RECORD))
        if self._server is None and not self.is_peer_final:
            return Refusal.WAITS_FOR_PEER
        return self._give_up(side, Fault.GAP if lost else Fault.JOINED)

    def _change_cipher(self, side: Direction) -> bytes | Refusal:
        if not self._version:
            return Refusal.WAITS_FOR_PEER if not self.is_peer_final else self._give_up(side, Fault.JOINED)
        if self._version == TLS12 and self._client is not None and self._server is not None:
            side.hello = (self._client, self._server)
            side.messages.clear()
            side.enter(Stage.TLS12)
        return b""

    def _begin_13(self, side: Direction, record: bytes, lost: int) -> bytes | Refusal:
        """The first protected record of a direction in TLS 1.3."""
        assert self._client is not None
        if side.role == SERVER or not self._client.offers_early_data:
            if self._server is None or self._server.is_retry:
                return Refusal.WAITS_FOR_PEER if not self.is_peer_final else self._give_up(side, Fault.JOINED)
            side.enter(Stage.HANDSHAKE)
            return self._open_protected(side, record, lost)
        if self._is_early_accepted is None and not self.is_peer_final:
            return Refusal.WAITS_FOR_PEER
        if self._is_early_accepted is False and (self._server is None or self._server.is_retry):
            return b""  # early data that the server passes over; what follows is a second ClientHello
        side.enter(Stage.HANDSHAKE if self._is_early_accepted is False else Stage.EARLY)
        return self._open_protected(side, record, lost)

    # -- protected ------------------------------------------------------------------------------------------------------

    def _open_protected(self, side: Direction, record: bytes, lost: int) -> bytes | Refusal:
        protection = side.protection
        if protection is None:
            protection = self._derive(side)
            if side.is_given_up:
                return Refusal.GIVEN_UP
            if protection is None and not self.is_final:
                return Refusal.WAITS_FOR_SECRET
        opened = protection.open(side.sequence, record) if protection is not None else None
        if opened is not None:
            side.sequence += 1
        else:
            opened = self._search(side, record, lost)
            if opened is None:
                return self._refuse(side, record, protection, lost)
        side.bad = 0
        side.has_opened = True
        if side.stage < Stage.APPLICATION:
            self.lost_bytes = 0
        kind, plain = opened
        if kind == APPLICATION_DATA:
            return plain
        return self._take_control(side, kind, plain)

    def _take_control(self, side: Direction, kind: int, plain: bytes) -> bytes | Refusal:
        if kind == HANDSHAKE:
            self._read_messages(side, plain)
        elif kind == CHANGE_CIPHER_SPEC and side.stage == Stage.TLS12:
            return self._change_cipher(side)
        return b""

    def _derive(self, side: Direction) -> Protection | None:
        """Return what opens records of the direction's stage, or None while its secret is not known."""
        if side.stage == Stage.TLS12:
            return self._derive_12(side)
        assert self._server is not None
        assert self._client is not None
        suite = SUITES13.get(self._server.suite)
        if suite is None:
            self._give_up(side, Fault.UNSUPPORTED)
            return None
        secret = self._secret_13(side.stage, side.role)
        if secret is None:
            return None
        side.secret = secret
        side.protection = _protection13(suite, secret)
        return side.protection

    def _secret_13(self, stage: Stage, role: int) -> bytes | None:
        assert self._client is not None
        labels = {
            Stage.EARLY: tls_secrets.EARLY,
            Stage.HANDSHAKE: tls_secrets.HANDSHAKE[role],
            Stage.APPLICATION: tls_secrets.APPLICATION[role],
        }
        return self.secrets.find(labels[stage], self._client.random)

    def _derive_12(self, side: Direction) -> Protection | None:
        assert side.hello is not None
        client, server = side.hello
        suite = SUITES12.get(server.suite)
        if suite is None or server.is_compressed:
            self._give_up(side, Fault.UNSUPPORTED)
            return None
        master = self._master(client, server)
        if master is None:
            return None
        block = key_block(master, server.random, client.random, key_block_size(suite), suite.hash)
        side.protection = protection12(suite, block, side.role == SERVER, server.is_mac_outside)
        return side.protection

    def _master(self, client: ClientKeys, server: ServerKeys) -> bytes | None:
        """Return the master secret of a session of TLS 1.2, also of one that resumes an earlier one."""
        master = self.secrets.find(tls_secrets.MASTER, client.random)
        if master is None and server.session_id:
            master = self.secrets.resumed(server.session_id)
            if master is None and client.ticket and server.session_id == client.session_id:
                master = self.secrets.resumed(client.ticket)
        if master is not None:
            for name in (server.session_id, self._ticket):
                if name:
                    self.secrets.remember(name, master)
        return master

    # -- records that do not open ---------------------------------------------------------------------------------------

    def _search(self, side: Direction, record: bytes, lost: int) -> Opened | None:
        """Open a record whose number, or stage, is not the one expected."""
        most = min(lost // SMALLEST_RECORD + 1, SEARCH_RECORDS) if lost else 0
        if side.protection is not None and most:
            least = lost // LARGEST_RECORD
            hint = side.protection.hinted(record) - side.sequence
            counts = (hint,) if 0 < hint <= most else range(max(1, least), most + 1)
            opened = self._try(side, side.protection, side.sequence, counts, record, lost)
            if opened is not None:
                return opened
        return self._search_later(side, record, lost, most) if self._version == TLS13 else None

    def _search_later(self, side: Direction, record: bytes, lost: int, most: int) -> Opened | None:
        """Try the first records of the stages to come: the message that ended this one was lost, or cannot be read."""
        assert self._server is not None
        suite = SUITES13.get(self._server.suite)
        if suite is None or (side.protection is not None and not lost and side.stage == Stage.APPLICATION):
            return None
        for stage in (Stage.HANDSHAKE, Stage.APPLICATION):
            secret = self._secret_13(stage, side.role) if stage > side.stage else None
            if secret is not None:
                opened = self._try_secret(side, stage, secret, suite, range(most + 1), record, lost)
                if opened is not None:
                    return opened
        if side.stage == Stage.APPLICATION and side.secret and lost:
            secret = next_secret(side.secret, suite.hash)
            return self._try_secret(side, Stage.APPLICATION, secret, suite, range(most + 1), record, lost)
        return None

    def _try_secret(
        self, side: Direction, stage: Stage, secret: bytes, suite: Suite, counts: range, record: bytes, lost: int
    ) -> Opened | None:
        protection = _protection13(suite, secret)
        opened = self._try(side, protection, 0, counts, record, lost)
        if opened is not None:
            side.stage, side.secret, side.protection = stage, secret, protection
        return opened

    def _try(
        self, side: Direction, protection: Protection, first: int, counts: range | tuple[int, ...], record: bytes, lost: int
    ) -> Opened | None:
        """Open *record* as the one *count* behind number *first*, for one of *counts*; the direction goes on behind it."""
        for count in counts:
            if side.budget < len(record):
                return None
            side.budget -= len(record)
            opened = protection.open(first + count, record)
            if opened is not None:
                side.sequence = first + count + 1
                self.lost_bytes = _plain_size(lost, max(count, 1), protection)
                return opened
        return None

    def _refuse(self, side: Direction, record: bytes, protection: Protection | None, lost: int) -> Refusal | bytes:
        if protection is None and not self._may_come_later(side):
            return self._give_up(side, Fault.NO_SECRET)
        if self._is_early_accepted is False and side.role == CLIENT and side.stage == Stage.HANDSHAKE and not side.sequence:
            return b""  # early data that the server passes over
        side.bad += 1
        if side.bad > (BAD_LIMIT if side.has_opened else BAD_FIRST_LIMIT):
            return self._give_up(side, Fault.GAP if lost else Fault.AUTHENTICATION)
        return b"" if protection is None else Refusal.BAD

    def _may_come_later(self, side: Direction) -> bool:
        """Whether a secret of a later stage is known: its first record will tell itself."""
        if side.stage in (Stage.TLS12, Stage.APPLICATION):
            return False
        return any(
            stage > side.stage and self._secret_13(stage, side.role) is not None
            for stage in (Stage.HANDSHAKE, Stage.APPLICATION)
        )

    def _give_up(self, side: Direction, fault: Fault) -> Refusal:
        side.is_given_up = True
        side.messages.clear()
        if self.fault is None:
            self.fault = fault
        return Refusal.GIVEN_UP

    # -- handshake messages ---------------------------------------------------------------------------------------------

    def _read_messages(self, side: Direction, content: bytes) -> None:
        for kind, body in side.messages.read(content):
            if kind == CLIENT_HELLO and side.role == CLIENT:
                self._take_client(body)
            elif kind == SERVER_HELLO and side.role == SERVER:
                self._take_server(side, body)
            elif kind == NEW_SESSION_TICKET and self._version == TLS12:
                self._ticket = read_ticket(body)
            elif self._version == TLS13 and side.stage != Stage.CLEAR:
                self._advance_13(side, kind, body)

    @property
    def _is_settled(self) -> bool:
        """Whether both have chosen TLS 1.3, in which no hello comes again."""
        return self._version == TLS13 and self._server is not None and not self._server.is_retry

    def _take_client(self, body: bytes) -> None:
        client = read_client_keys(body)
        if client is None or self._is_settled:
            return
        is_second = self._server is not None and self._server.is_retry and self._version == TLS13
        if not is_second:  # otherwise the version stands, and so does it that early data is refused
            self._version = 0
            self._server = None
            self._ticket = b""
            self._is_early_accepted = None
        self._client = client

    def _take_server(self, side: Direction, body: bytes) -> None:
        server = read_server_keys(body)
        if server is None or self._is_settled:
            return
        self._server, self._version = server, server.version
        if self._client is None:
            self._give_up(side, Fault.JOINED)
        elif server.version not in (TLS12, TLS13):
            self._give_up(side, Fault.UNSUPPORTED)
        elif server.is_retry:
            self._is_early_accepted = False
        elif server.version == TLS13:
            side.enter(Stage.HANDSHAKE)

    def _advance_13(self, side: Direction, kind: int, body: bytes) -> None:
        """Go on to the next keys where a message says so (RFC 8446, sections 4.4.4, 4.5 and 4.6.3)."""
        if kind == ENCRYPTED_EXTENSIONS and side.role == SERVER and self._is_early_accepted is None:
            self._is_early_accepted = accepts_early_data(body)
        elif kind == END_OF_EARLY_DATA and side.stage == Stage.EARLY:
            side.enter(Stage.HANDSHAKE)
        elif kind == FINISHED and side.stage == Stage.HANDSHAKE:
            side.enter(Stage.APPLICATION)
        elif kind == KEY_UPDATE and side.stage == Stage.APPLICATION and side.secret:
            assert self._server is not None
            suite = SUITES13[self._server.suite]
            side.secret = next_secret(side.secret, suite.hash)
            side.protection = _protection13(suite, side.secret)
            side.sequence = 0


def _protection13(suite: Suite, secret: bytes) -> Protection:
    return Aead13(suite, *traffic_keys(secret, suite.key_size, suite.hash))


def _plain_size(lost: int, records: int, protection: Protection | None) -> int:
    """Return how much plaintext *lost* bytes had that were so many records."""
    overhead = 0 if protection is None else protection.overhead
    return max(0, lost - records * (HEADER_SIZE + overhead))
