"""Whole rule sets: the files of a folder in order, and what later directives take out of rules before them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from tcpmirror.detect.seclang.grammar import (
    Action,
    Directive,
    SyntaxProblem,
    Variable,
    logical_lines,
    parse_actions,
    parse_directive,
    parse_variables,
)
from tcpmirror.detect.seclang.rules import (
    DISRUPTIVE,
    Link,
    Marker,
    Removal,
    SecRule,
    Unsupported,
    first,
    read_link,
    read_phase,
)
from tcpmirror.errors import SettingsError

ACCEPTED: Final = "a folder of SecLang files (*.conf), or one such file"
# Why rules of these phases are left out.
_NOT_RUN: Final = {
    3: "judges the head of responses; responses are judged by tcpmirror's own rules only",
    4: "judges the body of responses; responses are judged by tcpmirror's own rules only",
    5: "runs at logging, when a server has answered: a tap has nothing to decide there",
}
_BLANK: Final = re.compile(r"[ \t|]")
_INCLUDES_DEEP: Final = 8
# Directives of servers that say nothing about which requests are attacks.
_IGNORED: Final = re.compile(
    r"sec(componentsignature|ruleengine|request|response|audit|debug|tmp|data|upload|pcre|argument|cookie|collection|unicode|"
    r"geo|gsb|guardian|hash|http|interceptonerror|remote|rulepers|ruleinherit|sensor|server|status|stream|web|xml|conn|content|"
    r"cache|chroot|disable|read|write|argseparator|rulescript)\w*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Refused:
    """A rule or directive that is left out, and why."""

    file: str
    line: int
    id: int
    phase: int
    reason: str


@dataclass(slots=True)
class Ruleset:
    """``items``: rules and markers in the order of the files; ``defaults``: what the action `block` means, by phase."""

    items: list[SecRule | Marker] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    defaults: dict[int, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)

    @property
    def rules(self) -> list[SecRule]:
        return [item for item in self.items if isinstance(item, SecRule)]


def load_ruleset(path: Path) -> Ruleset:
    """Return the rules in the folder or file *path*; SettingsError: there are none, or a file cannot be read.

    A set-up file of the name that the OWASP CRS gives it goes before the rules, as its documentation asks.
    """
    reader = _Reader()
    for file in _files(path):
        reader.read_file(file, 0)
    reader.finish()
    if not reader.ruleset.items and not reader.ruleset.refused:
        raise SettingsError(str(path), 0, "directory", str(path), ACCEPTED, "no rules there")
    return reader.ruleset


def parse_ruleset(text: str, file: str = "(text)") -> Ruleset:
    """Return the rules in *text*."""
    reader = _Reader()
    reader.read_text(text, Path(file), 0)
    reader.finish()
    return reader.ruleset


def written(ruleset: Ruleset) -> str:
    """Return *ruleset* as one text of SecLang that needs no other file; what was refused stands in comments."""
    lines = [f"# not loaded: {item.file}:{item.line}: rule {item.id}: {item.reason}" for item in ruleset.refused]
    lines += [f'SecDefaultAction "phase:{phase},{action}"' for phase, action in sorted(ruleset.defaults.items())]
    for item in ruleset.items:
        lines.append(f'SecMarker "{item.name}"' if isinstance(item, Marker) else item.text)
    return "\n".join(lines) + "\n"


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise SettingsError(str(path), 0, "directory", str(path), ACCEPTED)
    found = sorted(path.glob("*.conf")) or sorted(path.glob("rules/*.conf"))
    setup = [file for file in (path / "crs-setup.conf", path.parent / "crs-setup.conf") if file.is_file()]
    return setup[:1] + [file for file in found if file.name != "crs-setup.conf"]


class _Reader:
    """Reads files into a ruleset, directive by directive."""

    def __init__(self) -> None:
        self.ruleset = Ruleset()
        self._chain: list[tuple[Directive, tuple[Action, ...]]] = []
        self._default_actions: dict[int, tuple[Action, ...]] = {}

    def read_file(self, file: Path, depth: int) -> None:
        try:
            text = file.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise SettingsError(str(file), 0, "directory", str(file), ACCEPTED, str(error)) from error
        self.ruleset.files.append(str(file))
        self.read_text(text, file, depth)

    def read_text(self, text: str, file: Path, depth: int) -> None:
        for line, content in logical_lines(text):
            try:
                directive = parse_directive(str(file), line, content)
            except SyntaxProblem as problem:
                self._refuse(str(file), line, 0, 0, str(problem))
                continue
            name = directive.name.lower()
            if name in ("include", "includeoptional") and depth < _INCLUDES_DEEP:
                for pattern in directive.arguments:
                    folder = Path(Path(pattern).anchor or file.parent)
                    for found in sorted(folder.glob(pattern.removeprefix(Path(pattern).anchor))):
                        self.read_file(found, depth + 1)
            else:
                self._take(directive)

    def finish(self) -> None:
        """Tell of a chain that has no end."""
        if self._chain:
            directive, actions = self._chain[0]
            self._refuse(directive.file, directive.line, _id(actions), read_phase(actions), "the chain has no end")

    def _take(self, directive: Directive) -> None:
        name = directive.name.lower()
        try:
            if name in ("secrule", "secaction"):
                self._take_rule(directive)
            elif name == "secmarker":
                self.ruleset.items.append(Marker(directive.arguments[0]))
            elif name == "secdefaultaction":
                self._take_default(parse_actions(directive.arguments[0]))
            elif name.startswith(("secruleremoveby", "secruleupdate")):
                self._change(directive)
            elif not _IGNORED.fullmatch(name):
                self._refuse(directive.file, directive.line, 0, 0, f"directive {directive.name} is not known")
        except (SyntaxProblem, IndexError, ValueError) as problem:
            self._refuse(directive.file, directive.line, 0, 0, str(problem) or f"{directive.name} has too few arguments")

    def _take_default(self, actions: tuple[Action, ...]) -> None:
        phase = read_phase(actions)
        self._default_actions[phase] = actions
        disruptive = [action.name.lower() for action in actions if action.name.lower() in (*DISRUPTIVE, "pass")]
        self.ruleset.defaults[phase] = disruptive[-1] if disruptive else "pass"

    def _take_rule(self, directive: Directive) -> None:
        at = 1 if len(directive.arguments) == 3 else 0
        is_action = directive.name.lower() == "secaction"
        text = directive.arguments[0] if is_action else directive.arguments[2] if at else ""
        try:
            actions = parse_actions(text)
        except SyntaxProblem as problem:
            head = self._chain[0] if self._chain else (directive, ())
            self._chain.clear()
            self._refuse(directive.file, directive.line, _id(head[1]) or _guessed_id(text), 2, str(problem))
            return
        self._chain.append((directive, actions))
        if first(actions, "chain") is None:
            chain, self._chain = self._chain, []
            self._add(chain)

    def _add(self, chain: list[tuple[Directive, tuple[Action, ...]]]) -> None:
        directive, actions = chain[0]
        phase, number = read_phase(actions), _id(actions)
        if phase not in (1, 2):
            self._refuse(directive.file, directive.line, number, phase, _NOT_RUN.get(phase, "no phase of a request"))
            return
        try:
            head = read_link(directive, self._with_defaults(actions, phase))
            links = (head, *(read_link(part, own) for part, own in chain[1:]))
        except (Unsupported, SyntaxProblem) as problem:
            self._refuse(directive.file, directive.line, number, phase, str(problem))
            return
        self.ruleset.items.append(_rule(chain, links, phase))

    def _with_defaults(self, actions: tuple[Action, ...], phase: int) -> tuple[Action, ...]:
        return tuple(action for action in self._default_actions.get(phase, ()) if action.name == "t") + actions

    def _change(self, directive: Directive) -> None:
        """Apply SecRuleRemoveBy* and SecRuleUpdate*By* to the rules read so far."""
        name = directive.name.lower()
        by = name[name.index("by") + 2 :]
        whats = re.split(r"[\s,]+", directive.arguments[0]) if by == "id" else [directive.arguments[0]]
        if name.startswith("secruleremoveby"):
            whats = whats + [what for more in directive.arguments[1:] for what in re.split(r"[\s,]+", more)]
            chosen = [item for item in self.ruleset.items if any(_is_meant(item, by, what) for what in whats)]
            self.ruleset.items = [item for item in self.ruleset.items if item not in chosen]
        elif name.startswith("secruleupdatetarget"):
            targets = parse_variables(directive.arguments[1])
            self._replace(by, whats, lambda rule: _with_targets(rule, targets, directive.arguments[1]))
        elif name == "secruleupdateactionbyid":
            actions = parse_actions(directive.arguments[1])
            self._replace(by, whats, lambda rule: _with_actions(rule, actions))
        else:
            raise Unsupported(f"directive {directive.name} is not known")

    def _replace(self, by: str, whats: list[str], changed: Callable[[SecRule], SecRule]) -> None:
        self.ruleset.items = [
            changed(item) if isinstance(item, SecRule) and any(_is_meant(item, by, what) for what in whats) else item
            for item in self.ruleset.items
        ]

    def _refuse(self, file: str, line: int, number: int, phase: int, reason: str) -> None:
        self.ruleset.refused.append(Refused(file, line, number, phase, reason))


def rules_meant(rules: Iterable[SecRule], removal: Removal) -> Iterator[int]:
    """Yield the ids of the rules that *removal* is about."""
    for rule in rules:
        if _is_meant(rule, removal.by, removal.what):
            yield rule.id


def _is_meant(item: SecRule | Marker, by: str, what: str) -> bool:
    if isinstance(item, Marker):
        return False
    if by == "id":
        low, _, high = what.strip("\"'").partition("-")
        return low.isdigit() and int(low) <= item.id <= (int(high) if high.isdigit() else int(low))
    texts = item.tags if by == "tag" else (item.message,)
    return any(re.search(what.strip("\"'"), text) for text in texts)


def _rule(chain: list[tuple[Directive, tuple[Action, ...]]], links: tuple[Link, ...], phase: int) -> SecRule:
    directive, actions = chain[0]
    disruptive = [action.name.lower() for action in actions if action.name.lower() in (*DISRUPTIVE, "pass", "allow")]
    return SecRule(
        id=_id(actions),
        phase=phase,
        file=directive.file,
        line=directive.line,
        links=links,
        tags=tuple(action.value for action in actions if action.name.lower() == "tag"),
        message=first(actions, "msg") or "",
        severity=(first(actions, "severity") or "").upper(),
        action=disruptive[-1] if disruptive else "block",
        is_logged=first(actions, "nolog") is None,
        skip_after=first(actions, "skipafter") or "",
        text="\n".join(_text(part, link) for (part, _), link in zip(chain, links, strict=True)),
    )


def _text(directive: Directive, link: Link) -> str:
    """Return one directive as text; an operator that read a file has its phrases in it."""
    arguments = list(directive.arguments)
    if link.operator is not None and link.operator.name == "pmwords":
        words = link.operator.argument.split("\n")
        packed = " ".join(_BLANK.sub(lambda match: f"|{ord(match[0]):02x}|", word) for word in words)
        arguments[1] = ("!" if link.operator.negated else "") + "@pm " + packed
    if link.operator is not None and link.operator.name == "ipmatch":
        arguments[1] = ("!" if link.operator.negated else "") + "@ipMatch " + link.operator.argument.replace("\n", ",")
    quoted = ['"' + argument.replace('"', '\\"') + '"' for argument in arguments]
    return " ".join([directive.name, *quoted])


def _with_targets(rule: SecRule, targets: tuple[Variable, ...], text: str) -> SecRule:
    head = replace(rule.links[0], targets=rule.links[0].targets + targets)
    return replace(rule, links=(head, *rule.links[1:]), text=f'{rule.text}\nSecRuleUpdateTargetById {rule.id} "{text}"')


def _with_actions(rule: SecRule, actions: tuple[Action, ...]) -> SecRule:
    names = [action.name.lower() for action in actions]
    disruptive = [name for name in names if name in (*DISRUPTIVE, "pass", "allow")]
    return replace(
        rule,
        action=disruptive[-1] if disruptive else rule.action,
        severity=(first(actions, "severity") or rule.severity).upper(),
        message=first(actions, "msg") or rule.message,
        is_logged="log" in names or (rule.is_logged and "nolog" not in names),
        tags=rule.tags + tuple(action.value for action in actions if action.name.lower() == "tag"),
    )


def _id(actions: Iterable[Action]) -> int:
    value = first(actions, "id") or ""
    return int(value) if value.isdigit() else 0


def _guessed_id(text: str) -> int:
    match = re.search(r"\bid:'?(\d+)", text)
    return int(match[1]) if match else 0
