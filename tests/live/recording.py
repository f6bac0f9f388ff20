"""A capture of what a real nginx and its clients say, in every way that HTTP/1 frames a message, and over HTTP/2."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.network import Namespace, wait_until
from bench.nginx import answers
from bench.traffic import dumped
from tests.live.bed import SERVER, Bed, bed
from tests.live.visits import HOST

H2_PORT: Final = 8090
H2_SITE: Final = """\
user root;
daemon off;
pid {directory}/h2.pid;
error_log {directory}/h2.log;
events {{}}
http {{
    access_log off;
    server {{
        listen {port} http2;
        root {directory}/nginx/html;
        location /api/ {{ proxy_pass http://127.0.0.1/api/; }}
        location /none {{ return 204; }}
    }}
}}
"""


def asked(target: str, method: str = "GET", *headers: str, body: bytes = b"", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/{version}", f"Host: {HOST}", *headers, "", ""]).encode() + body


CHUNKS = b"5\r\na=1&b\r\n8;x=y\r\n=two&c=3\r\n0\r\n\r\n"
LAST = "Connection: close"
# What each connection says, in the turns in which a client that waits would: a turn ends when nginx has nothing more to say.
# Behind a HEAD in a pipeline tshark takes the next response for its body, so the one here is the last.
TALKS = {
    "kept alive": [asked("/hello.txt"), asked("/missing"), asked("/api/v1/items/7"), asked("/moved", "GET", LAST)],
    "pipelined": [asked("/hello.txt") + asked("/items.json") + asked("/broken") + asked("/", "HEAD", LAST)],
    "chunked both ways": [asked("/api/a", "POST", "Transfer-Encoding: chunked", body=CHUNKS), asked("/zipped/items.json", "GET", "Accept-Encoding: gzip"), asked("/hello.txt", "GET", LAST)],
    "head": [asked("/large.txt", "HEAD"), asked("/hello.txt", "GET", LAST)],
    "continued": [asked("/store/x", "POST", "Content-Length: 11", "Expect: 100-continue"), b"a=1&b=2&c=3" + asked("/hello.txt", "GET", LAST)],
    "unchanged and ranges": [asked("/hello.txt", "GET", "If-None-Match: *"), asked("/large.txt", "GET", "Range: bytes=100-299"), asked("/large.txt", "GET", "Range: bytes=0-9,50-59"), asked("/large.txt", "GET", "Range: bytes=999999999-"), asked("/hello.txt", "GET", LAST)],
    "until the connection ends": [asked("/zipped/items.json", "GET", "Accept-Encoding: gzip", version="1.0")],
    "a large body": [asked("/large.txt", "GET", LAST)],
    "refused": [asked("/hello.txt", "OPTIONS"), asked("/login", "POST", "Content-Length: 3", LAST, body=b"x=1")],
}  # fmt: skip


H2_VISITS = (["/hello.txt"], ["/items.json"], ["/none"], ["/missing"], ["--data", "a=1", "/api/x"], ["--head", "/hello.txt"])


def talk(client: Namespace, turns: list[bytes]) -> None:
    """Say each turn, the next one when nothing more came for a moment; AssertionError unless nginx closes in the end."""
    with client.entered(), socket.create_connection((SERVER, 80), 5) as connection:
        for turn in turns[:-1]:
            connection.sendall(turn)
            connection.settimeout(5)
            assert connection.recv(1 << 16)
            connection.settimeout(0.1)
            with contextlib.suppress(TimeoutError):
                while connection.recv(1 << 16):
                    pass
        connection.settimeout(5)
        connection.sendall(turns[-1])
        while connection.recv(1 << 16):
            pass


@contextlib.contextmanager
def h2_site(ground: Bed) -> Iterator[None]:
    configuration = ground.directory / "h2.conf"
    configuration.write_text(H2_SITE.format(directory=ground.directory, port=H2_PORT))
    with ground.server.process(
        ("nginx", "-p", str(ground.directory), "-c", str(configuration)), ground.directory / "h2.out"
    ):
        wait_until(lambda: answers(ground.server, "127.0.0.1", H2_PORT), "nginx speaks HTTP/2")
        yield


def recorded(artefacts: Path) -> Path:
    """Return a capture of every kind of visit."""
    capture = artefacts / "wire.pcap"
    with bed("span", artefacts / "bed") as ground, h2_site(ground):  # noqa: SIM117
        with dumped(ground.sensor, "mon0", capture, artefacts / "tcpdump.log"):
            for turns in TALKS.values():
                talk(ground.client, turns)
            base = f"http://{SERVER}:{H2_PORT}"
            for *options, path in H2_VISITS:
                ground.curl("--http2-prior-knowledge", *options, base + path)
    return capture
