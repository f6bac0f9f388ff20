"""nginx with libmodsecurity3 and the OWASP CRS of the distribution, and what each request costs its worker.

The worker's CPU is read from /proc (schedstat, nanoseconds on a CPU) before and after each request: one request at a time,
one worker, so the difference is that request's. nginx without the module, fed the same, tells how much of it is nginx.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MODULE: Final = Path("/usr/lib/nginx/modules/ngx_http_modsecurity_module.so")
RULES: Final = Path("/usr/share/modsecurity-crs/rules")
SETUP: Final = Path("/etc/modsecurity/crs/crs-setup.conf")
ANSWER_S: Final = 60.0  # a kilobyte of entities has cost libmodsecurity five seconds
START_S: Final = 30.0
REFUSED: Final = 403

_NGINX: Final = """\
{load}
user root;
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log crit;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    client_max_body_size 64m;
    large_client_header_buffers 8 64k;
    ignore_invalid_headers off;
    keepalive_timeout 0;
    server {{
        listen 127.0.0.1:{port};
        root {directory};
        {rules}
        location / {{ try_files /nothing =404; }}
    }}
}}
"""
_MODSECURITY: Final = """\
SecRuleEngine On
SecRequestBodyAccess On
SecResponseBodyAccess Off
SecAuditEngine Off
SecRequestBodyLimit 67108864
SecRequestBodyNoFilesLimit 67108864
SecPcreMatchLimit 500000
SecPcreMatchLimitRecursion 500000
Include {setup}
Include {rules}/*.conf
"""


@dataclass(frozen=True, slots=True)
class Told:
    """What nginx made of one request: whether it was refused, and microseconds of its worker's CPU."""

    refused: bool
    cpu_us: float


def missing() -> str:
    """Return what keeps libmodsecurity from being measured here; empty if nothing does."""
    absent = [str(path) for path in (MODULE, RULES, SETUP) if not path.exists()]
    if not absent:
        return ""
    return f"{', '.join(absent)} missing: install libnginx-mod-http-modsecurity and modsecurity-crs"


@contextlib.contextmanager
def server(with_rules: bool) -> Iterator[Server]:
    """Run nginx on a port of loopback, with the rules or alone."""
    with tempfile.TemporaryDirectory(prefix="bench-modsecurity-") as name:
        directory = Path(name)
        (directory / "modsecurity.conf").write_text(_MODSECURITY.format(setup=SETUP, rules=RULES), encoding="utf-8")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        rules = f"modsecurity on; modsecurity_rules_file {directory}/modsecurity.conf;" if with_rules else ""
        load = f"load_module {MODULE};" if with_rules else ""
        configuration = directory / "nginx.conf"
        configuration.write_text(_NGINX.format(directory=directory, port=port, rules=rules, load=load), encoding="utf-8")
        process = subprocess.Popen(("nginx", "-p", name, "-c", str(configuration)), stderr=subprocess.DEVNULL)
        try:
            yield Server(port, _worker(process))
        finally:
            process.terminate()
            process.wait(START_S)


class Server:
    """A running nginx, asked one request after the other."""

    def __init__(self, port: int, worker: int) -> None:
        self._port = port
        self._schedstat = Path(f"/proc/{worker}/schedstat")

    def ask(self, request: bytes) -> Told | None:
        """Send *request* on a connection of its own; None: no answer in time, or none at all."""
        before = self._cpu_ns()
        with socket.create_connection(("127.0.0.1", self._port), ANSWER_S) as connection:
            try:
                connection.sendall(request)
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
            except OSError:
                return None
        if not answer.startswith(b"HTTP/1."):
            return None
        return Told(int(answer[9:12]) == REFUSED, (self._cpu_ns() - before) / 1000)

    def _cpu_ns(self) -> int:
        return int(self._schedstat.read_text(encoding="ascii").split()[0])


def _worker(master: subprocess.Popen[bytes]) -> int:
    """Return the process id of the worker of *master*, once there is one."""
    children = Path(f"/proc/{master.pid}/task/{master.pid}/children")
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and master.poll() is None:
        found = children.read_text(encoding="ascii").split()
        if found:
            return int(found[0])
        time.sleep(0.05)
    raise RuntimeError("nginx did not start")
