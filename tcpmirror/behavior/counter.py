"""Counters: how often, or with how many different values, somebody did something, in slots of packet time that merge.

A window is SLOTS_A_WINDOW slots long; a slot begins at a whole multiple of its length since 1970, so all workers and sensors
cut time alike. Merging adds counts and unites the smallest hashes of values (bottom-k sketch: K. Beyer et al., "On synopses
for distinct-value estimation under multiset operations", SIGMOD 2007), so its order does not matter. Whoever merges takes
each digest once, by its id.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from tcpmirror.behavior.traits import Traits, unpacked

SLOTS_A_WINDOW: Final = 6
HASHES: Final = 128  # of a slot, and of a window: exact below, then an estimate with a standard error of 9 %
HASH_SPAN: Final = 1 << 32
SLOTS: Final = 64  # of a counter: the newest are kept, so ten windows
SAMPLES: Final = 4  # exchanges kept as evidence
SAMPLE_BYTES: Final = 96 * 1024
TEXT: Final = 512
_LARGEST: Final = 2**63 - 1

# Counted one by one, or by what differs; then what only a history can judge (`history`); what is usual itself; and logins
# whose password the exporter has to ask about, its SHA-1 in ``method``: those never leave the sensor. Profiles are `bots`'.
UNITS: Final = ("requests", "values", "sizes", "waits", "surges", "fields", "usual", "profile", "unchecked")
USUAL_SLOTS: Final = 12  # of a history, and of a profile
BINS: Final = 256  # of a slot


class CounterKey(NamedTuple):
    """Whose counter: the control with what it asks for, who is counted (an address, a session, or "" for all) and where.

    ``unit``: ``requests`` counts each, ``values`` different ones; of the others `history` tells. ``point``: the parameter
    whose values are counted, or (). ``limit``: how often a request may have what is usual. ``method``: where it matters.
    """

    control: str
    type: str
    unit: str
    window_ns: int
    threshold: int
    subject: str
    host: str
    path: str
    point: tuple[str, ...] = ()
    limit: int = 0
    method: str = ""

    @property
    def slot_ns(self) -> int:
        return max(1, self.window_ns // SLOTS_A_WINDOW)

    @property
    def digest(self) -> bytes:
        """Sixteen bytes that name the counter."""
        return hashlib.blake2b(repr(tuple(self)).encode("utf-8", "backslashreplace"), digest_size=16).digest()


@dataclass(slots=True)
class Slot:
    """What fell into one slot. ``hashes``: the smallest of its values'. ``bins``: how many there were of each size.

    ``traits``: what the requests of a profile were like.
    """

    count: int = 0
    first_ns: int = 0
    last_ns: int = 0
    hashes: AbstractSet[int] = frozenset()
    bins: dict[int, int] = field(default_factory=dict)
    traits: Traits | None = None

    def merge(self, other: Slot) -> None:
        self.count += other.count
        self.first_ns = min(self.first_ns or other.first_ns, other.first_ns or self.first_ns)
        self.last_ns = max(self.last_ns, other.last_ns)
        if other.hashes:
            self.hashes = smallest(self.hashes | other.hashes)
        for each, count in other.bins.items():
            self.bins[each] = self.bins.get(each, 0) + count
        if other.traits is not None:
            self.traits = self.traits or Traits()
            self.traits.merge(other.traits)


class Sample(NamedTuple):
    """An exchange that was counted: evidence. ``report``: its JSON, as the cloud takes reports."""

    time_ns: int
    id: str
    report: bytes


@dataclass(frozen=True, slots=True)
class Excess:
    """What lies above a threshold. ``marked``: how many requests followed it; ``peak``: the most in any window."""

    marked: int
    first_ns: int
    last_ns: int
    peak: int


@dataclass(slots=True)
class Counter:
    """The slots of one key, by number, and samples."""

    key: CounterKey
    slots: dict[int, Slot] = field(default_factory=dict)
    samples: set[Sample] = field(default_factory=set)

    def merge(self, other: Counter) -> None:
        """Add *other*, of the same key."""
        for number, slot in other.slots.items():
            own = self.slots.get(number)
            if own is None:
                own = self.slots[number] = Slot()
            own.merge(slot)
        if other.samples:
            self.samples = newest(self.samples | other.samples)
        if len(self.slots) > self._kept:
            for number in sorted(self.slots)[: -self._kept]:
                del self.slots[number]

    def pushed_out(self, other: Counter) -> set[int]:
        """Return the slots of this counter that go when *other* is merged into it."""
        numbers = sorted(self.slots.keys() | other.slots.keys())
        return self.slots.keys() & set(numbers[: -self._kept])

    @property
    def _kept(self) -> int:
        return USUAL_SLOTS if self.key.unit in ("usual", "profile") else SLOTS

    @property
    def newest_slot(self) -> int:
        return max(self.slots, default=0)

    def amount(self, number: int) -> int:
        """How many there were in the window that ends with slot *number*."""
        window = [slot for at in range(number - SLOTS_A_WINDOW + 1, number + 1) if (slot := self.slots.get(at))]
        if self.key.unit == "values":
            return distinct(smallest(frozenset().union(*(slot.hashes for slot in window))))
        return sum(slot.count for slot in window)

    @property
    def peak(self) -> int:
        return max((self.amount(number) for number in self.slots), default=0)

    def excess(self) -> dict[int, int]:
        """Return how many requests of each slot followed the threshold; slots without any are left out.

        Of the slot in which it is passed those above it count, of later ones all, until a window is below it again. Windows
        without a slot at their end are looked at too: what is merged later then never takes marks away.
        """
        found: dict[int, int] = {}
        for number, slot in sorted(self.slots.items()):
            above = self.amount(number) - self.key.threshold
            if above > 0:
                passed = self.amount(number - 1) > self.key.threshold
                found[number] = slot.count if passed else min(above, slot.count)
        return found

    def judged(self) -> Excess | None:
        """Return what lies above the threshold, None where nothing does."""
        above = self.excess()
        if not above:
            return None
        slots = [self.slots[number] for number in above]
        first, last = min(slot.first_ns for slot in slots), max(slot.last_ns for slot in slots)
        return Excess(sum(above.values()), first, last, max(map(self.amount, above)))


def distinct(hashes: AbstractSet[int]) -> int:
    """How many different values have these smallest hashes."""
    if len(hashes) < HASHES:
        return len(hashes)
    return round((HASHES - 1) * HASH_SPAN / max(*hashes, 1))


def smallest(hashes: AbstractSet[int]) -> AbstractSet[int]:
    return hashes if len(hashes) <= HASHES else set(sorted(hashes)[:HASHES])


def newest(samples: set[Sample]) -> set[Sample]:
    return samples if len(samples) <= SAMPLES else set(sorted(samples)[-SAMPLES:])


def add(table: dict[CounterKey, Counter], counter: Counter) -> Counter:
    """Merge *counter* into *table*; return the whole."""
    own = table.get(counter.key)
    if own is None:
        own = table[counter.key] = Counter(counter.key)
    own.merge(counter)
    return own


def merged(counters: Iterable[Counter]) -> dict[CounterKey, Counter]:
    """Return one counter a key; those given stay as they are."""
    table: dict[CounterKey, Counter] = {}
    for counter in counters:
        add(table, counter)
    return table


def row_of(counter: Counter) -> list[Any]:
    """Return *counter* in types of JSON; `read_row` is the inverse."""
    slots = [_slot_row(number, slot) for number, slot in sorted(counter.slots.items())]
    samples = [[sample.time_ns, sample.id, sample.report.decode()] for sample in sorted(counter.samples)]
    key = counter.key
    return [*key[:8], list(key.point), slots, samples, key.limit, key.method]


def read_row(row: Any) -> Counter:
    """Return the counter in *row*; ValueError says what is wrong with it."""
    try:
        control, kind, unit, window_ns, threshold, subject, host, path, point, slots, samples, limit, method = row
        key = CounterKey(
            _text(control),
            _text(kind),
            _unit(unit),
            _count(window_ns),
            _count(threshold),
            _text(subject),
            _text(host),
            _text(path),
            tuple(_text(part) for part in point[:16]),
            _count(limit),
            _text(method),
        )
        return Counter(key, dict(map(_slot, slots[:SLOTS])), {_sample(*sample) for sample in samples[:SAMPLES]})
    except (TypeError, ValueError, KeyError) as problem:
        raise ValueError(f"no counter: {problem}") from problem


def _slot_row(number: int, slot: Slot) -> list[Any]:
    row: list[Any] = [number, slot.count, slot.first_ns, slot.last_ns, sorted(slot.hashes)]
    if slot.traits is not None:
        return [*row, sorted(slot.bins.items()), b64encode(slot.traits.packed()).decode()]
    return [*row, sorted(slot.bins.items())] if slot.bins else row


def _slot(row: list[Any]) -> tuple[int, Slot]:
    number, count, first_ns, last_ns, hashes, *more = row
    if len(hashes) > HASHES or not all(type(each) is int and 0 <= each < HASH_SPAN for each in hashes):
        raise ValueError(f"up to {HASHES} hashes of 32 bits are needed")
    bins = {_count(each): _count(many) for each, many in (more[0] if more else ())}
    if len(bins) > BINS or max(bins, default=0) >= BINS:
        raise ValueError(f"up to {BINS} sizes are needed")
    traits = unpacked(b64decode(more[1], validate=True)) if len(more) > 1 else None
    return _count(number), Slot(_count(count), _count(first_ns), _count(last_ns), frozenset(hashes), bins, traits)


def _sample(time_ns: Any, sample_id: Any, report: Any) -> Sample:
    if not isinstance(report, str) or len(report) > SAMPLE_BYTES:
        raise ValueError("a sample is too large")
    return Sample(_count(time_ns), _text(sample_id), report.encode())


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > TEXT:
        raise ValueError(f"a text of up to {TEXT} characters is needed")
    return value


def _unit(value: Any) -> str:
    if value not in UNITS:
        raise ValueError(f"unit {str(value)[:40]!r} is not accepted; accepted: {', '.join(UNITS)}")
    return str(value)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise ValueError("a whole number from 0 on is needed")
    return value
