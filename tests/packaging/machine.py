"""A machine to install on: this one in namespaces of its own, where whatever is written stays in memory and can be listed."""

from __future__ import annotations

import contextlib
import filecmp
import os
import select
import subprocess
import time
from pathlib import Path
from typing import Final

PATHS: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Files that useradd keeps of what was before, and its lock.
LEFT_BY_USERADD: Final = {f"etc/{name}-" for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")} | {
    "etc/.pwd.lock"
}
# $1: where to mount; then pairs of a directory and the name under /usr/src/ by which the machine sees it.
SETUP: Final = """
set -e
at=$1; shift
mount --make-rprivate /
mount -t tmpfs -o mode=755 none "$at"
mkdir "$at/upper" "$at/work" "$at/root"
mount -t overlay none -o "lowerdir=/,upperdir=$at/upper,workdir=$at/work" "$at/root"
mount --rbind /dev "$at/root/dev"
mount -t proc none "$at/root/proc"
mount -t sysfs -o ro none "$at/root/sys"
for place in tmp run usr/src; do mount -t tmpfs -o mode=1777 none "$at/root/$place"; done
while (($#)); do mkdir "$at/root/usr/src/$2"; mount --bind "$1" "$at/root/usr/src/$2"; shift 2; done
ip link set lo up
echo ready
exec sleep infinity
"""


class Machine:
    """*at*: an empty directory; *shown*: directories by the name under /usr/src/ at which the machine has them."""

    def __init__(self, at: Path, shown: dict[str, Path]) -> None:
        self.at = at
        pairs = [word for name, path in shown.items() for word in (str(path), name)]
        self._process = subprocess.Popen(
            [
                *["unshare", "--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "bash", "-c"],
                SETUP,
                "_",
                str(at),
                *pairs,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        if self._process.stdout.readline() != "ready\n":
            raise OSError(self._process.stderr.read())
        pid = self._process.pid
        self._init = Path(f"/proc/{pid}/task/{pid}/children").read_text().strip()

    def run(self, *words: str, timeout_s: float = 280.0, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command there, and wait for its end only: what it leaves running holds none of our pipes."""
        out = self.at.parent / "output"
        with out.open("w+") as file:
            done = subprocess.run(
                self._there(words),
                env={"PATH": PATHS, **env},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                timeout=timeout_s,
                check=False,
            )
        return subprocess.CompletedProcess(words, done.returncode, out.read_text(errors="replace"))

    def answering(self, answers: dict[str, str], *words: str, deadline_s: float = 280.0) -> tuple[int, str]:
        """Run a command at a terminal, where each question gets its answer; return its exit code and all that was shown."""
        ours, theirs = os.openpty()
        command = subprocess.Popen(self._there(words), env={"PATH": PATHS}, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        ends_s = time.monotonic() + deadline_s
        shown, open_questions = "", dict(answers)
        with contextlib.suppress(OSError):  # that of a terminal whose other end is closed
            while text := os.read(ours, 4096).decode(errors="replace") if _is_ready(ours, ends_s) else "":
                shown += text
                for question in [question for question in open_questions if question in shown]:
                    os.write(ours, open_questions.pop(question).encode() + b"\n")
        os.close(ours)
        assert not open_questions, f"never asked: {list(open_questions)}; shown: {shown}"
        return command.wait(timeout=max(ends_s - time.monotonic(), 1.0)), shown

    def _there(self, words: tuple[str, ...]) -> list[str]:
        enter = ["nsenter", f"--target={self._init}", "--mount", "--net", "--pid", "--ipc", "--uts"]
        return [*enter, "chroot", str(self.at / "root"), *words]

    def told(self, *words: str) -> str:
        """Return what a command says that has to succeed."""
        done = self.run(*words)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def eventually(self, *words: str, deadline_s: float = 60.0) -> None:
        """Run a command until it succeeds."""
        ends_s = time.monotonic() + deadline_s
        while (done := self.run(*words)).returncode != 0:
            assert time.monotonic() < ends_s, f"{words} never succeeded: {done.stdout}"
            time.sleep(0.2)

    def changed(self) -> set[str]:
        """Return the files that are not as they were, as paths below /."""
        inside = Path(f"/proc/{self._init}/root{self.at}/upper")
        found = (path for path in inside.rglob("*") if path.is_symlink() or not path.is_dir())
        return {str(path.relative_to(inside)) for path in found if not _is_as_before(path, inside)} - LEFT_BY_USERADD

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def _is_ready(descriptor: int, ends_s: float) -> bool:
    """Wait until it can be read."""
    return bool(select.select([descriptor], [], [], max(ends_s - time.monotonic(), 0.0))[0])


def _is_as_before(path: Path, inside: Path) -> bool:
    before = Path("/") / path.relative_to(inside)
    if path.is_symlink():
        return before.is_symlink() and before.readlink() == path.readlink()
    return path.is_file() and before.is_file() and filecmp.cmp(path, before, shallow=False)
