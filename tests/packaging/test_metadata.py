"""What setup.cfg promises is what the tree holds."""

from __future__ import annotations

import configparser
import re
from importlib import import_module, metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(delimiters=("=",))
    parser.read(ROOT / "setup.cfg")
    return parser


def entry_points() -> dict[str, str]:
    lines = setup_cfg()["options.entry_points"]["console_scripts"].strip().splitlines()
    return {name.strip(): target.strip() for name, target in (line.split("=") for line in lines)}


def compiled_modules() -> list[Path]:
    return sorted((ROOT / "tcpmirror").rglob("*.pyx"))


@pytest.mark.parametrize("command", ["tcpmirror", "tcpmirror-supervisor", "tcpmirror-cloud"])
def test_command_is_installed_and_can_be_called(command: str) -> None:
    module, function = entry_points()[command].split(":")
    assert callable(getattr(import_module(module), function))


def test_no_command_is_left_untested() -> None:
    assert set(entry_points()) == {"tcpmirror", "tcpmirror-supervisor", "tcpmirror-cloud"}


def test_installed_version_is_the_one_of_setup_cfg() -> None:
    assert metadata.version("tcpmirror") == setup_cfg()["metadata"]["version"]


def test_changelog_speaks_of_the_version() -> None:
    version = setup_cfg()["metadata"]["version"]
    assert re.search(rf"(?<![\d.]){re.escape(version)}(?![\d.]*\d)", (ROOT / "CHANGELOG.md").read_text())


def test_licence_is_apache_2() -> None:
    assert setup_cfg()["metadata"]["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text


def test_every_compiled_module_has_a_typed_stub() -> None:
    modules = compiled_modules()
    assert modules, "the hot path is compiled"
    assert [str(path) for path in modules if not path.with_suffix(".pyi").exists()] == []


def test_every_compiled_module_is_imported_from_its_own_source_folder() -> None:
    for path in compiled_modules():
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        loaded = import_module(name)
        assert loaded.__file__ is not None
        assert Path(loaded.__file__).parent == path.parent
        assert Path(loaded.__file__).suffix == ".so"


def test_pypcap_is_pinned_once() -> None:
    wanted = [line for line in setup_cfg()["options"]["install_requires"].splitlines() if line.startswith("pypcap")]
    built = [line for line in (ROOT / "scripts" / "pypcap.txt").read_text().splitlines() if line.startswith("pypcap")]
    assert [line.split()[0] for line in built] == wanted
