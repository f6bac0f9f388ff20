"""Grades: what breaks out of data is told from what is code as a whole, and what that makes of a finding's severity."""

from __future__ import annotations

import json
from urllib.parse import quote_from_bytes

import pytest

from tcpmirror.detect.detector import Detector
from tcpmirror.detect.grade import grade, severity
from tcpmirror.model.finding import COMMAND, INJECTION, SEVERITIES
from tests.detect.requests import request

GRADES = {
    "SQL behind a quote": ("sqli", b"1' UNION SELECT password FROM users-- -", INJECTION),
    "SQL behind a number": ("sqli", b"1 or 1=1", INJECTION),
    "whole query": ("sqli", b"SELECT name FROM users WHERE id = 1", COMMAND),
    "query that cuts what follows": ("sqli", b"SELECT 1 FROM users -- ", INJECTION),
    "command behind a separator": ("rce", b"127.0.0.1; cat /etc/hosts", INJECTION),
    "command line": ("rce", b"cat /etc/hosts", COMMAND),
    "PHP behind a quote": ("rce", b"'.system('id').'", INJECTION),
    "PHP": ("rce", b"<?php system('id'); ?>", COMMAND),
    "markup behind an attribute": ("xss", b"\"><img src=x onerror=alert(1)>", INJECTION),
    "lone element": ("xss", b"<script>alert(1)</script>", INJECTION),
    "page": ("xss", b"<p>Hello</p><p>see <b>this</b></p><script>x()</script>", COMMAND),
    "lone expression": ("ssti", b"{{config}}", INJECTION),
    "template": ("ssti", b"<p>{{a}}</p><p>{{b}}</p> {{config.items()}} and the rest of the page", COMMAND),
    "type without grades": ("redir", b"//evil.example", ""),
}  # fmt: skip
# What the rule says, grade, confidence, name of the field, long text -> severity.
SEVERITY = {
    "injection": (("critical", INJECTION, 0.9, "id", False), "critical"),
    "injection in a field for code": (("critical", INJECTION, 0.9, "query", False), "critical"),
    "injection inside a text": (("critical", INJECTION, 0.9, "note", True), "high"),
    "command": (("critical", COMMAND, 0.9, "id", False), "high"),
    "command in a field for code": (("critical", COMMAND, 0.9, "sql", False), "medium"),
    "command in a field by its last word": (("high", COMMAND, 0.9, "email_html", False), "low"),
    "command inside a text": (("high", COMMAND, 0.9, "x", True), "low"),
    "nothing is below low": (("low", COMMAND, 0.9, "body", True), "low"),
    "doubtful": (("critical", INJECTION, 0.7, "id", False), "medium"),
    "no grade": (("high", "", 0.9, "url", False), "high"),
}


@pytest.mark.parametrize(("kind", "value", "expected"), GRADES.values(), ids=GRADES)
def test_values_are_graded_by_what_they_do(kind: str, value: bytes, expected: str) -> None:
    assert grade(kind, value) == expected


@pytest.mark.parametrize(("facts", "expected"), SEVERITY.values(), ids=SEVERITY)
def test_severity_follows_grade_field_and_confidence(facts: tuple[str, str, float, str, bool], expected: str) -> None:
    assert severity(*facts) == expected


def test_findings_carry_grade_and_severity(detector: Detector) -> None:
    injected = detector.inspect(
        request(b"GET", b"/x?id=" + quote_from_bytes(b"1' UNION SELECT password FROM users-- -").encode())
    )
    body = json.dumps({"script": "cat /etc/hosts"}).encode()
    commanded = detector.inspect(request(b"POST", b"/x", b"Content-Type: application/json\r\n", body))
    assert [finding.grade for finding in (injected[0], commanded[0])] == [INJECTION, COMMAND]
    assert SEVERITIES.index(commanded[0].severity) < SEVERITIES.index(injected[0].severity)


def test_what_is_computed_has_the_severity_of_its_rule(detector: Detector) -> None:
    token = b"eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsImFkbWluIjp0cnVlfQ."
    found = detector.inspect(request(b"GET", b"/x", b"Authorization: Bearer " + token + b"\r\n"))
    assert [finding.severity in SEVERITIES for finding in found if finding.type == "weak_auth"] == [True]
