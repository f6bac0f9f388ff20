"""`tcpmirror migrate`: a file of the native node becomes one of ours that says the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tcpmirror.cli import main
from tcpmirror.settings import load_settings

NATIVE = """\
version: 3
mode: tcp-capture
goreplay:
  filter: "enp7s0:80"
  extra_args: [-input-raw-engine, vxlan, -input-raw-vxlan-vni, "7"]
  response_timeout: 9s
http_inspector: {workers: 3}
route_config: {wallarm_application: 4}
acl: {enabled: true}
"""


def test_a_migrated_file_says_the_same_with_a_note_on_what_means_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "go-node.yaml", tmp_path / "tcpmirror.yaml"
    old.write_text(NATIVE)
    assert main(["migrate", str(old)]) == 0
    new.write_text(capsys.readouterr().out)
    assert f"# {old}:9: acl: means nothing here" in new.read_text()
    before, after = load_settings(old), load_settings(new)
    assert after.warnings == ()
    assert replace(after.settings, version=4) == replace(before.settings, version=4)


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("version: 3\nmode: fax\n")
    assert main(["migrate", str(tmp_path / "f.yaml")]) == 3
