"""Forms that another site can have a visitor's browser send: how many of the open ones are told, and of the guarded ones none.

An application is made for each way of guarding (or not), each kind of body, each session cookie and each path. What is open is
not a label: the application's own code is asked to take what a page of another site can make a browser send (Fetch standard,
"CORS-safelisted request-header", and RFC 6265bis, section 5.5.7). The sensor sees the site's own pages used by two people.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tcpmirror.model.exchange import Exchange, Request, Response
from tcpmirror.vulns.assessor import Assessor
from tcpmirror.vulns.signs import _GUARD_VALUE
from tests.vulns.test_signs import assessor

HOST = "shop.example"
URL_CODED, MULTIPART, PLAIN, JSON = (
    "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain;charset=UTF-8", "application/json",
)  # fmt: skip
SENT_BY_FORMS = (URL_CODED, MULTIPART, PLAIN, "")  # what a page of another site may name, or nothing
FLAGS = {
    "nothing said": "Path=/; HttpOnly",
    "none": "Path=/; HttpOnly; Secure; SameSite=None",
    "lax": "Path=/; HttpOnly; SameSite=Lax",
    "strict": "Path=/; HttpOnly; SameSite=Strict",
}
PART = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
FIELDS = {
    URL_CODED: "a=1&name=jo",
    MULTIPART: PART.format("name", "jo") + "--x--\r\n",
    PLAIN: '{"name": "jo"}',
    JSON: '{"name": "jo"}',
    "": "",
}
# Cookies of sessions as frameworks and products name them when nobody changes it.
COOKIES = (
    "PHPSESSID", "JSESSIONID", "ASP.NET_SessionId", ".AspNetCore.Cookies", ".AspNetCore.Session", ".ASPXAUTH",
    ".AspNetCore.Identity.Application", "sessionid", "session", "connect.sid", "laravel_session", "ci_session", "CAKEPHP",
    "rack.session", "_shop_session", "wordpress_logged_in_0a1b2c", "SSESS49960de5880e8c68", "koa:sess", "sails.sid", "SESSION",
    "grafana_session", "_gitlab_session", "user_session", "auth_token", "access_token", "jwt", "remember_user_token",
    "next-auth.session-token", "__Host-session", "_oauth2_proxy", "KEYCLOAK_IDENTITY", "MoodleSession", "OCSESSID",
    "phpbb3_4xvq1_sid", "xf_session", "fe_typo_user", "PLAY_SESSION", "gosessionid", "beaker.session.id", "sb-access-token",
)  # fmt: skip
PATHS = (
    "/profile/mail", "/account/password", "/account/delete", "/transfer", "/cart/items", "/cart/clear", "/orders/17/cancel",
    "/settings/notifications", "/settings", "/users/4/role", "/admin/users", "/posts/12/like", "/posts/12/comments",
    "/friends/9/add", "/messages", "/upload/avatar", "/wp-admin/options.php", "/api/keys", "/billing/card", "/address/2",
    "/follow/jo", "/vote", "/teams/3/members", "/returns/5", "/contacts/7", "/devices/3/remove", "/tracks/5/rename", "/webhooks/2",
    "/catalog/5/stock", "/returns", "/preferences/language", "/2fa/disable", "/subscriptions/4/pause", "/authors/5/edit",
)  # fmt: skip


@dataclass(frozen=True)
class Guard:
    """How an application knows its own forms: by a header, a field, or the kind of body. *sends* is what its pages add."""

    name: str
    headers: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    body_kinds: tuple[str, ...] = (URL_CODED, MULTIPART, PLAIN, "")

    def lets_in(self, headers: dict[str, str], body: bytes) -> bool:
        return (
            headers.get("Content-Type", "") in self.body_kinds
            and all(headers.get(name) == value for name, value in self.headers.items())
            and all(value.encode() in body for value in self.fields.values())
        )


TOKEN = "Zk3qPx81LmVbTn0cRw7dYs"
FORM_FIELDS = (
    "csrfmiddlewaretoken", "authenticity_token", "_token", "_csrf", "__RequestVerificationToken", "csrf_token", "_csrf_token",
    "_wpnonce", "form_token", "sesskey", "form_key", "YII_CSRF_TOKEN", "fb_dtsg", "__VIEWSTATE", "javax.faces.ViewState",
    "struts.token", "org.apache.struts.taglib.html.TOKEN", "_xsrf", "xsrf", "crumb", "authenticityToken", "__anti-forgery-token",
    "_csrfToken", "security", "state", "_sk", "logintoken", "g-recaptcha-response",
)  # fmt: skip
HEADERS = (
    "X-CSRFToken", "X-CSRF-Token", "X-XSRF-TOKEN", "X-Requested-With", "RequestVerificationToken", "Authorization", "Csrf-Token",
    "X-CSRF-Header", "X-Csrf-Magic", "X-WP-Nonce", "Jenkins-Crumb", "HX-Request", "X-Api-Key", "X-Shop-Client",
)  # fmt: skip
NO_GUARD = Guard("none")
GUARDS = [
    *(Guard(f"field {name}", fields={name: TOKEN}, body_kinds=(URL_CODED, MULTIPART)) for name in FORM_FIELDS),
    *(Guard(f"header {name}", headers={name: TOKEN}) for name in HEADERS),
    Guard("JSON only", body_kinds=(JSON,)),
]


@dataclass(frozen=True)
class Application:
    guard: Guard
    path: str
    cookie: str
    flags: str
    body_kind: str

    @property
    def is_open(self) -> bool:
        """Whether its code takes what a browser sends for a page of another site, with the visitor's session."""
        goes_with = "samesite=" not in FLAGS[self.flags].lower() or "samesite=none" in FLAGS[self.flags].lower()
        headers = {"Content-Type": self.body_kind} if self.body_kind else {}
        return goes_with and self.body_kind in SENT_BY_FORMS and self.guard.lets_in(headers, FIELDS[self.body_kind].encode())

    def traffic(self) -> Iterator[Exchange]:
        """What two people do on its own pages: sign in, and send the form."""
        for person in ("jo", "ann"):
            value = f"{person}0123456789abcdef{person}"
            given = f"Set-Cookie: {self.cookie}={value}; {FLAGS[self.flags]}\r\n"
            yield exchanged("POST", "/login", {"Content-Type": URL_CODED}, b"user=jo&password=x", given)
            yield exchanged("POST", self.path, {"Cookie": f"{self.cookie}={value}"} | self.headers(), self.body())

    def headers(self) -> dict[str, str]:
        kind = {"Content-Type": self.body_kind} if self.body_kind else {}
        return kind | self.guard.headers | {"Origin": f"https://{HOST}", "Sec-Fetch-Site": "same-origin"}

    def body(self) -> bytes:
        body = FIELDS[self.body_kind]
        for name, value in self.guard.fields.items():
            if self.body_kind == MULTIPART:
                body = PART.format(name, value) + body
            else:
                body += f"&{name}={value}"
        return body.encode()


