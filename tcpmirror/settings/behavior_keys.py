"""The keys of `behavior`: controls over what somebody may do in a time, and where breached passwords are found."""

from __future__ import annotations

import re
from typing import Any, Final

from tcpmirror.model.attack import ATTACK_TYPES
from tcpmirror.settings.inspection_keys import fields_of
from tcpmirror.settings.kinds import FLAG, GLOB, NETWORK, PATH, URL, Choice, Duration, RejectedError, Text, Whole
from tcpmirror.settings.policy_keys import EITHER, NAME
from tcpmirror.settings.schema import Key, ListOf, Section
from tcpmirror.settings.tree import SECOND, SENSITIVITIES, Control, ProfileException

DENIED: Final = ("gql_introspection", "gql_debug")  # which a request has or has not
GRAPHQL: Final = ("gql_depth", "gql_aliases", "gql_docs_per_batch", "gql_doc_size", "gql_value_size", *DENIED)
TYPES: Final = (
    "brute",
    "dirbust",
    "bola",
    "enum",
    "credential_stuffing",
    "multiple_payloads",
    "resource_consumption",
    "api_abuse",
    "account_takeover",
    "security_crawlers",
    "scraping",
    "file_upload_violation",
    "mass_assignment",
    *GRAPHQL,
)
LIMITED: Final = ("uploads", "graphql", "large_answers", "slow_answers", "surges")  # of each request
COUNTS: Final = ("requests", "values", "paths", "payloads", "logins", "agents", "fields", *LIMITED)
_STATUS: Final = Text(
    "a status such as `404`, or a class such as `4xx`", re.compile(r"[1-5](?:\d\d|xx)"), may_be_empty=False
)
_METHOD: Final = Text("a method in capitals", re.compile(r"[A-Z]{1,16}"), may_be_empty=False)


def _built(given: dict[str, Any]) -> Control:
    control = Control(**given)
    if control.parameters and control.count not in ("values", "logins", "fields", "uploads"):
        raise RejectedError(f"`parameters` says whose values are counted, but `count` is {control.count}")
    if (control.limit > 0) is not (control.count in LIMITED and control.type not in DENIED):
        raise RejectedError(
            f"`limit` is needed with a `count` of {', '.join(LIMITED)}, and with no other; a `type` of "
            f"{' or '.join(DENIED)} has none"
        )
    if control.values and not (control.count == "values" and control.parameters):
        raise RejectedError("`values` says which values of `parameters` count, so it needs these and a `count` of values")
    if control.attacks and control.count != "payloads":
        raise RejectedError(f"`attacks` says whose payloads are counted, but `count` is {control.count}")
    if control.count == "graphql" and control.type not in GRAPHQL:
        raise RejectedError(f"with a `count` of graphql, `type` says what is limited; accepted: {', '.join(GRAPHQL)}")
    return control


CONTROL: Final = (
    Key("name", NAME, "Shown with attacks. That of a built-in control: in its place.", "name", required=True, own=True),
    Key("type", Choice(TYPES), "What it is when there is too much of it.", "type", own=True),
    Key(
        "count",
        Choice(COUNTS),
        "`requests`; different `values` of `parameters`, or of identifiers in paths where that is empty; different `paths`; "
        "`payloads` of attacks; `logins` with breached passwords; user `agents`; requests with one of the `fields` that "
        "only answers know; or requests with more than `limit`: `uploads`, `graphql`, `large_answers`, `slow_answers`, "
        "`surges`.",
        "count",
        own=True,
    ),
    Key(
        "by",
        Choice(("source", "session", "endpoint", "account")),
        "Whose are counted together: of one address, one session, everybody, or, for values, all that try one account.",
        "by",
        own=True,
    ),
    Key("host", GLOB, "Host name.", "host", own=True, example="*.shop.example"),
    Key("path", EITHER, "Path without query. Of controls that match, the one with the longest counts.", "path", own=True),
    Key("methods", ListOf(_METHOD), "Methods.", "methods", own=True, example=["POST"]),
    Key(
        "parameters",
        EITHER,
        "Names of the parameters whose values are counted, each by itself; with `uploads`: of headers, fields and files, "
        "each of which has `limit` bytes then.",
        "parameters",
        own=True,
    ),
    Key("statuses", ListOf(_STATUS), "Of the answer.", "statuses", own=True, example=["404", "5xx"]),
    Key("networks", ListOf(NETWORK), "Of the client's real address.", "networks", own=True, example=["10.0.0.0/8"]),
    Key(
        "applications",
        ListOf(Whole(1, 2**31 - 1)),
        "Numbers of applications, as `route_config` gives them.",
        "applications",
        own=True,
        example=[3],
    ),
    Key("values", EITHER, "Of the parameters: only those that match are counted.", "values", own=True),
    Key(
        "attacks",
        ListOf(Choice(tuple(ATTACK_TYPES))),
        "With `count: payloads`: types of attacks whose payloads are counted; empty: all.",
        "attacks",
        own=True,
        example=["sqli"],
    ),
    Key("window", Duration(SECOND, 24 * 3600 * SECOND), "In which time.", "window_ns", own=True),
    Key("threshold", Whole(0, 1_000_000), "So many are accepted; what follows is an attack.", "threshold", own=True),
    Key(
        "limit",
        Whole(0, 1 << 40),
        "What one request may have: bytes of a body (`uploads`), levels, aliases, documents or bytes (`graphql`, by "
        "`type`), or how often it may have what is usual there (`large_answers`, `slow_answers`, `surges`).",
        "limit",
        own=True,
    ),
    Key("mode", Choice(("monitoring", "off")), "`off`: what matches is not counted.", "mode", own=True),
)


