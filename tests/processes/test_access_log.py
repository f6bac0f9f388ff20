from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.errors import EnvironmentFault
from tcpmirror.model.exchange import Exchange, Request, Response
from tcpmirror.processes.access_log import GATHERED_LINES, PIPE_BYTES, AccessLog, Place, access_file
from tcpmirror.processes.judging import Judge
from tcpmirror.settings.tree import AccessLog as AccessSettings
from tcpmirror.settings.tree import Inspection, Log, Settings
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.names import WORKER

REQUEST = Request(b"GET /a?b=1 HTTP/1.1\r\nHost: shop.example\r\n\r\n", b"", 1000, b"GET", b"/a?b=1", b"HTTP/1.1")
RESPONSE = Response(b"HTTP/1.1 200 OK\r\n\r\n", b"ok", 2_001_000, 200, b"HTTP/1.1")
EXCHANGE = Exchange(REQUEST, RESPONSE, b"\x0a\0\0\1", 1234, b"\x0a\0\0\2", 80)
PLACE = Place("shop.example", "/a?b=1", "203.0.113.9")


def settings(path: Path | str, **changes: object) -> Log:
    return Log(pretty=False, access=replace(AccessSettings(True, True, str(path)), **changes))  # type: ignore[arg-type]


def opened(log: Log, page: CounterPage | None = None, workers: int = 1) -> AccessLog:
    return AccessLog(log, "stderr", "worker-0", workers, page or CounterPage.private(WORKER), clock=lambda: 0.0)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_line_of_json_says_all_of_the_exchange(tmp_path: Path) -> None:
    access = opened(settings(tmp_path / "log"))
    access.add(EXCHANGE, PLACE, "attack", ("sqli",))
    access.close()
    (line,) = lines(tmp_path / "log")
    assert str(line.pop("time")).endswith("+00:00")
    assert line.pop("pid") == os.getpid()
    assert line == {
        "level": "info",
        "process": "worker-0",
        "logger": "tcpmirror.access",
        "message": "exchange",
        "client": "10.0.0.1:1234",
        "method": "GET",
        "host": "shop.example",
        "uri": "/a?b=1",
        "status": 200,
        "verdict": "attack",
        "types": ["sqli"],
        "server": "10.0.0.2:80",
        "real_ip": "203.0.113.9",
        "protocol": "http/1.1",
        "encapsulation": "",
        "request_bytes": 0,
        "response_bytes": 2,
        "duration_ms": 2.0,
        "anomalies": [],
    }


def test_a_line_of_text_has_the_form_of_the_log_and_less_of_it_where_not_verbose(tmp_path: Path) -> None:
    access = opened(replace(settings(tmp_path / "log", verbose=False), pretty=True))
    access.add(EXCHANGE, replace(PLACE, uri='/"x y"\n'), "passed", ())
    access.close()
    said = " info  worker-0 tcpmirror.access: exchange client=10.0.0.1:1234 method=GET host=shop.example"
    assert (tmp_path / "log").read_text().endswith(said + ' uri="/\\"x y\\"\\n" status=200 verdict=passed\n')


@pytest.mark.parametrize("pretty", [True, False], ids=["text", "json"])
@given(st.text(st.characters(), max_size=1500), st.text(st.characters(), max_size=1500), st.binary(max_size=100))
def test_any_exchange_is_one_line_that_a_pipe_takes_as_a_whole(
    tmp_path_factory: pytest.TempPathFactory, pretty: bool, host: str, uri: str, method: bytes
) -> None:
    path = tmp_path_factory.mktemp("access") / "log"
    access = opened(replace(settings(path), pretty=pretty))
    access.add(Exchange(Request(b"", b"", 1, method, b"/", method)), Place(host, uri, "::1"), "passed", ())
    access.close()
    written = path.read_bytes()
    assert len(written) <= PIPE_BYTES
    assert written.decode()[:-1].isprintable() if pretty else written.count(b"\n") == 1 and json.loads(written)


def test_lines_are_gathered_and_written_together(tmp_path: Path) -> None:
    access = opened(settings(tmp_path / "log"))
    for _ in range(GATHERED_LINES - 1):
        access.add(EXCHANGE, PLACE, "passed", ())
    assert not lines(tmp_path / "log")
    access.add(EXCHANGE, PLACE, "passed", ())
    assert len(lines(tmp_path / "log")) == GATHERED_LINES
    access.close()


