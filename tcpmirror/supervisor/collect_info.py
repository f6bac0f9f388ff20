"""`tcpmirror collect-info`: one archive for whoever is to help, without secrets and without traffic."""

from __future__ import annotations

import io
import os
import platform
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import httpx
import orjson

from tcpmirror import __version__
from tcpmirror.errors import TcpmirrorError
from tcpmirror.settings.describe import describe_settings
from tcpmirror.settings.tree import Settings
from tcpmirror.supervisor.control import ask
from tcpmirror.supervisor.status import render_status

LOG_BYTES: Final = 1 << 20  # of the end of the log
# Loggers whose lines quote traffic, in text and in JSON.
QUOTING: Final = (
    *(b" tcpmirror.attacks: ", b" tcpmirror.access: "),
    *(b'"logger":"tcpmirror.attacks"', b'"logger":"tcpmirror.access"'),
)
COMMANDS: Final = (("ip", "-details", "-statistics", "link"), ("uname", "-a"), ("free", "-m"), ("df", "-h"))
COMMAND_S: Final = 10.0


def collect_info(settings: Settings, log_file: Path, archive: Path) -> list[str]:
    """Write *archive* (tar.gz, mode 0600); return the names of what is in it. OSError: it cannot be written.

    What cannot be had is a file that says why: an archive with a hole helps more than none.
    """
    names: list[str] = []
    descriptor = os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, content in contents(settings, log_file):
            found = tarfile.TarInfo(f"tcpmirror-info/{name}")
            found.size, found.mtime, found.mode = len(content), int(time.time()), 0o600
            tar.addfile(found, io.BytesIO(content))
            names.append(name)
    return names


def contents(settings: Settings, log_file: Path) -> Iterator[tuple[str, bytes]]:
    yield "versions.txt", _versions().encode()
    yield "settings.yaml", describe_settings(settings, hide_secrets=True).encode()
    yield "status.json", _tried(lambda: orjson.dumps(_status(settings), option=orjson.OPT_INDENT_2))
    yield "status.txt", _tried(lambda: render_status(_status(settings)).encode())
    yield "metrics.txt", _tried(lambda: _metrics(settings))
    yield "log.txt", _tried(lambda: end_of_log(log_file))
    yield "state.txt", _tried(lambda: _listing(Path(settings.supervisor.state_dir)))
    for command in COMMANDS:
        yield f"{command[0]}.txt", _tried(lambda words=command: _output(words))  # type: ignore[misc]


def end_of_log(log_file: Path) -> bytes:
    """Return the last lines of the log, without those that quote traffic, in text and in JSON alike."""
    with log_file.open("rb") as file:
        file.seek(max(0, log_file.stat().st_size - LOG_BYTES))
        lines = file.read(LOG_BYTES).splitlines(keepends=True)
    return b"".join(line for line in lines if not any(mark in line for mark in QUOTING))


def _status(settings: Settings) -> dict[str, Any]:
    return ask(Path(settings.supervisor.run_dir), {"command": "status"})


def _metrics(settings: Settings) -> bytes:
    host, _, port = settings.metrics.listen_address.rpartition(":")
    url = f"http://{host or '127.0.0.1'}:{port}/metrics"
    lines = httpx.get(url, timeout=5.0, trust_env=False).content.splitlines(keepends=True)
    return b"".join(line for line in lines if b"per_host_total" not in line)


def _listing(directory: Path) -> bytes:
    """Return names, sizes and times of the files in *directory*, and nothing of what is in them."""
    lines = []
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        lines.append(f"{status.st_mode:o} {status.st_uid} {status.st_size:>12} {int(status.st_mtime)} {path}\n")
    return "".join(lines).encode()


def _versions() -> str:
    packages = sorted(f"{each.name} {each.version}" for each in metadata.distributions())
    return "\n".join((f"tcpmirror {__version__}", f"python {sys.version}", platform.platform(), "", *packages, ""))


def _output(words: tuple[str, ...]) -> bytes:
    done = subprocess.run(words, capture_output=True, timeout=COMMAND_S, check=False)
    return done.stdout + done.stderr


def _tried(found: Callable[[], bytes]) -> bytes:
    try:
        return found()
    except (OSError, TcpmirrorError, httpx.HTTPError, subprocess.SubprocessError, KeyError) as error:
        return f"not to be had: {type(error).__name__}: {error}\n".encode()
