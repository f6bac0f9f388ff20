"""Kinds of bots: which detectors may vote for each, which of them it takes, and what is told of somebody.

The confidence is the part of the votes that were cast of those that could be. A detector that makes no sense for whom it is
asked about (the addresses of an address) has no vote.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tcpmirror.behavior import detectors as by
from tcpmirror.behavior.counter import SLOTS_A_WINDOW, Counter, Slot
from tcpmirror.behavior.detectors import LEAST_CALLS, Detector, Vote
from tcpmirror.behavior.history import Find
from tcpmirror.behavior.window import Window, host_key, window_of

CONFIDENCE: Final = 33  # percent: of eleven detectors that may vote, four
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


def verdicts(counter: Counter, find: Find, number: int) -> list[Verdict]:
    """Return what the profile *counter* comes to in the window that ends with slot *number*."""
    calls = sum(
        slot.traits.counts()["calls"]
        for at, slot in counter.slots.items()
        if number - SLOTS_A_WINDOW < at <= number and slot.traits is not None
    )
    if counter.key.point == ("host",) or calls < LEAST_CALLS:
        return []
    window = window_of(counter, find(host_key(counter.key)), number)
    cast = {detector: detector(window) for detector in _EVERY}
    found = [verdict for bot in BOTS if (verdict := _verdict(bot, window, cast, counter.key.threshold)) is not None]
    if found:
        return found
    suspicious = _verdict(ANY_BOT, window, cast, counter.key.threshold)
    return [] if suspicious is None else [suspicious]


def _verdict(bot: Bot, window: Window, cast: dict[Detector, Vote], threshold: int) -> Verdict | None:
    needs = [*bot.needs, *([_OF_CLIENTS[bot.type]] if window.kind == "client" and bot.type in _OF_CLIENTS else [])]
    if not all(any(cast[detector].is_fired for detector in some) for some in needs):
        return None
    silent = _NO_VOTE[window.kind]
    verdict = Verdict(bot.type, tuple(cast[detector] for detector in bot.detectors if detector not in silent))
    return verdict if 100 * len(verdict.fired) >= threshold * len(verdict.votes) else None


def told(counter: Counter, find: Find, numbers: Iterable[int]) -> dict[str, tuple[Counter, Verdict]]:
    """Return what is told of the profile *counter*: by type, the marked requests of each slot, and the last verdict.

    *numbers*: the slots that are judged, in order. Of the first LEAST_CALLS requests none is marked.
    """
    found: dict[str, tuple[Counter, Verdict]] = {}
    before: set[str] = set()
    for number in numbers:
        slot = counter.slots[number]
        now = verdicts(counter, find, number)
        for verdict in now:
            key = counter.key._replace(type=verdict.type, unit="requests", threshold=0)
            marked = found[verdict.type][0] if verdict.type in found else Counter(key)
            late = _requests(counter, number) - LEAST_CALLS
            count = slot.count if verdict.type in before else max(1, min(slot.count, late))
            marked.slots[number] = Slot(count, slot.first_ns, slot.last_ns)
            found[verdict.type] = marked, verdict
        before = {verdict.type for verdict in now}
    return found


def _requests(counter: Counter, number: int) -> int:
    return sum(slot.count for at, slot in counter.slots.items() if number - SLOTS_A_WINDOW < at <= number)
