"""`python -m bench.cloud`: fill a store, time what the pages ask of it, measure ingestion.

    python -m bench.cloud all                  all of it on both kinds of store, in a directory that goes away
    python -m bench.cloud fill big.db          2,000,000 hits in 200,000 attacks
    python -m bench.cloud time big.db          each question while a thousand findings a second come in
    python -m bench.cloud search big.db        every term of the search language, alone, negated and with others
    python -m bench.cloud ingest new.db        findings a second

A store is an SQLite file or a `postgresql://` address. Exit code 1: the store to be filled is not empty.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from bench.cloud.filling import NotEmptyError, fill
from bench.cloud.ingesting import ingestion_rate
from bench.cloud.terms import Waited, waits
from bench.cloud.timings import timings
from bench.postgresql import PostgreSQL
from tcpmirror.cloud.database import Database, open_database


def main() -> int:
    options = _arguments().parse_args()
    if options.do is _all:
        return _all(options)
    database = open_database(options.address)
    try:
        return int(options.do(database, options))
    finally:
        database.close()


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.cloud")
    commands = parser.add_subparsers(required=True)
    everything = commands.add_parser("all", help="ingest, fill and time, on both kinds of store")
    everything.set_defaults(do=_all)
    filling = commands.add_parser("fill", help="store many hits in an empty store")
    filling.set_defaults(do=_fill)
    timing = commands.add_parser("time", help="time what the pages ask")
    timing.set_defaults(do=_time)
    searching = commands.add_parser("search", help="time every term of the search language")
    searching.set_defaults(do=_search)
    ingesting = commands.add_parser("ingest", help="measure ingestion")
    ingesting.set_defaults(do=_ingest)
    for command in (everything, filling):
        command.add_argument("--attacks", type=int, default=200_000)
        command.add_argument("--hits", type=int, default=2_000_000)
    for command in (everything, timing, searching):
        command.add_argument("--idle", action="store_true", help="with nothing coming in meanwhile")
    for command in (everything, ingesting):
        command.add_argument("--batches", type=int, default=200, help="of 500 findings")
        command.add_argument("--senders", type=int, default=4, help="sensors that send at the same time, after one alone")
    for command in (filling, timing, searching, ingesting):
        command.add_argument("address")
    return parser


def _all(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="tcpmirror-bench-") as directory, PostgreSQL(durable=True) as server:
        for title, address in (("SQLite", str(Path(directory) / "cloud.db")), ("PostgreSQL", server.new_database())):
            print(f"\n{title}", flush=True)
            database = open_database(address)
            _fill(database, options)
            _time(database, options)
            _search(database, options)
            _ingest(database, options)
            database.close()
    return 0


def _fill(database: Database, options: argparse.Namespace) -> int:
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)

    try:
        fill(database, options.attacks, options.hits, say)
    except NotEmptyError:
        print("bench.cloud: the store is not empty", file=sys.stderr)
        return 1
    return 0


def _time(database: Database, options: argparse.Namespace) -> int:
    print(f"{'':64} median ms  longest ms  CPU ms")
    for timing in timings(database, not options.idle):
        print(f"{timing.name:64} {timing.median_ms:9.1f} {timing.longest_ms:11.1f} {timing.cpu_ms:7.1f}", flush=True)
    return 0


def _search(database: Database, options: argparse.Namespace) -> int:
    print(f"{'milliseconds':72} newest  most hits  by target  count    CPU")
    slowest: list[Waited] = []
    for each in waits(database, not options.idle):
        pages = "  ".join(f"{took:8.0f}" for took in each.pages_ms.values())
        print(f"{each.search[:70]:70} {pages}  {each.count_ms:5.0f} {each.cpu_ms:6.0f}", flush=True)
        slowest = sorted([*slowest, each], key=lambda one: -one.longest_ms)[:5]
    print("slowest:", *(f"{one.longest_ms:.0f} ms {one.search[:60]}" for one in slowest), sep="\n  ")
    return 0


def _ingest(database: Database, options: argparse.Namespace) -> int:
    for senders in (1, options.senders):
        rate = ingestion_rate(database, options.batches, senders)
        took = f"{rate.findings:,} findings in {rate.wall_s:.1f} s ({rate.cpu_s:.1f} s of CPU)"
        print(f"{senders} sensor(s): {took}: {rate.per_second:,.0f} a second", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
