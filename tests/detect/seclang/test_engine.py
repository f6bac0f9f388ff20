"""Rules over requests: targets, chains, scores, exclusions, jumps; and that what is decided early changes no verdict."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.detect.seclang.engine import Engine, Options, Verdict
from tcpmirror.detect.seclang.ruleset import parse_ruleset, written
from tcpmirror.model.exchange import Exchange, Request
from tests.detect.requests import request

JUDGES = {"sqli": lambda value: b"union" in value, "xss": lambda value: b"<script" in value}


def engine(text: str, options: Options = Options(), prune: bool = True) -> Engine:
    ruleset = parse_ruleset(text)
    assert ruleset.refused == [], ruleset.refused
    return Engine(ruleset, options, JUDGES, prune=prune)


def fired(text: str, exchange: Exchange) -> list[int]:
    return [matched.rule.id for matched in engine(text).evaluate(exchange).matched]


JSON = b"Content-Type: application/json\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
MULTIPART = b"Content-Type: multipart/form-data; boundary=b\r\n"
PARTS = (
    b'--b\r\nContent-Disposition: form-data; name="q"\r\n\r\nnote\r\n'
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.php"\r\nContent-Type: text/plain\r\n\r\nhidden\r\n--b--\r\n'
)
EXCHANGES = {
    "query": request(b"GET", b"/a/b.php?q=note&r=%3Cb%3E"),
    "form": request(b"POST", b"/", FORM, b"q=note&r=2"),
    "JSON": request(b"POST", b"/", JSON, b'{"q": {"r": ["note"]}}'),
    "multipart": request(b"POST", b"/", MULTIPART, PARTS),
    "XML": request(b"POST", b"/", b"Content-Type: text/xml\r\n", b"<a b='attr'>n<i>ot</i>e</a>"),
    "cookie": request(b"GET", b"/", b"Cookie: s=1; q=note\r\n"),
}
# id -> rule without its id, exchange, does it match
RULES = {
    "argument": ('SecRule ARGS "@streq note"', "query", True),
    "argument by name": ('SecRule ARGS:Q "@streq note"', "query", True),
    "argument excluded": ('SecRule ARGS|!ARGS:q "@streq note"', "query", False),
    "argument excluded by expression": ('SecRule ARGS|!ARGS:/^Q$/ "@streq note"', "query", False),
    "of a form": ('SecRule ARGS_POST:q "@streq note"', "form", True),
    "of JSON": ('SecRule ARGS:json.q.r.array_0 "@streq note"', "JSON", True),
    "of multipart": ('SecRule ARGS:q "@streq note"', "multipart", True),
    "file name": ('SecRule FILES "@endsWith .php"', "multipart", True),
    "file content is no argument": ('SecRule ARGS "@contains hidden"', "multipart", False),
    "part header": ('SecRule MULTIPART_PART_HEADERS:f "@rx ^Content-Type: text"', "multipart", True),
    "text of XML": ('SecRule XML:/* "@streq note"', "XML", True),
    "attribute is no text": ('SecRule XML:/* "@contains attr"', "XML", False),
    "attribute": ('SecRule XML://@* "@streq attr"', "XML", True),
    "cookie": ('SecRule REQUEST_COOKIES:q "@streq note"', "cookie", True),
    "cookie name": ('SecRule REQUEST_COOKIES_NAMES "@streq q"', "cookie", True),
    "header": ('SecRule REQUEST_HEADERS:user-agent "@beginsWith Mozilla"', "query", True),
    "counted": ('SecRule &ARGS "@eq 2"', "query", True),
    "counted and not there": ('SecRule &REQUEST_HEADERS:X-None "@eq 0"', "query", True),
    "not there matches nothing": ('SecRule REQUEST_HEADERS:X-None "!@streq x"', "query", False),
    "negated": ('SecRule REQUEST_METHOD "!@within POST PUT"', "query", True),
    "basename": ('SecRule REQUEST_BASENAME "@streq b.php"', "query", True),
    "URI is decoded, the raw one is not": ('SecRule REQUEST_URI "@contains <b>"', "query", True),
    "raw": ('SecRule REQUEST_URI_RAW "@contains %3Cb"', "query", True),
    "line": ('SecRule REQUEST_LINE "@rx ^GET /a.* HTTP/1.1$"', "query", True),
    "body": ('SecRule REQUEST_BODY "@rx q=n"', "form", True),
    "processor": ('SecRule REQBODY_PROCESSOR "@streq JSON"', "JSON", True),
    "phrases": ('SecRule ARGS "@pm foo NOTE"', "query", True),
    "phrase in hex": ('SecRule ARGS "@pm x |3c|b|3e|"', "query", True),
    "tokenizer": ('SecRule ARGS "@detectXSS"', "query", False),
    "byte range": ('SecRule ARGS "@validateByteRange 97-122"', "query", True),
    "network": ('SecRule REMOTE_ADDR "@ipMatch 10.0.0.0/8"', "query", False),
    "look-behind of two widths": (r'SecRule ARGS "@rx (?<!aa|n)ote"', "query", False),
    "possessive": ('SecRule ARGS "@rx ^n++ote$"', "query", True),
    "inline flag behind an anchor": ('SecRule ARGS "@rx ^(?i)NOTE"', "query", True),
}


@pytest.mark.parametrize(("rule", "name", "expected"), RULES.values(), ids=RULES)
def test_targets_and_operators(rule: str, name: str, expected: bool) -> None:
    assert fired(f"{rule} \"id:1,phase:2,pass,msg:'x'\"", EXCHANGES[name]) == ([1] if expected else [])


SCORED = """
SecAction "id:1,phase:1,pass,nolog,setvar:tx.critical=5,setvar:tx.score=0"
SecRule TX:paranoia_level "@lt 2" "id:2,phase:2,pass,nolog,skipAfter:END"
SecRule ARGS "@rx level2" "id:3,phase:2,pass,msg:'two',setvar:'tx.score=+%{tx.critical}'"
SecMarker "END"
SecRule ARGS "@rx bad" "id:4,phase:2,block,t:none,t:urlDecodeUni,msg:'bad',severity:'CRITICAL',\\
  tag:'attack-sqli',setvar:'tx.score=+%{tx.critical}'"
