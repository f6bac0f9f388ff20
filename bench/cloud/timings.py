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
    AttackFilter,
    attack_detail,
    attack_types,
    count_attacks,
    hit_detail,
    list_attacks,
    list_hits,
    summary,
)
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.ingest import store_batch
from tcpmirror.cloud.nodes import list_nodes

_HOUR_NS: Final = 3_600 * 10**9
_PAGE: Final = 50
_RUNS: Final = 5
_PAUSE_S: Final = 0.5  # between batches of 500: a thousand findings a second


@dataclass(frozen=True, slots=True)
class Timing:
    """One question, and how long it took: the median and the longest of some runs, in milliseconds."""

    name: str
    median_ms: float
    longest_ms: float


def timings(database: Database, busy: bool = True) -> Iterator[Timing]:
    """Ask each of `questions` a few times; with *busy* while a thousand findings a second come in."""
    with ingestion_going_on(database) if busy else _nothing():
        for name, ask in questions(database).items():
            yield _timed(name, ask)


def questions(database: Database) -> dict[str, Callable[[], object]]:
    """Return what the pages ask, by name; each call asks anew."""
    first = list_attacks(database, AttackFilter(), _PAGE)
    largest = max(first.rows, key=lambda row: row.hits)
    newest_hit = list_hits(database, largest.id, 1).rows[0]
    filters = {
        "all": AttackFilter(),
        "type": AttackFilter(type="sqli"),
        "rare type": AttackFilter(type="mail_injection"),
        "source": AttackFilter(source=largest.last_source),
        "network": AttackFilter(source="10."),
        "host": AttackFilter(host="shop"),
        "path": AttackFilter(path="/admin"),
        "status 5xx": AttackFilter(status="5xx"),
        "nothing": AttackFilter(host="no-such-host"),
        "last day": AttackFilter(since_ns=time.time_ns() - 24 * _HOUR_NS),
        "type, source, status": AttackFilter(type="xss", source="1", status="404"),
    }
    asked: dict[str, Callable[[], object]] = {}
    for name, wanted in filters.items():
        asked[f"first page: {name}"] = lambda wanted=wanted: list_attacks(database, wanted, _PAGE)
        asked[f"count: {name}"] = lambda wanted=wanted: count_attacks(database, wanted)
    return asked | {
        "second page: all": lambda: list_attacks(database, AttackFilter(), _PAGE, first.next_cursor),
        "one attack": lambda: attack_detail(database, largest.id),
        "hits of an attack": lambda: list_hits(database, largest.id, _PAGE),
        "one hit": lambda: hit_detail(database, newest_hit.id),
        "summary: day": lambda: summary(database, time.time_ns() - 24 * _HOUR_NS),
        "summary: all": lambda: summary(database, 0),
        "types": lambda: attack_types(database),
        "nodes": lambda: list_nodes(database),
    }


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
    for _ in range(_RUNS):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1000)
    return Timing(name, statistics.median(took), max(took))
