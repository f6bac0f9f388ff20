"""What is built for others holds all that the tree holds, and nothing that was only built here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # compiles the project
IGNORED = (
    ".venv",
    ".git",
    "build",
    "dist",
    "var",
    "data",
    "results",
    "*.egg-info",
    "__pycache__",
    ".*_cache",
    ".hypothesis",
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the tree in which to build; what is compiled already is taken along, so that it costs less time."""
    copy = tmp_path_factory.mktemp("tree") / "tcpmirror"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*IGNORED))
    return copy


def sources(suffixes: tuple[str, ...] = ()) -> set[str]:
    """Return the files of the package that are ours, as paths below the root."""
    built = {".so", ".c", ".pyc", ".html"}
    found = {path for path in (ROOT / "tcpmirror").rglob("*") if path.is_file() and path.suffix not in built}
    return {str(path.relative_to(ROOT)) for path in found if not suffixes or path.suffix in suffixes}


def build(tree: Path, what: str, out: Path) -> Path:
    code = f"from setuptools import build_meta; print(build_meta.build_{what}({str(out)!r}))"
    compiler = tree.parent / "cc"  # each module is compiled, but what it is compiled to need not be fast
    compiler.write_text('#!/bin/sh\nexec cc "$@" -O0 -g0\n')
    compiler.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tree,
        env=os.environ | {"CC": str(compiler)},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return next(out.iterdir())


def test_wheel_holds_every_module_compiled_and_every_data_file(tree: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(build(tree, "wheel", tmp_path)) as wheel:
        names = {name for name in wheel.namelist() if name.startswith("tcpmirror/")}
    compiled = {name.partition(".")[0] for name in names if name.endswith(".so")}
    assert compiled == {name.removesuffix(".pyx") for name in sources((".pyx",))}
    assert sources() - names - sources((".pyx",)) == set()
    assert {name for name in names if name.endswith((".c", ".pyc"))} == set()


def test_source_package_holds_all_sources_and_nothing_built(tree: Path, tmp_path: Path) -> None:
    with tarfile.open(build(tree, "sdist", tmp_path)) as package:
        names = {name.partition("/")[2] for name in package.getnames()}
    assert sources() - names == set()
    assert {"setup.py", "pyproject.toml", "LICENSE", "Makefile", "scripts/setup.sh", "scripts/pypcap.txt"} <= names
    assert {name for name in names if name.startswith("tcpmirror/") and name.endswith((".c", ".so", ".pyc"))} == set()
