from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.export.segment import (
    HEADER_BYTES,
    RECORD_HEADER_BYTES,
    Header,
    SegmentDamageError,
    decode_header,
    encode_header,
    encode_record,
    find_record,
    read_record,
    scan,
)

SALT = 0x5A17
PAYLOADS = (b"first", b"second" * 40, b"\x00" * 7)
FILE = encode_header(Header(3, 17, SALT)) + b"".join(encode_record(payload, SALT) for payload in PAYLOADS)


def test_header_is_read_back() -> None:
    assert decode_header(encode_header(Header(3, 17, SALT))) == Header(3, 17, SALT)


@given(st.binary(min_size=1, max_size=500), st.integers(0, 2**32 - 1))
def test_record_is_read_back(payload: bytes, salt: int) -> None:
    assert read_record(io.BytesIO(encode_record(payload, salt)), 0, salt) == payload


@pytest.mark.parametrize("bit", range(8))
def test_any_flipped_bit_of_the_header_is_noticed(bit: int) -> None:
    for at in range(HEADER_BYTES):
        damaged = bytearray(FILE)
        damaged[at] ^= 1 << bit
        with pytest.raises(SegmentDamageError):
            decode_header(damaged)


def test_any_flipped_byte_of_a_record_is_noticed() -> None:
    record = encode_record(b"payload", SALT)
    for at in range(len(record)):
        damaged = bytearray(record)
        damaged[at] ^= 0x10
        with pytest.raises(SegmentDamageError):
            read_record(io.BytesIO(damaged), 0, SALT)


def test_zeros_are_no_records() -> None:
    found = scan(encode_header(Header(1, 0, SALT)) + bytes(4096), SALT)
    assert (found.records, found.end, found.beyond, found.is_torn) == (0, HEADER_BYTES, 0, False)


def test_a_record_inside_a_payload_is_not_taken_for_one_without_the_salt() -> None:
    planted = encode_record(b"planted by whoever sent the request", 0)
    data = bytearray(encode_header(Header(1, 0, SALT)) + encode_record(planted, SALT))
    data[HEADER_BYTES] ^= 1
    assert find_record(bytes(data), HEADER_BYTES, SALT) is None


def test_every_cut_leaves_the_records_before_it() -> None:
    ends = [HEADER_BYTES]
    for payload in PAYLOADS:
        ends.append(ends[-1] + RECORD_HEADER_BYTES + len(payload))
    for cut in range(HEADER_BYTES, len(FILE) + 1):
        found = scan(FILE[:cut], SALT)
        assert found.records == sum(end <= cut for end in ends[1:])
        assert found.is_torn == (cut not in ends)


def test_records_behind_a_damaged_one_are_counted() -> None:
    data = bytearray(FILE)
    data[HEADER_BYTES + RECORD_HEADER_BYTES] ^= 1
    found = scan(bytes(data), SALT)
    assert (found.records, found.beyond, found.is_torn) == (0, 2, False)


@given(st.binary(max_size=300))
def test_no_bytes_make_a_scan_raise(data: bytes) -> None:
    assert scan(FILE[:HEADER_BYTES] + data, SALT).end >= HEADER_BYTES
