"""An HTTP proxy for tests that knows CONNECT only (RFC 9110, section 9.3.6), and the names that it resolves itself."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from dataclasses import dataclass, field


@dataclass
class TestProxy:
    """Carries connections to *names* (host -> port of this machine); with *status* it refuses every one with that."""

    __test__ = False

    names: dict[str, int] = field(default_factory=dict)
    status: int = 0
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head and (more := client.recv(4096)):
                head += more
            target = head.split(b" ")[1].decode()
            self.asked.append(target)
            port = self.names.get(target.partition(":")[0])
            if self.status or port is None:
                client.sendall(b"HTTP/1.1 %d no\r\nContent-Length: 0\r\n\r\n" % (self.status or 502))
                return
            with socket.create_connection(("127.0.0.1", port)) as server:
                client.sendall(b"HTTP/1.1 200 go ahead\r\n\r\n")
                _relay(client, server)


def _relay(left: socket.socket, right: socket.socket) -> None:
    while True:
        for ready in select.select((left, right), (), ())[0]:
            data = ready.recv(65536)
            if not data:
                return
            (right if ready is left else left).sendall(data)
