"""Does a value break out into a shell, or is it a command line? Decided on its tokens (see `shell`).

A separator or a substitution, a command *and* what it acts on: a command's name alone is a word, and most are words of the
language. What counts as argument depends on how telling the name is. A name spelt past a filter (``c''at``) is none
of a language; nobody writes it so without a reason.
"""

from __future__ import annotations

import re
from typing import Final

from tcpmirror.detect.shell import tokens

_LOOK: Final = 16384  # bytes of a value
_ARGUMENT: Final = "[or/gu~]"  # what no sentence holds: an option, a path, an address
_END: Final = r"(?:$|[;n|&A)(#}>])"
_ANY: Final = "[or/gufvwds~=cCeLpT<>]"
# Between a separator and the command: parentheses, assignments, redirections and their targets.
_LEAD: Final = r"(?:P|=|>[fwd/])*"
# Behind what separates commands and nothing else.
_AFTER_SEPARATOR: Final = "|".join(
    (
        rf"T?C(?:{_ARGUMENT}|[fvdP>]|[wcepf]{{1,5}}(?:{_END}|{_ARGUMENT})|C|{_END})",
        rf"T?L(?:{_ARGUMENT}|[f>])",
        rf"T?p(?:{_ARGUMENT}|v|{_END})",
        rf"T?e(?:{_ARGUMENT}|[v>fd]|[wceC]{{1,3}}{_END}|[Cp])",
        rf"T?c(?:[o/gu~v>]|f{_END}|d{_END}|w[o/u~]|C|p{_END})",
        rf"T[CLpec](?:{_ANY}|{_END})",
        r"g[g/]",
        r"v[/gu~]|v?o|wo",
    )
)
# An ampersand or a line end is found in texts as well.
_AFTER_AMPERSAND: Final = "|".join(
    (
        rf"T?C(?:{_ARGUMENT}|[>v]|f{_END}|w{_END})",
        r"T?p[o/]",
        rf"T?e(?:[/~u]|d{_END}|o[/gufvd~])",
        r"T?c(?:[/~]|o[/guf~v])",
        r"T[CLpec][o/gufv~]",
    )
)
_BREAKS_OUT: Final = re.compile(
    rf"(?:[;|A({{]n?|^[&n]n?){_LEAD}(?:{_AFTER_SEPARATOR})|[&n]{_LEAD}(?:{_AFTER_AMPERSAND})|&T?[Cp]{_END}"
    rf"|=p?[;A]v(?:[/gouwf~cC]|{_END})|[ec]=[;A&n]w|^>p{_END}"
)
_COMMAND_LINE: Final = re.compile(
    rf"n?{_LEAD}(?:T?C(?:[or/guf~>v]|[wc]{{1,2}}[o/gu])|T?[ce](?:[/g~>]|od?[/guf~])|T?eu|T?L[o/]|T?p[o/g~]|[ceC][CpL](?:$|[ofu/])|gg|g/|v[o/])"
)
_TAIL: Final = re.compile(
    rf"[;|A(&n]{_LEAD}(?:T?[CLp](?=[or/guf~v>]|$)|T?[ec](?=[o/gu~>])|T[ec](?=[or/gufv]))[^nwc;]{{0,12}}$"
)
_DISGUISED: Final = re.compile(rf"{_LEAD}T(?:[CLpec]{_ANY}|[Cp]$)")
_COMMAND: Final = re.compile(rf"{_LEAD}T?(?:[Cp]{_END}|[CLpec]{_ANY}{{1,8}}{_END})")
_PROSE: Final = re.compile(r"[wceC]{5}")
# What a sentence quotes: two words, a command's name alone in backticks, another word.
_SAID: Final = re.compile(rb"(?<=[a-z] )([a-z]{2,20} )`[a-z][\w.-]{0,20}`(?=[,.;:)]? [a-z]{2})", re.IGNORECASE)


def breaks_out(value: bytes) -> bool:
    """Tell whether *value* ends what it stands in and goes on as a command line."""
    return _BREAKS_OUT.search(tokens(_SAID.sub(rb"\1it", value[:_LOOK]))) is not None


def ends_in_command(value: bytes) -> bool:
    """Tell whether *value* ends in a command line behind a separator: text in front of it does not make it a quotation."""
    return _TAIL.search(tokens(value[:_LOOK])) is not None


def is_command_line(value: bytes) -> bool:
    """Tell whether *value* is a command line from its start on, and no sentence that begins with such a word."""
    return _reads_as(_COMMAND_LINE, value)


def is_command(value: bytes) -> bool:
    """Tell whether *value* may be a command and its arguments, where commands are expected."""
    return _reads_as(_COMMAND, value)


def is_disguised(value: bytes) -> bool:
    """Tell whether *value* begins with a command whose name is spelt past a filter."""
    return _DISGUISED.match(tokens(value[:_LOOK])) is not None


def _reads_as(form: re.Pattern[str], value: bytes) -> bool:
    text = tokens(value[:_LOOK])
    return form.match(text) is not None and _PROSE.search(text) is None
