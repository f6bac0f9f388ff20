"""What is installed is pinned: each dependency that the project asks for stands in a lock with its version and its hashes."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.packaging.test_metadata import ROOT, setup_cfg

LOCKS = ROOT / "scripts" / "requirements"
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[a-z,]+\])?==(\S+?)(?: ;.*?)? \\$")
OF_ITS_OWN = {"pypcap"}  # built from its source, whose hash scripts/pypcap.txt has


def pinned(name: str) -> dict[str, list[str]]:
    """Return the versions by name of a lock; each of its lines has to be a pin or a hash."""
    pins: dict[str, list[str]] = {}
    hashes = 1
    for line in (LOCKS / name).read_text().splitlines():
        if found := PIN.match(line):
            assert hashes, f"nothing says what the files before {line} are"
            pins.setdefault(canonicalize_name(found[1]), []).append(found[2])
            hashes = 0
        else:
            assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?", line), line
            hashes += 1
    return pins


def asked(*extras: str) -> list[Requirement]:
    """Return what setup.cfg asks for, for running and with these extras."""
    cfg = setup_cfg()
    texts = [cfg["options"]["install_requires"], *(cfg["options.extras_require"][extra] for extra in extras)]
    return [Requirement(line) for text in texts for line in text.strip().splitlines()]


LOCKED = {"run.txt": ("cloud", "sinks"), "dev.txt": ("cloud", "sinks", "test", "check")}


@pytest.mark.parametrize("name", LOCKED)
def test_what_is_asked_for_is_pinned(name: str) -> None:
    pins = pinned(name)
    for requirement in asked(*LOCKED[name]):
        versions = pins.get(canonicalize_name(requirement.name), [])
        assert versions or requirement.name in OF_ITS_OWN, f"{requirement}: run scripts/lock.sh"
        assert all(requirement.specifier.contains(version) for version in versions), f"{requirement}: {versions}"


def test_the_tools_that_build_it_are_pinned() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        wanted = [Requirement(text) for text in tomllib.load(file)["build-system"]["requires"]]
    pins = pinned("build.txt")
    for requirement in wanted:
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)][0])


def test_tests_run_with_what_is_shipped() -> None:
    tested = pinned("dev.txt")
    assert {name: version for name, version in pinned("run.txt").items() if tested.get(name) != version} == {}


def test_set_up_takes_nothing_that_is_not_pinned() -> None:
    commands = re.findall(r"^\s+pip_install (.*)$", (ROOT / "scripts" / "setup.sh").read_text(), re.MULTILINE)
    assert commands
    assert [words for words in commands if "--require-hashes" not in words and "--no-deps" not in words] == []


def test_each_lock_is_of_an_index() -> None:
    """A pin that points elsewhere than into a package index would be a file of one machine."""
    for lock in LOCKS.glob("*.txt"):
        assert not re.search(r"@|://|file:", lock.read_text()), lock.name
