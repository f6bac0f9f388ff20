"""The keys of `sessions`: what names a session, and what is kept of its requests."""

from __future__ import annotations

from typing import Any, Final

from tcpmirror.settings.inspection_keys import fields_of
from tcpmirror.settings.kinds import FLAG, Choice, Duration, Text, Whole
from tcpmirror.settings.schema import Key, ListOf, Section
from tcpmirror.settings.tree import SECOND, SessionParameter

PLACES: Final = ("header", "cookie", "query", "form", "json")
TYPES: Final = ("key", "user", "role", "context")


def _built(given: dict[str, Any]) -> SessionParameter:
    return SessionParameter(**given)


_PARAMETER: Final = (
    Key(
        "name", Text("a name", may_be_empty=False), "Of the parameter.", "name", required=True, own=True, example="X-Account"
    ),
    Key("place", Choice(PLACES), "Where it stands: of JSON, a member of the outermost object.", "place", own=True),
    Key(
        "type", Choice(TYPES), "`key`: requests of one value are a session; the others are shown with it.", "type", own=True
    ),
    Key("hashed", FLAG, "Only a hash of the value leaves the worker; of a key, none else ever does.", "hashed", own=True),
)

SESSIONS: Final = (
    Key("enabled", FLAG, "Follow sessions.", "sessions.enabled", own=True),
    Key(
        "parameters",
        ListOf(Section(lambda: _PARAMETER, _built, fields_of, accepted="a map with a name")),
        "Keys, tried in this order before the built-in ones, and what else is shown of a session.",
        "sessions.parameters",
        own=True,
    ),
    Key(
        "interval",
        Duration(SECOND, 600 * SECOND),
        "How often a worker hands on what is new.",
        "sessions.interval_ns",
        own=True,
    ),
    Key(
        "sessions",
        Whole(16, 1 << 20),
        "Sessions that a worker follows in such a time; requests of further ones are counted and left out.",
        "sessions.sessions",
        own=True,
    ),
)
