"""Reports for the tests of this folder."""

from __future__ import annotations

from dataclasses import replace

from tcpmirror.model.finding import Finding
from tcpmirror.model.report import Report, report_id

SQLI = Finding("sqli", ("post", "json_doc", "hash", "user"), "1' or '1'='1", "sqli-101", 0.9)

EXAMPLE = Report(
    id=report_id("10.0.0.1:40000", "10.0.0.2:80", 1, 0),
    time_ns=1_700_000_000_000_000_000,
    duration_ns=2_000_000,
    client="10.0.0.1:40000",
    server="10.0.0.2:80",
    real_ip="10.0.0.1",
    encapsulation="",
    protocol="http/1.1",
    method="POST",
    host="shop.example",
    uri="/login",
    status=200,
    request_bytes=90,
    response_bytes=2,
    application=-1,
    anomalies=("gap",),
    findings=(SQLI,),
    request=b"POST /login HTTP/1.1\r\n\r\n\x00\xff",
    response=b"HTTP/1.1 200 OK\r\n\r\nok",
)


def numbered_report(number: int, request: bytes = b"GET /") -> Report:
    """Return a report whose id says which one it is."""
    return replace(EXAMPLE, id=f"{number:032x}", request=request)
