"""Renewal: a worker goes on with its old rules until the new ones are compiled."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bench.network import wait_until
from tcpmirror.errors import SettingsError
from tcpmirror.model.exchange import Exchange, Request
from tcpmirror.processes.renewal import Renewal, Renewed
from tcpmirror.settings.in_force import SETTINGS_NAME, in_force_directory, packed_settings
from tcpmirror.settings.tree import Inspection, Settings, Supervisor

KEPT = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tcpmirror"  # for compiled rules
PACK = """
type: xss
rules:
  - id: own-rule
    title: An own rule
    why: For this test.
    severity: high
    confidence: 0.9
    patterns: [{pattern}]
    examples:
      match: [glimmerstone-7]
      no_match: [glimmer]
"""
LONGEST_PAUSE_S = 1.0


def written(directory: Path, pattern: str) -> Settings:
    """Put settings with one own rule in force; return settings that know only where."""
    rules = directory / "rules"
    rules.mkdir(exist_ok=True)
    if not (directory / "cache").exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        (directory / "cache").symlink_to(KEPT)
    (rules / "own.yaml").write_text(PACK.format(pattern=pattern))
    place = Settings(supervisor=Supervisor(state_dir=str(directory)))
    kept = in_force_directory(place)
    kept.mkdir(exist_ok=True)
    (kept / SETTINGS_NAME).write_bytes(packed_settings(replace(place, inspection=Inspection(rules_dir=str(rules)))))
    return place


def taken(renewal: Renewal) -> tuple[Renewed, float]:
    """Return what *renewal* brings, and the longest that a loop beside it stood still."""
    found: list[Renewed] = []
    last, longest = time.monotonic(), 0.0

    def is_there() -> bool:
        nonlocal last, longest
        now = time.monotonic()
        last, longest = now, max(longest, now - last)
        found.extend(filter(None, [renewal.take()]))
        return bool(found)

    wait_until(is_there, "the renewal", 120, 0.001)
    return found[0], longest


def exchange() -> Exchange:
    head = b"GET /?q=glimmerstone-7 HTTP/1.1\r\nHost: shop.example\r\n\r\n"
    return Exchange(Request(head, b"", 1000, b"GET", b"/?q=glimmerstone-7"), None, b"\x0a\0\0\1", 1234, b"\x0a\0\0\2", 80)


def test_new_rules_are_brought_while_the_loop_beside_goes_on(tmp_path: Path) -> None:
    renewal = Renewal(written(tmp_path, "'glimmerstone-[0-9]{1,40}'"))
    assert renewal.take() is None, "nobody asked for any"
    renewal.begin()
    assert renewal.take() is None
    assert renewal.is_under_way
    renewed, longest_s = taken(renewal)
    assert not renewal.is_under_way
    assert renewed.settings.inspection.rules_dir == str(tmp_path / "rules")
    assert [finding.rule for finding in renewed.detector.inspect(exchange())] == ["own-rule"]
    assert longest_s < LONGEST_PAUSE_S


def test_rules_that_cannot_be_used_are_told_and_the_next_ones_taken(tmp_path: Path) -> None:
    renewal = Renewal(written(tmp_path, "'(unclosed'"))
    renewal.begin()
    with pytest.raises(SettingsError, match="own-rule"):
        taken(renewal)
    written(tmp_path, "'glimmerstone'")
    renewal.begin()
    assert taken(renewal)[0].detector.inspect(exchange())
