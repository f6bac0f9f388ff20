"""Messages without their schema: every field is a point, what is no message is none."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.decode.protobuf import DEPTH_LIMIT, fields, is_message, leaves, read
from tcpmirror.decode.walk import Walk
from tcpmirror.model.anomaly import Anomaly
from tcpmirror.settings.tree import Limits


def varint(value: int) -> bytes:
    output = bytearray()
    while value > 0x7F:
        output.append(value & 0x7F | 0x80)
        value >>= 7
    output.append(value)
    return bytes(output)


def number(at: int, value: int) -> bytes:
    return varint(at << 3) + varint(value)


def text(at: int, value: bytes) -> bytes:
    return varint(at << 3 | 2) + varint(len(value)) + value


def points(data: bytes) -> dict[tuple[str, ...], bytes]:
    walk = Walk(Limits())
    assert read(walk, ("post",), data)
    return {point.path[2:]: point.value for point in walk.points}


def test_every_wire_type_is_a_point() -> None:
    data = (
        number(1, 150)
        + text(2, b"testing")
        + varint(3 << 3 | 5)
        + struct.pack("<I", 7)
        + varint(4 << 3 | 1)
        + struct.pack("<Q", 9)
    )
    assert points(data) == {("1",): b"150", ("2",): b"testing", ("3",): b"7", ("4",): b"9"}


def test_a_message_inside_is_taken_apart() -> None:
    user = text(1, b"ann") + number(2, 31) + text(3, text(1, b"../../etc/passwd"))
    assert points(text(1, user) + number(2, 1)) == {
        ("1", "1"): b"ann",
        ("1", "2"): b"31",
        ("1", "3", "1"): b"../../etc/passwd",
        ("2",): b"1",
    }


def test_repeated_fields_are_an_array() -> None:
    assert points(text(1, b"one") + text(1, b"two") + number(2, 1)) == {
        ("1", "array", "0"): b"one",
        ("1", "array", "1"): b"two",
        ("2",): b"1",
    }


def test_bytes_that_are_neither_text_nor_message_stay_bytes() -> None:
    assert points(text(1, b"\xff\xfe\x00\x01")) == {("1", "bytes"): b"\xff\xfe\x00\x01"}


def test_text_that_would_parse_is_text_and_what_is_in_it() -> None:
    """A message of ten bytes has a line feed for its length."""
    inner = text(1, b"helloworld")
    assert points(text(1, inner)) == {("1",): inner, ("1", "1"): b"helloworld"}


def test_what_is_no_message_is_none() -> None:
    for data in (b"\x00", b"\x0a\x05abc", b"\x0b", b"\x80" * 11, b"\x08", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"):
        assert fields(data) is None, data
    assert not is_message(b"")
    assert not is_message(b"a=12345678")


def test_nesting_is_bounded() -> None:
    data = b"\x08\x01"
    for _ in range(3 * DEPTH_LIMIT):
        data = text(1, data)
    walk = Walk(Limits())
    assert read(walk, ("post",), data)
    assert walk.anomalies >> Anomaly.DECODE_DEPTH_LIMIT & 1


Values = st.one_of(st.integers(0, 2**64 - 1), st.text(min_size=1, max_size=20))


@given(st.lists(st.tuples(st.integers(1, 2**29 - 1), Values), min_size=1, max_size=20))
def test_fields_are_read_as_written(written: list[tuple[int, int | str]]) -> None:
    data = b"".join(number(at, value) if isinstance(value, int) else text(at, value.encode()) for at, value in written)
    expected = [(at, value if isinstance(value, int) else value.encode()) for at, value in written]
    assert [tuple(field) for field in fields(data) or []] == expected


@given(st.binary(max_size=300))
def test_no_bytes_raise(data: bytes) -> None:
    for leaf in leaves(fields(data) or []):
        assert leaf.path
