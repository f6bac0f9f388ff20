"""What the pages tell to type is typed: their commands run as they stand there, their settings and rules are taken."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tcpmirror.detect.pack import load_pack
from tcpmirror.settings import load_settings
from tests.console.conftest import RunningConsole
from tests.live.sensor import environment, program
from tests.packaging.pages import ROOT, blocks, typed
from tests.traffic import conversation, write_capture

REQUEST = b"GET /files?name=../../../etc/passwd HTTP/1.1\r\nHost: shop.example\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
OFFLINE = re.compile(r"\.venv/bin/tcpmirror (?:doctor|analyze|rules explain|check-config) ")
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
    "ip link add ": "tests/live/test_mirror_guide.py",
    "ip link set tcpmirror0 ": "likewise",
    "ip link del ": "likewise",
    "tc ": "likewise",
    "ethtool -K eth1 ": "a card; what it changes, tests/live/test_bed.py sets on cables",
    "monitor session ": "a switch",
    "set forwarding-options ": "a switch",
    "set ": "a switch",
}


def is_here(line: str) -> bool:
    return bool(OFFLINE.match(line)) or line.startswith("curl -")


def test_each_command_of_the_pages_is_typed_here_or_said_where() -> None:
    lines = typed()
    assert len(lines) > 40
    assert [line for line in lines if not is_here(line) and not line.startswith(tuple(ELSEWHERE))] == []


def test_commands_that_look_at_captures_settings_and_values_do_so(tmp_path: Path) -> None:
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "tcpmirror").symlink_to(program("tcpmirror"))
    write_capture(tmp_path / "traffic.pcap", conversation([(0, REQUEST), (1, RESPONSE)]))
    shutil.copy(ROOT / "configs/tcpmirror.yaml", tmp_path / "node.yaml")
    lines = sorted({line for line in typed() if OFFLINE.match(line)})
    assert len(lines) >= 5
    told = {}
    for line in lines:
        done = subprocess.run(
            line, shell=True, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120, check=False
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
