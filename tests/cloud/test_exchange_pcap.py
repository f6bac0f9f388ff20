from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import dpkt
import pytest

from tcpmirror.cloud.exchange_pcap import NoAddresses, exchange_pcap

REQUEST = b"POST /a?x=1 HTTP/2\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n" + b"q" * 3000
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\ncut body"
TIME = 1_790_000_000_123_456_789


def packets(raw: bytes) -> list[tuple[float, dpkt.ethernet.Ethernet]]:
    return [(at, dpkt.ethernet.Ethernet(frame)) for at, frame in dpkt.pcap.Reader(io.BytesIO(raw))]


@pytest.mark.parametrize(
    ("client", "server"), [("203.0.113.9:51544", "10.0.0.5:80"), ("[2001:db8::1]:5", "[2001:db8::2]:8080")]
)
def test_the_connection_has_its_addresses_times_and_bytes(client: str, server: str) -> None:
    found = packets(exchange_pcap(client, server, TIME, 5_000_000, REQUEST, RESPONSE))
    streams: dict[int, bytes] = {}
    for _, frame in found:
        segment = frame.data.data
        assert segment.sum == dpkt.tcp.TCP(bytes(segment)).sum
        streams[segment.sport] = streams.get(segment.sport, b"") + segment.data
    assert list(streams) == [int(end.rpartition(":")[2]) for end in (client, server)]
    sent, answered = streams.values()
    assert sent == b"POST /a?x=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3000\r\n\r\n" + b"q" * 3000
    assert answered == b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\ncut body"
    flags = [frame.data.data.flags for _, frame in found]
    assert flags[:3] == [0x02, 0x12, 0x10] and flags[-3:] == [0x11, 0x11, 0x10]
    assert float(found[3][0]) == pytest.approx(TIME / 1e9) and float(found[6][0]) == pytest.approx(TIME / 1e9 + 0.005)


@pytest.mark.skipif(shutil.which("tshark") is None, reason="no tshark on this machine")
def test_tshark_reads_the_same_http(tmp_path: Path) -> None:
    file = tmp_path / "exchange.pcap"
    file.write_bytes(exchange_pcap("203.0.113.9:51544", "10.0.0.5:80", TIME, 5_000_000, REQUEST, RESPONSE))
    fields = ["http.request.uri", "http.response.code", "http.content_length", "tcp.checksum.status", "ip.checksum.status"]
    wish = [part for field in fields for part in ("-e", field)]
    checks = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    told = subprocess.run(
        ["tshark", "-r", str(file), *checks, "-T", "fields", *wish], capture_output=True, text=True, check=True, timeout=60
    )
    rows = [line.split("\t") for line in told.stdout.splitlines()]
    assert [row[:3] for row in rows if row[0] or row[1]] == [["/a?x=1", "", "3000"], ["", "200", "8"]]
    assert {tuple(row[3:]) for row in rows} == {("1", "1")}


BAD = {"no port": ("10.0.0.1", "10.0.0.2:80"), "words": ("a:1", "b:2"), "two families": ("10.0.0.1:1", "[::1]:2")}


@pytest.mark.parametrize(("client", "server"), BAD.values(), ids=BAD.keys())
def test_without_addresses_there_are_no_packets(client: str, server: str) -> None:
    with pytest.raises(NoAddresses):
        exchange_pcap(client, server, TIME, None, REQUEST, RESPONSE)


def test_nothing_kept_is_a_connection_without_data() -> None:
    assert len(packets(exchange_pcap("10.0.0.1:1", "10.0.0.2:2", 0, None, b"", b""))) == 6
