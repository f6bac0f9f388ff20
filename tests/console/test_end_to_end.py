"""Frames in, pages out: what a real sensor makes of a capture is seen in a browser, each of its stores on its own page.

The sensor serves no port of its own and reports to the console beside it; a mask given on a page comes to nodes.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from typing import Final

import pytest
from playwright.sync_api import Page, expect

from bench.network import wait_until
from tests.console.browsing import Problems, sign_in
from tests.console.conftest import RunningConsole
from tests.live.sensor import compiled_rules, environment, program
from tests.traffic import conversation, request, response, write_capture

pytestmark = pytest.mark.browser

HOST: Final = "road.example"
PIN: Final = "kanarie4711vogel"
SETTINGS: Final = """
version: 4
mode: tcp-capture-v2
workers: 2
tcp_stream: {{from_file: [{{enabled: true, path: {capture}}}]}}
cloud: {{url: '{url}', token: {token}}}
metrics: {{enabled: false, legacy_status: {{enabled: false}}}}
health_check: {{enabled: false}}
discovery: {{interval: 1s}}
sessions: {{interval: 1s}}
behavior: {{interval: 1s}}
inspection: {{mask: [{{name: pins, parameter: pin}}]}}
supervisor: {{state_dir: {directory}/state, run_dir: {directory}/run}}
"""
PASSWD: Final = b"root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
Talk = list[tuple[int, bytes]]


def json_answer(document: object) -> bytes:
    return response(json.dumps(document).encode()).replace(b"text/plain", b"application/json")


def talks() -> list[Talk]:
    """Return what is seen: an API with sessions, a secret in an address, guessed passwords, two attacks, one of which worked."""
    cookie = {"Cookie": "sessionid=0123456789abcdef; lang=en"}
    people = [
        (request(f"/api/people/{number}", **cookie), json_answer({"id": number, "email": f"p{number}@sea.example"}))
        for number in range(1000, 1012)
    ]
    guesses = [
        (
            request("/login", "POST", b'{"user": "jo", "password": "guess%d"}' % number, Content_Type="application/json"),
            response(b"no", 401),
        )
        for number in range(60)
    ]
    others = [
        (request("/feed?access_token=8f14e45fceea167a5a36"), json_answer({"items": []})),
        (request("/file?name=../../etc/passwd"), response(PASSWD)),
        (request(f"/find?pin={PIN}&q=1'+union+select+1,2--+-"), response(b"nothing for " + PIN.encode())),
    ]
    return [[(0, asked.replace(b"shop.example", HOST.encode())), (1, told)] for asked, told in (*people, *guesses, *others)]


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """Yield a console of its own: what the sensor brings would be counted on the pages of other tests."""
    with RunningConsole(tmp_path_factory.mktemp("console")) as running:
        yield running


@pytest.fixture(scope="module")
def reported(console: RunningConsole, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningConsole]:
    """Yield the console once a sensor that reads a capture has told it all."""
    directory = tmp_path_factory.mktemp("sensor")
    start = time.time() - 300
    capture = write_capture(
        directory / "traffic.pcap",
        *(conversation(talk, port=41000 + at, start=start + at / 4) for at, talk in enumerate(talks())),
    )
    token = console.printed(r"deploy token: (\S+)")
    assert token is not None
    (directory / "settings.yaml").write_text(
        SETTINGS.format(capture=capture, url=console.url, token=token.group(1), directory=directory)
    )
    (directory / "state").mkdir(mode=0o700)
    (directory / "state" / "cache").symlink_to(compiled_rules())
    command = (program("tcpmirror-supervisor"), "run", "-c", str(directory / "settings.yaml"))
    with (
        (directory / "sensor.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=environment()) as sensor,
    ):
        try:
            wait_until(lambda: sensor.poll() is not None or has_arrived(console), "all of it in the cloud", 90, 0.3)
            assert sensor.poll() is None, (directory / "sensor.log").read_text()[-3000:]
            yield console
        finally:
            sensor.terminate()


def has_arrived(console: RunningConsole) -> bool:
    """Tell whether every store of the cloud has something of HOST."""
    wanted = {
        f"attacks?q=brute+domain:{HOST}": "attacks", f"attacks?q=sqli+domain:{HOST}": "attacks",
        f"attacks?q=incidents+domain:{HOST}": "attacks", f"inventory/endpoints?host={HOST}": "endpoints",
        f"sessions?text={HOST}": "sessions", f"vulnerabilities?host={HOST}&kind=secret-in-url": "vulnerabilities",
    }  # fmt: skip
    with console.reader() as reader:
        return all(reader.get(f"/api/v1/{path}").raise_for_status().json()[rows] for path, rows in wanted.items())


def test_the_inventory_of_apis(page: Page, reported: RunningConsole, problems: Problems) -> None:
    sign_in(page, reported, f"/apis?host={HOST}")
    page.get_by_role("link", name="GET /api/people/{people_id}").click()
    expect(page.locator("body")).to_contain_text("email")
    assert problems == []


def test_sessions(page: Page, reported: RunningConsole, problems: Problems) -> None:
    sign_in(page, reported, f"/sessions?text={HOST}")
    row = page.get_by_role("table", name="Sessions").locator("tbody tr", has_text="sessionid")
    row.first.get_by_role("link").first.click()
    expect(page.get_by_role("table", name="Time line")).to_contain_text("/api/people/1011")
    assert problems == []


def test_behaviour(page: Page, reported: RunningConsole, problems: Problems) -> None:
    sign_in(page, reported, f"/attacks?q=brute+domain:{HOST}")
    page.locator("tbody tr").first.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name=re.compile("Brute force"))).to_be_visible()
    expect(page.locator("body")).to_contain_text("/login")
    assert problems == []


def test_vulnerabilities(page: Page, reported: RunningConsole, problems: Problems) -> None:
    sign_in(page, reported, f"/vulnerabilities?host={HOST}&kind=secret-in-url")
    page.get_by_role("table", name="Vulnerabilities").locator("tbody tr").first.get_by_role("link").click()
    expect(page.get_by_role("heading", name="A secret in an address")).to_be_visible()
    expect(page.locator("body")).to_contain_text("access_token")
    expect(page.locator("body")).not_to_contain_text("8f14e45fceea167a5a36")
    assert problems == []


def test_incidents(page: Page, reported: RunningConsole, problems: Problems) -> None:
    sign_in(page, reported, f"/incidents?q=domain:{HOST}")
    page.locator("tbody tr").first.get_by_role("link").first.click()
    expect(page.get_by_text("root:x:0:0").first).to_be_visible()
    assert problems == []


def test_masking(page: Page, reported: RunningConsole, problems: Problems) -> None:
    """What the sensor masked stands as asterisks; a mask given on the page of the rules is served to nodes."""
    sign_in(page, reported, f"/attacks?q=sqli+domain:{HOST}")
    page.locator("tbody tr").first.get_by_role("link").first.click()
    expect(page.locator("main.tm-main")).to_contain_text(re.compile(r"pin=\*{16}"))
    assert PIN not in page.content()

    page.goto("/rules")
    panel = page.locator(".tm-panel", has=page.get_by_role("heading", name="Masked values"))
    panel.get_by_text("Mask something else").click()
    panel.get_by_label("Name", exact=True).fill("road-cards")
    panel.get_by_label("Parameter, header or cookie").fill("card")
    panel.get_by_label("Only for the host").fill(HOST)
    panel.get_by_role("button", name="Mask these").click()
    expect(panel.locator("li", has_text="road-cards")).to_have_count(1)
    with reported.node() as node:
        assert b"road-cards" in node.get("/api/v1/nodes/rules").raise_for_status().content
    panel.get_by_role("button", name="Mask no longer").click()
    expect(panel.locator("li", has_text="road-cards")).to_have_count(0)
    assert problems == []
