"""Fills an empty store with many hits, straight into the tables: what ingestion would have left, but sooner."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from random import Random
from typing import Any, Final

from sqlalchemy import Connection, Table, func, insert, select, text

from bench.cloud.skew import AttackPlan, Population, country_of, request_of, sizes
from tcpmirror.cloud.attack_sums import COUNTRY, SOURCE, TARGET, Sum, Sums, add_sums
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.grouping import attack_key
from tcpmirror.cloud.schema import addresses, attacks, facets, hits, nodes, reports
from tcpmirror.cloud.search.keys import number_of_address
from tcpmirror.cloud.traits import joined
from tcpmirror.cloud.trends import count_hits
from tcpmirror.model.report import report_id

_ROWS: Final = 5_000
_NODES: Final = 8
_RESPONSE: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n" + b'{"status":"ok","items":[]}\n'
)


class NotEmptyError(Exception):
    """The store holds hits already."""


def fill(database: Database, attack_count: int, hit_count: int, say: Callable[[str], None], seed: int = 1) -> None:
    """Store *hit_count* hits in *attack_count* attacks that end now; NotEmptyError if there are any yet."""
    with database.reading() as connection:
        if connection.execute(select(func.count()).select_from(attacks)).scalar_one():
            raise NotEmptyError
    population = Population(seed, time.time_ns())
    plans = sorted((population.attack(size) for size in sizes(attack_count, hit_count)), key=lambda plan: plan.first_ns)
    _insert(database, nodes, _node_rows())
    _insert(database, attacks, (_attack_row(number, plan) for number, plan in enumerate(plans, 1)))
    say(f"{attack_count:,} attacks")
    seen: list[Counter[tuple[str, str]]] = [Counter() for _ in plans]
    _insert_hits(database, plans, seen, Random(seed), say)
    _insert(database, facets, _facet_rows(seen))
    _insert(database, addresses, _address_rows(seen))
    with database.writing() as connection:
        add_sums(connection, _sums_of(seen, plans))
    say("facets")
    _finish(database, seen)
    say("counts")


def _insert(database: Database, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    for chunk in _chunks(rows):
        with database.writing() as connection:
            connection.execute(insert(table), chunk)


def _insert_hits(
    database: Database,
    plans: Sequence[AttackPlan],
    seen: Sequence[Counter[tuple[str, str]]],
    draw: Random,
    say: Callable[[str], None],
) -> None:
    """Store the hits of all *plans* in the order of their times, as sensors would have sent them."""
    bits = len(plans).bit_length()
    in_time = sorted(
        (plan.first_ns + plan.step_ns * at) << bits | number for number, plan in enumerate(plans) for at in range(plan.hits)
    )
    mask = (1 << bits) - 1
    done = 0
    for chunk in _chunks(in_time):
        drawn = [_hit(draw, plans[each & mask], each & mask, each >> bits, seen[each & mask]) for each in chunk]
        with database.writing() as connection:
            connection.execute(insert(reports), [report for report, _ in drawn])
            connection.execute(insert(hits), [hit for _, hit in drawn])
            count_hits(connection, ((hit["time_ns"], hit["type"]) for _, hit in drawn))
        done += len(chunk)
        if done % 200_000 < _ROWS:
            say(f"{done:,} hits")


def _hit(
    draw: Random, plan: AttackPlan, number: int, time_ns: int, seen: Counter[tuple[str, str]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    source, payload, status = draw.choice(plan.sources), draw.choice(plan.payloads), draw.choice(plan.statuses)
    seen.update((("source", source), ("payload", payload), ("status", "" if status is None else str(status))))
    name = report_id(source, plan.host, time_ns, draw.getrandbits(64))
    uri = f"{plan.path}?{plan.parameter}={payload}"
    point = ["get", plan.parameter]
    finding = {"type": plan.type, "point": point, "payload": payload, "rule": f"{plan.type}.bench", "confidence": 0.9}
    report = {
        "id": name,
        "node_id": f"{number % _NODES:032x}",
        "time_ns": time_ns,
        "duration_ns": 1_500_000,
        "client": f"{source}:{1024 + number % 60_000}",
        "server": "10.0.0.5:80",
        "real_ip": source,
        "encapsulation": "vlan:100",
        "protocol": "HTTP/1.1",
        "method": plan.method,
        "host": plan.host,
        "uri": uri,
        "status": status,
        "request_bytes": 0,
        "response_bytes": 27,
        "application": -1,
        "anomalies": [],
        "findings": [finding],
        "request": request_of(plan, uri),
        "response": _RESPONSE,
    }
    hit = {
        "attack_id": number + 1,
        "report_id": name,
        "time_ns": time_ns,
        "type": plan.type,
        "point": point,
        "payloads": [payload],
        "rule": f"{plan.type}.bench",
        "confidence": 0.9,
    }
    return report, hit


def _attack_row(number: int, plan: AttackPlan) -> dict[str, Any]:
    point = ("get", plan.parameter)
    return {
        "id": number,
        "key": attack_key(plan.type, point, plan.host, plan.path),
        "type": plan.type,
        "point": list(point),
        "parameter": plan.parameter,
        "host": plan.host,
        "path": plan.path,
        "method": plan.method,
        "server": "10.0.0.5:80",
        "first_ns": plan.first_ns,
        "last_ns": plan.last_ns,
        "hits": plan.hits,
        "payloads": 0,
        "sources": 0,
        "last_source": plan.sources[0],
        "last_payload": plan.payloads[0],
        "last_status": plan.statuses[0],
        "confidence": 0.9,
        "traits": _traits(number, plan),
        "response_least": 27,
        "response_most": 27,
    }


def _traits(number: int, plan: AttackPlan) -> str:
    words = (f"method:{plan.method.lower()}", f"rule:{plan.type}.bench", f"node:{number % _NODES:032x}")
    rare = ("auth:jwt",) if number % 50 == 0 else ("auth:none",)
    countries = [f"country:{country.lower() or 'none'}" for country in _countries(plan)]
    return joined("", (*words, *rare, *(("anomaly:gap",) if number % 1000 == 0 else ()), *countries))


def _countries(plan: AttackPlan) -> set[str]:
    return {country_of(source) for source in plan.sources}


def _address_rows(seen: Sequence[Counter[tuple[str, str]]]) -> Iterator[dict[str, Any]]:
    for address in sorted({value for counts in seen for kind, value in counts if kind == "source"}):
        yield {"address": address, "number": f"{number_of_address(address):032x}", "country": country_of(address)}


def _facet_rows(seen: Sequence[Counter[tuple[str, str]]]) -> Iterator[dict[str, Any]]:
    for number, counts in enumerate(seen, 1):
        for (kind, value), count in counts.items():
            yield {"attack_id": number, "kind": kind, "value": value, "hits": count}


def _node_rows() -> Iterator[dict[str, Any]]:
    for number in range(_NODES):
        yield {
            "id": f"{number:032x}",
            "secret_sha256": bytes(32),
            "name": f"mirror-{number}",
            "group_name": "bench",
            "version": "0.1.0",
            "mode": "tcp-capture-v2",
            "hostname": f"mirror-{number}.example",
            "registered_ns": time.time_ns(),
            "last_seen_ns": time.time_ns(),
            "stats": {"packets": 10**9 + number},
        }


def _finish(database: Database, seen: Sequence[Counter[tuple[str, str]]]) -> None:
    with database.writing() as connection:
        for kind, column in (("source", "sources"), ("payload", "payloads")):
            rows = [
                {"number": number, "count": sum(1 for each, _ in counts if each == kind)}
                for number, counts in enumerate(seen, 1)
            ]
            connection.execute(text(f"update attacks set {column} = :count where id = :number"), rows)
        if connection.dialect.name == "postgresql":
            _go_on_counting(connection)
    with database.writing() as connection:
        connection.exec_driver_sql("ANALYZE")


def _sums_of(seen: Sequence[Counter[tuple[str, str]]], plans: Sequence[AttackPlan]) -> Sums:
    sums: Sums = {}
    for counts, plan in zip(seen, plans, strict=True):
        sums.setdefault((TARGET, plan.host, plan.type), Sum()).add(1, plan.hits, plan.last_ns)
        for country in _countries(plan):
            sums.setdefault((COUNTRY, country, plan.type), Sum()).add(1, 0, plan.last_ns)
        for (kind, value), number in counts.items():
            if kind == "source":
                sums.setdefault((SOURCE, value, plan.type), Sum()).add(1, number, plan.last_ns)
    return sums


def _go_on_counting(connection: Connection) -> None:
    # PostgreSQL's sequence did not see the ids that were given.
    connection.exec_driver_sql("select setval(pg_get_serial_sequence('attacks', 'id'), (select max(id) from attacks))")


def _chunks(rows: Iterable[Any]) -> Iterator[list[Any]]:
    left = iter(rows)
    while chunk := list(islice(left, _ROWS)):
        yield chunk
