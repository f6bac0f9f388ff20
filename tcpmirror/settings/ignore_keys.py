"""The keys of `inspection.ignore`, which stand in own rule packs, too: findings that are counted and not reported."""

from __future__ import annotations

import re
from typing import Any, Final

from tcpmirror.model.attack import ATTACK_TYPES
from tcpmirror.settings import patterns
from tcpmirror.settings.inspection_keys import fields_of
from tcpmirror.settings.kinds import GLOB, NETWORK, Choice, RejectedError, Text
from tcpmirror.settings.schema import Key, ListOf, Section
from tcpmirror.settings.tree import Ignore

NAME: Final = Text(
    "1 to 64 letters, digits, dots and dashes", re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"), may_be_empty=False
)
_RULE: Final = Text(
    "the id of a rule, such as `sqli-union-select`, with `*` for any characters and `?` for one",
    re.compile(r"[A-Za-z0-9*?-]{1,128}"),
    may_be_empty=False,
)
_POINT: Final = Text(
    "names from the outside in, such as `get.q` or `[post][json_doc][hash][q]`, `*` for any one",
    re.compile(r"\[[^\[\]]+\](?:\[[^\[\]]+\])*|[^.\[\]]+(?:\.[^.\[\]]+)*"),
)


class GlobOrPattern(Text):
    """A glob for the whole text, or ``~`` and an expression to be found in it."""

    def fault(self, text: str) -> str:
        if text.startswith("~"):
            pattern = text[1:].strip()
            return patterns.pattern_fault(pattern) if pattern else "no expression after `~`"
        return patterns.glob_fault(text)


EITHER: Final = GlobOrPattern("a glob with `*`, `?`, `[a-z]`, `[^a-z]`, or `~` and a regular expression (RE2 syntax)")


def _built(given: dict[str, Any]) -> Ignore:
    if not any(value for name, value in given.items() if name != "name"):
        raise RejectedError("there is no condition, so every finding would be ignored")
    return Ignore(**given)


IGNORE: Final = (
    Key("name", NAME, "Shown with what is ignored, and in metrics.", "name", required=True, own=True, example="old-editor"),
    Key("rules", ListOf(_RULE), "Ids of rules.", "rules", own=True, example=["xss-*"]),
    Key("types", ListOf(Choice(tuple(ATTACK_TYPES))), "Attack types.", "types", own=True),
    Key("host", GLOB, "Host name.", "host", own=True, example="*.shop.example"),
    Key("path", EITHER, "Path without query.", "path", own=True, example="/editor/*"),
    Key("point", _POINT, "Where it was found: there, or anywhere below.", "point", own=True, example="post.json_doc"),
    Key("parameter", EITHER, "Name of the parameter, header, cookie or member.", "parameter", own=True),
    Key("networks", ListOf(NETWORK), "Of the client's real address.", "networks", own=True, example=["10.0.0.0/8"]),
)
IGNORES: Final = ListOf(Section(lambda: IGNORE, _built, fields_of, accepted="a map with a name and at least one condition"))