def _exception(given: dict[str, Any]) -> ProfileException:
    exception = ProfileException(**given)
    if exception == ProfileException():
        raise RejectedError("it says nothing of the requests that are left out; accepted: `host`, `path`, `networks`")
    return exception


PROFILE_EXCEPTION: Final = (
    Key("host", GLOB, "Host name.", "host", own=True, example="status.shop.example"),
    Key("path", EITHER, "Path without query, `{}` for a value in it.", "path", own=True, example="/health*"),
    Key("networks", ListOf(NETWORK), "Of the client's real address.", "networks", own=True, example=["10.0.0.0/8"]),
)

PROFILES: Final = (
    Key(
        "sensitivity",
        Choice(tuple(SENSITIVITIES)),
        "From how many of the possible votes on somebody is told of: 25 % (`paranoid`), 33 % (`normal`), 50 % (`safe`). "
        "`off`: nobody looks.",
        "behavior.profiles.sensitivity",
        own=True,
    ),
    Key(
        "exceptions",
        ListOf(Section(lambda: PROFILE_EXCEPTION, _exception, fields_of, accepted="a map with one of its keys at least")),
        "Requests that are left out: of one's own monitoring, of partners. All that one says has to hold.",
        "behavior.profiles.exceptions",
        own=True,
    ),
)

BEHAVIOR: Final = (
    Key("enabled", FLAG, "Count over many exchanges.", "behavior.enabled", own=True),
    Key(
        "controls",
        ListOf(Section(lambda: CONTROL, _built, fields_of, accepted="a map with a name")),
        "What is too much; beside the built-in controls, and in the place of those of the same name or for the same path.",
        "behavior.controls",
        own=True,
    ),
    Key("profiles", Section(lambda: PROFILES), "Who is a bot, by all that an hour of requests is like.", own=True),
    Key(
        "interval",
        Duration(SECOND, 60 * SECOND),
        "How often a worker hands on what it counted.",
        "behavior.interval_ns",
        own=True,
    ),
    Key(
        "breached_passwords",
        PATH,
        "A file with a SHA-1 in hexadecimal at the start of each line; empty: the 30,000 most common passwords.",
        "behavior.breached_passwords",
        own=True,
    ),
    Key(
        "breached_url",
        URL,
        "Where the exporter asks about passwords that are not in that set: `GET URL/PREFIX` with the first five digits of a "
        "SHA-1, answered with lines `SUFFIX:COUNT`. Empty: nobody is asked.",
        "behavior.breached_url",
        own=True,
        example="https://api.pwnedpasswords.com/range",
    ),
    Key("breached_rate", Whole(1, 100), "Calls a second to `breached_url` at most.", "behavior.breached_rate", own=True),
    Key(
        "breached_timeout",
        Duration(SECOND // 10, 60 * SECOND),
        "How long an answer of `breached_url` may take.",
        "behavior.breached_timeout_ns",
        own=True,
    ),
)
