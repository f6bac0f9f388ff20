"""Own rules: accepted whole or refused whole, and what was accepted before stays in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from tcpmirror.detect.detector import Detector
from tcpmirror.errors import SettingsError
from tcpmirror.processes.rules_in_force import (
    NAME,
    build_detector_in_force,
    prepare_rules,
    read_in_force,
    rules_signature,
    take_pack,
)
from tcpmirror.settings.tree import Inspection, SecLang, Settings, Supervisor
from tests.detect.conftest import CACHE
from tests.detect.requests import request

PACK = """type: sqli
rules:
  - id: own-rule
    title: A rule
    confidence: 0.8
    patterns: ['own-marker']
    examples: {match: [own-marker], no_match: [own]}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "state").mkdir()
    CACHE.mkdir(parents=True, exist_ok=True)
    (tmp_path / "state" / "cache").symlink_to(CACHE)
    (tmp_path / "rules" / "own.yaml").write_text(PACK)
    return tmp_path / "rules"


def settings_of(rules: Path, seclang: str = "") -> Settings:
    inspection = Inspection(rules_dir=str(rules), seclang=SecLang(directory=seclang))
    return Settings(inspection=inspection, supervisor=Supervisor(state_dir=str(rules.parent / "state")))


def found(detector: Detector, value: bytes) -> set[str]:
    return {finding.rule for finding in detector.inspect(request(b"GET", b"/?q=" + value))}


def test_what_is_prepared_is_in_force(rules: Path) -> None:
    facts = prepare_rules(settings_of(rules))
    assert facts["own"] == 1
    detector, problem = build_detector_in_force(settings_of(rules))
    assert found(detector, b"own-marker") == {"own-rule"}
    assert problem == ""


def test_an_edit_that_is_not_prepared_changes_nothing(rules: Path) -> None:
    prepare_rules(settings_of(rules))
    (rules / "own.yaml").write_text(PACK.replace("own-marker", "other-marker"))
    detector, _ = build_detector_in_force(settings_of(rules))
    assert found(detector, b"own-marker") == {"own-rule"}
    assert found(detector, b"other-marker") == set()


BAD = {
    "a key": (PACK.replace("confidence: 0.8", "confidence: 8"), "own.yaml:5"),
    "a pattern": (PACK.replace("'own-marker'", "'(own'"), "own.yaml:3"),
    "no YAML": ("type: [", "own.yaml:1"),
}


@pytest.mark.parametrize(("text", "place"), BAD.values(), ids=BAD)
def test_a_bad_edit_is_refused_and_the_rules_before_stay(rules: Path, text: str, place: str) -> None:
    before = prepare_rules(settings_of(rules))
    (rules / "own.yaml").write_text(text)
    with pytest.raises(SettingsError, match=place):
        prepare_rules(settings_of(rules))
    detector, problem = build_detector_in_force(settings_of(rules))
    assert place in problem
    assert found(detector, b"own-marker") == {"own-rule"}
    (rules / "own.yaml").write_text(PACK)
    assert prepare_rules(settings_of(rules)) == before
    assert build_detector_in_force(settings_of(rules))[1] == ""


def test_rules_that_cannot_be_used_at_the_first_start_leave_nothing(rules: Path) -> None:
    (rules / "own.yaml").write_text("type: [")
    with pytest.raises(SettingsError):
        prepare_rules(settings_of(rules))
    assert read_in_force(rules.parent / "state" / "in-force" / NAME) is None


def test_a_damaged_record_of_them_is_as_none(rules: Path) -> None:
    prepare_rules(settings_of(rules))
    record = rules.parent / "state" / "in-force" / NAME
    whole = record.read_bytes()
    for damaged in (b"", whole[:-9], b"[]", b'{"packs": 1}'):
        record.write_bytes(damaged)
        assert read_in_force(record) is None
        assert found(build_detector_in_force(settings_of(rules))[0], b"own-marker") == {"own-rule"}


def test_seclang_rules_are_kept_with_them(rules: Path) -> None:
    folder = rules.parent / "seclang"
    folder.mkdir()
    (folder / "words.data").write_text("secret-word\n")
    (folder / "a.conf").write_text('SecRule ARGS "@pmFromFile words.data" "id:7,phase:2,deny,msg:\'m\'"\n')
    prepare_rules(settings_of(rules, str(folder)))
    (folder / "words.data").unlink()
    detector, _ = build_detector_in_force(settings_of(rules, str(folder)))
    assert found(detector, b"secret-word") == {"seclang-7"}


def test_a_changed_file_changes_the_signature(rules: Path) -> None:
    first = rules_signature(settings_of(rules))
    assert first == rules_signature(settings_of(rules))
    (rules / "own.yaml").write_text(PACK + "\n# more\n")
    second = rules_signature(settings_of(rules))
    (rules / "more.yaml").write_text(PACK)
    assert len({first, second, rules_signature(settings_of(rules))}) == 3


def test_a_fetched_pack_lands_beside_the_operators(rules: Path) -> None:
    settings = settings_of(rules)
    before = rules_signature(settings)
    take_pack(settings, "cloud", PACK.replace("own-rule", "cloud-rule").replace("own-marker", "cloud-marker"))
    assert rules_signature(settings) != before
    assert prepare_rules(settings)["own"] == 2
    assert found(build_detector_in_force(settings)[0], b"cloud-marker") == {"cloud-rule"}
    for name, text in (("../x", PACK), ("cloud", "type: [")):
        with pytest.raises(SettingsError):
            take_pack(settings, name, text)
    assert prepare_rules(settings)["own"] == 2
