from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from tcpmirror.settings.tree import Cloud, Settings, Sink, Supervisor
from tcpmirror.supervisor.collect_info import collect_info, end_of_log

SECRETS = (
    "deploy-token-1",
    "chat-secret-2",
    "hec-token-3",
    "header-secret-4",
    "payload-of-an-attack-5",
    "embedded-secret-6",
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "embedded.json").write_text('{"token": "embedded-secret-6"}')
    return Settings(
        cloud=Cloud(embedded=False, url="https://cloud.example", token="deploy-token-1"),
        sinks=(
            Sink(name="chat", type="slack", url="https://hooks.example/services/chat-secret-2"),
            Sink(name="siem", type="splunk", url="https://x", token="hec-token-3", headers=(("X-Key", "header-secret-4"),)),
        ),
        supervisor=Supervisor(state_dir=str(tmp_path), run_dir=str(tmp_path)),
    )


def test_the_archive_holds_no_secret_and_no_traffic(settings: Settings, tmp_path: Path) -> None:
    log = tmp_path / "tcpmirror.log"
    log.write_text(
        "2026-01-31 12:00:00.000 info  worker-0 tcpmirror.detect: ready\n"
        "2026-01-31 12:00:01.000 warn  exporter-0 tcpmirror.attacks: attack uri=payload-of-an-attack-5\n"
        '{"level":"warn","logger":"tcpmirror.attacks","message":"payload-of-an-attack-5"}\n'
        "2026-01-31 12:00:01.000 info  worker-0 tcpmirror.access: exchange uri=payload-of-an-attack-5\n"
        '{"level":"info","logger":"tcpmirror.access","uri":"payload-of-an-attack-5"}\n'
    )
    archive = tmp_path / "info.tar.gz"
    names = collect_info(settings, log, archive)
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as tar:
        found = {member.name.rpartition("/")[2]: tar.extractfile(member).read().decode() for member in tar.getmembers()}
    assert set(found) == set(names)
    everything = "\n".join(found.values())
    assert [secret for secret in SECRETS if secret in everything] == []
    assert "tcpmirror.detect: ready" in found["log.txt"]
    assert "not to be had" in found["status.json"]
    assert "embedded.json" in found["state.txt"]
    assert "https://cloud.example" in found["settings.yaml"]


def test_only_the_end_of_a_long_log_is_taken(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"early\n" + b"x" * (2 << 20) + b"\nlate\n")
    assert end_of_log(log).endswith(b"late\n")
    assert len(end_of_log(log)) <= 1 << 20


def test_no_file_is_overwritten(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "info.tar.gz").write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        collect_info(settings, tmp_path / "log", tmp_path / "info.tar.gz")
