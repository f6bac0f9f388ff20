"""From the wire to the console: through each mirror, every exchange counted, every attack in the cloud's query API."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.network import wait_until
from bench.nginx import SECOND_PORT
from bench.traffic import dumped
from tests.live.bed import CLIENT, MIRRORS, SERVER, SERVER6, Bed, bed
from tests.live.configurations import ROADS, V3
from tests.live.sensor import SEEN_S, Sensor, program, running
from tests.live.visits import ATTACKS, HOST, assorted, attack_twice, keep_alive

pytestmark = pytest.mark.live


def exchanges(sensor: Sensor) -> int:
    return int(sensor.metrics().total("tcpmirror_worker_exchanges_total"))


def await_exchanges(sensor: Sensor, wanted: int) -> None:
    wait_until(lambda: exchanges(sensor) >= wanted, f"{wanted} exchanges", SEEN_S, 0.2)
    assert exchanges(sensor) == wanted


def await_attacks(sensor: Sensor, hits: int) -> list[dict[str, Any]]:
    wait_until(lambda: len(sensor.hits()) >= hits, f"{hits} hits in the cloud", SEEN_S, 0.2)
    return sensor.attacks()


@pytest.mark.parametrize("road", ROADS)
def test_attacks_reach_the_cloud_and_every_exchange_is_counted(road: str, artefacts: Path) -> None:
    mirror, configuration = ROADS[road]
    with bed(mirror, artefacts / "bed") as ground, running(ground.sensor, artefacts / "sensor", configuration) as sensor:
        sent = attack_twice(ground) + keep_alive(ground)
        ground.await_answered(sent)
        await_exchanges(sensor, sent)
        found = await_attacks(sensor, 4)
        assert sorted(attack["type"] for attack in found) == ["ptrav", "sqli"]
        hits = sensor.hits()
        for wanted in ATTACKS:
            its = [hit for hit in hits if wanted.items() <= hit.items()]
            assert len(its) == 2, (wanted, hits)
            assert all(hit["source"] == CLIENT for hit in its)
        counted(sensor, sent)


def counted(sensor: Sensor, sent: int) -> None:
    """Check the counters of a sensor that saw *sent* requests, all answered, four of them attacks."""
    scrape = sensor.metrics()
    prefix = "wallarm_gonode_tcp_"
    assert scrape.total(f"{prefix}reassembler_http_messages_total", type="request") == sent
    assert scrape.total(f"{prefix}reassembler_http_messages_total", type="response") == sent
    assert scrape.total(f"{prefix}stream_input_packets_total") >= 2 * sent
    assert scrape.total("wallarm_gonode_http_inspector_threats_found_total") == 4
    assert scrape.total("tcpmirror_worker_unanswered_total") == 0
    assert scrape.total("tcpmirror_worker_gaps_total") == 0
    processes = sensor.processes()
    workers = [process["counters"] for process in processes.values() if process["kind"] == "worker"]
    assert sum(counters["exchanges"] for counters in workers) == sent
    assert not any(process["restarts"] for process in processes.values())


@pytest.mark.parametrize("mirror", MIRRORS)
def test_capture_of_the_mirror_gives_what_the_server_logged(mirror: str, artefacts: Path) -> None:
    capture, lines = artefacts / "mon0.pcap", artefacts / "exchanges.jsonl"
    with (
        bed(mirror, artefacts / "bed") as ground,
        dumped(ground.sensor, "mon0", capture, artefacts / "tcpdump.log", "not icmp6"),
    ):
        sent = attack_twice(ground) + keep_alive(ground) + assorted(ground)
        ground.await_answered(sent)
        logged = logged_requests(ground)
    command = (program("tcpmirror"), "analyze", "--workers", "2", "--exchanges", str(lines), str(capture))
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in lines.read_text().splitlines()]
    assert Counter((line["method"], line["uri"], line["status"], line["host"]) for line in found) == logged
    odd = {line["uri"]: line["anomalies"] for line in found if line["anomalies"]}
    assert odd == {"/api/v1/upload": ["early_response"]}  # nginx answers as soon as it has read the head


def logged_requests(ground: Bed) -> Counter[tuple[str, str, int, str]]:
    """Return (method, target, status, host) of every request in nginx's access log, in its combined format."""
    requests: Counter[tuple[str, str, int, str]] = Counter()
    for line in ground.access_log.read_text().splitlines():
        _, request, status, *_ = line.split('"')
        method, target, _ = request.split(" ")
        requests[method, target, int(status.split()[0]), HOST] += 1
    return requests


def test_attack_over_ipv6_reaches_the_cloud(artefacts: Path) -> None:
    with bed("span", artefacts / "bed") as ground, running(ground.sensor, artefacts / "sensor", V3) as sensor:
        assert ground.curl("--globoff", f"http://[{SERVER6}]/etc/passwd") == [(404, 1)]
        (attack,) = await_attacks(sensor, 1)
        assert (attack["type"], attack["host"]) == ("ptrav", f"[{SERVER6}]")


def test_port_filter_leaves_other_ports_alone(artefacts: Path) -> None:
    elsewhere = V3.replace("mon0:", f"mon0:{SECOND_PORT}")
    with bed("span", artefacts / "bed") as ground, running(ground.sensor, artefacts / "sensor", elsewhere) as sensor:
        assert ground.curl(f"http://{SERVER}/etc/passwd") == [(404, 1)]
        assert ground.curl(f"http://{SERVER}:{SECOND_PORT}/etc/passwd") == [(404, 1)]
        (attack,) = await_attacks(sensor, 1)
        assert attack["host"] == f"{SERVER}:{SECOND_PORT}"
        assert exchanges(sensor) == 1
