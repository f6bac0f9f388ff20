"""pcapng by its blocks: sections, interfaces of several link types and clocks, packets without a time; cuts and lies."""

from __future__ import annotations

import gzip
import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP

from tcpmirror.capture.file_source import FileSource
from tcpmirror.errors import DamagedCaptureFault, EnvironmentFault
from tcpmirror.processes.capture import tell_unsupported
from tests.capture.frames import Kept, read_by_libpcap, segment

ETHERNET, RAW, SLL = 1, 101, 113
TIME_NS = 1_700_000_000_123_456_789


def block(kind: int, body: bytes, order: str) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def section(order: str) -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(order: str, link_type: int = ETHERNET, snaplen: int = 0, options: tuple[tuple[int, bytes], ...] = ()) -> bytes:
    body = struct.pack(order + "HHI", link_type, 0, snaplen)
    for code, value in options:
        body += struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)
    return block(1, body + struct.pack(order + "HH", 0, 0), order)


def packet(order: str, frame: bytes, number: int = 0, ticks: int = TIME_NS // 1000) -> bytes:
    head = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
    return block(6, head + frame + bytes(-len(frame) % 4) + struct.pack(order + "HHHH", 1, 2, 0x6968, 0), order)


def simple(order: str, frame: bytes, original: int) -> bytes:
    return block(3, struct.pack(order + "I", original) + frame, order)


def obsolete(order: str, frame: bytes) -> bytes:
    ticks = TIME_NS // 1000
    return block(
        2, struct.pack(order + "HHIIII", 0, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame)) + frame, order
    )


def read(path: Path, content: bytes, bpf: str = "") -> list[tuple[int, int, bytes]]:
    """Return (link type, time, frame) of every packet in a file of that content."""
    path.write_bytes(content)
    source, kept = FileSource(str(path), bpf), Kept()
    try:
        while source.receive(kept):
            pass
    finally:
        source.close()
    return [(each.link_type, each.time_ns, each.frame) for each in kept.frames]


def mixed(order: str) -> bytes:
    raw = bytes(IP() / TCP())
    content = section(order) + interface(order) + interface(order, RAW)
    return content + b"".join(packet(order, segment(number)) + packet(order, raw, 1) for number in range(1, 3000))


@pytest.mark.parametrize("order", ["<", ">"], ids=["little-endian", "big-endian"])
def test_several_link_types_are_read_compressed_too(tmp_path: Path, order: str) -> None:
    content = mixed(order) + mixed("<")
    plain = read(tmp_path / "plain", content)
    assert {link for link, _, _ in plain} == {1, 12}
    assert read(tmp_path / "packed", gzip.compress(content)) == plain


def test_several_link_types_are_read_from_standard_input(tmp_path: Path) -> None:
    (tmp_path / "packed").write_bytes(gzip.compress(mixed("<")))
    code = "import sys; from tcpmirror.cli import main; sys.exit(main(['doctor', '--json', '-']))"
    with (tmp_path / "packed").open("rb") as file:
        done = subprocess.run([sys.executable, "-c", code], stdin=file, capture_output=True, check=True)
    (found,) = json.loads(done.stdout)["examinations"]
    assert sum(place["packets"] for place in found["places"]) == 5998


def test_a_compressed_file_that_is_cut_gives_what_came_before(tmp_path: Path) -> None:
    path, kept = tmp_path / "a", Kept()
    path.write_bytes(gzip.compress(mixed("<")[:-3]))
    source = FileSource(str(path))
    with pytest.raises(DamagedCaptureFault, match="cut inside a block"):
        while source.receive(kept):
            pass
    source.close()
    assert len(kept.frames) == 5997


def test_a_block_that_would_not_fit_into_memory_is_refused(tmp_path: Path) -> None:
    content = section("<") + interface("<") + struct.pack("<II", 6, 0xFFFFFFF0)
    with pytest.raises(DamagedCaptureFault, match="longer than any should be, at byte 52"):
        read(tmp_path / "a", gzip.compress(content + bytes(100)))


def test_a_link_type_that_is_not_supported_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a").write_bytes(section("<") + interface("<") + interface("<", 147) + packet("<", segment(1)))
    source = FileSource(str(tmp_path / "a"))
    tell_unsupported("a.pcapng", source.link_types)
    source.close()
    (record,) = caplog.records
    assert record.getMessage().startswith("a.pcapng: link type 147 is not supported, its frames are counted as unknown_link")
    assert "EN10MB" in record.getMessage()


