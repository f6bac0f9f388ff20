"""One sink by itself, as somebody wrote it outside a settings file: read by the tables that read files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import yaml

from tcpmirror.settings.document import compose
from tcpmirror.settings.reading import Reading, SettingsProblemsError
from tcpmirror.settings.schema import Section
from tcpmirror.settings.table import ROOT
from tcpmirror.settings.tree import Sink

_VERSION: Final = 4  # of the keys
_ROOT: Final = Section(lambda: tuple(replace(key, required=False) for key in ROOT.known() if key.name == "sinks"))


def read_sink(given: dict[str, Any], name: str) -> Sink:
    """Return the sink with the keys *given* (those of `sinks`); SettingsProblemsError, where *name* is the file's."""
    text = yaml.safe_dump({"sinks": [given]}, allow_unicode=True)
    reading = Reading(name, _VERSION)
    assigned = reading.section(_ROOT, compose(text, name), "")
    if reading.problems:
        raise SettingsProblemsError(reading.problems)
    (sink,) = assigned[0].value
    assert isinstance(sink, Sink), "what the table of sinks makes"
    return sink
