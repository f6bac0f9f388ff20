"""Controls: the built-in ones, and which of them and the operator's count a request."""

from __future__ import annotations

import fnmatch
import ipaddress
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from tcpmirror.settings.tree import SECOND, Control, ProfileException

PASSWORDS: Final = (
    r"~(?i)(?:pass(?:word|wd|phrase|code)|pwd|(?:^|[_.\[-])(?:pass|otp|pin(?:code)?|totp)"
    r"|(?:verification|verify|sms|one[_-]?time|security|reset|mfa|2fa)[_-]?code)[0-9]?\]?$"
)
LOGINS: Final = (
    r"~(?i)(?:^|[_.\[-])(?:user(?:[_-]?(?:name|id|login))?|login(?:[_-]?(?:name|id))?|e?-?mail(?:[_-]?address)?|account"
    r"(?:[_-]?(?:name|id|number))?|phone(?:[_-]?number)?|msisdn|identifier|card[_-]?number|coupon|voucher|promo[_-]?code)\]?$"
)
IDENTIFIERS: Final = r"~(?i)(?:^|[_.-])(?:id|uid|uuid|guid|file[_-]?name|invoice|receipt)$|[a-z]Id$|[a-z]ID$"
ADDRESSES: Final = (
    r"~(?i)(?:^|[_.\[-])(?:ur[il]|link|href|src|dest(?:ination)?|target|host|domain|endpoint|proxy|feed|image[_-]?url|callback"
    r"|web[_-]?hook|redirect(?:[_-]?ur[il])?|fetch|load|remote)\]?$"
)
_WRITING: Final = ("POST", "PUT", "PATCH")

# Rights, and what money hangs on: what a user is told of themselves and does not set.
PRIVILEGED: Final = (
    r"~(?i)^(?:is[_-]?)?(?:admin(?:istrator)?|super[_-]?user|staff|root|owner|verified|approved|premium|internal)$"
    r"|^(?:user[_-]?|account[_-]?)?(?:roles?|permissions?|privileges?|groups?|access[_-]?level|scopes?|balance|credits?|plan|tier)$"
)

# Thresholds stand above what benign traffic did where it was measured (docs/behavior.md), and are the operator's to change.
BUILT_IN: Final = (
    Control(
        "brute-passwords", "brute", "values", parameters=PASSWORDS, statuses=("4xx",), window_ns=60 * SECOND, threshold=10
    ),
    Control("brute-any-answer", "brute", "values", parameters=PASSWORDS, window_ns=30 * SECOND, threshold=30),
    Control("brute-refused", "brute", "requests", statuses=("401", "403"), window_ns=30 * SECOND, threshold=30),
    Control("forced-browsing", "dirbust", "paths", statuses=("404",), window_ns=30 * SECOND, threshold=30),
    Control("bola-identifiers", "bola", "values", window_ns=60 * SECOND, threshold=100),
    Control("enum-logins", "enum", "values", parameters=LOGINS, methods=_WRITING, window_ns=60 * SECOND, threshold=30),
    Control("stuffing-of-source", "credential_stuffing", "logins", methods=_WRITING, window_ns=600 * SECOND, threshold=3),
    Control(
        "stuffing-of-all",
        "credential_stuffing",
        "logins",
        "endpoint",
        methods=_WRITING,
        window_ns=600 * SECOND,
        threshold=30,
    ),
    Control(
        "guesses-at-account",
        "account_takeover",
        "values",
        "account",
        parameters=PASSWORDS,
        statuses=("4xx",),
        methods=_WRITING,
        window_ns=3600 * SECOND,
        threshold=20,
    ),
    Control("agents-of-session", "api_abuse", "agents", "session", window_ns=600 * SECOND, threshold=5),
    Control(
        "pages-of-session",
        "scraping",
        "paths",
        "session",
        methods=("GET",),
        statuses=("2xx",),
        window_ns=300 * SECOND,
        threshold=500,
    ),
    Control("payloads-of-source", "multiple_payloads", "payloads", window_ns=3600 * SECOND, threshold=3),
    Control(
        "upload-size",
        "file_upload_violation",
        "uploads",
        methods=_WRITING,
        window_ns=60 * SECOND,
        threshold=0,
        limit=100 << 20,
    ),
    Control(
        "assigned-fields",
        "mass_assignment",
        "fields",
        methods=_WRITING,
        parameters=PRIVILEGED,
        statuses=("2xx", "3xx"),
        window_ns=3600 * SECOND,
        threshold=0,
    ),
    Control("large-answers", "api_abuse", "large_answers", window_ns=60 * SECOND, threshold=20, limit=10),
    Control("slow-answers", "resource_consumption", "slow_answers", window_ns=60 * SECOND, threshold=20, limit=10),
    Control(
        "surge-of-endpoint", "resource_consumption", "surges", "endpoint", window_ns=60 * SECOND, threshold=200, limit=10
    ),
    Control(
        "addresses-of-source",
        "enum",
        "values",
        parameters=ADDRESSES,
        values=r"~(?i)^(?:(?:https?|ftp|gopher|dict|file|ldap)(?::|%3a)|//|(?:\d{1,3}\.){3}\d{1,3}(?:[:/]|$)|localhost)",
        window_ns=60 * SECOND,
        threshold=30,
    ),
    *(
        Control(name, kind, "graphql", path="~(?i)/(?:graphql|gql)\\b", window_ns=60 * SECOND, threshold=0, limit=limit)
        for name, kind, limit in (
            ("graphql-size", "gql_doc_size", 100_000),
            ("graphql-values", "gql_value_size", 10_000),
            ("graphql-debug", "gql_debug", 0),
        )
    ),
    Control("rate-of-source", "resource_consumption", "requests", window_ns=10 * SECOND, threshold=2000),
)


