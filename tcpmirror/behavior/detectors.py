"""Detectors: each asks one thing of a window, and votes with what it measured and what is normal.

Times are packets' times in steps of five seconds, so rhythm and rates are the same whoever saw which of the requests.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Final, NamedTuple

from tcpmirror.behavior.window import BEATS_A_MINUTE, Window

LEAST_CALLS: Final = 30  # before anything is said of anybody
_TOO_FEW: Final = 1e-9


class Vote(NamedTuple):
    """What a detector measured. ``normal``: what people and well-behaved programs keep to; ``is_fired``: this is not it."""

    detector: str
    value: float
    normal: float
    is_fired: bool

    @property
    def deviation(self) -> float:
        """How many times as much as normal, or as little."""
        low, high = sorted((max(self.value, _TOO_FEW), max(self.normal, _TOO_FEW)))
        return min(high / low, 9_999.0)


def bad_agent(window: Window) -> Vote:
    share = window.share("tools")
    return Vote("bad_agent", share, 0.05, share >= 0.5)


def outdated_browser(window: Window) -> Vote:
    share = window.share("outdated")
    return Vote("outdated_browser", share, 0.05, share >= 0.5)


def agent_rotation(window: Window) -> Vote:
    """Many user agents under one session, or an address whose every few requests have another."""
    agents = window.different("agents")
    if window.kind == "session":
        return Vote("agent_rotation", agents, 2, agents >= 5)
    return Vote("agent_rotation", agents, 5, agents >= 10 and window.calls <= 3 * agents)


def request_interval(window: Window) -> Vote:
    """How irregular calls are: variance over mean of the calls in five seconds, or of the pauses where calls are few.

    Chance alone comes to 1, people to more: they come in bursts and read. A program that waits its second comes near 0. What
    is accepted lies two standard errors of pure chance below 1, and never above a half.
    """
    beats = _trimmed(window.beats)
    mean = sum(beats) / len(beats) if beats else 0.0
    if mean >= 1:
        value, accepted = _variance(beats) / mean, 1 - 2.2 * math.sqrt(2 / max(1, len(beats) - 1))
    else:
        places = [at for at, count in enumerate(beats) if count]
        gaps = [after - before for before, after in pairwise(places)]
        if len(gaps) < 2:
            return Vote("request_interval", 1, 1, False)
        value, accepted = math.sqrt(_variance(gaps)) * len(gaps) / sum(gaps), 1 - 2.2 / math.sqrt(len(gaps))
    return Vote("request_interval", value, 1, value < min(0.5, accepted))


def request_rate(window: Window) -> Vote:
    """Calls of the busiest minute."""
    rate = _busiest(window)
    return Vote("request_rate", rate, 20, window.kind != "client" and rate >= 60)


def request_consumption(window: Window) -> Vote:
    """The same, where it is more than any one program needs."""
    rate = _busiest(window)
    return Vote("request_consumption", rate, 200, rate >= 1200)


def response_consumption(window: Window) -> Vote:
    """Mebibytes of answers in the hour, where that is much of what the host sends."""
    own, others = window.sums["bytes"], window.usual["bytes"]
    is_much = own >= 200 * 2**20 and own * 4 >= others
    return Vote("response_consumption", own / 2**20, 20, is_much)


def unique_requests(window: Window) -> Vote:
    share = min(1.0, window.different("targets") / max(1, window.calls))
    return Vote("unique_requests", share, 0.4, share >= 0.8)


def repeated_requests(window: Window) -> Vote:
    share = min(1.0, window.different("targets") / max(1, window.calls))
    return Vote("repeated_requests", share, 0.4, share <= 0.1)


def many_documents(window: Window) -> Vote:
    targets = window.different("targets")
    return Vote("many_documents", targets, 30, targets >= 100)


def wide_scope(window: Window) -> Vote:
    endpoints = window.different("endpoints")
    return Vote("wide_scope", endpoints, 15, endpoints >= 50)


def address_rotation(window: Window) -> Vote:
    """Addresses of one session; of clients that only look alike, those that each send next to nothing."""
    addresses = window.different("addresses")
    if window.kind == "session":
        return Vote("address_rotation", addresses, 2, addresses >= 6)
    return Vote("address_rotation", addresses, 5, addresses >= 10 and window.calls <= 5 * addresses)


def session_rotation(window: Window) -> Vote:
    sessions = window.different("sessions")
    return Vote("session_rotation", sessions, 5, sessions >= 20 and window.calls <= 3 * sessions)


def authentication_abuse(window: Window) -> Vote:
    """Failed logins with different passwords: a program whose own is out of date tries the same one."""
    failed = window.sums["logins_failed"]
    tried = window.different("passwords")
    return Vote("authentication_abuse", failed, 3, failed >= 10 and tried >= 5 and _fail(window) >= 0.5)


def credential_stuffing(window: Window) -> Vote:
    accounts = window.different("accounts")
    return Vote("credential_stuffing", accounts, 3, accounts >= 10 and _fail(window) >= 0.6)


def query_abuse(window: Window) -> Vote:
    """Different queries of an endpoint that has any."""
    value = window.different("queries") / max(1, window.different("queried"))
    return Vote("query_abuse", value, 10, value >= 50)


def errors(window: Window) -> Vote:
    """The part of the answers that say there is no such thing."""
    return _far_share(window, "errors", "missing")


def refusals(window: Window) -> Vote:
    return _far_share(window, "refusals", "refused")


def overload(window: Window) -> Vote:
    """The part of the answers that say it is too much."""
    return _far_share(window, "overload", "failed")


def attacks(window: Window) -> Vote:
    share = window.share("attacks")
    return Vote("attacks", share, 0.01, window.sums["attacks"] >= 5 and share >= 0.02)


def response_time(window: Window) -> Vote:
    """Milliseconds for which an answer is waited, beside those of others."""
    own = window.share("wait_us", "answered") / 1000
    normal = window.usual["wait_us"] / max(1, window.usual["answered"]) / 1000
    return Vote("response_time", own, normal, window.usual["answered"] >= 100 and own >= 200 and own >= 3 * normal)


def bare_requests(window: Window) -> Vote:
    """Calls that bring neither cookie nor credentials nor the page they come from, by somebody who loads no pictures."""
    share = 1 - window.share("marked")
    return Vote("bare_requests", share, 0.2, share >= 0.9 and window.sums["assets"] <= 0.05 * window.calls)


def _far_share(window: Window, name: str, what: str) -> Vote:
    """Vote on a share of the answers that is large, and three times as large as that of others."""
    share = window.share(what, "answered")
    normal = max(0.05, window.usual[what] / max(1, window.usual["answered"]))
    return Vote(name, share, normal, share >= 0.3 and share >= 3 * normal)


def _fail(window: Window) -> float:
    return window.share("logins_failed", "logins")


def _busiest(window: Window) -> int:
    beats = window.beats
    now = most = sum(beats[:BEATS_A_MINUTE])
    for at in range(BEATS_A_MINUTE, len(beats)):
        now += beats[at] - beats[at - BEATS_A_MINUTE]
        most = max(most, now)
    return most


def _trimmed(beats: tuple[int, ...]) -> list[int]:
    """Return *beats* from the first to the last with calls, these left out: they are cut."""
    places = [at for at, count in enumerate(beats) if count]
    return list(beats[places[0] + 1 : places[-1]]) if places else []


def _variance(values: list[int]) -> float:
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / max(1, len(values) - 1)


Detector = Callable[[Window], Vote]
