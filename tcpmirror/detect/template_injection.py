"""Does a value do something in a template engine? Decided on its expressions' tokens (see `template`).

A placeholder names a value, as mail merges and editors write it: ``{{first_name}}``, ``{{ user.name | upper }}``,
``${price}``. What attacks add is something to be seen (arithmetic of constants) or a way out of the engine: from a literal
to its class, by names that only attacks touch, by a new object. A call or a statement is a template's everyday work inside
a text; as a whole value of a parameter it is a probe.
"""

from __future__ import annotations

import re
from typing import Final

from tcpmirror.detect.template import tokens

_LOOK: Final = 8192  # bytes of a value
_LONE_BYTES: Final = 600  # what attacks send alone is shorter; longer ones are somebody's templates
_LITERAL: Final = r"(?:s|\[[^\]]*\]|\(\)|\{[^}]*\}|n)"
# What acts inside an expression, by the kind of its delimiter.
_ACTS: Final = (
    # Constants reckoned with: 7*7, 7*'7', (1+1), "a"~"b".
    r"(?:[mRQZ]|D\{?)=?\(*[ns]\)*[*o]+[(\[{]*[ns]|Sn\*n>|B[ck]?\(*n\*n",
    # From a literal to its class, or to a function by its name.
    rf"[mBQ][ck]*(?:s|\[[^\]]*\]|\(+\)|\{{[^}}]*\}})\.[bkKpcr]|D\(*s\.[Kpk]|[mBD][^>]*(?:s|\[\])\[s\]|[mB]\#?cs[bc]|[mB]{_LITERAL}\|[bckK]\(?[sn]",
    # Names that only attacks touch; of those that others use as well only the telling use.
    r"[mBDRFQZ][^>]*K|[mBDQ][^>]*p[.\[]p|[mB][^>]*p|[mBDQ][^>]*p\(s|R[^>]*r[.:(]|R[^>]*k[s(]s?|[RD]o+[bk]\|",
    # Types and new objects: T(java.lang.Runtime), new java.io.File.
    r"[mDQRS][^>]*J\([bkK]\.|[mDQRF][^>]*N[kKr]|[DQ]k\(k\.|[mDQ][^>]*k\.k\.[bkKr]\b",
    # Smarty: {system("id")}, {$smarty.x}, {php}.
    r"S[kK]\((?:s|K)|S\$k\.|S[ck]>t?S?ob?[ck]?>|Sc[^>]*K\(",
    # Freemarker and Velocity: ?new(), ?eval, #set($x = ...) with a way out.
    r"[DFQ][^>]*\?[kNb]?N?\(\)|F[^>]*\$?[bk]\.[kK]\.",
)
_ACT: Final = re.compile("|".join(f"(?:{form})" for form in _ACTS))
# In a value that is nothing but expressions: a call, a statement, an engine's own name, a filter with an argument.
_PROBE: Final = re.compile(
    r"[mDQZS][^>]*[bkKcpr]\(|[mQ]#?k(?:>|[.\[|(])|D(?:k[.\[(]|=|[^>]*\[)|B[bckKr]|F[ck]|R|m#[^>]*b\||m[ns]\||m[^>]*\|(?:k|[bc]\()|[mD]n[*o]|[mDQ][^>]*N|mo|m=|S\$[bk][.\[(|]k?"
    r"|S[ck]\b[^>]*[sK$]|Z[^>]*[.(]"
)
_LONE: Final = re.compile(r"[^tT]*(?:t[^tT]*){0,2}")  # more text between expressions is a template, no probe


def acts(value: bytes) -> bool:
    """Tell whether *value* holds a template expression that does what only probes and attacks do."""
    return _ACT.search(tokens(value[:_LOOK])) is not None


def probes(value: bytes) -> bool:
    """Tell whether *value* is a template expression and little else, and more than the name of a value to be filled in."""
    if len(value) > _LONE_BYTES:
        return False
    text = tokens(value)
    return _LONE.fullmatch(text) is not None and _PROBE.search(text) is not None


def skeleton(value: bytes) -> str:
    """Return what is judged, for people: the tokens of the expressions and of the text between them."""
    return tokens(value[:_LOOK])
