"""Signs of weaknesses in one exchange: what each part of it gives away by itself.

Every function takes what it looks at and yields (kind, subject, mark, text): the subject distinguishes records of one place,
marks add up to a proof, the text tells people what was seen, without the secret in it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

from tcpmirror.model.exchange import Request, Response
from tcpmirror.model.finding import Finding
from tcpmirror.vulns.catalog import KINDS
from tcpmirror.vulns.components import Component, fault_of, files_in, named_in
from tcpmirror.vulns.places import OWNED_WORDS

SUBJECT: Final = 100  # characters
LOOK: Final = 32 * 1024  # bytes of a body


class Sign(NamedTuple):
    kind: str
    subject: str
    mark: str
    text: str


ClassOf = Callable[[str, str], str]

_BY_RULE: Final = {
    "infoleak-stack-trace": "error-disclosed",
    "infoleak-database-error": "error-disclosed",
    "infoleak-debug-page": "error-disclosed",
    "infoleak-secret": "data-disclosed",
    "infoleak-system-file": "data-disclosed",
    "infoleak-settings-file": "data-disclosed",
    "infoleak-directory-listing": "directory-listing",
}


def of_findings(findings: list[Finding], status: int) -> Iterator[Sign]:
    """What attacks and answers already told: tokens that were accepted, answers that give away, attacks that worked."""
    for finding in findings:
        if finding.type == "weak_auth" and status < 400:
            yield Sign("weak-token", finding.rule, finding.rule, f"a token of this kind was answered with {status}")
        elif finding.type == "infoleak" and finding.rule in _BY_RULE:
            yield Sign(_BY_RULE[finding.rule], finding.rule, finding.rule, finding.payload)
        if finding.evidence and f"exploited-{finding.type}" in KINDS:
            subject = ".".join(finding.point)[:SUBJECT]
            yield Sign(f"exploited-{finding.type}", subject, finding.rule, f"{finding.payload}\n{finding.evidence}")


_TELLING: Final = re.compile(
    rb"\n(server|x-powered-by|x-aspnet-version|x-aspnetmvc-version|x-generator|via):[ \t]*([^\r\n]{1,300})", re.IGNORECASE
)


def of_versions(request: Request, response: Response, reads_page: bool) -> Iterator[Sign]:
    """Versions that headers tell, and libraries that pages are made with."""
    for match in _TELLING.finditer(response.head):
        if b"." in match.group(2):
            for component in named_in(match.group(2)):
                line = match.group().strip().decode("latin-1")
                yield Sign("version-disclosed", component.product[:SUBJECT], component.version, line)
                yield from _faulty(component.product, component.version, line)
    if b".js" in request.target and response.status == 200:
        for component in files_in(request.target):
            yield from _faulty(component.product, component.version, request.target.decode("latin-1"))
    if reads_page and b".js" in response.body[:LOOK] and b"<script" in response.body[:LOOK]:
        for component in files_in(response.body[:LOOK]):
            yield from _faulty(component.product, component.version, "a script of a page")


def _faulty(product: str, version: str, told: str) -> Iterator[Sign]:
    fault = fault_of(Component(product, version))
    if fault is not None:
        text = f"{product} {version} has {', '.join(fault.cves)}; mended in {fault.below}. Told by: {told}"
        yield Sign("vulnerable-component", f"{product} {version}"[:SUBJECT], version, text)


_SESSION: Final = re.compile(
    r"(?i)(?:^|[_.:-])(?:s?sess\w*|sid|jwt|token|login|logged_in|remember\w*|identity|typo_user|(?:asp)?x?auth)(?:$|[_.:-])"
    r"|sess(?:ion)?_?id|session$|connect\.sid|aspnetcore\.|oauth2_proxy|^cakephp$"
)
_NO_SESSION: Final = re.compile(
    r"(?i)csrf|xsrf|anon|lang|locale|consent|track|visitor|analytics|^_ga|push|device|start$|^(?:__stripe|amp|ai|mp|sc|s)_"
)
_GONE: Final = re.compile(rb"(?i)max-age=(?:0|-)|expires=[^;]*(?:1970|1969|2000)")


def is_session(name: str) -> bool:
    """Tell whether a cookie of this *name* stands for a session."""
    return _SESSION.search(name) is not None and _NO_SESSION.search(name) is None


def of_cookies(response: Response, is_encrypted: bool) -> Iterator[Sign]:
    """Session cookies without the flags that keep them (RFC 6265bis, section 4.1.2)."""
    for key, value in response.headers:
        if key.lower() != b"set-cookie":
            continue
        pair, _, flags = value.partition(b";")
        name, _, content = pair.partition(b"=")
        text = name.strip().decode("latin-1")
        if len(content.strip()) < 8 or not is_session(text) or _GONE.search(flags):
            continue
        given = {flag.partition(b"=")[0].strip().lower() for flag in flags.split(b";")}
        wanted = (b"httponly", b"samesite", b"secure") if is_encrypted else (b"httponly", b"samesite")
        missing = [flag.decode() for flag in wanted if flag not in given]
        if "httponly" in missing or len(missing) > 1:
            yield Sign(
                "cookie-flags", text[:SUBJECT], text[:SUBJECT], f"Set-Cookie: {text}=...; without {', '.join(missing)}"
            )


def of_cors(request: Request, response: Response, host: str) -> Iterator[Sign]:
    """Another site that is let in with credentials (Fetch standard, section 3.2.5); three of them are any."""
    if (response.header(b"access-control-allow-credentials") or b"").lower() != b"true":
        return
    allowed, origin = response.header(b"access-control-allow-origin"), request.header(b"origin")
    if not allowed or allowed != origin:
        return
    other = _site(allowed.decode("latin-1"))
    if other != _site(host):
        yield Sign(
            "cors-any-origin", "", other, f"Access-Control-Allow-Origin: {allowed.decode('latin-1')} with credentials"
        )


def _site(name: str) -> str:
    """Return the last two labels of a host name: enough to tell that one site is not another."""
    host = name.rpartition("://")[2].partition("/")[0]
    host = re.sub(r":\d*\Z", "", host)
    return host if host.replace(".", "").isdigit() else ".".join(host.lower().split(".")[-2:])[:SUBJECT]


_FILE: Final = re.compile(
    rb"/(?:\.git/(?:config|HEAD|index)|\.svn/(?:entries|wc\.db)|\.hg/hgrc|\.env(?:\.\w{1,16})?|\.ht(?:passwd|access)|\.aws/credentials"
    rb"|\.ssh/\w+|\.npmrc|\.DS_Store|id_rsa|wp-config\.php\W?\w*|web\.config|[^/?]{1,64}\.(?:bak|old|orig|swp|sql|dump|pem|p12|kdbx"
    rb"|sqlite3?)(?:\.gz|\.zip|\.bz2)?)(?:\?|\Z)",
    re.IGNORECASE,
)
_SHOWS: Final = re.compile(
    rb"\[core\]|^ref: refs/|^DIRC|^\d+\n\ndir\n|SQLite format 3|^[A-Za-z_][A-Za-z0-9_]{1,60}\s?=|<\?php|-----BEGIN "
    rb"|CREATE TABLE|INSERT INTO|<configuration|^\w+:\$?\w|^\x1f\x8b|^PK\x03\x04|^\x00\x00\x00\x01Bud1|^BZh|_authToken="
    rb"|\[default\]|RewriteRule|Require ",
    re.MULTILINE,
)


def of_files(request: Request, response: Response) -> Iterator[Sign]:
    """Repositories, settings, backups: asked for by name, and answered with what such a file holds."""
    match = _FILE.search(request.target) if response.status in (200, 206) and response.body else None
    if match is None:
        return
    kind = (response.header(b"content-type") or b"").lower()
    start = response.body[:2048]
    if (b"html" in kind or start.lstrip()[:1] == b"<") and not start.lstrip().startswith(
        (b"<?php", b"<configuration", b"<?xml")
    ):
        return  # an error page that says 200
    if _SHOWS.search(start):
        name = match.group().rstrip(b"?").decode("latin-1")
        yield Sign(
            "exposed-file", name[:SUBJECT], name[:SUBJECT], f"{name} was answered with {response.body_length} bytes of it"
        )


_PAGED: Final = re.compile(r"(?i)page|next|prev|continu|cursor|sync|csrf|xsrf|cancel|scroll|dedup|search|sort")
_SECRET: Final = frozenset(
    ("password", "token", "jwt", "api_key", "private_key", "session", "card", "card_security", "iban")
)
_PERSONAL: Final = frozenset(("email", "phone", "national_id", "birth_date", "health_id", "diagnosis"))


def of_address(request: Request, class_of: ClassOf) -> Iterator[Sign]:
    """Secrets and personal data in the parameters of an address (CWE-598)."""
    for field in request.target.partition(b"?")[2].split(b"&")[:50]:
        name, _, value = (unquote_plus(part.decode("latin-1")) for part in field.partition(b"="))
        if len(value) < 3 or _PAGED.search(name):
            continue
        found = class_of(name, value[:4096])
        if found in _SECRET and _is_public(request, name, value, found):
            continue
        kind = "secret-in-url" if found in _SECRET else "pii-in-url" if found in _PERSONAL else ""
        if kind:
            yield Sign(kind, name[:SUBJECT], found, f"the parameter {name[:SUBJECT]} holds {found.replace('_', ' ')}")


_COUNTED: Final = re.compile(r"(?i)(?:[a-z]+[-_.])?[\d_\-./:%]+")  # a number, a time, a list of such
_SIGNED: Final = re.compile(r"(?i)x-(?:amz|goog|oss|cos)-")  # of an address that is signed for a time, to be given away
_BROWSER_KEY: Final = re.compile(r"AIza[\w-]{35}")  # names a project, and is in every page that uses it
_BESIDE: Final = re.compile(rb"(?i)[?&](?:user|login|e?-?mail|account|uid|name)[^=&]*=|login|auth|account|user")


def _is_public(request: Request, name: str, value: str, found: str) -> bool:
    """Tell whether what looks like a secret is known to all, or only called like one."""
    if _SIGNED.match(name) or _BROWSER_KEY.fullmatch(value):
        return True
    if found == "session" and (len(value) < 16 or _COUNTED.fullmatch(value)):
        return True  # what analytics call a session
    if found == "password" and name.lower() == "pwd":
        return _BESIDE.search(request.target) is None  # the word before, a directory
    # What the script of another site's page sends, that page gave to everybody.
    return found in ("session", "api_key") and request.header(b"sec-fetch-site") == b"cross-site"


_SIMPLE: Final = (b"", b"application/x-www-form-urlencoded", b"multipart/form-data", b"text/plain")
# Headers that browsers and proxies set; any other is one that a page of another site may not add (Fetch, section 2.2.2).
_COMMON_HEADER: Final = re.compile(
    r"(?i)accept(?:-.*)?|alt-used|cache-control|cdn-.*|cf-.*|client-ip|connection|content-.*|cookie|date|device-memory|dnt|downlink"
    r"|early-data|ect|expect|fastly-.*|forwarded|from|host|if-.*|keep-alive|max-forwards|origin|pragma|priority|proxy-.*|purpose"
    r"|range|referer|rtt|save-data|sec-.*|te|trailer|transfer-encoding|true-client-ip|upgrade(?:-.*)?|user-agent|via|viewport-width"
    r"|width|baggage|b3|traceparent|tracestate|uber-trace-id|x-(?:akamai|amz|amzn|azure|appengine|b3|client|cloud|cluster|datadog"
    r"|edge|envoy|forwarded|google|https?|newrelic|nginx|original|proto|real|request|scheme|varnish)(?:-.*)?"
)
_GUARD_HEADER: Final = re.compile(r"(?i).*(?:csrf|xsrf|token)")  # of those that proxies set, too
_GUARD_FIELD: Final = re.compile(
    rb"(?i)csrf|xsrf|token|nonce|authenticity|requestverification|captcha|formkey|form_key|_wpnonce|sesskey"
)
# A value that nobody guesses; a UUID names a thing and is no secret.
_GUARD_VALUE: Final = re.compile(
    rb"(?:(?<!pass)(?<!password)(?<!pwd)=|\r\n\r\n)"
    rb"(?:(?=[^&=\r]{0,80}?[0-9])(?=[^&=\r]{0,80}?[a-z])(?=[^&=\r]{0,80}?[A-Z])[\w+/.:%-]{20,}+={0,2}|[0-9a-f]{32,}+)(?:$|&|\r\n--)"
)
_SIGNS_ON: Final = (
    rb"log[-_]?(?:in|on|out)|sign[-_]?(?:in|up|on|out)|o?auth\d?|openid|sso|saml\d?|register|registration|session"
)
_OPEN_PATH: Final = re.compile(
    rb"(?i)/(?:" + _SIGNS_ON + rb")(?:$|[/._-])"  # who is not signed in yet, and may come from elsewhere
    rb"|/(?:token|search|suggest|subscribe|newsletter|contact(?:[-_]us)?|track|tracking|collect|beacon|logs?|csp[-_]?\w*|acs|callback"
    rb"|webhook|notify|notification|ipn|return)/?$"
)


@lru_cache(4096)
def _guards(name: str) -> bool:
    """Tell whether a header of this *name* is none that a page of another site can make a browser send."""
    return _GUARD_HEADER.match(name) is not None or _COMMON_HEADER.fullmatch(name) is None


def of_forms(request: Request, response: Response, host: str, is_open: Callable[[str], bool]) -> Iterator[Sign]:
    """A change by a form with nothing in it that another site could not send, and a session that browsers add to it.

    That they do is seen: *is_open* tells of a cookie that the host was seen to hand out without SameSite (RFC 6265bis,
    section 5.5.7), or a page of another site sent this one with it, and it was accepted.
    """
    if request.method != b"POST" or not 200 <= response.status < 400:
        return
    kind = (request.header(b"content-type") or b"").partition(b";")[0].strip().lower()
    path, _, query = request.target.partition(b"?")
    if kind not in _SIMPLE or _OPEN_PATH.search(path) or any(_guards(name.decode("latin-1")) for name, _ in request.headers):
        return
    body = request.body[:LOOK]
    if _GUARD_FIELD.search(body) or _GUARD_FIELD.search(query) or _GUARD_VALUE.search(body):
        return
    origin = (request.header(b"origin") or b"").decode("latin-1")
    is_foreign = "://" in origin and _site(origin) != _site(host)
    for pair in (request.header(b"cookie") or b"").split(b";"):
        name, _, value = pair.strip().partition(b"=")
        text = name.decode("latin-1")
        if is_session(text) and value and (is_foreign or is_open(text)):
            told = f", sent by a page of {_site(origin)}" if is_foreign else ""
            yield Sign("csrf", "", digest(value), f"POST with the cookie {text[:SUBJECT]} and no token in it{told}")
            return


OWNED: Final = re.compile(rb"(?i)/(?:%s)s?/[^/?]*\d" % "|".join(OWNED_WORDS).encode())
_PRIVATE: Final = frozenset(("card", "iban", "national_id", "phone", "password", "api_key", "private_key"))


def is_owned(request: Request, response: Response) -> bool:
    """Tell whether what was asked for looks like something of one user."""
    return request.method == b"GET" and response.status == 200 and OWNED.search(request.target) is not None


def holds_private(response: Response, within: Callable[[str], Iterator[tuple[int, int, str]]]) -> bool:
    """Tell whether an answer in JSON holds private data of somebody."""
    return not _PRIVATE.isdisjoint(kinds_within(response, within))


def kinds_within(response: Response, within: Callable[[str], Iterator[tuple[int, int, str]]]) -> set[str]:
    """Return the classes of sensitive data in an answer in JSON."""
    body = response.body[:8192]
    if body.lstrip()[:1] not in (b"{", b"["):
        return set()
    return {kind for _, _, kind in within(body.decode("latin-1"))}


def identity(request: Request) -> str:
    """Return a hash of what says who asks, empty for nobody."""
    given = request.header(b"authorization") or b""
    if given:
        return digest(given)
    for pair in (request.header(b"cookie") or b"").split(b";"):
        name, _, value = pair.strip().partition(b"=")
        if value and is_session(name.decode("latin-1")):
            return digest(value)
    return ""


def digest(value: bytes) -> str:
    return hashlib.blake2b(value, digest_size=6).hexdigest()
