"""Proofs: what a response has to hold for each kind of attack, and what looks like it and proves nothing."""

from __future__ import annotations

import time
from typing import Final, NamedTuple

import pytest

from tcpmirror.model.exchange import Exchange, Request, Response
from tcpmirror.model.finding import Finding
from tcpmirror.vulns.delays import PLACES, Delays
from tcpmirror.vulns.proofs import LOOK, Proofs

PASSWD: Final = b"root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
HTML: Final = b"Content-Type: text/html\r\n"


class Case(NamedTuple):
    kind: str
    payload: str
    body: bytes
    proof: str
    headers: bytes = HTML
    status: int = 200


CASES: Final[dict[str, Case]] = {
    "a file": Case("ptrav", "../../etc/passwd", PASSWD, "root:x:0:0:root:/root:/bin/bash"),
    "another file than was asked for": Case("ptrav", "../../etc/hosts", PASSWD, ""),
    "a page about the file": Case("ptrav", "../../etc/passwd", b"<p>/etc/passwd lists accounts such as root</p>", ""),
    "the payload repeated": Case("rce", "x;echo uid=0(root) gid=0(root);id", b"uid=0(root) gid=0(root)", ""),
    "source in Base64": Case(
        "ptrav",
        "php://filter/convert.base64-encode/resource=a.php",
        b"PD9waHAgZWNobyAxOyAvLyBhYmNkZWY=",
        "PD9waHAgZWNobyAxOyAvLyBhYm",
    ),
    "a command's output": Case("rce", ";id", b"<pre>uid=33(www-data) gid=33(www-data)</pre>", "uid=33(www-data) gid=33("),
    "a word printed": Case("rce", ";echo q7x19z", b"answer q7x19z", "q7x19z"),
    "a word only repeated": Case("rce", ";echo q7x19z", b"no host ;echo q7x19z", ""),
    "a product": Case("ssti", "{{7919*7907}}", b"Dear 62615533", "62615533"),
    "a small product by chance": Case("ssti", "{{7*7}}", b"49 items", ""),
    "a small product in its place": Case("ssti", "Dear {{7*7}} friend", b"<p>Dear 49 friend</p>", "Dear 49 friend"),
    "an error of a database": Case(
        "sqli", "1'", b"You have an error in your SQL syntax; check", "You have an error in your SQL syntax"
    ),
    "an error about columns, PostgreSQL": Case(
        "sqli",
        "1 ORDER BY 10--",
        b"ORDER BY position 10 is not in select list",
        "ORDER BY position 10 is not in select list",
    ),
    "an error about columns, SQLite": Case(
        "sqli", "1 ORDER BY 10--", b"1st ORDER BY term out of range", "ORDER BY term out of range"
    ),
    "an error with entities": Case("sqli", "1'", b"unrecognized token: &quot;'&quot;", 'unrecognized token: "'),
    "an error that was sent": Case("sqli", '\' near "x": syntax error', b'asked: near "x": syntax error', ""),
    "an echo of hexadecimal": Case("sqli", "1 UNION SELECT 0x7a71666b75627a61", b"<li>zqfkubza</li>", "zqfkubza"),
    "an echo of joined words": Case("sqli", "1 UNION SELECT 'zq8x'||'1kd7'", b"zq8x1kd7", "zq8x1kd7"),
    "no echo": Case("sqli", "1 UNION SELECT 0x7a71666b75627a61", b"<li>Anvil</li>", ""),
    "markup": Case("xss", "<script>alert(1)</script>", b"for <script>alert(1)</script>", "<script>alert(1)</script>"),
    "markup escaped": Case("xss", "<script>alert(1)</script>", b"for &lt;script&gt;alert(1)&lt;/script&gt;", ""),
    "markup in JSON": Case(
        "xss", "<script>alert(1)</script>", b'{"q": "<script>alert(1)</script>"}', "", b"Content-Type: application/json\r\n"
    ),
    "markup that runs nothing": Case("xss", "<b>bold words</b>", b"for <b>bold words</b>", ""),
    "an attribute": Case(
        "xss", '" onfocus=alert(1) x="', b'<input value="" onfocus=alert(1) x="">', '" onfocus=alert(1) x="'
    ),
    "an attribute as text": Case("xss", '" onfocus=alert(1) x="', b'<p>for " onfocus=alert(1) x="</p>', ""),
    "a script's text": Case("xss", "';alert(1);//", b"<script>var q = '';alert(1);//'</script>", "';alert(1);//"),
    "a header": Case("crlf", "a\r\nX-Injected: 1", b"", "X-Injected: 1", b"X-Injected: 1\r\n"),
    "a header that is not there": Case("crlf", "a\r\nX-Injected: 1", b"", "", b"X-Other: 1\r\n"),
    "a redirect": Case("redir", "//evil.example/", b"", "//evil.example/", b"Location: //evil.example/\r\n", 302),
    "a redirect home": Case("redir", "//evil.example/", b"", "", b"Location: /login?next=//evil.example/\r\n", 302),
    "a redirect to the own host": Case(
        "redir", "https://shop.example/", b"", "", b"Location: https://shop.example/\r\n", 302
    ),
    "metadata": Case("ssrf", "http://169.254.169.254/latest/meta-data/", b"ami-id\nhostname\n", "ami-id\nhostname", b""),
}


