"""Canaries: secrets in every place of requests and responses, masked; then all that a whole sensor wrote and told is searched.

One capture file goes through a sensor with its cloud, its console, a sink and its logs. Each visit also carries an open word
beside its secret, so that a place that is not told of at all cannot pass for one that is masked; and one secret is not
masked, so that a search that finds nothing anywhere cannot pass for masks that hold.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import orjson
import pytest
import zstandard

from bench.network import network, wait_until
from tests.live.sensor import CLOUD, METRICS, SEEN_S, Sensor, environment, program, running
from tests.traffic import conversation, write_capture

pytestmark = pytest.mark.live

ATTACK: Final = "1'+union+select+1,2--+-"
PAGES: Final = (
    "overview", "attacks", "incidents", "vulnerabilities", "sessions", "settings", "sources", "nodes", "health", "apis",
    "apis/specifications",
)  # fmt: skip
OPEN: Final = "not masked"
TOLD: Final = (
    "/api/v1/hits/",
    "exchange.pcap",
    "/attacks/",
    "sink.jsonl",
    "sensor.log",
    "access.log",
    "cloud.db",
    "/spool/",
    "findings",
)
ZSTD: Final = b"\x28\xb5\x2f\xfd"
WS_KEY: Final = b"\x01\x02\x03\x04"


class Place(NamedTuple):
    """A request with ``{s}`` where its secret stands and ``{o}`` where its open word does; ``answer``: lines and body."""

    head: str
    body: str = ""
    kind: str = ""
    answer: str = "Content-Type: text/html\r\n\r\n<p>{s} {o}</p>"


CLAIMS: Final = '{{"sub": "{s}", "role": "visitor"}}'
PLACES: Final = {
    "path": Place("GET /reset/{s}/go?o={o}&q=" + ATTACK),
    "last part of a path": Place("GET /once/{s}?o={o}&q=" + ATTACK),
    "query": Place("GET /a1?pin={s}&o={o}&q=" + ATTACK),
    "query, encoded": Place("GET /a2?pin=%20{s}%26&o={o}&q=" + ATTACK),
    "address alone": Place("GET /a3/page?password={s}&o={o}"),
    "header": Place("GET /a4?o={o}&q=" + ATTACK + "\nX-Secret: {s}"),
    "authorization": Place("GET /a5?o={o}&q=" + ATTACK + "\nAuthorization: Bearer {s}"),
    "user agent": Place("GET /a6?o={o}&q=" + ATTACK + "\nUser-Agent: phone/{s}"),
    "cookie": Place("GET /a7?o={o}&q=" + ATTACK + "\nCookie: a=1; sid={s}; b=2"),
    "form": Place("POST /b1?o={o}&q=" + ATTACK, "user=jo&pin={s}", "application/x-www-form-urlencoded"),
    "JSON": Place("POST /b2?q=" + ATTACK, '{{"o": "{o}", "list": [{{"pin": "{s}"}}]}}', "application/json"),
    "JSON number": Place("POST /b3?o={o}&q=" + ATTACK, '{{"card": 4111111111111111, "more": "{s}"}}', "application/json"),
    "XML": Place("POST /b4?o={o}&q=" + ATTACK, '<?xml version="1.0"?><a><pin>{s}</pin></a>', "text/xml"),
    "multipart": Place(
        "POST /b5?o={o}&q=" + ATTACK,
        '--BB\r\nContent-Disposition: form-data; name="pin"\r\n\r\n{s}\r\n--BB\r\nContent-Disposition: form-data; name="f";'
        ' filename="a.txt"\r\n\r\nline\r\n--BB--\r\n',
        "multipart/form-data; boundary=BB",
    ),
    "GraphQL": Place(
        "POST /graphql?o={o}&q=" + ATTACK, '{{"query": "{{ login(pin: \\"{s}\\") {{ id }} }}"}}', "application/json"
    ),
    "GraphQL variable": Place(
        "POST /graphql?o={o}&n=2&q=" + ATTACK,
        '{{"query": "query a($pin: String) {{ login(pin: $pin) {{ id }} }}", "variables": {{"pin": "{s}"}}}}',
        "application/json",
    ),
    "Base64": Place("GET /c1?pin={b}&o={o}&q=" + ATTACK),
    "text": Place("POST /c2?o={o}&q=" + ATTACK, "the word is {s} today", "text/plain"),
    "the attack itself": Place("GET /c3?o={o}&pin=1'+union+select+'{s}','b'--+-"),
    "name of a parameter": Place("GET /c4?{s}=1&o={o}&q=" + ATTACK),
    "referer": Place("GET /c5?o={o}&q=" + ATTACK + "\nReferer: http://shop.example/a?pin={s}"),
    "answer's header": Place("GET /d1?o={o}&q=" + ATTACK, answer="X-Secret: {s}\r\nContent-Type: text/html\r\n\r\n{o}"),
    "answer's cookie": Place(
        "GET /d2?o={o}&q=" + ATTACK, answer="Set-Cookie: sid={s}; Path=/\r\nContent-Type: text/html\r\n\r\n{o}"
    ),
    "answer's JSON": Place(
        "GET /d3?o={o}&q=" + ATTACK, answer='Content-Type: application/json\r\n\r\n{{"pin": "{s}", "o": "{o}"}}'
    ),
    "answer's XML": Place("GET /d4?o={o}&q=" + ATTACK, answer="Content-Type: text/xml\r\n\r\n<a><pin>{s}</pin><b>{o}</b></a>"),
    "what an error shows": Place(
        "GET /d5?o={o}&pin={s}'",
        answer="Content-Type: text/html\r\n\r\nYou have an error in your SQL syntax; check the manual that corresponds to your"
        " MySQL server version for the right syntax to use near '{s}'' at line 1",
    ),
    "what markup came back": Place(
        "GET /d6?o={o}&pin=<script>alert('{s}')</script>", answer="Content-Type: text/html\r\n\r\n<script>alert('{s}')</script>"
    ),
    "user that a session has": Place("GET /e1/mine?o={o}\nX-User: {s}"),
    "JWT": Place("GET /e2/mine?o={o}&q=" + ATTACK + "\nAuthorization: Bearer eyJhbGciOiJub25lIn0.{t}."),
    "inventory": Place("GET /list/of?pin={s}&o={o}", answer='Content-Type: application/json\r\n\r\n{{"pin": "{s}"}}'),
    OPEN: Place("GET /open?key={s}&o={o}&q=" + ATTACK),
}  # fmt: skip
SETTINGS: Final = """
version: 4
mode: tcp-capture-v2
tcp_stream: {{from_file: [{{enabled: true, path: {capture}}}]}}
inspection:
  mask:
    - {{name: named, parameter: '~(?i)^(pin|password|sid|sub|x-secret|x-user|user-agent|more)$'}}
    - {{name: folder, point: path.1}}
    - {{name: once, point: action_name, path: '/once/*'}}
    - {{name: found, classes: [password, token, jwt, financial]}}
    - {{name: shaped, pattern: 'kanarie[-]name\\w+|word is [^ ]+'}}
