"""Nodes of a file x key tables -> what was set, with every problem and warning found on the way."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

import yaml

from tcpmirror.errors import SettingsError
from tcpmirror.settings.document import is_null, line_of, pairs, shown, tag_of
from tcpmirror.settings.kinds import RejectedError, Scalar
from tcpmirror.settings.schema import MISSING, Anything, Key, Kind, ListOf, MapOf, OneOrMany, Section

PROBLEM_CHARACTERS = 400  # a value may be as long as the file
PROBLEMS_SHOWN = 50  # a file of another program would give thousands


class SettingsProblemsError(SettingsError):
    """All that is wrong with one file: the first problem's facts, a text that lists every one."""

    def __init__(self, problems: list[SettingsError]) -> None:
        first = problems[0]
        super().__init__(first.file, first.line, first.key, first.value, first.accepted, first.problem)
        self.problems = tuple(problems)
        lines = [str(problem) for problem in problems[:PROBLEMS_SHOWN]]
        if len(problems) > PROBLEMS_SHOWN:
            lines.append(f"{first.file}: {len(problems) - PROBLEMS_SHOWN} more problems")
        self.args = ("\n".join(lines),)


@dataclass(frozen=True, slots=True)
class Assigned:
    """One thing a file says: *value* for *target*, found at *path* in *line*."""

    target: str
    value: Any
    path: str
    line: int


