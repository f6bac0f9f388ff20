from __future__ import annotations

import contextlib
import gzip
import zlib

import orjson
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.cloud.batch import Batch, BatchTooLarge, MalformedBatch, decoded_body, parse_batch
from tests.cloud.running import finding, report

CODINGS = {
    "none": ("", lambda body: body),
    "identity": ("identity", lambda body: body),
    "gzip": ("gzip", gzip.compress),
    "zstd": ("zstd", zstandard.compress),
    "zstd without its size": ("zstd", lambda body: zstandard.ZstdCompressor(write_content_size=False).compress(body)),
    "capitals": ("GZip ", gzip.compress),
}


@pytest.mark.parametrize(("coding", "encode"), CODINGS.values(), ids=CODINGS.keys())
def test_body_comes_back_from_its_coding(coding, encode) -> None:
    assert decoded_body(encode(b"{}" * 1000), coding) == b"{}" * 1000


@pytest.mark.parametrize(("coding", "encode"), CODINGS.values(), ids=CODINGS.keys())
def test_bomb_is_stopped_at_the_limit(coding, encode) -> None:
    with pytest.raises(BatchTooLarge):
        decoded_body(encode(bytes(20_000_000)), coding, 1_000_000)


def test_body_of_exactly_the_limit_passes() -> None:
    assert len(decoded_body(gzip.compress(bytes(1000)), "gzip", 1000)) == 1000


def _wide_zstd() -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    encoder = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return encoder.compress(bytes(1000)) + encoder.flush()


BROKEN = {
    "unknown coding": (b"x", "br"),
    "not gzip": (b"hello", "gzip"),
    "cut gzip": (gzip.compress(b"x" * 100)[:-9], "gzip"),
    "raw deflate": (zlib.compress(b"hello"), "gzip"),
    "not zstd": (b"hello", "zstd"),
    "window too large": (
        _wide_zstd(),
        "zstd",
    ),
}


@pytest.mark.parametrize(("raw", "coding"), BROKEN.values(), ids=BROKEN.keys())
def test_body_that_is_not_in_its_coding_is_malformed(raw: bytes, coding: str) -> None:
    with pytest.raises(MalformedBatch):
        decoded_body(raw, coding)


def test_cut_zstd_does_not_parse() -> None:
    cut = zstandard.compress(orjson.dumps({"batch_id": "a", "reports": [report(1)]}))[:-6]
    with pytest.raises(MalformedBatch):
        parse_batch(decoded_body(cut, "zstd"))


NO_BATCH = {
    "nothing": b"",
    "not JSON": b"{",
    "NaN": b'{"batch_id": "a", "reports": [NaN]}',
    "lone surrogate": b'{"batch_id": "\\ud800", "reports": []}',
    "a list": b"[]",
    "no id": b'{"reports": []}',
    "empty id": b'{"batch_id": "", "reports": []}',
    "long id": b'{"batch_id": "%s", "reports": []}' % (b"a" * 65),
    "id with a line end": b'{"batch_id": "a\\nb", "reports": []}',
    "number as id": b'{"batch_id": 1, "reports": []}',
    "no reports": b'{"batch_id": "a"}',
    "reports as map": b'{"batch_id": "a", "reports": {}}',
    "too many reports": b'{"batch_id": "a", "reports": [%s]}' % b",".join([b"0"] * 10_001),
}


@pytest.mark.parametrize("body", NO_BATCH.values(), ids=NO_BATCH.keys())
def test_what_is_no_batch_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBatch):
        parse_batch(body)


BAD_REPORTS = {
    "not a map": 7,
    "nothing in it": {},
    "no id": {key: value for key, value in report(1).items() if key != "id"},
    "id of other length": report(1, id="abc"),
    "id with a line end": report(1, id="0" * 32 + "\n"),
    "time before 1970": report(1, time_ns=-1),
    "time past 64 bits": report(1, time_ns=2**63),
    "time as text": report(1, time_ns="1"),
    "status as text": report(1, status="200"),
    "negative size": report(1, request_bytes=-1),
    "method as number": report(1, method=7),
    "host too long": report(1, host="h" * 10_000),
    "not Base64": report(1, request_b64="%%%"),
    "cut Base64": report(1, response_b64="QUJ"),
    "type with a blank": report(1, findings=[finding(type="sql i")]),
    "confidence over one": report(1, findings=[finding(confidence=1.1)]),
    "point as text": report(1, findings=[finding(point="get")]),
    "too many findings": report(1, findings=[finding()] * 2000),
    "nested deeply": report(1, status=orjson.loads(b"[" * 900 + b"]" * 900)) | {"id": "x"},
}


def _json(value: object) -> bytes:
    # orjson reads deeper than it writes
    return orjson.dumps(value) if value is not BAD_REPORTS["nested deeply"] else b'{"id": %s}' % (b"[" * 900 + b"]" * 900)


@pytest.mark.parametrize("bad", BAD_REPORTS.values(), ids=BAD_REPORTS.keys())
def test_bad_report_is_refused_with_a_reason_and_the_others_pass(bad: object) -> None:
    good = orjson.dumps(report(1))
    batch = parse_batch(b'{"batch_id": "a", "reports": [%s, %s, %s]}' % (good, _json(bad), good))
    assert [refused.index for refused in batch.refused] == [1]
    assert batch.refused[0].reason
    assert len(batch.sound) == 2


def test_report_as_the_exporter_writes_it_passes() -> None:
    batch = parse_batch(
        orjson.dumps(
            {"batch_id": "a", "reports": [report(1, findings=[finding(confidence=1, later_field="x")], later_field=1)]}
        )
    )
    assert batch.sound[0].request.startswith(b"GET /items?id=")
    assert not batch.refused


@settings(max_examples=40)
@given(
    st.binary(max_size=300) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(lambda v: repr(v).encode())
)
def test_no_bytes_make_parsing_raise_anything_else(body: bytes) -> None:
    for coding in ("", "gzip", "zstd"):
        with contextlib.suppress(MalformedBatch, BatchTooLarge):
            assert isinstance(parse_batch(decoded_body(body, coding)), Batch)
