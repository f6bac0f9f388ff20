"""Content codings: what is decoded, what is not believed, and where bombs end."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.model.anomaly import anomaly_names
from tcpmirror.protocols.codings import ContentDecoder, codings_of

TEXT = b'{"user": "alice", "note": "' + b"lorem ipsum " * 40 + b'"}'


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


def wrong_checksum(data: bytes) -> bytes:
    packed = bytearray(gzip.compress(data, mtime=0))
    packed[-8] ^= 0xFF
    return bytes(packed)


def checked_header(data: bytes, flags: int, fields: bytes) -> bytes:
    """Return a gzip stream whose header has the optional *fields* and a (wrong) checksum of itself."""
    packed = gzip.compress(data, mtime=0)
    return packed[:3] + bytes([flags | 2]) + packed[4:10] + fields + b"\0\0" + packed[10:]


GZ = gzip.compress(TEXT, mtime=0)

# id -> (codings to undo, bytes, decoded, anomalies)
CASES: dict[str, tuple[list[bytes], bytes, bytes, list[str]]] = {
    "gzip": ([b"gzip"], GZ, TEXT, []),
    "x-gzip": ([b"x-gzip"], GZ, TEXT, []),
    "gzip of nothing": ([b"gzip"], gzip.compress(b""), b"", []),
    "no bytes": ([b"gzip"], b"", b"", []),
    "two members": ([b"gzip"], GZ + gzip.compress(b"more"), TEXT + b"more", []),
    "a header checksum": ([b"gzip"], checked_header(TEXT, 0, b""), TEXT, []),
    "a header checksum after a name and a comment": ([b"gzip"], checked_header(TEXT, 24, b"name\0comment\0"), TEXT, []),
    "a header checksum after an extra field": ([b"gzip"], checked_header(TEXT, 12, b"\3\0a\0bname\0"), TEXT, []),
    "bytes after the end": ([b"gzip"], GZ + b"\0\0garbage", TEXT, []),
    "zlib frame": ([b"deflate"], zlib.compress(TEXT), TEXT, []),
    "bare deflate": ([b"deflate"], raw_deflate(TEXT), TEXT, []),
    "short bare deflate": ([b"deflate"], raw_deflate(b"x"), b"x", []),
    "br": ([b"br"], brotli.compress(TEXT), TEXT, []),
    "zstd": ([b"zstd"], zstandard.compress(TEXT), TEXT, []),
    "two zstd frames": ([b"zstd"], zstandard.compress(TEXT) + zstandard.compress(b"more"), TEXT + b"more", []),
    "stacked": ([b"br", b"gzip"], brotli.compress(GZ), TEXT, []),
    "one layer too many": (
        [b"gzip"] * 3,
        gzip.compress(gzip.compress(GZ, mtime=0), mtime=0),
        GZ,
        ["decompression_limit", "coding_layers_limit"],
    ),
    "unknown coding": ([b"frob"], TEXT, TEXT, ["unknown_content_coding"]),
    "known over unknown": ([b"gzip", b"frob"], GZ, TEXT, ["unknown_content_coding"]),
    "plain text said to be gzip": ([b"gzip"], TEXT, TEXT, ["bad_coding"]),
    "plain text said to be deflate": ([b"deflate"], TEXT, TEXT, ["bad_coding"]),
    "plain text said to be br": ([b"br"], TEXT, TEXT, ["bad_coding"]),
    "plain text said to be zstd": ([b"zstd"], TEXT, TEXT, ["bad_coding"]),
    "gzip said to be deflate": ([b"deflate"], GZ, TEXT, ["bad_coding"]),
    "one byte said to be gzip": ([b"gzip"], b"x", b"x", ["bad_coding"]),
    "wrong checksum": ([b"gzip"], wrong_checksum(TEXT), TEXT, ["bad_coding"]),
    "reserved flags": ([b"gzip"], GZ[:3] + b"\x60" + GZ[4:], TEXT, ["bad_coding"]),
    "cut short": ([b"gzip"], GZ[:-9], TEXT, ["truncated_coding"]),
}


def decode(codings: list[bytes], data: bytes, step: int, limit: int = 8 << 20, ratio: int = 2048) -> tuple[bytes, list[str]]:
    decoder = ContentDecoder(codings, 2, limit, ratio)
    output = b"".join(decoder.feed(data[at : at + step]) for at in range(0, len(data), step)) + decoder.finish()
    return output, anomaly_names(decoder.anomalies)


@pytest.mark.parametrize("step", [1, 3, 100, 10**6])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_body_decodes_to_what_a_browser_shows(case, step):
    codings, data, decoded, anomalies = case
    assert decode(codings, data, step) == (decoded, anomalies)


BOMB = bytes(32 << 20)


@pytest.mark.parametrize("step", [1000, 10**6])
@pytest.mark.parametrize(
    ("coding", "data"),
    [(b"gzip", gzip.compress(BOMB)), (b"br", brotli.compress(BOMB, quality=3)), (b"zstd", zstandard.compress(BOMB))],
    ids=["gzip", "br", "zstd"],
)
def test_bomb_ends_at_the_limit(coding, data, step):
    output, anomalies = decode([coding], data, step)
    assert len(output) <= 8 << 20
    assert anomalies[0] == "decompression_limit"


def test_ratio_is_a_limit_past_the_first_mebibyte():
    output, anomalies = decode([b"br"], brotli.compress(BOMB, quality=11), 10**6, limit=64 << 20, ratio=100)
    assert len(output) == 1 << 20
    assert anomalies == ["decompression_limit", "decompression_ratio"]


def test_codings_are_undone_from_the_outside_in():
    headers = (
        (b"Content-Encoding", b"br, gzip"),
        (b"Transfer-Encoding", b"deflate, chunked"),
        (b"content-encoding", b" identity"),
    )
    assert codings_of(headers) == [b"deflate", b"gzip", b"br"]


PACKED = [GZ, zlib.compress(TEXT), raw_deflate(TEXT), brotli.compress(TEXT), zstandard.compress(TEXT)]


def damaged(packed: bytes, at: int, patch: bytes) -> bytes:
    return packed[:at] + patch + packed[at + len(patch) :]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from([b"gzip", b"deflate", b"br", b"zstd", b"x"]), min_size=1, max_size=2),
    st.one_of(
        st.binary(max_size=600), st.builds(damaged, st.sampled_from(PACKED), st.integers(0, 400), st.binary(max_size=3))
    ),
    st.integers(1, 300),
)
def test_no_bytes_raise_and_cuts_do_not_matter(codings, data, step):
    assert decode(codings, data, step) == decode(codings, data, 10**6)
