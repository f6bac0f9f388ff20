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
    "escapeseqdecode": (rb"\x41\101\n\q", b"AA\n\\q"),
    "trim": (b" a ", b"a"),
    "sha1": (b"", bytes.fromhex("da39a3ee5e6b4b0d3255bfef95601890afd80709")),
}


@pytest.mark.parametrize("name", CASES)
def test_each(name: str) -> None:
    value, expected = CASES[name]
    assert TRANSFORMATIONS[name](value) == expected


def test_they_are_applied_in_order() -> None:
    assert transform(b"%26lt%3B", ("urldecode", "htmlentitydecode")) == b"<"


@given(value=st.binary(max_size=200))
def test_no_bytes_make_one_fail(value: bytes) -> None:
    for function in TRANSFORMATIONS.values():
        assert isinstance(function(value), bytes)