def controls_in_force(own: Sequence[Control]) -> tuple[Control, ...]:
    """Return the operator's controls and those built-in ones that no name of theirs replaces."""
    names = {control.name for control in own}
    return (*own, *(control for control in BUILT_IN if control.name not in names))


class Choice:
    """Chooses the controls that count a request; *own* of the controls, the first, are the operator's.

    *application_of* tells the application of a host and a path.
    """

    def __init__(
        self, controls: Sequence[Control], own: int, application_of: Callable[[str, str], int] = lambda host, path: -1
    ) -> None:
        self._application_of = application_of
        self._controls = controls
        self._own = own
        self._hosts = [matcher(control.host.lower()) for control in controls]
        self._paths = [matcher(control.path) for control in controls]

    def of(self, method: str, host: str, path: str) -> tuple[int, ...]:
        """Return the places of the controls that count: of the operator's with a path, one of each type, the longest path's.

        It goes before the built-in ones of its type. One that is off counts nothing and leaves nothing to others.
        """
        found = [index for index in range(len(self._controls)) if self._matches(index, method, host, path)]
        special: dict[str, int] = {}
        for index in found:
            control = self._controls[index]
            if index < self._own and control.path:
                best = special.get(control.type)
                if best is None or len(control.path) > len(self._controls[best].path):
                    special[control.type] = index
        kept = [index for index in found if special.get(self._controls[index].type, index) == index]
        return tuple(index for index in kept if self._controls[index].mode != "off")

    def _matches(self, index: int, method: str, host: str, path: str) -> bool:
        control = self._controls[index]
        if control.methods and method not in control.methods:
            return False
        if control.applications and self._application_of(host, path) not in control.applications:
            return False
        return self._hosts[index](host) and self._paths[index](path)


class Names:
    """Tells whether a parameter's name is meant; remembers what it was asked, up to a bound."""

    def __init__(self, wanted: str) -> None:
        self.matches = lru_cache(4096)(matcher(wanted))


class Exceptions:
    """Tells whose requests make no profile."""

    def __init__(self, exceptions: Sequence[ProfileException]) -> None:
        self._exceptions = [
            (matcher(each.host.lower()), matcher(each.path), Networks(each.networks).hold if each.networks else None)
            for each in exceptions
        ]
        self.hold = lru_cache(4096)(self._hold)

    def _hold(self, host: str, path: str, address: str) -> bool:
        return any(
            is_host(host) and is_path(path) and (holds is None or holds(address))
            for is_host, is_path, holds in self._exceptions
        )


class Networks:
    """Tells whether an address lies in one of *networks*."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(each, strict=False) for each in networks]
        self.hold = lru_cache(4096)(self._hold)

    def _hold(self, address: str) -> bool:
        found = ipaddress.ip_address(address)
        return any(found in network for network in self._networks)


def matcher(wanted: str) -> Callable[[str], bool]:
    """Return what tells whether a text is *wanted*: empty: any; behind ``~`` an expression to find in it; else a glob."""
    if not wanted:
        return lambda text: True
    if wanted.startswith("~"):
        search = re.compile(wanted[1:].strip()).search
        return lambda text: search(text) is not None
    match = re.compile(fnmatch.translate(wanted.replace("[^", "[!"))).match
    return lambda text: match(text) is not None
