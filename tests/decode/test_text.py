"""The decodings of one value."""

from __future__ import annotations

import base64
import gzip
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.decode.text import base64_text, fold, hex_text, is_text, markup, percent

FOLDED = {
    "SQL comment": (b"un/**/ion/*x*/select", b"un ion select"),
    "conditional comment": (b"/*!50000union*/ 1", b" union 1"),
    "comment without an end": (b"a/*b", b"a/*b"),
    "blanks": (b"a \t\r\n b", b"a b"),
    "NBSP in Latin-1": (b"1\xa0or 1", b"1 or 1"),
    "letter that ends like NBSP": ("à b".encode(), "à b".encode()),
    "line comment": (b"1-- x\nor-- y\n2", b"1 or 2"),
    "signature": (b"Bye\n-- \nAnn", b"Bye -- Ann"),
    "dashes": (b"a -- b\nc--d\ne", b"a -- b c--d e"),
    "NBSP": (b"1\xc2\xa0or\xc2\xa0 1", b"1 or 1"),
    "NUL bytes": (b"<sc\0ript", b"<script"),
    "overlong dots": (b"\xc0\xae\xc0\xae\xc0\xaf", b"../"),
    "three-byte overlong": (b"\xe0\x80\xae", b"."),
    "five and six bytes overlong": (b"\xf8\x80\x80\x80\xae\xfc\x80\x80\x80\x80\xae", b".."),
    "digits that are none": (b"..\xc0%9v..\xc1%pc", b"../../"),
    "other slashes": ("..∕..∖..⁄..\uefc8..\uf025".encode(), rb"../..\../../../"),
    "full width": ("＜script＞".encode(), b"<script>"),
    "hex words": (b"0x2e0x2e0x2fetc", b"../etc"),
    "IFS": (b"cat$IFS/etc${IFS}x", b"cat /etc x"),
    "empty shell quotes": (b"c''at w\"\"ho p\\ing a^b", b"cat who ping ab"),
    "quotes behind a word, empty parameters": (b"cat'' /x c$@at who$*ami", b"cat /x cat whoami"),
    "honest apostrophe": (b"it's", b"it's"),
    "honest UTF-8": ("größer".encode(), "größer".encode()),
}
MARKUP = {
    "named": (b"&lt;a&gt;&Tab;", b"<a>\t"),
    "decimal without semicolon": (b"&#60script", b"<script"),
    "hexadecimal": (b"&#x3c;&#X3C;", b"<<"),
    "JS escapes": (rb"\u003c\x3c\074\u{3c}", b"<<<<"),
    "surrogate pair": (rb"\ud83d\ude00", "😀".encode()),
    "unknown entity": (b"&foo; a & b", b"&foo; a & b"),
    "cut": (rb"\u00 \x &#x; &#", rb"\u00 \x &#x; &#"),
}
PERCENT = {
    "plain": (b"%3Ca%3e", b"<a>"),
    "IIS": (b"%u003c%u20ac", "<€".encode()),
    "invalid stays": (b"100% %zz %u12", b"100% %zz %u12"),
}


HEX = {
    "text": (b"2f6574632f70617373", b"/etc/pass"),
    "with 0x": (b"0x2f6574632f70617373", b"/etc/pass"),
    "too short": (b"2f657463", None),
    "odd": (b"2f6574632f706173737", None),
    "an identifier": (b"e5640e412a4c331be141cfe49c587d51", None),
    "no digits": (b"/etc/passwd and more", None),
}


@pytest.mark.parametrize(("value", "expected"), HEX.values(), ids=HEX)
def test_hexadecimal_counts_only_as_printable_text(value: bytes, expected: bytes | None) -> None:
    assert hex_text(value) == expected


@pytest.mark.parametrize(("value", "expected"), FOLDED.values(), ids=FOLDED)
def test_fold_undoes(value: bytes, expected: bytes) -> None:
    assert fold(value) == expected


@pytest.mark.parametrize(("value", "expected"), MARKUP.values(), ids=MARKUP)
def test_markup_decodes(value: bytes, expected: bytes) -> None:
    assert markup(value) == expected


@pytest.mark.parametrize(("value", "expected"), PERCENT.values(), ids=PERCENT)
def test_percent_decodes(value: bytes, expected: bytes) -> None:
    assert percent(value) == expected


@given(st.binary(max_size=200))
def test_percent_is_the_inverse_of_quoting(value: bytes) -> None:
    assert percent(quote_from_bytes(value, safe="").encode(), True) == value


@given(st.binary(max_size=300))
def test_no_bytes_make_a_decoding_fail_or_grow(value: bytes) -> None:
    for decode in (percent, markup, fold):
        assert len(decode(value)) <= len(value)
    base64_text(value)
    is_text(value)


@given(st.text(alphabet="abcdefghij <>'()=/", min_size=8, max_size=80))
def test_base64_of_text_is_found_with_and_without_padding(text: str) -> None:
    coded = base64.b64encode(text.encode())
    assert base64_text(coded) == text.encode()
    assert base64_text(coded.rstrip(b"=")) == text.encode()
    assert base64_text(base64.urlsafe_b64encode(text.encode())) == text.encode()


def test_tokens_that_are_no_text_are_no_base64() -> None:
    assert base64_text(b"e5640e412a4c331be141cfe49c587d51") is None
    assert base64_text(b"presentations") is None
    assert base64_text(base64.b64encode(bytes(range(128, 200)))) is None


def test_base64_of_gzip_is_kept_for_the_inflater() -> None:
    packed = gzip.compress(b"<script>alert(1)</script>", mtime=0)
    assert base64_text(base64.b64encode(packed)) == packed
