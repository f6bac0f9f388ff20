"""What a capture lost, and what somebody sent twice in two ways: from frames to the lines and reports that tell it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import TCP
from scapy.packet import Packet, Raw

from tcpmirror.model.report import Report, decode_report, encode_report
from tcpmirror.processes.judging import Judge
from tcpmirror.settings.tree import Settings
from tests.processes.test_analysis import analyse
from tests.processes.test_judging import Suspicious
from tests.processes.test_roads import Road
from tests.traffic import conversation, request, response, write_capture

Part = tuple[bytes, bool]  # a segment, and whether the mirror lost it
REQUESTS = [request(f"/{number}") for number in range(3)]
RESPONSES = [response(b"answer %d" % number, 200 + number) for number in range(3)]
COUNTED = b"Content-Length: 30\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"

# id -> what stands behind the start line and Host of the first of three messages, cut up; then whether the second is seen
LOST: dict[str, tuple[list[Part], bool]] = {
    "inside a counted body": ([(COUNTED + b"a" * 10, False), (b"b" * 10, True), (b"c" * 10, False)], True),
    "up to the end of a counted body": ([(COUNTED + b"a" * 10, False), (b"b" * 20, True)], True),
    "inside a chunk": ([(CHUNKED + b"1e\r\n" + b"a" * 10, False), (b"b" * 10, True), (b"c" * 10 + b"\r\n0\r\n\r\n", False)], True),
    "over the next start line": ([(COUNTED + b"a" * 10, False), (b"b" * 20 + b"@", True)], False),
    "over a size of a chunk and the next start line": (
        [(CHUNKED + b"1e\r\n" + b"a" * 10, False), (b"b" * 20 + b"\r\n0\r\n\r\n@", True)],
        False,
    ),
}  # fmt: skip


def lossy(first: bytes, others: list[bytes], parts: list[Part], is_next_seen: bool) -> list[Part]:
    """Return the stream of one side: *first* is a start line; *others* are whole messages."""
    begin = first + b"\r\nHost: shop.example\r\n"
    stream = [(begin + parts[0][0], parts[0][1]), *parts[1:]]
    if is_next_seen:
        return [*stream, *((message, False) for message in others)]
    lost = stream.pop()[0].removesuffix(b"@") + others[0]
    return [*stream, (lost, True), *((message, False) for message in others[1:])]


def captured(path: Path, sides: tuple[list[Part], list[Part]]) -> list[dict[str, Any]]:
    """Return the lines of the exchanges of a connection whose lost segments are in no frame."""
    turns = [(side, data) for side in (0, 1) for data, _ in sides[side]]
    lost = [(side, data) for side in (0, 1) for data, is_lost in sides[side] if is_lost]
    frames = [frame for frame in conversation(turns) if (int(frame[TCP].sport == 80), payload(frame)) not in lost]
    _, exchanges, _ = analyse(write_capture(path / "lossy.pcap", frames))
    return exchanges


def payload(frame: Packet) -> bytes:
    return bytes(frame[Raw].load) if Raw in frame else b""


@pytest.mark.parametrize(("parts", "is_next_seen"), LOST.values(), ids=LOST.keys())
def test_requests_go_on_behind_a_gap(tmp_path: Path, parts: list[Part], is_next_seen: bool) -> None:
    requests = lossy(b"POST /0 HTTP/1.1", REQUESTS[1:], parts, is_next_seen)
    lines = captured(tmp_path, (requests, [(answer, False) for answer in RESPONSES]))
    by_target = {line["uri"]: line for line in lines}
    assert "gap" in by_target["/0"]["anomalies"]
    assert ("/1" in by_target) == is_next_seen
    assert by_target["/2"]["anomalies"] == ([] if is_next_seen else ["gap"]), "a start line that was searched for says so"
    assert by_target["/2"]["status"] in (202, None)


@pytest.mark.parametrize(("parts", "is_next_seen"), LOST.values(), ids=LOST.keys())
def test_responses_go_on_behind_a_gap(tmp_path: Path, parts: list[Part], is_next_seen: bool) -> None:
    responses = lossy(b"HTTP/1.1 200 OK", RESPONSES[1:], parts, is_next_seen)
    lines = captured(tmp_path, ([(message, False) for message in REQUESTS], responses))
    by_target = {line["uri"]: line for line in lines}
    assert "gap" in by_target["/0"]["anomalies"]
    assert by_target["/0"]["status"] == 200
    assert by_target["/1"]["status"] in ((201,) if is_next_seen else (None,))
    assert by_target["/2"]["status"] in (202, None)
    assert any(line["status"] == 202 for line in lines)


def two_readings() -> list[Packet]:
    """A request whose middle comes twice, before its beginning, with a path of the same length each."""
    begin, safe, evil = b"GET /files?name=", b"aaaaaaaaaaaaaaaaaaaaaa", b"../../../../etc/passwd"
    end = b" HTTP/1.1\r\nHost: shop.example\r\n\r\n"
    frames = conversation([(0, begin), (0, safe), (0, end), (1, response())])
    at = {payload(frame): frame for frame in frames if payload(frame)}
    other = at[safe].copy()
    other[Raw].load = evil
    at[safe].time, other.time = at[begin].time - 2e-4, at[begin].time - 1e-4
    return sorted([*frames, other], key=lambda frame: frame.time)


def test_a_conflict_of_copies_stands_in_the_line_with_both(tmp_path: Path) -> None:
    _, (line,), _ = analyse(write_capture(tmp_path / "overlap.pcap", two_readings()))
    assert "overlap_conflict" in line["anomalies"]
    assert line["uri"] == "/files?name=aaaaaaaaaaaaaaaaaaaaaa"
    (overlap,) = line["overlaps"]
    assert (overlap["sender"], overlap["offset"]) == ("10.1.0.1:40000", len("GET /files?name="))
    assert overlap["kept"] == "a" * len(overlap["other"])
    assert overlap["other"] in "../../../../etc/passwd"


def test_a_conflict_of_copies_stands_in_the_report_with_both() -> None:
    reports: list[Report] = []

    def judging(page: Any) -> Judge:
        judge = Judge(Settings(), Suspicious(), lambda one, found: reports.append(judge.report(one, found)), page)
        return judge

    road = Road(judging=judging)
    road.send(two_readings())
    road.work()
    for _, table, _ in road.workers:
        table.end_all()
    (report,) = (decode_report(encode_report(one)) for one in reports)
    assert "overlap_conflict" in report.anomalies
    (told,) = (text for text in report.anomalies if text.startswith("overlap conflict: "))
    assert told.startswith("overlap conflict: 10.1.0.1:40000 byte 16: kept 'aaaa")
    assert "other '../../../../etc/passwd'" in told
