"""`tcpmirror inspect`: detection alone, on requests given as JSON lines."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tcpmirror.detect.ignoring import Ignored
from tcpmirror.errors import EXIT_OK, EXIT_USAGE, EnvironmentFault
from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.model.point import point_text
from tcpmirror.model.stream import FlowInfo
from tcpmirror.processes.detection import build_detector
from tcpmirror.protocols.http1 import Http1Factory
from tcpmirror.settings.tree import Settings


class BadLine(ValueError):
    """A line that is no request; the text says why."""


@dataclass(slots=True)
class Tally:
    """What a run counted."""

    requests: int = 0
    attacks: int = 0
    bad_lines: int = 0
    cpu_ns: int = 0


def run_inspect(paths: list[Path], out: Path | None, settings: Settings) -> int:
    """Judge every request of *paths*, write a verdict a line to *out* (stdout if None); return the exit code.

    In: ``{"id", "method", "uri", "headers": [[name, value] ...], "body_b64"}``, texts with one character a byte, or ``{"id",
    "raw_b64"}``, the bytes as they are sent, where framing itself is to be judged. Out: ``{"id", "attack", "types",
    "findings"}``, and ``ignored`` where `inspection.ignore` or a rule pack holds something back. A line that is no request
    is told on stderr and counted, and makes the exit code 2; the others are judged all the same. EnvironmentFault: a file
    that cannot be read or written.
    """
    state = Path(settings.supervisor.state_dir)
    inspection = Inspection(settings, state / "rules" if state.is_dir() else None)
    try:
        with out.open("w", encoding="utf-8") if out else nullcontext(sys.stdout) as sink:
            for path in paths:
                inspection.file(path, sink)
    except OSError as error:
        raise EnvironmentFault(f"{error.filename or out}: {error.strerror or error}") from error
    tally = inspection.tally
    seconds = tally.cpu_ns / 1e9
    rate = tally.requests / seconds if seconds else 0.0
    print(
        f"{tally.requests} requests, {tally.attacks} with an attack, {tally.bad_lines} bad lines, "
        f"{inspection.detector.tier2} judged in full; {rate:.0f} requests per CPU-second",
        file=sys.stderr,
    )
    return EXIT_USAGE if tally.bad_lines else EXIT_OK


class Inspection:
    """One run: the road's parser and the detector, and what they counted."""

    def __init__(self, settings: Settings, cache_dir: Path | None) -> None:
        self.detector = build_detector(settings, cache_dir)
        self._parsed: list[Exchange] = []
        self._parser = Http1Factory(
            self._parsed.append,
            settings.limits,
            response_timeout_ns=settings.reassembly.response_timeout_ns,
            parse_responses=False,
        )
        self.tally = Tally()

    def file(self, path: Path, sink: IO[str]) -> None:
        """Judge the requests in *path* and write their verdicts to *sink*."""
        for number, line in _lines(path):
            try:
                record = _record(line)
                verdict = self._verdict(record)
            except BadLine as error:
                self.tally.bad_lines += 1
                print(f"{path}:{number}: {error}", file=sys.stderr)
                continue
            sink.write(json.dumps(verdict, separators=(",", ":")) + "\n")

    def _verdict(self, record: dict[str, Any]) -> dict[str, object]:
        request = _base64(record["raw_b64"]) if "raw_b64" in record else raw_request(record)
        started = time.process_time_ns()
        findings, ignored = self._findings(request)
        self.tally.cpu_ns += time.process_time_ns() - started
        self.tally.requests += 1
        self.tally.attacks += bool(findings)
        return {
            "id": record["id"],
            "attack": bool(findings),
            "types": sorted({finding.type for finding in findings}),
            "findings": [_finding_fields(finding) for finding in findings],
            **({"ignored": [{"by": item.by} | _finding_fields(item.finding) for item in ignored]} if ignored else {}),
        }

    def _findings(self, raw: bytes) -> tuple[list[Finding], list[Ignored]]:
        """Return what *raw* shows and what of it is ignored: one request, or more if its bytes smuggle another in."""
        flow = self._parser.open_flow(FlowInfo())
        flow.feed(0, raw)
        flow.finish(0)
        exchanges, self._parsed[:] = list(self._parsed), []
        if not exchanges:
            raise BadLine("no HTTP request that the parser could read")
        findings: list[Finding] = []
        ignored: list[Ignored] = []
        for exchange in exchanges:
            findings += self.detector.inspect(exchange)
            ignored += self.detector.ignored
        return findings, ignored


def raw_request(record: dict[str, Any]) -> bytes:
    """Return the request of *record* as bytes on the wire (RFC 9112); BadLine if something of it is missing or no text.

    The length is that of the body given: Content-Length is set, Transfer-Encoding and Content-Encoding are left out, as the
    body is given decoded. Line ends in header values cannot be sent as they are; they become blanks.
    """
    method, target = _text(record, "method"), _text(record, "uri")
    if not method:
        raise BadLine("`method` is empty")
    headers = record.get("headers", [])
    try:
        pairs = [(_latin(name), _latin(value)) for name, value in headers]
    except (TypeError, ValueError) as error:
        raise BadLine(f"headers: {error}") from error
    body = _base64(record.get("body_b64") or "")
    dropped = (b"content-length", b"transfer-encoding", b"content-encoding")
    lines = [name + b": " + value for name, value in pairs if name.lower() not in dropped]
    if body or method in (b"POST", b"PUT", b"PATCH"):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([method + b" " + target + b" HTTP/1.1", *lines, b"", b""]) + body


def _base64(text: object) -> bytes:
    if not isinstance(text, str):
        raise BadLine("body_b64 or raw_b64 is not a text")
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise BadLine(f"body_b64 or raw_b64: {error}") from error


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as plain:
        source = gzip.GzipFile(fileobj=plain) if path.suffix == ".gz" else plain
        for number, line in enumerate(source, 1):
            if line.strip():
                yield number, line


def _record(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadLine(f"not JSON: {error}") from error
    if not isinstance(record, dict) or "id" not in record:
        raise BadLine("not an object with an `id`")
    return record


def _text(record: dict[str, Any], key: str) -> bytes:
    value = record.get(key)
    if not isinstance(value, str):
        raise BadLine(f"`{key}` is not a text")
    return _latin(value)


def _latin(text: str) -> bytes:
    """One character is one byte; characters above U+00FF, which no byte stands for, are sent as UTF-8."""
    encoded = text.encode("latin-1") if text.isascii() or max(text) <= "\xff" else text.encode("utf-8", "surrogatepass")
    return encoded.replace(b"\r", b" ").replace(b"\n", b" ")


def _finding_fields(finding: Finding) -> dict[str, object]:
    return {
        "type": finding.type,
        "point": point_text(finding.point),
        "payload": finding.payload,
        "rule": finding.rule,
        "confidence": finding.confidence,
        "grade": finding.grade,
        "severity": finding.severity,
    }
