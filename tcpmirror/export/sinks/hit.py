"""A hit: one finding of one report, in the forms that other programs read."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from tcpmirror.model.attack import ATTACK_TYPES
from tcpmirror.model.finding import Finding
from tcpmirror.model.point import point_text
from tcpmirror.model.report import Report

PORTS: Final = 65536
_BREAKS: Final = re.compile("[\x7f-\x9f\u2028\u2029]")  # JSON lets them stand; some readers end a line there


@dataclass(frozen=True, slots=True)
class Hit:
    """Finding *index* of *report*."""

    report: Report
    index: int

    @property
    def finding(self) -> Finding:
        return self.report.findings[self.index]

    @property
    def id(self) -> str:
        """The same whenever the same exchange is read again."""
        return f"{self.report.id}-{self.index}"

    @property
    def type_name(self) -> str:
        """The attack type as people write it."""
        return ATTACK_TYPES[self.finding.type][1] if self.finding.type in ATTACK_TYPES else self.finding.type

    @property
    def time(self) -> datetime:
        return datetime.fromtimestamp(self.report.time_ns / 1e9, UTC)

    @property
    def summary(self) -> str:
        report = self.report
        return f"{self.type_name} from {report.real_ip}: {report.method or '-'} {report.host or '-'}{report.uri or ''}"


def split_endpoint(endpoint: str) -> tuple[str, int]:
    """Return address and port of ``ip:port`` or ``[v6]:port``; port 0 if there is none."""
    host, _, port = endpoint.rpartition(":")
    number = int(port) if port.isascii() and port.isdecimal() else 0
    return (host.strip("[]"), number) if host and number < PORTS else (endpoint, 0)


def flat_hit(hit: Hit) -> dict[str, Any]:
    """Return the hit as one flat JSON object; `time` is RFC 3339."""
    report, finding = hit.report, hit.finding
    return {
        "id": hit.id,
        "request_id": report.id,
        "time": hit.time.isoformat(timespec="milliseconds"),
        "type": finding.type,
        "type_name": hit.type_name,
        "confidence": finding.confidence,
        "rule": finding.rule,
        "point": point_text(finding.point),
        "payload": finding.payload,
        "evidence": finding.evidence,
        "client": report.client,
        "server": report.server,
        "real_ip": report.real_ip,
        "protocol": report.protocol,
        "method": report.method,
        "host": report.host,
        "uri": report.uri,
        "status": report.status,
        "application": report.application,
        "anomalies": report.anomalies,
    }


def webhook_hit(hit: Hit) -> dict[str, Any]:
    """Return the envelope of a `new_hits` notification, with the keys that receivers of this class of product know.

    What a tap cannot know (country, data centre, Tor, proxy, what a gateway would have done) is null.
    """
    report, finding = hit.report, hit.finding
    address, port = split_endpoint(report.client)
    remote = report.real_ip or address
    version = _ip_version(remote)
    path = (report.uri or "").partition("?")[0]
    known = {
        "host": report.host,
        "heur_distance": None,
        "method": report.method,
        "path": path,
        "payloads": [finding.payload],
        "point": list(finding.point),
        "probability": round(100 * finding.confidence),
        "remote_country": None,
        "remote_port": port,
        "remote_addr4": remote if version == 4 else None,
        "remote_addr6": remote if version == 6 else None,
        "datacenter": None,
        "tor": None,
        "proxy_type": None,
        "request_time": report.time_ns // 1_000_000_000,
        "create_time": report.time_ns // 1_000_000_000,
        "response_len": report.response_bytes,
        "response_status": report.status,
        "response_time": None if report.duration_ns is None else report.duration_ns // 1_000_000,
        "stamps": [finding.rule],
        "regex": [],
        "stamps_hash": None,
        "regex_hash": None,
        "type": finding.type,
        "block_status": "monitored",
        "brute_counter": None,
        "final_wallarm_mode": "monitoring",
        "wallarm_mode": "monitoring",
        "libproton_version": None,
        "lom_id": None,
        "protocol": report.protocol,
        "request_id": report.id,
        "id": [report.id, str(hit.index)],
        "object_type": "hit",
        "anomaly": None,
        "parameter": point_text(finding.point),
        "applications": [report.application],
    }
    details = {"client_name": None, "cloud": None, "notification_type": "new_hits", "hit": known}
    return {"summary": f"[tcpmirror] {hit.summary}", "details": details}


def json_bytes(value: Mapping[str, Any] | list[Any]) -> bytes:
    """Return *value* as JSON on one line, whatever a reader takes for the end of one.

    Lone surrogates, which UTF-8 cannot carry, are written as their escapes.
    """
    try:
        found = orjson.dumps(value)
    except TypeError:
        found = orjson.dumps(_without_surrogates(value))
    # Such characters stand within strings only.
    return _BREAKS.sub(lambda mark: f"\\u{ord(mark[0]):04x}", found.decode()).encode()


def _ip_version(text: str) -> int:
    try:
        return ipaddress.ip_address(text).version
    except ValueError:
        return 0


def _without_surrogates(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {key: _without_surrogates(each) for key, each in value.items()}
        case list() | tuple():
            return [_without_surrogates(each) for each in value]
        case _:
            return value
