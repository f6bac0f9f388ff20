"""Transformations: what each makes of a value, and that none fails on any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.detect.seclang.transformations import TRANSFORMATIONS, transform

CASES = {
    "urldecode": (b"a+b%41%zz", b"a bA%zz"),
    "urldecodeuni": (b"%u0041%uff1c%3c+", b"A<< "),
    "htmlentitydecode": (b"&lt;&#60;&#x3c;&quot&nope;", b'<<<"&nope;'),
    "jsdecode": (rb"\x41\u0042\103\n\q", b"ABC\nq"),
    "cssdecode": (rb"ja\76 ascript\a\:", b"javascript\n:"),
    "base64decode": (b"YWxlcnQ=", b"alert"),
    "base64decodeext": (b"YW xl-cnQ", b"alert"),
    "hexdecode": (b"616263", b"abc"),
    "hexencode": (b"ab", b"6162"),
    "lowercase": (b"AbC", b"abc"),
    "removenulls": (b"a\0b", b"ab"),
    "replacenulls": (b"a\0b", b"a b"),
    "cmdline": (rb'C:\"cmd^".exe ;  /c (x', b"c:cmd.exe/c(x"),
    "compresswhitespace": (b"a \t\n b", b"a b"),
    "removewhitespace": (b"a \t\n b", b"ab"),
    "replacecomments": (b"a/*x*/b/*y", b"a b "),
    "removecomments": (b"a/*x*/b<!--c-->d", b"abd"),
    "normalizepath": (b"/a/./b//../c/", b"/a/c/"),
    "normalizepathwin": (rb"\a\..\b", b"/b"),
    "utf8tounicode": ("aé".encode(), b"a%u00e9"),
    "length": (b"abc", b"3"),
    "sqlhexdecode": (b"0x414243 x", b"ABC x"),
    "escapeseqdecode": (rb"\x41\101\n\q", b"AA\nq"),
    "trim": (b" a ", b"a"),
    "sha1": (b"", bytes.fromhex("da39a3ee5e6b4b0d3255bfef95601890afd80709")),
}


@pytest.mark.parametrize("name", CASES)
def test_each(name: str) -> None:
    value, expected = CASES[name]
    assert TRANSFORMATIONS[name](value) == expected


def test_they_are_applied_in_order() -> None:
    assert transform(b"%26lt%3B", ("urldecode", "htmlentitydecode")) == b"<"


BROKEN = {
    "a byte that begins a sequence and stands alone": ("utf8tounicode", b"\xc0.\xc0./", b"../"),
    "an overlong form": ("utf8tounicode", b"%2e%2e\xe0\x80\xafetc", b"%2e%2e%u002f\xe0etc"),
    "a surrogate": ("utf8tounicode", b"\xed\xa0\x80", b"%ud800\xed"),
    "a byte that goes on with nothing": ("utf8tounicode", b"a\x80", b"a\x80"),
    "beyond the first plane": ("utf8tounicode", "😀".encode(), b"%u1f600"),
    "a comment without its end": ("removecomments", b"a/*b", b"a "),
    "a name that goes on behind an entity's": ("htmlentitydecode", b"&quot0x41 &lt", b"&quot0x41 <"),
    "a backslash at the end": ("cssdecode", b"a\\", b"a"),
    "a blank of a page": ("compresswhitespace", b"a\xa0 b", b"a\xa0 b"),
    "a vertical tab of a command": ("cmdline", b"a\x0b/ \t/B", b"a\x0b//b"),
}


@pytest.mark.parametrize(("name", "value", "expected"), BROKEN.values(), ids=BROKEN)
def test_odd_input_is_read_as_libmodsecurity_reads_it(name: str, value: bytes, expected: bytes) -> None:
    assert TRANSFORMATIONS[name](value) == expected


@given(value=st.binary(max_size=200))
def test_no_bytes_make_one_fail(value: bytes) -> None:
    for function in TRANSFORMATIONS.values():
        assert isinstance(function(value), bytes)
