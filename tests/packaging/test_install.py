"""The installer: what it does on a machine, from nothing to nothing again, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from tcpmirror.detect.compiled import INSTALLED
from tcpmirror.processes.detection import compiled_files
from tests.packaging.machine import PATHS, Machine
from tests.packaging.test_metadata import ROOT
from tests.packaging.test_requirements import pinned

INSTALLER = ROOT / "scripts" / "install.sh"
ABI = f"{sys.version_info[0]}.{sys.version_info[1]}"
SITE = Path(metadata.distribution("httpx")._path).parent  # type: ignore[attr-defined]
NODE = """\
version: 4
mode: tcp-capture-v2
tcp_stream:
  from_interface: {enabled: true, interface: lo}
workers: 1
"""
HOME = "/opt/tcpmirror"


def release(directory: Path, version: str) -> Path:
    """Make an unpacked release in which this tree and its dependencies are links into what a machine sees below /usr/src/."""
    library = directory / "lib"
    library.mkdir(parents=True)
    for name in pinned("run.txt"):
        try:
            files = metadata.distribution(name).files or ()
        except metadata.PackageNotFoundError:  # of another system
            continue
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            (library / top).symlink_to(f"/usr/src/site/{top}")
    for path in SITE.glob("pcap*"):
        (library / path.name).symlink_to(f"/usr/src/site/{path.name}")
    (library / "tcpmirror").symlink_to("/usr/src/tree/tcpmirror")
    for name in ("configs", "docs", "LICENSE"):
        shutil.copytree(ROOT / name, directory / name) if (ROOT / name).is_dir() else shutil.copy(ROOT / name, directory)
    (directory / "rules").mkdir()
    for path in compiled_files(INSTALLED):  # so that a test does not take a minute for what set-up did
        shutil.copy(path, directory / "rules")
    (directory / "release").write_text(f"version={version}\narchitecture={os.uname().machine}\npython={ABI}\n")
    (directory / "sbom.cdx.json").write_text("{}")
    (directory / "licences.md").touch()
    return directory


def broken(directory: Path) -> Path:
    """Make of a release one whose workers do not come up."""
    package = directory / "lib" / "tcpmirror"
    package.unlink()
    package.mkdir()
    for path in (ROOT / "tcpmirror").iterdir():
        if path.name != "processes":
            (package / path.name).symlink_to(f"/usr/src/tree/tcpmirror/{path.name}")
    (package / "processes").mkdir()
    for path in (ROOT / "tcpmirror" / "processes").iterdir():
        (package / "processes" / path.name).symlink_to(f"/usr/src/tree/tcpmirror/processes/{path.name}")
    (package / "processes" / "worker.py").unlink()
    (package / "processes" / "worker.py").write_text("raise RuntimeError('a version that does not work')\n")
    return directory


def packed(directory: Path, out: Path) -> None:
    subprocess.run([str(ROOT / "scripts" / "pack.sh"), str(directory), str(out)], check=True, timeout=120)


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the installers of three releases, of which the last does not work."""
    base = tmp_path_factory.mktemp("releases")
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        directory = release(base / f"tcpmirror-{version}", version)
        packed(broken(directory) if version == "1.2.0" else directory, base)
    base.chmod(0o755)
    return base


