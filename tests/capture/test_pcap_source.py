"""Sources: files are read whole, and what cannot be opened says why."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap, wrpcapng

from tcpmirror.capture.pcap_source import FileSource, LiveSource
from tcpmirror.errors import EXIT_ENVIRONMENT, EnvironmentFault
from tcpmirror.settings.tree import Source

FRAMES = [Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP() / TCP(seq=number) for number in range(2100)]


def read(path: Path) -> list[tuple[int, bytes]]:
    seen: list[tuple[int, bytes]] = []
    source = FileSource(str(path))
    while source.receive(lambda time_ns, frame: seen.append((time_ns, frame))):
        pass
    source.close()
    return seen


@pytest.mark.parametrize("write", [wrpcap, wrpcapng], ids=["pcap", "pcapng"])
def test_every_frame_of_a_file_comes_with_its_time(tmp_path: Path, write) -> None:
    for number, frame in enumerate(FRAMES):
        frame.time = 1_700_000_000 + number / 1000
    write(str(tmp_path / "capture"), FRAMES)
    seen = read(tmp_path / "capture")
    assert [frame for _, frame in seen] == [bytes(frame) for frame in FRAMES]
    assert abs(seen[1][0] - 1_700_000_000_001_000_000) < 1_000_000


def test_a_cut_file_gives_what_it_has_and_then_the_fault(tmp_path: Path) -> None:
    path = tmp_path / "cut.pcap"
    wrpcap(str(path), FRAMES[:10])
    os.truncate(path, path.stat().st_size - 5)
    seen: list[bytes] = []
    with pytest.raises(EnvironmentFault, match=r"cut\.pcap"):
        FileSource(str(path)).receive(lambda time_ns, frame: seen.append(frame))
    assert len(seen) == 9


def test_what_is_no_capture_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not packets")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "zipped").write_bytes(gzip.compress(b"x"))
    for name in ("text", "empty", "zipped", "absent"):
        with pytest.raises(EnvironmentFault, match=name) as caught:
            FileSource(str(tmp_path / name))
        assert caught.value.exit_code == EXIT_ENVIRONMENT


def test_an_unknown_interface_names_those_that_exist() -> None:
    with pytest.raises(EnvironmentFault, match=r"'nosuch0' does not exist; there are: any, .*lo"):
        LiveSource(Source(interface="nosuch0"))


def test_a_bad_filter_is_told(tmp_path: Path) -> None:
    wrpcap(str(tmp_path / "a.pcap"), FRAMES[:1])
    with pytest.raises(EnvironmentFault, match="no such filter"):
        FileSource(str(tmp_path / "a.pcap"), "no such filter")
