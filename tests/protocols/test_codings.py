"""Content codings: what is decoded, what is not believed, and where bombs end."""

from __future__ import annotations

import gzip
import hashlib
import random
import time
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.model.anomaly import anomaly_names
from tcpmirror.protocols.coded_streams import whole_gzip
from tcpmirror.protocols.codings import HELD_BYTES, ContentDecoder, codings_of
from tests.protocols.transcript import Flow, names

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
    last = max(0, len(data) - 1) // step * step
    output = b"".join(decoder.feed(data[at : at + step]) for at in range(0, last, step)) + decoder.finish(data[last:])
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


# id -> (codings to undo, bytes): each takes time to open streams that give little or nothing
WORK: dict[str, tuple[list[bytes], bytes]] = {
    "empty gzip members": ([b"gzip"], gzip.compress(b"", mtime=0) * 20_000),
    "gzip members of a byte": ([b"gzip"], gzip.compress(b"x", mtime=0) * 20_000),
    "empty zstd frames": ([b"zstd"], zstandard.compress(b"") * 40_000),
    "zstd frames to skip": ([b"zstd"], zstandard.compress(b"x") + b"\x50\x2a\x4d\x18\0\0\0\0" * 50_000),
    "gzip members in gzip": ([b"gzip", b"gzip"], gzip.compress(gzip.compress(b"", mtime=0) * 400_000)),
    "zstd frames in br": ([b"br", b"zstd"], brotli.compress(zstandard.compress(b"") * 100_000, quality=5)),
}


@pytest.mark.parametrize("case", WORK)
def test_streams_that_give_nothing_are_a_limit(case):
    """Without it the gzip members in gzip, 20 KB on the wire, take 25 s."""
    codings, data = WORK[case]
    before = time.process_time()
    output, anomalies = decode(codings, data, 1400, ratio=1 << 20)
    assert time.process_time() - before < 1
    assert anomalies == ["decompression_limit", "decompression_work"]
    assert len(output) <= 256 + len(data) // 64


def test_a_member_a_line_is_no_bomb():
    lines = [
        b'{"level":"info","msg":"user logged in","user":%d,"ip":"10.0.%d.%d"}\n' % (n * 7919, n % 251, n % 241)
        for n in range(2000)
    ]
    output, anomalies = decode([b"gzip"], b"".join(gzip.compress(line, mtime=0) for line in lines), 1400)
    assert output == b"".join(lines)
    assert anomalies == []


@pytest.mark.parametrize("ratio", [2, 100, 1032])
def test_a_low_ratio_ends_a_stream_at_the_same_byte_whatever_the_cut(ratio):
    data = gzip.compress(b"ab" * (1 << 20) + bytes(4 << 20), mtime=0)
    once, by_byte, parts = (decode([b"gzip"], data, step, ratio=ratio) for step in (10**6, 1, 700))
    assert once == by_byte == parts


def test_inner_layers_take_time_in_proportion():
    """8 MiB of brotli inside gzip are looked at in windows: what waits is not copied for each block."""
    noise = random.Random(1).randbytes(6 << 20)
    before = time.process_time()
    output, anomalies = decode([b"gzip", b"br"], gzip.compress(brotli.compress(noise, quality=0), compresslevel=1), 1400)
    assert (output, anomalies) == (noise, [])
    assert time.process_time() - before < 4


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


@settings(max_examples=300, deadline=None)
@given(
    st.builds(damaged, st.just(GZ), st.integers(0, len(GZ)), st.binary(max_size=3)),
    st.integers(len(TEXT) - 1, len(TEXT) + 1),
)
def test_what_is_decoded_at_once_is_what_zlib_gives(data, room):
    stream = zlib.decompressobj(31)
    try:
        plain = stream.decompress(data)
    except zlib.error as fault:
        assert whole_gzip(data, room) is None or "distances set" in str(fault)
        return
    is_wanted = stream.eof and not stream.unused_data and len(plain) <= room and not data[3] & 0xE2
    assert whole_gzip(data, room) == (plain if is_wanted else None)


def answer(packed: bytes, size: int = 1 << 20, **options: object) -> Flow:
    """Return what the first *size* bytes of a response of *packed* come to, read with *options*."""
    flow = Flow(**options).client(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    for at in range(0, min(size, len(packed)), 1400):
        flow.server(head * (at == 0) + packed[at : at + 1400])
    return flow


@pytest.mark.parametrize("size", [HELD_BYTES - 1, HELD_BYTES, HELD_BYTES + 1, 3 * HELD_BYTES])
def test_what_is_held_back_and_what_is_not_decode_alike(size):
    """Noise does not get smaller, so gzip of *size* bytes has that size and a few bytes more."""
    noise = random.Random(size).randbytes(size - 23)
    packed = gzip.compress(noise, mtime=0)
    assert abs(len(packed) - size) < 64
    for sent, anomalies in ((packed, set()), (wrong_checksum(noise), {"bad_coding"}), (packed[:-9], {"truncated_coding"})):
        (exchange,) = answer(sent, hash_bodies=True).exchanges
        assert names(exchange) == anomalies
        assert exchange.response.body == noise[: len(exchange.response.body)]
        assert len(noise) - len(exchange.response.body) <= (64 if "truncated_coding" in anomalies else 0)
        assert exchange.response.body_length == len(exchange.response.body)
        assert exchange.response.body_sha256 == hashlib.sha256(exchange.response.body).digest()


def test_a_coded_body_is_held_as_it_came():
    packed = gzip.compress(random.Random(1).randbytes(HELD_BYTES), mtime=0)
    flow = answer(packed, HELD_BYTES - 1400)
    assert flow.sink.held_bytes < 3 * HELD_BYTES
    assert flow.exchanges == []
