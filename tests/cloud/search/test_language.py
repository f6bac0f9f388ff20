from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.cloud.search.conditions import condition
from tcpmirror.cloud.search.grammar import SearchError
from tcpmirror.cloud.search.keys import KEYS
from tcpmirror.cloud.search.language import parse
from tcpmirror.cloud.search.tree import Absent, Addresses, All, Any, Between, During, Match, Not, Pattern, Word

NOW = 1_790_000_000 * 10**9  # 2026-09-21 14:13:20 UTC
HOUR = 3_600 * 10**9
MIDNIGHT = NOW - NOW % (24 * HOUR)

MEANINGS = {
    "nothing": ("  ", All()),
    "one word": ("union", Word("union")),
    "quoted": (r'"a \"b\" \\ xss"', Word('a "b" \\ xss')),
    "quoted type is text": ('"xss"', Word("xss")),
    "a type": ("xss", Match("type", (Pattern("xss"),))),
    "and": ("a AND b c", All((Word("a"), Word("b"), Word("c")))),
    "or binds less": ("a b OR c", Any((All((Word("a"), Word("b"))), Word("c")))),
    "small or is text": ("' or 1=1", All((Word("'"), Word("or"), Word("1=1")))),
    "not a bracket": ("!(a OR b)", Not(Any((Word("a"), Word("b"))))),
    "the same again": ("a OR b a a OR a OR b a", Any((Word("a"), All((Word("b"), Word("a")))))),
    "not a key": ("!n:5", Not(Match("n", (Between(5, 5),)))),
    "blank before values": ('d: "a b" , c', Match("domain", (Pattern("a b"), Pattern("c")))),
    "wildcards": (r"url:/a*b?c%_\d", Match("url", (Pattern(r"/a%b_c\%\_\\d"),))),
    "an address of a page is text": ("http://x/y", Word("http://x/y")),
    "a port is no key": ("10.0.0.1:80", Word("10.0.0.1:80")),
    "sizes": ("s:>10k,<=5,7+,1-2m", Match("size", (Between(10_001), Between(0, 5), Between(7), Between(1, 2_000_000)))),
    "statuses": ("status:none,4xx", Match("statuscode", (Absent(), Between(400, 499)))),
    "IPv4": ("ip:1.2.3.4", Match("ip", (Addresses(0xFFFF01020304, 0xFFFF01020304),))),
    "IPv6": ("ip:::1", Match("ip", (Addresses(1, 1),))),
    "last": ("last 24h", During(NOW - 24 * HOUR)),
    "last in words": ("LAST 2 weeks", During(NOW - 14 * 24 * HOUR)),
    "last without a number": ("last hour", During(NOW - HOUR)),
    "today": ("today", During(MIDNIGHT)),
    "yesterday": ("yesterday", During(MIDNIGHT - 24 * HOUR, MIDNIGHT - 1)),
    "lastly is text": ("lastly", Word("lastly")),
    "a day": ("2026-09-20", During(MIDNIGHT - 24 * HOUR, MIDNIGHT - 1)),
    "a minute": ("2026-09-21T00:00", During(MIDNIGHT, MIDNIGHT + 60 * 10**9 - 1)),
    "open range": ("2026-09-21..", During(MIDNIGHT)),
}


@pytest.mark.parametrize(("text", "tree"), MEANINGS.values(), ids=MEANINGS.keys())
def test_text_means(text: str, tree: object) -> None:
    assert parse(text, NOW) == tree


ERRORS = {
    "misspelt key": ("sqli statuscod:404", 5, "did you mean statuscode:"),
    "unknown key": ("zzz:1", 0, "accepted: anomaly, app, assignee, auth"),
    "no value": ("ip:", 3, 'accepted: text in "quotes", a value'),
    "bad address": ("xss ip:10.0.0.300", 7, "a network (10.0.0.0/8)"),
    "second value is bad": ("ip:10.0.0.1,x", 12, "'x' at position 13"),
    "bad number": ("n:many", 2, "100-200"),
    "bad status": ("status:4xy", 7, "404, 5xx, 5*, 400-499 or none"),
    "too many words": ("a b c d e f g h i j k", 0, "up to 10 words, 5 payloads"),
    "too many payloads": (" ".join(f"payload:{each}" for each in range(6)), 0, "or 2 networks"),
    "too many networks": ("ip:1.,2. !(ip:3. OR ip:4.) ip:5.", 0, "too much to look for at once"),
    "no such choice": ("auth:magic", 5, "accepted: none, api-key"),
    "bad date": ("since 2026-02-30", 0, "no date"),
    "range upside down": ("2026-02-02..2026-02-01", 0, "ends before it begins"),
    "no such period": ("last fortnight", 0, "last 24h, last week"),
    "open bracket": ("(a b", 4, "a closing bracket"),
    "closing bracket": ("a)", 1, "')' at position 2"),
    "open quote": ('a "b c', 2, "the quote is not closed"),
    "nothing after not": ("a !", 3, "something is missing"),
    "request id": ("request_id:12", 11, "32 hexadecimal digits"),
    "wildcard inside": ("rule:a*b", 5, "* at the end only"),
    "too deep": ("(" * 30 + "a" + ")" * 30, 20, "brackets"),
    "too long": ("a" * 1001, 1000, "up to 1000 characters"),
}


@pytest.mark.parametrize(("text", "position", "says"), ERRORS.values(), ids=ERRORS.keys())
def test_error_names_word_place_and_what_is_accepted(text: str, position: int, says: str) -> None:
    with pytest.raises(SearchError) as raised:
        parse(text, NOW)
    assert raised.value.position == position
    assert says in str(raised.value)
    assert "accepted: " in str(raised.value)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_example_of_each_key_is_understood(key) -> None:
    tree = parse(key.example, NOW)
    assert isinstance(tree, Match) and tree.key == key.name
    assert str(condition(tree))


WORDS = st.sampled_from(
    [*'()!,:"* ', "OR", "AND", "ip:", "d:", "n:", "10.0.0.0/8", "last", "24h", "sqli", "2026-01-01", ".."]
)


@given(
    st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=25).map("".join), st.lists(WORDS, max_size=25).map(" ".join))
)
def test_any_text_is_understood_or_refused_with_a_place_in_it(text: str) -> None:
    try:
        tree = parse(text, NOW)
    except SearchError as error:
        assert 0 <= error.position <= len(text)
    else:
        assert str(condition(tree))
