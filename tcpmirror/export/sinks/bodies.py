"""What stands in a syslog message: CEF, LEEF or JSON, on one line of UTF-8."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from tcpmirror.export.sinks.hit import Hit, flat_hit, json_bytes, split_endpoint
from tcpmirror.model.point import point_text

PRODUCT: Final = "tcpmirror"
_BREAKS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def cef(hit: Hit, version: str) -> str:
    """Return the hit in ArcSight's Common Event Format, version 0."""
    finding = hit.finding
    head = "|".join(_cef_head(part) for part in (PRODUCT, PRODUCT, version, finding.type, hit.type_name))
    fields = _common(hit) | {
        "cs1Label": "point",
        "cs1": point_text(finding.point),
        "cs2Label": "rule",
        "cs2": finding.rule,
        "cs3Label": "payload",
        "cs3": finding.payload,
        "cfp1Label": "confidence",
        "cfp1": finding.confidence,
        "externalId": hit.id,
        "act": "monitored",
    }
    extension = " ".join(f"{key}={_cef_value(value)}" for key, value in fields.items() if value not in (None, ""))
    return f"CEF:0|{head}|{severity(hit)}|{extension}"


def leef(hit: Hit, version: str) -> str:
    """Return the hit in QRadar's Log Event Extended Format 2.0, its fields between tabs."""
    finding, common = hit.finding, _common(hit)
    fields = {
        "devTime": hit.time.strftime("%b %d %Y %H:%M:%S.%f")[:-3],
        "devTimeFormat": "MMM dd yyyy HH:mm:ss.SSS",
        "cat": finding.type,
        "sev": severity(hit),
        "src": common["src"],
        "srcPort": common["spt"],
        "dst": common["dst"],
        "dstPort": common["dpt"],
        "proto": "TCP",
        "url": hit.report.uri,
        "host": hit.report.host,
        "method": hit.report.method,
        "status": hit.report.status,
        "rule": finding.rule,
        "point": point_text(finding.point),
        "payload": finding.payload,
        "id": hit.id,
    }
    body = "\t".join(f"{key}={_one_line(str(value))}" for key, value in fields.items() if value not in (None, ""))
    head = "|".join(_one_line(part).replace("|", "/") for part in (PRODUCT, PRODUCT, version, finding.type))
    return f"LEEF:2.0|{head}|x09|{body}"


def json_line(hit: Hit, version: str) -> str:
    """Return the hit as one JSON object."""
    return json_bytes(flat_hit(hit) | {"sensor_version": version}).decode()


BODIES: Final[dict[str, Callable[[Hit, str], str]]] = {"json": json_line, "cef": cef, "leef": leef}


def severity(hit: Hit) -> int:
    """Return how grave it is, from 1 to 10: how sure it is, and at its highest where the attack is seen to have worked."""
    return 10 if hit.finding.evidence else max(1, min(9, round(9 * hit.finding.confidence)))


def _common(hit: Hit) -> dict[str, Any]:
    report = hit.report
    client, client_port = split_endpoint(report.client)
    server, server_port = split_endpoint(report.server)
    return {
        "rt": report.time_ns // 1_000_000,
        "src": report.real_ip or client,
        "spt": client_port,
        "dst": server,
        "dpt": server_port,
        "dhost": report.host,
        "requestMethod": report.method,
        "request": report.uri,
        "app": report.protocol,
        "outcome": report.status,
    }


def _one_line(text: str) -> str:
    """Return *text* with what would end a line or a field, or has no UTF-8 form, as its escape."""
    escaped = _BREAKS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
    return escaped.encode("utf-8", "backslashreplace").decode()


def _cef_head(text: str) -> str:
    return _one_line(text.replace("\\", "\\\\").replace("|", "\\|"))


def _cef_value(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace("=", "\\=").replace("\r", "\\r").replace("\n", "\\n")
    return _one_line(text)
