"""What a text must hold for a pattern to match in it: one of a few literals, or a byte of a family.

Most patterns end in something rare, such as a function's name, but begin with something common, and a search that has to
follow them from their beginnings costs fifty times a search for literals. Where every match of a pattern holds one of some
literals that harmless requests rarely hold, it is enough to look for those first. Like the alphabets, they are read off the
pattern's syntax tree (Hyperscan does the same inside, "Hyperscan: A Fast Multi-pattern Regex Matcher for Modern CPUs", NSDI
2019, section 3, but never drops the rest). Where the tree leaves a doubt, there are no literals, and the pattern is always
searched for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from re import _constants as code  # type: ignore[attr-defined,unused-ignore]
from typing import Any, Final

from tcpmirror.detect.alphabet import FAMILIES, members, tree_of

RARE: Final = 3e-4  # share of the places of harmless texts at which a literal of a pattern may begin: one in 3 KB
LITERALS: Final = 400  # of a pattern; Hyperscan takes patterns of up to 16 KB
LITERAL_BYTES: Final = 8  # longer ones are cut: they are no rarer for it
_SET_BYTES: Final = 8  # of a set that is written out byte by byte
_TWICE: Final = 3  # repetitions that are written out

# How often bytes stand in harmless requests, roughly, letters' case aside: in thousandths. Others: one and a half.
_USUAL_BYTES: Final = b" etaoinsrhldcumpgfywbvk=-,:/.01xj3q2z456789%&+_?\"\n\r;(){}<>\t!#$'*@\\^`|~[]\0"
_THOUSANDTHS: Final = (
    *(60, 62, 56, 55, 50, 48, 47, 44, 42, 30, 28, 27, 25, 20, 18, 17, 14, 13, 12, 10, 9, 8, 6, 10, 10, 8, 8, 14, 14, 13, 12),
    *(6, 4, 7, 4, 8, 4, 7, 7, 6, 6, 6, 6, 5, 3, 5, 6, 5, 8, 6, 6, 12, 2, 2, 2, 2, 3, 3),
    *(1, 1, 1, 0.7, 1, 1.5, 0.7, 0.7, 0.2, 0.3, 0.4, 0.4, 1, 1, 0.3),
)
_FREQUENCY: Final = {byte: share / 1000 for byte, share in zip(_USUAL_BYTES, _THOUSANDTHS, strict=True)}
_UNUSUAL: Final = 0.0015
# What nearly every request says: a literal that stands here is not rare, whatever its bytes.
_USUAL: Final = (
    b"get post /index.html http/1.1 http/2 host: www.example.com connection: keep-alive user-agent: mozilla/5.0 "
    b"(windows nt 10.0; win64; x64; macintosh; intel mac os x 10_15_7; linux; android; iphone; cpu iphone os like "
    b"mac os x) applewebkit/537.36 (khtml, like gecko) chrome/120.0.0.0 mobile safari/537.36 firefox/ version/ "
    b"edg/ accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8 "
    b"accept-language: en-us,en;q=0.5 accept-encoding: gzip, deflate, br referer: https://www.example.com/ "
    b"origin: cookie: session= content-type: application/x-www-form-urlencoded; charset=utf-8 application/json "
    b"content-length: cache-control: no-cache pragma: upgrade-insecure-requests: 1 sec-fetch-site: same-origin "
    b'sec-fetch-mode: navigate sec-fetch-dest: document sec-ch-ua: "chromium";v="120", "not a brand";v="99" '
    b"sec-ch-ua-platform: x-requested-with: xmlhttprequest authorization: bearer the a an is are of to in for on "
    b"and or not with from this that it by at as be name id type value user date time page ?id=1&page=2&name= "
    b'.com .org .net .php .html .js .css .png .jpg {"id":1,"name":"value","type": "text"} multipart/form-data; '
    b'boundary= content-disposition: form-data; name="file"; filename="'
)
_COMMON: Final = 0.003

Items = Iterable[tuple[Any, Any]]
Literals = frozenset[bytes]


def literals(pattern: bytes) -> Literals:
    """Return literals, in lower case, of which every match of *pattern* holds one; none if they are too many or not rare."""
    items = tree_of(pattern)
    if items is None:
        return frozenset()
    found = _rarest(list(items))
    if found is None or len(found) > LITERALS:
        return frozenset()
    return found if _share(found) <= RARE else frozenset()


def family(pattern: bytes) -> int:
    """Return the place of the rarest of FAMILIES of which every match of *pattern* holds a byte; 0, all, in doubt."""
    items = tree_of(pattern)
    needed = [] if items is None else _needed(items)
    return max((place for place, whole in enumerate(FAMILIES) if any(one <= whole for one in needed)), default=0)


def _share(found: Literals) -> float:
    """Return at which share of the places of a harmless text one of *found* begins, roughly."""
    return sum(map(_share_of, found))


def _share_of(literal: bytes) -> float:
    share = 1.0
    for byte in literal:
        share *= _FREQUENCY.get(byte, _UNUSUAL)
    return max(share, _COMMON) if literal in _USUAL else share


def _rarest(items: Sequence[tuple[Any, Any]]) -> Literals | None:
    """Return the rarest literals of which every match of the sequence holds one; None: it may match without any."""
    found = [inner for kind, value in items if (inner := _inside(kind, value)) is not None]
    for start in range(len(items)):
        whole: Literals = frozenset((b"",))
        for kind, value in items[start:]:
            more = _all_of(kind, value)
            if more is None or len(whole) * len(more) > LITERALS:
                break
            whole = frozenset(left + right for left in whole for right in more)
            if all(whole):
                found.append(_cut(whole))
    return min(found, key=_share, default=None)


def _inside(kind: Any, value: Any) -> Literals | None:
    """Return the rarest literals of which every match of one node holds one."""
    if kind is code.SUBPATTERN:
        return _rarest(list(value[3]))
    if kind is code.BRANCH:
        return _union(map(list, value[1]), _rarest)
    if kind in (code.MAX_REPEAT, code.MIN_REPEAT) and value[0] >= 1:
        return _rarest(list(value[2]))
    return None


def _cut(whole: Literals) -> Literals:
    """Return *whole* with long literals cut, and without those that hold another one."""
    short = {literal[:LITERAL_BYTES] for literal in whole}
    return frozenset(one for one in short if not any(other in one for other in short if len(other) < len(one)))


def _all_of(kind: Any, value: Any) -> Literals | None:
    """Return all texts that one node can match, in lower case; None if they are many."""
    if kind is code.LITERAL:
        return frozenset((bytes((value,)).lower(),))
    if kind is code.IN:
        found = frozenset(bytes((byte,)).lower() for byte in members(value))
        return found if len(found) <= _SET_BYTES else None
    if kind is code.AT:
        return frozenset((b"",))
    if kind is code.SUBPATTERN:
        return _all_of_sequence(value[3])
    if kind is code.BRANCH:
        return _union(value[1], _all_of_sequence)
    if kind in (code.MAX_REPEAT, code.MIN_REPEAT):
        return _repeated(*value)
    return None


def _all_of_sequence(items: Items) -> Literals | None:
    found: Literals = frozenset((b"",))
    for kind, value in items:
        more = _all_of(kind, value)
        if more is None or len(found) * len(more) > LITERALS:
            return None
        found = frozenset(left + right for left in found for right in more)
    return found


def _repeated(least: int, most: int, items: Items) -> Literals | None:
    inner = _all_of_sequence(items) if most <= _TWICE else None
    if inner is None or len(inner) ** most > LITERALS:
        return None
    found: set[bytes] = set()
    whole: Literals = frozenset((b"",))
    for count in range(most + 1):
        if count >= least:
            found |= whole
        whole = frozenset(left + right for left in whole for right in inner)
    return frozenset(found)


def _union(branches: Iterable[Any], of: Callable[[Any], Literals | None]) -> Literals | None:
    found: set[bytes] = set()
    for branch in branches:
        more = of(branch)
        if more is None or len(found) + len(more) > LITERALS:
            return None
        found |= more
    return frozenset(found)


def _needed(items: Items) -> list[frozenset[int]]:
    """Return sets of bytes of each of which every match of the sequence holds one."""
    found: list[frozenset[int]] = []
    for kind, value in items:
        if kind is code.LITERAL:
            found.append(frozenset((value,)))
        elif kind is code.IN:
            found.append(members(value))
        elif kind is code.SUBPATTERN:
            found += _needed(value[3])
        elif kind is code.BRANCH:
            found += _needed_of_branches(value[1])
        elif kind in (code.MAX_REPEAT, code.MIN_REPEAT) and value[0] >= 1:
            found += _needed(value[2])
    return found


def _needed_of_branches(branches: Iterable[Items]) -> list[frozenset[int]]:
    """Return for each of FAMILIES what of it the branches need together, where each of them needs some."""
    needed = [_needed(branch) for branch in branches]
    found = []
    for whole in FAMILIES:
        within = [frozenset[int]().union(*(one for one in sets if one <= whole)) for sets in needed]
        if all(within):
            found.append(frozenset[int]().union(*within))
    return found
