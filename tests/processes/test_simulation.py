"""Each promise about trouble, held against trouble made on purpose."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tcpmirror.cli import main
from tcpmirror.errors import EXIT_OK, EXIT_SETTINGS
from tcpmirror.model.anomaly import Anomaly
from tcpmirror.model.exchange import Exchange
from tcpmirror.processes.coverage import Coverage
from tcpmirror.settings.tree import Limits
from tests.processes.test_accounting import assert_bytes_add_up, assert_messages_add_up, assert_packets_add_up
from tests.processes.test_roads import TALK, Road
from tests.traffic import conversation, request, response, write_capture

Frame = tuple[int, bytes]  # nanoseconds, and an untagged IPv4 frame without options
CLIENT_PORT = (20000).to_bytes(2, "big")
HEADERS = 14 + 20 + 20
NUMBER = re.compile(rb"id-(\d+-\d+);")
UNCLEAN = 1 << Anomaly.GAP | 1 << Anomaly.INCOMPLETE


@cache
def template(exchanges: int, padding: int) -> list[Frame]:
    """Return a connection on which each response repeats the number of its request."""
    turns = []
    for index in range(exchanges):
        name = f"id-0000-{index};"
        turns += [(0, request(f"/{name}")), (1, response(f"{name}{'x' * padding}".encode()))]
    return [(int(frame.time * 10**9), bytes(frame)) for frame in conversation(turns, port=20000, segment=700)]


def numbered(flow: int, exchanges: int, padding: int) -> list[Frame]:
    """Return the connection with the number and port of *flow*; its checksums are those of flow 0."""
    own, start = (20000 + flow).to_bytes(2, "big"), flow * 2_000_000
    frames = []
    for time, frame in template(exchanges, padding):
        ports = own + frame[36:38] if frame[34:36] == CLIENT_PORT else frame[34:36] + own
        frames.append((time + start, frame[:34] + ports + frame[38:].replace(b"id-0000-", b"id-%04d-" % flow)))
    return frames


def mixed(flows: int, exchanges: int = 8, padding: int = 0) -> list[Frame]:
    """Return connections that overlap in time."""
    return sorted(frame for flow in range(flows) for frame in numbered(flow, exchanges, padding))


def send(road: Road, frames: list[Frame]) -> None:
    for time, frame in frames:
        road.capture(time, frame)
    road.capture.flush()


def is_mispaired(exchange: Exchange) -> bool:
    if exchange.request is None or exchange.response is None:
        return False
    asked, answered = NUMBER.search(exchange.request.target), NUMBER.search(exchange.response.body)
    return asked is not None and answered is not None and asked[1] != answered[1]


def finish(road: Road) -> None:
    for _, table, _ in road.workers:
        table.end_all()
    road.publish()
    for _, _, page in road.workers:
        assert_bytes_add_up(page)
        assert_messages_add_up(page)
    assert_packets_add_up(road.page)


LOSSY = {"a little": (0.002, 0.0), "1 %": (0.01, 0.0), "5 %": (0.05, 0.0), "ring full": (0.0, 0.02), "both": (0.1, 0.1)}


@pytest.mark.parametrize(("gap", "ring_full"), LOSSY.values(), ids=LOSSY.keys())
def test_lost_segments_never_pair_a_request_with_anothers_response(gap: float, ring_full: float) -> None:
    road = Road(workers=2)
    road.capture.simulate(gap, ring_full)
    frames = mixed(120, padding=900)
    for at in range(0, len(frames), 500):
        send(road, frames[at : at + 500])
        road.work()
    finish(road)
    lost = road.page.get("lost_simulated") + road.page.get("lost_ring_full")
    assert 0.4 * (gap + ring_full) < lost / len(frames) < 2 * (gap + ring_full)
    assert [item for item in road.exchanges if is_mispaired(item)] == []
    clean = [item for item in road.exchanges if item.request and item.response and not item.anomalies & UNCLEAN]
    assert all(len(item.response.body) == item.response.body_length for item in clean)
    assert len(clean) > 0.3 * 120 * 8 * (1 - 4 * (gap + ring_full))


def test_what_the_mirror_lost_is_estimated() -> None:
    road = Road()
    road.capture.simulate(0.03, 0.0)
    frames = mixed(60, padding=3000)
    for at in range(0, len(frames), 500):
        send(road, frames[at : at + 500])
        road.work()
    finish(road)
    _, table, page = road.workers[0]
    sent = sum(len(frame) - HEADERS for _, frame in frames)
    lost = sent - page.get("segment_bytes")
    assert lost > 0
    assert 0.8 * lost <= table.mirror_lost_bytes <= lost + 60  # a FIN that was lost too looks like a byte


@pytest.mark.parametrize("memory", [64 << 10, 256 << 10, 1 << 20])
def test_memory_stays_within_its_figure_and_headers_outlive_it(memory: int) -> None:
    road = Road(limits=Limits(streams_bytes=memory, segment_ring_bytes=1 << 20, report_ring_bytes=1 << 16))
    frames = [
        frame
        for flow in range(150)
        for frame in conversation([(0, request(f"/{flow}", "POST", b"b" * 20_000))], port=20000 + flow)[:12]
    ]
    for at in range(0, len(frames), 200):
        road.send(frames[at : at + 200])
        road.work()
        assert road.workers[0][1].held_bytes <= memory
    page = road.workers[0][2]
    finish(road)
    assert page.get("memory_limit_hits") > 0
    assert len(road.exchanges) == 150
    assert {item.request.target for item in road.exchanges if item.request} == {b"/%d" % flow for flow in range(150)}


def test_bodies_go_before_the_flows_that_are_busy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Uploads at the same time, more than memory holds: every exchange is told, answered, with its heads."""
    uploads = [
        conversation([(0, request(f"/{flow}", "PUT", b"b" * 60_000)), (1, response(b"done"))], port=20000 + flow)
        for flow in range(60)
    ]
    frames = [talk[step] for step in range(len(uploads[0])) for talk in uploads]
    for number, frame in enumerate(frames):
        frame.time = 1_700_000_000 + number * 1e-5
    write_capture(tmp_path / "uploads.pcap", frames)
    lines = tmp_path / "lines.jsonl"
    arguments = ["analyze", "--workers", "1", "--simulate", "memory=512KiB", "--exchanges", str(lines)]
    assert main([*arguments, str(tmp_path / "uploads.pcap")]) == EXIT_OK
    told = [json.loads(line) for line in lines.read_text().splitlines()]
    assert sorted(line["uri"] for line in told) == sorted(f"/{flow}" for flow in range(60))
    assert all(line["status"] == 200 for line in told)
    shed = [line for line in told if "body_shed" in line["anomalies"]]
    assert len(shed) > 30
    assert all("gap" not in line["anomalies"] for line in told)


