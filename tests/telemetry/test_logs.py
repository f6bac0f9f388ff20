"""Log lines: one event a line whatever it quotes, in both forms."""

from __future__ import annotations

import json
import logging
import re
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.errors import EnvironmentFault
from tcpmirror.telemetry.logs import LEVELS, configure_logging, escape_controls
from tcpmirror.telemetry.repetition import BURST

log = logging.getLogger("tcpmirror.test")


@pytest.fixture(autouse=True)
def root_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield
    configure_logging("nobody")  # closes what the test opened
    root.handlers, root.level = handlers, level


def test_a_text_line_has_time_level_process_and_logger(tmp_path: Path) -> None:
    configure_logging("worker-3", "info", pretty=True, file=str(tmp_path / "log"))
    log.warning("ring %d is full", 2)
    line = (tmp_path / "log").read_text()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} warn  worker-3 tcpmirror\.test: ring 2 is full\n", line)


def test_a_json_line_has_the_same_facts(tmp_path: Path) -> None:
    configure_logging("exporter-0", "info", pretty=False, file=str(tmp_path / "log"))
    log.error("refused")
    line = json.loads((tmp_path / "log").read_text())
    assert line.pop("time").endswith("+00:00")
    assert line.pop("pid") > 0
    assert line == {"level": "error", "process": "exporter-0", "logger": "tcpmirror.test", "message": "refused"}


def test_facts_stand_behind_the_message_in_text_and_beside_it_in_json(tmp_path: Path) -> None:
    facts = {"host": 'a "b"', "status": 200, "types": ["sqli", "xss"], "uri": None, "level": "forged"}
    configure_logging("p", pretty=True, file=str(tmp_path / "text"))
    log.warning("attack", extra=facts)
    assert (tmp_path / "text").read_text().endswith(r': attack host="a \"b\"" status=200 types=sqli,xss uri=-' + "\n")
    configure_logging("p", pretty=False, file=str(tmp_path / "json"))
    log.warning("attack", extra=facts)
    line = json.loads((tmp_path / "json").read_text())
    assert {name: line[name] for name in facts} == facts | {"level": "warn"}


@pytest.mark.parametrize("pretty", [True, False], ids=["text", "json"])
@given(text=st.text(st.characters(codec=None)))
def test_any_fact_is_in_one_line_without_controls(tmp_path_factory: pytest.TempPathFactory, pretty: bool, text: str) -> None:
    file = tmp_path_factory.mktemp("logs") / "log"
    configure_logging("p", pretty=pretty, file=str(file))
    log.info("x", extra={"uri": text, "points": [text]})
    written = file.read_text(encoding="utf-8")
    assert written.endswith("\n")
    assert not [letter for letter in written[:-1] if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")]


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_lets_through_itself_and_what_is_graver(tmp_path: Path, level: str) -> None:
    configure_logging("p", level, pretty=False, file=str(tmp_path / "log"))
    for number in LEVELS.values():
        log.log(number, "x")
    seen = [json.loads(line)["level"] for line in (tmp_path / "log").read_text().splitlines()]
    assert seen == list(LEVELS)[list(LEVELS).index(level) :]


@pytest.mark.parametrize(("level", "told"), [("info", ["w"]), ("debug", ["d", "i", "w"]), ("error", [])])
def test_libraries_that_chatter_are_heard_from_warnings_on(tmp_path: Path, level: str, told: list[str]) -> None:
    configure_logging("p", level, pretty=False, file=str(tmp_path / "log"))
    library = logging.getLogger("httpx.sub")
    library.debug("d")
    library.info("i")
    library.warning("w")
    assert [json.loads(line)["message"] for line in (tmp_path / "log").read_text().splitlines()] == told


@pytest.mark.parametrize("pretty", [True, False], ids=["text", "json"])
def test_a_traceback_cannot_forge_a_line(tmp_path: Path, pretty: bool) -> None:
    configure_logging("p", pretty=pretty, file=str(tmp_path / "log"))
    try:
        raise ValueError("bad\n2026-01-01 00:00:00.000 info  p x: forged\x1b[2J")
    except ValueError:
        log.exception("bug")
    lines = (tmp_path / "log").read_text().splitlines()
    assert not any(line.startswith("2026-01-01 00:00:00.000") for line in lines)
    assert "\x1b" not in "".join(lines)
    if pretty:
        assert lines[1] == "    | Traceback (most recent call last):"
    else:
        assert json.loads(lines[0])["traceback"][-1].endswith(r"forged\x1b[2J")
        assert len(lines) == 1


@pytest.mark.parametrize("pretty", [True, False], ids=["text", "json"])
@given(text=st.text(st.characters(codec=None)))
def test_any_text_is_one_line_without_controls(tmp_path_factory: pytest.TempPathFactory, pretty: bool, text: str) -> None:
    file = tmp_path_factory.mktemp("logs") / "log"
    configure_logging("p", pretty=pretty, file=str(file))
    log.info("%s", text)
    written = file.read_text(encoding="utf-8")
    assert written.endswith("\n")
    assert not [letter for letter in written[:-1] if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")]


def test_what_is_no_control_stays() -> None:
    assert escape_controls("GET /ä?q=日本 \\n '\"") == "GET /ä?q=日本 \\n '\""
    assert escape_controls("a\r\n\x1b\x9b\u2028\u202e\ud800") == r"a\x0d\x0a\x1b\x9b\u2028\u202e\ud800"


def test_a_rotated_file_is_opened_again(tmp_path: Path) -> None:
    configure_logging("p", file=str(tmp_path / "log"))
    log.info("first")
    (tmp_path / "log").rename(tmp_path / "log.1")
    log.info("second")
    assert "first" in (tmp_path / "log.1").read_text()
    assert "second" in (tmp_path / "log").read_text()


def test_a_full_disk_does_not_stop_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("p", file="/dev/full")
    log.info("lost")
    assert "No space left" in capsys.readouterr().err
    configure_logging("p")


def test_an_unwritable_path_is_named_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"^log\.file: .*/nosuch/log cannot be written"):
        configure_logging("p", file=str(tmp_path / "nosuch/log"))


def test_the_same_again_and_again_is_told_a_few_times_and_then_counted(tmp_path: Path) -> None:
    configure_logging("p", file=str(tmp_path / "log"))
    for number in range(20 * BURST):
        log.error("packet %d cannot be read", number)
    log.error("something else")
    lines = (tmp_path / "log").read_text().splitlines()
    assert BURST < len(lines) < 2 * BURST
    assert lines[-1].endswith("something else")


def test_configuring_again_replaces(tmp_path: Path) -> None:
    for name in ("supervisor", "worker-0"):
        configure_logging(name, file=str(tmp_path / "log"))
    log.info("once")
    assert (tmp_path / "log").read_text().count("once") == 1
    assert "worker-0" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_standard_streams_are_taken_by_name(capsys: pytest.CaptureFixture[str], stream: str) -> None:
    configure_logging("p", file=stream)
    log.info("here")
    assert sys.stdout is not sys.stderr
    assert "here" in getattr(capsys.readouterr(), "out" if stream == "stdout" else "err")