@pytest.fixture
def machine(tmp_path: Path, releases: Path) -> Iterator[Machine]:
    probe = subprocess.run([f"/usr/bin/python{ABI}", "-c", "import venv"], check=False, capture_output=True)
    if probe.returncode:
        pytest.skip(f"no Python {ABI} in /usr/bin, where users of the machine can run it")
    at = tmp_path / "machine"
    at.mkdir()
    machine = Machine(at, {"site": SITE, "tree": ROOT, "releases": releases})
    yield machine
    machine.close()


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_machine_from_nothing_to_nothing(machine: Machine) -> None:
    def installer(version: str, *options: str, **env: str) -> tuple[int, str]:
        command = ("bash", f"/usr/src/releases/tcpmirror-{version}.sh", *options)
        done = machine.run(*command, **env)
        return done.returncode, done.stdout

    def version() -> str:
        return machine.told("readlink", f"{HOME}/current").strip().removeprefix("versions/").partition("-")[0]

    def state() -> str:
        return machine.told("tcpmirror-supervisor", "status").split(",")[0].partition(": ")[2]

    assert machine.changed() == set()
    machine.told("sh", "-c", f"printf %s '{NODE}' > /tmp/node.yaml")

    # Installed.
    options = ("--", "--batch", "--mode=tcp-capture-v2", "--go-node-config=/tmp/node.yaml", "--health-seconds", "1")
    code, said = installer("1.0.0", *options, WALLARM_LABELS="group=edge")
    assert code == 0, said
    assert (version(), state()) == ("1.0.0", "running")
    assert machine.told("cat", f"{HOME}/etc/node.yaml") == NODE
    assert "WALLARM_LABELS='group=edge'" in machine.told("cat", f"{HOME}/etc/env.list")
    assert set(machine.told("ps", "-C", "python,tcpmirror-super", "-o", "user:20=").split()) <= {"tcpmirror"}
    owners = machine.told("stat", "--format=%U %a", f"{HOME}/etc/env.list", f"{HOME}/var/lib", f"{HOME}/etc/node.yaml")
    assert owners.splitlines() == ["root 640", "tcpmirror 700", "root 640"]
    assert {"etc/systemd/system/tcpmirror.service", "usr/local/bin/tcpmirror"} <= machine.changed()

    # It finds what there is to find.
    serve = "cd /tmp && (python3 -m http.server 8000 --bind 127.0.0.1 >/dev/null 2>&1 &)"
    machine.told("sh", "-c", serve)
    machine.eventually("curl", "--silent", "--max-time", "5", "http://127.0.0.1:8000/")
    log = f"{HOME}/var/log/tcpmirror.log"
    machine.run("curl", "--silent", "--path-as-is", "http://127.0.0.1:8000/../../etc/passwd")
    machine.eventually("grep", "--quiet", "type=ptrav", log)

    # A second time changes nothing; a broken configuration is refused before anything is touched.
    code, said = installer("1.0.0", "--batch", "--health-seconds=1")
    assert code == 0, said
    assert machine.told("cat", f"{HOME}/etc/node.yaml") == NODE
    assert "WALLARM_LABELS='group=edge'" in machine.told("cat", f"{HOME}/etc/env.list")
    machine.told("sh", "-c", "echo 'version: 4\nmode: tcp-capture' > /tmp/other.yaml; echo 'version: 9' > /tmp/bad.yaml")
    for options, words in (
        (("--go-node-config=/tmp/bad.yaml",), "version"),
        (("--go-node-config=/tmp/other.yaml", "--mode=tcp-capture-v2"), "incorrect configuration for mode tcp-capture-v2"),
    ):
        code, said = installer("1.1.0", "--batch", *options)
        assert (code, words in said, version(), state()) == (3, True, "1.0.0", "running"), said

    # Upgraded: configuration and what was found are kept.
    machine.told("sh", "-c", f"echo '# mine' >> {HOME}/etc/node.yaml")
    kept = machine.told("stat", "--format=%i", f"{HOME}/var/lib/cloud.db", f"{HOME}/var/lib/node.json")
    code, said = installer("1.1.0", "--batch", "--health-seconds=1", TCPMIRROR_LABELS="group=core")
    assert code == 0, said
    assert (version(), state()) == ("1.1.0", "running")
    assert machine.told("cat", f"{HOME}/etc/node.yaml") == NODE + "# mine\n"
    assert "TCPMIRROR_LABELS='group=core'" in machine.told("cat", f"{HOME}/etc/env.list")
    assert machine.told("stat", "--format=%i", f"{HOME}/var/lib/cloud.db", f"{HOME}/var/lib/node.json") == kept

    # An upgrade that does not come up is taken back.
    code, said = installer("1.2.0", "--batch", "--health-seconds=1", TCPMIRROR_LABELS="group=other")
    assert (code, version(), state()) == (1, "1.1.0", "running"), said
    assert "the upgrade was taken back" in said
    assert "TCPMIRROR_LABELS='group=core'" in machine.told("cat", f"{HOME}/etc/env.list")
    assert machine.told("stat", "--format=%i", f"{HOME}/var/lib/cloud.db", f"{HOME}/var/lib/node.json") == kept
    assert "1.2.0" not in machine.told("ls", f"{HOME}/versions")

    # And gone.
    code, said = installer("1.1.0", "uninstall", "--batch")
    assert code == 0, said
    assert machine.changed() == set()
    assert machine.run("id", "tcpmirror").returncode != 0
    assert machine.run("pgrep", "-f", "tcpmirror-supervisor").returncode == 1


