"""Key logs: one that is followed while it grows and changes, and captures with their secrets, through the real road."""

from __future__ import annotations

import gzip
import logging
import os
from pathlib import Path

import pytest

from tcpmirror.errors import EnvironmentFault
from tcpmirror.model.tls_secrets import MASTER, TlsSecrets
from tcpmirror.processes.doctor import examine_file
from tcpmirror.processes.key_log import FIRST_READ_BYTES, KeyLog, secrets_of_files
from tcpmirror.processes.layout import ProcessName, SharedLayout
from tcpmirror.settings.tree import Limits, Settings
from tcpmirror.telemetry.counters import CounterPage
from tests.processes.test_analysis import analyse
from tests.protocols.tls_peers import Talk
from tests.traffic import conversation, request, response, write_capture, write_pcapng

SECOND = 1_000_000_000


def line(number: int) -> bytes:
    return b"CLIENT_RANDOM %064x %096x\n" % (number, number)


def worker_page() -> CounterPage:
    limits = Limits(segment_ring_bytes=1 << 20, report_ring_bytes=1 << 20)
    return SharedLayout(1, 1, limits).counters(ProcessName("worker", 0))


class Followed:
    """A key log at *path* that is looked at when told to, and the numbers of the sessions known."""

    def __init__(self, path: Path, keep_s: int = 3600) -> None:
        self.page = worker_page()
        self.secrets = TlsSecrets(1000)
        self.log = KeyLog(str(path), self.secrets, keep_s * SECOND, self.page)
        self.now_ns = SECOND

    def look(self, after_s: float = 1.0) -> list[int]:
        self.now_ns += int(after_s * SECOND)
        self.log.follow(self.now_ns)
        return [number for number in range(100) if self.secrets.find(MASTER, number.to_bytes(32, "big"))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.log"


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_lines_are_taken_as_they_come_also_in_pieces(path: Path) -> None:
    path.write_bytes(line(1))
    followed = Followed(path)
    assert followed.look() == [1]
    append(path, line(2) + line(3)[:50])
    assert followed.look(0.01) == [1, 2]
    append(path, line(3)[50:])
    assert followed.look(0.01) == [1, 2, 3]
    assert followed.page.get("tls_secrets") == 3
    assert followed.page.get("key_log_bad_lines") == 0


def test_a_file_that_is_not_there_yet_is_waited_for(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    followed = Followed(path)
    with caplog.at_level(logging.WARNING):
        assert followed.look() == followed.look() == []
    assert [record.message for record in caplog.records] == [
        f"tls.key_log: {path}: No such file or directory; waiting for it"
    ]
    assert followed.page.get("key_log_errors") == 1
    path.write_bytes(line(1))
    assert followed.look() == [1]


def test_a_file_that_is_replaced_is_read_to_its_end_first(path: Path) -> None:
    path.write_bytes(line(1))
    followed = Followed(path)
    followed.look()
    append(path, line(2))
    path.rename(path.with_suffix(".1"))
    assert followed.look() == [1, 2]  # and the new one is not there yet
    path.write_bytes(line(3))
    assert followed.look() == [1, 2, 3]


def test_a_file_that_is_cut_is_read_from_its_beginning(path: Path) -> None:
    path.write_bytes(line(1) + line(2))
    followed = Followed(path)
    followed.look()
    path.write_bytes(line(3))
    assert followed.look() == [1, 2, 3]


def test_junk_is_counted_and_passed_over(path: Path) -> None:
    path.write_bytes(b"# keys\n\0\xff\n" + b"x" * 100_000 + b"\n" + line(1) + b"CLIENT_RANDOM 12\n")
    followed = Followed(path)
    assert followed.look() == [1]
    assert followed.page.get("key_log_bad_lines") == 3


def test_of_a_large_file_the_end_is_read(path: Path) -> None:
    with path.open("wb") as file:
        file.write(line(1))
        file.seek(FIRST_READ_BYTES + 1000)
        file.write(b"\n" + line(2))
    assert Followed(path).look() == [2]


@pytest.mark.parametrize("mode", [0o640, 0o644])
def test_a_file_that_everybody_can_read_is_warned_of(path: Path, mode: int, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(line(1))
    path.chmod(mode)
    with caplog.at_level(logging.WARNING):
        assert Followed(path).look() == [1]
    assert ["can be read by everybody" in record.message for record in caplog.records] == ([True] if mode == 0o644 else [])


def test_a_pipe_or_directory_is_no_key_log(path: Path) -> None:
    os.mkfifo(path)
    followed = Followed(path)
    assert followed.look() == []
    assert followed.page.get("key_log_errors") == 1
    path.unlink()
    path.mkdir()
    assert followed.look() == []


def test_sessions_are_forgotten_after_their_time(path: Path) -> None:
    path.write_bytes(line(1))
    followed = Followed(path, keep_s=10)
    assert followed.look() == [1]
    append(path, line(2))
    assert followed.look(6) == [1, 2]
    assert followed.look(6) == [2]


# -- captures -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def talk() -> Talk:
    made = Talk().ask(request("/items/1"), response(b"one"))
    return made.ask(request("/files?name=../../../../etc/passwd"), response(b"no", 404))


@pytest.fixture(scope="module")
def clear(tmp_path_factory: pytest.TempPathFactory, talk: Talk) -> Path:
    return write_capture(tmp_path_factory.mktemp("tls") / "a.pcap", conversation(talk.wire))


def with_secrets(clear: Path, path: Path, *keys: bytes) -> Path:
    from scapy.utils import rdpcap

    return write_pcapng(path, [(float(frame.time), bytes(frame)) for frame in rdpcap(str(clear))], keys)


def assert_decrypted(summary: dict, exchanges: list[dict], findings: list[dict]) -> None:
    assert [(one["uri"], one["status"]) for one in exchanges] == [
        ("/items/1", 200),
        ("/files?name=../../../../etc/passwd", 404),
    ]
    assert all("decrypted" in one["anomalies"] for one in exchanges)
    assert [one["type"] for one in findings] == ["ptrav"]
    assert summary["tls"]["decrypted_flows"] == 1


@pytest.mark.parametrize("how", ["pcapng", "pcapng.gz"])
def test_a_capture_that_holds_its_secrets_is_analysed(how: str, clear: Path, talk: Talk, tmp_path: Path) -> None:
    path = with_secrets(clear, tmp_path / "a.pcapng", talk.keys)
    if how == "pcapng.gz":
        packed = tmp_path / "a.pcapng.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        path = packed
    assert_decrypted(*analyse(path))


def test_a_key_log_beside_the_capture(clear: Path, talk: Talk, tmp_path: Path) -> None:
    keys = tmp_path / "keys.log"
    keys.write_bytes(b"# from the client\n" + talk.keys.rstrip(b"\n"))
    assert_decrypted(*analyse(clear, key_log=str(keys)))


def test_without_secrets_it_is_encrypted(clear: Path) -> None:
    summary, exchanges, _ = analyse(clear)
    assert (exchanges, summary["tls"]) == ([], {"flows": 1})


def test_a_key_log_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"gone\.log: No such file"):
        secrets_of_files([], str(tmp_path / "gone.log"))


def test_doctor_reads_with_the_secrets_of_the_capture(clear: Path, talk: Talk, tmp_path: Path) -> None:
    path = with_secrets(clear, tmp_path / "a.pcapng", talk.keys)
    found = examine_file(str(path), Settings(), None)
    assert (found.survey.exchanges, found.survey.decrypted_flows) == (2, 1)
    assert [advice.code for advice in found.advice if advice.level == "problem"] == []
    assert examine_file(str(clear), Settings(), None).survey.exchanges == 0
