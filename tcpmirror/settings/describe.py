"""The settings tree -> a file of version 4 with every value, which reads as the same tree again."""

from __future__ import annotations

from typing import Any

import yaml

from tcpmirror.settings.schema import MISSING, Anything, Key, Kind, ListOf, MapOf, OneOrMany, Section
from tcpmirror.settings.table import ROOT
from tcpmirror.settings.tree import Settings

HIDDEN = "(hidden)"
WIDTH = 120


def describe_settings(settings: Settings, hide_secrets: bool = False) -> str:
    """Return *settings* as YAML, version 4; what its keys cannot say stands under keys of our own.

    With *hide_secrets* a token that is set is shown as `(hidden)`, for output that others will see.
    """
    data = _section(ROOT, lambda key: target_value(settings, key), hide_secrets)
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=WIDTH)


def target_value(settings: Settings, key: Key) -> Any:
    """Return what the tree has for a key outside of records; `MISSING` for a key that does not set a field."""
    if key.target == ":version":
        return settings.version
    if key.target.startswith(":sources."):
        kind = key.target.removeprefix(":sources.")
        return tuple(source for source in settings.capture.sources if source.kind == kind)
    if not key.target or key.target.startswith(":"):
        return MISSING
    value: Any = settings
    for name in key.target.split("."):
        value = getattr(value, name)
    return value


def _section(section: Section, value_of: Any, hide_secrets: bool = False) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for key in section.known():
        if key.alias or key.instead or 4 not in key.versions:
            continue
        if isinstance(key.kind, Section) and key.kind.build is None:
            if inner := _section(key.kind, value_of, hide_secrets):
                written[key.name] = inner
            continue
        value = value_of(key)
        if value is MISSING or value is None:
            continue
        written[key.name] = HIDDEN if key.secret and value and hide_secrets else write(key.kind, value, hide_secrets)
    return written


def write(kind: Kind, value: Any, hide_secrets: bool = False) -> Any:
    """Return *value* of *kind* in YAML's types; with *hide_secrets* the secrets in it as `describe_settings` has them."""
    match kind:
        case ListOf() | OneOrMany():
            return [write(kind.item, item, hide_secrets) for item in value]
        case MapOf():
            return {kind.name.write(name): kind.value.write(item) for name, item in value}
        case Section():
            fields = kind.take(value) if kind.take else {}
            return _section(kind, lambda key: fields.get(key.target, MISSING), hide_secrets)
        case Anything():
            return value
        case _:
            return kind.write(value)
