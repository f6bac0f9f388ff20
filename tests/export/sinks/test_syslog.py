"""Messages as a reader of RFC 5424 takes them apart, and as a real rsyslog writes them down."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from tcpmirror.export.delivery import DeliveryError
from tcpmirror.export.sinks.hit import Hit
from tcpmirror.export.sinks.opening import open_sink
from tcpmirror.export.sinks.syslog import message
from tcpmirror.settings import tree

RFC_5424 = re.compile(
    rb"<(?P<pri>\d{1,3})>1 (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z) (?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) "
    rb"(?P<pid>[!-~]{1,128}) (?P<id>[!-~]{1,32}) - \xef\xbb\xbf(?P<body>.*)",
    re.DOTALL,
)
MakeSink = Callable[..., tree.Sink]


@pytest.mark.parametrize("body", ["json", "cef", "leef"])
def test_a_message_is_one_of_the_rfc(hits: list[Hit], body: str) -> None:
    for hit in hits:
        found = RFC_5424.fullmatch(message(hit, body, "0.1"))
        assert found
        assert (found["app"], found["id"], int(found["pri"]) >> 3) == (b"tcpmirror", b"hit", 16)
        assert b"\n" not in found["body"]
        found["body"].decode()


def unframed(stream: bytes) -> list[bytes]:
    """Return the messages of counted octets (RFC 6587, section 3.4.1)."""
    messages = []
    while stream:
        length, _, rest = stream.partition(b" ")
        messages.append(rest[: int(length)])
        stream = rest[int(length) :]
    return messages


def test_udp_carries_a_message_a_datagram(hits: list[Hit], sink_settings: MakeSink) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5.0)
        sink = open_sink(sink_settings("syslog", url=f"udp://127.0.0.1:{receiver.getsockname()[1]}", format="cef"), "0.1")
        sink.send("b1", hits)
        assert [receiver.recv(65536) for _ in hits] == [message(hit, "cef", "0.1") for hit in hits]
        sink.close()


class Collector:
    """A TCP or TLS server that keeps what each connection sent."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        self.streams: list[bytearray] = []
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
                taken = self._tls.wrap_socket(plain, server_side=True) if self._tls else plain
            except OSError:
                if self._listener.fileno() < 0:
                    return
                continue
            self.streams.append(bytearray())
            self.connections.append(taken)
            threading.Thread(target=self._keep, args=(taken, self.streams[-1]), daemon=True).start()

    @staticmethod
    def _keep(connection: socket.socket, stream: bytearray) -> None:
        try:
            while data := connection.recv(65536):
                stream += data
        except OSError:
            pass

    def messages(self) -> list[bytes]:
        return [each for stream in self.streams for each in unframed(bytes(stream))]

    def hang_up(self) -> None:
        for connection in self.connections:
            connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()


def await_true(claim: Callable[[], object], deadline_s: float = 60.0) -> None:
    until_s = time.monotonic() + deadline_s
    while not claim():
        assert time.monotonic() < until_s, "did not happen in time"
        time.sleep(0.005)


def test_tcp_counts_octets_and_comes_back_to_a_receiver_that_was_restarted(hits: list[Hit], sink_settings: MakeSink) -> None:
    collector = Collector()
    sink = open_sink(sink_settings("syslog", url=f"tcp://127.0.0.1:{collector.port}", format="leef"), "0.1")
    sink.send("b1", hits)
    await_true(lambda: len(collector.messages()) == 3)
    collector.hang_up()
    sink.send("b2", hits[:1])
    await_true(lambda: len(collector.messages()) == 4)
    assert collector.messages() == [message(hit, "leef", "0.1") for hit in (*hits, hits[0])]
    sink.close()
    collector.close()


def tls_collector(directory: Path, name: str) -> tuple[Collector, str]:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(directory / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(name).configure_cert(context)
    return Collector(context), str(directory / "ca.pem")


def test_tls_goes_to_a_receiver_that_proves_itself(hits: list[Hit], sink_settings: MakeSink, tmp_path: Path) -> None:
    collector, ca_file = tls_collector(tmp_path, "127.0.0.1")
    url = f"tls://127.0.0.1:{collector.port}"
    with pytest.raises(DeliveryError) as caught:
        open_sink(sink_settings("syslog", url=url), "0.1").send("b1", hits)
    assert caught.value.reason == "tls"
    sink = open_sink(sink_settings("syslog", url=url, ca_file=ca_file), "0.1")
    sink.send("b1", hits)
    await_true(lambda: len(collector.messages()) == 3)
    sink.close()
    collector.close()


UNREACHABLE = {"nobody listens": ("tcp://127.0.0.1:1", "connect"), "no such name": ("tcp://no-such-host.invalid", "dns")}


@pytest.mark.parametrize(("url", "reason"), UNREACHABLE.values(), ids=UNREACHABLE.keys())
def test_why_nobody_takes_it_is_told(hits: list[Hit], sink_settings: MakeSink, url: str, reason: str) -> None:
    with pytest.raises(DeliveryError) as caught:
        open_sink(sink_settings("syslog", url=url), "0.1").send("b1", hits)
    assert caught.value.reason == reason


@pytest.fixture
def rsyslog(tmp_path: Path, free_port: int, request: pytest.FixtureRequest) -> Iterator[tuple[int, Path]]:
    """The port and the file of an rsyslog that listens by TCP and writes each message's parts down."""
    if shutil.which("rsyslogd", path="/usr/sbin:/usr/bin") is None:
        if request.config.getoption("--complete"):
            pytest.fail("rsyslog is not installed")
        pytest.skip("rsyslog is not installed")
    written = tmp_path / "written"
    (tmp_path / "rsyslog.conf").write_text(
        f"""
global(workDirectory="{tmp_path}" maxMessageSize="64k")
module(load="imtcp")
template(name="parts" type="string" string="%app-name%|%msgid%|%syslogfacility-text%|%msg%\\n")
input(type="imtcp" port="{free_port}" address="127.0.0.1" ruleset="keep")
ruleset(name="keep") {{ action(type="omfile" file="{written}" template="parts") }}
"""
    )
    command = ["/usr/sbin/rsyslogd", "-n", "-f", str(tmp_path / "rsyslog.conf"), "-i", str(tmp_path / "pid")]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as running:
        yield free_port, written
        running.terminate()


def test_rsyslog_reads_what_is_sent(hits: list[Hit], sink_settings: MakeSink, rsyslog: tuple[int, Path]) -> None:
    port, written = rsyslog

    def is_listening() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    await_true(is_listening)
    sink = open_sink(sink_settings("syslog", url=f"tcp://127.0.0.1:{port}", format="cef"), "0.1")
    sink.send("b1", hits)
    await_true(lambda: written.exists() and len(written.read_bytes().splitlines()) == 3)
    for line in written.read_text(errors="replace").splitlines():
        assert line.startswith("tcpmirror|hit|local0|")
        assert "CEF:0|tcpmirror|tcpmirror|0.1|" in line
    sink.close()