def test_a_file_that_was_rotated_away_is_opened_again(tmp_path: Path) -> None:
    access = opened(settings(tmp_path / "log"))
    for name in ("log.1", "log.2"):
        access.add(EXCHANGE, PLACE, "passed", ())
        access.flush()
        (tmp_path / "log").rename(tmp_path / name)
    access.add(EXCHANGE, PLACE, "passed", ())
    access.close()
    assert [len(lines(tmp_path / name)) for name in ("log", "log.1", "log.2")] == [1, 1, 1]


def test_what_comes_faster_than_the_rate_is_left_out_and_counted(tmp_path: Path) -> None:
    page = CounterPage.private(WORKER)
    now = 0.0
    access = AccessLog(settings(tmp_path / "log", rate=10), "stderr", "worker-0", 2, page, clock=lambda: now)
    for _ in range(20):
        access.add(EXCHANGE, PLACE, "passed", ())
    assert page.get("access_left_out") == 15
    now = 100.0
    access.flush()
    for _ in range(20):
        access.add(EXCHANGE, PLACE, "passed", ())
    access.close()
    assert (page.get("access_lines"), page.get("access_left_out")) == (10, 30)
    assert len(lines(tmp_path / "log")) == 10


def test_no_rate_leaves_nothing_out(tmp_path: Path) -> None:
    access = opened(settings(tmp_path / "log", rate=0))
    for _ in range(3 * GATHERED_LINES):
        access.add(EXCHANGE, PLACE, "passed", ())
    access.close()
    assert len(lines(tmp_path / "log")) == 3 * GATHERED_LINES


def test_a_reader_that_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    page = CounterPage.private(WORKER)
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    access = opened(settings(tmp_path / "pipe"), page)
    for _ in range(2000):
        access.add(EXCHANGE, PLACE, "passed", ())
    access.close()
    assert page.get("access_left_out") > 0
    assert page.get("access_lines") + page.get("access_left_out") == 2000
    assert os.read(reader, 1 << 20).count(b"\n") == page.get("access_lines")
    os.close(reader)


def test_a_full_disk_costs_lines_and_no_exchange() -> None:
    page = CounterPage.private(WORKER)
    access = opened(settings("/dev/full"), page)
    access.add(EXCHANGE, PLACE, "passed", ())
    access.close()
    assert (page.get("access_lines"), page.get("access_left_out")) == (0, 1)


def test_an_unwritable_path_is_named_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"^log\.access_log\.log_file: .*/nosuch/log cannot be written"):
        opened(settings(tmp_path / "nosuch/log"))


PATHS = {
    "where the log goes": (Log(file="/l"), "/l", "/l"),
    "its own file": (Log(file="/l", access=AccessSettings(file="/a")), "/l", "/a"),
    "a stream beside a file": (Log(file="/l", access=AccessSettings(file="stdout")), "/l", "stdout"),
    "the stream of the log": (Log(file="stderr"), "stderr", "stderr"),
    "in the background, where streams are a file": (Log(file="stderr", access=AccessSettings(file="stdout")), "/b", "/b"),
}


@pytest.mark.parametrize(("log", "log_file", "expected"), PATHS.values(), ids=PATHS.keys())
def test_where_it_goes(log: Log, log_file: str, expected: str) -> None:
    assert access_file(log, log_file) == expected


VERDICTS = {
    "inspected and clean": (Settings(), "GET", "passed"),
    "inspection is off": (Settings(inspection=Inspection(enabled=False)), "GET", "off"),
}


class Clean:
    """An inspector that finds nothing."""

    tier2 = 0
    masks = ()
    ignored = ()

    def inspect(self, exchange: Exchange) -> list[object]:
        return []


@pytest.mark.parametrize(("given_settings", "method", "verdict"), VERDICTS.values(), ids=VERDICTS.keys())
def test_the_judge_notes_each_exchange_with_its_verdict(
    tmp_path: Path, given_settings: Settings, method: str, verdict: str
) -> None:
    judge = Judge(given_settings, Clean(), lambda exchange, findings: None, CounterPage.private(WORKER))  # type: ignore[arg-type]
    judge.access = opened(settings(tmp_path / "log"))
    judge(EXCHANGE)
    judge(Exchange(REQUEST, None))
    judge.access.close()
    assert [line["verdict"] for line in lines(tmp_path / "log")] == [verdict] * 2
    assert [line["status"] for line in lines(tmp_path / "log")] == [200, None]
