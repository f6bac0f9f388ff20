from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.export.attack_log import LINE_LIMIT, AttackLog, attack_line
from tests.export.reports import EXAMPLE


def test_the_line_says_what_where_and_who() -> None:
    assert attack_line(EXAMPLE) == (
        f"attack id={EXAMPLE.id} types=sqli time=2023-11-14T22:13:20Z client=10.0.0.1:40000 real_ip=10.0.0.1"
        " server=10.0.0.2:80 method=POST host=shop.example uri=/login status=200"
        " points=[post][json_doc][hash][user] rules=sqli-101"
    )


def test_what_was_not_seen_is_a_dash() -> None:
    line = attack_line(replace(EXAMPLE, method=None, host=None, uri=None, status=None))
    assert " method=- host=- uri=- status=- " in line


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
    assert f" {expected} " in attack_line(replace(EXAMPLE, uri=uri))


@given(st.text(st.characters(), max_size=3000), st.integers(1, 200))
def test_any_report_is_one_short_line_of_printable_ascii(text: str, findings: int) -> None:
    finding = replace(EXAMPLE.findings[0], point=(text,), rule=text)
    line = attack_line(replace(EXAMPLE, uri=text, host=text, client=text, findings=(finding,) * findings))
    assert len(line) <= LINE_LIMIT
    assert line.isascii() and line.isprintable()


def test_a_report_without_findings_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "tcpmirror.attacks"):
        AttackLog().write(replace(EXAMPLE, findings=()))
        assert not caplog.records
        AttackLog().write(EXAMPLE)
        assert [record.name for record in caplog.records] == ["tcpmirror.attacks"]


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
    assert told == ["995 attacks were left out of this log, at more than 2 a second", *[attack_line(EXAMPLE)] * 2]
