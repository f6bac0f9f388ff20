"""`tcpmirror analyze`: the real processes and rings over capture files."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP, fragment
from scapy.layers.l2 import Ether

from tcpmirror.errors import EnvironmentFault
from tcpmirror.processes.analysis import Analysis
from tcpmirror.settings.memory import divided
from tcpmirror.settings.tree import Ignore, Inspection, Limits, Settings
from tests.traffic import EPOCH, MAC, conversation, request, response, write_capture


def shop(number: int, exchanges: int = 5) -> list[tuple[int, bytes]]:
    turns: list[tuple[int, bytes]] = []
    for item in range(exchanges):
        turns += [(0, request(f"/api/items/{number}/{item}?page=1")), (1, response(b'{"item": %d}' % item))]
    return turns


@pytest.fixture(scope="module")
def capture(tmp_path_factory) -> Path:
    talks = [conversation(shop(number), port=40000 + number, start=EPOCH + number / 50) for number in range(40)]
    attack = [
        (0, request("/files?name=../../../../etc/passwd")),
        (1, response(b"no such file", 404)),
        (
            0,
            request(
                "/login", "POST", b'{"user": "x\' UNION SELECT password FROM users-- "}', Content_Type="application/json"
            ),
        ),
        (1, response(b"{}")),
    ]
    return write_capture(tmp_path_factory.mktemp("captures") / "shop.pcap", *talks, conversation(attack, port=50000))


def analyse(
    *pcaps: Path, workers: int = 2, settings: Settings | None = None, until: str = "all", key_log: str = ""
) -> tuple[dict, list[dict], list[dict]]:
    exchanges, findings = io.BytesIO(), io.BytesIO()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tcpmirror"
    analysis = Analysis(
        settings or Settings(), [str(path) for path in pcaps], workers, exchanges, findings, until, cache, key_log
    )
    summary = analysis.run()
    return summary, *([json.loads(line) for line in out.getvalue().splitlines()] for out in (exchanges, findings))


def test_every_exchange_and_attack_is_found_with_its_answer(capture: Path) -> None:
    summary, exchanges, findings = analyse(capture)
    assert summary["exchanges"] == len(exchanges) == 202
    by_target = {line["uri"]: line for line in exchanges}
    assert by_target["/api/items/7/3?page=1"]["status"] == 200
    assert by_target["/files?name=../../../../etc/passwd"]["status"] == 404
    assert {line["pcap"] for line in exchanges} == {str(capture)}
    assert {(line["type"], line["uri"].partition("?")[0], line["status"]) for line in findings} == {
        ("ptrav", "/files", 404),
        ("sqli", "/login", 200),
    }
    assert summary["findings"] == {"ptrav": 1, "sqli": 1}
    assert summary["losses"] == {}


def test_findings_that_are_ignored_are_counted_by_entry_and_rule(capture: Path) -> None:
    chosen = Settings(inspection=Inspection(ignore=(Ignore(name="files", types=("ptrav",)),)))
    summary, _, findings = analyse(capture, settings=chosen)
    assert [line["type"] for line in findings] == ["sqli"]
    assert summary["ignored"]
    for row in summary["ignored"]:
        assert (row["by"], row["findings"]) == ("files", 1)
        assert row["rule"].startswith("ptrav")
    assert len({row["rule"] for row in summary["ignored"]}) == len(summary["ignored"])


def test_fragments_take_their_share_of_the_memory_figure(tmp_path: Path) -> None:
    """Datagrams whose second pieces come after the first pieces of all: as many are joined as there is memory for."""
    datagrams = [
        fragment(IP(src="10.0.0.1", dst="10.0.0.2", id=number) / TCP(sport=number, dport=80) / bytes(2000), 1200)
        for number in range(1, 601)
    ]
    frames = [Ether(**MAC) / piece for pieces in zip(*datagrams, strict=True) for piece in pieces]
    for number, frame in enumerate(frames):
        frame.time = EPOCH + number / 10**5
    path = write_capture(tmp_path / "pieces.pcap", frames)
    chosen = Settings(limits=Limits(memory_bytes=300 << 20))
    assert divided(chosen, 1).limits.fragments < len(datagrams) < chosen.limits.fragments
    assert analyse(path, workers=1, until="reassembly")[0]["losses"] == {}
    assert analyse(path, workers=1, until="reassembly", settings=chosen)[0]["losses"]["fragment"] > 0


def test_the_same_lines_come_out_whatever_the_number_of_workers(capture: Path) -> None:
    one, *others = (analyse(capture, workers=workers)[1:] for workers in (1, 2, 5))
    assert all(other == one for other in others)


def test_body_digests_and_sizes_are_of_the_decoded_body(capture: Path) -> None:
    _, exchanges, _ = analyse(capture)
    post = next(line for line in exchanges if line["method"] == "POST")
    assert post["request_bytes"] == 50
    assert post["response_sha256"] == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_files_are_worlds_of_their_own(capture: Path, tmp_path: Path) -> None:
    """The same 4-tuple in two files is two flows, and the first file's open exchange ends with it."""
    half = write_capture(tmp_path / "a.pcap", conversation([(0, request("/one"))])[:5])
    rest = write_capture(tmp_path / "b.pcap", conversation([(0, request("/two")), (1, response())]))
    _, exchanges, _ = analyse(half, rest)
    assert [(line["uri"], line["status"]) for line in exchanges] == [("/one", None), ("/two", 200)]


