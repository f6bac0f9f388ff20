"""How long the pages and the query API wait for the store, while batches come in."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Final

from bench.cloud.ingesting import batch_of
from tcpmirror.cloud.attacks import (
    GROUPINGS,
    ORDERS,
    attack_detail,
    count_attacks,
    group_attacks,
    hit_detail,
    list_attacks,
    list_hits,
    summary,
)
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.ingest import store_batch
from tcpmirror.cloud.nodes import list_nodes
from tcpmirror.cloud.search.language import parse
from tcpmirror.cloud.search.tree import All, Query
from tcpmirror.cloud.search.writing import term
from tcpmirror.cloud.trends import trend

_HOUR_NS: Final = 3_600 * 10**9
_PAGE: Final = 50
_RUNS: Final = 5
_PAUSE_S: Final = 0.5  # between batches of 500: a thousand findings a second


# Each key of the language at least once, common and rare, and what has to look at every attack.
SEARCHES: Final = (
    "",
    "sqli",
    "mail_injection",
    "!scanner",
    "last 24h",
    "yesterday",
    "ip:10.0.0.0/8",
    "ip:2001:db8::/32",
    "ip:100+",
    "domain:shop*",
    "domain:no-such-host",
    "url:/admin*",
    "param:id",
    "param:[post]",
    "payload:*union*",
    "payload:*nowhere*",
    "statuscode:5xx",
    "statuscode:404",
    "statuscode:none",
    "method:DELETE",
    "size:>1m",
    "n:1000+",
    "proto:graphql",
    "auth:jwt",
    "target:database",
    "risk:low",
    "owasp_a03_2021",
    "cwe:89",
    "rule:xss*",
    "anomaly:gap",
    "app:3",
    "node:mirror-3",
    "node:nowhere",
    "union",
    '"no such text"',
    "attacks sqli last 24h ip:10.0.0.0/8 statuscode:5* !scanner",
    "(xss OR sqli) !(statuscode:404 OR method:GET) ip:1.",
)


@dataclass(frozen=True, slots=True)
class Timing:
    """One question, and how long it took: the median and the longest of some runs, in milliseconds.

    ``cpu_ms``: the median of what the asking thread computed; an SQLite store is read in it, PostgreSQL computes elsewhere.
    """

    name: str
    median_ms: float
    longest_ms: float
    cpu_ms: float


def timings(database: Database, busy: bool = True) -> Iterator[Timing]:
    """Ask each of `questions` a few times; with *busy* while a thousand findings a second come in."""
    with ingestion_going_on(database) if busy else _nothing():
        for name, ask in questions(database).items():
            yield _timed(name, ask)


def questions(database: Database) -> dict[str, Callable[[], object]]:
    """Return what the pages ask, by name; each call asks anew."""
    first = list_attacks(database, All(), _PAGE)
    largest = max(first.rows, key=lambda row: row.hits)
    newest_hit = list_hits(database, largest.id, 1).rows[0]
    searches = (*SEARCHES, term("ip", largest.last_source), f"request_id:{newest_hit.report_id}")
    asked: dict[str, Callable[[], object]] = {}
    for search in searches:
        asked[f"first page: {search}"] = lambda search=search: list_attacks(database, _parsed(search), _PAGE)
        asked[f"count: {search}"] = lambda search=search: count_attacks(database, _parsed(search))
    for name in ORDERS:
        asked[f"first page by {name}"] = lambda name=name: list_attacks(database, All(), _PAGE, None, ORDERS[name])
    for by in GROUPINGS:
        asked[f"all, by {by}"] = lambda by=by: group_attacks(database, All(), by, _PAGE)
    return asked | {
        "second page: all": lambda: list_attacks(database, All(), _PAGE, first.next_cursor),
        "one attack": lambda: attack_detail(database, largest.id),
        "hits of an attack": lambda: list_hits(database, largest.id, _PAGE),
        "one hit": lambda: hit_detail(database, newest_hit.id),
        "summary: day": lambda: summary(database, time.time_ns() - 24 * _HOUR_NS),
        "summary: all": lambda: summary(database, 0),
        "nodes": lambda: list_nodes(database),
        "trend of a day": lambda: trend(database, 24 * _HOUR_NS, 48, time.time_ns()),
        "trend of 30 days": lambda: trend(database, 30 * 24 * _HOUR_NS, 60, time.time_ns()),
    }


def _parsed(search: str) -> Query:
    return parse(search, time.time_ns())


@contextmanager
def ingestion_going_on(database: Database) -> Iterator[None]:
    """Store batches in a thread until the block ends."""
    stop = threading.Event()

    def send() -> None:
        for number in count():
            if stop.wait(_PAUSE_S):
                return
            store_batch(database, "bench", batch_of(number, time.time_ns()), time.time_ns())

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        stop.set()
        sender.join()


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _timed(name: str, ask: Callable[[], object]) -> Timing:
    took: list[float] = []
    computed: list[float] = []
    for _ in range(_RUNS):
        began, cpu_began = time.perf_counter(), time.thread_time()
        ask()
        took.append((time.perf_counter() - began) * 1000)
        computed.append((time.thread_time() - cpu_began) * 1000)
    return Timing(name, statistics.median(took), max(took), statistics.median(computed))
