"""Keep-alive clients: several connections at once, one request in flight on each, every answer checked.

Written on plain sockets because the traffic is the point: which bytes are sent, on how many connections, is known exactly.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from bench.network import Namespace

CONNECT_S: Final = 10.0
SILENCE_S: Final = 20.0  # no answer on any connection for so long: the run has failed
READ_BYTES: Final = 65536


@dataclass(frozen=True, slots=True)
class Request:
    """The bytes to send and the status that must come back; with *piece*, so many bytes a segment."""

    data: bytes
    status: int
    piece: int = 0


class Answer:
    """Collects one response with a Content-Length or in chunks; `feed` tells when it is whole."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> int:
        """Return the status once the response is whole, 0 before; ValueError if its end cannot be told or is passed."""
        self._bytes += data
        at = self._bytes.find(b"\r\n\r\n")
        if at < 0:
            return 0
        head = bytes(self._bytes[:at]).lower()
        whole = self._chunked_end(at + 4) if b"\r\ntransfer-encoding: chunked" in head else at + 4 + content_length(head)
        if whole and len(self._bytes) > whole:
            raise ValueError("more bytes than the response has")
        if not whole or len(self._bytes) < whole:
            return 0
        self._bytes.clear()
        return int(head.split(b" ", 2)[1])

    def _chunked_end(self, at: int) -> int:
        """Return where the chunks that begin at *at* end, 0 as long as the last has not come."""
        while True:
            line = self._bytes.find(b"\r\n", at)
            if line < 0:
                return 0
            size = int(self._bytes[at:line], 16)
            at = line + 2 + size + 2
            if size == 0 or at > len(self._bytes):
                return at if size == 0 else 0


def content_length(head: bytes) -> int:
    """Return the Content-Length in a response head in lower case; ValueError if it has none."""
    return int(head.partition(b"\r\ncontent-length:")[2].split(b"\r\n", 1)[0])


class Connection:
    """One keep-alive connection that works off its own list of requests."""

    def __init__(self, sock: socket.socket, requests: Iterator[Request]) -> None:
        self.sock = sock
        self._requests = requests
        self._answer = Answer()
        self._expected = 0

    def send_next(self) -> bool:
        """Send the next request; False when there is none left."""
        request = next(self._requests, None)
        if request is None:
            return False
        self._expected = request.status
        size = request.piece or len(request.data)
        for start in range(0, len(request.data), size):
            self.sock.sendall(request.data[start : start + size])
        return True

    def read(self) -> bool:
        """Read what came; True when the answer is whole. ValueError on a wrong status or an early end."""
        data = self.sock.recv(READ_BYTES)
        if not data:
            raise ValueError("the server closed the connection inside an exchange")
        status = self._answer.feed(data)
        if status and status != self._expected:
            raise ValueError(f"status {status} instead of {self._expected}")
        return bool(status)


def exchange_all(namespace: Namespace, address: tuple[str, int], batches: Iterable[Iterable[Request]], at_once: int) -> int:
    """Send each batch over a connection of its own, *at_once* of them at a time; return the count of right answers."""
    waiting = iter(batches)
    answered = 0
    with namespace.entered(), selectors.DefaultSelector() as selector:
        for _ in range(at_once):
            _open(selector, address, waiting)
        while selector.get_map():
            ready = selector.select(SILENCE_S)
            if not ready:
                raise TimeoutError(f"no answer for {SILENCE_S:g} s")
            for key, _events in ready:
                connection: Connection = key.data
                if not connection.read():
                    continue
                answered += 1
                if not connection.send_next():
                    selector.unregister(connection.sock)
                    connection.sock.close()
                    _open(selector, address, waiting)
    return answered


def _open(selector: selectors.BaseSelector, address: tuple[str, int], waiting: Iterator[Iterable[Request]]) -> None:
    """Open a connection for the next batch, if one is waiting, and send its first request."""
    batch = next(waiting, None)
    if batch is None:
        return
    sock = socket.create_connection(address, CONNECT_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = Connection(sock, iter(batch))
    if connection.send_next():
        selector.register(sock, selectors.EVENT_READ, connection)
    else:
        sock.close()