class Reading:
    """One pass over one file; problems and warnings gather here, so that all of them can be told at once."""

    def __init__(self, file: str, version: int) -> None:
        self.file = file
        self.version = version
        self.problems: list[SettingsError] = []
        self.warnings: list[str] = []
        self.lines: dict[str, int] = {}  # of each item of a list, by its path

    def problem(self, line: int, path: str, value: object, accepted: str, problem: str = "") -> None:
        if len(problem) > PROBLEM_CHARACTERS:
            problem = problem[:PROBLEM_CHARACTERS] + "…"
        self.problems.append(SettingsError(self.file, line, path, value, accepted, problem))

    def warn(self, line: int, path: str, text: str) -> None:
        where = f"{self.file}:{line}" if line else self.file
        self.warnings.append(f"{where}: {path}: {text}")

    def section(self, section: Section, node: yaml.Node, path: str) -> list[Assigned]:
        """Return what the map *node* sets; sections without `build` inside it are opened up."""
        if not isinstance(node, yaml.MappingNode):
            self.problem(line_of(node), path, shown(node), section.accepted, f"found {shown(node)!r}")
            return []
        known = {key.name: key for key in section.known()}
        assigned: list[Assigned] = []
        seen: dict[str, int] = {}
        for name_node, value in pairs(node):
            key = self._known_key(name_node, value, known, seen, path)
            if key is not None and not is_null(value):  # an empty value leaves the default, as in the native node
                assigned += self._key(key, value, _join(path, key.name), line_of(name_node))
        self._require(section, seen, node, path)
        return assigned

    def _known_key(
        self, name_node: yaml.Node, value: yaml.Node, known: dict[str, Key], seen: dict[str, int], path: str
    ) -> Key | None:
        line = line_of(name_node)
        if not isinstance(name_node, yaml.ScalarNode):
            self.problem(line, path or "(root)", shown(name_node), "a plain key", "a key that is a list or a map")
            return None
        name = str(name_node.value)
        full = _join(path, name)
        if name in seen:
            self.problem(line, full, shown(value), "each key once", f"the key stands in line {seen[name]} already")
            return None
        seen[name] = line
        key = known.get(name)
        if key is None:
            known_words = ", ".join(f"`{name}`" for name, key in known.items() if self.version in key.versions)
            self.problem(line, full, shown(value), known_words, f"unknown key{_suggestion(name, known)}")
        elif self.version not in key.versions:
            versions = " and ".join(map(str, key.versions))
            self.problem(line, full, shown(value), f"version {versions}", f"no key of version {self.version}")
            return None
        return key

    def _require(self, section: Section, seen: dict[str, int], node: yaml.Node, path: str) -> None:
        for key in section.known():
            if key.required and key.name not in seen:
                self.problem(line_of(node), _join(path, key.name), None, _accepted(key.kind), "the key is missing")

    def _key(self, key: Key, node: yaml.Node, path: str, line: int) -> list[Assigned]:
        if isinstance(key.kind, Section) and key.kind.build is None and not key.instead:
            return self.section(key.kind, node, path)
        value = self.value(key.kind, node, path)
        if key.instead:
            self.warn(line, path, f"means nothing here: {key.instead}")
            return []
        return [Assigned(key.target, value, path, line)] if value is not MISSING else []

    def value(self, kind: Kind, node: yaml.Node, path: str) -> Any:
        """Return what *node* says, `MISSING` where it was no value of *kind* (the problem is noted)."""
        match kind:
            case Scalar():
                return self._scalar(kind, node, path)
            case Section():
                return self._record(kind, node, path)
            case ListOf():
                return self._items(kind, node, path)
            case OneOrMany():
                if isinstance(node, yaml.SequenceNode):
                    return self._items(ListOf(kind.item), node, path)
                item = self.value(kind.item, node, path)
                return () if item is MISSING else (item,)
            case MapOf():
                return self._free_map(kind, node, path)
            case Anything():
                return None

    def _scalar(self, kind: Scalar, node: yaml.Node, path: str) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            self.problem(line_of(node), path, shown(node), kind.accepted, _no_scalar(node))
            return MISSING
        try:
            return kind.parse(str(node.value), tag_of(node))
        except RejectedError as rejected:
            self.problem(line_of(node), path, shown(node), kind.accepted, str(rejected))
            return MISSING

    def _record(self, kind: Section, node: yaml.Node, path: str) -> Any:
        count = len(self.problems)
        given = {one.target: one.value for one in self.section(kind, node, path)}
        if kind.build is None or len(self.problems) > count:
            return MISSING
        try:
            return kind.build(given)
        except RejectedError as rejected:
            self.problem(line_of(node), path, shown(node), kind.accepted, str(rejected))
            return MISSING

    def _items(self, kind: ListOf, node: yaml.Node, path: str) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            self.problem(line_of(node), path, shown(node), kind.accepted, f"found {shown(node)!r} where a list belongs")
            return MISSING
        self.lines |= {f"{path}[{index}]": line_of(item) for index, item in enumerate(node.value)}
        values = [self.value(kind.item, item, f"{path}[{index}]") for index, item in enumerate(node.value)]
        return MISSING if MISSING in values else tuple(values)

    def _free_map(self, kind: MapOf, node: yaml.Node, path: str) -> Any:
        if not isinstance(node, yaml.MappingNode):
            self.problem(line_of(node), path, shown(node), kind.accepted, f"found {shown(node)!r} where a map belongs")
            return MISSING
        entries: dict[str, Any] = {}
        for name_node, value_node in pairs(node):
            name = self.value(kind.name, name_node, path)
            if name in entries:
                self.problem(
                    line_of(name_node), f"{path}.{name}", shown(value_node), "each key once", "the key stands here twice"
                )
            elif name is not MISSING:
                entries[name] = self.value(kind.value, value_node, f"{path}.{name}")
        return tuple((name, value) for name, value in entries.items() if value is not MISSING)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _no_scalar(node: yaml.Node) -> str:
    """Say what was found where one value belongs; `- eth1:` without quotes is a map, as few people know."""
    if isinstance(node, yaml.MappingNode) and len(node.value) == 1 and is_null(node.value[0][1]):
        return f"`{shown(node.value[0][0])}:` without quotes is a map to YAML: write '{shown(node.value[0][0])}:'"
    return f"found {shown(node)} where one value belongs"


def _accepted(kind: Kind) -> str:
    return kind.accepted


def _suggestion(name: str, known: dict[str, Key]) -> str:
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return f"; did you mean `{near[0]}`?" if near else ""