def exchanged(method: str, path: str, headers: dict[str, str], body: bytes, given: str = "") -> Exchange:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode()
    back = f"HTTP/1.1 302 Found\r\nLocation: /\r\n{given}\r\n".encode()
    return Exchange(Request(head, body, 1000, method.encode(), path.encode()), Response(back, b"", 2000, 302))


def applications() -> Iterator[Application]:
    """Every path, every cookie and every guard, each with all that goes together with it."""
    for path, flags, kind in itertools.product(PATHS, FLAGS, (URL_CODED, MULTIPART, PLAIN, "")):
        yield Application(NO_GUARD, path, "PHPSESSID", flags, kind)
    for cookie, flags in itertools.product(COOKIES, FLAGS):
        yield Application(NO_GUARD, "/profile/mail", cookie, flags, URL_CODED)
    for guard, flags in itertools.product(GUARDS, FLAGS):
        for kind in guard.body_kinds:
            yield Application(guard, "/profile/mail", "sessionid", flags, kind)


def is_told(application: Application) -> bool:
    looked: Assessor = assessor()
    for shown in application.traffic():
        for sign in looked.look(shown, []):
            looked.note(shown, sign, HOST, application.path.encode())
    return any(weakness.kind == "csrf" and weakness.is_proven for weakness in looked.take())


@pytest.fixture(scope="module")
def told() -> list[tuple[Application, bool]]:
    return [(application, is_told(application)) for application in applications()]


def test_forms_that_another_site_can_send_are_told(told: list[tuple[Application, bool]]) -> None:
    missed = [application for application, is_told in told if application.is_open and not is_told]
    assert sum(application.is_open for application, _ in told) > 300
    assert missed == []


def test_guarded_forms_are_not(told: list[tuple[Application, bool]]) -> None:
    false = [application for application, is_told in told if is_told and not application.is_open]
    assert sum(not application.is_open for application, _ in told) > 700
    assert false == []


PAIR = b"aA1=" * 8192


@pytest.mark.parametrize(
    "body", [PAIR, b"=" * 32768, b"=aA1" + b"a" * 32760 + b",", b"\r\n\r\naA1" * 4096, b"=" + b"0" * 32767]
)
def test_looking_for_a_secret_value_takes_time_in_proportion(body: bytes) -> None:
    began = time.process_time()
    _GUARD_VALUE.search(body)
    assert time.process_time() - began < 0.1
