"""Profiles: what somebody's requests were like in an hour, as a counter whose slots hold traits.

A profile is of an address, of a session, or of all clients without a session that look alike, on one host; that of the host
itself tells what is usual there. The confidence from which on somebody is told of is a part of the key, as a threshold is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from tcpmirror.behavior.counter import SLOTS_A_WINDOW, Counter, CounterKey
from tcpmirror.behavior.traits import Traits
from tcpmirror.settings.tree import SECOND

SLOT_NS: Final = 600 * SECOND
BEAT_NS: Final = 5 * SECOND
KINDS: Final = ("host", "address", "session", "client")
CONTROL: Final = "profiles"
BEATS_A_MINUTE: Final = 12


def profile_key(kind: str, subject: str, host: str, threshold: int) -> CounterKey:
    """Name the profile of *subject*, which is of *kind*, on *host*."""
    return CounterKey(CONTROL, "", "profile", SLOTS_A_WINDOW * SLOT_NS, threshold, subject, host, "", (kind,))


def host_key(key: CounterKey) -> CounterKey:
    """Name the profile of the host on which that of *key* is."""
    return key._replace(subject="", point=("host",))


def is_of_host(key: CounterKey) -> bool:
    """Tell whether *key* names the profile of a host."""
    return key.unit == "profile" and key.point == ("host",)


@dataclass(frozen=True)
class Window:
    """What somebody was like in the window that ends with a slot, beside the whole host."""

    kind: str
    own: Traits
    host: Traits
    beats: tuple[int, ...]

    @cached_property
    def sums(self) -> dict[str, int]:
        return self.own.counts()

    @cached_property
    def usual(self) -> dict[str, int]:
        """The sums of all others on the host."""
        return {name: max(0, count - self.sums[name]) for name, count in self.host.counts().items()}

    def different(self, name: str) -> int:
        return self.own.distinct(name)

    @property
    def calls(self) -> int:
        """Requests, but for what pages load by themselves."""
        return self.sums["calls"]

    def share(self, name: str, of: str = "calls") -> float:
        return self.sums[name] / self.sums[of] if self.sums[of] else 0.0


def window_of(counter: Counter, host: Counter | None, number: int) -> Window:
    """Return what the profile *counter* is in the window that ends with slot *number*."""
    own, beats = _joined(counter, number)
    return Window(counter.key.point[0], own, Traits() if host is None else _joined(host, number)[0], tuple(beats))


def _joined(counter: Counter, number: int) -> tuple[Traits, list[int]]:
    """Return the traits of a window as one, and its calls in each five seconds."""
    whole, beats = Traits(), []
    for at in range(number - SLOTS_A_WINDOW + 1, number + 1):
        slot = counter.slots.get(at)
        if slot is not None and slot.traits is not None:
            whole.merge(slot.traits)
            beats += slot.traits.beats()
        elif beats:
            beats += [0] * (SLOT_NS // BEAT_NS)
    return whole, beats
