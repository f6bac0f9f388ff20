"""Building the detector: compiled rules are found again, and what is stale is removed."""

from __future__ import annotations

from tcpmirror.detect.compiled import INSTALLED
from tcpmirror.processes.detection import build_detector, compile_rules
from tcpmirror.settings.tree import Settings


def test_the_installation_holds_the_databases_of_the_built_in_rules_and_no_others() -> None:
    where = compile_rules()
    stale = where / ("0" * 32 + ".hs")
    stale.write_bytes(b"left by an earlier version")
    assert compile_rules() == INSTALLED
    assert {file.name for file in where.glob("*.hs")} == build_detector(Settings()).cache_names