def exchange(body: bytes, headers: bytes = HTML, status: int = 200, took_ns: int = 1) -> Exchange:
    request = Request(b"GET /a?b=c HTTP/1.1\r\nHost: shop.example\r\n\r\n", target=b"/a?b=c", time_ns=1)
    response = Response(b"HTTP/1.1 %d X\r\n%s\r\n" % (status, headers), body, 1 + took_ns, status)
    return Exchange(request, response)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_proof(case: Case) -> None:
    finding = Finding(case.kind, ("get", "b"), case.payload, "rule", 0.9)
    (told,) = Proofs().added([finding], exchange(case.body, case.headers, case.status), "shop.example")
    assert told.evidence == case.proof


def test_an_exchange_without_response_proves_nothing() -> None:
    findings = [Finding("ptrav", ("get", "b"), "/etc/passwd", "rule", 0.9)]
    assert Proofs().added(findings, Exchange(Request(b"GET / HTTP/1.1\r\n\r\n"), None), "") == findings


WAITS: Final[dict[str, tuple[list[tuple[str, float]], bool]]] = {
    "one slow answer": ([("1 AND sleep(3)", 3.1)], False),
    "slow whatever is asked": ([("1 AND sleep(3)", 3.1), ("1 AND sleep(0)", 3.2), ("1 AND sleep(3)", 3.1)], False),
    "follows what is asked": ([("1 AND sleep(0)", 0.1), ("1 AND sleep(3)", 3.1)], True),
    "follows twice": ([("; sleep 5", 5.2), ("; sleep 1", 1.1)], True),
    "quick": ([("1 AND sleep(0)", 0.1), ("1 AND sleep(3)", 0.1)], False),
    "another dialect": ([("1'; WAITFOR DELAY '0:0:0'--", 0.0), ("1'; WAITFOR DELAY '0:0:4'--", 4.3)], True),
}


@pytest.mark.parametrize("case", WAITS)
def test_delay(case: str) -> None:
    asked, is_proven = WAITS[case]
    delays = Delays()
    proofs = [delays.proof(("shop", "/a", "b"), payload.encode(), took) for payload, took in asked]
    assert bool(proofs[-1]) == is_proven


def test_places_are_bounded() -> None:
    delays = Delays()
    for number in range(2 * PLACES):
        delays.proof(("shop", f"/{number}", "b"), b"1 AND sleep(0)", 0.0)
    assert len(delays._seen) == PLACES


PIECES: Final = (
    b"a:",
    b"root:x:0:",
    b"<configuration>",
    b"ami-id\n",
    b"A=1\0",
    b"<script",
    b'"compute" : {',
    b"PD9waH",
    b"-----BEGIN ",
    b"&#1",
    b"<?php ",
)
ASKED: Final = (
    "/etc/passwd /etc/shadow web.config .env id_rsa a.php ls id dir env <script>alert(1)</script> {{7*7}} UNION @@version "
    "169.254.169.254 computeMetadata 6379 9200"
)


@pytest.mark.parametrize("piece", PIECES)
def test_no_body_takes_long(piece: bytes) -> None:
    """A quarter of a second of CPU for the largest look, on a slow machine; a pattern that is quadratic takes minutes."""
    body = piece * (LOOK // len(piece) + 1)
    started = time.process_time()
    for kind in ("ptrav", "rce", "ssrf", "sqli", "xss", "ssti"):
        Proofs().added([Finding(kind, ("get", "b"), ASKED, "rule", 0.9)], exchange(body), "shop.example")
    assert time.process_time() - started < 2.5