log: {{level: debug, access_log: {{enabled: true, log_file: {access}}}}}
discovery: {{interval: 1s}}
sessions: {{interval: 1s}}
behavior: {{interval: 1s}}
sinks: [{{name: archive, type: file, url: {sink}}}]
"""


NAMES: Final = (*PLACES, "WebSocket")
REPEATED: Final = {"inventory": 8}  # as often as it takes for an endpoint to be one, and for a word to be a choice


def secret(name: str) -> str:
    number = NAMES.index(name)
    if name == "name of a parameter":
        return f"kanarie-name{number:02}zx"
    return "kanarieurvogel" if name == "inventory" else f"kan{number:02}Q7x-v0gel!t"


def open_word(name: str) -> str:
    return f"offen{NAMES.index(name):02}wort"


def filled(text: str, name: str) -> str:
    word = secret(name)
    claims = base64.urlsafe_b64encode(CLAIMS.format(s=word).encode()).rstrip(b"=").decode()
    return text.format(s=word, o=open_word(name), b=base64.b64encode(word.encode()).decode(), t=claims)


def visit(name: str) -> list[tuple[int, bytes]]:
    """Return the request and the response of a place as turns of a conversation."""
    place = PLACES[name]
    line, *headers = filled(place.head, name).split("\n")
    body = filled(place.body, name).encode()
    lines = [f"{line} HTTP/1.1", "Host: shop.example", *headers]
    if body:
        lines += [f"Content-Type: {place.kind}", f"Content-Length: {len(body)}"]
    told, _, page = filled(place.answer, name).partition("\r\n\r\n")
    answer = f"HTTP/1.1 200 OK\r\n{told}\r\nContent-Length: {len(page.encode())}\r\n\r\n{page}"
    return [(0, "\r\n".join([*lines, "", ""]).encode() + body), (1, answer.encode())]


def socket_talk(name: str) -> list[tuple[int, bytes]]:
    """Return a WebSocket that is opened, and one message of a secret and an attack in it."""
    asked = (
        f"GET /chat?o={open_word(name)} HTTP/1.1\r\nHost: shop.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    taken = "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n"
    said = json.dumps({"pin": secret(name), "q": "1' union select 1,2-- -", "o": open_word(name)}).encode()
    veiled = bytes(byte ^ WS_KEY[at % 4] for at, byte in enumerate(said))
    frame = bytes([0x81, 0x80 | len(said)]) + WS_KEY + veiled
    return [(0, asked.encode()), (1, taken.encode()), (0, frame)]


def write_all(path: Path) -> None:
    """Write a capture with a visit to every place."""
    start = time.time() - 120
    talks = [visit(name) for name in PLACES for _ in range(REPEATED.get(name, 1))]
    talks.append(socket_talk(NAMES[-1]))
    hosts = (f"10.1.0.{1 + number}" for number in range(len(talks)))
    write_capture(
        path,
        *(conversation(talk, host, start=start + at / 10) for at, (host, talk) in enumerate(zip(hosts, talks, strict=True))),
    )


def needles(name: str) -> dict[str, bytes]:
    """Return the ways in which the secret of a place could have been written down."""
    word = secret(name).encode()
    shifted = [base64.b64encode(b"x" * shift + word)[4 * (shift > 0) : -4] for shift in range(3)]
    return {
        "plain": word, "percent": urllib.parse.quote(word, safe="").encode(), "hex": word.hex().encode(),
        "upper": word.upper(), "piece": word[:11], **{f"Base64, {shift}": coded for shift, coded in enumerate(shifted)},
    }  # fmt: skip


def unpacked(raw: bytes) -> Iterator[bytes]:
    """Yield *raw* and what is packed in it."""
    yield raw
    for match in re.finditer(re.escape(ZSTD), raw):
        try:
            yield zstandard.ZstdDecompressor().decompressobj().decompress(raw[match.start() :])
        except zstandard.ZstdError:
            continue


def written(directory: Path, besides: tuple[Path, ...]) -> dict[str, bytes]:
    """Return all that lies under *directory*, by file."""
    files = [path for path in directory.rglob("*") if path.is_file() and path not in besides and "cache" not in path.parts]
    return {str(path): b"\n".join(unpacked(path.read_bytes())) for path in files}


def api_answers(sensor: Sensor) -> dict[str, bytes]:
    """Return what each GET of the API answers; ids are taken from what earlier ones said."""
    paths = sensor.get(f"{CLOUD}/api/openapi.json").json()["paths"]
    told: dict[str, bytes] = {}
    reads = sorted((path for path, methods in paths.items() if "get" in methods), key=lambda path: path.count("{"))
    for path in reads:
        for filled_in in _filled_in(path, told):
            answer = sensor.get(CLOUD + filled_in, **({"host": "shop.example"} if "inventory" in path else {}))
            told[filled_in] = answer.content
    return told


IDS: Final = {
    "attack_id": ("/api/v1/attacks", "attacks", "id"),
    "hit_id": ("hits", "hits", "id"),
    "endpoint_id": ("/api/v1/inventory/endpoints", "endpoints", "id"),
    "vulnerability_id": ("/api/v1/vulnerabilities", "vulnerabilities", "id"),
    "key": ("/api/v1/sessions", "sessions", "key"),
}


def _filled_in(path: str, told: dict[str, bytes]) -> list[str]:
    """Return *path* with each id that is known in its place; nothing where none is."""
    names = re.findall(r"{(\w+)}", path)
    if not names:
        return [path]
    if len(names) > 1 or names[0] not in IDS:
        return []
    listed, rows, key = IDS[names[0]]
    found = []
    for asked, content in told.items():
        if asked.endswith(listed) and content[:1] == b"{":
            found += [path.replace(f"{{{names[0]}}}", str(row[key])) for row in orjson.loads(content).get(rows, [])]
    return found


def pages(sensor: Sensor, answers: dict[str, bytes]) -> dict[str, bytes]:
    """Return the pages of the console, those about one thing for each thing that *answers* name."""
    told = {f"/{path}": sensor.get(f"{CLOUD}/{path}") for path in PAGES}
    for path in answers:
        found = re.fullmatch(r"/api/v1/(?:inventory/endpoints|(attacks|vulnerabilities|sessions))/([0-9a-f-]+)", path)
        if found:
            page = f"/{found[1] or 'apis'}/{found[2]}"
            told[page] = sensor.get(CLOUD + page)
    assert {answer.status_code for answer in told.values()} == {200}
    return {f"page {path}": answer.content for path, answer in told.items()}


def analyzed(capture: Path, settings: Path, scratch: Path) -> dict[str, bytes]:
    """Return what `analyze` tells of *capture* under the same masks."""
    outputs = {name: scratch / f"{name}.jsonl" for name in ("findings", "exchanges", "apis")}
    words = [word for name, path in outputs.items() for word in (f"--{name}", str(path))]
    command = (program("tcpmirror"), "analyze", "-c", str(settings), *words, str(capture))
    done = subprocess.run(command, capture_output=True, check=True, env=environment())
    return {name: path.read_bytes() for name, path in outputs.items()} | {"analyze": done.stdout + done.stderr}


def everything_told(sensor: Sensor, scratch: Path) -> dict[str, bytes]:
    """Return what a running sensor answers, by what was asked for."""
    told = api_answers(sensor)
    told |= pages(sensor, told)
    archive = scratch / "info.tar.gz"
    command = (program("tcpmirror"), "collect-info", "-c", str(sensor.file), str(archive))
    subprocess.run(sensor.namespace.command(*command), check=True, capture_output=True, env=environment())
    told["collected"] = gzip.decompress(archive.read_bytes())
    return told | {"status": json.dumps(sensor.status()).encode(), "metrics": sensor.get(METRICS).content}


def all_arrived(sensor: Sensor) -> bool:
    """Tell whether the cloud has something of each kind that a sensor tells of."""
    uris = " ".join(sensor.hit_uris())
    return (
        all(f"o={open_word(name)}" in uris for name in (*list(PLACES)[:4], OPEN))
        and "/chat" in uris
        and len(sensor.pages("sessions")) > 5
        and len(sensor.pages("vulnerabilities")) > 1
        and bool(sensor.pages("inventory/endpoints", host="shop.example"))
    )


def test_what_is_masked_is_in_no_file_no_answer_no_page_and_no_log(artefacts: Path) -> None:
    home, capture = artefacts / "sensor", artefacts / "canaries.pcap"
    write_all(capture)
    text = SETTINGS.format(capture=capture, sink=home / "sink.jsonl", access=home / "access.log")
    with network() as net, running(net.namespace("sensor"), home, text, pages=True) as sensor:
        wait_until(lambda: all_arrived(sensor), "all that there is to tell in the cloud", SEEN_S, 0.3)
        told = everything_told(sensor, artefacts)
    told |= written(home, (sensor.file,)) | analyzed(capture, sensor.file, artefacts)
    leaks: dict[str, list[str]] = {
        name: [
            f"{how} in {where}" for how, needle in needles(name).items() for where, said in told.items() if needle in said
        ]
        for name in NAMES
    }
    unmasked = leaks.pop(OPEN)
    assert not any(leaks.values()), {name: where[:5] for name, where in leaks.items() if where}
    assert [where for where in TOLD if not any(where in leak for leak in unmasked)] == []
    assert [name for name in NAMES if not any(open_word(name).encode() in said for said in told.values())] == []
