"""Every term of the search language, alone, negated and with others: how long a list waits for the slowest of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from bench.cloud.timings import ingestion_going_on
from tcpmirror.cloud.attacks import ORDERS, count_attacks, list_attacks
from tcpmirror.cloud.database import Database
from tcpmirror.cloud.search.keys import KEYS
from tcpmirror.cloud.search.language import parse

_PAGE: Final = 50
_RUNS: Final = 3
_LISTS: Final = ("-last", "-hits", "target")  # orders with an index and one without

# Of each key what most attacks have, what few have and what none has, and the worst that its wildcards can do.
_VALUES: Final = {
    "type": "sqli mail_injection *a* nosuch*",
    "ip": "0.0.0.0/0 ::/0 1.1.1.1 10.0.0.0/8 1+ 1000+",
    "country": "US NL ZZ",
    "source": "tor",
    "network": "AS64500 *net* nosuch",
    "list": "any deny",
    "domain": "* *o* shop* nosuch",
    "url": "*e* *a*b*c* /nowhere",
    "param": "id *zz* [get] [post]",
    "payload": "* ? *e* *union* *a*e*i*o*u* *nowhere*",
    "statuscode": "404 200 none 418 5xx 1-999",
    "method": "GET DELETE FOO *",
    "size": "27 >1m",
    "n": "1 1000+ 1000000+",
    "proto": "graphql",
    "auth": "none jwt scram",
    "target": "client database server",
    "risk": "high low",
    "severity": "high",
    "grade": "injection",
    "owasp": "owasp_a03_2021",
    "cwe": "1 89 1-1000",
    "rule": "* sqli* nosuch",
    "anomaly": "gap nosuch",
    "app": "3 1-100 0-999999999999",
    "node": "* mirror-3 nowhere",
    "state": "open closed",
    "assignee": "maria *",
    "request_id": "31f20f96eb24894493b5727496132168",
    "id": "17 1-100000",
}
_WORDS: Final = (
    "", "*", "e", "zzzz", '"%"', "attacks", "incidents", "sampled", "graphql_attacks", "last 24h", "last 30d",
    "until 2020-01-01", "yesterday",
)  # fmt: skip
# As much as the language lets anybody ask for at once, and what people ask for.
_TOGETHER: Final = (
    "attacks sqli last 24h ip:10.0.0.0/8 statuscode:5* !scanner",
    "(xss OR sqli) !(statuscode:404 OR method:GET) ip:1.",
    "payload:*nowhere* !statuscode:404 !ip:1.",
    "payload:*union* !payload:*1* !domain:shop* statuscode:5xx",
    "payload:*nowhere* OR payload:*nothing* OR zzzz OR url:*qqq*",
    "!payload:*u* !payload:*e* !payload:*a*",
    "payload:*0*,*1*,*2*,*3*,*4*,*5*,*6*,*7*,*8*,*9*",
    " ".join(f"payload:*{each}*" for each in range(5)),
    " ".join(f"!payload:*zz{each}*" for each in range(5)),
    " ".join("abcdefghij"),
    " OR ".join(f"zzz{each}" for each in range(10)),
    " ".join(f"!zzz{each}" for each in range(10)),
    "ip:0.0.0.0/0 !ip:128.0.0.0/1 payload:*e*",
    " ".join(f"!statuscode:1-{each}" for each in range(2, 12)),
    " ".join(f"!anomaly:no{each}" for each in range(20)),
    "app:" + ",".join(f"1-{9 * 10**each}" for each in range(18)),
    "ip:0.0.0.0/1 statuscode:5xx payload:*a* !payload:*b*",
    "network:*net* !network:*a* payload:*nowhere*",
    "!(node:mirror-1 OR node:mirror-2 OR node:mirror-3)",
)


@dataclass(frozen=True, slots=True)
class Waited:
    """How long a list and its count waited for a search, medians in milliseconds; ``cpu_ms``: of the thread that asks."""

    search: str
    pages_ms: dict[str, float]
    count_ms: float
    cpu_ms: float

    @property
    def longest_ms(self) -> float:
        return max(*self.pages_ms.values(), self.count_ms)


def searches() -> Iterator[str]:
    """Yield all that is asked; every key of the language is among it."""
    assert _VALUES.keys() == {key.name for key in KEYS}, "each key has values here"
    alone = [*_WORDS, *(f"{key}:{value}" for key, values in _VALUES.items() for value in values.split())]
    for search in alone:
        yield search
        if search and " " not in search:
            yield "!" + search
    yield from _TOGETHER


def waits(database: Database, busy: bool) -> Iterator[Waited]:
    """Ask for each of `searches`; with *busy* while a thousand findings a second come in."""
    if busy:
        with ingestion_going_on(database):
            yield from waits(database, busy=False)
        return
    for search in searches():
        yield _waited(database, search)


def _waited(database: Database, search: str) -> Waited:
    wanted = parse(search, time.time_ns())
    pages = {name: _median(lambda name=name: list_attacks(database, wanted, _PAGE, None, ORDERS[name])) for name in _LISTS}
    counted_ms, counted_cpu_ms = _median(lambda: count_attacks(database, wanted))
    cpu_ms = max(counted_cpu_ms, *(computed for _, computed in pages.values()))
    return Waited(search, {name: took for name, (took, _) in pages.items()}, counted_ms, cpu_ms)


def _median(ask: Callable[[], object]) -> tuple[float, float]:
    took, computed = [], []
    for _ in range(_RUNS):
        began, cpu_began = time.perf_counter(), time.thread_time()
        ask()
        took.append((time.perf_counter() - began) * 1000)
        computed.append((time.thread_time() - cpu_began) * 1000)
    return statistics.median(took), statistics.median(computed)
