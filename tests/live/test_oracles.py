"""What a real nginx and its clients said, by independent readers of HTTP: httptools, h11 and h2 on the streams, tshark on the packets."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
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

from tests.live.recording import H2_PORT, H2_VISITS, TALKS, recorded
from tests.live.sensor import program
from tests.live.visits import HOST

pytestmark = pytest.mark.live

Seen = tuple[str, str, int, str, str]  # method, target, status, SHA-256 of both bodies


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
