"""What takes many requests to be seen, from packets to attacks in the cloud: sizes, waits, surges, fields, uploads, GraphQL."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pytest
from scapy.packet import Packet

from bench.network import network, wait_until
from tests.live.sensor import SEEN_S, running
from tests.traffic import conversation, request, response, write_capture

pytestmark = pytest.mark.live

BLOCK_S: Final = 300  # of a history: attacks come in the one after
JSON: Final = {"Content_Type": "application/json"}
CONTROLS: Final = """
behavior:
  interval: 1s
  controls:
    - {name: avatars, type: file_upload_violation, count: uploads, path: /avatar, parameters: photo, limit: 2000, threshold: 0}
    - {name: depth, type: gql_depth, count: graphql, path: /graphql, limit: 3, threshold: 0}
"""
Turn = tuple[int, bytes]


def asked(target: str, answer: bytes = b'{"ok": true}', method: str = "GET", body: bytes = b"") -> list[Turn]:
    return [(0, request(target, method, body, **JSON)), (1, response(answer))]


def usual(begin_s: float) -> Iterator[list[Packet]]:
    """Yield what comes on any day: a report each second, a call of another endpoint every other, changes of users."""
    for number in range(BLOCK_S // 10 + 1):
        turns = [turn for _ in range(10) for turn in asked("/report")] + [turn for _ in range(5) for turn in asked("/busy")]
        user = asked(f"/api/users/{number}", b'{"id": 1, "name": "n", "role": "user", "isAdmin": false}')
        change = asked(f"/api/users/{number}", method="PATCH", body=b'{"name": "n%d"}' % number)
        yield conversation(
            [*turns, *user, *change],
            client=f"10.1.1.{number}",
            port=30000 + number,
            start=begin_s + (number - 1) * 10,
            step=0.01,
        )


def attacks(begin_s: float) -> Iterator[list[Packet]]:
    """Yield the attacks, each from an address of its own."""
    large = [turn for _ in range(25) for turn in asked("/report", b"x" * 70_000)]
    yield conversation(large, client="10.2.0.1", start=begin_s, step=0.0005)
    for number in range(25):
        yield conversation(asked("/report"), client="10.2.0.2", port=31000 + number, start=begin_s + number, step=1.3)
    for number in range(20):
        many = [turn for _ in range(40) for turn in asked("/busy")]
        yield conversation(many, client=f"10.2.1.{number}", start=begin_s + 100 + number / 100, step=0.001)
    single = (
        asked("/api/users/7", method="PATCH", body=b'{"name": "n", "role": "admin"}'),
        asked("/avatar", method="POST", body=b'{"photo": "%b"}' % (b"x" * 3_000)),
        asked("/graphql", method="POST", body=b'{"query": "{a{b{c{d}}}}"}'),
        asked("/graphql?debug=1", method="POST", body=b'{"query": "{a}"}'),
    )
    for number, turns in enumerate(single):
        yield conversation(turns, client="10.2.0.4", port=32000 + number, start=begin_s + 150 + number)


def in_cloud(rows: Iterable[dict[str, object]]) -> set[tuple[object, object]]:
    return {(row["type"], row["path"]) for row in rows}


def test_packets_become_the_attacks_that_their_number_and_sizes_make(artefacts: Path) -> None:
    capture = artefacts / "traffic.pcap"
    begin_s = (time.time() - 6 * BLOCK_S) // BLOCK_S * BLOCK_S
    write_capture(capture, *usual(begin_s), *attacks(begin_s + BLOCK_S + 1))
    text = f"""
version: 4
mode: tcp-capture-v2
tcp_stream: {{from_file: [{{enabled: true, path: {capture}}}]}}
{CONTROLS}"""
    expected = {
        ("api_abuse", "/report"),
        ("resource_consumption", "/report"),
        ("resource_consumption", "/busy"),
        ("mass_assignment", "/api/users/{}"),
        ("file_upload_violation", "/avatar"),
        ("gql_depth", "/graphql"),
        ("gql_debug", "/graphql"),
    }
    with network() as net, running(net.namespace("sensor"), artefacts / "sensor", text) as sensor:
        wait_until(lambda: in_cloud(sensor.attacks()) >= expected, f"{expected} in the cloud", SEEN_S, 0.5)
        assert in_cloud(sensor.attacks()) == expected
        assert sensor.metrics().total("tcpmirror_bugs_total") == 0
