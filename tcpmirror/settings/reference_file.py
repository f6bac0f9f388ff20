"""The reference files of `configs/`: every key of a version with its default and what it means."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tcpmirror.settings.describe import target_value, write
from tcpmirror.settings.kinds import Flag, Scalar
from tcpmirror.settings.rows import RECORDS, default_of, inline, record_of, rows
from tcpmirror.settings.schema import MISSING, Key, ListOf, OneOrMany, Section
from tcpmirror.settings.table import ROOT
from tcpmirror.settings.tree import Settings

COMMENT_WIDTH: Final = 100


def reference_file(version: int) -> str:
    """Return a file of *version* (3 or 4) with every key; what is no default of the sensor stands behind `#`."""
    lines = textwrap.wrap(
        f"Every key of a version {version} file, with its default. A line that begins with `#` and goes on without a space"
        " is a setting too: one that is not needed, an example, or one of the native node that means nothing here."
        " Sizes: 512MiB, 64K or plain bytes. Durations: 5s, 1m30s, 500ms.",
        COMMENT_WIDTH,
    )
    writer = _FileWriter(version)
    writer.section(ROOT, _At())
    return "\n".join([*(f"# {line}" for line in lines), *writer.lines]) + "\n"


@dataclass(frozen=True, slots=True)
class _At:
    """Where the writer is. *given*: the values of the record it is in, by target."""

    path: str = ""
    indent: int = 0
    is_live: bool = True
    given: dict[str, Any] = field(default_factory=dict)


class _FileWriter:
    """Writes the keys of one version; *is_live* lines are settings, the others stand behind `#`."""

    def __init__(self, version: int) -> None:
        self.lines: list[str] = []
        self._version = version
        self._canonical = {row.key.target for row in rows() if version in row.key.versions and not row.key.alias}

    def section(self, section: Section, at: _At, dash: bool = False) -> None:
        """Write the keys of *section*; with *dash* they are an item of a list."""
        for key in section.known():
            if self._version not in key.versions:
                continue
            path = f"{at.path}.{key.name}" if at.path else key.name
            if not at.path:
                self.lines.append("")
            self._comment(key, at.indent)
            here = replace(at, path=path, is_live=at.is_live and (self._is_live(key, path) or key.target in at.given))
            self._key(key, here, "- " if dash else "")
            dash = False

    def _is_live(self, key: Key, path: str) -> bool:
        if key.instead or key.example is not MISSING or (path == "goreplay" and self._version == 4):
            return False
        return not key.alias or key.target not in self._canonical

    def _comment(self, key: Key, indent: int) -> None:
        text = f"Means nothing here: {key.instead}." if key.instead else key.meaning
        if isinstance(key.kind, Scalar) and not isinstance(key.kind, Flag) and not key.instead:
            text += f" Accepted: {key.kind.accepted}."
        self.lines += [
            f"{' ' * indent}# {line}" for line in textwrap.wrap(text, COMMENT_WIDTH - indent, break_on_hyphens=False)
        ]

    def _key(self, key: Key, at: _At, dash: str) -> None:
        start = " " * (at.indent - len(dash)) + ("" if at.is_live else "#") + dash
        inner = record_of(key.kind)
        if inner is None or at.path.endswith("routes.routes"):
            self.lines.append(f"{start}{key.name}: {inline(self._value(key, at))}")
            return
        is_record = bool(at.given) or at.path.rpartition(".")[0] in RECORDS
        value = at.given.get(key.target, MISSING) if is_record else target_value(Settings(), key)
        below = replace(at, indent=at.indent + 2, given={})
        if isinstance(key.kind, ListOf | OneOrMany):
            self._records(start + key.name, inner, below, value)
        else:
            self.lines.append(f"{start}{key.name}:")
            self.section(inner, replace(below, given=inner.take(value) if inner.take else {}))

    def _records(self, start: str, inner: Section, at: _At, values: Any) -> None:
        """Write the items of the default list, or one example behind `#` where it is empty."""
        items = [inner.take(value) for value in values] if at.is_live and values is not MISSING and inner.take else []
        self.lines.append(f"{start}:" if items or "#" in start else f"{' ' * (at.indent - 2)}#{start.strip()}:")
        for item in items or [{}]:
            self.section(inner, replace(at, indent=at.indent + 2, is_live=bool(items), given=item), dash=True)

    def _value(self, key: Key, at: _At) -> Any:
        if key.target in at.given:
            return write(key.kind, at.given[key.target])
        if key.example is not MISSING:
            return key.example
        if at.path == "version":
            return self._version
        if at.path == "mode":
            return "tcp-capture-v2" if self._version == 4 else "tcp-capture"
        value = default_of(key, RECORDS.get(at.path.rpartition(".")[0]))
        return [] if value is MISSING else value
