"""Profiles of many workers, merged, within a bound of their slots."""

from __future__ import annotations

from collections.abc import Iterator

from tcpmirror.behavior.counter import Counter, CounterKey
from tcpmirror.behavior.window import is_of_host


class ProfileTable:
    """Profiles by their keys. Where there are more than *limit* slots, up to 3 KiB each, the half that asked for least goes.

    ``dropped``: how many profiles went.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._profiles: dict[CounterKey, Counter] = {}
        self._slots = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._profiles)

    def __iter__(self) -> Iterator[Counter]:
        return iter(self._profiles.values())

    def __contains__(self, key: CounterKey) -> bool:
        return key in self._profiles

    def get(self, key: CounterKey) -> Counter | None:
        return self._profiles.get(key)

    def add(self, counter: Counter) -> None:
        """Merge *counter*, all slots of which are kept."""
        own = self._profiles.setdefault(counter.key, Counter(counter.key))
        for number, slot in counter.slots.items():
            if number in own.slots:
                own.slots[number].merge(slot)
            else:
                own.slots[number] = slot
                self._slots += 1
        if self._slots > self._limit:
            least = sorted(self._profiles.values(), key=lambda one: (is_of_host(one.key), _most(one)))
            for gone in least[: max(1, len(least) // 2)]:
                self._slots -= len(self._profiles.pop(gone.key).slots)
                self.dropped += 1

    def forget(self, before: int) -> None:
        """Let go of the slots before number *before*."""
        for counter in tuple(self):
            for number in [number for number in counter.slots if number < before]:
                del counter.slots[number]
                self._slots -= 1
            if not counter.slots:
                del self._profiles[counter.key]


def _most(counter: Counter) -> int:
    return max((slot.count for slot in counter.slots.values()), default=0)
