"""Sequences of exchanges as values, for the tests of behaviour and of sessions."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Any

from tcpmirror.behavior.controls import controls_in_force
from tcpmirror.behavior.counter import Counter, Excess, merged
from tcpmirror.behavior.history import exceeding
from tcpmirror.behavior.watch import Watch
from tcpmirror.model.exchange import Exchange, Request, Response
from tcpmirror.settings.tree import Control

NOON = 1_790_000_000 * 10**9


def exchange(
    target: str = "/",
    method: str = "GET",
    body: bytes = b"",
    status: int = 200,
    at_s: float = 0.0,
    client: str = "192.0.2.1",
    host: str = "shop.example",
    media: str = "application/json",
    answer: bytes = b"",
    answer_headers: tuple[str, ...] = (),
    **headers: str,
) -> Exchange:
    """Return an exchange *at_s* seconds after NOON; underscores in names of headers become hyphens."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
    time_ns = NOON + round(at_s * 1e9)
    request = Request("\r\n".join([*lines, "", ""]).encode(), body, time_ns, method.encode(), target.encode())
    said = [f"HTTP/1.1 {status} X", f"Content-Type: {media}", *answer_headers, "", ""]
    response = Response("\r\n".join(said).encode(), answer, time_ns + 2_000_000, status)
    response.end_ns = time_ns + 3_000_000
    return Exchange(request, response, ipaddress.ip_address(client).packed, 40000, b"\x0a\0\0\2", 80)


def every(seconds: float, count: int, **given: Any) -> Iterator[Exchange]:
    """Yield *count* exchanges *seconds* apart; a value that can be called is called with the number of each."""
    for number in range(count):
        made = {name: value(number) if callable(value) else value for name, value in given.items()}
        yield exchange(at_s=number * seconds, **made)


def counted(exchanges: Iterable[Exchange], *own: Control, breached: frozenset[bytes] = frozenset()) -> list[Counter]:
    """Return what one worker counts."""
    watch = Watch(controls_in_force(own), len(own), breached)
    for each in exchanges:
        watch.observe(each, [])
    return [counter for counter, _ in watch.take()]


def judged(exchanges: Iterable[Exchange], *own: Control, breached: frozenset[bytes] = frozenset()) -> dict[str, Excess]:
    """Return what lies above thresholds, by the name of the control."""
    return above(counted(exchanges, *own, breached=breached))


def above(counters: Iterable[Counter]) -> dict[str, Excess]:
    """Return what of *counters* lies above thresholds, by the name of the control."""
    whole = merged(counters)
    far = (exceeding(counter, whole.get) for counter in whole.values())
    return {counter.key.control: excess for counter in far if (excess := counter.judged()) is not None}
