"""Sources: files are read whole, and what cannot be opened says why."""

from __future__ import annotations

import contextlib
import gzip
import os
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap, wrpcapng

from tcpmirror.capture.capture_files import capture_files
from tcpmirror.capture.file_source import FileSource
from tcpmirror.capture.pcap_source import LiveSource
from tcpmirror.errors import EXIT_ENVIRONMENT, DamagedCaptureFault, EnvironmentFault
from tcpmirror.settings.tree import Source
from tests.capture.frames import Kept, read_by_libpcap, segment

FRAMES = [Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP() / TCP(seq=number) for number in range(2100)]


def read(path: Path) -> list[tuple[int, bytes]]:
    source, kept = FileSource(str(path)), Kept()
    while source.receive(kept):
        pass
    source.close()
    return [(each.time_ns, each.frame) for each in kept.frames]


@pytest.mark.parametrize("write", [wrpcap, wrpcapng], ids=["pcap", "pcapng"])
def test_every_frame_of_a_file_comes_with_its_time(tmp_path: Path, write) -> None:
    for number, frame in enumerate(FRAMES):
        frame.time = 1_700_000_000 + number / 1000
    write(str(tmp_path / "capture"), FRAMES)
    seen = read(tmp_path / "capture")
    assert [frame for _, frame in seen] == [bytes(frame) for frame in FRAMES]
    assert abs(seen[1][0] - 1_700_000_000_001_000_000) < 1_000_000


# id -> (byte order, magic, a second's parts as the file counts them)
CLASSIC = {
    "microseconds, little-endian": ("<", 0xA1B2C3D4, 123_456, 0),
    "microseconds, big-endian": (">", 0xA1B2C3D4, 123_456, 0),
    "nanoseconds, little-endian": ("<", 0xA1B23C4D, 123_456_789, 0),
    "nanoseconds, big-endian": (">", 0xA1B23C4D, 123_456_789, 0),
    "modified (Kuznetzov), little-endian": ("<", 0xA1B2CD34, 123_456, 8),
    "modified (Kuznetzov), big-endian": (">", 0xA1B2CD34, 123_456, 8),
}


@pytest.mark.parametrize("name", CLASSIC)
@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzip"])
def test_every_form_of_the_classic_format_is_read(tmp_path: Path, name: str, is_packed: bool) -> None:
    order, magic, fraction, more = CLASSIC[name]
    frame = bytes(FRAMES[0])
    content = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1)
    content += (struct.pack(order + "IIII", 1_700_000_000, fraction, len(frame), len(frame)) + bytes(more) + frame) * 2
    (tmp_path / "a.pcap").write_bytes(gzip.compress(content) if is_packed else content)
    parts = fraction if magic == 0xA1B23C4D else fraction * 1000
    assert read(tmp_path / "a.pcap") == [(1_700_000_000 * 10**9 + parts, frame)] * 2


@st.composite
def classic_files(draw: st.DrawFn) -> bytes:
    """A pcap file of frames of any size, some kept in part; cut anywhere, or with a byte changed."""
    order, magic, _, more = draw(st.sampled_from(list(CLASSIC.values())))
    content = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, 1)
    for number in range(draw(st.integers(0, 40))):
        frame = segment(1000 + number, draw(st.sampled_from([0, 10, 1400, 60000])))
        kept = frame[: draw(st.integers(54, len(frame)))] if draw(st.booleans()) else frame
        content += struct.pack(order + "IIII", 1_700_000_000 + number, number, len(kept), len(frame)) + bytes(more) + kept
    damaged = bytearray(content)
    if draw(st.booleans()):
        damaged[draw(st.integers(24, len(content)) if len(content) > 24 else st.just(23)) - 1] ^= draw(st.integers(1, 255))
    return bytes(damaged[: draw(st.integers(24, len(content)) | st.just(len(content)))])