def test_a_ring_far_smaller_than_the_file_loses_nothing(capture: Path) -> None:
    settings = Settings(limits=Limits(segment_ring_bytes=65536, report_ring_bytes=65536))
    summary, exchanges, _ = analyse(capture, settings=settings)
    assert len(exchanges) == 202
    assert summary["losses"] == {}


def test_a_cut_file_gives_what_it_has_and_counts_the_fault(capture: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes(capture.read_bytes()[: capture.stat().st_size // 2])
    summary, exchanges, _ = analyse(cut, capture)
    assert summary["file_errors"] == 1
    assert 202 < len(exchanges) < 404


def test_a_missing_file_is_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"absent\.pcap: no such file"):
        analyse(tmp_path / "absent.pcap")


def test_each_stage_can_be_measured_alone(capture: Path) -> None:
    counts = {until: analyse(capture, until=until)[0] for until in ("capture", "ring", "reassembly", "http")}
    assert [counts[until]["segments"] > 0 for until in counts] == [False, True, True, True]
    assert [counts[until]["flows"] for until in counts] == [0, 0, 41, 41]
    assert counts["http"]["exchanges"] == 202
    for until, summary in counts.items():
        ledgers = summary["ledgers"]
        assert [ledger["difference"] + ledger["waiting"] for ledger in ledgers.values()] == [0, 0, 0], until
        left = {unit: ledgers[unit]["reasons"].get("discarded", 0) for unit in ("packets", "bytes")}
        assert (left["packets"] > 0, left["bytes"] > 0) == (until == "capture", until in ("capture", "ring")), until


def test_bots_are_told_of_with_their_evidence(tmp_path: Path) -> None:
    def page(number: int, agent: str) -> list[tuple[int, bytes]]:
        return [(0, request(f"/item/{number}", User_Agent=agent)), (1, response(b"<p>an item</p>"))]

    scraper = [conversation(page(at, "python-requests/2.31"), port=30000 + at, start=EPOCH + at) for at in range(300)]
    reader = [
        conversation(page(at, "Mozilla/5.0 Firefox/150.0"), port=20000 + at, start=EPOCH + at * at) for at in range(20)
    ]
    bots = io.BytesIO()
    pcap = write_capture(tmp_path / "bots.pcap", *scraper)
    summary = Analysis(Settings(), [str(pcap)], 2, bots=bots).run()
    rows = [json.loads(line) for line in bots.getvalue().splitlines()]
    assert summary["exchanges"] == 300
    (told,) = rows
    assert (told["kind"], told["type"]) == ("address", "scraping")
    fired = {vote["detector"] for vote in told["votes"] if vote["fired"]}
    assert fired >= {"bad_agent", "many_documents", "request_interval"} and told["confidence"] >= 0.33
    assert 0 < told["requests"] <= 300 - 30 and told["first"] >= EPOCH
    silent = io.BytesIO()
    Analysis(Settings(), [str(write_capture(tmp_path / "reader.pcap", *reader))], 2, bots=silent).run()
    assert silent.getvalue() == b""


def test_weaknesses_are_told_the_gravest_first(tmp_path: Path) -> None:
    cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: sessionid=0123456789abcdef; Path=/\r\nContent-Length: 2\r\n\r\nok"
    talks = [
        conversation([(0, request(f"/news/{number}?access_token=8f14e45fceea167a5a36")), (1, cookie)], port=41000 + number)
        for number in range(4)
    ]
    told = []
    for workers in (1, 3):
        out = io.BytesIO()
        pcaps = [str(write_capture(tmp_path / "weak.pcap", *talks))]
        Analysis(Settings(), pcaps, workers, weaknesses=out).run()
        told.append([json.loads(line) for line in out.getvalue().splitlines()])
    for lines in told:  # how many of a place are looked at depends on the worker
        assert [(line["kind"], line["severity"], line["path"]) for line in lines] == [
            ("secret-in-url", "medium", "/news/{}"),
            ("cookie-flags", "low", "/"),
        ]
    assert "8f14e45fceea167a5a36" not in told[0][0]["evidence"]