SecRule ARGS "@rx odd" "id:5,phase:2,block,msg:'odd',severity:NOTICE,setvar:'tx.score=+2'"
SecRule TX:score "@ge %{tx.inbound_anomaly_score_threshold}" "id:9,phase:2,deny,msg:'sum'"
"""
# target, options -> rules of the findings, score
SCORES = {
    "clean": (b"/?a=1", Options(), [], b"0"),
    "bad": (b"/?a=bad", Options(), ["seclang-4"], b"5"),
    "below the threshold": (b"/?a=odd", Options(), [], b"2"),
    "each match counts": (b"/?a=odd&b=odd&c=odd", Options(), ["seclang-5"], b"6"),
    "higher threshold": (b"/?a=bad", Options(threshold=6), [], b"5"),
    "level one": (b"/?a=level2", Options(), [], b"0"),
    "level two": (b"/?a=level2", Options(paranoia_level=2), ["seclang-3"], b"5"),
}


@pytest.mark.parametrize("prune", [True, False])
@pytest.mark.parametrize(("target", "options", "rules", "score"), SCORES.values(), ids=SCORES)
def test_scores_decide(target: bytes, options: Options, rules: list[str], score: bytes, prune: bool) -> None:
    judge = engine(SCORED, options, prune)
    exchange = request(b"GET", target)
    assert [finding.rule for finding in judge.inspect(exchange)] == rules
    assert judge.evaluate(exchange).tx["score"] == score


def test_a_finding_names_type_point_and_value() -> None:
    (finding,) = engine(SCORED).inspect(request(b"GET", b"/?a=1&b=x%2562ad"))
    assert (finding.type, finding.point, finding.payload, finding.confidence) == ("sqli", ("get", "b"), "xbad", 0.9)


def test_a_rule_without_an_attack_in_its_tags_is_the_operators_own() -> None:
    (finding,) = engine('SecRule ARGS "@rx x" "id:1,phase:2,deny,msg:\'m\'"').inspect(request(b"GET", b"/?a=x"))
    assert (finding.type, finding.rule) == ("vpatch", "seclang-1")


CHAIN = """
SecRule ARGS "@rx ^(\\w+)=(\\d+)$" "id:1,phase:2,deny,capture,msg:'m',chain"
  SecRule TX:1 "@streq key" "chain"
  SecRule MATCHED_VARS|TX:2 "@ge 10"
