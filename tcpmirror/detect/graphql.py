"""GraphQL documents made to exhaust a server: nesting, fields that lead back to themselves, aliases, directives, batches."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from tcpmirror.model.finding import Finding
from tcpmirror.model.point import Point

DEPTH_LIMIT: Final = 24  # of selection sets; the introspection query of common tools nests 13 deep
CYCLE_LIMIT: Final = 3  # times one field may enclose itself; trees of comments are asked for two or three levels deep
ALIAS_LIMIT: Final = 25  # fields renamed in one document; pages that batch reads use a handful
DIRECTIVE_LIMIT: Final = 25  # directives one behind the other
BATCH_LIMIT: Final = 10  # documents in one request; clients that batch send up to ten
GUESS_LIMIT: Final = 4  # documents of one request that hand in a secret; nobody logs in five times at once
_SECRET: Final = re.compile(rb"\b(?:password|passwd|passcode|pass|pwd|pin|otp|totp|code|secret)\s{0,4}:", re.IGNORECASE)
_NAME: Final = rb"[_A-Za-z]\w{0,127}"
# A string that nothing ends goes to the end of its line: a token that can fail would be tried again from each quote in it.
_TOKEN: Final = re.compile(
    rb"\"(?:[^\"\\\n]|\\.)*(?:\"|(?=\n)|\\?\Z)|#[^\n]*|\((?:[^(){}\"]|\"(?:[^\"\\\n]|\\.){0,512}\"|\{[^(){}\"]{0,512}\}){0,512}\)|([{}])|@"
    + _NAME
    + rb"|("
    + _NAME
    + rb")(\s{0,8}:)?",
    re.DOTALL,
)
_DIRECTIVES: Final = re.compile(rb"(?:@\w{1,64}\s{0,4}){%d}" % DIRECTIVE_LIMIT)


def findings(points: Iterable[Point]) -> Iterator[Finding]:
    """Yield what the GraphQL documents among *points* are too large in."""
    documents = [point for point in points if point.path[-1] == "gql_query"]
    for point in documents:
        depth, cycles, aliases = shape(point.value)
        if depth > DEPTH_LIMIT or cycles > CYCLE_LIMIT:
            yield _finding(point, "gql_depth", "gql-depth" if depth > DEPTH_LIMIT else "gql-cycle")
        if aliases > ALIAS_LIMIT or _DIRECTIVES.search(point.value):
            yield _finding(point, "gql_aliases", "gql-aliases" if aliases > ALIAS_LIMIT else "gql-directives")
    guesses = {point.value for point in documents if _SECRET.search(point.value)}
    if len(documents) > BATCH_LIMIT or len(guesses) > GUESS_LIMIT:
        yield _finding(documents[0], "gql_docs_per_batch", "gql-batch")


def is_suspect(body: bytes) -> bool:
    """Tell whether `findings` could see anything in *body*, which holds ``query``: too generous, never too strict."""
    return body.count(b"query") > GUESS_LIMIT or _is_large(body)


def _is_large(body: bytes) -> bool:
    depth, cycles, aliases = shape(body.replace(b"\\n", b"\n").replace(b'"', b" "))
    return depth > DEPTH_LIMIT or cycles > CYCLE_LIMIT or aliases > ALIAS_LIMIT or body.count(b"@") >= DIRECTIVE_LIMIT


def shape(document: bytes) -> tuple[int, int, int]:
    """Return (deepest nesting of braces, most times a field encloses itself, aliases) of *document*.

    Strings, comments and arguments are left out.
    """
    deepest = cycles = aliases = 0
    enclosing: list[bytes] = []
    inside: Counter[bytes] = Counter()
    last = b""
    for match in _TOKEN.finditer(document):
        brace, name, colon = match.groups()
        if brace == b"{":
            enclosing.append(last)
            inside[last] += 1
            deepest = max(deepest, len(enclosing))
            cycles = max(cycles, inside[last] if last else 0)
            last = b""
        elif brace == b"}" and enclosing:
            inside[enclosing.pop()] -= 1
        elif colon:
            aliases += 1
        elif name:
            last = name
    return deepest, cycles, aliases


def _finding(point: Point, kind: str, rule: str) -> Finding:
    return Finding(kind, point.path, point.value[:512].decode("latin-1"), rule, 0.8)
