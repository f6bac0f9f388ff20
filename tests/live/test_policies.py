"""Policies given on the console hold for packets: specifications and masks go down to a node, violations and weaknesses come up."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Final

import pytest

from bench.network import network, wait_until
from tests.live.bed import Bed, bed
from tests.live.configurations import V4
from tests.live.sensor import CLOUD, SEEN_S, Sensor, running
from tests.live.visits import HOST, curl
from tests.traffic import conversation, request, response, write_capture

pytestmark = pytest.mark.live

DOCUMENT: Final[dict[str, Any]] = {
    "openapi": "3.0.3",
    "info": {"title": "shop", "version": "1"},
    "paths": {
        "/api/items": {
            "get": {
                "parameters": [{"name": "page", "in": "query", "required": True, "schema": {"type": "integer"}}],
                "responses": {"200": {"description": "items"}},
            },
            "post": {
                "security": [{"key": []}],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"type": "object", "required": ["name"]}}},
                },
                "responses": {"200": {"description": "made"}},
            },
        },
    },
    "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}},
}
JSON: Final = ("--header", "Content-Type: application/json")
VIOLATIONS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {  # type -> what is asked, with which arguments of curl
    "undefined_endpoint": ("/api/other", ()),
    "missing_parameter": ("/api/items?n=1", ()),
    "undefined_parameter": ("/api/items?page=1&debug=yes", ()),
    "invalid_parameter_value": ("/api/items?page=first", ()),
    "missing_auth": ("/api/items?n=2", (*JSON, "--data", '{"name": "anvil"}')),
    "invalid_request": ("/api/items?n=3", (*JSON, "--header", "X-Key: k1", "--data", '{"name":')),
}
WEAKNESSES: Final = {"version-disclosed", "secret-in-url"}
PIN: Final = "kanarie4711vogel"


def told(sensor: Sensor, method: str, path: str, body: Any, **parameters: str) -> Any:
    """Call the API as the administrator; return what it answers."""
    answer = sensor.call(method, f"{CLOUD}/api/v1/{path}", body, **parameters)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


def own_rules(sensor: Sensor) -> str:
    return str(sensor.status()["rules"]["digest"])


def test_policies_of_the_console_hold_for_packets(artefacts: Path) -> None:
    text = f"{V4}discovery: {{interval: 1s}}\n"
    with bed("span", artefacts / "bed") as ground, running(ground.sensor, artefacts / "sensor", text, pages=True) as sensor:
        before = own_rules(sensor)
        listed = told(sensor, "POST", "inventory/specifications", DOCUMENT, host=HOST, name="shop")
        told(sensor, "PATCH", f"inventory/specifications/{listed['specifications'][0]['id']}", {"enforced": True})
        told(sensor, "POST", "masks", {"entry": {"name": "pins", "parameter": "pin"}})
        sensor.kill("exporter-0")  # the next one asks the cloud at once, this one did a moment ago
        wait_until(lambda: own_rules(sensor) != before, "the policies in force", SEEN_S, 0.2)
        wait_until(lambda: is_masked(ground, sensor), "a masked attack", SEEN_S, 0.5)

        visit_weak_pages(ground)
        for target, arguments in VIOLATIONS.values():
            curl(ground, *arguments, path=target)
        sensor.await_seen({target for target, _ in VIOLATIONS.values()})
        found = {(hit["type"], hit["uri"]) for hit in sensor.hits()}
        assert {(kind, target) for kind, (target, _) in VIOLATIONS.items()} <= found
        for kind in VIOLATIONS:
            assert ("/api/other" if kind == "undefined_endpoint" else "/api/items") in page(sensor, f"/attacks?q={kind}")
        wait_until(lambda: kinds(sensor) >= WEAKNESSES, f"{WEAKNESSES} in the cloud", SEEN_S, 0.3)
        assert "nginx" in page(sensor, "/vulnerabilities")


def visit_weak_pages(ground: Bed) -> None:
    for number in range(2):
        curl(ground, path=f"/hello.txt?password=tr0ub4dor{number}")


def is_masked(ground: Bed, sensor: Sensor) -> bool:
    """Attack with a secret beside; tell whether one of those attacks came without it."""
    curl(ground, path=f"/etc/passwd?pin={PIN}&at={time.monotonic_ns()}")
    return any("pin=" in uri and PIN not in uri for uri in sensor.hit_uris())


def kinds(sensor: Sensor) -> set[str]:
    return {row["kind"] for row in sensor.pages("vulnerabilities")}


def page(sensor: Sensor, path: str) -> str:
    answer = sensor.get(CLOUD + path)
    assert answer.status_code == 200
    return answer.text


def login(number: int) -> list[tuple[int, bytes]]:
    body = json.dumps({"user": "jo", "password": f"guess{number}"}).encode()
    return [(0, request("/login", "POST", body, Content_Type="application/json")), (1, response(b"no", 401))]


def test_where_only_apis_are_discovered_attacks_stay_in_the_log(artefacts: Path) -> None:
    """What is exported: the inventory, sessions, weaknesses; of attacks neither a hit, a mark, a counter nor a sink's line."""
    capture, home = artefacts / "traffic.pcap", artefacts / "sensor"
    start = time.time() - 200
    page_of_items = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"id": 1}'
    shown = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 32\r\n\r\nroot:x:0:0:root:/root:/bin/bash\n"
    talks = [[(0, request(f"/api/items/{number}?token=s3cr3tf0rm")), (1, page_of_items)] for number in range(1000, 1010)]
    talks += [login(number) for number in range(60)]
    talks += [[(0, request("/file?name=../../etc/passwd")), (1, shown)]]
    write_capture(
        capture,
        *(conversation(talk, port=40000 + at, start=start + at / 4) for at, talk in enumerate(talks)),
    )
    text = f"""
version: 4
mode: tcp-capture-v2
discovery_only: true
tcp_stream: {{from_file: [{{enabled: true, path: {capture}}}]}}
discovery: {{interval: 1s}}
sessions: {{interval: 1s}}
behavior: {{interval: 1s}}
sinks: [{{name: archive, type: file, url: {home}/sink.jsonl}}]
"""
    with network() as net, running(net.namespace("sensor"), home, text) as sensor:
        log = home / "sensor.log"
        wait_until(
            lambda: all(kind in log.read_text() for kind in ("ptrav", "brute")), "the attacks in the log", SEEN_S, 0.3
        )
        wait_until(lambda: sensor.pages("inventory/endpoints", host="shop.example"), "the inventory", SEEN_S, 0.3)
        wait_until(lambda: {"secret-in-url", "exploited-ptrav"} <= kinds(sensor), "weaknesses", SEEN_S, 0.3)
        wait_until(lambda: sensor.pages("sessions"), "sessions", SEEN_S, 0.3)
        assert sensor.attacks() == []
        assert {row["attacks"] for row in sensor.pages("sessions")} == {0}
        exploited = next(row for row in sensor.pages("vulnerabilities") if row["kind"] == "exploited-ptrav")
        assert "etc/passwd" not in json.dumps(told(sensor, "GET", f"vulnerabilities/{exploited['id']}", None))
    assert not (home / "sink.jsonl").exists() or not (home / "sink.jsonl").read_bytes()
    assert b"etc/passwd" not in (home / "state" / "cloud.db").read_bytes()
