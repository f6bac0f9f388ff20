"""Real HTTP/2 byte streams: the h2 library plays client and server, and tells what each said."""

from __future__ import annotations

from dataclasses import dataclass

import h2.config
import h2.connection
import h2.settings

Pairs = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Call:
    """One request and its response."""

    method: bytes = b"GET"
    path: bytes = b"/"
    authority: bytes = b"api.example"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    status: int = 200
    response_headers: tuple[tuple[bytes, bytes], ...] = ()
    response_body: bytes = b""
    trailers: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def line(self) -> tuple[object, ...]:
        """What `line_of` of its exchange is."""
        return (self.method.decode(), self.path.decode("latin-1"), self.body, self.status, self.response_body)


class Peers:
    """A client and a server that talk to each other; `said` is [(side, bytes)] in the order of sending."""

    def __init__(self, is_upgrade: bool = False) -> None:
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
        self.server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
        self.said: list[tuple[int, bytes]] = []
        if is_upgrade:
            self.server.initiate_upgrade_connection(self.client.initiate_upgrade_connection())
        else:
            self.client.initiate_connection()
            self.server.initiate_connection()
        self.exchange()

    def exchange(self) -> None:
        """Carry what both have to say, until neither has anything."""
        while True:
            from_client, from_server = self.client.data_to_send(), self.server.data_to_send()
            if not from_client and not from_server:
                return
            if from_client:
                self.said.append((0, from_client))
                self.server.receive_data(from_client)
            if from_server:
                self.said.append((1, from_server))
                self.client.receive_data(from_server)

    def ask(self, call: Call, chunk: int = 10_000, padding: int | None = None) -> int:
        stream = self.client.get_next_available_stream_id()
        pseudo: Pairs = [(b":method", call.method), (b":scheme", b"http"), (b":authority", call.authority)]
        self.client.send_headers(stream, [*pseudo, (b":path", call.path), *call.headers], end_stream=not call.body)
        self._send(self.client, stream, call.body, chunk, padding, True)
        self.exchange()
        return stream

    def answer(self, stream: int, call: Call, chunk: int = 10_000, padding: int | None = None) -> None:
        is_last = not call.response_body and not call.trailers
        self.server.send_headers(stream, [(b":status", b"%d" % call.status), *call.response_headers], end_stream=is_last)
        self._send(self.server, stream, call.response_body, chunk, padding, not call.trailers)
        if call.trailers:
            self.server.send_headers(stream, list(call.trailers), end_stream=True)
        self.exchange()

    def run(self, *calls: Call, chunk: int = 10_000, padding: int | None = None) -> Peers:
        for call in calls:
            self.answer(self.ask(call, chunk, padding), call, chunk, padding)
        return self

    def _send(
        self, peer: h2.connection.H2Connection, stream: int, body: bytes, chunk: int, padding: int | None, last: bool
    ) -> None:
        parts = [body[at : at + chunk] for at in range(0, len(body), chunk)]
        for number, part in enumerate(parts, 1):
            peer.send_data(stream, part, end_stream=last and number == len(parts), pad_length=padding)
            self.exchange()


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
