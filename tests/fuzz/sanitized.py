"""A second build of the package, with AddressSanitizer, UndefinedBehaviorSanitizer and edge coverage, under `build/sanitized`.

`python -m tests.fuzz.sanitized COMMAND...` runs a command on it: `python -m tests.fuzz.sanitized python -m pytest tests/decap`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
BUILT: Final = ROOT / "build" / "sanitized"
RUNTIME: Final = BUILT / "coverage.so"
# Inputs kept from run to run, and faults found.
WORK: Final = Path(os.environ.get("TCPMIRROR_FUZZ") or ROOT / "build" / "fuzz").absolute()
SANITIZERS: Final = "-fsanitize=address,undefined"
# -O1: bounds stay where the source has them. Not recovering makes undefined behaviour a death, which cannot be overlooked.
FLAGS: Final = (
    f"-O1 -g1 -fno-strict-aliasing -fno-omit-frame-pointer -w {SANITIZERS} -fno-sanitize-recover=undefined "
    "-fsanitize-coverage=trace-pc,trace-cmp"
)
OPTIONS: Final = {
    # Python keeps what it allocates to the end; the interpreter itself is not instrumented.
    "ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0:allocator_may_return_null=1:handle_segv=1:abort_on_error=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:abort_on_error=1",
    "PYTHONMALLOC": "malloc",  # each object lies between red zones of its own
}
SETUP: Final = """
from pathlib import Path
from Cython.Build import cythonize
from setuptools import Extension, setup
flags = {flags!r}.split()
modules = [
    Extension(".".join(path.with_suffix("").parts), [str(path)], extra_compile_args=flags, extra_link_args=[{link!r}])
    for top in ("tcpmirror", "tests") for path in sorted(Path(top).rglob("*.pyx"))
]
setup(name="sanitized", packages=[], ext_modules=cythonize(modules, compiler_directives={{"language_level": 3}}, quiet=True))
"""


def mirror() -> bool:
    """Copy the sources that changed into the build tree; return whether anything has to be compiled."""
    is_stale = False
    kept = set()
    for top in ("tcpmirror", "tests"):
        for path in (ROOT / top).rglob("*"):
            if not path.is_file() or path.suffix in (".so", ".c", ".pyc") or "__pycache__" in path.parts:
                continue
            copy = BUILT / path.relative_to(ROOT)
            kept.add(copy)
            if not copy.exists() or copy.read_bytes() != path.read_bytes():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
                is_stale |= path.suffix in (".pyx", ".pxd")
        for copy in (BUILT / top).rglob("*"):
            is_product = copy.suffix in (".so", ".c", ".pyc") and copy.with_name(copy.name.split(".")[0] + ".pyx") in kept
            if copy.is_file() and copy not in kept and not is_product:
                copy.unlink()
    return is_stale


def build() -> None:
    """Bring the build tree up to date; CalledProcessError when the compiler refuses."""
    BUILT.mkdir(parents=True, exist_ok=True)
    with (BUILT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs in one tree wait for each other
        compile_stale()


def compile_stale() -> None:
    """Copy and compile what changed; the caller holds the lock."""
    is_stale = mirror()
    script = SETUP.format(flags=FLAGS, link=SANITIZERS)
    record = BUILT / "compiled"
    wanted = hashlib.sha256((script + sys.version).encode()).hexdigest()
    if not is_stale and record.exists() and record.read_text() == wanted:
        return
    print("fuzz: compiling with sanitizers (some minutes the first time)", file=sys.stderr)
    record.unlink(missing_ok=True)
    (BUILT / "setup.py").write_text(script)
    compiler = sysconfig.get_config_var("CC").split()[0]
    source = str(ROOT / "tests" / "fuzz" / "coverage.c")
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", str(RUNTIME), source], check=True)
    subprocess.run([sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"], cwd=BUILT, check=True)
    record.write_text(wanted)


def environment() -> dict[str, str]:
    """Return the environment in which Python runs the sanitized modules."""
    compiler = sysconfig.get_config_var("CC").split()[0]

    def library(name: str) -> str:
        return subprocess.run(
            [compiler, f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()

    preload = ":".join([library("libasan.so"), library("libubsan.so"), str(RUNTIME)])
    paths = {"PYTHONPATH": str(BUILT), "TCPMIRROR_COVERAGE": str(RUNTIME), "TCPMIRROR_FUZZ": str(WORK)}
    return dict(os.environ) | OPTIONS | paths | {"LD_PRELOAD": preload}


if __name__ == "__main__":
    build()
    os.chdir(BUILT)
    os.execvpe(sys.argv[1], sys.argv[1:], environment())
