"""A nats-server with JetStream for tests and the bench, in a directory of its own; it goes with this process."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

from bench.network import wait_until


def program() -> str | None:
    """Return the path of nats-server, None if it is not installed."""
    return shutil.which("nats-server", path="/usr/sbin:/usr/bin:/usr/local/bin")


class NatsServer(AbstractContextManager["NatsServer"]):
    """Takes connections with *token* at ``url``; what it acknowledged is there again after it was killed and started."""

    def __init__(self, token: str = "", max_payload_bytes: int = 1 << 20) -> None:
        found = program()
        assert found is not None, "nats-server is not installed"
        self._program = found
        self.directory = Path(tempfile.mkdtemp(prefix="tcpmirror-nats-", dir="/tmp"))
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = int(probe.getsockname()[1])
        self.url = f"nats://127.0.0.1:{self.port}"
        authorization = f'authorization {{ token: "{token}" }}' if token else ""
        (self.directory / "nats.conf").write_text(
            f"listen: 127.0.0.1:{self.port}\nmax_payload: {max_payload_bytes}\n{authorization}\n"
            f"jetstream {{ store_dir: {self.directory}/store }}\n"
        )

    def __enter__(self) -> NatsServer:
        self.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        with (self.directory / "log").open("ab") as log:
            command = [self._program, "-c", str(self.directory / "nats.conf")]
            self._server = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(self._is_ready, "nats-server takes connections", 20)

    def stop(self, signum: signal.Signals = signal.SIGTERM) -> None:
        """End the server: SIGKILL as a crash would."""
        self._server.send_signal(signum)
        self._server.wait(20)

    def _is_ready(self) -> bool:
        assert self._server.poll() is None, (self.directory / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
