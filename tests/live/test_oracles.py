"""What a real nginx and its clients said, by independent readers of HTTP: httptools, h11 and h2 on the streams, tshark on the packets."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import shutil
import socket
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import h11
import httptools
import pytest
from scapy.layers.inet import IP, TCP
from scapy.utils import PcapReader

from bench.network import Namespace, wait_until
from bench.nginx import answers
from bench.traffic import dumped
from tests.live.bed import SERVER, Bed, bed
from tests.live.sensor import program
from tests.live.visits import HOST

pytestmark = pytest.mark.live

H2_PORT = 8090
H2_SITE = """\
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
Seen = tuple[str, str, int, str, str]  # method, target, status, SHA-256 of both bodies


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
    "unchanged and ranges": [asked("/hello.txt", "GET", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"), asked("/large.txt", "GET", "Range: bytes=100-299"), asked("/large.txt", "GET", "Range: bytes=0-9,50-59"), asked("/large.txt", "GET", "Range: bytes=999999999-"), asked("/hello.txt", "GET", LAST)],
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


def streams(capture: Path) -> dict[tuple[str, int, int], list[bytes]]:
    """Return (client, port, server port) -> what both sides said: the wire of the bed neither loses nor swaps."""
    said: dict[tuple[str, int, int], list[dict[int, bytes]]] = defaultdict(lambda: [{}, {}])
    with PcapReader(str(capture)) as packets:
        for packet in packets:
            tcp, size = packet[TCP], packet[IP].len - packet[IP].ihl * 4 - packet[TCP].dataofs * 4
            side = int(tcp.sport in (80, H2_PORT))
            key = (packet[IP].dst, tcp.dport, tcp.sport) if side else (packet[IP].src, tcp.sport, tcp.dport)
            if size:
                said[key][side].setdefault(tcp.seq, bytes(tcp.payload)[:size])
    return {
        key: [b"".join(part for _, part in sorted(side.items())) for side in sides] for key, sides in said.items()
    }  # fmt: skip


class Asked:
    """The requests that httptools finds."""

    def __init__(self, data: bytes) -> None:
        self.found: list[tuple[str, str, bytes]] = []
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._target, self._body = b"", b""

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self.found.append((self._parser.get_method().decode(), self._target.decode(), self._body))


def answered(method: str, data: bytes) -> tuple[int, bytes, bytes]:
    """Return status and body of the first final response that h11 finds in *data*, and what follows it."""
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method=method, target="/", headers=[("Host", HOST)]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(data)
    status, coding, body = 0, "", b""
    while not isinstance(event := reader.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
        if event is h11.NEED_DATA:
            reader.receive_data(b"")
        elif isinstance(event, h11.Response):
            status, coding = event.status_code, dict(event.headers).get(b"content-encoding", b"").decode()
        elif isinstance(event, h11.Data):
            body += event.data
    return status, gzip.decompress(body) if coding == "gzip" and body else body, reader.trailing_data[0]


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def by_h11(client: bytes, server: bytes) -> Iterator[Seen]:
    for method, target, body in Asked(client).found:
        status, answer, server = answered(method, server)
        yield method, target, status, digest(body), digest(answer)


def by_h2(client: bytes, server: bytes) -> Iterator[Seen]:
    """What two ends of the h2 library take the bytes of both sides for."""
    hearer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    hearer.initiate_connection()
    speaker = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    speaker.initiate_connection()
    heads: dict[int, dict[str, str]] = {}
    bodies: dict[tuple[int, int], bytes] = defaultdict(bytes)
    _take(0, hearer.receive_data(client), heads, bodies)
    for number, head in heads.items():
        speaker.send_headers(number, list(head.items()), end_stream=True)
    _take(1, speaker.receive_data(server), heads, bodies)
    for number, head in heads.items():
        both = (digest(bodies[number, side]) for side in (0, 1))
        yield (head[":method"], head[":path"], int(head[":status"]), *both)  # type: ignore[misc]


def _take(
    side: int, events: list[h2.events.Event], heads: dict[int, dict[str, str]], bodies: dict[tuple[int, int], bytes]
) -> None:
    for event in events:
        if isinstance(event, h2.events.RequestReceived | h2.events.ResponseReceived):
            heads.setdefault(event.stream_id, {}).update((str(name), str(value)) for name, value in event.headers)
        elif isinstance(event, h2.events.DataReceived):
            bodies[event.stream_id, side] += event.data


def ours(capture: Path, lines: Path) -> list[Seen]:
    command = (program("tcpmirror"), "analyze", "--workers", "2", "--exchanges", str(lines), str(capture))
    subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found = [json.loads(line) for line in lines.read_text().splitlines()]
    none = digest(b"")
    return sorted(
        (line["method"], line["uri"], line["status"], line["request_sha256"] or none, line["response_sha256"] or none)
        for line in found
    )  # fmt: skip


def by_tshark(capture: Path, *fields: str) -> list[str]:
    command = ["tshark", "-r", str(capture), "-d", f"tcp.port=={H2_PORT},http2", "-T", "fields"]
    command += [word for field in fields for word in ("-e", field)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    return sorted(value for line in said.splitlines() for value in line.replace("\t", ",").split(",") if value)


def test_every_reader_finds_the_same_exchanges(artefacts: Path) -> None:
    capture = recorded(artefacts)
    theirs: list[Seen] = []
    for (_, _, port), (client, server) in streams(capture).items():
        theirs += (by_h2 if port == H2_PORT else by_h11)(client, server)
    found = ours(capture, artefacts / "exchanges.jsonl")
    assert found == sorted(theirs)
    assert len(found) == sum(data.count(b" HTTP/1.") for turns in TALKS.values() for data in turns) + len(H2_VISITS)
    if shutil.which("tshark"):
        assert by_tshark(capture, "http.request.uri", "http2.headers.path") == sorted(target for _, target, *_ in found)
        statuses = by_tshark(capture, "http.response.code", "http2.headers.status")
        assert [status for status in statuses if status != "100"] == sorted(str(status) for _, _, status, *_ in found)
