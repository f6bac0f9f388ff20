"""Feeds the two directions of a flow to a connection and collects what it emits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial

from tcpmirror.model.anomaly import anomaly_names
from tcpmirror.model.exchange import Exchange
from tcpmirror.model.stream import FlowInfo, StreamSink
from tcpmirror.protocols.connection import ProtocolFactory
from tcpmirror.protocols.decryption import Decryption
from tcpmirror.protocols.factory import ExchangeFactory
from tcpmirror.protocols.http1 import Http1Factory
from tcpmirror.settings.tree import Limits

SECOND = 1_000_000_000
FIN, RESET, IDLE, EVICTED, INPUT = 1, 2, 3, 4, 5
CLIENT, SERVER = 0, 1

Cut = Callable[[bytes], Iterable[bytes]]


def whole(data: bytes) -> Iterator[bytes]:
    if data:
        yield data


def byte_by_byte(data: bytes) -> Iterator[bytes]:
    for at in range(len(data)):
        yield data[at : at + 1]


def by_three(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), 3):
        yield data[at : at + 3]


CUTS: dict[str, Cut] = {"whole": whole, "byte by byte": byte_by_byte, "by three": by_three}


@dataclass
class Flow:
    """One connection under test, and what came out of it."""

    limits: Limits = field(default_factory=Limits)
    is_client_known: bool = True
    parse_responses: bool = True
    hash_bodies: bool = False
    cut: Cut = whole
    time_ns: int = 1_000 * SECOND
    chooses: bool = False  # find out the protocol, instead of taking HTTP/1 for granted
    decryption: Decryption | None = None

    def __post_init__(self) -> None:
        self.exchanges: list[Exchange] = []
        chosen = partial(ProtocolFactory, decryption=self.decryption)
        make: Callable[..., ExchangeFactory] = chosen if self.chooses else Http1Factory
        self.factory = make(
            self.exchanges.append,
            self.limits,
            response_timeout_ns=5 * SECOND,
            parse_responses=self.parse_responses,
            hash_bodies=self.hash_bodies,
        )
        self.flow = FlowInfo(b"\x0a\0\0\1", 40000, b"\x0a\0\0\2", 80, self.is_client_known)
        self.sink: StreamSink = self.factory.open_flow(self.flow)

    def client(self, *chunks: bytes) -> Flow:
        return self.send(CLIENT, *chunks)

    def server(self, *chunks: bytes) -> Flow:
        return self.send(SERVER, *chunks)

    def send(self, side: int, *chunks: bytes) -> Flow:
        for chunk in chunks:
            for part in self.cut(chunk):
                self.sink.feed(side, part, self.time_ns)
        return self

    def learn(self, key_log: bytes) -> Flow:
        """Have the secrets in the lines of *key_log* known."""
        assert self.decryption is not None
        self.decryption.secrets.take(key_log)
        return self

    def lose(self, side: int, size: int) -> Flow:
        self.sink.skip(side, size, self.time_ns)
        return self

    def wait(self, seconds: float) -> Flow:
        self.time_ns += int(seconds * SECOND)
        return self

    def end(self, how: int = FIN) -> Flow:
        self.sink.finish(CLIENT, how, self.time_ns)
        self.sink.finish(SERVER, how, self.time_ns)
        return self

    @property
    def lines(self) -> list[tuple[object, ...]]:
        return [line_of(exchange) for exchange in self.exchanges]


def line_of(exchange: Exchange) -> tuple[object, ...]:
    """Return (method, target, request body, status, response body), None where there is none."""
    request, response = exchange.request, exchange.response
    return (
        request.method.decode("latin-1") if request else None,
        request.target.decode("latin-1") if request else None,
        request.body if request else None,
        response.status if response else None,
        response.body if response else None,
    )


def names(exchange: Exchange) -> set[str]:
    return set(anomaly_names(exchange.anomalies))


def everything(exchange: Exchange) -> tuple[object, ...]:
    """Return all that must not depend on how the bytes were cut."""
    parts: list[object] = [exchange.index, exchange.client, exchange.server, exchange.anomalies]
    for message in (exchange.request, exchange.response):
        if message is not None:
            parts += [message.head, message.body, message.body_length, message.wire_length, message.anomalies]
            parts += [message.body_sha256]
    return (*line_of(exchange), *parts)
