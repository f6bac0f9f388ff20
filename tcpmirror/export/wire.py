"""Reports as the cloud's ingestion API takes them: JSON (RFC 8259) with the raw bytes in base64 (RFC 4648, section 4)."""

from __future__ import annotations

import base64
from typing import Final

import orjson
import zstandard

from tcpmirror.model.finding import Finding
from tcpmirror.model.report import Report, decode_report

_PLAIN_FIELDS: Final = tuple(name for name in Report.__slots__ if name not in ("findings", "request", "response"))
_NONE: Final = type(None)
_REPORT_TYPES: Final[dict[str, tuple[type, ...]]] = {
    **dict.fromkeys(("id", "client", "server", "real_ip", "encapsulation", "protocol"), (str,)),
    **dict.fromkeys(("method", "host", "uri"), (str, _NONE)),
    **dict.fromkeys(("time_ns", "request_bytes", "response_bytes", "application"), (int,)),
    **dict.fromkeys(("duration_ns", "status"), (int, _NONE)),
}
_FINDING_TYPES: Final[dict[str, tuple[type, ...]]] = {
    **dict.fromkeys(("type", "payload", "rule", "evidence", "grade", "severity"), (str,)),
    "confidence": (float, int),
}
_COMPRESSION_LEVEL: Final = 3  # zstd's default: base64 of HTTP shrinks to a fifth, at 300 MB/s of one core


def read_report(record: bytes) -> Report:
    """Return the report in *record*, each field of the type it should have; ValueError if it holds none.

    A ring is written by a process that parses hostile traffic, so what comes off it is checked like anything from outside.
    """
    try:
        report = decode_report(record)
    except (TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"no report: {error!r}") from error
    _check(report, _REPORT_TYPES)
    for finding in report.findings:
        _check(finding, _FINDING_TYPES)
    if not all(isinstance(part, str) for finding in report.findings for part in finding.point):
        raise ValueError("no report: a point is not made of text")
    if not all(isinstance(name, str) for name in report.anomalies):
        raise ValueError("no report: an anomaly is not text")
    return report


def _check(value: Report | Finding, types: dict[str, tuple[type, ...]]) -> None:
    for name, accepted in types.items():
        found = getattr(value, name)
        if type(found) not in accepted:
            raise ValueError(f"no report: {name} is of type {type(found).__name__}")
        if isinstance(found, int) and not -(2**63) <= found < 2**63:
            raise ValueError(f"no report: {name} takes more than 64 bits")


def wire_report(report: Report) -> bytes:
    """Return the JSON object of *report*; ValueError if one of its values has no JSON form."""
    fields = {name: getattr(report, name) for name in _PLAIN_FIELDS}
    fields["findings"] = [{name: getattr(found, name) for name in Finding.__slots__} for found in report.findings]
    fields["request_b64"] = base64.b64encode(report.request).decode()
    fields["response_b64"] = base64.b64encode(report.response).decode()
    return _json(fields)


def wire_batch(batch_id: str, reports: tuple[bytes, ...]) -> bytes:
    """Return the zstd-compressed body of one batch of JSON objects."""
    body = orjson.dumps({"batch_id": batch_id, "reports": [orjson.Fragment(report) for report in reports]})
    return zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL).compress(body)


def _json(fields: dict[str, object]) -> bytes:
    try:
        return orjson.dumps(fields)
    except TypeError:
        pass
    try:
        return orjson.dumps(_without_surrogates(fields))
    except TypeError as error:
        raise ValueError(f"no JSON form: {error}") from error


def _without_surrogates(value: object) -> object:
    """Return *value* with every lone surrogate, which UTF-8 cannot carry, written as its escape."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {_without_surrogates(key): _without_surrogates(each) for key, each in value.items()}
        case list() | tuple():
            return [_without_surrogates(each) for each in value]
        case _:
            return value
