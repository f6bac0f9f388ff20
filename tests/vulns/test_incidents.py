"""Attacks that work are incidents and those that fail are none: a real shop with holes, the same shop mended, over packets."""

from __future__ import annotations

import collections
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from bench.network import network, wait_until
from bench.traffic import dumped
from tests.vulns.cases import CASES

ROOT: Final = Path(__file__).resolve().parents[2]
PORT: Final = 8000
FEWEST: Final = 0.95  # of the attacks that worked
VISITOR: Final = """\
import http.client, json, sys
for target, body in json.load(open(sys.argv[1])):
    one = http.client.HTTPConnection("127.0.0.1", 8000, timeout=30)
    one.request("POST" if body else "GET", target, body or None, {"Content-Type": "application/xml"} if body else {})
    one.getresponse().read()
    one.close()
"""
SQLMAP: Final = (
    "sqlmap", "-u", f"http://127.0.0.1:{PORT}/items?id=1", "--batch", "--flush-session", "--technique=BEU", "--dbms=sqlite",
    "--dump", "-T", "users", "--threads=1", "--disable-coloring",
)  # fmt: skip
# What people send all day, with the words of attacks in it: nothing of it is an attack that worked.
HARMLESS: Final = (
    "/search?q=how+does+%2Fetc%2Fpasswd+work", "/search?q=select+a+hammer+from+the+shop", "/items?id=2", "/go?next=%2Fitems%3Fid%3D1",
    "/card?text=Anna+%26+Ben", "/suggest?q=root+vegetables", "/language?set=de", "/ping?host=shop.example", "/items?id=3",
)  # fmt: skip

pytestmark = [pytest.mark.live, pytest.mark.slow]


def findings_of(state: str, scratch: Path, *commands: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the findings in what *commands* exchange with the shop in *state*, as `analyze` tells them."""
    capture, found = scratch / f"{state}.pcap", scratch / f"{state}.jsonl"
    with network() as net:
        place = net.namespace("shop")
        place.run("ip", "link", "set", "lo", "up")
        shop = [sys.executable, "-m", "tests.vulns.shop", str(PORT), state, str(scratch / "successes.txt")]
        with (
            place.process(shop, scratch / "shop.log", environment={"PYTHONPATH": str(ROOT)}),
            dumped(place, "lo", capture, scratch / f"{state}.log"),
        ):
            wait_until(lambda: place.run("ss", "-ltnH", f"sport = :{PORT}"), "the shop listens", 30)
            for command in commands:
                place.run(*command, timeout_s=240)
    analyze = [sys.executable, "-m", "tcpmirror.cli", "analyze", "--findings", str(found), str(capture)]
    subprocess.run(analyze, check=True, capture_output=True, cwd=ROOT)
    return [json.loads(line) for line in found.read_text().splitlines()]


def visits(scratch: Path, targets: list[tuple[str, str]]) -> tuple[str, ...]:
    """Return the command that asks for *targets* (target, body), each on a connection of its own."""
    listed = scratch / "targets.json"
    listed.write_text(json.dumps(targets))
    return (sys.executable, "-c", VISITOR, str(listed))


def proven(found: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """Return what shows that an attack worked, by (target, type)."""
    return {(line["uri"], line["type"]): line["evidence"] for line in found if line.get("evidence")}


def test_what_worked_is_an_incident_and_what_did_not_is_none(tmp_path: Path) -> None:
    asked = [(case.target, case.body.decode()) for case in CASES.values()]
    proofs = proven(findings_of("open", tmp_path, visits(tmp_path, [*asked, *((target, "") for target in HARMLESS)])))
    worked = {name: case for name, case in CASES.items() if case.works}
    missed = [name for name, case in worked.items() if (case.target, case.type) not in proofs]
    assert len(missed) <= (1 - FEWEST) * len(worked), f"missed: {missed}"
    assert {target for target, _ in proofs} <= {case.target for case in worked.values()}


def test_nothing_works_on_the_mended_shop(tmp_path: Path) -> None:
    asked = [(case.target, case.body.decode()) for case in CASES.values()]
    found = findings_of("mended", tmp_path, visits(tmp_path, [*asked, *((target, "") for target in HARMLESS)]))
    assert len(found) >= len(CASES) - 4  # they are attacks all the same
    assert proven(found) == {}


@pytest.mark.parametrize("state", ["open", "mended"])
def test_sqlmap_gets_through_only_where_it_is_said_to(state: str, tmp_path: Path) -> None:
    command = (*SQLMAP, "--output-dir", str(tmp_path / "sqlmap"))
    found = findings_of(state, tmp_path, command)
    told = "".join(path.read_text() for path in (tmp_path / "sqlmap").rglob("*.csv"))
    assert ("w0nderland-8842" in told) == (state == "open")  # whether it did get through
    counts = collections.Counter(line["type"] for line in found)
    assert counts["sqli"] >= 10
    shown = {target for target, _ in proven(found)}
    if state == "mended":
        assert shown == set()
        return
    worked = set((tmp_path / "successes.txt").read_text().splitlines())  # as the shop knows it
    assert len(worked) >= 10
    assert len(worked & shown) >= FEWEST * len(worked), sorted(worked - shown)
