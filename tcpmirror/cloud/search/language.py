"""A search as people write it to the tree of what is asked; errors name the word, its place and what is accepted."""

from __future__ import annotations

import difflib
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from tcpmirror.cloud.search.grammar import Piece, SearchError, Term, terms
from tcpmirror.cloud.search.keys import BY_NAME, KEYS, read_pattern
from tcpmirror.cloud.search.kinds import OWASP
from tcpmirror.cloud.search.tree import UNBOUNDED, Addresses, All, Any, During, Match, Not, Pattern, Query, Value, Word
from tcpmirror.model.attack import ATTACK_TYPES

OBJECTS: Final = ("attacks", "incidents", "attack", "incident")
# Types that are searched for together.
GROUPS: Final = {"graphql_attacks": "gql\\_%"}
_SECOND_NS: Final = 1_000_000_000
_DAY: Final = 86_400
_UNITS: Final = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), _DAY),
    **dict.fromkeys(("w", "week", "weeks"), 7 * _DAY),
    **dict.fromkeys(("month", "months"), 30 * _DAY),
    **dict.fromkeys(("y", "year", "years"), 365 * _DAY),
}
_LAST: Final = re.compile(r"last\s+(?:(\d{1,6})\s*)?([a-z]+)", re.IGNORECASE)
_PERIODS: Final = "last 24h, last week, today, yesterday, since 2026-01-31, 2026-01-01..2026-01-31 (times are UTC)"


# What may be looked for at once, in parts of some 40 ms each where there are 200,000 attacks: so a search takes its second.
EFFORT: Final = 20
_WORD: Final = 2  # five columns of every attack
_EFFORTS: Final = {"payload": 4, "statuscode": 2, "ip": 8, "network": 3, "list": 3}  # of others: 1
_AT_ONCE: Final = frozenset(
    ("type", "target", "risk", "severity", "owasp", "cwe", "n", "size", "state", "assignee", "request_id", "id")
)


def parse(text: str, now_ns: int) -> Query:
    """Return what *text* asks for; `last 24h` counts back from *now_ns*. SearchError tells what cannot be understood."""
    query = _query(terms(text), now_ns)
    if _effort(query) > EFFORT:
        words, payloads, networks = (EFFORT // each for each in (_WORD, _EFFORTS["payload"], _EFFORTS["ip"]))
        accepted = f'up to {words} words, {payloads} payloads or {networks} networks; text in "quotes" is one word'
        raise SearchError(text[:20] + "…", 0, "too much to look for at once", accepted)
    return query


def _effort(query: Query) -> int:
    """Return how much there is to look through for *query*; what an index finds at once is nothing."""
    match query:
        case All(parts) | Any(parts):
            return sum(map(_effort, parts))
        case Not(part):
            return _effort(part)
        case Match(key, values):
            looked_for = sum(not _is_one_address(value) for value in values)
            # Further values of the same key are looked for in the same go.
            return _EFFORTS.get(key, 1) + looked_for - 1 if looked_for and key not in _AT_ONCE else 0
        case Word():
            return _WORD
    return 0


def _is_one_address(value: Value) -> bool:
    return isinstance(value, Addresses) and value.low == value.high


def _query(term: Term, now_ns: int) -> Query:
    match term.kind:
        case "all":
            return All(_different(term.parts, now_ns))
        case "any":
            return Any(_different(term.parts, now_ns))
        case "not":
            return Not(_query(term.parts[0], now_ns))
        case "field":
            return _field(term)
        case "period":
            return _period(term.piece, now_ns)
    return _word(term.piece)


def _different(parts: tuple[Term, ...], now_ns: int) -> tuple[Query, ...]:
    """Return what *parts* ask for, the same but once."""
    return tuple(dict.fromkeys(_query(part, now_ns) for part in parts))


def _word(piece: Piece) -> Query:
    """Return what a word without a key means: an object, a type, a group of types, an OWASP category, else free text."""
    word = piece.text.lower()
    if piece.quoted:
        return Word(piece.text)
    if word in OBJECTS:
        return All() if word.startswith("attack") else Match("incident", ())
    if word == "sampled":
        return Match("sampled", ())
    if word in ATTACK_TYPES:
        return Match("type", (read_pattern(Piece(word, 0, quoted=True)),))
    if word in GROUPS:
        return Match("type", (Pattern(GROUPS[word]),))
    if word in OWASP:
        return Match("owasp", (read_pattern(Piece(word, 0, quoted=True)),))
    return Word(piece.text)


def _field(term: Term) -> Match:
    key = BY_NAME.get(term.piece.text.lower())
    if key is None:
        near = difflib.get_close_matches(term.piece.text.lower(), BY_NAME, 1)
        names = ", ".join(sorted(key.name for key in KEYS))
        hint = f"no such key, did you mean {near[0]}:" if near else "no such key"
        accepted = f'{names}; or quotes, as in "{term.piece.text}:", to look for the text'
        raise SearchError(f"{term.piece.text}:", term.piece.position, hint, accepted)
    return Match(key.name, tuple(key.read(piece) for piece in term.values))


def _period(piece: Piece, now_ns: int) -> During:
    text = piece.text.lower()
    midnight = now_ns - now_ns % (_DAY * _SECOND_NS)
    if text == "today":
        return During(midnight)
    if text == "yesterday":
        return During(midnight - _DAY * _SECOND_NS, midnight - 1)
    last = _LAST.fullmatch(text)
    if last:
        if last.group(2) not in _UNITS:
            raise SearchError(piece.text, piece.position, "no such period", f"{_PERIODS}; or quotes to look for the text")
        return During(max(now_ns - int(last.group(1) or 1) * _UNITS[last.group(2)] * _SECOND_NS, 0))
    if text.startswith("since"):
        return During(_moment(text[5:].strip(), piece)[0])
    if text.startswith("until"):
        return During(0, _moment(text[5:].strip(), piece)[1])
    first, dots, second = text.partition("..")
    start, end = _moment(first, piece)
    if dots:
        end = _moment(second, piece)[1] if second else UNBOUNDED
    if end < start:
        raise SearchError(piece.text, piece.position, "it ends before it begins", _PERIODS)
    return During(start, end)


def _moment(text: str, piece: Piece) -> tuple[int, int]:
    """Return the first and the last nanosecond that *text*, a day or a time in UTC, stands for."""
    try:
        time = datetime.fromisoformat(text.upper().rstrip("Z")).replace(tzinfo=UTC)
    except ValueError as error:
        raise SearchError(piece.text, piece.position, "no date", _PERIODS) from error
    length = timedelta(days=1) if "t" not in text else timedelta(minutes=1) if text.count(":") == 1 else timedelta(seconds=1)
    start = int(time.timestamp()) * _SECOND_NS
    end = start + int(length.total_seconds()) * _SECOND_NS - 1
    return min(max(start, 0), UNBOUNDED), min(max(end, 0), UNBOUNDED)
