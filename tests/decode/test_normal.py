"""The normal form holds what the full decoding finds."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.decode.normal import Normalizer
from tcpmirror.model.alphabet import ALPHABETS
from tcpmirror.model.exchange import Request

PAYLOAD = b"<script>alert('x')</script>"


def form_of(target: bytes = b"/", headers: bytes = b"", body: bytes = b"") -> bytes | None:
    """Return the texts of all alphabets, one behind the other."""
    form = Normalizer().normal_form(Request(b"POST " + target + b" HTTP/1.1\r\n" + headers + b"\r\n", body))
    return None if form is None else b"".join(form)


def quoted(value: bytes) -> bytes:
    return quote_from_bytes(value, safe="").encode()


HIDDEN = {
    "percent": (b"/?a=" + quoted(PAYLOAD), b"", b""),
    "percent twice": (b"/?a=" + quoted(quoted(PAYLOAD)), b"", b""),
    "percent three times": (b"/?a=" + quoted(quoted(quoted(PAYLOAD))), b"", b""),
    "base64": (b"/?a=" + base64.b64encode(PAYLOAD), b"", b""),
    "base64 in the path": (b"/x/" + base64.urlsafe_b64encode(PAYLOAD) + b"/y", b"", b""),
    "percent in base64": (b"/?a=" + base64.b64encode(quoted(PAYLOAD)), b"", b""),
    "base64 in base64": (b"/?a=" + base64.b64encode(base64.b64encode(PAYLOAD)), b"", b""),
    "entities": (b"/", b"", b"a=" + quoted(b"".join(b"&#%d;" % byte for byte in PAYLOAD))),
    "JSON escapes": (b"/", b"", b'{"a":"' + b"".join(b"\\u%04x" % byte for byte in PAYLOAD) + b'"}'),
    "cookie": (b"/", b"Cookie: a=" + quoted(PAYLOAD) + b"\r\n", b""),
    "NUL bytes": (b"/", b"", PAYLOAD.replace(b"r", b"r\0")),
    "UTF-16": (b"/", b"", PAYLOAD.decode().encode("utf-16")),
    "header": (b"/", b"X-Any: " + PAYLOAD + b"\r\n", b""),
}


@pytest.mark.parametrize(("target", "headers", "body"), HIDDEN.values(), ids=HIDDEN)
def test_a_payload_stands_in_the_form(target: bytes, headers: bytes, body: bytes) -> None:
    form = form_of(target, headers, body)
    assert form is not None
    assert PAYLOAD in form


def test_separators_of_parameters_and_cookies_are_no_shell_separators() -> None:
    form = form_of(b"/?a=1&id=2", b"Cookie: a=1; id=2\r\n", b"a=1&ls=2")
    assert form is not None
    assert b"&" not in form
    assert b";" not in form


def test_ampersands_of_a_text_stay() -> None:
    form = form_of(b"/", b"", b'{"a":"x && y"}')
    assert form is not None
    assert b"x && y" in form


def test_what_nests_too_deep_is_for_the_full_path() -> None:
    value = PAYLOAD
    for _ in range(7):
        value = quoted(value)
    assert form_of(b"/?a=" + value) is None


HEADER_LINES = {
    "as usual": (b"X-A: v", b"X-A: v\x01"),
    "without a blank": (b"X-A:v", b"X-A: v\x01"),
    "behind a tab": (b"X-A:\tv", b"X-A:\t v\x01"),
    "several blanks": (b"X-A: \t  v", b"X-A: \t  v\x01"),
    "nothing in it": (b"X-A:", b"X-A:\x01"),
    "no colon": (b"X-A", b"X-A\x01"),
}


@pytest.mark.parametrize(("line", "form"), HEADER_LINES.values(), ids=HEADER_LINES)
def test_a_blank_stands_before_the_value_of_a_header(line: bytes, form: bytes) -> None:
    whole = Normalizer().normal_form(Request(b"GET / HTTP/1.1\r\n" + line + b"\r\n\r\n"))
    assert form in b"".join(whole or ())


def again(normalizer: Normalizer, head: bytes, body: bytes = b"") -> bytes:
    """Return the texts of all alphabets, and have them learned."""
    form = b"".join(normalizer.normal_form(Request(head + b"\r\n\r\n", body)) or ())
    normalizer.learn()
    return form


def test_learned_lines_are_left_out_and_only_those() -> None:
    normalizer = Normalizer()
    head = b"GET /a HTTP/1.1\r\nUser-Agent: one\r\nReferer: /b"
    assert again(normalizer, head) == b"User-Agent: one\1GET\1/a HTTP/1.1\1Referer: /b\1"
    assert again(normalizer, head) == b""
    assert again(normalizer, head.replace(b"one", b"two").replace(b"/a", b"/c")) == b"User-Agent: two\1GET\1/c HTTP/1.1\1"


ONLY_NEW = {
    "a parameter's value": (b"GET /a?b=1&c=2 HTTP/1.1", b"GET /a?b=1&c=3 HTTP/1.1", b"c=3 HTTP/1.1\1"),
    "another path": (b"GET /a?b=1&c=2 HTTP/1.1", b"GET /x?b=1&c=2 HTTP/1.1", b"GET\1/x?b=1\1"),
    "the first parameter": (b"GET /a?b=1&c=2 HTTP/1.1", b"GET /a?b=3&c=2 HTTP/1.1", b"GET\1/a?b=3\1"),
    "one more": (b"GET /a?b=1&c=2&d=3 HTTP/1.1", b"GET /a?b=1&c=2&e=4&d=3 HTTP/1.1", b"e=4\1"),
    "blanks behind a parameter that is gone": (
        b"GET /a?b=1&c=2 HTTP/1.1",
        b"GET /a?b=1&c=x y HTTP/1.1",
        b"c=x y HTTP/1.1\1",
    ),
    "a cookie": (b"GET / HTTP/1.1\r\nCookie: a=1; b=2; c=3", b"GET / HTTP/1.1\r\nCookie: a=1; b=4; c=3", b"Cookie: b=4\1"),
    "the first cookie": (b"GET / HTTP/1.1\r\nCookie: a=1; b=2", b"GET / HTTP/1.1\r\nCookie: a=4; b=2", b"Cookie: a=4\1"),
}
JOINED = {
    "parameters": (b"GET /a?b=1&c=2&b=7 HTTP/1.1", b"b=1,7 HTTP/1.1"),
    "in other notations": (b"GET /a?b=1&c=2&%62=7&e=5 HTTP/1.1", b"b=1,7"),
    "the path holds the separator": (b"GET /a&b=1/c?b=2&e=2&b=3&f=1 HTTP/1.1", b"b=2,3"),
    "arrays": (b"GET /a?x=1&b[]=%20&b[]=7&b[]=&y=1 HTTP/1.1", b"b[]= ,7,"),
    "cookies": (b"GET / HTTP/1.1\r\nCookie: b=1; c=2;b=7 ; b = 9", b"b=1,7 , 9"),
    "no names": (b"GET /?=1&c=2&=7&d=1 HTTP/1.1", b"=1,7"),
    "many": (b"GET /?" + b"".join(b"%d=x&" % at for at in range(1000)) + b"7=y&end HTTP/1.1", b"7=x,y"),
    "no values": (b"GET /?b&c&b&d HTTP/1.1", b"b,"),
}


@pytest.mark.parametrize(("head", "joined"), JOINED.values(), ids=JOINED)
def test_values_of_a_name_that_comes_again_stand_joined(head: bytes, joined: bytes) -> None:
    normalizer = Normalizer()
    assert joined in again(normalizer, head).split(b"\1")
    assert len(again(normalizer, head)) < 100  # of a thousand some push others out


@pytest.mark.parametrize("head", [b"GET /a?b=1&c=2&bb=7 HTTP/1.1", b"GET /&/& HTTP/1.1", b"GET /?&&a=1 HTTP/1.1"])
def test_nothing_is_joined_where_names_differ(head: bytes) -> None:
    assert b"," not in again(Normalizer(), head)


HEADERS_AGAIN = {
    "in other letters": (b"X-Note: one\r\nAccept: */*\r\nx-NOTE: two", b"X-NOTE: one,two"),
    "short names": (b"Via: 1\r\nTE: 2\r\nvia: 3", b"VIA: 1,3"),
    "encoded": (b"X-Note: %6f\r\nX-Note: b", b"X-NOTE: o,b"),
    "a hundred": (b"".join(b"X-%d: x\r\n" % at for at in range(99)) + b"X-70: y", b"X-70: x,y"),
}


@pytest.mark.parametrize(("headers", "joined"), HEADERS_AGAIN.values(), ids=HEADERS_AGAIN)
def test_values_of_a_header_that_comes_again_stand_joined(headers: bytes, joined: bytes) -> None:
    assert joined in again(Normalizer(), b"GET / HTTP/1.1\r\n" + headers).split(b"\1")


def test_cookies_in_two_headers_are_for_the_full_path() -> None:
    head = b"GET / HTTP/1.1\r\nCookie: a=1\r\nCookie: a=2\r\n\r\n"
    assert Normalizer().normal_form(Request(head)) is None


def test_a_line_with_a_method_that_few_use_stays_whole() -> None:
    normalizer = Normalizer()
    again(normalizer, b"DEBUG /a?b=2&x=1 HTTP/1.1")
    assert again(normalizer, b"DEBUG /a?b=2&x=1 HTTP/1.1") == b"DEBUG\1/a?b=2\1x=1 HTTP/1.1\1"


@pytest.mark.parametrize(("learned", "head", "shown"), ONLY_NEW.values(), ids=ONLY_NEW)
def test_only_parameters_that_are_new_are_shown(learned: bytes, head: bytes, shown: bytes) -> None:
    normalizer = Normalizer()
    again(normalizer, learned)
    assert again(normalizer, learned) == b""
    assert again(normalizer, head) == shown


def test_fields_of_a_form_are_left_out_one_by_one() -> None:
    normalizer = Normalizer()
    head = b"POST /a HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded"
    again(normalizer, head, b"name=ann&note=a+b&id=7")
    assert again(normalizer, head, b"name=ann&note=a+b&id=7") == b""
    assert again(normalizer, head, b"name=ann&note=a+c&id=7") == b"note=a+c\1note=a c\1"
    assert again(normalizer, head, b"name=ann&name=7") == b"name=7\1name=ann,7\1"


def test_a_field_is_no_parameter_and_no_cookie() -> None:
    normalizer = Normalizer()
    again(normalizer, b"GET /a?x=1&b=2&c=3 HTTP/1.1\r\nCookie: x=1; d=4; e=5")
    form = again(normalizer, b"GET /a?x=1&d=4&c=3 HTTP/1.1\r\nCookie: x=1; b=2; e=5", b"d=4&b=2")
    assert sorted(form.split(b"\1")) == [b"", b"Cookie: b=2", b"b=2", b"d=4", b"d=4"]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_no_bytes_make_it_fail(head: bytes, body: bytes) -> None:
    Normalizer().normal_form(Request(head, body))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def texts_of(document: object) -> list[bytes]:
    """Return every key, string, number and constant of *document*."""
    if isinstance(document, dict):
        return [text for key, value in document.items() for text in (*texts_of(key), *texts_of(value))]
    if isinstance(document, list):
        return [text for value in document for text in texts_of(value)]
    return [document.encode("utf-8", "surrogatepass") if isinstance(document, str) else json.dumps(document).encode()]


@given(st.lists(JSON, max_size=4) | st.dictionaries(st.text(), JSON, max_size=4), st.booleans())
def test_each_text_of_a_json_document_stands_in_the_form_between_separators(document: object, ascii_only: bool) -> None:
    try:
        body = json.dumps(document, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return
    form = form_of(b"/", b"", body)
    assert form is not None
    for text in texts_of(document):
        assert text in form.split(b"\1") or b"\1" in text


NO_DOCUMENTS = {
    "text behind it": b'{"a":1} or 1=1',
    "no end": b'{"a":[1,2}',
    "bare word": b'{"a":or}',
    "number with a leading zero": b"[01]",
    "fraction without digits": b"[1.]",
    "bad escape": b'["\\x41"]',
    "escape cut short": b'["\\u00"]',
    "comma before the end": b"[1,]",
    "key without quotes": b"{a:1}",
    "constant of Python": b"[NaN]",
    "two values": b"[1 2]",
    "deeper than 128": b"[" * 129 + b"]" * 129,
    "control byte between tokens": b"[\x0b1]",
    "multipart by its header": b'{"a":1}',
}


@pytest.mark.parametrize("case", NO_DOCUMENTS)
def test_a_body_that_is_no_document_stands_in_the_form_as_it_is(case: str) -> None:
    body = NO_DOCUMENTS[case]
    headers = b"Content-Type: multipart/form-data; boundary=x\r\n" if "multipart" in case else b""
    form = form_of(b"/", headers, body)
    assert form is not None
    assert body in form


@given(st.text(alphabet='{}[]",:\\u0 1aetrufalsn.-+\n', max_size=24))
def test_what_json_refuses_stands_in_the_form_as_it_is(text: str) -> None:
    try:
        json.loads(text, strict=False)
    except ValueError:
        body = text.encode()
        assert body.strip() in (form_of(b"/", b"", body) or body)


def test_texts_are_sorted_by_their_alphabet() -> None:
    body = b'{"prose":"a sentence of words.","day":"2026-11-23","address":"http://a.example/?b=c","quoted":"it\'s <b>"}'
    prose, plain, url, other, files = Normalizer().normal_form(Request(b"PUT / HTTP/1.1\r\n\r\n", body)) or ()
    assert b"a sentence of words." in prose
    assert b"2026-11-23" in plain
    assert b"http://a.example/?b=c" in url
    assert b"it's <b>" in other
    assert b"<b>" not in prose + plain + url
    assert files == b""


KEYED = {
    "a short value": (b'{"is_admin":true}', b"is_admin\1true\1"),
    "a long one": (b'{"note":"' + b"a word " * 20 + b'"}', b"note\1a word a word"),
    "an element of an array": (b'{"run":["first","second"]}', b"run\1second\1"),
    "behind an object in the array": (b'{"run":[{"a":"b"},"last"]}', b"run\1last\1"),
    "in an array of arrays": (b'{"run":[[1],[2]]}', b"run\0012\1"),
    "after an object": (b'{"run":{"a":"b"},"c":"d"}', b"c\1d\1"),
    "no key, at the top": (b'["first"]', b"\1first\1"),
    "a key longer than any rule asks for": (b'{"' + b"k" * 64 + b'":["v"]}', b"\1v\1"),
}


@pytest.mark.parametrize(("body", "wanted"), KEYED.values(), ids=KEYED)
def test_a_value_of_a_document_stands_behind_its_key(body: bytes, wanted: bytes) -> None:
    assert wanted in b"\1" + (form_of(b"/", b"", body) or b"")


def test_a_key_that_is_known_as_clean_stands_before_an_unknown_value() -> None:
    normalizer = Normalizer()
    head = b"PUT / HTTP/1.1\r\n\r\n"
    normalizer.normal_form(Request(head, b'{"shell":"a harmless sentence of more than sixteen bytes"}'))
    normalizer.learn()
    form = normalizer.normal_form(Request(head, b'{"shell":"touch created-by-someone"}'))
    assert b"shell\1touch created-by-someone" in b"".join(form or ())


def test_members_that_showed_nothing_are_left_out_the_next_time() -> None:
    normalizer = Normalizer()
    first = Request(b"PUT / HTTP/1.1\r\n\r\n", b'{"name":"a name of more than sixteen bytes","id":17}')
    assert b"a name" in b"".join(normalizer.normal_form(first) or ())
    normalizer.learn()
    again = b"".join(normalizer.normal_form(Request(first.head, first.body.replace(b"17", b"18"))) or ())
    assert b"a name" not in again
    assert b"id\x0118\x01" in again


OTHER_TEXTS = {
    "another value of the key": (b'{"name":"one"}', b'{"name":"two"}', b"name\1two"),
    "the value of another key": (b'{"name":"one"}', b'{"note":"one"}', b"note\1one"),
    "the value of no key": (b'{"name":"one"}', b'["one"]', b"one\1"),
    "a key that only begins the same": (b'{"name":"one"}', b'{"nam":"eone"}', b"nam\1eone"),
    "what escapes stand for": (b'["a"]', b'["X-Note: \\u003cb"]', b"X-Note: <b"),
    "what escapes in a key stand for": (b'{"u003c":"b"}', b'{"\\u003c":"b"}', b"<\1b"),
    "the last byte of a long one": (b'{"name":"%sa"}' % (b"word " * 50), b'{"name":"%sb"}' % (b"word " * 50), b"word b"),
}


@pytest.mark.parametrize(("learned", "body", "shown"), OTHER_TEXTS.values(), ids=OTHER_TEXTS)
def test_only_the_very_text_that_was_learned_is_left_out(learned: bytes, body: bytes, shown: bytes) -> None:
    normalizer = Normalizer()
    head = b"PUT / HTTP/1.1\r\nX-Note: \\u003cb\r\n\r\n"
    for _ in range(2):
        whole = b"".join(normalizer.normal_form(Request(head, learned)) or ())
        normalizer.learn()
    assert b"name" not in whole and b"X-Note" not in whole
    assert shown in b"".join(normalizer.normal_form(Request(head, body)) or ())


def test_texts_of_two_kilobytes_are_remembered_and_longer_ones_are_not() -> None:
    normalizer = Normalizer()
    request = Request(b"PUT / HTTP/1.1\r\n\r\n", b'{"note":"%s","story":"%s"}' % (b"word " * 409, b"text " * 411))
    normalizer.normal_form(request)
    normalizer.learn()
    form = b"".join(normalizer.normal_form(request) or ())
    assert b"word" not in form
    assert b"text" in form


def test_nothing_is_left_out_unless_it_was_learned() -> None:
    normalizer = Normalizer()
    request = Request(b"PUT / HTTP/1.1\r\n\r\n", b'{"name":"value"}')
    assert normalizer.normal_form(request) == normalizer.normal_form(request)


PARTS = b"Content-Type: multipart/form-data; boundary=b\r\n"


def part(disposition: bytes, content: bytes) -> bytes:
    return b"--b\r\nContent-Disposition: form-data; " + disposition + b"\r\n\r\n" + content + b"\r\n"


FILES = {
    "file of a form": (PARTS, part(b'name="f"; filename="x.bin"', b"\x89PNG\0\0" + PAYLOAD) + b"--b--\r\n"),
    "text file of a form": (PARTS, part(b'name="f"; filename="x.html"', b"page: " + quoted(PAYLOAD)) + b"--b--\r\n"),
    "file alone": (b"Content-Type: application/octet-stream\r\n", b"\x89PNG\0\0\xff\xfe\xfd\x80\x81\x82" + PAYLOAD),
    "picture in a document": (b"", b'{"a":"data:image/svg+xml;base64,' + base64.b64encode(b"<svg>" + PAYLOAD) + b'"}'),
}


@pytest.mark.parametrize(("headers", "body"), FILES.values(), ids=FILES)
def test_what_files_hold_stands_behind_the_other_texts(headers: bytes, body: bytes) -> None:
    form = Normalizer().normal_form(Request(b"POST / HTTP/1.1\r\n" + headers + b"\r\n", body))
    assert form is not None
    assert PAYLOAD in form[-1]
    assert PAYLOAD not in b"".join(form[:-1])


def test_fields_and_names_of_parts_are_no_files() -> None:
    body = part(b'name="a"', PAYLOAD) + part(b'name="f"; filename="y' + quoted(PAYLOAD) + b'"', b"\0\0") + b"--b--\r\n"
    form = Normalizer().normal_form(Request(b"POST / HTTP/1.1\r\n" + PARTS + b"\r\n", body))
    assert form is not None
    assert b"".join(form[:-1]).count(PAYLOAD) >= 2


ODD_BYTES = st.sampled_from(b"aZ09 ._,-:/?=&%+@~'\"<(x*\x00\t\\\x7f\x80\xc2\xe2\xff")


@given(value=st.lists(ODD_BYTES, min_size=1, max_size=70).map(bytes))
def test_texts_are_sorted_by_the_bytes_that_they_hold(value: bytes) -> None:
    form = Normalizer().normal_form(Request(b"GET / HTTP/1.1\r\nx: a" + value + b"y\r\n\r\n"))
    if form is None:
        return
    kinds = [kind for kind, text in enumerate(form[:-1]) if b"x: a" + value + b"y" in text.split(b"\x01")]
    assert kinds == [next(kind for kind, alphabet in enumerate(ALPHABETS) if not set(b"x: a" + value) - alphabet)]