"""


@pytest.mark.parametrize(("value", "expected"), {"key=12": [1], "key=9": [], "kee=12": []}.items())
def test_chains_need_every_link_and_captures_reach_the_next(value: str, expected: list[int]) -> None:
    assert fired(CHAIN, request(b"GET", b"/?a=" + value.encode())) == expected


REMOVED = """
SecRule REQUEST_FILENAME "@beginsWith /editor" "id:1,phase:1,pass,nolog,ctl:ruleRemoveTargetById=10;ARGS:html"
SecRule REQUEST_FILENAME "@beginsWith /off" "id:2,phase:1,pass,nolog,ctl:ruleRemoveById=10-11"
SecRule REQUEST_FILENAME "@beginsWith /tag" "id:3,phase:1,pass,nolog,ctl:ruleRemoveByTag=markup"
SecRule ARGS "@rx <" "id:10,phase:2,pass,msg:'m',tag:'markup'"
"""


@pytest.mark.parametrize(
    ("target", "expected"),
    {
        b"/?html=<": [10],
        b"/editor?html=<": [1],
        b"/editor?html=<&other=<": [1, 10],
        b"/off?html=<": [2],
        b"/tag?html=<": [3],
    }.items(),
)
def test_rules_and_targets_are_removed_for_one_request(target: bytes, expected: list[int]) -> None:
    assert fired(REMOVED, request(b"GET", target)) == expected
    assert fired(REMOVED, request(b"GET", b"/?html=<")) == [10]


LATER = """
SecRule ARGS "@rx a" "id:1,phase:2,pass,msg:'m',tag:'t1'"
SecRule ARGS "@rx a" "id:2,phase:2,pass,msg:'m'"
SecRule ARGS "@rx a" "id:3,phase:2,pass,msg:'m'"
SecRuleRemoveByTag "t1"
SecRuleUpdateTargetById 2 "!ARGS:q"
SecRuleUpdateActionById 3 "deny"
"""


def test_later_directives_change_earlier_rules() -> None:
    verdict = engine(LATER).evaluate(request(b"GET", b"/?q=a"))
    assert [matched.rule.id for matched in verdict.matched] == [3]
    assert [rule.id for rule in verdict.denied] == [3]


def test_multi_match_looks_after_each_transformation() -> None:
    rule = 'SecRule ARGS "@rx %3c" "id:1,phase:2,pass,t:urlDecode,msg:\'m\'{}"'
    exchange = request(b"GET", b"/?a=%253c")
    assert fired(rule.format(""), exchange) == []
    assert fired(rule.format(",multiMatch"), exchange) == [1]


def test_allow_ends_it() -> None:
    text = 'SecRule REMOTE_PORT "@eq 0" "id:1,phase:1,allow"\nSecRule ARGS "@rx a" "id:2,phase:2,deny,msg:\'m\'"'
    assert fired(text, request(b"GET", b"/?q=a")) == [1]


REFUSED = {
    "kept counters": ('SecRule IP:count "@gt 9" "id:7,phase:1,pass"', 7, "from one request to the next"),
    "unknown operator": ('SecRule ARGS "@geoLookup" "id:7,phase:1,pass"', 7, "@geolookup"),
    "unknown transformation": ('SecRule ARGS "@rx a" "id:7,phase:1,t:rot13"', 7, "rot13"),
    "unknown variable": ('SecRule TIME_DAY "@rx a" "id:7,phase:1"', 7, "TIME_DAY"),
    "unknown action": ('SecRule ARGS "@rx a" "id:7,phase:1,explode"', 7, "explode"),
    "response": ('SecRule RESPONSE_BODY "@rx a" "id:7,phase:4,deny"', 7, "responses"),
    "bad expression": ('SecRule ARGS "@rx (a" "id:7,phase:2"', 7, "not understood"),
    "missing file": ('SecRule ARGS "@pmFromFile none.data" "id:7,phase:2"', 7, "none.data"),
    "open chain": ('SecRule ARGS "@rx a" "id:7,phase:2,chain"', 7, "no end"),
    "no SecLang": ('SecRule ARGS "@rx a" "id:7,msg:\'a', 0, "near"),
    "unknown directive": ("SecFly high", 0, "SecFly"),
}


@pytest.mark.parametrize(("text", "rule", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_run_is_refused_with_place_and_reason(text: str, rule: int, reason: str) -> None:
    good = 'SecRule ARGS "@rx a" "id:1,phase:2,pass"'
    ruleset = parse_ruleset(f"{good}\n{text}\n", "own.conf")
    assert [item.id for item in ruleset.rules] == [1]
    (refused,) = ruleset.refused
    assert (refused.file, refused.line, refused.id) == ("own.conf", 2, rule)
    assert reason in refused.reason


def test_what_is_written_reads_as_the_same(tmp_path: Path) -> None:
    (tmp_path / "words.data").write_text("# words\nfoo bar\nbaz|qux\n")
    text = SCORED + CHAIN.replace("id:1", "id:21") + 'SecRule ARGS "@pmFromFile words.data" "id:22,phase:2,deny,msg:\'w\'"\n'
    first = parse_ruleset(text, str(tmp_path / "a.conf"))
    second = parse_ruleset(written(first))
    assert second.refused == []
    for value in (b"bad", b"odd", b"key=12", b"a foo bar", b"baz|qux", b"foo", b"clean"):
        verdicts = [judged(ruleset_text, value) for ruleset_text in (first, second)]
        assert verdicts[0] == verdicts[1], value
    assert judged(second, b"a foo bar")[0] == [22, 9][:1]


def judged(ruleset: object, value: bytes) -> tuple[list[int], list[int]]:
    verdict: Verdict = Engine(ruleset, Options(), JUDGES).evaluate(request(b"GET", b"/?a=" + value))  # type: ignore[arg-type]
    return [matched.rule.id for matched in verdict.matched if matched.rule.message], [rule.id for rule in verdict.denied]


@settings(max_examples=100, deadline=None)
@given(line=st.binary(max_size=80), body=st.binary(max_size=200), kind=st.sampled_from([b"", JSON, FORM, MULTIPART]))
def test_no_bytes_make_it_fail(line: bytes, body: bytes, kind: bytes) -> None:
    target = b"/?" + line.replace(b"\n", b"").replace(b"\r", b"").replace(b" ", b"")
    SHARED.evaluate(request(b"POST", target, kind, body))
    SHARED.evaluate(Exchange(Request(b"", b"", 0, b"", b"")))


SHARED = engine(
    SCORED + 'SecRule ARGS|XML:/*|FILES|REQUEST_COOKIES "@rx x" "id:30,phase:2,pass,t:jsDecode,t:cssDecode,t:cmdLine"'
)
HOSTILE = {"tags": b"<" * 130_000, "comments": b"<!--" * 30_000, "blanks": b" " * 130_000, "slashes": b"/.." * 40_000}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_hostile_bodies_cost_bounded_time(body: bytes) -> None:
    text = 'SecRule XML:/*|REQUEST_BODY "@rx x" "id:1,phase:2,pass,t:removeComments,t:cmdLine,t:normalizePath,t:htmlEntityDecode"'
    judge = engine(text)
    started = time.process_time()
    judge.evaluate(request(b"POST", b"/", b"Content-Type: text/xml\r\n", body))
    assert time.process_time() - started < 1.5
