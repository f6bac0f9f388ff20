"""What the directives of SecLang mean: rules with their links, targets and actions, or the reason why not here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tcpmirror.detect.seclang.grammar import (
    Action,
    Directive,
    Operator,
    Variable,
    parse_operator,
    parse_variables,
)
from tcpmirror.detect.seclang.operators import OPERATORS
from tcpmirror.detect.seclang.scanner import expression_problem
from tcpmirror.detect.seclang.transaction import COLLECTIONS
from tcpmirror.detect.seclang.transformations import TRANSFORMATIONS

DISRUPTIVE: Final = frozenset(("deny", "drop", "redirect", "proxy", "block"))
# Actions that change what is logged or how a server answers: a tap can leave them out, the verdict stays the same.
_ACTIONS: Final = frozenset(
    ("accuracy", "allow", "append", "auditlog", "block", "capture", "chain", "ctl", "deny", "deprecatevar", "drop", "exec")
) | frozenset(
    ("expirevar", "id", "initcol", "log", "logdata", "maturity", "msg", "multimatch", "noauditlog", "nolog", "pass")
)
_SERVER_ACTIONS: Final = frozenset(
    ("pause", "phase", "prepend", "proxy", "redirect", "rev", "sanitisearg", "sanitisematched", "sanitiserequestheader")
)
_KNOWN: Final = frozenset(
    ("setenv", "setrsc", "setsid", "setuid", "setvar", "severity", "skipafter", "status", "t", "tag", "ver", "xmlns")
)
_ACCEPTED: Final = _ACTIONS | _SERVER_ACTIONS | _KNOWN
_PHASES: Final = {"request": 2, "response": 4, "logging": 5}
# Kept from one request to the next by a server: counters of clients, sessions, users.
_PERSISTENT: Final = frozenset(("IP", "GLOBAL", "SESSION", "USER", "RESOURCE"))
_RUNTIME: Final = re.compile(r"ruleremove(target)?by(id|tag|msg)", re.IGNORECASE)


class Unsupported(ValueError):
    """A rule that cannot run here; the message is the reason."""


@dataclass(frozen=True, slots=True)
class SetVariable:
    """``setvar``: *value* is assigned (``=``), added (``+``), subtracted (``-``); ``!`` removes the variable."""

    name: str
    how: str
    value: str


@dataclass(frozen=True, slots=True)
class Removal:
    """``ctl:ruleRemove*`` or ``SecRuleRemove*``/``SecRuleUpdateTarget*``: rules by id or tag, or targets of them."""

    by: str  # id | tag | msg
    what: str
    target: Variable | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """One SecRule of a chain; ``operator`` None: SecAction, which always matches."""

    targets: tuple[Variable, ...]
    operator: Operator | None
    transformations: tuple[str, ...]
    captures: bool
    multi_match: bool
    settings: tuple[SetVariable, ...]
    removals: tuple[Removal, ...]
    processor: str = ""  # ctl:requestBodyProcessor


@dataclass(frozen=True, slots=True)
class SecRule:
    """A rule with all its links. ``phase`` 1 or 2; ``words``: the phrases of files that operators name, by link."""

    id: int
    phase: int
    file: str
    line: int
    links: tuple[Link, ...]
    tags: tuple[str, ...]
    message: str
    severity: str
    action: str  # pass | block | deny ...
    is_logged: bool
    skip_after: str
    text: str  # its directives, with phrases of files written out


@dataclass(frozen=True, slots=True)
class Marker:
    name: str


def read_phase(actions: Iterable[Action], default: int = 2) -> int:
    for action in actions:
        if action.name.lower() == "phase":
            return int(action.value) if action.value.isdigit() else _PHASES.get(action.value.lower(), 0)
    return default


def first(actions: Iterable[Action], name: str) -> str | None:
    """Return the value of the first action called *name*, None where there is none."""
    return next((action.value for action in actions if action.name.lower() == name), None)


def _values(actions: Iterable[Action], name: str) -> list[str]:
    return [action.value for action in actions if action.name.lower() == name]


def read_link(directive: Directive, actions: tuple[Action, ...]) -> Link:
    """Return the link that *directive* (SecRule, SecAction) makes; Unsupported says why it cannot be had."""
    targets: tuple[Variable, ...] = ()
    operator: Operator | None = None
    if directive.name.lower() == "secrule":
        targets = parse_variables(directive.arguments[0])
        operator = _with_words(parse_operator(directive.arguments[1]), Path(directive.file).parent)
        for target in targets:
            _check_target(target)
        problem = expression_problem(operator)
        if problem:
            raise Unsupported(problem)
    for action in actions:
        if action.name.lower() not in _ACCEPTED:
            raise Unsupported(f"action `{action.name}` is not known")
    return Link(
        targets,
        operator,
        _transformations(actions),
        first(actions, "capture") is not None,
        first(actions, "multimatch") is not None,
        tuple(setting for text in _values(actions, "setvar") if (setting := _set_variable(text))),
        tuple(removal for text in _values(actions, "ctl") if (removal := _removal(text))),
        _processor(actions),
    )


def _check_target(target: Variable) -> None:
    if target.name in _PERSISTENT:
        raise Unsupported(f"variable {target.name}: nothing is kept of a client from one request to the next")
    if target.name not in COLLECTIONS:
        raise Unsupported(f"variable {target.name} is not there for a tap")


def _with_words(operator: Operator, folder: Path) -> Operator:
    """Return *operator*, or where it reads a file the operator with the file's lines."""
    if operator.name in ("pmfromfile", "pmf", "ipmatchfromfile", "ipmatchf"):
        lines: list[str] = []
        for name in operator.argument.split():
            try:
                text = (folder / name).read_text(encoding="utf-8", errors="surrogateescape")
            except OSError as error:
                raise Unsupported(f"file {name}: {error.strerror}") from error
            lines += [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        return Operator("pmwords" if operator.name.startswith("pm") else "ipmatch", "\n".join(lines), operator.negated)
    if operator.name not in OPERATORS:
        raise Unsupported(f"operator @{operator.name} is not there for a tap")
    return operator


def _transformations(actions: Iterable[Action]) -> tuple[str, ...]:
    names: list[str] = []
    for action in actions:
        if action.name.lower() != "t":
            continue
        name = action.value.lower()
        if name == "none":
            names.clear()
        elif name not in TRANSFORMATIONS:
            raise Unsupported(f"transformation t:{action.value} is not known")
        else:
            names.append(name)
    return tuple(names)


def _set_variable(text: str) -> SetVariable | None:
    """Return what ``setvar`` says; None for collections that are kept between requests, which are not."""
    name, has_value, value = text.partition("=")
    collection, _, key = name.strip().lstrip("!").partition(".")
    if collection.lower() != "tx":
        return None
    key = key.lower()
    if text.lstrip().startswith("!"):
        return SetVariable(key, "!", "")
    if not has_value:
        return SetVariable(key, "=", "1")
    how = value[:1] if value[:1] in ("+", "-") else "="
    return SetVariable(key, how, value[1:] if how != "=" else value)


def _removal(text: str) -> Removal | None:
    """Return the rules or targets that ``ctl:`` takes out; None for what only changes logs and limits."""
    name, _, value = text.partition("=")
    match = _RUNTIME.fullmatch(name.strip())
    if match is None:
        return None
    what, _, target = value.partition(";")
    return Removal(match[2].lower(), what.strip(), parse_variables(target)[0] if match[1] and target else None)


def _processor(actions: Iterable[Action]) -> str:
    for action in actions:
        if action.name.lower() == "ctl" and action.value.lower().startswith("requestbodyprocessor="):
            return action.value.partition("=")[2].strip().upper()
    return ""
