"""Packets lost at random, reassembled and paired: fewer pairs, never a wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from tcpmirror.model.exchange import Exchange
from tcpmirror.protocols.connection import ProtocolFactory
from tcpmirror.reassembly.flow_table import FlowTable
from tcpmirror.settings.tree import Limits

CLIENT, SERVER = (b"\x0a\0\0\1", 4000), (b"\x0a\0\0\2", 80)
FIN, SYN, ACK = 1, 2, 16
US, MS, SECOND = 1000, 1_000_000, 1_000_000_000


def request(number: int, rng: Random) -> bytes:
    body = b"q" * rng.choice((0, 0, 5, 400, 3000))
    return b"POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (number, len(body), body)


def response(number: int, rng: Random) -> bytes:
    body = b"r" * rng.choice((0, 20, 700, 4000))
    head = b"HTTP/1.1 200 OK\r\nX-Id: %d\r\n" % number
    if rng.random() < 0.3:
        chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def in_flight(most: int, total: int, rng: Random) -> Iterator[tuple[int, bytes]]:
    """A client that always has *most* requests under way."""
    asked = 0
    for answered in range(total):
        while asked < min(total, answered + most):
            yield 0, request(asked, rng)
            asked += 1
        yield 1, response(answered, rng)


def in_bursts(total: int, rng: Random) -> Iterator[tuple[int, bytes]]:
    """A client that sends up to four requests at a time and waits for all answers."""
    first = 0
    while first < total:
        last = min(total, first + rng.randint(1, 4))
        yield from ((0, request(number, rng)) for number in range(first, last))
        yield from ((1, response(number, rng)) for number in range(first, last))
        first = last


class Mirror:
    """Carries a conversation to a flow table and loses packets with probability *loss*."""

    def __init__(self, loss: float, rng: Random) -> None:
        self.exchanges: list[Exchange] = []
        factory = ProtocolFactory(self.exchanges.append, Limits(), response_timeout_ns=5 * SECOND)
        self.table = FlowTable(
            factory,
            memory_limit=1 << 28,
            flow_limit=1000,
            idle_ns=300 * SECOND,
            half_open_ns=30 * SECOND,
            closing_ns=2 * SECOND,
            reorder_bytes=1 << 20,
            reorder_segments=4096,
        )
        self.loss, self.rng, self.now_ns, self.seq = loss, rng, 1000 * SECOND, [1000, 5000]

    def send(self, side: int, flags: int, payload: bytes = b"") -> None:
        pause = self.rng.randint(20, 400) * US if self.rng.random() > 0.02 else self.rng.randint(1, 80) * MS
        self.now_ns += pause
        source, target = (CLIENT, SERVER) if side == 0 else (SERVER, CLIENT)
        if flags & SYN or self.rng.random() >= self.loss:
            ack = self.seq[1 - side] if flags & ACK else 0
            self.table.feed(*source, *target, self.seq[side], ack, flags, payload, self.now_ns)
        self.seq[side] += len(payload) + bool(flags & (SYN | FIN))

    def play(self, talk: Iterator[tuple[int, bytes]], is_joined: bool, is_closed: bool) -> None:
        if not is_joined:
            self.send(0, SYN)
            self.send(1, SYN | ACK)
        for side, data in talk:
            segment = self.rng.choice((600, 1460))
            for at in range(0, len(data), segment):
                self.send(side, ACK, data[at : at + segment])
                if self.rng.random() < 0.5:
                    self.send(1 - side, ACK)
        if is_closed:
            self.send(0, FIN | ACK)
            self.send(1, FIN | ACK)
            self.table.advance(self.now_ns + 10 * SECOND)
        self.table.end_all()

    def pairs(self) -> tuple[int, int]:
        """Return how many (right, wrong) pairs came out; a response whose id was lost is neither."""
        right = wrong = 0
        for exchange in self.exchanges:
            if exchange.request is None or exchange.response is None:
                continue
            number = exchange.response.header(b"x-id")
            if number is not None and exchange.response.head.endswith(b"\r\n\r\n"):
                right += exchange.request.target[1:] == number
                wrong += exchange.request.target[1:] != number
        return right, wrong


KINDS = {
    "one after the other": lambda total, rng: in_flight(1, total, rng),
    "bursts": in_bursts,
    "two in flight": lambda total, rng: in_flight(2, total, rng),
    "all at once": lambda total, rng: in_flight(total, total, rng),
}
# (kind, loss) -> the least share of pairs on flows seen from their SYN
SHARES = {("one after the other", 0.005): 0.95, ("one after the other", 0.02): 0.7, ("bursts", 0.005): 0.75}


@pytest.mark.parametrize("loss", [0.0, 0.005, 0.02, 0.1])
@pytest.mark.parametrize("is_joined", [False, True], ids=["from the SYN", "joined"])
@pytest.mark.parametrize("kind", KINDS)
def test_random_loss_never_makes_a_wrong_pair(kind: str, is_joined: bool, loss: float) -> None:
    rng = Random(f"{kind} {is_joined} {loss}")
    right = wrong = total = 0
    for _ in range(12):
        mirror = Mirror(loss, rng)
        mirror.play(KINDS[kind](60, rng), is_joined, rng.random() < 0.8)
        pairs = mirror.pairs()
        right, wrong, total = right + pairs[0], wrong + pairs[1], total + 60
    assert wrong == 0
    if not is_joined:
        assert right >= total * (1 if loss == 0 else SHARES.get((kind, loss), 0))
    elif loss == 0:  # sure at a FIN
        assert right >= total // 2


@pytest.mark.parametrize("side", [0, 1], ids=["request", "response"])
def test_of_a_thousand_pipelined_requests_any_one_message_may_be_lost(side: int) -> None:
    rng = Random(7)
    talk = list(in_flight(1000, 1000, rng))
    begins = [place for place, (sender, _) in enumerate(talk) if sender == side]
    for lost in (begins[0], begins[1], begins[499], begins[998], begins[999]):
        mirror = Mirror(0.0, rng)
        turns = iter(talk)

        def without(
            lost: int = lost, mirror: Mirror = mirror, turns: Iterator[tuple[int, bytes]] = turns
        ) -> Iterator[tuple[int, bytes]]:
            for place, (sender, data) in enumerate(turns):
                if place == lost:
                    mirror.seq[sender] += len(data)
                else:
                    yield sender, data

        mirror.play(without(), False, True)
        _, wrong = mirror.pairs()
        assert wrong == 0
        assert len(mirror.exchanges) >= 999
