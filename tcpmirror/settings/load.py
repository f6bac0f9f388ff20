"""A settings file -> the settings tree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from tcpmirror.errors import SettingsError
from tcpmirror.settings.assemble import assemble
from tcpmirror.settings.document import FILE_BYTES, compose, line_of, pairs, shown, tag_of
from tcpmirror.settings.reading import Reading, SettingsProblemsError
from tcpmirror.settings.schema import VERSIONS
from tcpmirror.settings.table import MODES, ROOT
from tcpmirror.settings.tree import Settings


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings, and what an operator should know of their file: one text for each warning, with file and line."""

    settings: Settings
    warnings: tuple[str, ...] = ()


def load_settings(path: Path) -> LoadedSettings:
    """Return the settings of the file at *path*; SettingsError tells all that is wrong with it."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(str(path), 0, "(file)", str(path), "a YAML file", f"cannot be read: {reason}") from error
    except ValueError as error:  # a NUL in the path
        raise SettingsError(repr(path), 0, "(file)", str(path), "a YAML file", str(error)) from error
    if len(data) > FILE_BYTES:
        raise SettingsError(str(path), 0, "(file)", "", f"at most {FILE_BYTES >> 20} MiB", "the file is too big")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SettingsError(
            str(path), line, "(file)", "", "UTF-8", f"byte {error.start} is no UTF-8: {error.reason}"
        ) from error
    return parse_settings(text, str(path))


def parse_settings(text: str, file: str) -> LoadedSettings:
    """Return the settings *text* holds; *file* is its name in messages."""
    root = compose(text, file)
    reading = Reading(file, _version(root, file))
    _refuse_other_modes(root, reading)
    assigned = reading.section(ROOT, root, "")
    settings = assemble(assigned, reading)
    if reading.problems:
        raise SettingsProblemsError(sorted(reading.problems, key=lambda problem: problem.line))
    return LoadedSettings(settings, tuple(reading.warnings))


def _version(root: yaml.MappingNode, file: str) -> int:
    """Return the version the file says it has: what its keys mean depends on it, so nothing is read before."""
    accepted = ", ".join(map(str, VERSIONS))
    for key, value in pairs(root):
        if key.value != "version":
            continue
        if isinstance(value, yaml.ScalarNode) and tag_of(value) == "int" and value.value in map(str, VERSIONS):
            return int(value.value)
        raise SettingsError(file, line_of(value), "version", shown(value), accepted)
    wrong_case = next((line_of(key) for key, _ in pairs(root) if str(key.value).lower() == "version"), 0)
    problem = "version 1 (`Version:`, before 0.4) is not read" if wrong_case else "the key is missing"
    raise SettingsError(file, wrong_case or 1, "version", None, accepted, problem)


def _refuse_other_modes(root: yaml.MappingNode, reading: Reading) -> None:
    """Say of modes that are not ours why they are refused, and of the newer one that it needs version 4."""
    for key, value in pairs(root):
        if key.value != "mode" or not isinstance(value, yaml.ScalarNode):
            continue
        if value.value in ("connector-server", "envoy-external-filter"):
            text = (
                f"{value.value!r} is a mode of the native node in the traffic's way; this sensor reads mirrored traffic only"
            )
            raise SettingsError(reading.file, line_of(value), "mode", value.value, " or ".join(MODES), text)
        if value.value == "tcp-capture-v2" and reading.version < 4:
            reading.problem(
                line_of(value),
                "mode",
                value.value,
                "`version: 4`, or mode tcp-capture",
                "tcp-capture-v2 came with version 4",
            )