@given(classic_files(), st.sampled_from(["", "greater 1000", "tcp src port 1003"]), st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_libpcap_reads_the_same(tmp_path: Path, content: bytes, bpf: str, is_packed: bool) -> None:
    (tmp_path / "plain").write_bytes(content)
    (tmp_path / "a").write_bytes(gzip.compress(content, 1) if is_packed else content)
    try:
        expected = read_by_libpcap(tmp_path / "plain", bpf)
    except OSError:  # a link type that libpcap does not know, or has no such filter for
        return
    kept = Kept()
    with contextlib.suppress(EnvironmentFault), contextlib.closing(FileSource(str(tmp_path / "a"), bpf)) as source:
        while source.receive(kept):
            pass
    assert [each.frame for each in kept.frames] == [frame for _, frame in expected]
    assert [each.time_ns for each in kept.frames] == [time % (2**32 * 10**9) for time, _ in expected]


def test_a_frame_longer_than_what_is_read_at_once_is_read_whole(tmp_path: Path) -> None:
    frames = [segment(1000 + number, 60000) for number in range(100)]
    content = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for frame in frames:
        content += struct.pack("<IIII", 1_700_000_000, 0, len(frame), len(frame)) + frame
    (tmp_path / "a.pcap").write_bytes(content)
    assert [frame for _, frame in read(tmp_path / "a.pcap")] == frames


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (struct.pack("<IHH", 0xA1B2C3D4, 2, 4), "cut inside its header at byte 0"),
        (struct.pack("<IHHiIII", 0xA1B2C3D4, 3, 4, 0, 0, 65535, 1), "version 3 of the format is not known; 2 is, at byte 0"),
        (struct.pack("<IHHiIIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1, 5, 5), "cut inside a packet's header at byte 24"),
        (
            struct.pack("<IHHiIIIIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1, 5, 5, 262145, 9),
            "cannot be 262145 bytes long, at byte 24",
        ),
    ],
)
@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzip"])
def test_damage_of_the_classic_format_is_named(tmp_path: Path, content: bytes, reason: str, is_packed: bool) -> None:
    (tmp_path / "a.pcap").write_bytes(gzip.compress(content) if is_packed else content)
    with pytest.raises(DamagedCaptureFault, match=reason):
        read(tmp_path / "a.pcap")


def test_a_compressed_capture_is_read_as_it_was(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.pcap", tmp_path / "packed.pcap.gz"
    wrpcap(str(plain), FRAMES)
    packed.write_bytes(gzip.compress(plain.read_bytes()[:1000]) + gzip.compress(plain.read_bytes()[1000:]))
    assert read(packed) == read(plain)


def test_a_compressed_capture_that_is_cut_gives_what_it_has_and_then_the_fault(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.pcap", tmp_path / "cut.pcap.gz"
    wrpcap(str(plain), FRAMES)
    compressed = gzip.compress(plain.read_bytes())
    packed.write_bytes(compressed[: len(compressed) * 9 // 10])
    kept = Kept()
    source = FileSource(str(packed))
    with pytest.raises(EnvironmentFault, match=r"cut\.pcap\.gz: the compressed data is cut"):
        while source.receive(kept):
            pass
    source.close()
    assert len(kept.frames) > 1000


def test_a_source_closed_early_leaves_no_process_behind(tmp_path: Path) -> None:
    packed = tmp_path / "packed.pcap.gz"
    wrpcap(str(tmp_path / "plain"), FRAMES * 5)
    packed.write_bytes(gzip.compress((tmp_path / "plain").read_bytes()))
    before = children()
    FileSource(str(packed)).close()
    assert children() <= before


def children() -> set[str]:
    """Return the pids of this process's children, those that ended and were not waited for too."""
    return {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


def test_a_directory_means_the_captures_in_it_by_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.pcap", "a", "sub/c.cap"):
        wrpcap(str(tmp_path / name), FRAMES[:1])
    (tmp_path / "d.pcap.gz").write_bytes(gzip.compress((tmp_path / "a").read_bytes()))
    (tmp_path / "notes.txt").write_text("not packets")
    (tmp_path / "zipped.gz").write_bytes(gzip.compress(b"nor these"))
    names = [str(Path(path).relative_to(tmp_path)) for path in capture_files([str(tmp_path)])]
    assert names == ["a", "b.pcap", "d.pcap.gz", "sub/c.cap"]
    assert capture_files(["-"]) == ["-"]


def test_a_path_that_means_no_capture_is_refused(tmp_path: Path) -> None:
    for path, reason in ((tmp_path, "no capture in this directory"), (tmp_path / "absent", "no such file")):
        with pytest.raises(EnvironmentFault, match=reason):
            capture_files([str(path)])


def test_a_cut_file_gives_what_it_has_and_then_the_fault(tmp_path: Path) -> None:
    path = tmp_path / "cut.pcap"
    wrpcap(str(path), FRAMES[:10])
    os.truncate(path, path.stat().st_size - 5)
    kept = Kept()
    with pytest.raises(EnvironmentFault, match=r"cut\.pcap"):
        source = FileSource(str(path))
        while source.receive(kept):
            pass
    assert len(kept.frames) == 9


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