@pytest.mark.parametrize("order", ["<", ">"], ids=["little-endian", "big-endian"])
def test_interfaces_of_several_link_types_each_give_their_frames(tmp_path: Path, order: str) -> None:
    raw = bytes(IP() / TCP())
    content = section(order) + interface(order) + interface(order, RAW) + packet(order, segment(1)) + packet(order, raw, 1)
    found = read(tmp_path / "a", content)
    assert found == [(1, TIME_NS // 1000 * 1000, segment(1)), (12, TIME_NS // 1000 * 1000, raw)]


def test_a_section_begins_anew_in_its_own_byte_order(tmp_path: Path) -> None:
    content = section("<") + interface("<") + packet("<", segment(1))
    content += section(">") + interface(">", SLL) + packet(">", segment(2))
    assert [(link, frame) for link, _, frame in read(tmp_path / "a", content)] == [(1, segment(1)), (113, segment(2))]


CLOCKS = {
    "microseconds without a word": ((), TIME_NS // 1000, TIME_NS // 1000 * 1000),
    "nanoseconds": (((9, b"\x09"),), TIME_NS, TIME_NS),
    "milliseconds": (((9, b"\x03"),), TIME_NS // 10**6, TIME_NS // 10**6 * 10**6),
    "seconds": (((9, b"\x00"),), TIME_NS // 10**9, TIME_NS // 10**9 * 10**9),
    "picoseconds": (((9, b"\x0c"),), 1_000_000_123_456, 1_000_000_123),
    "parts of 2 to the 10th": (((9, b"\x8a"),), 1_700_000_000 << 10 | 512, 1_700_000_000_500_000_000),
    "parts of 2 to the 33rd": (((9, b"\xa1"),), 1_700_000_000 << 33 | 1 << 32, 1_700_000_000_500_000_000),
    "seconds to be added": (((14, struct.pack("<q", 1_000_000_000)),), 5, 1_000_000_000_000_005_000),
    "seconds to be taken off": (((14, struct.pack("<q", -3)),), 5_000_000, 2_000_000_000),
    "options of other kinds in front": (((2, b"eth0"), (12, b"Linux"), (9, b"\x09")), TIME_NS, TIME_NS),
}


@pytest.mark.parametrize("name", CLOCKS)
def test_each_interface_has_its_clock(tmp_path: Path, name: str) -> None:
    options, ticks, expected = CLOCKS[name]
    content = section("<") + interface("<", options=options) + packet("<", segment(1), ticks=ticks)
    assert read(tmp_path / "a", content) == [(1, expected, segment(1))]


def test_packets_without_time_have_that_of_the_packet_before(tmp_path: Path) -> None:
    content = section("<") + interface("<", snaplen=60) + packet("<", segment(1)) + simple("<", segment(2, 100)[:60], 154)
    found = read(tmp_path / "a", content + obsolete("<", segment(3)))
    assert [frame for _, _, frame in found] == [segment(1), segment(2, 100)[:60], segment(3)]
    assert {time for _, time, _ in found} == {TIME_NS // 1000 * 1000}


def test_blocks_of_other_kinds_are_passed_over(tmp_path: Path) -> None:
    other = block(5, b"statistics__", "<") + block(10, b"secrets_", "<") + block(0x80000001, b"own_", "<")
    assert len(read(tmp_path / "a", section("<") + interface("<") + other + packet("<", segment(1)) + other)) == 1


def test_the_filter_is_compiled_for_each_link_type(tmp_path: Path) -> None:
    content = section("<") + interface("<") + interface("<", RAW)
    for port in (1, 2):
        content += packet("<", segment(port)) + packet("<", segment(port)[14:], 1)
    found = read(tmp_path / "a", content, "src port 2")
    assert [frame for _, _, frame in found] == [segment(2), segment(2)[14:]]


GOOD = section("<") + interface("<") + packet("<", segment(1)) + packet("<", segment(2))
DAMAGES = {
    "cut in a packet": (GOOD[:-9], 1, "cut inside a block"),
    "cut in a block's head": (GOOD + b"\6\0\0\0\x20", 2, "cut inside a block"),
    "a block of no length": (GOOD + struct.pack("<III", 6, 0, 0), 2, "cannot be 0 bytes long"),
    "a packet of no interface": (GOOD + packet("<", segment(3), 7), 2, "of interface 7"),
    "a packet longer than its block": (GOOD + block(6, struct.pack("<5I", 0, 0, 0, 999, 999), "<"), 2, "beyond its block"),
    "a packet block too short": (GOOD + block(6, b"abcd", "<"), 2, "too short"),
    "a section without a byte order": (GOOD + block(0x0A0D0D0A, b"x" * 16, "<"), 2, "without a byte order"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_named_with_its_place_after_what_came_before(tmp_path: Path, name: str) -> None:
    content, count, reason = DAMAGES[name]
    path = tmp_path / "a.pcapng"
    path.write_bytes(content)
    source, kept = FileSource(str(path)), Kept()
    with pytest.raises(DamagedCaptureFault, match=rf"a\.pcapng: .*{reason}.* at byte \d+"):
        while source.receive(kept):
            pass
    source.close()
    assert len(kept.frames) == count


@given(st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_do_more_than_raise_a_fault(tmp_path: Path, data) -> None:
    content = bytearray(GOOD)
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        read(tmp_path / "a", bytes(content[: data.draw(st.integers(4, len(content)))]))
    except EnvironmentFault:
        return


def test_libpcap_reads_the_same_where_it_can(tmp_path: Path) -> None:
    content = section(">") + interface(">", options=((9, b"\x09"),))
    content += b"".join(packet(">", segment(number, number), ticks=TIME_NS + number) for number in range(50))
    found = read(tmp_path / "a", content)
    assert [(time, frame) for _, time, frame in found] == read_by_libpcap(tmp_path / "a")
