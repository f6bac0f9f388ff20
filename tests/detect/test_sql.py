"""SQL as tokens, and what of it breaks out of a value."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.detect.sql import tokens
from tcpmirror.detect.sql_injection import breaks_out, is_query, is_statement, is_terse, skeleton

TOKENS = {
    "comparison": (b"1 or 1=1", 0, "nlncn"),
    "behind a single quote": (b"x' or 'a'='b", 39, "lscq"),
    "no such quote": (b"1 or 1", 34, None),
    "comments are blanks": (b"1/**/or/*x*/2", 0, "nln"),
    "conditional comments are code": (b"1 /*!50000union*/ /*!select*/ 2", 0, "nUSn"),
    "the rest in a comment": (b"1 -- and more", 0, "n-"),
    "a comment up to the line's end": (b"1 -- x\nor 2", 0, "nln"),
    "an open comment": (b"1/*", 0, "n-"),
    "two minus signs": (b"1--1", 0, "noon"),
    "a comment that touches a word": (b"1--x\nor 2", 0, "nln"),
    "an option is no comment": (b"x --force now", 0, "boobb"),
    "a number runs into a word": (b"1e1union", 0, "nU"),
    "hexadecimal": (b"0x41=0x42", 0, "ncn"),
    "calls": (b"sleep (5)", 0, "f(n)"),
    "escaped and doubled quotes": (rb"'a\'b''c' d", 0, "sb"),
    "typed string": (b"N'a' x'41'", 0, "ss"),
    "brackets and backticks": (b"[a b].`c d`", 0, "bb.b"),
    "NULL of MySQL": (rb"is \N", 0, "dn"),
}
INJECTIONS = {
    "always true": b"1 or 1=1",
    "quoted": b"x' or 'a'='a",
    "double quotes": b'x" or "a"="a',
    "no blanks": b"1'or'1'='1",
    "arithmetic": b"aa'-!1 like'0",
    "bits": b"' / +(1) / +(1) ='",
    "word operators": b"1'*column is not null or '",
    "call": b"1 and sleep(5)",
    "nested calls": b"' and ascii(substring(user(),1,1))>64--",
    "subquery": b"1-(select 1 from dual)",
    "union": b"-1 union select 1,2",
    "union in brackets": b"1 union(select 1)",
    "second statement": b"1; drop table users",
    "delay": b"') waitfor delay '0:0:5'--",
    "order by": b"1' order by 10--",
    "having": b"1' having 1=1",
    "comment behind a number": b"1 /*",
    "case": b"' or case when 1=1 then 1 else 0 end=1--",
    "statement without a semicolon": b"x'declare @s varchar(80)",
    "modifiers of a statement": b"1; delete low_priority quick from t",
    "two calls compared": b"floor(pi()) and sin(pi())=0",
    "comparison and a number": b"1=1 and - -~(1)",
    "a call behind the condition": b"and isnull(1/0)",
    "columns up to the next quote": b"1' * id - '0",
    "having constants": b"id having (1 or 1)",
    "comments up to the line's end": b"1--x\nand--y\n2=2",
}
DATA = {
    "prose": b"black or white and 5 of them",
    "apostrophe": b"it's and 5 o'clock",
    "possessive": b"boys' and girls' shoes",
    "slang": b"DANCIN' LIKE A ROBOT ON FIRE",
    "inches": b'necklace 16" or 18"',
    "quoted words": b"say 'yes' or 'no' to it",
    "brackets": b"cats and dogs (the big ones)",
    "price": b"10 or more = cheaper",
    "list": b"select your seat from the plan",
    "date": b"2024-01-02",
    "name": b"O'Neil",
    "markup": b'<a href="/x?a=1">5</a>',
    "empty": b"",
}


@pytest.mark.parametrize(("value", "quote", "expected"), TOKENS.values(), ids=TOKENS)
def test_tokens(value: bytes, quote: int, expected: str | None) -> None:
    assert tokens(value, quote) == expected


@pytest.mark.parametrize("value", INJECTIONS.values(), ids=INJECTIONS)
def test_what_goes_on_as_query_breaks_out(value: bytes) -> None:
    assert breaks_out(value), skeleton(value)


@pytest.mark.parametrize("value", DATA.values(), ids=DATA)
def test_data_stays_data(value: bytes) -> None:
    assert not breaks_out(value), skeleton(value)
    assert not is_statement(value), skeleton(value)


def test_queries_are_told_from_what_sentences_select() -> None:
    assert is_query(b"select password from users")
    assert is_query(b"1 and (select a from b c where d=1)")
    assert not is_query(b"Please select all that apply from the list and update it")
    assert not is_query(b"select name, email from the form.")


def test_whole_queries_are_statements() -> None:
    assert is_statement(b"select -1,sin(1),2 from bar")
    assert is_statement(b"drop table users")


@given(st.binary(max_size=300))
def test_any_bytes_are_read(value: bytes) -> None:
    for quote in (0, 34, 39):
        read = tokens(value, quote)
        assert read is None or len(read) <= 96
    breaks_out(value)


@pytest.mark.parametrize("piece", [b"(", b"f(", b"'", b"1 or ", b"a.", b"--", b"/*", b"case when ", b"(select "])
def test_repetition_costs_no_more_than_its_look(piece: bytes) -> None:
    started = time.process_time()
    breaks_out(piece * 100_000)
    assert time.process_time() - started < 0.1


@pytest.mark.parametrize(
    "value",
    [b"I' AM NOT A PLASTIC BAG", b"ROCKIN' AND ROLLIN' SEE WHAT A DOG'S DOIN'", b"BLUE BROWN -BABY -TODDLER SHIRTS' -SHOES"],
)
def test_words_side_by_side_are_prose(value: bytes) -> None:
    assert not is_terse(value)


@pytest.mark.parametrize("value", INJECTIONS.values(), ids=INJECTIONS)
def test_injections_are_terse(value: bytes) -> None:
    assert is_terse(value)
