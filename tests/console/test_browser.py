"""The console in a real browser, over the real service."""

from __future__ import annotations

import base64
import json
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tcpmirror.export.metrics import ProcessPage
from tcpmirror.export.tallies import Tallies
from tcpmirror.model.digest import MirrorNews
from tcpmirror.model.protocol_news import ProtocolNews
from tcpmirror.processes.mirror_health import mirror_health
from tcpmirror.telemetry.counters import CounterPage
from tcpmirror.telemetry.names import CAPTURE, WORKER
from tcpmirror.telemetry.notes import Note
from tests.cloud.running import b64, finding, report
from tests.console.browsing import XSS, Problems, recent, send, sign_in
from tests.console.conftest import RunningConsole

pytestmark = pytest.mark.browser


def test_wrong_password_then_right_then_sign_out(page: Page, console: RunningConsole, problems: Problems) -> None:
    page.goto("/attacks")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    page.get_by_label("Password").fill(console.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Attacks")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/sign-in")
    page.goto("/attacks")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert problems == []


def test_attack_appears_while_the_page_is_open_and_opens(
    page: Page, console: RunningConsole, problems: Problems, artefacts: Path
) -> None:
    sign_in(page, console, "/attacks?q=d:live.example")
    expect(page.get_by_text("No attack matches")).to_be_visible()
    send(console, recent(1001, host="live.example"))
    row = page.locator("tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("SQL injection")
    expect(row).to_contain_text("1' or 1=1")
    send(console, recent(1002, host="live.example", real_ip="192.0.2.8"))
    expect(row.locator(".tm-hits")).to_contain_text("2")
    page.screenshot(path=artefacts / "list.png")
    row.get_by_role("link").click()
    expect(page.get_by_role("heading", name="SQL injection")).to_be_visible()
    expect(page.locator("mark")).to_have_text("1%27%20or%201=1")
    expect(page.get_by_text("HTTP/1.1 200 OK")).to_be_visible()
    page.locator(".tm-hit-list a").nth(1).click()
    expect(page.locator(".tm-hit-list a.tm-here")).to_contain_text("203.0.113.9")
    page.screenshot(path=artefacts / "attack.png", full_page=True)
    assert problems == []


def test_search_is_in_the_url_and_the_url_brings_it_back(page: Page, console: RunningConsole, problems: Problems) -> None:
    send(
        console,
        recent(1101, host="one.example"),
        recent(1102, host="two.example", findings=[finding(type="rce", payload=";id")], status=404),
    )
    sign_in(page, console)
    box = page.get_by_role("combobox", name="Search")
    page.keyboard.press("/")
    expect(box).to_be_focused()
    page.keyboard.type("d:two.ex*")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.keyboard.type(" statuscode:4xx")
    page.wait_for_url("**/attacks?q=d%3Atwo.ex%2A+statuscode%3A4xx")
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(box).to_have_value("d:two.ex* statuscode:4xx")
    box.fill("d:two.ex* statuscode:200")
    expect(page.get_by_text("No attack matches")).to_be_visible()
    page.wait_for_url("**/attacks?q=d%3Atwo.ex%2A+statuscode%3A200")
    page.go_back()
    expect(page.locator("tbody tr")).to_have_count(1)
    box.fill("rce OR xss")
    page.wait_for_url("**/attacks?q=rce+OR+xss")
    page.get_by_role("button", name="Clear the search").click()
    page.wait_for_url("**/attacks")
    expect(page.locator("tbody tr").nth(1)).to_be_visible()
    assert problems == []


def test_error_of_a_search_is_told_and_the_rows_stay(page: Page, console: RunningConsole, problems: Problems) -> None:
    send(console, recent(1111, host="error.example"))
    sign_in(page, console, "/attacks?q=d:error.example")
    box = page.get_by_role("combobox", name="Search")
    box.fill("d:error.example statuscod:200")
    expect(page.get_by_text("did you mean statuscode:")).to_be_visible()
    expect(box).to_have_attribute("aria-invalid", "true")
    expect(page.locator("tbody tr")).to_have_count(1)
    box.fill("d:error.example statuscode:200")
    expect(page.get_by_text("did you mean")).to_be_hidden()
    page.goto("/attacks?q=(a")
    expect(page.get_by_text("a closing bracket")).to_be_visible()
    assert problems == []


def test_words_are_completed_by_keyboard(page: Page, console: RunningConsole, problems: Problems) -> None:
    sign_in(page, console)
    box = page.get_by_role("combobox", name="Search")
    box.press_sequentially("statusc")
    offered = page.get_by_role("listbox", name="Completions")
    expect(offered.get_by_role("option").first).to_contain_text("statuscode:")
    box.press("ArrowDown")
    expect(offered.get_by_role("option", selected=True)).to_contain_text("statuscode:")
    box.press("Enter")
    expect(box).to_have_value("statuscode:")
    box.press_sequentially("5")
    box.press("ArrowDown")
    box.press("Enter")
    expect(box).to_have_value("statuscode:5xx ")
    page.wait_for_url("**/attacks?q=statuscode%3A5xx")
    box.press_sequentially("!sca")
    box.press("ArrowDown")
    box.press("Enter")
    expect(box).to_have_value("statuscode:5xx !scanner ")
    expect(offered).to_be_hidden()
    assert problems == []


def test_clicked_values_narrow_the_search(page: Page, console: RunningConsole, problems: Problems) -> None:
    send(
        console,
        recent(1121, host="click.example", real_ip="192.0.2.77"),
        recent(
            1122, host="click.example", real_ip='no "address"', findings=[finding(type="xss", payload="<b>")], status=503
        ),
    )
    sign_in(page, console, "/attacks?q=d:click.example")
    box = page.get_by_role("combobox", name="Search")
    page.get_by_role("button", name="Cross-site scripting").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("button", name="503").click()
    expect(page).to_have_url(re.compile("503"))  # what is clicked at once is one step back
    page.get_by_role("button", name='no "address"').click()
    expect(box).to_have_value('d:click.example type:xss statuscode:503 "no \\"address\\""')
    expect(page).to_have_url(re.compile("address"))
    page.go_back()
    expect(box).to_have_value("d:click.example type:xss statuscode:503")
    assert problems == []


def test_headings_sort_and_groups_add_up(page: Page, console: RunningConsole, problems: Problems) -> None:
    other = [recent(1130 + number, host="b.sort.example", real_ip=f"192.0.2.{number}") for number in range(3)]
    send(console, recent(1139, host="a.sort.example"), *other)
    sign_in(page, console, "/attacks?q=d:*.sort.example")
    page.get_by_role("button", name="Hits", exact=True).click()
    expect(page.locator("tbody tr").first).to_contain_text("b.sort.example")
    expect(page.get_by_role("columnheader", name="Hits")).to_have_attribute("aria-sort", "descending")
    page.get_by_role("button", name="Target", exact=True).click()
    expect(page.locator("tbody tr").first).to_contain_text("a.sort.example")
    page.wait_for_url("**&sort=target")
    page.get_by_role("button", name="By target").click()
    groups = page.get_by_role("table", name="Attacks by target").locator("tbody tr")
    expect(groups).to_have_count(2)
    expect(groups.first).to_contain_text("b.sort.example")
    expect(groups.first.locator("td").nth(2)).to_contain_text("3")
    page.get_by_role("button", name="By source").click()
    expect(page.get_by_role("table", name="Attacks by source").locator("tbody tr")).to_have_count(4)
    page.get_by_role("link", name="192.0.2.1").click()
    expect(page.get_by_role("combobox", name="Search")).to_have_value("d:*.sort.example ip:192.0.2.1")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert problems == []


def test_what_is_shown_is_downloaded(page: Page, console: RunningConsole, problems: Problems) -> None:
    send(console, recent(1141, host="file.example"), recent(1142, host="other.example"))
    sign_in(page, console, "/attacks?q=d:file.example")
    for name in ("CSV", "JSON"):
        with page.expect_download() as download:
            page.get_by_role("link", name=f"Export as {name}").click()
        text = download.value.path().read_text()
        assert "file.example" in text and "other.example" not in text
    assert problems == []


def test_long_list_is_paged(page: Page, console: RunningConsole, problems: Problems) -> None:
    send(console, *(recent(1200 + number, host=f"p{number}.paged.example") for number in range(60)))
    sign_in(page, console, "/attacks?q=d:*.paged.example")
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_role("link", name="Next page").click()
    expect(page.locator("tbody tr")).to_have_count(10)
    page.get_by_role("link", name="First page").click()
    expect(page.locator("tbody tr")).to_have_count(50)
    assert problems == []


def test_scripts_in_every_field_stay_text(page: Page, console: RunningConsole, problems: Problems) -> None:
    raw = f"GET /{XSS} HTTP/1.1\r\nHost: {XSS}\r\n\r\n{XSS}".encode()
    fields = dict.fromkeys(("client", "server", "encapsulation", "protocol", "method", "uri", "real_ip"), XSS)
    other = finding(type="xss", point=["get", XSS], payload=XSS, rule=XSS)
    evil = recent(
        1301,
        **fields,
        host="evil.example" + XSS,
        anomalies=[XSS],
        findings=[other, finding(type="rce", point=[XSS, XSS], payload=XSS, rule=XSS, confidence=0.1)],
        request_b64=b64(raw),
        response_b64=b64(b"HTTP/1.1 200 " + XSS.encode() + b"\r\n\r\n" + XSS.encode()),
    )
    send(console, evil)
    with console.node() as node:
        node.post("/api/v1/nodes/heartbeat", json={"stats": {XSS: XSS}}).raise_for_status()
    sign_in(page, console, "/attacks?q=d:evil.example*")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    assert "<script>" in (rows.first.text_content() or "")
    attacks = [link.get_attribute("href") or "" for link in rows.get_by_role("link").all()]
    for address in attacks:
        page.goto(address)
        expect(page.locator(".tm-message").first).to_contain_text("<script>window.pwned=1</script>")
        assert page.locator("main script, main img").count() == 0
        assert page.evaluate("window.pwned") is None
    page.goto("/attacks?q=" + "%3Cimg%20src%3Dx%20onerror%3Dwindow.pwned%3D1%3E")
    expect(page.get_by_text("No attack matches")).to_be_visible()
    assert page.evaluate("window.pwned") is None
    for place in ("/overview", "/attacks?group=source", "/attacks?group=target", "/nodes", "/health"):
        page.goto(place)
        expect(page.locator("main h1")).to_be_visible()
        assert page.evaluate("window.pwned") is None
    assert problems == []


def test_overview_adds_up_what_came_in(page: Page, console: RunningConsole, problems: Problems) -> None:
    hour = 3_600 * 10**9
    now = time.time_ns()
    many = [
        report(1700 + n, time_ns=now - n % 3 * hour, host=f"o{n % 2}.over.example", findings=[finding(type="ssti")])
        for n in range(30)
    ]
    send(console, *many)
    with console.node() as node:
        for requests in (50, 1_234_567):
            node.post(
                "/api/v1/nodes/heartbeat", json={"stats": {"worker_exchanges": requests, "coverage": 0.5}}
            ).raise_for_status()
    sign_in(page, console, "/overview")
    figures = page.locator(".tm-figures > div")
    expect(figures.filter(has_text="analysed by")).to_contain_text("1,234,517")
    expect(figures.filter(has_text="Coverage")).to_contain_text("50.0%")
    types = page.locator(".tm-panel", has_text="Top types")
    expect(types.locator("li", has_text="Server-side template injection")).to_contain_text("30")
    page.locator(".tm-panel", has_text="Top targets").get_by_role("link", name="o1.over.example").click()
    expect(page.get_by_role("combobox", name="Search")).to_have_value("last 24h domain:o1.over.example")
    expect(page.locator("tbody tr").first).to_contain_text("o1.over.example")
    page.goto("/overview?period=1h")
    expect(page.get_by_role("link", name="1 hour")).to_have_attribute("aria-current", "true")
    page.locator(".tm-chart-bar.tm-link").last.click()
    page.wait_for_url("**/attacks?q=20*")
    assert problems == []


def test_overview_says_when_a_mirror_needs_a_look(page: Page, console: RunningConsole, problems: Problems) -> None:
    with console.node() as node:
        sick = {"level": "problem", "where": "eth1", "what": f"one direction only {XSS}", "todo": "mirror both"}
        told = {"ledgers": [], "protocols": {}, "places": [], "advice": [sick]}
        node.post("/api/v1/nodes/heartbeat", json={"stats": {"mirror_health": told}}).raise_for_status()
        sign_in(page, console, "/overview")
        expect(page.get_by_text("The mirror needs a look.")).to_be_visible()
        expect(page.get_by_text("mirror-1: one direction only <script>")).to_be_visible()
        assert page.evaluate("window.pwned") is None
        page.get_by_role("link", name="What to do about it").click()
        expect(page.get_by_role("heading", name="Mirror health")).to_be_visible()
        node.post("/api/v1/nodes/heartbeat", json={"stats": {}}).raise_for_status()
    assert problems == []


@pytest.mark.slow
def test_empty_pages_say_what_to_do_next(browser: Browser, tmp_path: Path, artefacts: Path) -> None:
    with RunningConsole(tmp_path) as empty:
        context = browser.new_context(viewport={"width": 1280, "height": 860}, base_url=empty.url)
        page = context.new_page()
        sign_in(page, empty, "/overview")
        for path, said in EMPTY.items():
            page.goto(path)
            expect(page.get_by_text(said)).to_be_visible()
            page.screenshot(path=artefacts / f"empty{path.replace('/', '-')}.png")
        context.close()


EMPTY = {
    "/overview": "No sensor has registered.",
    "/attacks": "No attack seen yet",
    "/nodes": "No sensor has registered",
    "/health": "No sensor has registered",
}
LEFT_OUT = "The configuration (`ports: [8080]`) leaves 120 TCP segments out, 100 % of what is here; they are of 80 (120)."


def tell_health(console: RunningConsole, what: str = "kernel drop: 310 of 1,203,911 packets (0.03 %).") -> None:
    """Send a heartbeat with the health of a mirror."""
    page = CounterPage.private(CAPTURE)
    for name, count in {"packets": 1_203_601, "kernel_dropped": 310, "segments": 1_200_000, "lost_not_tcp": 3601}.items():
        page.set(name, count)
    worker = CounterPage.private(WORKER)
    for name, count in {"segments": 1_200_000, "requests": 40_000, "tls_flows": 12}.items():
        worker.set(name, count)
    tallies = Tallies(sources=("eth1",))
    tallies.add_mirror_news([MirrorNews(0, 100, 42, 7, 900_000, 100_000, 50, 20, 1)])
    names = Counter({"shop.example": 3, "<i>name</i>" + XSS: 1})
    tallies.add_protocol_news(ProtocolNews((0, 100, 42, 7), Counter({"HTTP/1": 40, "TLS": 4, "unknown": 6}), names))
    note = Note.private()
    left_out = {"code": "filtered", "level": "problem", "where": "eth1", "what": LEFT_OUT, "todo": "Add 80 to `ports`."}
    note.write(json.dumps({"frames": 512, "advice": [left_out]}).encode())
    pages = (ProcessPage("capture-0", "capture", page), ProcessPage("worker-0", "worker", worker))
    health = mirror_health(pages, tallies, [note])
    health["advice"][-1]["what"] = what
    with console.node() as node:
        node.post("/api/v1/nodes/heartbeat", json={"stats": {"mirror_health": health}}).raise_for_status()


def test_what_the_doctor_says_of_a_running_sensor_is_shown(page: Page, console: RunningConsole, problems: Problems) -> None:
    with console.new_node("silent about its mirror") as node:
        for told in (None, 7, {"ledgers": [{"in": "x"}]}, {"ledgers": [], "protocols": {}, "places": [None], "advice": []}):
            node.post("/api/v1/nodes/heartbeat", json={"stats": {"mirror_health": told}}).raise_for_status()
    tell_health(console, "<b>what</b>" + XSS)
    sign_in(page, console, "/health")
    expect(page.get_by_text("has told nothing about its mirror yet").first).to_be_visible()
    panel = page.locator(".tm-health", has=page.get_by_text("eth1, VLAN 100.42, VNI 7").first).first
    expect(panel).to_contain_text("10.0 % of the bytes that receivers acknowledged never came (100,000 bytes).")
    expect(panel).to_contain_text("Of 20 of 50 flows one direction only arrives")
    expect(panel.get_by_role("table", name="What became of everything")).to_contain_text("kernel_drop 310, not_tcp 3,601")
    expect(panel.get_by_role("table", name="What the mirror shows")).to_contain_text("10.00 %")
    expect(panel.get_by_role("table", name="What the mirror shows")).to_contain_text(
        "HTTP/1 40, TLS 4, unknown 6 (shop.example, <i>name"
    )
    expect(panel.locator(".tm-problem", has_text=LEFT_OUT)).to_contain_text("→ Add 80 to `ports`.")
    expect(panel).to_contain_text("<b>what</b><script>")
    assert page.evaluate("window.pwned") is None
    assert problems == []


def test_injected_markup_could_not_run_either(page: Page, console: RunningConsole) -> None:
    sign_in(page, console)
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.pwned=1\">')")
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.pwned=1'}))")
    page.wait_for_timeout(300)
    assert page.evaluate("window.pwned") is None


