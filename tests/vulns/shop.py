"""A small shop with a hole of every kind, or with all of them mended: what attacks on the sensor's tests are tried on.

`python -m tests.vulns.shop PORT open|mended [FILE]`. For loopback inside a namespace only: it runs what it is told to. FILE
gets the target of each request whose query ended in an error, or showed what no item of the shop holds.
"""

from __future__ import annotations

import html
import io
import sqlite3
import subprocess
import sys
import threading
import time
import xml.sax
import xml.sax.handler
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import jinja2
from jinja2.sandbox import SandboxedEnvironment

METADATA = "ami-id\nhostname\niam/\ninstance-id\nlocal-ipv4\npublic-keys/\n"
PAGE = "<html><head><title>Shop</title></head><body>{}</body></html>"
ITEMS = [(1, "Anvil", "19.90"), (2, "Hammer", "7.50"), (3, "Root vegetables", "2.10")]

_local = threading.local()


def database() -> sqlite3.Connection:
    """Return this thread's store, with the function that servers have for waiting."""
    if not hasattr(_local, "store"):
        store = _local.store = sqlite3.connect(":memory:", isolation_level=None)
        store.create_function("sleep", 1, lambda seconds: time.sleep(min(float(seconds), 5)) or 0)
        store.execute("CREATE TABLE items (id INTEGER, name TEXT, price TEXT)")
        store.execute("CREATE TABLE users (name TEXT, password TEXT)")
        store.executemany("INSERT INTO items VALUES (?, ?, ?)", ITEMS)
        store.execute("INSERT INTO users VALUES ('alice', 'w0nderland-8842')")
    return _local.store


class Shop(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    mended: ClassVar[bool] = False
    successes: ClassVar[Path | None] = None

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        given = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        self._serve(url.path, given, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._serve(urlsplit(self.path).path, {}, body)

    def _serve(self, path: str, given: dict[str, str], body: bytes) -> None:
        page: Callable[..., Any] | None = PAGES.get(path)
        if page is None:
            self.answer(404, PAGE.format("nothing here"))
            return
        try:
            page(self, given, body)
        except (sqlite3.Error, OSError, jinja2.TemplateError, xml.sax.SAXException, ValueError) as error:
            if isinstance(error, sqlite3.Error):
                self.note_success()
            self.answer(500, PAGE.format("an error" if self.mended else html.escape(f"{type(error).__module__}: {error}")))

    def note_success(self) -> None:
        """Write down that the query of this request was another than the shop's."""
        if self.successes is not None and not self.mended:
            with self.successes.open("a") as listed:
                listed.write(self.path + "\n")

    def answer(self, status: int, text: str, kind: str = "text/html; charset=utf-8", **headers: str) -> None:
        data = text.encode("utf-8", "surrogateescape")
        head = [f"HTTP/1.1 {status} X", f"Content-Type: {kind}", f"Content-Length: {len(data)}"]
        head += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.wfile.write("\r\n".join([*head, "", ""]).encode("utf-8", "surrogateescape") + data)

    def log_message(self, *said: object) -> None:
        pass


def file(shop: Shop, given: dict[str, str], body: bytes) -> None:
    name = given.get("name", "")
    if shop.mended:
        shop.answer(404, f"no document called {name}", "text/plain")
        return
    shop.answer(200, Path("/usr/share", name).read_text(errors="replace"), "text/plain")


def ping(shop: Shop, given: dict[str, str], body: bytes) -> None:
    host = given.get("host", "")
    command = ["echo", "asking", host] if shop.mended else ["sh", "-c", f"echo asking {host}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    shop.answer(200, f"<pre>{html.escape(done.stdout + done.stderr)}</pre>")


def items(shop: Shop, given: dict[str, str], body: bytes) -> None:
    wanted = given.get("id", "1")
    if shop.mended:
        rows = database().execute("SELECT name, price FROM items WHERE id = ?", (wanted,)).fetchall()
    else:
        rows = database().execute(f"SELECT name, price FROM items WHERE id = {wanted}").fetchall()
        honest = {None, *(cell for _, *cells in ITEMS for cell in cells)}
        if not honest.issuperset(cell for row in rows for cell in row):
            shop.note_success()
    shop.answer(200, PAGE.format("".join(f"<li>{name}: {price}</li>" for name, price in rows) or "no such item"))


def search(shop: Shop, given: dict[str, str], body: bytes) -> None:
    asked = given.get("q", "")
    shown = html.escape(asked) if shop.mended else asked
    shop.answer(200, PAGE.format(f'<input name="q" value="{shown}"><p>nothing found for {shown}</p>'))


def suggest(shop: Shop, given: dict[str, str], body: bytes) -> None:
    """JSON is no page: what is repeated here runs nowhere."""
    shop.answer(200, '{"asked": "' + given.get("q", "").replace('"', '\\"') + '"}', "application/json")


def go(shop: Shop, given: dict[str, str], body: bytes) -> None:
    goal = given.get("next", "/")
    if shop.mended and (not goal.startswith("/") or goal.startswith(("//", "/\\"))):
        goal = "/"
    shop.answer(302, "", Location=goal)


def language(shop: Shop, given: dict[str, str], body: bytes) -> None:
    value = given.get("set", "en")
    if shop.mended:
        value = value.replace("\r", "").replace("\n", "")
    shop.answer(200, PAGE.format("set"), Set_Cookie=f"lang={value}")


def card(shop: Shop, given: dict[str, str], body: bytes) -> None:
    text = given.get("text", "")
    engine = SandboxedEnvironment(autoescape=True)
    made = html.escape(text) if shop.mended else jinja2.Template(text).render()
    shop.answer(200, PAGE.format(engine.from_string("<p>Dear {{ text }}, welcome</p>").render(text=made)))


def fetch(shop: Shop, given: dict[str, str], body: bytes) -> None:
    url = given.get("url", "")
    host = urlsplit(url).hostname or ""
    if not shop.mended and host == "169.254.169.254":  # in a cloud this is what answers there
        shop.answer(200, METADATA, "text/plain")
    else:
        shop.answer(403 if shop.mended else 200, "refused" if shop.mended else "an answer", "text/plain")


def order(shop: Shop, given: dict[str, str], body: bytes) -> None:
    """XML in, its text out; entities from elsewhere are read where the shop is open."""
    seen: list[str] = []
    handler = xml.sax.handler.ContentHandler()
    handler.characters = seen.append  # type: ignore[method-assign]
    parser = xml.sax.make_parser()
    parser.setFeature(xml.sax.handler.feature_external_ges, not shop.mended)
    parser.setContentHandler(handler)
    parser.parse(io.BytesIO(body))
    shop.answer(200, f"ordered: {''.join(seen)}", "text/plain")


PAGES: dict[str, Callable[[Shop, dict[str, str], bytes], None]] = {
    "/file": file, "/ping": ping, "/items": items, "/search": search, "/suggest": suggest, "/go": go, "/language": language,
    "/card": card, "/fetch": fetch, "/order": order,
}  # fmt: skip


def main() -> None:
    Shop.mended = sys.argv[2] == "mended"
    Shop.successes = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Shop).serve_forever()


if __name__ == "__main__":
    main()
