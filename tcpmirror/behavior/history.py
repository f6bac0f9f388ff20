"""What is usual somewhere, and what of a counter is far from it: judged where all is merged, never in a worker.

A history is a counter of unit ``usual``, so it merges as all counters do. That of a route holds for each five minutes the
requests and how many answers there were of each size and wait; that of a resource, for each two hours, which fields of
rights answers hold and requests carry. What fell into a block is held against the blocks before it: so what is told
depends on what was counted and on nothing else, neither the order of merging nor who counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from tcpmirror.behavior.counter import SLOTS_A_WINDOW, Counter, CounterKey, Slot, distinct
from tcpmirror.behavior.window import host_key, is_of_host
from tcpmirror.settings.tree import SECOND

Find = Callable[[CounterKey], Counter | None]

BLOCK_NS: Final = 300 * SECOND  # of a route's history: an hour is kept (USUAL_SLOTS)
FIELDS_BLOCK_NS: Final = 7200 * SECOND  # of a resource's: a day
WAITS_FROM: Final = 128  # bins of waits come behind those of sizes
ANSWERS: Final = 200  # of a route before any of its answers is unusual
QUANTILE: Final = 0.95  # of answers: what so many keep within is usual
LEAST_REQUESTS: Final = 100  # in a slot: fewer are never many
REQUESTS: Final = 20  # without a field, before it is one that is not sent
SENT: Final = 3  # requests, and sources, that send a field which "is not sent"


def exceeding(counter: Counter, find: Find, part: int = 1) -> Counter:
    """Return what of *counter* is far from usual, as a counter of plain requests; *find*: histories by their keys.

    One that needs no history is returned as it is. *part*: what has so small a part of its limit counts too, and all where
    nothing is known: what is worth telling to whom knows more.
    """
    key = counter.key
    judge = _JUDGES.get(key.unit)
    if judge is None:
        return counter if key.unit not in ("usual", "unchecked", "profile") else Counter(key)
    slots = {}
    for number, slot in counter.slots.items():
        count = judge(key, number, slot, find, part)
        if count > 0:
            slots[number] = Slot(count, slot.first_ns, slot.last_ns)
    return Counter(key._replace(unit="requests"), slots)


def needed(key: CounterKey) -> tuple[CounterKey, ...]:
    """Return the keys of the histories by which a counter of *key* is judged."""
    if key.unit in ("sizes", "waits", "surges"):
        return (route_key(key.host, key.path, key.method),)
    if key.unit == "fields":
        return (
            answers_key(key.host, key.path, key.point[-1]),
            requests_key(key.host, key.path, key.method),
            requests_key(key.host, key.path, key.method, key.point[-1]),
        )
    return (host_key(key),) if key.unit == "profile" and not is_of_host(key) else ()


def route_key(host: str, path: str, method: str) -> CounterKey:
    """Name the history of a route."""
    return CounterKey("route", "", "usual", SLOTS_A_WINDOW * BLOCK_NS, 0, "", host, path, (), 0, method)


def answers_key(host: str, path: str, name: str) -> CounterKey:
    """Name the history of a field in answers of the resource at *path*."""
    return _fields_key("answers", host, path, (name,), "")


def requests_key(host: str, path: str, method: str, name: str = "") -> CounterKey:
    """Name the history of requests to the resource at *path*: of all, or of those with the field *name*."""
    return _fields_key("requests", host, path, (name,) if name else (), method)


def resource_of(path: str) -> str:
    """Return the resource at *path*, a route's: with the value at its end it is the same."""
    return path.removesuffix("/").removesuffix("/{}").removesuffix("/me")


def _fields_key(control: str, host: str, path: str, point: tuple[str, ...], method: str) -> CounterKey:
    return CounterKey(
        control, "", "usual", SLOTS_A_WINDOW * FIELDS_BLOCK_NS, 0, "", host, resource_of(path), point, 0, method
    )


def least_of(bin_number: int) -> int:
    """Return the smallest value in a bin: there are two to an octave, from 2**n and from 1.5 * 2**n on."""
    octave, upper = divmod(bin_number, 2)
    return (2 + upper) << octave >> 1


def _block(key: CounterKey, number: int, block_ns: int) -> int:
    """Return the block in which slot *number* of a counter of *key* begins."""
    return number * key.slot_ns // block_ns


