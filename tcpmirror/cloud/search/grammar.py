"""The text of a search as terms: words, quoted text, periods, `key:value,value`, `!`, `OR`, parentheses (lark, LALR)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

LENGTH_LIMIT: Final = 1000  # characters; a URL has to hold it
DEPTH_LIMIT: Final = 20  # brackets in one another
_DATE: Final = r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d)?Z?)?"
_GRAMMAR: Final = rf"""
start: any?
any: all ("OR" all)*
all: term ("AND"? term)*
?term: "!" term -> negated | "(" any ")" | PERIOD -> period | KEY value (COMMA value)* -> field | word
word: WORD | STRING
value: VALUE | STRING

COMMA.5: ","
KEY.4: /[A-Za-z][A-Za-z0-9_]*:(?!\/\/)/
PERIOD.3: /(?:last\s+(?:\d+\s*)?[a-z]+|today|yesterday|(?:since|until)\s+{_DATE}|{_DATE}(?:\.\.(?:{_DATE})?)?)(?=[\s)]|$)/i
STRING.2: /"(?:[^"\\]|\\.)*"/
VALUE: /[^\s,()"]+/
WORD: /[^\s()"!][^\s()"]*/
%ignore /\s+/
"""
_ACCEPTED: Final = {
    "WORD": "a word",
    "STRING": 'text in "quotes"',
    "KEY": "key:value",
    "VALUE": "a value",
    "RPAR": "a closing bracket",
    "$END": "the end",
}


class SearchError(Exception):
    """A search that cannot be understood. ``position`` counts characters from 0; ``accepted`` says what may stand there."""

    def __init__(self, word: str, position: int, problem: str, accepted: str) -> None:
        self.word, self.position, self.problem, self.accepted = word, position, problem, accepted
        super().__init__(f"{word!r} at position {position + 1}: {problem}; accepted: {accepted}")


@dataclass(frozen=True, slots=True)
class Piece:
    """Text as it was written, and where; in ``quoted`` text no character has a meaning of its own."""

    text: str
    position: int
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Term:
    """``kind``: word, period, field (its key without the colon, and its ``values``), not, all, any (of ``parts``)."""

    kind: str
    piece: Piece = Piece("", 0)
    values: tuple[Piece, ...] = ()
    parts: tuple[Term, ...] = ()


def terms(text: str) -> Term:
    """Return the terms of *text*, an `all` without parts for none; SearchError."""
    if len(text) > LENGTH_LIMIT:
        raise SearchError(text[:20] + "…", LENGTH_LIMIT, "the search is too long", f"up to {LENGTH_LIMIT} characters")
    _check_depth(text)
    try:
        tree = _parser.parse(text.replace("\0", "\u2400"))  # as the store writes it
    except UnexpectedInput as error:
        raise _error(text, error) from error
    found: Term = _Terms().transform(tree)
    return found


def _check_depth(text: str) -> None:
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth > DEPTH_LIMIT:
            raise SearchError("(", position, "too many brackets in one another", f"up to {DEPTH_LIMIT}")


def _error(text: str, error: UnexpectedInput) -> SearchError:
    position = min(error.pos_in_stream if error.pos_in_stream is not None else len(text), len(text))
    expected: set[str] = set()
    if isinstance(error, UnexpectedToken):
        expected = set(error.accepts or error.expected)
        if error.token.type == "$END":
            position = len(text)
    elif isinstance(error, UnexpectedCharacters):
        expected = set(error.allowed or ())
    accepted = ", ".join(name for kind, name in _ACCEPTED.items() if kind in expected) or "a word"
    if text[position : position + 1] == '"':
        return SearchError(text[position : position + 20], position, "the quote is not closed", 'text in "quotes"')
    word = text[position:].split(maxsplit=1)[0] if text[position:].strip() else "end"
    problem = "something is missing" if word == "end" else "cannot stand here"
    return SearchError(word, position, problem, accepted)


def _piece(token: Token) -> Piece:
    position = token.start_pos or 0
    if token.type != "STRING":
        return Piece(str(token), position)
    characters = iter(token[1:-1])
    return Piece("".join(next(characters) if one == "\\" else one for one in characters), position, quoted=True)


@v_args(inline=True)
class _Terms(Transformer[Token, Term]):
    """What each production comes to."""

    def start(self, found: Term | None = None) -> Term:
        return found or Term("all")

    def any(self, *parts: Term) -> Term:
        return parts[0] if len(parts) == 1 else Term("any", parts=parts)

    def all(self, *parts: Term) -> Term:
        return parts[0] if len(parts) == 1 else Term("all", parts=parts)

    def negated(self, part: Term) -> Term:
        return Term("not", parts=(part,))

    def period(self, token: Token) -> Term:
        return Term("period", _piece(token))

    def word(self, token: Token) -> Term:
        return Term("word", _piece(token))

    def value(self, token: Token) -> Piece:
        return _piece(token)

    def field(self, key: Token, *rest: Piece | Token) -> Term:
        values = tuple(one for one in rest if isinstance(one, Piece))  # without the commas
        return Term("field", Piece(str(key)[:-1], key.start_pos or 0), values=values)


_parser: Final = Lark(_GRAMMAR, parser="lalr", lexer="contextual")
