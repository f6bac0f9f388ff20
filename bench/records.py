"""Labelled requests, one JSON object a line: ``{"id", "category", "label", "method", "uri", "headers", "body_b64"}``.

``label``: ``attack``, ``benign``, ``benign_hard`` (harmless, but holding code, SQL or HTML); others say nothing of a
detector.
``weak``: too little to be called an attack by itself.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tcpmirror.model.exchange import Exchange
from tcpmirror.model.stream import FlowInfo
from tcpmirror.processes.inspect import raw_request
from tcpmirror.protocols.http1 import Http1Factory
from tcpmirror.settings.tree import Settings


def records(directory: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (corpus, record) of all *.jsonl.gz in *directory*, weak ones left out. FileNotFoundError: there are none."""
    files = sorted(directory.glob("*.jsonl.gz"))
    if not files:
        raise FileNotFoundError(f"{directory}: no *.jsonl.gz in it")
    for path in files:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                if not record.get("weak"):
                    yield path.name.split(".")[0], record


def exchange_of(record: dict[str, Any]) -> Exchange:
    """Return the request of *record* as the sensor's parser reads it from the wire."""
    return parsed(raw_request(record))


def parsed(raw: bytes) -> Exchange:
    """Return the first exchange in *raw*; one without a request if the parser can read none."""
    settings = Settings()
    found: list[Exchange] = []
    factory = Http1Factory(
        found.append, settings.limits, response_timeout_ns=settings.reassembly.response_timeout_ns, parse_responses=False
    )
    flow = factory.open_flow(FlowInfo())
    flow.feed(0, raw)
    flow.finish(0)
    return found[0] if found else Exchange(None, None)
