"""The lines that `tcpmirror analyze` writes: one for an exchange, one for a finding, and the key that puts them in order."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import orjson

from tcpmirror.decode.grpc import status_of
from tcpmirror.model.anomaly import anomaly_names
from tcpmirror.model.exchange import Exchange, Message
from tcpmirror.model.finding import Finding
from tcpmirror.model.overlap import Overlap
from tcpmirror.model.report import Report
from tcpmirror.processes.judging import text

EXCHANGES, FINDINGS = 0, 1
_KEY = struct.Struct(">HQ")
_RECORD = struct.Struct("<BH")


def line_records(
    exchange: Exchange, findings: Sequence[Finding], pcaps: list[str], want_exchanges: bool, masked: Report | None = None
) -> list[bytes]:
    """Return the ring records for *exchange*: u8 which file, u16 length of the key, key, line.

    WebSocket messages are judged as exchanges are, but are none: they have findings lines only. *masked*: its report where
    masks apply, whose texts stand in for those of the exchange.
    """
    client, server = exchange.client, exchange.server
    key = _KEY.pack(exchange.source, exchange.time_ns) + f"{client} {server} ".encode() + exchange.index.to_bytes(4, "big")
    records = []
    if want_exchanges and exchange.protocol != "websocket":
        line = exchange_line(exchange, client, server, pcaps[exchange.source], masked)
        records.append(_RECORD.pack(EXCHANGES, len(key)) + key + line)
    for finding in findings if masked is None else masked.findings:
        records.append(_RECORD.pack(FINDINGS, len(key)) + key + finding_line(exchange, finding, client, server, masked))
    return records


def read_line_record(record: bytes) -> tuple[int, bytes, bytes]:
    """Return (file, key, line) of a ring record."""
    which, size = _RECORD.unpack_from(record)
    return which, record[_RECORD.size : _RECORD.size + size], record[_RECORD.size + size :]


def exchange_line(exchange: Exchange, client: str, server: str, pcap: str, masked: Report | None = None) -> bytes:
    """Return the JSON line of an exchange; ``grpc_status`` stands in it where there is one."""
    request, response = exchange.request, exchange.response
    duration = exchange.duration_ns
    overlaps = {"overlaps": [_shown(item) for item in exchange.overlaps]} if exchange.overlaps and masked is None else {}
    grpc_status = status_of(response)
    return orjson.dumps(
        {
            "pcap": pcap,
            "ts": exchange.time_ns / 1e9,
            "client": client,
            "server": server,
            "encapsulation": exchange.encapsulation,
            "protocol": exchange.protocol,
            "method": None if request is None else text(request.method),
            **_place(exchange, masked),
            "status": None if response is None else response.status,
            "request_bytes": 0 if request is None else request.body_length,
            "response_bytes": 0 if response is None else response.body_length,
            "request_sha256": _digest(request),
            "response_sha256": _digest(response),
            "duration_ms": None if duration is None else duration / 1e6,
            "anomalies": anomaly_names(exchange.anomalies),
            **({} if grpc_status is None else {"grpc_status": grpc_status}),
        }
        | overlaps
    )


def finding_line(exchange: Exchange, finding: Finding, client: str, server: str, masked: Report | None = None) -> bytes:
    """Return the JSON line of a finding."""
    request, response = exchange.request, exchange.response
    return orjson.dumps(
        {
            "ts": exchange.time_ns / 1e9,
            "client": client,
            "server": server,
            "method": None if request is None else text(request.method),
            **_place(exchange, masked),
            "status": None if response is None else response.status,
            "type": finding.type,
            "point": finding.point,
            "payload": finding.payload,
            "rule": finding.rule,
            "confidence": finding.confidence,
            "evidence": finding.evidence,
            "grade": finding.grade,
            "severity": finding.severity,
        }
    )


def _place(exchange: Exchange, masked: Report | None) -> dict[str, str | None]:
    if masked is not None:
        return {"host": masked.host, "uri": masked.uri}
    return {"host": exchange.host, "uri": None if exchange.request is None else text(exchange.request.target)}


def _shown(overlap: Overlap) -> dict[str, str | int]:
    """Both copies as latin-1 text, one character a byte."""
    return {
        "sender": overlap.sender,
        "offset": overlap.offset,
        "kept": overlap.kept.decode("latin-1"),
        "other": overlap.other.decode("latin-1"),
    }


def _digest(message: Message | None) -> str | None:
    return None if message is None or message.body_sha256 is None else message.body_sha256.hex()
