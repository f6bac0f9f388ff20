"""Template expressions as tokens: what acts in an engine is told from placeholders and everyday templates."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.detect.template import tokens
from tcpmirror.detect.template_injection import acts, probes

TOKENS = {
    "arithmetic": (b"{{7*7}}", "mn*n>"),
    "string": (b"a {{'b'}} c", "tms>t"),
    "placeholder": (b"{{ user.name | upper }}", "mb.b|b>"),
    "block": (b"{% for x in y %}z{% endfor %}", "Bcbbb>tBb>"),
    "walk": (b"{{''.__class__.__mro__[1]}}", "ms.K.K[n]>"),
    "expression language": (b"${T(java.lang.Runtime).getRuntime()}", "DJ(k.b.k).K()>"),
    "inside another": (b"[[${7*7}]]", "QDn*n>t"),
    "Ruby": (b"<%= `id` %>", "RK>"),
    "Smarty": (b"{$smarty.version}", "S$k.b>"),
    "directive": (b'<#assign a="b">', "Fcb=s>"),
    "Velocity": (b"#set($x=1)", "Fc($b=n>"),
    "Razor": (b"@(1+2)", "Zno" + "n>"),
    "long text": (b"x" * 40 + b"{{a}}", "Tmb>"),
    "left open": (b"{{a", "mb"),
    "quote left open": (b"{{'a", "mqb"),
    "no expression": (b"a, b; c #1 @home 100%", "t"),
}
ACTS = {
    "Jinja": b"{{''.__class__.__mro__[2].__subclasses__()[40]('/x').read()}}",
    "Jinja, by globals": b"{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "Jinja, by a filter": b"{{ ()|attr('\\x5f\\x5fclass\\x5f\\x5f') }}",
    "Twig": b"{{['id']|filter('system')}}",
    "Twig, map": b'{{["id",0]|sort("passthru")|join(",")}}',
    "Smarty": b"{system('ls')}",
    "Freemarker": b'${"freemarker.template.utility.Execute"?new()("id")}',
    "Velocity": b'#set($e="e")$e.getClass() #if($e.getClass().forName("java.lang.Runtime"))#end',
    "SpEL": b'${T(java.lang.System).getenv()}',
    "OGNL": b"%{(#a=@java.lang.Runtime@getRuntime().exec('id'))}",
    "EL": b"${pageContext.request.getSession()}",
    "ERB": b"<%= IO.popen('ls').readlines() %>",
    "EJS": b"<%= process.mainModule.require('child_process').execSync('id') %>",
    "Pug": b"#{root.process.mainModule.require('child_process').spawnSync('cat')}",
    "Angular": b"{{constructor.constructor('x')()}}",
    "Razor": b"@(6*7)",
    "strings joined": b'{{"a"+"b"}}',
    "inside a text": b"Dear {{7*7}}, thanks",
}  # fmt: skip
PROBES = {
    "engine's object": b"{{config}}",
    "member of one": b"{{ settings.SECRET_KEY }}",
    "call": b"{{ dump() }}",
    "statement": b"{% include '/x' %}",
    "assignment": b"#set($a=1)",
    "ERB": b"<%= x %>",
}
HONEST = {
    "mail merge": b"Dear {{first_name}}, your order {{order.id}} is on its way.",
    "filter": b"{{ user.name | upper }}",
    "filter with an argument": b'{{ date | date: "%d.%m.%Y" }}',
    "asset": b"{{ 'theme.css' | asset_url }} of the shop, as every theme writes it in its head",
    "raw": b"{{{body}}}",
    "loop in a page": b"<ul>{% for item in items %}<li>{{ item.name }}</li>{% endfor %}</ul> and more of the page",
    "JavaScript": b"const a = `${user.name()} of ${list.join(', ')}`; return a + `${b ? 'c' : d}`;",
    "build": b"run: make\nenv:\n  TOKEN: ${{ secrets.TOKEN }}\n  REF: ${{ github.ref }}\n",
    "Hugo": b'title: "{{ replace .Name "-" " " | title }}"\ndate: {{ .Date }}\ndraft: true',
    "advertisement": b"https://a.example/x?gdpr=${GDPR}&consent=${GDPR_CONSENT_755}",
    "Ruby page": b"<h1><%= @user.name %></h1> <%= link_to 'Home', root_path %> and so on and so forth",
    "JSON": b'{"a":{"b":[[1,2],[3,4]]},"c":{}}',
    "CSS": b"p{margin:0}*{color:red}",
    "shell": b"echo ${HOME}/bin ${1:-x}",
    "Freemarker page": b"<#if user??>Dear ${user.name}</#if>, thank you for the order of yesterday",
}


@pytest.mark.parametrize(("value", "expected"), TOKENS.values(), ids=TOKENS)
def test_expressions_are_read_as_their_engines_read_them(value: bytes, expected: str) -> None:
    assert tokens(value) == expected


@pytest.mark.parametrize("value", ACTS.values(), ids=ACTS)
def test_what_only_attacks_do_acts(value: bytes) -> None:
    assert acts(value), tokens(value)


@pytest.mark.parametrize("value", PROBES.values(), ids=PROBES)
def test_a_lone_expression_that_does_something_is_a_probe(value: bytes) -> None:
    assert probes(value), tokens(value)
    assert not acts(value), tokens(value)


@pytest.mark.parametrize("value", HONEST.values(), ids=HONEST)
def test_placeholders_and_templates_at_work_are_neither(value: bytes) -> None:
    assert not acts(value), tokens(value)
    assert not probes(value), tokens(value)


@given(st.binary(max_size=300))
def test_any_bytes_are_tokens(value: bytes) -> None:
    assert len(tokens(value)) <= len(value) + 1
    acts(value), probes(value)


UNITS = [
    b"{{",
    b"{{a",
    b"${",
    b"{{a.b",
    b"{{a|b(",
    b"<%",
    b"#if (",
    b"{{'",
    b"{{[a]",
    b"#a ",
    b"{%set a ",
    b"{{1*",
    b"}}{{a}}",
]


@pytest.mark.parametrize("unit", UNITS, ids=repr)
def test_cost_is_linear(unit: bytes) -> None:
    """64 kB of anything is read within a tenth of a second, bounded by what is looked at."""
    value = unit * (65536 // len(unit))
    started = time.process_time()
    for judge in (acts, probes):
        judge(value)
    assert time.process_time() - started < 0.1
