"""Which patterns can match a text that holds only certain bytes.

Most of what clients send is made of letters, digits and a few marks, and most patterns need a quote, a bracket or another
rare byte. A text is therefore searched only for the patterns that its own bytes allow; which these are is read off the
pattern's syntax tree, once, when the patterns are compiled. Where the tree leaves a doubt, the answer is yes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from re import _constants as code  # type: ignore[attr-defined,unused-ignore]
from re import _parser  # type: ignore[attr-defined,unused-ignore]
from typing import Any, Final

from tcpmirror.model.alphabet import PLAIN

_WORD: Final = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_DIGIT: Final = frozenset(b"0123456789")
_SPACE: Final = frozenset(b" \t\n\r\f\v")
_ALL: Final = frozenset(range(256))
_CATEGORIES: Final = {
    code.CATEGORY_WORD: _WORD,
    code.CATEGORY_NOT_WORD: _ALL - _WORD,
    code.CATEGORY_DIGIT: _DIGIT,
    code.CATEGORY_NOT_DIGIT: _ALL - _DIGIT,
    code.CATEGORY_SPACE: _SPACE,
    code.CATEGORY_NOT_SPACE: _ALL - _SPACE,
}
# Families of bytes, each rarer in harmless requests than those before it. A pattern without rare literals that needs a byte
# of a family is searched for in texts that hold one. The first is of all bytes that are not plain.
FAMILIES: Final = (
    _ALL - PLAIN,
    frozenset(b"()"),
    frozenset(b"\"'`"),
    frozenset(b"<>"),
    frozenset(b"{}[]|\\^$!#~\0"),
    frozenset(b"\r\n"),
)
# POSIX classes are Hyperscan's, not Python's: the parser sees a set of letters in their place.
_POSIX: Final = re.compile(rb"\[:\^?\w+:\]")
# The end of the text by its other name, and letters' case, which nothing here looks at.
_OTHERWISE: Final = re.compile(rb"\\.|\(\?-i\)", re.DOTALL)


def can_match(pattern: bytes, alphabet: frozenset[int]) -> bool:
    """Tell whether *pattern* can match anywhere in a text made of *alphabet* alone, letters' case aside."""
    return first_alphabet(pattern, (alphabet, _ALL)) == 0


def first_alphabet(pattern: bytes, alphabets: Sequence[frozenset[int]]) -> int:
    """Return the place of the first of *alphabets* which *pattern* can match in; it can in the last, of all bytes."""
    tree = tree_of(pattern)
    if tree is None:
        return 0
    last = len(alphabets) - 1
    return next((place for place, alphabet in enumerate(alphabets[:last]) if _sequence(tree, alphabet)), last)


def tree_of(pattern: bytes) -> Iterable[tuple[Any, Any]] | None:
    """Return the syntax tree of *pattern*; None where Python reads it differently from Hyperscan, or not at all."""
    if _POSIX.search(pattern):
        return None
    try:
        tree: Iterable[tuple[Any, Any]] = _parser.parse(_OTHERWISE.sub(_as_python, pattern), re.DOTALL)
    except re.error:
        return None
    return tree


def _sequence(items: Iterable[tuple[Any, Any]], alphabet: frozenset[int]) -> bool:
    return all(_item(kind, value, alphabet) for kind, value in items)


def _item(kind: Any, value: Any, alphabet: frozenset[int]) -> bool:
    """Tell whether one node of the tree can match within *alphabet*."""
    if kind is code.LITERAL:
        return _has(value, alphabet)
    if kind is code.NOT_LITERAL:
        return bool(alphabet - {value})
    if kind is code.IN:
        return bool(members(value) & alphabet)
    if kind is code.BRANCH:
        return any(_sequence(branch, alphabet) for branch in value[1])
    if kind is code.SUBPATTERN:
        return _sequence(value[3], alphabet)
    if kind in (code.MAX_REPEAT, code.MIN_REPEAT):
        least, _, inner = value
        return least == 0 or _sequence(inner, alphabet)
    return True


def _has(byte: int, alphabet: frozenset[int]) -> bool:
    return byte in alphabet or ord(chr(byte).swapcase()) in alphabet if byte < 128 else byte in alphabet


def members(items: list[tuple[Any, Any]]) -> frozenset[int]:
    """Return the bytes of a set, both cases of each letter."""
    found: set[int] = set()
    for kind, value in items:
        if kind is code.LITERAL:
            found.add(value)
        elif kind is code.RANGE:
            found.update(range(value[0], value[1] + 1))
        elif kind is code.CATEGORY:
            found |= _CATEGORIES.get(value, _ALL)
    found |= {ord(chr(byte).swapcase()) for byte in found if byte < 128}
    return _ALL - found if items[0][0] is code.NEGATE else frozenset(found)


def _as_python(match: re.Match[bytes]) -> bytes:
    text = match.group()
    return rb"\Z" if text == rb"\z" else b"" if text == b"(?-i)" else text
