from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.export.attack_log import HITS_SHOWN, AttackLog, hit_facts
from tcpmirror.model.report import Report
from tcpmirror.telemetry.logs import line_formatter
from tests.export.reports import EXAMPLE

LINE_BYTES = 8192  # what rsyslog keeps whole


def line(report: Report, pretty: bool = True) -> str:
    """Return the log line of the first hit of *report*."""
    logger = logging.getLogger("tcpmirror.attacks")
    facts = hit_facts(report, report.findings[0], len(report.findings))
    record = logger.makeRecord(logger.name, logging.WARNING, "", 0, "attack", (), None, extra=facts)
    return line_formatter("exporter-0", pretty).format(record)


def test_the_line_says_what_where_and_who() -> None:
    assert line(EXAMPLE).partition(" warn ")[2] == (
        f" exporter-0 tcpmirror.attacks: attack request_id={EXAMPLE.id} type=sqli confidence=0.9 hits=1"
        " seen=2023-11-14T22:13:20Z method=POST host=shop.example uri=/login status=200"
        " point=[post][json_doc][hash][user] rule=sqli-101 client=10.0.0.1:40000 real_ip=10.0.0.1 server=10.0.0.2:80"
    )


def test_a_line_of_json_has_each_fact_under_its_name() -> None:
    told = json.loads(line(EXAMPLE, pretty=False))
    assert {name: told[name] for name in ("logger", "message", "type", "status", "rule", "uri")} == {
        "logger": "tcpmirror.attacks",
        "message": "attack",
        "type": "sqli",
        "status": 200,
        "rule": "sqli-101",
        "uri": "/login",
    }


def test_what_was_not_seen_is_a_dash() -> None:
    assert " method=- host=- uri=- status=- " in line(replace(EXAMPLE, method=None, host=None, uri=None, status=None))


@pytest.mark.parametrize("pretty", [True, False], ids=["text", "json"])
def test_the_payload_is_no_fact(pretty: bool) -> None:
    secret = "kanarie"
    found = replace(EXAMPLE.findings[0], payload=secret, evidence=secret)
    assert secret not in line(replace(EXAMPLE, findings=(found,), request=secret.encode(), response=secret.encode()), pretty)


ESCAPES = {
    "line break": ("/a\nattack id=forged", 'uri="/a\\nattack id=forged"'),
    "carriage return": ("/a\r", "uri=/a\\r"),
    "terminal escape": ("/\x1b[2J", "uri=/\\x1b[2J"),
    "quote": ('/"x y"', 'uri="/\\"x y\\""'),
    "line separator": ("/\u2028", "uri=/\\u2028"),
    "right to left": ("/\u202e", "uri=/\\u202e"),
    "backslash": ("/\\n", "uri=/\\\\n"),
}


@pytest.mark.parametrize(("uri", "expected"), ESCAPES.values(), ids=ESCAPES.keys())
def test_traffic_cannot_write_into_the_log(uri: str, expected: str) -> None:
    assert f" {expected} " in line(replace(EXAMPLE, uri=uri))


@given(st.text(st.characters(), max_size=3000), st.booleans())
def test_any_report_is_one_short_printable_line(text: str, pretty: bool) -> None:
    finding = replace(EXAMPLE.findings[0], point=(text,), rule=text)
    told = line(replace(EXAMPLE, uri=text, host=text, method=text, client=text, findings=(finding,)), pretty)
    assert len(told.encode()) <= LINE_BYTES
    assert told.isprintable() if pretty else "\n" not in told and json.loads(told)


def test_a_report_without_findings_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "tcpmirror.attacks"):
        AttackLog().write(replace(EXAMPLE, findings=()))
        assert not caplog.records
        AttackLog().write(EXAMPLE)
        assert [record.name for record in caplog.records] == ["tcpmirror.attacks"]


def test_each_hit_is_a_line_up_to_a_few_of_one_exchange(caplog: pytest.LogCaptureFixture) -> None:
    findings = tuple(replace(EXAMPLE.findings[0], rule=f"r{number}") for number in range(3 * HITS_SHOWN))
    AttackLog().write(replace(EXAMPLE, findings=findings))
    told = [(vars(record)["rule"], vars(record)["hits"]) for record in caplog.records]
    assert told == [(f"r{number}", 3 * HITS_SHOWN) for number in range(HITS_SHOWN)]


def test_a_flood_of_attacks_is_no_flood_of_lines(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    attack_log = AttackLog(burst=5, rate_s=2.0, clock=lambda: now)
    for _ in range(1000):
        attack_log.write(EXAMPLE)
    assert len(caplog.records) == 5
    caplog.clear()
    now = 1.0
    for _ in range(3):
        attack_log.write(EXAMPLE)
    told = [record.getMessage() for record in caplog.records]
    assert told == ["995 hits were left out of this log, at more than 2 a second", *["attack"] * 2]
