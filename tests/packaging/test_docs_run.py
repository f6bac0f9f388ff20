"""What the pages tell to type is typed: their commands run as they stand there, their settings and rules are taken."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bench.network import missing, network, wait_until
from bench.traffic import dumped
from tcpmirror.detect.pack import load_pack
from tcpmirror.settings import load_settings
from tests.console.conftest import RunningConsole
from tests.packaging.test_docs import PAGES
from tests.traffic import conversation, write_capture

FENCE = re.compile(r"^(?P<indent> *)```(?P<kind>\w*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
REQUEST = b"GET /files?name=../../../etc/passwd HTTP/1.1\r\nHost: shop.example\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
OFFLINE = re.compile(r"\.venv/bin/tcpmirror (?:doctor|analyze|rules explain|check-config) ")
LINUX = ("ip link add ", "ip link set tcpmirror0 ", "ip link del ", "tc ")
# What no test here can type, by how it begins, and what is typed in its stead.
ELSEWHERE = {
    "make ": "this run is `make test`; the other targets are tests/packaging/test_scripts.py's and test_docs.py's",
    "python3 -m http.server ": "a server for `make run` to look at",
    "curl 'http://127.0.0.1:8000": "likewise; tests/live/test_roads.py sends the same to a sensor",
    'curl "http://127.0.0.1:8000': "likewise",
    ".venv/bin/tcpmirror-supervisor ": "tests/live/test_lifecycle.py starts and asks a sensor",
    "tcpmirror-supervisor ": "likewise; in operations.md it is the list of subcommands",
    "bash tcpmirror-": "tests/packaging/test_install.py installs, and takes away, with these words",
    "TCPMIRROR_LABELS=": "likewise",
    "sha256sum ": "sums of a release that is not made here",
    "tcpmirror-cloud run ": "tests/console/test_command.py, on a free port",
    "sudo -u postgres ": "tests/cloud/conftest.py makes a PostgreSQL of its own",
    "TCPMIRROR_CLOUD_DATABASE=": "tests/console/test_command.py",
    "TCPMIRROR_QUEUE_TOKEN=": "tests/cloud/test_queue_intake.py",
    "tcpmirror rules import-seclang ": "tests/detect/seclang",
    "tcpmirror doctor -i ": "tests/live/test_doctor.py",
    "aws ": "Amazon's cloud",
    "gcloud ": "Google's cloud",
    "az ": "Microsoft's cloud",
    "ip link set eth1 ": "a card at a switch",
    "ethtool -K eth1 ": "a card; what it changes, tests/live/test_bed.py sets on cables",
    "monitor session ": "a switch",
    "set forwarding-options ": "a switch",
    "set ": "a switch",
}


def blocks(*kinds: str) -> Iterator[tuple[str, str]]:
    """Yield (page, text without its indent) of each fenced block of those kinds."""
    for path in PAGES:
        for found in FENCE.finditer(path.read_text(encoding="utf-8")):
            if found["kind"] in kinds:
                yield path.name, re.sub(f"^{found['indent']}", "", found["text"], flags=re.MULTILINE)


def typed() -> list[str]:
    """Return each command line of the pages as it is typed, without its prompt."""
    texts = [text for name, text in blocks("console", "sh", "") if name == "mirror.md"]
    texts += [text for name, text in blocks("console", "sh") if name != "mirror.md"]
    lines = [line for text in texts for line in text.replace("\\\n", " ").splitlines()]
    return [re.sub(r"^[$#] |\s+#\s.*$", "", line.strip()) for line in lines if line.strip()]


def is_here(line: str) -> bool:
    return bool(OFFLINE.match(line)) or line.startswith(("curl -", *LINUX))


def test_each_command_of_the_pages_is_typed_here_or_said_where() -> None:
    lines = typed()
    assert len(lines) > 40
    assert [line for line in lines if not is_here(line) and not line.startswith(tuple(ELSEWHERE))] == []


def test_commands_that_look_at_captures_settings_and_values_do_so(tmp_path: Path) -> None:
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    entry = programs / "tcpmirror"
    entry.write_text(f"#!{sys.executable}\nimport sys\nfrom tcpmirror.cli import main\nsys.exit(main())\n")
    entry.chmod(0o755)
    write_capture(tmp_path / "traffic.pcap", conversation([(0, REQUEST), (1, RESPONSE)]))
    shutil.copy(Path(__file__).resolve().parents[2] / "configs/tcpmirror.yaml", tmp_path / "node.yaml")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    lines = sorted({line for line in typed() if OFFLINE.match(line)})
    assert len(lines) >= 5
    told = {}
    for line in lines:
        done = subprocess.run(
            line, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, (line, done.stderr)
        told[shlex.split(line)[1]] = done.stdout
    assert "ptrav" in (tmp_path / "findings.jsonl").read_text()
    assert "sqli" in told["rules"]


def test_settings_in_the_pages_are_taken(tmp_path: Path) -> None:
    taken = 0
    for name, text in blocks("yaml"):
        if name == "rules.md":
            continue
        sample = yaml.safe_load(text)
        source = {"from_interface": {"enabled": True, "interface": "eth0"}}
        whole = {"version": 4, "mode": "tcp-capture-v2", "tcp_stream": source} | sample
        file = tmp_path / f"{name}-{taken}.yaml"
        file.write_text(yaml.safe_dump(whole))
        load_settings(file)  # raises what `check-config` prints
        taken += 1
    assert taken > 8


def test_rules_in_the_pages_are_taken(tmp_path: Path) -> None:
    packs = [text for name, text in blocks("yaml") if name == "rules.md"]
    assert len(packs) >= 2
    for number, text in enumerate(packs):
        (tmp_path / f"{number}.yaml").write_text(text)
    load_pack(tmp_path)


@pytest.mark.slow
def test_prometheus_reads_the_expressions_of_the_metrics_page(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    expressions = [text for name, text in blocks("") if name == "metrics.md"]
    assert len(expressions) >= 3
    rules = [{"record": f"page:expression:{number}", "expr": text} for number, text in enumerate(expressions)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "page", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_calls_of_the_api_page_are_answered(tmp_path: Path) -> None:
    with RunningConsole(tmp_path) as console:
        token = ""
        for line in (line for line in typed() if line.startswith("curl -")):
            words = line.replace("http://127.0.0.1:8088", console.url).replace('"..."', f'"{console.password}"')
            command = words.replace("tcpm_read_...", token) + " --fail --silent --show-error"
            done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
            assert done.returncode == 0, (command, done.stderr)
            token = token or (re.findall(r"tcpm_read_[\w-]+", done.stdout) or [""])[0]
        assert token


@pytest.mark.live
def test_the_guide_for_linux_mirrors_both_directions(tmp_path: Path) -> None:
    """Its commands on one machine, which talks to another; the sensor's address is the one that the page names."""
    if reason := missing():
        pytest.skip(reason)
    lines = [line for line in typed() if line.startswith(LINUX)]
    begin, end = [line for line in lines if " del " not in line], [line for line in lines if " del " in line]
    with network() as net:
        watched, sensor = net.namespace("watched"), net.namespace("sensor")
        net.cable((watched, "eth0"), (sensor, "eth0"))
        net.address(watched, "eth0", "192.0.2.1/24")
        net.address(sensor, "eth0", "192.0.2.10/24")
        for line in begin:
            watched.run(*shlex.split(line))
        capture = tmp_path / "eth0.pcap"
        with dumped(sensor, "eth0", capture, tmp_path / "tcpdump.log", "udp port 4789"):
            watched.run("curl", "--max-time", "5", "http://192.0.2.10:81/", check=False)  # refused: a SYN and its RST
            wait_until(lambda: capture.exists() and _copies(capture) >= {"S", "R."}, "both directions in the tunnel")
        for line in end:
            watched.run(*shlex.split(line))


def _copies(capture: Path) -> set[str]:
    """Return the TCP flags of what the tunnel brought."""
    shown = subprocess.run(["tcpdump", "-n", "-r", capture], capture_output=True, text=True, check=False).stdout
    return set(re.findall(r"Flags \[([^\]]+)\]", shown))
