"""Building the detector: compiled rules are found again, and what is stale is removed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tcpmirror.detect.compiled import INSTALLED, Expression, Matcher, Role
from tcpmirror.errors import EXIT_SETTINGS, SettingsError
from tcpmirror.processes.detection import UNUSED_S, build_detector, compile_rules, compiled_files, remove_unused
from tcpmirror.settings.tree import Inspection, Settings


def test_the_installation_holds_the_databases_of_the_built_in_rules_and_no_others() -> None:
    where = compile_rules()
    stale = where / ("0" * 32 + ".hs")
    stale.write_bytes(b"left by an earlier version")
    assert compile_rules() == INSTALLED
    assert {file.name for file in compiled_files(where)} == build_detector(Settings()).cache_names


def test_what_no_start_has_used_for_a_month_is_removed_and_what_one_uses_is_not(tmp_path: Path) -> None:
    first, second = ("(?:aa|bb){2}cc", "dd[^x]ee")
    for pattern in (first, second):
        Matcher([Expression(pattern.encode(), 0, Role.SIGN, 0)], tmp_path)
    month_ago = time.time() - UNUSED_S - 60
    for file in compiled_files(tmp_path):
        os.utime(file, (month_ago, month_ago))
    used = Matcher([Expression(first.encode(), 0, Role.SIGN, 0)], tmp_path)
    remove_unused(tmp_path)
    assert {file.name for file in compiled_files(tmp_path)} == used.cache_names


OWN_RULE = """
type: xss
rules:
  - id: own-rule
    title: An own rule
    severity: high
    confidence: 0.9
    patterns: ['(unclosed']
    examples:
      match: ['(unclosed']
      no_match: ['closed']
"""


def test_an_own_rule_that_cannot_be_compiled_is_a_settings_error_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN_RULE)
    with pytest.raises(SettingsError, match="own-rule") as caught:
        build_detector(Settings(inspection=Inspection(rules_dir=str(tmp_path))), tmp_path / "cache")
    assert caught.value.exit_code == EXIT_SETTINGS
