"""Compiles the modules of tcpmirror/ that changed, in place, and removes what deleted ones left behind.

What changed is decided by content, not by time: a checkout or a copy sets times as it likes. A record under ``build/``
holds, for each module, a digest of its own text, of every ``.pxd`` that it cimports, directly or through another, of
``setup.py`` and of the versions of Cython and Python that compiled it.
"""

import hashlib
import json
import re
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "tcpmirror"
SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
# `from a.b cimport c, d` or `cimport a.b`: any of them may be a module.
CIMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+)?cimport[ \t]+\(?([\w., \t]+)", re.MULTILINE)
RECORD = ROOT / "build" / f"compiled{SUFFIX}.json"


def digest(*parts: bytes) -> str:
    """Return the SHA-256 of *parts*, each with its length, in hexadecimal."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big") + part)
    return total.hexdigest()


def module_digests() -> dict[str, str]:
    """Return path below the root -> digest of all that its compilation depends on, for each .pyx."""
    toolchain = f"{version('cython')} {sys.version}".encode()
    shared = digest(toolchain, (ROOT / "setup.py").read_bytes()).encode()
    return {
        str(path.relative_to(ROOT)): digest(shared, *(source.read_bytes() for source in (path, *declarations(path))))
        for path in sorted(PACKAGE.rglob("*.pyx"))
    }


def declarations(source: Path) -> list[Path]:
    """Return each .pxd that *source* is compiled with: its own, those it cimports, and what those cimport."""
    found: set[Path] = set()
    unread = [source, source.with_suffix(".pxd")]
    while unread:
        path = unread.pop()
        if path in found or not path.exists():
            continue
        found.add(path)
        for package, names in CIMPORT.findall(path.read_text(encoding="utf-8")):
            for module_name in (package, *(f"{package}.{name}".strip(".") for name in re.findall(r"[\w.]+", names))):
                unread.append((ROOT / module_name.replace(".", "/")).with_suffix(".pxd"))
    return sorted(found - {source})


def recorded() -> dict[str, str]:
    """Return what the last successful compilation left on record, or nothing."""
    try:
        record: dict[str, str] = json.loads(RECORD.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return record


def remove_orphans() -> None:
    """Delete compiled modules and generated C whose .pyx is gone: Python would go on importing them."""
    for path in [*PACKAGE.rglob("*.so"), *PACKAGE.rglob("*.c")]:
        source = path.with_name(path.name.partition(".")[0] + ".pyx")
        if not source.exists():
            print(f"compile: removing {path.relative_to(ROOT)}, which has no source any more")
            path.unlink()


def build_command() -> list[str]:
    """Return the command that compiles in place, in folders of its own: a wheel is made of all that build/lib.* holds."""
    folders = ["--build-lib=build/in-place", "--build-temp=build/in-place-objects"]
    return [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace", *folders]


def main() -> int:
    """Compile what is stale; return the exit code of the compiler."""
    remove_orphans()
    wanted, last = module_digests(), recorded()
    stale = [
        name for name, text in wanted.items() if last.get(name) != text or not (ROOT / name).with_suffix(SUFFIX).exists()
    ]
    if not stale:
        return 0
    print(f"compile: {len(stale)} of {len(wanted)} modules")
    for name in stale:
        (ROOT / name).with_suffix(".c").unlink(missing_ok=True)  # the C is made anew, and then everything after it
    code = subprocess.run(build_command(), cwd=ROOT, check=False).returncode
    if code == 0:
        RECORD.parent.mkdir(exist_ok=True)
        RECORD.write_text(json.dumps(wanted, indent=1))
    return code


if __name__ == "__main__":
    sys.exit(main())
