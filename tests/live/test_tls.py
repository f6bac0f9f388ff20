"""TLS on the wire, its secrets in a file: attacks inside are found by a running sensor that follows the key log."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.network import Namespace, wait_until
from bench.nginx import answers
from bench.traffic import dumped
from tests.live.bed import SERVER, Bed, bed
from tests.live.configurations import V4, V4_RING
from tests.live.sensor import CLOUD, SEEN_S, Sensor, environment, program, running
from tests.live.visits import HOST
from tests.protocols.tls_peers import certificate

pytestmark = pytest.mark.live

PORT = 443
SITE = """\
user root;
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log notice;
worker_processes 1;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests 10000;
    server {{
        listen {port} ssl http2;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        ssl_protocols TLSv1.2 TLSv1.3;
        location / {{ default_type application/json; return 200 '{{"ok":true}}'; }}
    }}
}}
"""
KINDS = {  # curl's arguments, the protocol that the exchange shows
    "TLS 1.3, HTTP/1": (("--tlsv1.3", "--http1.1"), "http/1.1"),
    "TLS 1.3, HTTP/2": (("--tlsv1.3", "--http2"), "http/2"),
    "TLS 1.2, HTTP/1": (("--tls-max", "1.2", "--http1.1"), "http/1.1"),
    "TLS 1.2, HTTP/2": (("--tls-max", "1.2", "--http2"), "http/2"),
    "TLS 1.2, ChaCha20": (("--tls-max", "1.2", "--ciphers", "ECDHE-RSA-CHACHA20-POLY1305", "--http1.1"), "http/1.1"),
    "TLS 1.2, CBC": (("--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES256-SHA", "--http1.1"), "http/1.1"),
}


@contextlib.contextmanager
def site(namespace: Namespace, directory: Path) -> Iterator[None]:
    """Serve HTTPS, with HTTP/2, on PORT."""
    directory.mkdir(parents=True)
    configuration = directory / "nginx.conf"
    configuration.write_text(SITE.format(directory=directory, port=PORT, certificate=certificate()))
    with namespace.process(("nginx", "-p", str(directory), "-c", str(configuration)), directory / "nginx.out"):
        wait_until(lambda: answers(namespace, "127.0.0.1", PORT), f"nginx with TLS ({directory})")
        yield


def visit(ground: Bed, keys: Path, *arguments: str, paths: tuple[str, ...]) -> None:
    """Fetch *paths* over one connection whose secrets go to the end of *keys*."""
    urls = [part for path in paths for part in (f"https://{HOST}{path}", "--output", "/dev/null")]
    command = ("curl", "--silent", "--show-error", "--insecure", "--resolve", f"{HOST}:{PORT}:{SERVER}", *arguments, *urls)
    done = subprocess.run(
        ground.client.command(*command),
        env=environment() | {"SSLKEYLOGFILE": str(keys)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def attack(number: int) -> str:
    return f"/files/{number}?name=../../../../etc/passwd"


def tls(sensor: Sensor, name: str) -> float:
    return sensor.metrics().total(f"tcpmirror_worker_tls_{name}")


@pytest.mark.parametrize("configuration", [V4, V4_RING], ids=["libpcap", "af_packet"])
def test_attacks_inside_tls_reach_the_cloud(configuration: str, artefacts: Path) -> None:
    keys = artefacts / "keys.log"
    text = configuration + f"tls: {{key_log: {keys}}}\n"
    with (
        bed("span", artefacts / "bed") as ground,
        site(ground.server, artefacts / "site"),
        running(ground.sensor, artefacts / "sensor", text) as sensor,
    ):
        for number, (arguments, _) in enumerate(KINDS.values()):
            visit(ground, keys, *arguments, paths=("/items/1", attack(number)))
        sensor.await_seen({attack(number) for number in range(len(KINDS))})
        hits = sensor.hits()
        assert {hit["type"] for hit in hits} == {"ptrav"}
        whole = [sensor.get(f"{CLOUD}/api/v1/hits/{hit['id']}").json() for hit in hits]
        assert all("decrypted" in hit["anomalies"] for hit in whole)
        assert (tls(sensor, "decrypted_flows_total"), tls(sensor, "no_secret_total")) == (len(KINDS), 0)
        assert sensor.metrics().total("tcpmirror_worker_exchanges_total") == 2 * len(KINDS)
        assert_secrets_stay_secret(sensor, keys)


def assert_secrets_stay_secret(sensor: Sensor, keys: Path) -> None:
    """No file that the sensor wrote, and nothing that it answers, has a secret in it."""
    secrets = [line.rsplit(b" ", 1)[1].strip() for line in keys.read_bytes().splitlines() if not line.startswith(b"#")]
    assert secrets
    told = [path.read_bytes() for path in sensor.directory.rglob("*") if path.is_file() and "cache" not in path.parts]
    told += [sensor.command("status", "--json").stdout.encode(), json.dumps(sensor.hits()).encode()]
    for secret in secrets:
        assert not any(secret in text or bytes.fromhex(secret.decode()) in text for text in told)


def test_late_lines_serve_connections_that_are_over(artefacts: Path) -> None:
    """The client logs to a file of its own, which becomes the sensor's key log after the connection has ended."""
    keys, own = artefacts / "keys.log", artefacts / "own.log"
    with (
        bed("span", artefacts / "bed") as ground,
        site(ground.server, artefacts / "site"),
        running(ground.sensor, artefacts / "sensor", V4 + f"tls: {{key_log: {keys}, wait: 30s}}\n") as sensor,
    ):
        visit(ground, own, paths=(attack(1),))
        wait_until(lambda: tls(sensor, "waiting_bytes") > 0, "records that wait", SEEN_S, 0.1)
        assert sensor.hits() == []
        shutil.copy(own, keys)
        sensor.await_seen({attack(1)})
        keys.rename(artefacts / "keys.1")  # rotated: the next lines come to a new file of the same name
        visit(ground, keys, paths=(attack(2),))
        sensor.await_seen({attack(2)})
        assert tls(sensor, "waiting_bytes") == 0


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
def test_tshark_reads_the_same(artefacts: Path) -> None:
    """The list of requests and statuses in a capture is what tshark makes of the same packets and key log."""
    keys, capture = artefacts / "keys.log", artefacts / "tls.pcap"
    with bed("span", artefacts / "bed") as ground, site(ground.server, artefacts / "site"):  # noqa: SIM117
        with dumped(ground.sensor, "mon0", capture, artefacts / "tcpdump.log"):
            for number, (arguments, _) in enumerate(KINDS.values()):
                visit(ground, keys, *arguments, paths=tuple(f"/items/{number}/{item}" for item in range(5)))
    command = [program("tcpmirror"), "analyze", "--key-log", str(keys), "--exchanges", "-", str(capture)]
    lines = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    exchanges = [json.loads(line) for line in lines if line.startswith('{"pcap"')]
    ours = sorted((line["uri"], line["status"], line["protocol"]) for line in exchanges)
    paths = [f"/items/{number}/{item}" for number in range(len(KINDS)) for item in range(5)]
    assert ours == sorted((path, 200, list(KINDS.values())[int(path.split("/")[2])][1]) for path in paths)
    assert sorted(uri for uri, _, _ in ours) == tshark(capture, keys)


def tshark(capture: Path, keys: Path) -> list[str]:
    """Return the targets that tshark finds, sorted."""
    command = ["tshark", "-r", str(capture), "-o", f"tls.keylog_file:{keys}", "-d", f"tcp.port=={PORT},tls"]
    command += [
        "-Y",
        "http.request or http2.headers.path",
        "-T",
        "fields",
        "-e",
        "http.request.uri",
        "-e",
        "http2.headers.path",
    ]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    return sorted(target for line in found.splitlines() for target in line.replace("\t", ",").split(",") if target)
