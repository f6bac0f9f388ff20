"""Hits as log records of OpenTelemetry, by OTLP over HTTP with a body of JSON (opentelemetry.io/docs/specs/otlp, 1.x).

Attributes have the names of OpenTelemetry's semantic conventions where these have one.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson

from tcpmirror.export.delivery import DeliveryError, RefusedError
from tcpmirror.export.sinks.hit import Hit, json_bytes, split_endpoint

PATH: Final = "/v1/logs"
SURE: Final = 0.8  # the confidence from which a hit is an error, below it a warning
# SeverityNumber of the data model of logs.
WARN, ERROR = 13, 17


def logs_body(version: str) -> Callable[[Sequence[Hit]], bytes]:
    """Return what makes a request for `/v1/logs` of hits."""
    resource = {
        "attributes": _attributes(
            {"service.name": "tcpmirror", "service.version": version, "host.name": socket.gethostname()}
        )
    }
    scope = {"name": "tcpmirror.hits", "version": version}

    def made(hits: Sequence[Hit]) -> bytes:
        records = [_record(hit) for hit in hits]
        return json_bytes({"resourceLogs": [{"resource": resource, "scopeLogs": [{"scope": scope, "logRecords": records}]}]})

    return made


def judge_logs(answer: bytes) -> None:
    """Raise RefusedError if the collector took a part only; an empty answer is one of success."""
    try:
        told = orjson.loads(answer or b"{}")
    except orjson.JSONDecodeError as error:
        raise DeliveryError(f"the answer is not JSON: {error}") from error
    partial = told.get("partialSuccess") if isinstance(told, dict) else None
    if isinstance(partial, dict) and str(partial.get("rejectedLogRecords", "0")) != "0":
        raise RefusedError(f"{partial['rejectedLogRecords']} refused: {partial.get('errorMessage', '')}"[:300])


def _record(hit: Hit) -> dict[str, Any]:
    report, finding = hit.report, hit.finding
    address, port = split_endpoint(report.client)
    server, server_port = split_endpoint(report.server)
    path, _, query = (report.uri or "").partition("?")
    is_sure = finding.confidence >= SURE
    attributes = {
        "event.name": "tcpmirror.hit",
        "log.record.uid": hit.id,
        "client.address": report.real_ip or address,
        "network.peer.address": address,
        "network.peer.port": port or None,
        "server.address": report.host or server,
        "network.local.address": server,
        "network.local.port": server_port or None,
        "http.request.method": report.method,
        "http.response.status_code": report.status,
        "http.request.body.size": report.request_bytes,
        "http.response.body.size": report.response_bytes,
        "network.protocol.name": "http",
        "url.path": path or None,
        "url.query": query or None,
        "tcpmirror.type": finding.type,
        "tcpmirror.rule": finding.rule,
        "tcpmirror.point": list(finding.point),
        "tcpmirror.payload": finding.payload,
        "tcpmirror.confidence": float(finding.confidence),
        "tcpmirror.request_id": report.id,
    }
    return {
        "timeUnixNano": str(report.time_ns),
        "severityNumber": ERROR if is_sure else WARN,
        "severityText": "ERROR" if is_sure else "WARN",
        "body": {"stringValue": hit.summary},
        "attributes": _attributes(attributes),
    }


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return attributes; one that is not known is left out."""
    return [{"key": key, "value": _value(value)} for key, value in values.items() if value is not None]


def _value(value: Any) -> dict[str, Any]:
    """Return *value* as an AnyValue: whole numbers as text, as protobuf's JSON has those of 64 bits."""
    match value:
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [_value(each) for each in value]}}
        case _:
            return {"stringValue": str(value)}
