"""Signs of weaknesses: what one exchange gives away, and what looks alike and gives nothing away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.discovery.sensitive import class_of, classes_within
from tcpmirror.model.exchange import Exchange, Request, Response
from tcpmirror.model.finding import Finding
from tcpmirror.processes.weakness_news import template
from tcpmirror.vulns.assessor import RECORDS, Assessor
from tcpmirror.vulns.components import Component, fault_of, files_in, known_faults, ordered
from tcpmirror.vulns.places import FIRST

FORM = "Content-Type: application/x-www-form-urlencoded\r\n"
SESSION = "Cookie: sessionid=0123456789abcdef\r\n"


def assessor() -> Assessor:
    return Assessor(class_of, classes_within, template)


def exchange(
    line: str, headers: str = "", body: bytes = b"", status: int = 200, answer: str = "", content: bytes = b""
) -> Exchange:
    method, target = line.split(" ")
    head = f"{line} HTTP/1.1\r\nHost: shop.example\r\n{headers}\r\n".encode("latin-1")
    back = f"HTTP/1.1 {status} X\r\n{answer}\r\n".encode("latin-1")
    return Exchange(
        Request(head, body, 1000, method.encode(), target.encode("latin-1")), Response(back, content, 2000, status)
    )


JSON = "Content-Type: application/json\r\n"
HTML = "Content-Type: text/html\r\n"
WEAK = {
    "password in a query": (exchange("GET /login?user=jo&password=tr0ub4dor"), "secret-in-url"),
    "token in a query": (exchange("GET /feed?access_token=8f14e45fceea167a5a36"), "secret-in-url"),
    "card in a query": (exchange("GET /pay?n=4111111111111111"), "secret-in-url"),
    "mail address in a query": (exchange("GET /find?who=jo%40sea.example"), "pii-in-url"),
    "server version": (exchange("GET /", answer="Server: Foo/1.2.3\r\n"), "version-disclosed"),
    "old server": (exchange("GET /", answer="Server: Apache/2.4.49 (Unix)\r\n"), "vulnerable-component"),
    "old language": (exchange("GET /", answer="X-Powered-By: PHP/8.2.3\r\n"), "vulnerable-component"),
    "old library, by its name": (exchange("GET /js/jquery-1.12.4.min.js"), "vulnerable-component"),
    "old library in a page": (
        exchange("GET /", answer=HTML, content=b'<script src="//cdn.example/jquery/2.1.0/jquery.min.js"></script>'),
        "vulnerable-component",
    ),
    "session cookie without flags": (exchange("GET /", answer="Set-Cookie: sessionid=0123456789abcdef; Path=/\r\n"), "cookie-flags"),
    "session cookie that scripts read": (
        exchange("GET /", answer="Set-Cookie: sid=0123456789abcdef; SameSite=Lax\r\n"), "cookie-flags"
    ),
    "repository": (exchange("GET /.git/config", content=b"[core]\n\trepositoryformatversion = 0\n"), "exposed-file"),
    "environment": (exchange("GET /.env", content=b"APP_KEY=base64:abc\nDB_PASSWORD=x\n"), "exposed-file"),
    "backup of source": (exchange("GET /index.php.bak", content=b"<?php $db = 1;"), "exposed-file"),
    "dump": (exchange("GET /db.sql", content=b"-- dump\nCREATE TABLE users (id int);\n"), "exposed-file"),
    "form without a token, sent by a page of another site": (
        exchange("POST /profile/mail", FORM + SESSION + "Origin: https://evil.example\r\n", b"to=x", status=302), "csrf"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("shown", "kind"), WEAK.values(), ids=WEAK)
def test_a_weakness_shows(shown: Exchange, kind: str) -> None:
    assert kind in [sign.kind for sign in assessor().look(shown, [])]


SOUND = {
    "words in a query": exchange("GET /search?q=how+to+reset+a+password"),
    "a page token": exchange("GET /list?next_page_token=8f14e45fceea167a5a36&sort_token=77812ab"),
    "a server without version": exchange("GET /", answer="Server: nginx\r\nX-Powered-By: Express\r\n"),
    "a new library": exchange("GET /js/jquery-3.7.1.min.js"),
    "a cookie with flags": exchange("GET /", answer="Set-Cookie: sessionid=0123456789abcdef; HttpOnly; Secure; SameSite=Lax\r\n"),
    "a cookie that is no session": exchange("GET /", answer="Set-Cookie: lang=de; Path=/\r\nSet-Cookie: csrftoken=0123456789ab\r\n"),
    "a cookie that is taken away": exchange("GET /", answer="Set-Cookie: sessionid=deleted-now; Max-Age=0\r\n"),
    "the site itself by CORS": exchange(
        "GET /", "Origin: https://www.shop.example\r\n",
        answer="Access-Control-Allow-Origin: https://www.shop.example\r\nAccess-Control-Allow-Credentials: true\r\n",
    ),
    "no such file": exchange("GET /.git/config", status=404, content=b"[core]"),
    "a page for every path": exchange("GET /.env", answer=HTML, content=b"<html>DB=x</html>"),
    "a form with a token": exchange("POST /profile/mail", FORM + SESSION, b"csrf_token=ab&to=x"),
    "a form with a header": exchange("POST /profile/mail", FORM + SESSION + "X-CSRF-Token: ab\r\n", b"to=x"),
    "JSON, which other sites cannot send": exchange("POST /profile/mail", JSON + SESSION, b'{"to": "x"}'),
    "a form without a session": exchange("POST /profile/mail", FORM, b"to=x"),
    "a form that was refused": exchange("POST /profile/mail", FORM + SESSION, b"to=x", status=403),
    "a form whose session cookie nobody saw handed out": exchange("POST /profile/mail", FORM + SESSION, b"to=x"),
    "a form of the site itself": exchange(
        "POST /profile/mail", FORM + SESSION + "Origin: https://www.shop.example\r\n", b"to=x"
    ),
    "what analytics call a session": exchange("GET /collect?sessionId=session-1688379283688&sid=36549_38942_38881_38796_1"),
    "a key that every page holds": exchange("GET /map?key=AIzaSyA-0123456789abcdefghijklmnopqrstu"),
    "an address that is signed to be given away": exchange("GET /f?X-Amz-Security-Token=IQoJb3JpZ2luX2VjEIH12345678"),
    "a session of another site's script": exchange("GET /e?sid=8f14e45fceea167a5a36ab", "Sec-Fetch-Site: cross-site\r\n"),
    "the word before, which is no password": exchange("GET /suggest?pwd=tencent&wd=ten"),
    "a form of a search": exchange("POST /search", FORM + SESSION, b"q=x"),
}  # fmt: skip


@pytest.mark.parametrize("shown", SOUND.values(), ids=SOUND)
def test_what_looks_alike_is_none(shown: Exchange) -> None:
    assert assessor().look(shown, []) == []


def test_findings_are_signs_where_the_server_went_along() -> None:
    token = Finding("weak_auth", ("header", "AUTHORIZATION"), "eyJ", "weak-token-unsigned", 0.9)
    trace = Finding("infoleak", ("response_body",), "Traceback", "infoleak-stack-trace", 0.85)
    proven = Finding("sqli", ("get", "id"), "1'", "sqli-x", 0.9, "SQL syntax")
    failed = Finding("sqli", ("get", "id"), "1'", "sqli-x", 0.9)
    ok, refused = exchange("GET /a"), exchange("GET /a", status=401)
    assert [sign.kind for sign in assessor().look(ok, [token, trace, proven, failed])] == [
        "weak-token", "error-disclosed", "exploited-sqli",
    ]  # fmt: skip
    assert assessor().look(refused, [token, failed]) == []


def test_what_a_client_sends_is_a_sign_unless_it_attacks() -> None:
    def kinds(*found: Finding) -> set[str]:
        return {sign.kind for sign in assessor().look(exchange("GET /a?password=tr0ub4dor"), list(found))}

    assert kinds(Finding("undefined_parameter", ("get", "password"), "x", "specification-shop", 0.9)) == {"secret-in-url"}
    assert kinds(Finding("infoleak", ("response_body",), "Traceback", "infoleak-stack-trace", 0.85)) >= {"secret-in-url"}
    assert kinds(Finding("sqli", ("get", "password"), "1'", "sqli-x", 0.9)) == set()


def test_the_values_of_secrets_are_in_no_sign() -> None:
    for shown, kind in WEAK.values():
        if kind in ("secret-in-url", "pii-in-url", "cookie-flags", "csrf"):
            for sign in assessor().look(shown, []):
                assert not {
                    "tr0ub4dor",
                    "8f14e45fceea167a5a36",
                    "4111111111111111",
                    "jo@sea.example",
                    "0123456789abcdef",
                } & set(sign.text.replace("=", " ").split())


def test_a_samesite_cookie_guards_forms() -> None:
    looked = assessor()
    looked.look(exchange("GET /", answer="Set-Cookie: sessionid=0123456789abcdef; HttpOnly; SameSite=Lax\r\n"), [])
    assert looked.look(exchange("POST /profile/mail", FORM + SESSION, b"to=x"), []) == []


def test_a_form_is_open_once_its_session_cookie_was_handed_out_without_samesite() -> None:
    looked = assessor()
    for flags, kinds in (("HttpOnly", ["csrf"]), ("Secure; SameSite=None", ["csrf"]), ("SameSite=Strict", [])):
        looked.look(exchange("GET /", answer=f"Set-Cookie: sessionid=0123456789abcdef; {flags}\r\n"), [])
        assert [sign.kind for sign in looked.look(exchange(f"POST /{flags[:3]}", FORM + SESSION, b"to=x"), [])] == kinds


def cors(origin: str) -> Exchange:
    allowed = f"Access-Control-Allow-Origin: {origin}\r\nAccess-Control-Allow-Credentials: true\r\n"
    return exchange("GET /me", f"Origin: {origin}\r\n", answer=allowed)


def noted(looked: Assessor, *shown: Exchange) -> dict[str, bool]:
    """Return by kind whether it is proven."""
    for one in shown:
        for sign in looked.look(one, []):
            looked.note(one, sign, "shop.example", one.request.target if one.request else b"")
    return {weakness.kind: weakness.is_proven for weakness in looked.take()}


def test_three_foreign_sites_are_any() -> None:
    sites = [cors(f"https://{name}.example.{name}") for name in ("aa", "bb", "cc")]
    assert noted(assessor(), *sites[:2]) == {"cors-any-origin": False}
    assert noted(assessor(), *sites) == {"cors-any-origin": True}


def read_by(who: str, number: int, body: bytes = b'{"phone": "+49 170 1234567"}') -> Exchange:
    headers = f"Authorization: Bearer {who}\r\n" if who else ""
    return exchange(f"GET /users/{number}", headers, answer=JSON, content=body)


def test_private_objects_given_to_many_are_a_sign_and_public_ones_are_none() -> None:
    people = ["owner", "second", "third", "fourth"]
    assert noted(assessor(), *(read_by(who, n) for n in range(100) for who in people)) == {"idor": True}
    assert noted(assessor(), *(read_by("owner", n) for n in range(100))) == {}
    assert noted(assessor(), *(read_by(who, n) for n in range(100) for who in ["owner", "admin"] if who == "owner" or n == 3)) in (
        {}, {"idor": False},
    )  # fmt: skip
    assert noted(assessor(), *(read_by(who, n) for n in range(100) for who in ["", *people])) == {}
    assert noted(assessor(), *(read_by(who, n, b'{"city": "Ulm"}') for n in range(100) for who in people)) == {}


def test_many_exchanges_of_one_place_are_looked_at_now_and_then_and_records_are_bounded() -> None:
    looked = assessor()
    for number in range(1000):
        looked.look(exchange(f"GET /item/{number}"), [])
    assert looked.looked_at == FIRST + 1000 // 64
    for number in range(3 * RECORDS):
        shown = exchange(f"GET /{'x' * (number % 50)}{number}y?password=tr0ub4dor")
        for sign in looked.look(shown, []) or looked.look(shown, []):
            looked.note(shown, sign, f"{number}.example", b"/")
    assert len(looked.take()) <= RECORDS


@given(st.binary(max_size=120), st.binary(max_size=120), st.integers(100, 599))
def test_no_bytes_make_it_raise(left: bytes, right: bytes, status: int) -> None:
    request = Request(
        b"POST /" + left + b" HTTP/1.1\r\nCookie: " + right + b"\r\n\r\n", right, 0, b"POST", b"/users/1" + left
    )
    response = Response(b"HTTP/1.1 200 X\r\nServer: " + left + b"\r\nSet-Cookie: " + right + b"\r\n\r\n", left, 0, status)
    looked = assessor()
    shown = Exchange(request, response)
    for sign in looked.look(shown, []):
        looked.note(shown, sign, "h", request.target)


FILES = {
    b"/js/jquery-1.12.4.min.js": {"jquery 1.12.4"},
    b"/lib/jquery/1.9.1/jquery.js": {"jquery 1.9.1"},
    b"//cdn.example/bootstrap/3.3.7/js/bootstrap.min.js": {"bootstrap 3.3.7"},
    b"/frameworks/jquery/0.3.0/sharedmodules/jquery-1.7.2.js": {"jquery 1.7.2"},
    b"/frameworks/jquery/0.3.0/sharedmodules/menu.js": set(),
    b"/jquery/photos/1.2.3/": set(),
}


@pytest.mark.parametrize(("target", "expected"), FILES.items())
def test_a_folder_tells_the_version_of_the_file_of_its_name(target: bytes, expected: set[str]) -> None:
    assert {f"{found.product} {found.version}" for found in files_in(target)} == expected


def test_versions_compare_by_their_numbers() -> None:
    assert ordered("1.0.1") < ordered("1.0.1f") < ordered("1.0.1g") < ordered("1.0.2") < ordered("1.0.10")
    assert fault_of(Component("openssl", "1.0.1f")) is not None
    assert fault_of(Component("openssl", "1.0.0")) is None
    assert fault_of(Component("apache", "2.4.62")) is None
    for product, faults in known_faults().items():
        for fault in faults:
            assert fault.cves and fault_of(Component(product, fault.below)) is None, (product, fault)
