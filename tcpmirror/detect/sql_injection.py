"""Does a value break out into a query? Decided on its tokens (see `sql`), folded until only the skeleton is left.

Folding puts one letter for what a query takes for one: ``F`` for a call, ``Q`` for a subquery, ``n`` for an expression of
constants. A skeleton then either continues a query behind the value's data, or does not: ``1' or '1'='1`` leaves ``lscq``,
an apostrophe in prose a name where no query has one. Reading a value in the contexts that it may land in, as tokens rather
than text, is the idea of libinjection (N. Galbreath, Black Hat USA 2012) and libdetection.
"""

from __future__ import annotations

import re
from typing import Final

from tcpmirror.detect.sql import tokens

_LOOK: Final = 4096  # bytes of a value: an injection shows at its start, or where its first quote is
_ROUNDS: Final = 12
# Each makes the text shorter, so folding ends.
_FOLDS: Final = tuple(
    (re.compile(pattern), into)
    for pattern, into in (
        (r"A", ""),
        (r"(?<!E)t", "b"),
        (r"[bf]\.(?=[bfo])", ""),
        (r"(?<=[lcdRSWHwKB(,;U])[oN]+(?=[nsvbfFQq(])", ""),
        (r"o[oN]+", "o"),
        (r"[cd]N|N[cd]|d[cd]|c[cd]", "d"),
        (r"(?:f|b|)\(\(*S[^()]*(?:\)|$)", "Q"),
        (r"f\([^()S]*b[bfn][^()S]*\)", "x"),  # words in a row are prose in parentheses
        (r"f\([^()S]*(?:\)|$)", "F"),
        (r"K[nsvbF]?w(?:[^;]*w)?", "F"),
        (r"(?<!f)\([nsv]\)", "n"),
        (r"(?<!f)\([bF]\)", "F"),
        (r"(?<!f)\(Q\)", "Q"),
        (r"(?<!f)\([nsvbFQ](?:,[nsvbFQ])+\)", "n"),
        (r"(?<!f)\([nsvbFQ](?:[lcdo]+[nsvbFQ])+\)", "n"),
        (r"Qo+[nsvbFQ]|[nsvbF]o+Q", "Q"),
        (r"Fo+[nsvbF]|[nsvb]o+F", "F"),
        (r"[nsv]o+[nsvb]|bo+[nsv]", "n"),
        (r"bo+b", "b"),
    )
)
_X: Final = "[nsvbFQ]"
# What follows data in a query that was broken into, in common to all contexts.
_CONTINUES: Final = (
    rf"l\(*[nsvFQ]c\(*[nsvFQbq]|l\(*bc\(*[nsvFQq]|l\(*{_X}d\(*[nsvFQq]|l\(*Q|l\(*v-|l\(*F(?:[cdlo;)-]|$)|l\(*[nsv]+\)*-"
    r"|U[SQ(]|;S[nsvbFQo(]|;E(?:[tRTvF(sqn;-]|bY|b-|$)|[;)]+-|\)+l[nsvF]"
    r"|o+Q|[cd]Q|Q|GB(?:n|F|\(|b(?:[-,;]|$))|H\(*[nbF][cdl]|L[nv](?:,n)?(?:[-U)T]|$)|Wb[cd]|T(?:[vs]|bs)|l\(*R"
)
# Behind a quote a string has just ended, so operators show more than they do behind a number.
_BEHIND_QUOTE: Final = re.compile(
    rf"\)*(?:{_CONTINUES}|l\(*bcb|[),nF]*\)E[tv]|l\(*[nsv]\)*(?:$|[l;])|d\(*(?:[nsvFQ](?:$|[-lcdoq;)])|q$)"
    rf"|c\(*(?:[nsvFQ](?:$|[-lcdoq;)])|q$)|o+{_X}*[cdl]\(*[nsvFQq]|o+F|o+[nsvb]?o+q$|o+q$|l\(*bo+q$|Ev[Fb]|o+[nsv]-|Nc|l[nsv]?o+q$)"
)
_BEHIND_NUMBER: Final = re.compile(rf"[oN]*\(*[nvs]\)*(?:{_CONTINUES}|l\(*[nv]o*d|o+F[cdl-]|cnl\(*[nv])")
_BEHIND_NAME: Final = re.compile(r"\(*b\)*(?:l\(*n[cd]n|l\(*F[cd]|l\(*Q|o+Q|U[SQ(]|;E[tRT]|;SoR|\)+l|d\(*Q|cQ|Hn)")
_FROM_OPERATOR: Final = re.compile(
    r"\)*(?:F?l\(*[nsvF][cd]\(*[nsvFQbq]|l\(*F(?:-|$)|l\(*bcb-|l\(*Q|U[SQ(]|;E(?:t|R|T|bY)|;S[nsvFQo]|GBn(?:-|$|,)|\)l[nsvF]|Hn[cd])|[),n]*\)E(?:t|R|T|v)|,(?:[nF],)*\(?Q|[oN]*F(?:[cd][nsvFb]|-)|Q(?:$|[cdl-])"
)
_STATEMENT: Final = re.compile(
    r"\(*(?:S(?:[nsvFQo]|b,)[nsvbFQo,.()x]*(?:Rb?(?:\(|$|[WGL;,)-]|b[Wl]|f)|-|;|$)|Sb(?:,b)*RbW|Sv[bs]?$|E(?:t[bsq]|Rb[W;-]|T[bf]|bY[b(]|vb|b?v))"
)
_UNION: Final = re.compile(r"U\(*(?:S(?:[nsvFQof(]|b[,.R]|bbR)|Q)")  # nobody writes these words side by side
_PROSE: Final = re.compile(r"b(?:o?b){2}")
# A query in words that no query puts side by side: "select all that apply from the list".
_SAID: Final = re.compile(r"SA*b+(?:,b+)*RbbA?(?:[lEbw;.x]|$)")
_SYNTAX: Final = re.compile(r"[-;,()=cUSE]")
_ENDS_IN_COMMENT: Final = re.compile(r"\(*[nv]\)*-$")