CLOUD = (
    "PYTHONPATH=/usr/src/tree:/usr/src/site python3 -c 'import sys; from tcpmirror.console.command import main; sys.exit(main())' "
    "run --database /tmp/cloud.db --listen 127.0.0.1:9099 >/tmp/cloud.out 2>&1 &"
)
TRAFFIC = """python3 -c '
import socket, time
there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    there.sendto(b"packet", ("127.0.0.1", 9))
    time.sleep(0.02)' >/dev/null 2>&1 &"""


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_asked_at_a_terminal_it_registers_with_the_cloud_it_was_told(machine: Machine) -> None:
    machine.told("sh", "-c", CLOUD.replace("python3", f"/usr/bin/python{ABI}"))
    machine.told("sh", "-c", TRAFFIC)
    machine.eventually("grep", "--quiet", "deploy token", "/tmp/cloud.out")
    token = machine.told("sed", "--quiet", "s/^ *deploy token: //p", "/tmp/cloud.out").strip()
    answers = {
        "Mode: ": "tcp-capture-v2",
        "Interface the mirror": "lo",
        "Encapsulation: ": "vxlan",
        "VNIs to keep": "7, 8",
        "Cloud that findings go to": "http://127.0.0.1:9099",
        "Token of that cloud": token,
    }
    code, shown = machine.answering(answers, "bash", "/usr/src/releases/tcpmirror-1.0.0.sh")
    assert code == 0, shown
    assert re.search(r"  lo +[1-9][0-9]* packets in 2 s", shown), shown
    assert token not in shown
    assert "from_vxlan: {enabled: true, vni_filter: [7, 8]}" in machine.told("cat", f"{HOME}/etc/node.yaml")
    assert "registered with http://127.0.0.1:9099 as node " in shown
    node = json.loads(machine.told("cat", f"{HOME}/var/lib/node.json"))["node_id"]
    stored = "import sqlite3; print(sqlite3.connect('/tmp/cloud.db').execute('select * from nodes').fetchall())"
    assert node in machine.told(f"/usr/bin/python{ABI}", "-c", stored)


REFUSED = {
    "an option that there is not": (("--fast",), 2, "--fast"),
    "a mode of another product": (("--mode=connector-server",), 2, "tcp-capture and tcp-capture-v2"),
    "a token for no cloud": (("--token", "x"), 2, "--token needs --host"),
    "an option without its value": (("--host",), 2, "--host needs a value"),
    "a configuration that is not there": (("--go-node-config=/none",), 3, "/none"),
    "an installer without what it installs": (("--batch",), 1, "make release"),
    "neither true nor false": (("--preserve=maybe",), 2, "true and false"),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="the installer looks at its user first")
@pytest.mark.parametrize(("options", "code", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_done_is_said(options: tuple[str, ...], code: int, words: str) -> None:
    done = subprocess.run(
        ["bash", str(INSTALLER), *options], env={"PATH": PATHS}, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr


def test_help_names_every_option() -> None:
    done = subprocess.run(["bash", str(INSTALLER), "--help"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    options = ("--batch", "--token", "--host", "--mode", "--go-node-config", "--preserve", "uninstall", "WALLARM_LABELS")
    assert [option for option in options if option not in done.stdout] == []


def changed_release(directory: Path, how: str) -> str:
    """Return what the installer says of a small release that is not as it was made."""
    made = directory / "made"
    (made / "lib" / "tcpmirror").mkdir(parents=True)
    (made / "release").write_text(
        f"version=1\narchitecture={'z80' if how == 'architecture' else os.uname().machine}\npython={ABI}\n"
    )
    packed(made, directory / "out")
    file = directory / "out" / "made.sh"
    if how == "cut":
        file.write_bytes(file.read_bytes()[:-40])
    if how == "byte":
        (made / "release").write_text("version=2\n")
        file = made / "install.sh"
    done = subprocess.run(
        ["bash", str(file), "--batch"], env={"PATH": PATHS}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    return done.stderr


def test_a_release_without_the_package_is_not_packed(tmp_path: Path) -> None:
    directory = tmp_path / "empty"
    (directory / "lib" / "httpx").mkdir(parents=True)
    command = [str(ROOT / "scripts" / "pack.sh"), str(directory), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, "no lib/tcpmirror" in done.stderr, (tmp_path / "out").exists()) == (1, True, False)


DAMAGES = {"cut": "damaged", "byte": "damaged", "architecture": "this release is for z80"}


@pytest.mark.skipif(os.geteuid() != 0, reason="the installer looks at its user first")
@pytest.mark.parametrize(("how", "words"), DAMAGES.items(), ids=DAMAGES)
def test_a_release_that_does_not_fit_is_refused(tmp_path: Path, how: str, words: str) -> None:
    assert words in changed_release(tmp_path, how)
