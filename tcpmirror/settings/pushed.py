"""Settings that the cloud pushes: a few of the keys of the file, read by the same tables, over what the file says.

Only what a sensor takes while it runs, and what cannot blind it or let the cloud reach into its machine: no source of
frames, no path, no address, no credential. The environment goes before them, as it goes before the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import yaml

from tcpmirror.errors import SettingsError
from tcpmirror.model.settings_document import decode_settings
from tcpmirror.settings.assemble import check, with_value
from tcpmirror.settings.document import FILE_BYTES, compose, line_of, pairs, shown
from tcpmirror.settings.environment import placed
from tcpmirror.settings.in_force import in_force_directory
from tcpmirror.settings.load import LoadedSettings, load_settings
from tcpmirror.settings.reading import Reading, SettingsProblemsError
from tcpmirror.settings.schema import Section
from tcpmirror.settings.table import ROOT
from tcpmirror.settings.tree import Settings

NAME: Final = "cloud-settings.json"  # in the directory of what is in force
TEXT_CHARS: Final = 64 * 1024
VERSION: Final = 4  # of the keys
# Keys, each with all that stands below it.
PUSHABLE: Final = (
    "cloud.batch_interval",
    "cloud.batch_reports",
    "cloud.heartbeat_interval",
    "cloud.timeout",
    "discovery",
    "input_filters",
    "inspection.ignore",
    "inspection.mask",
    "limits.body",
    "limits.decode",
    "limits.decode_depth",
    "limits.decode_points",
    "limits.export_request",
    "limits.export_response",
    "limits.flow_idle",
    "limits.half_open_idle",
    "limits.head",
    "log.access_log.enabled",
    "log.access_log.verbose",
    "log.level",
    "metrics.per_host_stats",
    "proxy_headers",
    "reassembly",
    "shedding",
    "spool.quota",
)
_ROOT: Final = Section(lambda: tuple(replace(key, required=False) for key in ROOT.known()))


def with_pushed(settings: Settings, text: str, name: str) -> Settings:
    """Return *settings* with what the YAML *text* says over them; SettingsError tells all that is wrong with it.

    *name* is that of the text in messages.
    """
    if len(text) > TEXT_CHARS:
        raise SettingsError(name, 0, "(text)", "", f"at most {TEXT_CHARS >> 10} KiB", "the text is too long")
    if not text.strip():
        return settings
    root = compose(text, name)
    reading = Reading(name, VERSION)
    _refuse_others(root, reading)
    if reading.problems:
        raise SettingsProblemsError(reading.problems)
    assigned = reading.section(_ROOT, root, "")
    for one in assigned:
        settings = with_value(settings, one.target.split("."), one.value)
    if not reading.problems:
        check(settings, {one.path: one.line for one in assigned}, reading)
    if reading.problems:
        raise SettingsProblemsError(sorted(reading.problems, key=lambda problem: problem.line))
    return settings


def load_in_force(file: Path | None, environ: Mapping[str, str]) -> LoadedSettings:
    """Return the settings of *file* (None: the defaults) with those of the cloud that were kept where *environ* has them.

    Raises SettingsError for the file. What the cloud sent was looked through before it was kept; should it not fit any more,
    as after a change of the file, it is left out with a warning: a sensor starts without its cloud.
    """
    loaded = load_settings(file) if file is not None else LoadedSettings(Settings())
    return with_kept(replace(loaded, settings=placed(loaded.settings, environ)))


def with_kept(loaded: LoadedSettings) -> LoadedSettings:
    """Return *loaded* with the settings of the cloud that its state directory keeps, as `load_in_force` does."""
    kept = in_force_directory(loaded.settings) / NAME
    try:
        with kept.open("rb") as stored:
            document = decode_settings(stored.read(FILE_BYTES))
        settings = loaded.settings
        for scope, text in document.layers:
            settings = with_pushed(settings, text, f"cloud settings for {scope}")
    except FileNotFoundError:
        return loaded
    except (OSError, ValueError, RecursionError, SettingsError) as error:
        return replace(loaded, warnings=(*loaded.warnings, f"{kept}: the cloud's settings are left out: {error}"))
    return replace(loaded, settings=settings)


def pushed_signature(settings: Settings) -> tuple[int, int]:
    """Return what tells whether the settings that were kept of the cloud have changed."""
    try:
        status = (in_force_directory(settings) / NAME).stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_ino


def _refuse_others(root: yaml.MappingNode, reading: Reading) -> None:
    for path, key in _paths(root, ""):
        if not _is_pushable(path):
            accepted = ", ".join(PUSHABLE)
            reading.problem(
                line_of(key), path, shown(key), accepted, "this key is the sensor's own and is not taken from a cloud"
            )


def _paths(node: yaml.MappingNode, above: str) -> Iterator[tuple[str, yaml.Node]]:
    """Give the path of each key that is pushable or leads to none that is, with its node."""
    for key, value in pairs(node):
        path = f"{above}.{key.value}" if above else str(key.value)
        leads_on = any(one.startswith(f"{path}.") for one in PUSHABLE)
        if leads_on and isinstance(value, yaml.MappingNode):
            yield from _paths(value, path)
        else:
            yield path, key


def _is_pushable(path: str) -> bool:
    return any(path == one or path.startswith(f"{one}.") for one in PUSHABLE)