def breaks_out(value: bytes) -> bool:
    """Tell whether *value* ends the data of a query and goes on as query."""
    value = value[:_LOOK].strip()
    if _reads_as(_BEHIND_QUOTE, _behind(value, 39)) or _reads_as(_BEHIND_QUOTE, _behind(value, 34)):
        return True
    bare = _folded(tokens(value) or "")
    if _UNION.search(bare):
        return True
    if _ENDS_IN_COMMENT.match(bare):
        return value.endswith((b"--", b"-- -", b"/*", b"--+"))
    return any(form.match(bare) for form in (_BEHIND_NUMBER, _BEHIND_NAME, _FROM_OPERATOR))


def is_terse(value: bytes) -> bool:
    """Tell whether *value* may be part of a query: not words side by side with a quote among them, as prose has."""
    contexts = (tokens(value[:_LOOK], quote) for quote in (0, 39, 34))
    return not any(text is not None and _PROSE.search(text) and _SYNTAX.search(text) is None for text in contexts)


def is_query(value: bytes) -> bool:
    """Tell whether what *value* selects may be part of a query: not words of a sentence on both sides of its FROM."""
    contexts = (tokens(value[:_LOOK], quote) for quote in (0, 39, 34))
    return not any(text is not None and _SAID.search(text) for text in contexts)


def is_statement(value: bytes) -> bool:
    """Tell whether *value* is a whole query."""
    return _STATEMENT.match(_folded(tokens(value[:_LOOK]) or "")) is not None


def skeleton(value: bytes) -> str:
    """Return what `breaks_out` judges, for people: the folded tokens from the start and from behind each quote."""
    contexts = (tokens(value[:_LOOK], quote) for quote in (0, 39, 34))
    return " ".join(_folded(text) for text in contexts if text is not None)


def _behind(value: bytes, quote: int) -> str | None:
    """Return the tokens from behind the first *quote* on.

    A string left open by the other kind of quote is ``x``: the query that goes on behind the value closes none of those.
    """
    text = tokens(value, quote)
    if text is None or not text.endswith("q"):
        return text
    other = 73 - quote  # 34 and 39
    opened_by_other = value.rfind(other) > value.rfind(quote)
    return text[:-1] + "x" if opened_by_other else text


def _reads_as(form: re.Pattern[str], text: str | None) -> bool:
    return text is not None and form.match(_folded(text)) is not None


def _folded(text: str) -> str:
    for _ in range(_ROUNDS):
        before = text
        for pattern, into in _FOLDS:
            text = pattern.sub(into, text)
        if text == before:
            break
    return text