def test_payload_seen_only_after_decoding_is_shown_decoded(page: Page, console: RunningConsole) -> None:
    token = base64.b64encode(b"aaaa; cat /etc/shadow")
    raw = b"GET / HTTP/1.1\r\nHost: h\r\nX-A: " + token + b"\r\n\r\n"
    found = finding(type="rce", point=["header", "X-A", "base64"], payload="; cat /etc/shadow")
    send(console, recent(1401, host="coded.example", findings=[found], request_b64=b64(raw)))
    sign_in(page, console, "/attacks?q=d:coded.example")
    page.locator("tbody tr").get_by_role("link").click()
    expect(page.locator("mark")).to_have_text(token.decode())
    expect(page.get_by_text("Shown decoded")).to_be_visible()
    expect(page.locator(".tm-payload-full")).to_have_text("; cat /etc/shadow")


@pytest.mark.parametrize(("scheme", "width"), [("dark", 1280), ("light", 390)])
def test_pages_fit_in_both_themes(
    browser: Browser, console: RunningConsole, artefacts: Path, scheme: Any, width: int
) -> None:
    wide = {"uri": "/" + "a" * 900, "host": "wide.example" + "x" * 250, "real_ip": "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"}
    send(console, recent(1501, **wide, findings=[finding(payload="p" * 500, point=["get", "k" * 300], rule="r" * 200)]))
    tell_health(console)
    context = browser.new_context(viewport={"width": width, "height": 860}, color_scheme=scheme, base_url=console.url)
    page = context.new_page()
    sign_in(page, console, "/attacks")
    expect(page.locator("tbody tr").first).to_be_visible()
    first = page.locator("tbody tr", has_text="wide.example").get_by_role("link").first.get_attribute("href") or ""
    for path, name in (
        ("/overview", "overview"),
        ("/attacks", "list"),
        (first, "attack"),
        ("/nodes", "nodes"),
        ("/health", "health"),
    ):
        page.goto(path)
        expect(page.locator("main h1")).to_be_visible()
        page.wait_for_function("document.body.className.includes('body--')")
        page.screenshot(path=artefacts / f"{name}-{scheme}-{width}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        dark = page.evaluate("document.body.classList.contains('body--dark')")
        assert dark == (scheme == "dark")
    context.close()


def test_theme_is_chosen_and_kept(page: Page, console: RunningConsole) -> None:
    sign_in(page, console)
    button = page.get_by_role("button", name="Change between automatic, light and dark")
    button.click()
    expect(page.locator("body.body--light")).to_be_visible()
    button.click()
    expect(page.locator("body.body--dark")).to_be_visible()
    page.reload()
    expect(page.locator("body.body--dark")).to_be_visible()


def test_ended_session_shows_nothing_new(page: Page, console: RunningConsole) -> None:
    sign_in(page, console, "/attacks?q=d:secret.example")
    expect(page.get_by_text("No attack matches")).to_be_visible()
    page.context.request.delete(console.url + "/api/v1/session")
    send(console, recent(1601, host="secret.example"))
    page.wait_for_url("**/sign-in*")
