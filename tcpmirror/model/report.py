"""Report: what is kept of one exchange on its way from a worker to the exporter, and its bytes on the ring.

Layout (little endian): u32 length of the meta part, u32 length of the request, u32 length of the response, then the three
parts. The meta part is a JSON object with the fields of `Report` (RFC 8259); request and response are raw bytes.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass

from tcpmirror.model.finding import Finding

_LENGTHS = struct.Struct("<III")
_ID_TIME = 2**48 - 1


@dataclass(frozen=True, slots=True)
class Report:
    """One exchange worth keeping.

    ``id``: 32 hexadecimal digits, the same whenever the same exchange is read again. ``client``/``server``: ``ip:port``;
    ``real_ip``: the client's address after trusted proxy headers. ``status`` None: no response was seen; ``method`` None: a
    response without its request. ``request``/``response``: head and decoded body as kept, cut to the export limits.
    """

    id: str
    time_ns: int
    duration_ns: int | None
    client: str
    server: str
    real_ip: str
    encapsulation: str
    protocol: str
    method: str | None
    host: str | None
    uri: str | None
    status: int | None
    request_bytes: int
    response_bytes: int
    application: int
    anomalies: tuple[str, ...]
    findings: tuple[Finding, ...]
    request: bytes = b""
    response: bytes = b""


def report_id(client: str, server: str, time_ns: int, index: int) -> str:
    """Return the id of the exchange *index* that began at *time_ns* between the two endpoints: 32 hexadecimal digits.

    The first twelve are the time in milliseconds, as in a UUID of version 7 (RFC 9562): an index of ids grows at its end,
    where random ones would have each report written to a page of its own.
    """
    digest = hashlib.blake2b(f"{client}|{server}|{time_ns}|{index}".encode(), digest_size=10).hexdigest()
    return f"{time_ns // 1_000_000 & _ID_TIME:012x}{digest}"


def encode_report(report: Report) -> bytes:
    """Return the bytes of *report*; `decode_report` is the inverse."""
    meta = {name: getattr(report, name) for name in Report.__slots__ if name not in ("findings", "request", "response")}
    meta["findings"] = [
        [f.type, f.point, f.payload, f.rule, f.confidence, f.evidence, f.grade, f.severity] for f in report.findings
    ]
    packed = json.dumps(meta, separators=(",", ":")).encode()
    return _LENGTHS.pack(len(packed), len(report.request), len(report.response)) + packed + report.request + report.response


def decode_report(record: bytes) -> Report:
    """Return the report in *record*; ValueError if its lengths do not add up or its meta part is not what was written."""
    if len(record) < _LENGTHS.size:
        raise ValueError("report shorter than its length fields")
    meta_size, request_size, response_size = _LENGTHS.unpack_from(record)
    request_at = _LENGTHS.size + meta_size
    if request_at + request_size + response_size != len(record):
        raise ValueError("report lengths do not add up")
    request, response = record[request_at : request_at + request_size], record[request_at + request_size :]
    try:
        meta = json.loads(record[_LENGTHS.size : request_at])
        meta["findings"] = tuple(Finding(kind, tuple(point), *rest) for kind, point, *rest in meta["findings"])
        meta["anomalies"] = tuple(meta["anomalies"])
        return Report(**meta, request=request, response=response)
    except (TypeError, KeyError, AttributeError) as problem:
        raise ValueError(f"not the meta part of a report: {problem}") from problem
