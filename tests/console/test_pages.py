"""What the pages answer without a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.cloud.running import report
from tests.console.conftest import RunningConsole


def test_pages_lead_to_sign_in_and_back(console: RunningConsole) -> None:
    with httpx.Client(base_url=console.url) as client:
        for path in ("/attacks?q=xss+d%3Aa%26b", "/attacks/1", "/nodes"):
            answer = client.get(path)
            assert answer.status_code == 303
            door = client.get(answer.headers["location"])
            assert door.status_code == 200 and "script" not in door.text
            after = re.search(r'name="next" value="([^"]*)"', door.text)
            assert after is not None and after.group(1).replace("&amp;", "&") == path
        signed_in = client.post("/sign-in", data={"user": "admin", "password": console.password, "next": "/nodes"})
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/nodes")
        assert client.get("/").headers["location"] == "/overview"
        assert client.get("/nodes").status_code == 200


def test_sign_in_page_escapes_what_it_repeats(console: RunningConsole) -> None:
    evil = '"><script>alert(1)</script>'
    with httpx.Client(base_url=console.url) as client:
        answers = [
            client.get("/sign-in", params={"next": evil}),
            client.post("/sign-in", data={"user": evil, "password": "x", "next": evil}),
        ]
    for answer in answers:
        assert "<script" not in answer.text and "&lt;script&gt;" in answer.text
        assert "script-src" not in answer.headers["content-security-policy"]


def test_scripts_of_pages_carry_a_fresh_nonce(console: RunningConsole) -> None:
    with signed_in(console) as client:
        policies = set()
        for _ in range(2):
            page = client.get("/attacks")
            nonce = re.search(r"'nonce-([^']+)'", page.headers["content-security-policy"])
            assert nonce is not None
            policies.add(nonce.group(1))
            assert "'unsafe-inline'" not in page.headers["content-security-policy"].split("style-src")[0]
            assert page.text.count("<script") == page.text.count(f'<script nonce="{nonce.group(1)}"') > 3
            assert not re.search(r'(?:src|href)="(?:https?:)?//', page.text)
    assert len(policies) == 2


MISSING = ["/nothing", "/attacks/999999", "/attacks/0", "/attacks/x", "/attacks/99999999999999999999", "/console/command.py"]


@pytest.mark.parametrize("path", MISSING)
def test_missing_page_says_so(console: RunningConsole, path: str) -> None:
    with signed_in(console) as client:
        answer = client.get(path)
    assert (answer.status_code, "There is no such page" in answer.text) == (404, True)


def test_odd_links_are_answered(console: RunningConsole) -> None:
    with console.node() as node, signed_in(console) as client:
        node.post("/api/v1/batches", json={"batch_id": "odd", "reports": [report(77)]}).raise_for_status()
        attack = client.get("/api/v1/attacks").json()["attacks"][0]["id"]
        for query in ("?hit=99999", "?cursor=zzz", "?hit=1&cursor=AAAA"):
            assert client.get(f"/attacks/{attack}{query}").status_code == 200
        for query in ("?cursor=zzz", "?sort=x&group=y", "?q=statuscode:abcxx", "?q=d:%00%ff+u:%25+'"):
            assert client.get(f"/attacks{query}").status_code == 200


@contextmanager
def signed_in(console: RunningConsole) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=console.url, timeout=20) as client:
        client.post("/api/v1/session", json={"user": "admin", "password": console.password}).raise_for_status()
        yield client