def test_a_worker_that_cannot_follow_gets_fewer_flows_and_each_of_them_whole() -> None:
    road = Road(limits=Limits(segment_ring_bytes=1 << 20, report_ring_bytes=1 << 16))
    coverage = Coverage(road.page)
    coverage.measure(0.0)
    frames = mixed(3000, exchanges=2, padding=900)
    for at in range(0, len(frames), 100):
        send(road, frames[at : at + 100])
        if at % 1000 == 0:
            road.workers[0][0].turn()  # a batch of 512 for every 1000 that come
    coverage.measure(1.0)
    road.work()
    finish(road)
    page = road.page
    assert page.get("lost_ring_full") == 0
    assert page.get("lost_shed") > 0.2 * len(frames)
    assert 0 < page.get("coverage_permille") < 1000
    exchanges = Counter(item.client_port for item in road.exchanges)
    assert set(exchanges.values()) == {2}
    assert 300 < len(exchanges) < 3000
    assert all(item.request and item.response and not item.anomalies & UNCLEAN for item in road.exchanges)


def test_analyze_takes_faults_and_counts_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture = write_capture(tmp_path / "mirror.pcap", *(conversation(TALK, port=40000 + n) for n in range(30)))
    faults = "gap=5%,ring-full=5%,slow-worker=1ms,memory=1MiB"
    assert main(["analyze", "--until", "http", "--workers", "2", "--simulate", faults, str(capture)]) == EXIT_OK
    summary = json.loads(capsys.readouterr().out)
    assert summary["packets"] == summary["segments"] + sum(summary["losses"].values())
    assert summary["losses"].keys() == {"simulated", "ring_full"}
    assert summary["wall_s"] > 0.001 * summary["exchanges"] / 2
    assert main(["analyze", "--simulate", "meteorite", str(capture)]) == EXIT_SETTINGS
