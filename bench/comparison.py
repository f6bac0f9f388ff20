"""tcpmirror and libmodsecurity with the OWASP CRS over the same requests, in one run: what is flagged, and what it costs.

Both see a sample by hash of harmless requests and of attacks, each corpus with the same number, and the inputs that cost
their readers most for their size. CPU of tcpmirror is its detection; that of nginx is its worker's, with the module and, for
what the server itself costs, without.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from bench import modsecurity
from bench.records import parsed, records
from tcpmirror.detect.detector import Detector
from tcpmirror.processes.inspect import BadLine, raw_request

OF_EACH: Final = 40  # requests of each corpus
_FORM: Final = b"Content-Type: application/x-www-form-urlencoded\r\n"
_JSON: Final = b"Content-Type: application/json\r\n"
_XML: Final = b"Content-Type: text/xml\r\n"

Costs = dict[str, dict[str, dict[str, float]]]
Ask = Callable[[bytes], tuple[bool, float] | None]


def compare(detector: Detector, directories: Sequence[Path]) -> Costs:
    """Return kind of requests -> engine -> requests, share flagged, CPU microseconds: mean, p50, p99, max."""
    kinds = sample(directories) | {"worst inputs": [raw for _, raw in worst()]}
    told: Costs = {kind: {"tcpmirror": figures(ours(detector), requests)} for kind, requests in kinds.items()}
    reason = modsecurity.missing()
    if reason:
        print(f"bench: libmodsecurity is not measured: {reason}")
        return told
    for engine, with_rules in (("nginx alone", False), ("nginx, libmodsecurity, CRS", True)):
        with modsecurity.server(with_rules) as server:
            for kind, requests in kinds.items():
                told[kind][engine] = figures(lambda raw, server=server: _theirs(server, raw), requests)
    return told


def sample(directories: Sequence[Path]) -> dict[str, list[bytes]]:
    """Return OF_EACH requests of each corpus, those with the smallest hashes: harmless ones and attacks."""
    ranked: dict[tuple[str, str], list[tuple[bytes, bytes]]] = defaultdict(list)
    for name, record in (item for directory in directories for item in records(directory)):
        if record["label"] in ("benign", "attack"):
            raw = _raw(record)
            if raw is not None:
                ranked[record["label"], name].append((hashlib.sha256(record["id"].encode()).digest(), raw))
    chosen: dict[str, list[bytes]] = {"harmless, mixed": [], "attacks": []}
    for (label, _), items in sorted(ranked.items()):
        chosen["attacks" if label == "attack" else "harmless, mixed"] += [raw for _, raw in sorted(items)[:OF_EACH]]
    return chosen


def _raw(record: dict[str, Any]) -> bytes | None:
    try:
        return raw_request(record)
    except (BadLine, ValueError):
        return None


def worst() -> Iterator[tuple[str, bytes]]:
    """Yield (name, request) of inputs made to cost their readers much: nesting, expansion, backtracking."""
    entities = b"".join(b'<!ENTITY l%d "%s">' % (level, b"&l%d;" % (level - 1) * 10) for level in range(1, 10))
    yield (
        "entities that expand",
        _request(_XML, b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY l0 "lol">' + entities + b"]><l>&l9;</l>"),
    )
    yield "JSON nested", _request(_JSON, b'{"a":' * 400 + b"1" + b"}" * 400)
    yield "JSON keys", _request(_JSON, b"{" + b",".join(b'"key%d":"value of %d"' % (n, n) for n in range(2000)) + b"}")
    yield "percent, many times", _request(_FORM, b"a=%" + b"25" * 8000 + b"27")
    packed = b"'; DROP TABLE users; --"
    for _ in range(6):
        packed = base64.b64encode(packed)
    yield "Base64, six times", _request(_FORM, b"a=" + packed)
    yield "quotes", _request(_FORM, b"a=" + b"'%22" * 8000)
    yield "tags", _request(_FORM, b"a=" + b"<a b='" * 5000)
    yield "operators", _request(_FORM, b"a=" + b"1 or 1 and " * 3000)
    yield "dots and slashes", _request(_FORM, b"a=" + b"../." * 8000)
    yield "parameters", _request(_FORM, b"&".join(b"p%d=v%d" % (n, n) for n in range(900)))


def _request(kind: bytes, body: bytes) -> bytes:
    head = b"POST /store HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\n"
    return head + kind + b"Content-Length: %d\r\n\r\n" % len(body) + body


def ours(detector: Detector) -> Ask:
    def ask(raw: bytes) -> tuple[bool, float]:
        exchange = parsed(raw)
        started = time.thread_time_ns()
        is_flagged = bool(detector.inspect(exchange))
        return is_flagged, (time.thread_time_ns() - started) / 1000

    return ask


def _theirs(server: modsecurity.Server, raw: bytes) -> tuple[bool, float] | None:
    told = server.ask(raw)
    return None if told is None else (told.refused, told.cpu_us)


def figures(ask: Ask, requests: Sequence[bytes]) -> dict[str, float]:
    """Return what *ask* tells of *requests*; those it has no answer for are left out and counted."""
    told = [word for word in map(ask, requests) if word is not None]
    cost = sorted(cpu_us for _, cpu_us in told)
    return {
        "n": len(told),
        "unanswered": len(requests) - len(told),
        "flagged": round(100 * sum(hit for hit, _ in told) / len(told), 2),
        "mean": round(sum(cost) / len(cost), 1),
        "p50": round(cost[len(cost) // 2], 1),
        "p99": round(cost[len(cost) * 99 // 100], 1),
        "max": round(cost[-1], 1),
    }


def table(costs: Costs) -> Iterator[str]:
    yield "| the same requests, in one run | engine | n | flagged % | CPU us mean / p50 / p99 / max |"
    yield "| --- " * 5 + "|"
    for kind, engines in costs.items():
        for engine, row in engines.items():
            shares = f"{row['flagged']:.1f}" if engine != "nginx alone" else "-"
            cpu = " / ".join(f"{row[name]:,.0f}" for name in ("mean", "p50", "p99", "max"))
            yield f"| {kind} | {engine} | {row['n']:.0f} | {shares} | {cpu} |"
    yield ""
