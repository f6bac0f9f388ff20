"""The text of SecLang: logical lines, and what stands in each, as lark grammars.

The language nests by quoting: a directive's quoted arguments hold variables, an operator, or actions. Each has a grammar of
its own, so that a bar in an expression never looks like one between variables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedInput, VisitError

_DIRECTIVE: Final = r"""
    start: NAME (QUOTED | BARE)*
    NAME: /[A-Za-z]+/
    QUOTED.2: /"(?:[^"\\]|\\.)*"/s
    BARE: /[^\s"][^\s]*/
    %ignore /\s+/
"""
XPATHS: Final = ("/*", "//@*")  # all text, all attributes
# An XPath begins like an expression but does not end like one, so it is a word of its own.
_VARIABLES: Final = r"""
    start: variable (_SEPARATOR variable)*
    variable: EXCLUDED? COUNTED? (XPATH | NAME (":" selector)?)
    selector: EXPRESSION | QUOTED | KEY
    _SEPARATOR: /\s*[|,]\s*/
    EXCLUDED: "!"
    COUNTED: "&"
    XPATH.3: /XML:[^|,\s]+/i
    NAME: /[A-Za-z_0-9]+/
    EXPRESSION.3: /\/(?:[^\/\\]|\\.)*\/|'\/(?:[^'\\]|\\.)*\/'/
    QUOTED.2: /'(?:[^'\\]|\\.)*'/
    KEY: /[^|,'\/][^|,]*/
"""
_ACTIONS: Final = r"""
    start: action? ("," action?)*
    action: NAME (":" (QUOTED | VALUE))?
    NAME: /[A-Za-z_0-9]+/
    QUOTED.2: /'(?:[^'\\]|\\.)*'/
    VALUE: /[^,'\s][^,]*/
    %ignore /\s+/
"""
_OPERATOR: Final = re.compile(r"\s*(!?)\s*@(\w+)(?:\s+(.*))?\Z", re.DOTALL)


class SyntaxProblem(ValueError):
    """Text that is no SecLang; the message says what stands where."""


@dataclass(frozen=True, slots=True)
class Directive:
    """One directive: ``arguments`` without their quotes."""

    file: str
    line: int
    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A target: ``name`` in capitals; ``key`` of the collection (lower case), or ``expression`` that keys have to match."""

    name: str
    key: str = ""
    expression: re.Pattern[str] | None = None
    excluded: bool = False
    counted: bool = False


@dataclass(frozen=True, slots=True)
class Operator:
    name: str
    argument: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    name: str
    value: str = ""


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, line) with continued lines joined, without comments and empty lines."""
    parts: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not parts:
            first = number
            if line.lstrip().startswith("#") or not line.strip():
                continue
        if line.endswith("\\"):
            parts.append(line[:-1])
            continue
        yield first, "".join([*parts, line])
        parts = []
    if parts:
        yield first, "".join(parts)


def parse_directive(file: str, line: int, text: str) -> Directive:
    """Return the directive in the logical line *text*; SyntaxProblem where it is none."""
    name, *arguments = _parsed(_DIRECTIVE, text).children
    return Directive(file, line, str(name), tuple(_unquoted(argument) for argument in arguments))


def parse_variables(text: str) -> tuple[Variable, ...]:
    """Return the targets in *text*, such as ``ARGS|!ARGS:token|&REQUEST_HEADERS:Host``."""
    try:
        found: tuple[Variable, ...] = _VariableReader().transform(_parsed(_VARIABLES, text.strip()))
    except VisitError as error:  # lark wraps what its callbacks raise
        raise SyntaxProblem(str(error.orig_exc)) from error
    return found


def parse_actions(text: str) -> tuple[Action, ...]:
    """Return the actions in *text*, such as ``id:1,phase:2,t:none,setvar:'tx.a=+1'``."""
    found: tuple[Action, ...] = _ActionReader().transform(_parsed(_ACTIONS, text))
    return found


def parse_operator(text: str) -> Operator:
    """Return the operator in *text*; without ``@name`` it is an expression."""
    match = _OPERATOR.match(text)
    if match is not None:
        return Operator(match[2].lower(), (match[3] or "").strip() if match[2] != "rx" else match[3] or "", bool(match[1]))
    negated = text.startswith("!")
    return Operator("rx", text[1:] if negated else text, negated)


@cache
def _parser(grammar: str) -> Lark:
    return Lark(grammar, parser="lalr", maybe_placeholders=False)


def _parsed(grammar: str, text: str):  # type: ignore[no-untyped-def]  # lark's trees are untyped
    try:
        return _parser(grammar).parse(text)
    except UnexpectedInput as error:
        near = text[max(0, (error.pos_in_stream or 0) - 20) : (error.pos_in_stream or 0) + 40]
        raise SyntaxProblem(f"not understood near {near!r}") from error


def _unquoted(token: Token) -> str:
    return str(token)[1:-1].replace('\\"', '"') if token.type == "QUOTED" else str(token)


@v_args(inline=True)
class _VariableReader(Transformer[Token, tuple[Variable, ...]]):
    def start(self, *variables: Variable) -> tuple[Variable, ...]:
        return variables

    def selector(self, token: Token) -> Token:
        return token

    def variable(self, *tokens: Token) -> Variable:
        kinds = {token.type: token for token in tokens}
        excluded, counted = "EXCLUDED" in kinds, "COUNTED" in kinds
        if "XPATH" in kinds:
            if str(kinds["XPATH"])[4:] not in XPATHS:
                raise SyntaxProblem(f"{kinds['XPATH']}: only {' and '.join(XPATHS)} can be asked of a document")
            return Variable("XML", str(kinds["XPATH"])[4:], None, excluded, counted)
        name = str(kinds["NAME"]).upper()
        if "EXPRESSION" in kinds:
            text = str(kinds["EXPRESSION"]).strip("'")[1:-1]
            try:
                return Variable(name, "", re.compile(text, re.IGNORECASE), excluded, counted)
            except re.error as error:
                raise SyntaxProblem(f"the key's expression {text!r}: {error}") from error
        key = str(kinds.get("QUOTED", "")).strip("'") or str(kinds.get("KEY", ""))
        return Variable(name, key.strip().lower(), None, excluded, counted)


@v_args(inline=True)
class _ActionReader(Transformer[Token, tuple[Action, ...]]):
    def start(self, *actions: Action) -> tuple[Action, ...]:
        return actions

    def action(self, name: Token, value: Token | None = None) -> Action:
        if value is None:
            return Action(str(name))
        text = str(value)[1:-1].replace("\\'", "'") if value.type == "QUOTED" else str(value).strip()
        return Action(str(name), text)
