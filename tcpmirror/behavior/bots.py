"""Kinds of bots: which detectors may vote for each, which of them it takes, and what is told of somebody.

The confidence is the part of the votes that were cast of those that could be. A detector that makes no sense for whom it is
asked about (the addresses of an address) has no vote.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tcpmirror.behavior import detectors as by
from tcpmirror.behavior.counter import SLOTS_A_WINDOW, Counter, Slot
from tcpmirror.behavior.detectors import LEAST_CALLS, Detector, Vote
from tcpmirror.behavior.history import Find
from tcpmirror.behavior.window import Window, host_key, is_of_host, window_of
from tcpmirror.settings.tree import SENSITIVITIES

CONFIDENCE: Final = SENSITIVITIES["normal"]
CLIENT_ADDRESSES: Final = 3  # of clients that look alike: what fewer do is told of each of them
SUSPICIOUS: Final = "api_abuse"  # told where no other kind is


@dataclass(frozen=True, slots=True)
class Bot:
    """A kind of bot. ``needs``: of each set at least one has to vote for it."""

    type: str
    detectors: tuple[Detector, ...]
    needs: tuple[frozenset[Detector], ...]


_DISGUISE: Final = frozenset(
    (by.bad_agent, by.outdated_browser, by.agent_rotation, by.address_rotation, by.session_rotation, by.bare_requests)
)
BOTS: Final = (
    Bot(
        "account_takeover",
        (
            by.authentication_abuse,
            by.credential_stuffing,
            by.bad_agent,
            by.outdated_browser,
            by.agent_rotation,
            by.request_interval,
            by.address_rotation,
            by.session_rotation,
            by.bare_requests,
        ),
        (frozenset((by.authentication_abuse, by.credential_stuffing)),),
    ),
    Bot(
        "security_crawlers",
        (
            by.errors,
            by.refusals,
            by.attacks,
            by.wide_scope,
            by.unique_requests,
            by.bad_agent,
            by.outdated_browser,
            by.agent_rotation,
            by.request_interval,
            by.request_rate,
            by.bare_requests,
        ),
        (frozenset((by.errors, by.refusals, by.attacks)), frozenset((by.wide_scope, by.unique_requests))),
    ),
    Bot(
        "scraping",
        (
            by.many_documents,
            by.query_abuse,
            by.unique_requests,
            by.wide_scope,
            by.bad_agent,
            by.outdated_browser,
            by.agent_rotation,
            by.request_interval,
            by.request_rate,
            by.address_rotation,
            by.session_rotation,
            by.response_consumption,
            by.bare_requests,
        ),
        (frozenset((by.many_documents, by.query_abuse)), _DISGUISE),
    ),
    Bot(
        "resource_consumption",
        (
            by.request_consumption,
            by.response_consumption,
            by.response_time,
            by.overload,
            by.repeated_requests,
            by.query_abuse,
            by.request_interval,
            by.bad_agent,
            by.bare_requests,
        ),
        (frozenset((by.request_consumption, by.response_consumption)),),
    ),
)
_EVERY: Final = tuple(dict.fromkeys(detector for bot in BOTS for detector in bot.detectors))
ANY_BOT: Final = Bot(SUSPICIOUS, _EVERY, (frozenset((*_DISGUISE, by.response_time)) - {by.bare_requests},))

# What looks alike and has no session may be many people: how fast they are together says nothing of one of them, and
# pages of a browser whose users come once each are no scraping.
_NO_VOTE: Final[dict[str, frozenset[Detector]]] = {
    "address": frozenset((by.address_rotation,)),
    "session": frozenset((by.session_rotation, by.bare_requests)),
    "client": frozenset(
        (by.session_rotation, by.agent_rotation, by.request_rate, by.request_consumption, by.response_consumption)
    ),
}
_OF_CLIENTS: Final = {
    "scraping": frozenset((by.bad_agent, by.bare_requests)),
    "account_takeover": frozenset((by.address_rotation,)),
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was said of somebody in the window that ends with a slot: the kind of bot, and every vote that could be cast."""

    type: str
    votes: tuple[Vote, ...]

    @property
    def fired(self) -> list[Vote]:
        return [vote for vote in self.votes if vote.is_fired]

    @property
    def confidence(self) -> float:
        return len(self.fired) / len(self.votes)

    @property
    def text(self) -> str:
        """Say how many voted, what each measured, and what is normal."""
        measured = (f"{vote.detector} {vote.value:.4g} (normal {vote.normal:.4g})" for vote in self.fired)
        return f"{len(self.fired)} of {len(self.votes)} votes: {', '.join(measured)}"


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told of. ``marked``: the requests of each slot that came to a verdict, as a counter of plain requests.

    ``verdict``: the one with the most confidence, of equals the last.
    """

    marked: Counter
    verdict: Verdict


class _Cast(dict[Detector, Vote]):
    """The votes on a window: each detector is asked once, and only if its vote is wanted."""

    def __init__(self, window: Window) -> None:
        super().__init__()
        self.window = window

    def __missing__(self, detector: Detector) -> Vote:
        vote = self[detector] = detector(self.window)
        return vote

    def verdict(self, bot: Bot, threshold: int) -> Verdict | None:
        kind = self.window.kind
        needs = [*bot.needs, *([_OF_CLIENTS[bot.type]] if kind == "client" and bot.type in _OF_CLIENTS else [])]
        if not all(any(self[detector].is_fired for detector in some) for some in needs):
            return None
        silent = _NO_VOTE[kind]
        verdict = Verdict(bot.type, tuple(self[detector] for detector in bot.detectors if detector not in silent))
        return verdict if 100 * len(verdict.fired) >= threshold * len(verdict.votes) else None


def told(counter: Counter, find: Find) -> Told | None:
    """Return what is told of the profile *counter*, None if nothing. Of the first LEAST_CALLS requests none is marked."""
    slots: dict[int, Slot] = {}
    surest: Verdict | None = None
    for number, slot in sorted(counter.slots.items()):
        verdict = verdict_of(counter, find, number)
        if verdict is None:
            continue
        late = _sum(counter, number, lambda slot: slot.count) - LEAST_CALLS
        slots[number] = Slot(max(1, min(slot.count, late)), slot.first_ns, slot.last_ns)
        if surest is None or verdict.confidence >= surest.confidence:
            surest = verdict
    if surest is None:
        return None
    return Told(Counter(counter.key._replace(type=surest.type, unit="requests", threshold=0), slots), surest)


def verdict_of(counter: Counter, find: Find, number: int) -> Verdict | None:
    """Return what the profile *counter* comes to in the window that ends with slot *number*: the first kind that fits."""
    cast = _cast(counter, find, number, LEAST_CALLS)
    if cast is None:
        return None
    found = (cast.verdict(bot, counter.key.threshold) for bot in (*BOTS, ANY_BOT))
    return next((verdict for verdict in found if verdict is not None), None)


def is_odd(counter: Counter, find: Find, part: int) -> bool:
    """Tell whether a detector votes against the profile *counter* as it is now, by a *part* of the calls a verdict needs."""
    cast = _cast(counter, find, counter.newest_slot, LEAST_CALLS // part)
    silent = _NO_VOTE.get(counter.key.point[0], frozenset())
    return cast is not None and any(cast[detector].is_fired for detector in _EVERY if detector not in silent)


def _cast(counter: Counter, find: Find, number: int, least: int) -> _Cast | None:
    if is_of_host(counter.key) or _sum(counter, number, _calls) < least:
        return None
    window = window_of(counter, find(host_key(counter.key)), number)
    is_few = window.kind == "client" and window.different("addresses") < CLIENT_ADDRESSES
    return None if is_few else _Cast(window)


def _calls(slot: Slot) -> int:
    return 0 if slot.traits is None else slot.traits.counts()["calls"]


def _sum(counter: Counter, number: int, of: Callable[[Slot], int]) -> int:
    return sum(of(slot) for at, slot in counter.slots.items() if number - SLOTS_A_WINDOW < at <= number)
