"""How bad a finding is: whether its value breaks out of the data that it stands in or is code as a whole, and its place.

Two notions are kept apart (as libdetection does): an *injection* ends what it was put into and goes on as code, which
nobody writes by mistake; a *command* is code from its first byte to its last, as consoles, editors and tickets send it on
purpose. So a command weighs less than an injection, and least in a field that is named after code or text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from tcpmirror.detect import page_injection, shell_injection, sql_injection, template_injection
from tcpmirror.model.finding import COMMAND, INJECTION, SEVERITIES

DOUBTFUL: Final = 0.75  # below this confidence a finding is at most of medium severity
# Fields that hold code or text by their name: consoles, editors, wikis, tickets, snippets.
_FOR_CODE: Final = re.compile(
    r"(?:.*[_.-])?(?:query|sql|soql|statement|stmt|expression|formula|script|code|snippet|source|command|cmd|shell|html|markup|markdown|body"
    r"|content|contents|text|message|msg|comment|description|desc|note|notes|template|layout|article|post|answer|question|prompt|diff|patch"
    r"|bio|about|signature|summary|details|readme|wiki|issue|ticket|log|q|s|search|keyword)s?",
    re.IGNORECASE,
)
_QUOTED: Final = (b"'", b'"', b"`", b")", b"]", b"}", b";", b"|", b"&", b"\n", b"\r", b"-->", b"/>")


def grade(kind: str, value: bytes) -> str:
    """Return the grade of *value*, an attack of type *kind*; empty where the type knows no such difference."""
    is_command = _COMMANDS.get(kind)
    if is_command is None:
        return ""
    return COMMAND if is_command(value) else INJECTION


def severity(base: str, found: str, confidence: float, key: str, is_document: bool) -> str:
    """Return the severity of a finding whose rule says *base*: *found* is its grade, *key* the name of its parameter.

    A command is one step below what the rule says, in a field for code or inside a text two; what is doubtful is never more
    than medium.
    """
    place = SEVERITIES.index(base)
    if found == COMMAND:
        place -= 2 if is_document or _FOR_CODE.fullmatch(key) else 1
    elif is_document:
        place -= 1
    if confidence < DOUBTFUL:
        place = min(place, SEVERITIES.index("medium"))
    return SEVERITIES[max(place, 0)]


def _is_query(value: bytes) -> bool:
    return sql_injection.is_statement(value) and not _is_cut(value)


def _is_cut(value: bytes) -> bool:
    """Tell whether *value* ends in a comment that swallows the rest of what it was put into."""
    return value.rstrip().endswith((b"--", b"#", b"/*", b"-- -", b"--+", b"%00", b"\0"))


def _is_code(value: bytes) -> bool:
    return not value.lstrip(b" \t").startswith(_QUOTED) and not shell_injection.breaks_out(value)


def _is_page(value: bytes) -> bool:
    """Tell whether *value* is markup with the structure of a text, and leaves nothing that it was printed in."""
    return page_injection.is_text(value) and not page_injection.breaks_out(value)


def _is_template(value: bytes) -> bool:
    return not template_injection.probes(value)


_COMMANDS: Final[dict[str, Callable[[bytes], bool]]] = {
    "sqli": _is_query,
    "rce": _is_code,
    "xss": _is_page,
    "ssti": _is_template,
}
