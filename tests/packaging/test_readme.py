"""The README names what is there: files, folders, make targets, commands."""

from __future__ import annotations

import re
from pathlib import Path

from tests.packaging.test_metadata import entry_points

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_links_lead_to_files() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_layout_lists_the_folders_of_the_package() -> None:
    layout = README.partition("```\ntcpmirror/\n")[2].partition("configs/")[0]
    listed = {line.split()[0].rstrip("/") for line in layout.splitlines() if line.split()[0].endswith("/")}
    folders = {path.parent.name for path in (ROOT / "tcpmirror").glob("*/__init__.py")}
    assert listed == folders


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    named = set(re.findall(r"(?:`|# |\$ )make ([a-z]+)", README))
    assert {"run", "test", "check", "bench"} <= named
    assert named - targets == set()


def test_every_command_is_described() -> None:
    assert [command for command in entry_points() if f"`{command} " not in README] == []
