"""Settings that come from environment variables, after the file's; `TCPMIRROR_*` goes before the older `WALLARM_*`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from tcpmirror.errors import SettingsError
from tcpmirror.settings.simulation import VARIABLE, simulated
from tcpmirror.settings.tree import Settings

PREFIXES: Final = ("TCPMIRROR_", "WALLARM_")
TRUE: Final = ("true", "1", "yes", "on")
FALSE: Final = ("false", "0", "no", "off", "")


def apply_environment(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """Return *settings* with what `*_APID_ONLY` (attacks are not exported) and `*_LABELS` (`group=NAME`) say.

    `TCPMIRROR_SIMULATE` names faults for tests.

    SettingsError, with the variable as its key, for a value that means nothing.
    """
    name, text = _variable(environ, "APID_ONLY")
    if name:
        settings = replace(settings, discovery_only=_flag(name, text))
    name, text = _variable(environ, "LABELS")
    group = _labels(name, text).get("group") if name else None
    if group is not None:
        settings = replace(settings, cloud=replace(settings.cloud, group=group))
    return simulated(settings, environ.get(VARIABLE, ""), "(environment)", VARIABLE)


def _variable(environ: Mapping[str, str], suffix: str) -> tuple[str, str]:
    """Return name and value of the variable that counts; empty if none is set."""
    return next(((prefix + suffix, environ[prefix + suffix]) for prefix in PREFIXES if prefix + suffix in environ), ("", ""))


def _flag(name: str, text: str) -> bool:
    word = text.strip().lower()
    if word not in TRUE + FALSE:
        raise SettingsError("(environment)", 0, name, text, "true or false")
    return word in TRUE


def _labels(name: str, text: str) -> dict[str, str]:
    """Return labels by name; those that mean nothing here are kept too, nobody asks for them."""
    labels = {}
    for label in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = label.partition("=")
        if not equals or not value.isprintable():
            raise SettingsError("(environment)", 0, name, text, "labels as `group=NAME`, between commas")
        labels[key.strip()] = value.strip()
    return labels
