"""`tcpmirror rules`: what the commands print, and their exit codes."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from tcpmirror.cli import main
from tcpmirror.processes.detection import build_detector
from tcpmirror.settings.tree import Inspection, SecLang, Settings
from tests.detect.conftest import CACHE
from tests.detect.requests import request
from tests.detect.test_lint import GOOD


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(CACHE.parent))


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    file = tmp_path / "own.yaml"
    file.write_text(GOOD.replace("union", "own[ -]marker").replace("match: [own[ -]marker]", "match: [own-marker]"))
    return file


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["rules", *arguments]) == code
    return capsys.readouterr().out


def test_lint_of_a_good_pack(capsys: pytest.CaptureFixture[str], pack: Path) -> None:
    assert "1 packs, 1 usable rules, 0 errors" in said(capsys, "lint", str(pack))
    assert json.loads(said(capsys, "lint", "--json", str(pack.parent))) == []


def test_lint_of_a_bad_pack_fails_with_its_place(capsys: pytest.CaptureFixture[str], pack: Path) -> None:
    pack.write_text(pack.read_text().replace("confidence", "confidenz"))
    assert f"{pack}:3: error: own-rule.confidence" in said(capsys, "lint", str(pack), code=3)


def test_lint_without_packs_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said(capsys, "lint", str(tmp_path), code=4)
    said(capsys, "lint", str(tmp_path / "missing.yaml"), code=4)


def test_examples_of_own_packs_are_run(capsys: pytest.CaptureFixture[str], pack: Path) -> None:
    assert "1 rules, 2 examples, 0 failed" in said(capsys, "test", str(pack))
    pack.write_text(pack.read_text().replace("no_match: [onion]", "no_match: [an own marker]"))
    assert "must not match: 'an own marker': the rule counts" in said(capsys, "test", str(pack), code=3)
    pack.write_text(pack.read_text().replace("match: [own-marker]", "match: [other]"))
    failed = json.loads(said(capsys, "test", "--json", str(pack), code=3))["failed"]
    assert [(item["rule"], item["example"], item["must_match"]) for item in failed] == [
        ("own-rule", "other", True),
        ("own-rule", "an own marker", False),
    ]


def test_the_list_can_be_cut_by_type_and_severity(capsys: pytest.CaptureFixture[str], pack: Path) -> None:
    config = pack.parent / "settings.yml"
    source = "tcp_stream: {from_interface: {enabled: true, interface: lo}}"
    config.write_text(f"version: 4\nmode: tcp-capture-v2\n{source}\ninspection: {{rules_dir: {pack.parent}}}\n")
    rules = json.loads(said(capsys, "list", "--json", "-c", str(config)))
    assert [rule["id"] for rule in rules if rule["own"]] == ["own-rule"]
    chosen = json.loads(said(capsys, "list", "--json", "--type", "sqli", "--severity", "critical"))
    assert {(rule["type"], rule["severity"]) for rule in chosen} == {("sqli", "critical")}
    assert 0 < len(chosen) < len(rules)
    table = said(capsys, "list", "--type", "ssi").splitlines()
    assert table[0].split()[:4] == ["id", "type", "severity", "confidence"]
    assert all(" ssi " in line for line in table[1:])


def test_a_rule_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    page = said(capsys, "show", "sqli-union-select")
    for part in ("SQL injection", "CWE-89", "CAPEC-66", "https://", "looks at: uri", "must match:", "must not match:"):
        assert part in page
    assert json.loads(said(capsys, "show", "weak-token-unsigned", "--json"))["detector"] == "tokens"
    said(capsys, "show", "sqli-no-such", code=2)


RAW = b'POST /a?b=MSBvciAxPTE= HTTP/1.1\nHost: x\nContent-Type: application/json\n\n{"c": "1; cat /etc/passwd"}'


def test_a_request_is_explained_point_by_point(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "request").write_bytes(RAW)
    told = json.loads(said(capsys, "explain", "--json", str(tmp_path / "request")))
    points = {point["point"]: point for point in told["points"]}
    assert points["[get][b][base64]"]["steps"] == ["base64"]
    assert points["[get][b][base64]"]["verdicts"][0]["type"] == "sqli"
    assert any(rule["id"].startswith("rce-") for rule in points["[post][json_doc][hash][c]"]["rules"] if rule["counts"])
    assert any(rule["reason"].startswith("without must") for rule in points["[post][json_doc][hash][c]"]["rules"])
    assert told["first_tier"]["suspect"]
    assert {finding["type"] for finding in told["findings"]} == {"sqli", "rce", "ptrav"}


def test_a_value_and_standard_input_are_explained(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = said(capsys, "explain", "1' UNION SELECT null,password FROM users--")
    assert "sqli-union-select (sqli): counts 0.90" in page
    assert "SQL tokens: " in page
    assert "findings:\n  sqli at [get][value]" in page
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"running shoes\n")))
    page = said(capsys, "explain", "-")
    assert "first tier: clean" in page
    assert "findings: none" in page


def test_bytes_that_are_no_request_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "request").write_bytes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    said(capsys, "explain", str(tmp_path / "request"), code=2)


SECLANG = """SecRule ARGS "@rx bad" "id:1,phase:2,deny,msg:'m',tag:'attack-sqli'"
SecRule ARGS "@geoLookup" "id:2,phase:2,deny"
SecRule RESPONSE_BODY "@rx x" "id:3,phase:4,deny"
"""


def test_seclang_is_imported_and_what_is_left_out_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "own.conf").write_text(SECLANG)
    page = said(capsys, "import-seclang", str(tmp_path), "--out", str(tmp_path / "all.conf"))
    assert "1 of 2 request rules loaded (50.0 %)" in page
    assert "own.conf:2: rule 2 not loaded: operator @geolookup" in page
    assert ": 1 rules of phase 4 not loaded: judges the body of responses" in page
    facts = json.loads(said(capsys, "import-seclang", str(tmp_path / "all.conf"), "--json"))
    assert (facts["rules"], facts["refused"]) == (1, [])
    said(capsys, "import-seclang", str(tmp_path / "none"), code=3)


def test_seclang_rules_run_beside_the_others(tmp_path: Path) -> None:
    (tmp_path / "own.conf").write_text(SECLANG)
    settings = Settings(inspection=Inspection(seclang=SecLang(directory=str(tmp_path))))
    detector = build_detector(settings, CACHE)
    assert [finding.rule for finding in detector.inspect(request(b"GET", b"/?q=bad"))] == ["seclang-1"]
    assert detector.inspect(request(b"GET", b"/?q=good")) == []
    both = {finding.rule for finding in detector.inspect(request(b"GET", b"/?q=bad&r=1%27+union+select+1,2--"))}
    assert both == {"seclang-1", "sqli-union-select"}


def test_what_is_ignored_is_explained_and_inspected_with_its_name(
    capsys: pytest.CaptureFixture[str], pack: Path, tmp_path: Path
) -> None:
    pack.write_text(pack.read_text() + "ignore: [{name: mine, rules: [own-rule], path: /quiet}]\n")
    config = tmp_path / "settings.yaml"
    source = "version: 4\nmode: tcp-capture-v2\ntcp_stream: {from_vxlan: {enabled: true}}\n"
    config.write_text(f"{source}inspection: {{rules_dir: {tmp_path / 'rules'}}}\n")
    (tmp_path / "rules").mkdir()
    pack.rename(tmp_path / "rules" / "own.yaml")
    quiet = "GET /quiet?q=own-marker HTTP/1.1\r\nHost: a\r\n\r\n"
    assert "ignored by mine: " in said(capsys, "explain", quiet, "-c", str(config))
    told = json.loads(said(capsys, "explain", quiet, "-c", str(config), "--json"))
    assert (told["findings"], [(item["by"], item["rule"]) for item in told["ignored"]]) == ([], [("mine", "own-rule")])
    assert "ignored by" not in said(capsys, "explain", quiet.replace("quiet", "loud"), "-c", str(config))

    requests, verdicts = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    lines = [{"id": path, "method": "GET", "uri": f"/{path}?q=own-marker", "headers": []} for path in ("quiet", "loud")]
    requests.write_text("\n".join(map(json.dumps, lines)))
    assert main(["inspect", str(requests), "--out", str(verdicts), "-c", str(config)]) == 0
    first, second = map(json.loads, verdicts.read_text().splitlines())
    assert (first["attack"], first["ignored"][0]["by"], first["ignored"][0]["rule"]) == (False, "mine", "own-rule")
    assert (second["attack"], "ignored" in second) == (True, False)
