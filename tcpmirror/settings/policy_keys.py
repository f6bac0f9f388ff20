"""The keys of policies, also in own rule packs: `ignore` (findings not reported) and `mask` (values not told)."""

from __future__ import annotations

import re
from typing import Any, Final

from tcpmirror.model.attack import ATTACK_TYPES
from tcpmirror.model.sensitive_class import GROUP_NAMES, GROUPS
from tcpmirror.settings import patterns
from tcpmirror.settings.inspection_keys import fields_of
from tcpmirror.settings.kinds import FLAG, GLOB, NETWORK, PATTERN, TEXT, Choice, RejectedError, Text
from tcpmirror.settings.schema import Key, ListOf, Section
from tcpmirror.settings.tree import Condition, Ignore, Mask

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


# What a value may be read as, and a policy may say that it is not.
PARSERS: Final = (
    "cookie", "gzip", "htmljs", "json_doc", "multipart", "base64", "hex", "percent", "form_urlencoded", "xml", "jwt", "url",
    "gql_query", "grpc",
)  # fmt: skip
CONDITION_TYPES: Final = ("equal", "iequal", "regex", "absent")
_WHERE_POINT: Final = Text(
    "uri, path.N, action_name, action_ext, get.NAME, header.NAME, method, proto, scheme or application",
    re.compile(
        r"(?:uri|action_name|action_ext|method|proto|scheme|application|path\.\d{1,3}|(?:get|query|header)\.\S{1,128})"
    ),
    may_be_empty=False,
)


def _condition(given: dict[str, Any]) -> Condition:
    made = Condition(**given)
    if made.type == "regex" and (fault := patterns.pattern_fault(made.value)):
        raise RejectedError(fault)
    if made.type == "absent" and made.value:
        raise RejectedError("what is absent has no value")
    return made


CONDITION: Final = (
    Key("point", _WHERE_POINT, "Which value of the request.", "point", required=True, own=True, example="header.HOST"),
    Key("type", Choice(CONDITION_TYPES), "How it compares; `iequal` without case.", "type", own=True),
    Key("value", TEXT, "With what.", "value", own=True, example="shop.example"),
)
CONDITIONS: Final = ListOf(Section(lambda: CONDITION, _condition, fields_of, accepted="a map of point, type and value"))


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
    Key("where", CONDITIONS, "What else has to hold of the request.", "where", own=True),
    Key("parsers", ListOf(Choice(PARSERS)), "Found in what one of these made of the value.", "parsers", own=True),
    Key("binary", FLAG, "Found in a value that is binary.", "binary", own=True, default=False),
)
IGNORES: Final = ListOf(Section(lambda: IGNORE, _built, fields_of, accepted="a map with a name and at least one condition"))


def _mask(given: dict[str, Any]) -> Mask:
    if not any(given.get(name) for name in ("point", "parameter", "pattern", "classes")):
        raise RejectedError("nothing says which values: one of point, parameter, pattern and classes is needed")
    return Mask(**given)


MASK: Final = (
    Key("name", NAME, "Shown where masks are listed.", "name", required=True, own=True, example="card-numbers"),
    Key("host", GLOB, "Host name.", "host", own=True, example="*.shop.example"),
    Key("path", EITHER, "Path without query.", "path", own=True, example="/checkout/*"),
    Key("where", CONDITIONS, "What else has to hold of the request.", "where", own=True),
    Key("point", _POINT, "Where: there, or anywhere below.", "point", own=True, example="post.json_doc.hash.password"),
    Key("parameter", EITHER, "Name of the parameter, header, cookie or member.", "parameter", own=True, example="pin"),
    Key("pattern", PATTERN, "Of each value, what this finds; empty: all of it.", "pattern", own=True),
    Key(
        "classes",
        ListOf(Choice((*GROUP_NAMES, *GROUPS))),
        "Of each value, what is of these classes of sensitive data.",
        "classes",
        own=True,
        example=["credentials", "card"],
    ),
)
MASKS: Final = ListOf(Section(lambda: MASK, _mask, fields_of, accepted="a map with a name, and which values are meant"))