def _far(key: CounterKey, number: int, slot: Slot, find: Find, part: int) -> int:
    """How many answers of *slot* were `limit` times as large, or as long in coming, as usual."""
    history = find(route_key(key.host, key.path, key.method))
    usual = None if history is None else _usual(history, _block(key, number, BLOCK_NS), key.unit == "waits")
    if usual is None:
        return slot.count if part > 1 else 0
    return sum(count for each, count in slot.bins.items() if least_of(each) * part >= usual * key.limit)


def _usual(history: Counter, block: int, is_of_waits: bool) -> int | None:
    """Return what QUANTILE of the answers before *block* keep within; None where there were too few."""
    pooled: dict[int, int] = {}
    for number, slot in history.slots.items():
        if number < block:
            for each, count in slot.bins.items():
                if (each >= WAITS_FROM) is is_of_waits:
                    pooled[each] = pooled.get(each, 0) + count
    total = sum(pooled.values())
    if total < ANSWERS:
        return None
    beyond = 0
    for each in sorted(pooled, reverse=True):
        beyond += pooled[each]
        if beyond > (1 - QUANTILE) * total:
            break
    return least_of(each % WAITS_FROM + 1)


def _surge(key: CounterKey, number: int, slot: Slot, find: Find, part: int) -> int:
    """How many requests of *slot* came beyond `limit` times as many as usual."""
    history = find(route_key(key.host, key.path, key.method))
    usual = None if history is None else _rate(history, _block(key, number, BLOCK_NS))
    if usual is None:
        return slot.count if part > 1 else 0
    accepted = max(LEAST_REQUESTS, int(key.limit * usual * key.slot_ns)) // part
    return slot.count - accepted if slot.count > max(LEAST_REQUESTS // part, accepted) else 0


def _rate(history: Counter, block: int) -> float | None:
    """Return the requests a nanosecond in the middle one of the blocks before *block*; None: they are too short a time.

    The middle one, so that an attack is not what is usual before it has lasted for half of what is kept.
    """
    before = sorted(number for number in history.slots if number < block)
    if not before:
        return None
    begin_ns = history.slots[before[0]].first_ns
    if block * BLOCK_NS - begin_ns < BLOCK_NS:
        return None
    rates = []
    for number in range(before[0], block):
        slot = history.slots.get(number)
        length = (number + 1) * BLOCK_NS - max(begin_ns, number * BLOCK_NS)
        if length >= BLOCK_NS // 5:
            rates.append(slot.count / length if slot else 0.0)
    return sorted(rates)[(len(rates) - 1) // 2]


def _field(key: CounterKey, number: int, slot: Slot, find: Find, part: int) -> int:
    """How many requests of *slot* carried a field that answers know and others do not send.

    Until then fewer than SENT carried it; until the end of the block fewer than SENT sources do, and REQUESTS go without.
    """
    answers, requests, carrying = map(find, needed(key))
    if part > 1:
        return slot.count
    if answers is None or requests is None or carrying is None:
        return 0
    block = _block(key, number, FIELDS_BLOCK_NS)
    sent = sum(slot.count for _, slot in _until(carrying, block))
    others = sum(slot.count for _, slot in _until(requests, block)) - sent
    sent_before = sum(slot.count for at, slot in _until(carrying, block) if at < block)
    sources = distinct(frozenset().union(*(slot.hashes for _, slot in _until(carrying, block))))
    return slot.count if others >= REQUESTS and sent_before < SENT and sources < SENT else 0


def _until(history: Counter, block: int) -> Iterator[tuple[int, Slot]]:
    return ((number, slot) for number, slot in history.slots.items() if number <= block)


_JUDGES: Final[dict[str, Callable[[CounterKey, int, Slot, Find, int], int]]] = {
    "sizes": _far,
    "waits": _far,
    "surges": _surge,
    "fields": _field,
}


def complete(history: Counter, latest_ns: int) -> bool:
    """Tell whether all blocks of *history* are over."""
    return (history.newest_slot + 1) * history.key.slot_ns <= latest_ns


def find_in(*tables: dict[CounterKey, Counter]) -> Find:
    """Return what finds a history in the first of *tables* that has it."""

    def find(key: CounterKey) -> Counter | None:
        return next((found for table in tables if (found := table.get(key)) is not None), None)

    return find


def split(counters: Iterable[Counter]) -> tuple[list[Counter], list[Counter]]:
    """Return (those that count what somebody did, histories); the profile of a host tells what is usual there."""
    rest: list[Counter] = []
    histories: list[Counter] = []
    for counter in counters:
        (histories if counter.key.unit == "usual" or is_of_host(counter.key) else rest).append(counter)
    return rest, histories
