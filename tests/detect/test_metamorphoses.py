"""What is harmless stays harmless, however it is wrapped."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable

import pytest

from tcpmirror.detect.detector import Detector
from tcpmirror.model.exchange import Exchange
from tests.detect.requests import PLACES, request

TEXTS = {
    "English": "We'd like to order two chairs and a table; could you deliver them on Friday, or drop them at our neighbours' door?",
    "German": "Könnten Sie uns bitte bis Donnerstag ein Angebot schicken? Der Tisch soll 180 cm lang sein, die Stühle aus Eiche.",
    "French": "L'article n'est pas arrivé; aujourd'hui j'ai appelé le magasin, mais personne n'a répondu. Qu'est-ce qu'on fait?",
    "Spanish": "¿Cuánto cuesta el envío a Sevilla? Quiero cambiar la talla de los zapatos (del 42 al 43) antes del sábado.",
    "Italian": "Buongiorno, l'ordine dell'altro ieri non c'è nell'elenco: potrebbe controllare? Un'altra cosa: vorrei la fattura.",
    "Polish": "Dzień dobry, czy mogę odebrać zamówienie w sobotę? Proszę też o rachunek; dziękuję i życzę miłego dnia!",
    "Russian": "Здравствуйте! Подскажите, пожалуйста, когда придёт посылка? Заказ от 12 марта, оплата картой прошла.",
    "Japanese": "注文した椅子がまだ届きません。配達日を教えてください（できれば土曜日の午前中）。よろしくお願いします。",
    "JSON of an order": json.dumps({"order": 4711, "items": [{"sku": "A-17", "qty": 2, "note": "gift; don't ring"}], "total": "19.90"}),
    "JSON of a search": json.dumps({"filter": {"price": {"min": 10, "max": 50}}, "sort": ["-price", "name"], "select": ["id", "name"]}),
    "JSON of an event": json.dumps({"event": "page_view", "url": "https://shop.example/a?b=c&d=e#f", "ua": "Mozilla/5.0 (X11)"}),
    "a log line": '192.0.2.7 - - [14/Mar/2026:09:26:53 +0000] "GET /index.html HTTP/1.1" 200 5120 "-" "Mozilla/5.0 (X11; Linux)"',
    "a log line of a service": "2026-03-14T09:26:53.123Z WARN pool-3: retry 2 of 5 after 250 ms (order=4711, queue=mail)",
    "addresses": "Ann O'Neill, Flat 3/2, 14 St. John's Road (rear), Dublin 8, D08 X2K7",
    "a German address": "Müller & Söhne GmbH; z. Hd. Frau D'Angelo; Straße des 17. Juni 135 // Hinterhaus; 10623 Berlin",
    "names": "Conan O'Brien, Sinéad O'Connor, N'Golo Kanté, Ruud van 't Hart, Jean d'Arc -- all three of them",
    "maths": "f(x) = 3*x^2 - 2*x + 1; f'(x) = 6*x - 2, and f(0) = 1 <= f(1) = 2 < f(2) = 9 (for all x > 1)",
    "units": '5\'10" tall, 32" screen, 10-12%, 3/4 of 100 & more; 1=one 2=two 3=three',
    "Markdown": "# Notes\n\n* **Bold** and _italic_\n* [a link](https://shop.example/a)\n\n> quoted; `code` too\n\n1. first\n2. second\n",
    "a table in Markdown": "| item | price |\n| --- | --- |\n| chair | 19.90 |\n| table | 120 |\n",
    "an email": "Hi Bob,\r\n\r\nthanks for the update -- see you on Monday.\r\n\r\nBest,\r\nAnn\r\n\r\n> Am Freitag schrieb Bob:\r\n> bis Montag",
    "a list of companies": "AT&T, Johnson & Johnson, Marks & Spencer, H&M, Procter & Gamble; (Toys 'R' Us)",
    "a query string": "utm_source=news&utm_medium=email&utm_campaign=spring_sale&ref=abc-123",
    "emoticons": "great!!! :-) ;-) <3 xD \\o/ ^_^ >:( ... or not?! #1 @home 100% ~~~",
    "a version": "v1.2.3-rc.1+build.45 (git 9f8e7d6c), requires >= 3.11, < 4; tested with 3.11 || 3.12",
    "HTML of an editor": '<p>Dear all,</p><p>the <b>sale</b> <i>starts</i> on <a href="https://shop.example/sale?a=1">Friday</a>.</p>',
    "HTML with a table": '<table border="1"><tr><td style="width:20%">Item</td><td>1 &amp; 2</td></tr></table><br><img src="/a.png" alt="x">',
    "HTML that shows code": "<p>Put <code>&lt;img src=x onerror=alert(1)&gt;</code> into the page to try it.</p>",
    "a token": "3q2-7wAAAAB4eXo_a1b2c3d4e5f6g7h8i9j0.kLmNoPqRsTuVwXyZ-0123456789_abcdef",
}  # fmt: skip


def nested(value: bytes) -> Exchange:
    inner = json.dumps({"text": value.decode(), "lang": "x"})
    body = json.dumps({"data": base64.b64encode(inner.encode()).decode(), "copy": inner})
    return request(b"POST", b"/save", b"Content-Type: application/json\r\n", body.encode())


def upload(value: bytes) -> Exchange:
    part = b'--b\r\nContent-Disposition: form-data; name="f"; filename="note.txt"\r\nContent-Type: text/plain\r\n\r\n'
    return request(b"POST", b"/save", b"Content-Type: multipart/form-data; boundary=b\r\n", part + value + b"\r\n--b--\r\n")


def soap(value: bytes) -> Exchange:
    text = value.replace(b"&", b"&amp;").replace(b"<", b"&lt;")
    envelope = (
        b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><n note="x">%s</n></s:Body></s:Envelope>'
    )
    return request(b"POST", b"/ws", b"Content-Type: text/xml; charset=utf-8\r\nSOAPAction: x\r\n", envelope % text)


WRAPPINGS: dict[str, Callable[[bytes], Exchange]] = PLACES | {
    "plain body": lambda value: request(b"POST", b"/save", b"Content-Type: text/plain\r\n", value),
    "body without a type": lambda value: request(b"POST", b"/save", b"", value),
    "JSON in Base64 in JSON": nested,
    "uploaded file": upload,
    "SOAP": soap,
    "CDATA": lambda value: request(b"POST", b"/save", b"", b"<r><![CDATA[" + value + b"]]></r>"),
    "packed body in Base64": lambda value: request(
        b"POST", b"/save", b"Content-Type: application/json\r\n", b'{"z":"' + base64.b64encode(gzip.compress(value, mtime=0)) + b'"}'
    ),
    "name of a key": lambda value: request(
        b"POST", b"/save", b"Content-Type: application/json\r\n", json.dumps({value.decode(): 1}).encode()
    ),
    "Base64 in a cookie": lambda value: request(b"GET", b"/", b"Cookie: state=" + base64.urlsafe_b64encode(value) + b"\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_harmless_text_is_harmless_in_every_wrapping(detector: Detector, wrapping: str) -> None:
    told = {name: detector.inspect(WRAPPINGS[wrapping](text.encode())) for name, text in TEXTS.items()}
    assert {name: [(one.rule, one.payload) for one in found] for name, found in told.items() if found} == {}


@pytest.mark.parametrize("name", TEXTS)
def test_what_follows_an_attack_is_still_harmless(detector: Detector, name: str) -> None:
    """What the detector remembers of one request says nothing about the next."""
    assert detector.inspect(PLACES["JSON"](b"<script>alert(1)</script>" + TEXTS[name].encode()[:20]))
    assert detector.inspect(PLACES["JSON"](TEXTS[name].encode())) == []
