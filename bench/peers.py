"""What others cost on the same captures: whichever of Suricata and tshark is installed, each in a run of its own.

A peer counts by the transactions that it reported; one that reported fewer than the capture holds says so in its row.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.measure import RUN_S, WrongResultError, children_cpu_s
from bench.traffic import Capture

SURICATA_CONFIGURATION: Final = Path("/etc/suricata/suricata.yaml")
# What a sensor with a modest set of rules looks for in targets and bodies of requests: literals, which suits a peer best.
WORDS: Final = (
    "union select", "information_schema", "sleep(", "benchmark(", "waitfor delay", "or 1=1", "' or '", "xp_cmdshell",
    "load_file(", "into outfile", "<script", "javascript:", "onerror=", "onload=", "alert(", "document.cookie", "<svg",
    "<iframe", "/etc/passwd", "/etc/shadow", "../../", "..%2f", "%2e%2e", "boot.ini", "win.ini", "php://", "file://",
    "expect://", "data:text", "gopher://", "169.254.169.254", "metadata.google", ";cat ", ";id", "wget http",
    "curl http", "/bin/sh", "/bin/bash", "cmd.exe", "powershell", "$(", "`id`", "${jndi:", "{{7*7}}", "<%=", "<?php",
    "eval(", "system(", "base64_decode", "phpinfo", ".git/config", "wp-config", ".htaccess", "actuator/env", "cgi-bin",
    "/.env",
)  # fmt: skip
BUFFERS: Final = ("http.uri", "http.request_body")


@dataclass(frozen=True, slots=True)
class Peer:
    """Another program: its command over a capture with a directory to write to, and what it then reported: transactions."""

    name: str
    command: Callable[[Path, Path], list[str]]
    reported: Callable[[Path, str], int]


@dataclass(frozen=True, slots=True)
class PeerFigures:
    """What *peer* cost: medians over all runs, start-up (what it costs on next to nothing) left out or not."""

    peer: str
    reported: int
    cpu_s: float
    start_cpu_s: float

    @property
    def exchanges_per_cpu_s(self) -> int:
        return round(self.reported / self.cpu_s)

    @property
    def exchanges_per_cpu_s_without_start(self) -> int:
        return round(self.reported / max(self.cpu_s - self.start_cpu_s, 1e-3))


def installed() -> list[Peer]:
    """Return the peers that this machine has."""
    found = []
    if shutil.which("suricata") and SURICATA_CONFIGURATION.exists():
        found.append(Peer(f"{_suricata_version()}, HTTP log", _suricata(""), _eve_transactions))
        rules = "\n".join(_rules())
        found.append(Peer(f"the same and {len(WORDS) * len(BUFFERS)} rules", _suricata(rules), _eve_transactions))
    if shutil.which("tshark"):
        found.append(Peer("tshark, HTTP fields", _tshark, lambda directory, output: output.count("\n")))
    return found


def measure_peer(peer: Peer, capture: Capture, small: Capture, times: int) -> PeerFigures:
    """Return what *peer* costs on *capture*; WrongResultError if it fails."""
    runs = [_run(peer, Path(capture.path)) for _ in range(times)]
    starts = [_run(peer, Path(small.path)) for _ in range(times)]
    cpu_s, start_s = (statistics.median(cost for cost, _ in some) for some in (runs, starts))
    return PeerFigures(peer.name, runs[0][1], round(cpu_s, 3), round(start_s, 3))


def _run(peer: Peer, capture: Path) -> tuple[float, int]:
    """Return (CPU seconds, transactions reported)."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        before = children_cpu_s()
        done = subprocess.run(peer.command(capture, directory), capture_output=True, text=True, timeout=RUN_S, check=False)
        cost = children_cpu_s() - before
        if done.returncode:
            raise WrongResultError(f"{peer.name} ended with {done.returncode}: {done.stderr[-1000:]}")
        return cost, peer.reported(directory, done.stdout)


def _suricata(rules: str) -> Callable[[Path, Path], list[str]]:
    """Return Suricata's command with its packaged configuration and *rules*; without them it looks for nothing."""

    def command(capture: Path, directory: Path) -> list[str]:
        file = directory / "bench.rules"
        file.write_text(rules + "\n")
        options = ["-k", "none", "-l", str(directory), "-S", str(file)]
        return ["suricata", "-c", str(SURICATA_CONFIGURATION), *options, "-r", str(capture)]

    return command


def _suricata_version() -> str:
    said = subprocess.run(["suricata", "-V"], capture_output=True, text=True, check=True).stdout.split()
    return f"Suricata {said[said.index('version') + 1]}"


def _eve_transactions(directory: Path, output: str) -> int:
    with (directory / "eve.json").open() as file:
        return sum(json.loads(line)["event_type"] == "http" for line in file)


def _rules() -> Iterator[str]:
    for number, (buffer, word) in enumerate((buffer, word) for buffer in BUFFERS for word in WORDS):
        content = "".join(f"|{ord(letter):02x}|" if letter in "\";:\\|'" else letter for letter in word)
        yield (
            f'alert http any any -> any any (msg:"word {number}"; flow:to_server,established; {buffer}; '
            f'content:"{content}"; nocase; sid:{1_000_000 + number};)'
        )


def _tshark(capture: Path, directory: Path) -> list[str]:
    fields = [part for field in ("http.response.code", "http.response_for.uri") for part in ("-e", field)]
    return ["tshark", "-n", "-r", str(capture), "-Y", "http.response", "-T", "fields", *fields]
