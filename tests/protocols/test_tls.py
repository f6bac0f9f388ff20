"""TLS with the secrets at hand: what OpenSSL's two ends said to each other comes out, and nothing else."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tcpmirror.model.exchange import Exchange
from tcpmirror.model.stream import FlowInfo, StreamSink
from tcpmirror.model.tls_secrets import TlsSecrets
from tcpmirror.protocols.connection import ProtocolFactory
from tcpmirror.protocols.decryption import Decryption
from tcpmirror.settings.tree import Limits
from tests.protocols.http2_peers import Call, Peers
from tests.protocols.tls_peers import CLIENT, SERVER, Talk, Wire, records
from tests.protocols.transcript import CUTS, EVICTED, FIN, RESET, SECOND, Cut, line_of, names, whole

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
REQUEST = b"POST /a?b=c HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 5\r\n\r\nhello"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"
LINE = ("POST", "/a?b=c", b"hello", 200, b"yes")
REASONS = ("tls_no_secret", "tls_unsupported", "tls_unauthentic", "tls_joined", "tls_lost")


@dataclass
class Tap:
    """A reader of one TLS connection, with the secrets in *keys*; bytes and holes go in, exchanges come out."""

    keys: bytes = b""
    wait_s: float = 0
    limits: dict[str, int] = field(default_factory=dict)
    is_client_known: bool = True
    time_ns: int = 1_000 * SECOND

    def __post_init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.secrets = TlsSecrets(1000)
        self.secrets.take(self.keys)
        self.decryption = Decryption(self.secrets, wait_ns=int(self.wait_s * SECOND), **self.limits)
        self.factory = ProtocolFactory(
            self.exchanges.append, Limits(), response_timeout_ns=5 * SECOND, decryption=self.decryption
        )
        self.open()

    def open(self) -> Tap:
        self.sink: StreamSink = self.factory.open_flow(
            FlowInfo(b"\x0a\0\0\1", 40000, b"\x0a\0\0\2", 443, self.is_client_known)
        )
        return self

    def see(self, wire: Wire, cut: Cut = whole, step_ns: int = 1_000_000) -> Tap:
        for side, data in wire:
            self.time_ns += step_ns
            for part in cut(data):
                if self.sink.deadline_ns and self.time_ns >= self.sink.deadline_ns:
                    self.sink.expire(self.time_ns)
                self.sink.feed(side, part, self.time_ns)
        return self

    def lose(self, side: int, size: int) -> Tap:
        self.sink.skip(side, size, self.time_ns)
        return self

    def end(self, how: int = FIN) -> Tap:
        self.sink.finish(CLIENT, how, self.time_ns)
        self.sink.finish(SERVER, how, self.time_ns)
        return self

    @property
    def lines(self) -> list[tuple[object, ...]]:
        return [line_of(exchange) for exchange in self.exchanges]

    @property
    def reasons(self) -> dict[str, int]:
        return {name: getattr(self.decryption, name) for name in REASONS if getattr(self.decryption, name)}


SUITES: dict[str, tuple[ssl.TLSVersion, str, str]] = {
    "1.3": (TLS13, "", "rsa"),
    "1.2 AES-128-GCM": (TLS12, "ECDHE-RSA-AES128-GCM-SHA256", "rsa"),
    "1.2 AES-256-GCM, SHA-384": (TLS12, "ECDHE-ECDSA-AES256-GCM-SHA384", "ec"),
    "1.2 AES-128-CCM": (TLS12, "ECDHE-ECDSA-AES128-CCM", "ec"),
    "1.2 AES-256-CCM-8": (TLS12, "ECDHE-ECDSA-AES256-CCM8", "ec"),
    "1.2 ChaCha20": (TLS12, "ECDHE-RSA-CHACHA20-POLY1305", "rsa"),
    "1.2 AES-128-CBC, SHA-1": (TLS12, "ECDHE-RSA-AES128-SHA", "rsa"),
    "1.2 AES-256-CBC, SHA-256, RSA": (TLS12, "AES256-SHA256", "rsa"),
    "1.2 AES-256-CBC, SHA-384": (TLS12, "ECDHE-RSA-AES256-SHA384", "rsa"),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
@pytest.mark.parametrize(("version", "ciphers", "key"), SUITES.values(), ids=SUITES.keys())
def test_what_was_said_comes_out(version: ssl.TLSVersion, ciphers: str, key: str, cut: Cut) -> None:
    talk = Talk(version, ciphers, key=key).ask(REQUEST, RESPONSE).ask(REQUEST, RESPONSE)
    tap = Tap(talk.keys).see(talk.wire, cut).end()
    assert tap.lines == [LINE, LINE]
    assert all("decrypted" in names(exchange) for exchange in tap.exchanges)
    assert [exchange.index for exchange in tap.exchanges] == [0, 1]
    assert tap.reasons == {}
    assert tap.factory.not_http_bytes == 0
    assert tap.decryption.tls_decrypted_flows == 1
    assert tap.decryption.tls_decrypted_bytes == 2 * len(REQUEST + RESPONSE)


NO_MAC_OUTSIDE = 1 << 19  # SSL_OP_NO_ENCRYPT_THEN_MAC


@pytest.mark.parametrize("ciphers", ["ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES128-SHA256", "ECDHE-RSA-AES256-SHA384"])
def test_cbc_with_the_mac_inside(ciphers: str) -> None:
    talk = Talk(TLS12, ciphers, options=NO_MAC_OUTSIDE).ask(REQUEST, RESPONSE)
    assert Tap(talk.keys).see(talk.wire).end().lines == [LINE]


def test_a_server_that_wants_another_key_share() -> None:
    talk = Talk(curve="secp521r1").ask(REQUEST, RESPONSE)
    assert [side for side, _ in talk.wire[:4]] == [CLIENT, SERVER, CLIENT, SERVER]  # HelloRetryRequest
    assert Tap(talk.keys).see(talk.wire).end().lines == [LINE]


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_bodies_of_many_records(version: ssl.TLSVersion) -> None:
    body = bytes(range(256)) * 1024
    talk = Talk(version).say(CLIENT, b"GET / HTTP/1.1\r\n\r\n")
    talk.say(SERVER, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    (exchange,) = Tap(talk.keys).see(talk.wire).end().exchanges
    assert exchange.response.body == body


@pytest.mark.parametrize("options", [0, ssl.OP_NO_TICKET], ids=["by ticket", "by id"])
def test_a_resumed_session_of_tls_1_2_needs_the_first_ones_line_only(options: int) -> None:
    first = Talk(TLS12, options=options).ask(REQUEST, RESPONSE)
    again = Talk(TLS12, contexts=first.contexts, session=first.client.session).ask(REQUEST, RESPONSE)
    assert again.client.session_reused
    tap = Tap(first.keys).see(first.wire).end()
    assert tap.open().see(again.wire).end().lines == [LINE, LINE]
    assert Tap(again.keys).see(again.wire).end().lines == [LINE]


def test_a_resumed_session_of_tls_1_3() -> None:
    first = Talk().ask(REQUEST, RESPONSE)
    again = Talk(contexts=first.contexts, session=first.client.session).ask(REQUEST, RESPONSE)
    assert again.client.session_reused
    assert Tap(again.keys).see(again.wire).end().lines == [LINE]


# -- without the right secret -------------------------------------------------------------------------------------------------


def size(wire: Wire) -> int:
    return sum(len(data) for _, data in wire)


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_without_a_secret_it_is_counted_as_encrypted(version: ssl.TLSVersion) -> None:
    talk = Talk(version).ask(REQUEST, RESPONSE)
    tap = Tap(b"").see(talk.wire).end()
    assert tap.exchanges == []
    assert tap.reasons == {"tls_no_secret": 1}
    assert tap.factory.tls_bytes == tap.factory.not_http_bytes == size(talk.wire)
    assert tap.factory.hellos[0][1].sni == "shop.example"


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_the_secret_of_another_session_opens_nothing(version: ssl.TLSVersion) -> None:
    talk, other = Talk(version).ask(REQUEST, RESPONSE), Talk(version)
    right = dict(zip(talk.keys.splitlines(), other.keys.splitlines(), strict=True))
    wrong = b"\n".join(mine.rsplit(b" ", 1)[0] + b" " + its.rsplit(b" ", 1)[1] for mine, its in right.items())
    tap = Tap(wrong).see(talk.wire).end()
    assert tap.exchanges == []
    assert tap.reasons == {"tls_unauthentic": 1}
    assert tap.decryption.tls_bad_records > 0


def test_old_versions_are_counted_as_unsupported() -> None:
    hello = Talk(TLS12).wire[0]
    body = b"\x03\x01" + bytes(32) + b"\0" + b"\x00\x2f" + b"\0"
    answer = b"\x02" + len(body).to_bytes(3, "big") + body
    tap = Tap(b"# nothing\n").see([hello, (SERVER, b"\x16\x03\x01" + len(answer).to_bytes(2, "big") + answer)])
    tap.see([(SERVER, b"\x17\x03\x01\0\x20" + bytes(32))]).end()
    assert tap.reasons == {"tls_unsupported": 1}


def test_a_suite_nobody_opens_is_counted_as_unsupported() -> None:
    talk = Talk(TLS12, "ECDHE-RSA-CAMELLIA128-SHA256:ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0").ask(REQUEST, RESPONSE)
    wire = [(side, data.replace(b"\xc0\x2f", b"\xc0\x76") if side == SERVER else data) for side, data in talk.wire]
    assert Tap(talk.keys).see(wire).end().reasons == {"tls_unsupported": 1}


def test_a_connection_joined_behind_its_handshake() -> None:
    talk = Talk().ask(REQUEST, RESPONSE)
    handshake = len(talk.wire) - 2
    tap = Tap(talk.keys, is_client_known=False).see(talk.wire[handshake:]).end()
    assert tap.reasons == {"tls_joined": 1}
    assert tap.factory.tls_bytes == size(talk.wire[handshake:])


# -- secrets that come late -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_records_wait_for_their_secret_and_keep_their_times(version: ssl.TLSVersion) -> None:
    talk = Talk(version).ask(REQUEST, RESPONSE).ask(REQUEST, RESPONSE)
    tap = Tap(b"", wait_s=5).see(talk.wire)
    assert tap.exchanges == []
    assert tap.sink.held_bytes > len(REQUEST)
    times = [tap.time_ns - (3 - turn) * 1_000_000 for turn in range(4)]
    tap.secrets.take(talk.keys)
    tap.time_ns += SECOND
    tap.sink.expire(tap.time_ns)
    assert tap.lines == [LINE, LINE]
    assert [(one.request.time_ns, one.response.end_ns) for one in tap.exchanges] == [tuple(times[:2]), tuple(times[2:])]
    assert tap.decryption.tls_waiting_bytes == 0
    assert tap.end().reasons == {}


def test_a_connection_that_is_over_waits_as_well() -> None:
    talk = Talk().ask(REQUEST, RESPONSE)
    tap = Tap(b"", wait_s=5).see(talk.wire).end()
    tap.decryption.advance(tap.time_ns + SECOND)
    assert tap.exchanges == []
    tap.secrets.take(talk.keys)
    tap.decryption.advance(tap.time_ns + 2 * SECOND)
    assert tap.lines == [LINE]
    assert tap.decryption.tls_waiting_bytes == 0


def test_the_wait_has_an_end() -> None:
    talk = Talk().ask(REQUEST, RESPONSE)
    tap = Tap(b"", wait_s=5).see(talk.wire)
    tap.sink.expire(tap.time_ns + 5 * SECOND)
    assert tap.reasons == {"tls_no_secret": 1}
    assert tap.decryption.tls_waiting_bytes == 0
    tap.secrets.take(talk.keys)
    assert tap.see(talk.wire[-2:]).end().exchanges == []
    assert tap.factory.tls_bytes == size(talk.wire) + size(talk.wire[-2:])


def test_at_the_end_of_the_input_nothing_waits() -> None:
    talk = Talk().ask(REQUEST, RESPONSE)
    tap = Tap(b"", wait_s=5).see(talk.wire).end()
    tap.decryption.finish()
    assert tap.reasons == {"tls_no_secret": 1}
    assert tap.factory.tls_bytes == size(talk.wire)


@pytest.mark.parametrize("limit", ["flow_bytes", "worker_bytes"])
def test_what_waits_is_bounded(limit: str) -> None:
    talk = Talk().ask(REQUEST, RESPONSE)
    for _ in range(30):
        talk.say(SERVER, bytes(10_000))
    tap = Tap(b"", wait_s=5, limits={limit: 100_000}).see(talk.wire)
    assert tap.reasons == {"tls_no_secret": 1}
    assert tap.decryption.tls_waiting_bytes == 0
    assert tap.sink.held_bytes < 20_000


def test_a_flow_that_goes_for_memory_waits_no_longer() -> None:
    talk = Talk().ask(REQUEST, RESPONSE)
    tap = Tap(b"", wait_s=5).see(talk.wire).end(EVICTED)
    assert tap.reasons == {"tls_no_secret": 1}
    assert tap.decryption.tls_waiting_bytes == 0


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_the_directions_may_come_in_any_order(version: ssl.TLSVersion) -> None:
    """A mirror that shows all of the server's packets of the handshake after the client's, or before."""
    talk = Talk(version)
    handshake = list(talk.wire)
    talk.ask(REQUEST, RESPONSE)
    for first in (CLIENT, SERVER):
        swapped = sorted(handshake, key=lambda turn: turn[0] != first)
        tap = Tap(talk.keys).see(swapped).see(talk.wire[len(handshake) :]).end()
        assert (first, tap.lines) == (first, [LINE])


# -- loss and damage --------------------------------------------------------------------------------------------------------------


BODY = bytes(range(256)) * 600  # ten records
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY)
EXACT = {"1.3": (TLS13, ""), "1.2 GCM": (TLS12, "ECDHE-RSA-AES128-GCM-SHA256"), "1.2 ChaCha20": SUITES["1.2 ChaCha20"][:2]}


def download(version: ssl.TLSVersion, ciphers: str) -> tuple[Talk, bytes]:
    """Return a talk of two exchanges, the first with a long body, and the bytes of that response."""
    talk = Talk(version, ciphers).say(CLIENT, b"GET /1 HTTP/1.1\r\n\r\n")
    talk.say(SERVER, HEAD + BODY)
    long = talk.wire.pop()[1]
    return talk, long


HOLES = {  # (record, byte in it) of its beginning and its end
    "inside a record": ((2, 100), (2, 200)),
    "to the end of a record": ((1, 5_000), (2, 0)),
    "a whole record": ((1, 0), (2, 0)),
    "over the end of a record": ((1, 5_000), (2, 5_000)),
    "several records": ((2, 3), (6, 7)),
    "from inside a header": ((2, 2), (4, 4)),
}


@pytest.mark.parametrize(("first", "last"), HOLES.values(), ids=HOLES.keys())
@pytest.mark.parametrize(("version", "ciphers"), EXACT.values(), ids=EXACT.keys())
def test_after_a_hole_in_a_body_the_next_exchange_is_right(
    version: ssl.TLSVersion, ciphers: str, first: tuple[int, int], last: tuple[int, int]
) -> None:
    talk, long = download(version, ciphers)
    before = len(talk.wire)
    talk.ask(b"GET /2 HTTP/1.1\r\n\r\n", RESPONSE)
    begin, end = (sum(map(len, records(long)[:record])) + byte for record, byte in (first, last))
    tap = Tap(talk.keys).see([*talk.wire[:before], (SERVER, long[:begin])]).lose(SERVER, end - begin)
    tap.see([(SERVER, long[end:])]).see(talk.wire[before:]).end()
    one, two = tap.exchanges
    assert (one.request.target, one.response.status, one.response.wire_length) == (b"/1", 200, len(BODY))
    assert line_of(two)[1:] == ("/2", b"", 200, b"yes")
    assert tap.reasons == {}


def with_holes(tap: Tap, wire: Wire, lost: set[int]) -> Tap:
    """Let *tap* see *wire* without the turns that are *lost*; a hole is known when something comes behind it."""
    missing = [0, 0]
    for turn, (side, data) in enumerate(wire):
        if turn in lost:
            missing[side] += len(data)
            continue
        if missing[side]:
            tap.lose(side, missing[side])
            missing[side] = 0
        tap.see([(side, data)])
    return tap.end()


@pytest.mark.parametrize(("version", "ciphers", "key"), SUITES.values(), ids=SUITES.keys())
def test_with_turns_lost_the_exchanges_are_those_of_clear_text(version: ssl.TLSVersion, ciphers: str, key: str) -> None:
    talk = Talk(version, ciphers, key=key)
    handshake = len(talk.wire)
    said = [turn for number in range(20) for turn in ((CLIENT, b"GET /%d HTTP/1.1\r\n\r\n" % number), (SERVER, RESPONSE))]
    for side, data in said:
        talk.say(side, data)
    for lost in ({10}, {11}, {10, 11}, set(range(7, 20)), {0}, {1}, {39}, set(range(0, 40, 4))):
        clear = with_holes(Tap(), said, lost)
        dark = with_holes(Tap(talk.keys), talk.wire, {handshake + turn for turn in lost})
        assert (lost, dark.lines) == (lost, clear.lines)
        assert dark.reasons == {}


@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.parametrize("which", ["certificate", "end"])
def test_a_handshake_of_which_a_part_is_lost(version: ssl.TLSVersion, which: str) -> None:
    talk = Talk(version)
    flight = next(turn for turn, (side, _) in enumerate(talk.wire) if side == SERVER)
    talk.ask(REQUEST, RESPONSE)
    data = talk.wire[flight][1]
    at, end = (400, 900) if which == "certificate" else (len(data) - 200, len(data))
    tap = Tap(talk.keys).see(talk.wire[:flight]).see([(SERVER, data[:at])]).lose(SERVER, end - at)
    assert tap.see([(SERVER, data[end:])] if end < len(data) else []).see(talk.wire[flight + 1 :]).end().lines == [LINE]


def test_a_corrupted_record_is_a_hole() -> None:
    talk = Talk()
    handshake = len(talk.wire)
    for _ in range(3):
        talk.ask(REQUEST, RESPONSE)
    turn = handshake + 3
    side, data = talk.wire[turn]
    corrupted = [*talk.wire[:turn], (side, data[:-1] + bytes([data[-1] ^ 1])), *talk.wire[turn + 1 :]]
    tap = Tap(talk.keys).see(corrupted).end()
    assert tap.decryption.tls_bad_records == 1
    clear = Tap().see([(CLIENT, REQUEST), (SERVER, RESPONSE), (CLIENT, REQUEST)]).lose(SERVER, len(RESPONSE))
    assert tap.lines == clear.see([(CLIENT, REQUEST), (SERVER, RESPONSE)]).end().lines


def test_a_direction_that_no_record_opens_of_any_more_is_given_up() -> None:
    talk = Talk().ask(REQUEST, RESPONSE)
    for _ in range(40):
        talk.say(SERVER, b"x" * 100)
    broken = [(side, data[:-1] + b"\0" if turn > 8 else data) for turn, (side, data) in enumerate(talk.wire)]
    tap = Tap(talk.keys).see(broken).end()
    assert tap.lines == [LINE]
    assert tap.reasons == {"tls_unauthentic": 1}


def test_http_2_inside() -> None:
    calls = [Call(path=b"/%d" % number, body=b"x" * number * 5000, response_body=b"y" * number) for number in range(5)]
    talk = Talk(alpn=("h2",))
    for side, data in Peers().run(*calls).said:
        talk.say(side, data)
    tap = Tap(talk.keys).see(talk.wire).end()
    assert tap.lines == [call.line for call in calls]
    assert all(one.protocol == "http/2" and "decrypted" in names(one) for one in tap.exchanges)


def test_a_tunnel_of_connect_goes_on_counting() -> None:
    talk = Talk().ask(REQUEST, RESPONSE)
    opening = [(CLIENT, b"CONNECT shop.example:443 HTTP/1.1\r\nHost: x\r\n\r\n"), (SERVER, b"HTTP/1.1 200 OK\r\n\r\n")]
    tap = Tap(talk.keys).see(opening).see(talk.wire).end()
    assert [(one.index, one.request.method) for one in tap.exchanges] == [(0, b"CONNECT"), (1, b"POST")]
    assert ["decrypted" in names(one) for one in tap.exchanges] == [False, True]


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_wire_makes_it_raise_and_what_it_holds_is_bounded(data: st.DataObject) -> None:
    """Real connections with bytes lost, flipped, repeated and put in, cut anyhow."""
    talk = data.draw(st.sampled_from(shuffled()))
    tap = Tap(talk.keys if data.draw(st.booleans()) else b"", wait_s=data.draw(st.sampled_from([0, 5])))
    whole_stream = size(talk.wire)
    for side, chunk in talk.wire:
        for at in range(0, len(chunk), step := data.draw(st.sampled_from([1 << 20, 1000, 77]))):
            part = chunk[at : at + step]
            how = data.draw(st.sampled_from(["keep"] * 12 + ["lose", "flip", "repeat", "noise", "swap", "late"]))
            place = data.draw(st.integers(0, len(part) - 1)) if how in ("flip", "noise") else 0
            if how == "lose":
                tap.lose(side, data.draw(st.sampled_from([len(part), 1, 10**6, 1 << 40])))
                continue
            if how == "flip":
                part = part[:place] + bytes([part[place] ^ data.draw(st.integers(1, 255))]) + part[place + 1 :]
            elif how == "noise":
                part = part[:place] + data.draw(st.binary(max_size=40)) + part[place:]
            elif how == "late":
                tap.secrets.take(talk.keys)
            tap.see([(1 - side if how == "swap" else side, part)] * (2 if how == "repeat" else 1))
            assert tap.sink.held_bytes < whole_stream * 4 + 300_000
    tap.end(data.draw(st.sampled_from([FIN, RESET, EVICTED])))
    tap.decryption.finish()
    assert tap.decryption.tls_waiting_bytes == 0
    assert tap.decryption.tls_decrypted_bytes <= 2 * whole_stream


def shuffled() -> list[Talk]:
    return TALKS or TALKS.extend(
        [Talk(version, ciphers, key=key).ask(REQUEST, RESPONSE).ask(REQUEST, RESPONSE) for version, ciphers, key in SUITES.values()]
        + [Talk(curve="secp521r1").ask(REQUEST, RESPONSE)]
    ) or TALKS  # fmt: skip


TALKS: list[Talk] = []
