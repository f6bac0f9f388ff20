"""The text of SecLang: lines, directives, variables, operators, actions."""

from __future__ import annotations

import pytest

from tcpmirror.detect.seclang.grammar import (
    Action,
    Operator,
    SyntaxProblem,
    Variable,
    logical_lines,
    parse_actions,
    parse_directive,
    parse_operator,
    parse_variables,
)


def test_continued_lines_are_one_and_comments_none() -> None:
    text = '# a\nSecRule ARGS \\\n  "@rx #a" \\\n "id:1"\n\n  # b\nSecMarker x\n'
    assert list(logical_lines(text)) == [(2, 'SecRule ARGS   "@rx #a"  "id:1"'), (7, "SecMarker x")]


def test_quotes_are_taken_off_and_escaped_ones_stay() -> None:
    directive = parse_directive("f.conf", 3, r'SecRule ARGS|!ARGS:a "@rx [\"x]\s" "id:1,msg:' + r"'a, b'" + '"')
    assert (directive.name, directive.line) == ("SecRule", 3)
    assert directive.arguments == ("ARGS|!ARGS:a", r'@rx ["x]\s', "id:1,msg:'a, b'")


VARIABLES = {
    "one": ("ARGS", [Variable("ARGS")]),
    "several": ("ARGS|args_names", [Variable("ARGS"), Variable("ARGS_NAMES")]),
    "with a key": ("REQUEST_HEADERS:User-Agent", [Variable("REQUEST_HEADERS", "user-agent")]),
    "excluded": ("!ARGS:token", [Variable("ARGS", "token", excluded=True)]),
    "counted": ("&ARGS:x", [Variable("ARGS", "x", counted=True)]),
    "XPath beside others": ("XML:/*|ARGS", [Variable("XML", "/*"), Variable("ARGS")]),
    "quoted key": ("ARGS:'a b'", [Variable("ARGS", "a b")]),
}


@pytest.mark.parametrize(("text", "expected"), VARIABLES.values(), ids=VARIABLES)
def test_variables(text: str, expected: list[Variable]) -> None:
    assert list(parse_variables(text)) == expected


def test_a_key_can_be_an_expression_with_bars() -> None:
    first, second = parse_variables("!REQUEST_COOKIES:/__utm|_pk/|XML:/*")
    assert first.excluded
    assert first.expression is not None
    assert first.expression.search("a_PK") is not None
    assert second == Variable("XML", "/*")


@pytest.mark.parametrize("text", ["", "ARGS:", "|", "ARGS:/(/", "XML:/a/b", "!"])
def test_variables_that_are_none_are_told(text: str) -> None:
    with pytest.raises(SyntaxProblem):
        parse_variables(text)


def test_actions() -> None:
    text = "id:1, phase:2,t:none , msg:'it\\'s, so',setvar:'tx.a=+%{tx.b}',nolog,ctl:ruleRemoveTargetById=9;ARGS:x"
    assert list(parse_actions(text)) == [
        Action("id", "1"),
        Action("phase", "2"),
        Action("t", "none"),
        Action("msg", "it's, so"),
        Action("setvar", "tx.a=+%{tx.b}"),
        Action("nolog"),
        Action("ctl", "ruleRemoveTargetById=9;ARGS:x"),
    ]


OPERATORS = {
    "bare": ("^a b", Operator("rx", "^a b")),
    "named": ("@streq x", Operator("streq", "x")),
    "negated": ("!@within a b", Operator("within", "a b", True)),
    "without argument": ("@detectSQLi", Operator("detectsqli", "")),
    "negated and bare": ("!^a", Operator("rx", "^a", True)),
    "blanks of an expression stay": ("@rx a ", Operator("rx", "a ")),
}


@pytest.mark.parametrize(("text", "expected"), OPERATORS.values(), ids=OPERATORS)
def test_operators(text: str, expected: Operator) -> None:
    assert parse_operator(text) == expected
