"""What values do to a page: honest markup does nothing to it, injections run, leave or load something."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.detect import markup
from tcpmirror.detect.detector import Detector
from tcpmirror.detect.page_injection import breaks_out, described, loads, runs, shows_text, styles, urls
from tcpmirror.detect.script_injection import acts
from tests.detect.requests import request

HONEST = {
    "a text of an editor": '<p>Dear all,</p><p>the <b>summer</b> sale <i>starts</i> on <a href="https://shop.example/sale?a=1&amp;on=2">Friday</a>.</p>',
    "a table": '<table border="1" cellpadding="4"><thead><tr><th>Item</th></tr></thead><tbody><tr><td style="width:20%">1</td></tr></tbody></table>',
    "a picture": '<p><img src="https://cdn.shop.example/a.png" alt="A chair, on its own = nice" width="600"></p>',
    "a picture in the text": '<p><img src="data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"></p>',
    "pasted from a word processor": "<p class=MsoNormal style='mso-margin-top-alt:auto;font-family:\"Calibri\",sans-serif'>One<o:p></o:p></p>"
    "<!--[if !supportLists]--><span style='mso-list:Ignore'>1.</span><!--[endif]-->",
    "a document of a word processor": '<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><meta charset="utf-8">'
    "<style><!-- @page {margin:2cm} p.MsoNormal {margin:0cm; font-size:11.0pt} --></style></head><body><p>Hi</p></body></html>",
    "an animation library": '<div class="fade" data-on="click" data-action="toggle"><span aria-label="onload = later">x</span></div>',
    "idle links": '<p><a href="javascript:void(0)">menu</a> <a href="#" >top</a> <a href="javascript:;">x</a></p>',
    "escaped code": "<p>Put <code>&lt;script src=&quot;a.js&quot;&gt;&lt;/script&gt;</code> before <code>&lt;/body&gt;</code>.</p>",
    "escaped handlers": "<p>Never write <code>&lt;img src=x onerror=alert(1)&gt;</code> yourself.</p>",
    "an icon": '<svg viewBox="0 0 24 24" width="24"><path d="M12 2L2 7l10 5 10-5-10-5z" fill="currentColor"/></svg>',
    "a formula": "<p><math><mi>x</mi><mo>=</mo><mn>2</mn></math></p>",
    "quotations": "<blockquote><p>\"What's on?\" she said.</p></blockquote><p>Nothing = nothing; 'tis so.</p>",
    "a component": '<Button onClick={() => save(item)} disabled={!item}>Save</Button>',
    "XML of an order": '<order online="true" only="1"><item onsale="no">Chair</item><style>classic</style></order>',
    "search results": '<script type="application/ld+json">{"@context":"https://schema.org","@type":"Product"}</script>',
    "Markdown about scripts": "Scripts are blocked on this site. Use `<script>alert(1)</script>` to try it and see that nothing happens.",
    "a video among text": '<h2>Talk</h2><p>Watch it:</p><p><iframe src="https://video.example/embed/1" allowfullscreen></iframe></p><p>Thanks.</p>',
}  # fmt: skip
RUNNING = {
    "script": "<script>alert(1)</script>",
    "script, cut off": "<script src=//evil.example/x.js",
    "script in a namespace": "<svg><x:script>alert(1)</x:script>",
    "handler": "<img src=x onerror=alert(1)>",
    "handler behind a slash": "<svg/onload=alert(1)>",
    "handler behind a form feed": "<details\x0copen\x0contoggle=alert(1)>",
    "handler behind a quote": '<img src="x"onerror=alert(1)>',
    "handler that nobody has heard of": "<div onfuturesomething=alert(1)>",
    "handler in capitals, blanks": "<BODY ONLOAD\n=\n'x()'>",
    "handler in an end tag": "</a onmouseover=alert(1)>",
    "handler without an end": "<input autofocus onfocus=alert(1)",
    "link": "<a href=javascript:alert(1)>x</a>",
    "link in entities": "<a href='&#x6A;&#97;vascript&colon;alert&lpar;1&rpar;'>x</a>",
    "link with a line end in its scheme": "<a href='java\nscript:alert(1)'>x</a>",
    "link with controls before it": "<a href='\x01\x02 javascript:alert(1)'>x</a>",
    "page in a URL": "<iframe src='data:text/html,<b>x'>",
    "page in Base64": "<object data=data:text/html;base64,PHNjcmlwdD4=>",
    "page in an attribute": "<iframe srcdoc='<p>x'></iframe>",
    "form": "<form><button formaction=javascript:alert(1)>go",
    "refresh": "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "base": "<base href=javascript:/a/>",
    "style": "<p style='width:expression(alert(1))'>",
    "style in escapes": "<p style='width:e\\78 pression(alert(1))'>",
    "style with comments": "<p style='width:exp/*x*/ression(alert(1))'>",
    "binding": "<style>p{-moz-binding:url(//evil.example)}</style>",
    "animated link": "<svg><a><animate attributeName=href values=javascript:alert(1) /></a>",
    "set handler": "<svg><set attributeName=onmouseover to=alert(1)>",
    "mutation in noscript": '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "mutation in a style": '<math><style><img src="</style><img src=x onerror=alert(1)>">',
    "comment that ends early": "<!--><img src=x onerror=alert(1)>-->",
    "comment with a bang": "<!-- --!><img src=x onerror=alert(1)> -->",
    "comment for old browsers": "<!--[if gte IE 4]><script>alert(1)</script><![endif]-->",
    "back quotes": "<a x=`>`onclick=alert(1)>",
    "amid a text of structure": "<p>Dear all</p><p>see <b>this</b></p><ul><li>1</li></ul><img src=x onerror=alert(1)>",
    "escaped, and real": "<p>&lt;b&gt;</p><script>alert(1)</script>",
}  # fmt: skip
LEAVING = {
    "double quotes": '"><b>x',
    "single quotes": "'><h1>x",
    "back quotes": "`><img src=1>",
    "handler behind a quote": '" onmouseover="alert(1)',
    "handler behind a quote, no blanks": "'onfocus='alert(1)'autofocus='",
    "title": "</title><h1>x</h1>",
    "script": "</script><b>x",
    "unquoted": "x onclick=alert(1)",
    "with other attributes": '" class="a" style="b"><i>x',
}  # fmt: skip
STAYING = {
    "quotes": '"a" and "b"',
    "arrow": '"text" -> <b>',
    "measures": '32" > 27" and <b>bold</b>',
    "comparison": "'a' > 'b' < 'c'",
    "handler in words": "based on = that",
}


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("field", ["content", "comment", "data"])
def test_honest_markup_is_no_attack(detector: Detector, name: str, field: str) -> None:
    body = json.dumps({"title": "x", field: HONEST[name]}).encode()
    found = detector.inspect(request(b"POST", b"/pages", b"Content-Type: application/json\r\n", body))
    assert [(one.rule, one.payload) for one in found] == []


@pytest.mark.parametrize("value", RUNNING.values(), ids=RUNNING)
def test_what_runs_is_an_attack(detector: Detector, value: str) -> None:
    assert runs(value.encode())
    found = detector.inspect(
        request(b"POST", b"/pages", b"Content-Type: application/json\r\n", json.dumps({"content": value}).encode())
    )
    assert "xss" in {one.type for one in found}


@pytest.mark.parametrize("value", LEAVING.values(), ids=LEAVING)
def test_what_leaves_its_place_breaks_out(value: str) -> None:
    assert breaks_out(value.encode())


@pytest.mark.parametrize("value", STAYING.values(), ids=STAYING)
def test_what_stays_in_its_place_does_not(value: str) -> None:
    assert not breaks_out(value.encode())


def test_a_frame_alone_is_loaded_and_one_in_a_text_is_part_of_it() -> None:
    assert loads(b"<iframe src=//evil.example></iframe>")
    assert not loads(HONEST["a video among text"].encode())


def test_players_and_tags_that_sentences_name_load_nothing() -> None:
    player = b'<iframe width="560" height="315" src="https://video.example/embed/1" allowfullscreen></iframe>'
    assert not loads(player)
    assert loads(player.replace(b"https:", b"javascript:"))
    assert loads(player.replace(b"allowfullscreen", b"onload=x()"))
    assert loads(player.replace(b"560", b"0"))
    assert not runs(b"In HTML, <script> loads code and <style> loads styles, as people know.")
    assert runs(b"In HTML, <script> loads code and <img src=x onerror=alert(1)> styles, as people know.")


def test_marks_are_told_in_words() -> None:
    assert described(b'"><script>x</script>') == "runs script, leaves what it is printed in"


@pytest.mark.parametrize(
    "piece",
    [
        b"<!--",
        b"<a ",
        b"<style>",
        b"<!a",
        b"<a b='",
        b"<a b=\"<a b='",
        b"`'\"<a",
        b"/*",
        b"<p style='/*",
        b"on",
        b" onload=",
        b"```",
        b"a",
        b"</",
        b"&#",
        b"<a x=javascript:",
    ],
)
def test_the_cost_is_linear(piece: bytes) -> None:
    small, large = (min(cost(piece * (size // len(piece))) for _ in range(3)) for size in (16_384, 131_072))
    assert large < 30 * max(small, 0.001)


def cost(value: bytes) -> float:
    """Return the CPU seconds that all readings of *value* take."""
    started = time.thread_time()
    for judge in (runs, loads, breaks_out, urls, styles, shows_text, acts):
        judge(value)
    return time.thread_time() - started


@given(
    st.lists(
        st.sampled_from(
            [
                b"<",
                b">",
                b"<!--",
                b"-->",
                b'"',
                b"'",
                b"`",
                b"=",
                b"/",
                b" ",
                b"on",
                b"load",
                b"a",
                b"style",
                b"\0",
                b"&#",
                b"<svg>",
            ]
        )
    )
)
def test_any_bytes_are_read(pieces: list[bytes]) -> None:
    assert 0 <= markup.read(b"".join(pieces)) < 128
