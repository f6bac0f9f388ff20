"""scripts/compile.py compiles what changed, by content, and leaves no module behind whose source is gone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow  # each case runs a C compiler


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a small project with the real setup.py and compile.py: of three modules, one cimports from another."""
    for name in ("setup.py", "scripts/compile.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    package = tmp_path / "tcpmirror"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "unit.pxd").write_text("cdef inline int unit() noexcept:\n    return 1\n")
    (package / "unit.pyx").write_text("def value():\n    return unit()\n")
    (package / "twice.pyx").write_text("from tcpmirror.unit cimport unit\n\n\ndef value():\n    return 2 * unit()\n")
    (package / "alone.pyx").write_text("def value():\n    return 7\n")
    return tmp_path


def compile_in(tree: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/compile.py"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=240, check=False)


def value_of(tree: Path, module: str) -> int:
    code = f"import sys; sys.path.insert(0, '.'); import tcpmirror.{module} as m; print(m.value())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tree, capture_output=True, text=True, timeout=60, check=True)
    return int(done.stdout)


def test_what_changed_is_compiled_whatever_its_time_says(tree: Path) -> None:
    first = compile_in(tree)
    assert first.returncode == 0, first.stderr
    assert "3 of 3 modules" in first.stdout
    assert (value_of(tree, "unit"), value_of(tree, "twice")) == (1, 2)

    assert compile_in(tree).stdout == "", "nothing changed, nothing is compiled"

    declaration = tree / "tcpmirror" / "unit.pxd"
    declaration.write_text(declaration.read_text().replace("1", "21"))
    os.utime(declaration, (1, 1))  # older than all that was built from it
    assert "2 of 3 modules" in compile_in(tree).stdout
    assert (value_of(tree, "unit"), value_of(tree, "twice")) == (21, 42)


def test_a_module_without_source_is_removed(tree: Path) -> None:
    assert compile_in(tree).returncode == 0
    (tree / "tcpmirror" / "twice.pyx").unlink()
    done = compile_in(tree)
    assert done.returncode == 0
    assert "removing tcpmirror/twice" in done.stdout
    assert sorted(path.name.partition(".")[0] for path in (tree / "tcpmirror").glob("*.so")) == ["alone", "unit"]


def test_a_module_that_does_not_compile_is_an_error_every_time(tree: Path) -> None:
    (tree / "tcpmirror" / "unit.pyx").write_text("def value(:\n")
    assert compile_in(tree).returncode != 0
    assert compile_in(tree).returncode != 0, "a failure is not taken for work that was done"
