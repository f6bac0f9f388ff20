"""What is fuzzed: each target takes any bytes and raises AssertionError where its invariant, stated in its docstring, is broken.

All share: no bytes raise anything, none crash, and time is linear (the engine measures that).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import struct
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import hpack

from tcpmirror.capture.capture_files import GZIP
from tcpmirror.capture.file_source import FileSource
from tcpmirror.capture.pcapng_file import PcapngReader
from tcpmirror.capture.pcapng_secrets import key_log_blocks
from tcpmirror.decap.decapsulator import REASONS, Decapsulator
from tcpmirror.decode.normal import Normalizer
from tcpmirror.decode.points import request_points
from tcpmirror.decode.text import base64_text, fold, is_text, markup, percent
from tcpmirror.errors import DamagedCaptureFault, EnvironmentFault
from tcpmirror.model.anomaly import Anomaly
from tcpmirror.model.exchange import Message, Request
from tcpmirror.model.tls_secrets import TlsSecrets
from tcpmirror.protocols.client_hello import read_client_hello
from tcpmirror.protocols.codings import CODINGS, ContentDecoder
from tcpmirror.protocols.decryption import Decryption
from tcpmirror.protocols.hpack import HeaderDecoder, huffman_text
from tcpmirror.settings.tree import Limits
from tests.capture.frames import Kept
from tests.fuzz import seeds
from tests.fuzz.compiled import decode
from tests.fuzz.script import MARK, Outcome, dice_of, play, steps_of
from tests.fuzz.sealed import key_log, opening, sealed_steps
from tests.fuzz.seeds import LINK_TYPES
from tests.fuzz.segments import reassemble
from tests.fuzz.whole_road import drive
from tests.protocols.transcript import SECOND, Flow

SMALL: Final = Limits(
    head_bytes=300, header_count=6, body_bytes=64, decompressed_bytes=2000, decompression_ratio=10, coding_layers=2,
    pipelined_requests=3, concurrent_streams=3, decode_depth=3, decode_points=20, decode_bytes=4000,
)  # fmt: skip
# Bytes that a connection may hold beside what it was given: inflate streams of both sides take 80 KiB.
KEEPS: Final = 1 << 17
DECRYPTION_COUNTERS: Final = (
    "tls_decrypted_flows", "tls_decrypted_bytes", "tls_no_secret", "tls_unsupported", "tls_bad_records", "tls_unauthentic",
    "tls_joined", "tls_lost",
)  # fmt: skip
DECODER: Final = json.JSONDecoder(object_pairs_hook=tuple, parse_int=lambda _: 0, parse_float=lambda _: 0, strict=False)
SURROGATE: Final = re.compile("[\ud800-\udfff]")


def decap(data: bytes) -> None:
    """A frame gives a segment whose payload lies inside it, or a reason; each way of asking says the same; a cut frame gives no
    other payload than the beginning of the whole one's."""
    decapsulator = Decapsulator(LINK_TYPES[data[0] % len(LINK_TYPES)] if data else 1)
    frame = data[1:]
    reason, at, size, missing = decode(decapsulator, frame)
    again, facts = decapsulator.read_frame(frame)
    seen = decapsulator.observe(frame)
    assert reason == again == seen[0] == decapsulator.reason(frame)
    assert reason in {"", *REASONS.values()}
    if facts is None:
        return
    payload = facts["payload"]
    assert size == len(payload) and at + size <= len(frame) and frame[at : at + size] == payload
    assert seen[-1] == payload and seen[13] == missing == facts["missing"]
    for cut in {len(frame) - 1, len(frame) - size // 2, at + size}:
        shorter = decapsulator.read_frame(frame[:cut])[1]
        if shorter is not None and (shorter["seq"], shorter["sport"]) == (facts["seq"], facts["sport"]):
            assert payload.startswith(shorter["payload"])


def _connection(data: bytes, prefix: bytes = b"", chooses: bool | None = None) -> None:
    """The exchanges do not depend on how bytes were cut, the counters add up, what is held is bounded, kept bodies are the
    beginning of what was hashed."""
    options, script = (data[0] if data else 0), prefix + data[1:]
    chosen = {
        "limits": SMALL if options & 1 else Limits(),
        "is_client_known": not options & 2,
        "parse_responses": not options & 4,
        "hash_bodies": not options & 8,
        "chooses": not options & 16 if chooses is None else chooses,
    }
    whole, parts = (play(steps_of(script), Flow(**chosen), dice) for dice in (None, dice_of(data)))
    assert whole.lines == parts.lines, "the cut matters"
    assert whole.counts == parts.counts, "the cut matters to counters"
    for outcome in (whole, parts):
        _check_counts(outcome, parse_responses=bool(chosen["parse_responses"]))
    limits = chosen["limits"]
    assert isinstance(limits, Limits)
    assert whole.held <= 3 * whole.fed + KEEPS + 4 * limits.decompressed_bytes
    for exchange in whole.exchanges:
        for message in (exchange.request, exchange.response):
            if message is not None:
                _check_message(message, limits)


def _check_counts(outcome: Outcome, *, parse_responses: bool) -> None:
    counts = outcome.counts
    messages = counts["websocket_messages"]
    assert len(outcome.exchanges) == counts["exchanges"] + messages
    assert counts["requests"] == counts["exchanges"] - counts["response_only"]
    if parse_responses:
        assert counts["responses"] == counts["exchanges"] - counts["unanswered"]
    assert counts["tls_bytes"] <= counts["not_http_bytes"] <= outcome.fed


def _check_message(message: Message, limits: Limits) -> None:
    assert len(message.body) <= max(limits.body_bytes, limits.head_bytes)
    assert message.body_length >= len(message.body)
    if message.body_sha256 is not None and message.body_length == len(message.body):
        assert hashlib.sha256(message.body).digest() == message.body_sha256


def http1(data: bytes) -> None:
    _connection(data)


def http2(data: bytes) -> None:
    preface = b"" if data[:1] >= b"\x80" else b"CPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + MARK
    _connection(data, preface, chooses=True)


def websocket(data: bytes) -> None:
    _connection(data, seeds.websocket_opening(bool(data[:1] >= b"\x80")), chooses=True)


def tls(data: bytes) -> None:
    """As for any connection; a ClientHello is read the same from a whole stream and as soon as it is whole."""
    _connection(data, chooses=True)
    stream = data[1:].removeprefix(b"C")
    hello, is_open = read_client_hello(stream)
    assert hello is None or not is_open
    if hello is not None:
        assert read_client_hello(stream + b"more") == (hello, False)
        assert len(hello.ja3) == 32 and len(hello.ja4.split("_")) == 3


def decryption(data: bytes) -> None:
    """What comes out of decrypted records does not depend on how they were cut, nothing waits at the end, what waits is bounded, and
    no more bytes are said to be encrypted, or decrypted, than came."""
    options = data[0] if data else 0
    script = b"" if options & 1 else (opening() if options & 2 else b"K" + key_log() + MARK + opening()) + MARK
    waits = {"wait_ns": 2 * SECOND if options & 4 else 0, "flow_bytes": 3000 if options & 8 else 1 << 20}
    outcomes = []
    for dice in (None, dice_of(data)):
        shared = Decryption(TlsSecrets(100), **waits)
        flow = Flow(SMALL if options & 16 else Limits(), is_client_known=not options & 32, chooses=True, decryption=shared)
        outcome = play(sealed_steps(script + data[1:]), flow, dice)
        assert shared.tls_waiting_bytes == 0
        assert shared.tls_decrypted_bytes <= outcome.fed
        assert outcome.held <= 3 * outcome.fed + KEEPS + 160 * (outcome.fed // 5 + 10)
        _check_counts(outcome, parse_responses=True)
        outcomes.append((outcome.lines, outcome.counts, {name: getattr(shared, name) for name in DECRYPTION_COUNTERS}))
    assert outcomes[0] == outcomes[1], "the cut matters"


def captures(data: bytes) -> None:
    """A capture file is read to its end, or to a fault that is named; each frame is bytes of the file, and no file has more of them
    than it has room for. Its secrets are bytes of the file too."""
    kept = Kept()
    with contextlib.suppress(DamagedCaptureFault):
        reader = PcapngReader(data, "capture")
        while reader.receive(kept, 100):
            pass
    _check_frames(data, kept)
    with tempfile.NamedTemporaryFile(dir="/dev/shm", suffix=".pcap") as file:
        file.write(data)
        file.flush()
        assert sum(map(len, key_log_blocks(file.name))) <= 1100 * len(data)
        if data[:2] != GZIP:
            _read_file(data, file.name)


def _read_file(data: bytes, name: str) -> None:
    kept = Kept()
    with contextlib.suppress(EnvironmentFault):
        source = FileSource(name)
        with contextlib.closing(source):
            while source.receive(kept):
                pass
    _check_frames(data, kept)


def _check_frames(data: bytes, kept: Kept) -> None:
    assert sum(16 + len(each.frame) for each in kept.frames) <= len(data)
    for each in kept.frames[:20]:
        assert each.frame in data


def documents(data: bytes) -> None:
    """The first tier takes for JSON what the full path takes for it: each key and string of a document stands in the normal form, and
    of what is none the text stands there as it is; the form is bounded."""
    body = b"{" + data
    form = Normalizer().normal_form(Request(b"POST / HTTP/1.1\r\n\r\n", body))
    if form is None:
        return
    assert sum(map(len, form)) <= 4 * len(body) + 65536 + 64
    if body.count(b"{") + body.count(b"[") > 60 or b"N" in body or b"I" in body:
        return  # deeper, or with NaN and Infinity, it is a text to the first tier: its strings stand there as written
    joined = b"".join(form)
    for text in _texts_of(body):
        assert text in joined, text


def _texts_of(body: bytes) -> list[bytes]:
    """Return the keys and strings of a document, all of *body* if it is none; without those of half a surrogate pair."""
    found: list[str] = []
    pending: list[object] = []
    try:
        pending.append(DECODER.decode(body.decode("utf-8", "surrogateescape")))
    except ValueError:
        return [body]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            pending += value
    return [text.encode() for text in found if not SURROGATE.search(text)]


def header_blocks(data: bytes) -> None:
    """What the hpack library reads without complaint reads the same here; otherwise names and values stay within the room given."""
    ours, theirs = HeaderDecoder(False), hpack.Decoder(max_header_list_size=1 << 24)
    theirs.max_allowed_table_size = 65536
    is_agreed = True
    for block in data.split(MARK):
        pairs = ours.read(block)
        room = HeaderDecoder(True).read(block, 100)
        assert sum(len(name) + len(value) for name, value in room) <= 100 + len(block) * 8
        try:
            expected = [(bytes(name), bytes(value)) for name, value in theirs.decode(block, raw=True)] if is_agreed else None
        except (hpack.HPACKError, IndexError, UnicodeDecodeError):
            is_agreed, expected = False, None
        if expected is not None and not ours.anomalies:
            assert pairs == expected
        elif expected is not None:
            assert ours.anomalies & (1 << Anomaly.BAD_HPACK | 1 << Anomaly.HPACK_UNKNOWN | 1 << Anomaly.HEAD_LIMIT)
            is_agreed = False
        text = huffman_text(block)
        assert text is None or len(text) <= len(block) * 8 // 5


def codings(data: bytes) -> None:
    """A body decodes to the same bytes however it was cut, to no more than the limit, and in a ratio within the limit."""
    names = list(CODINGS)
    choice = data[0] if data else 0
    chosen = [names[choice % len(names)]] + ([names[choice // 8 % len(names)]] if choice & 64 else [])
    limit, ratio = (3000, 10) if choice & 128 else (1 << 20, 2048)
    whole, parts = (ContentDecoder(chosen, 3, limit, ratio) for _ in range(2))
    body, dice = data[1:], dice_of(data)
    at_once = whole.feed(body) + whole.finish()
    cut = b""
    at = 0
    while at < len(body):
        size = dice.choice((1, 2, 5, 100, 300))
        cut += parts.feed(body[at : at + size])
        at += size
    cut += parts.finish()
    assert at_once == cut
    assert whole.anomalies == parts.anomalies
    assert len(at_once) <= limit


def text(data: bytes) -> None:
    """Decodings never give more than they were given, except markup's named characters; the points of a request keep their budgets."""
    for value in (percent(data), percent(data, True)):
        assert len(value) <= len(data)
    assert len(markup(data)) <= 3 * len(data) + 16
    folded = fold(data)
    assert len(folded) <= 4 * len(data) + 16
    decoded = base64_text(data)
    assert decoded is None or len(decoded) <= len(data)
    is_text(data)


CONTENT_TYPES: Final = (
    b"", b"application/json", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=b", b"text/xml",
    b"application/graphql", b"text/plain", b"application/x-ndjson",
)  # fmt: skip


def points(data: bytes) -> None:
    """Points keep to their number and bytes, are the same each time, and a normal form is bounded."""
    kind, head, body = (data[0] if data else 0), *(data[1:].partition(MARK)[::2])
    target, _, headers = head.partition(b"\n")
    full = b"POST " + target + b" HTTP/1.1\r\nContent-Type: " + CONTENT_TYPES[kind % 8] + b"\r\n" + headers + b"\r\n\r\n"
    limits = SMALL if kind & 128 else Limits(decode_bytes=1 << 18, decode_points=500)

    def asked() -> Request:
        return Request(full, body, method=b"POST", target=target)

    found = request_points(asked(), limits)
    assert found == request_points(asked(), limits)
    assert len(found.points) <= limits.decode_points
    assert sum(len(point.value) for point in found.points) <= limits.decode_bytes
    normal = Normalizer().normal_form(asked())
    assert normal == Normalizer().normal_form(asked())
    assert normal is None or len(normal) <= 4 * (len(full) + len(body)) + 65536


def reassembly(data: bytes) -> None:
    reassemble(data)


def road(data: bytes) -> None:
    drive(data)


@dataclass(frozen=True)
class Target:
    """``seeds`` yields inputs to begin with; ``words`` are put into inputs now and then; ``longest`` input in bytes; ``is_python``: most of
    it runs in Python modules."""

    check: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]
    words: tuple[bytes, ...] = ()
    longest: int = 4096
    is_python: bool = False


def _numbers(*values: int) -> tuple[bytes, ...]:
    return tuple(struct.pack("!H", value) for value in values)


ETHER_TYPES: Final = _numbers(
    0x0800, 0x86DD, 0x8100, 0x88A8, 0x9100, 0x8847, 0x8864, 0x880B, 0x88E7, 0x8926, 0x8909, 0x894F, 0x6558, 0x88BE, 0x22EB,
    4789, 6081, 2152, 3544, 5072, 0x0806,
)  # fmt: skip
TARGETS: Final = {
    "decap": Target(decap, seeds.frames, (*ETHER_TYPES, b"\x06", b"\x11", b"\x2f", b"\x04", b"\x29", b"\x2c"), 600),
    "road": Target(road, seeds.roads, (MARK, *ETHER_TYPES), 6000),
    "reassembly": Target(reassembly, seeds.segments, (), 1200),
    "http1": Target(http1, seeds.http1, seeds.HTTP1_WORDS, 3000),
    "http2": Target(http2, seeds.http2, seeds.HTTP2_WORDS, 4000),
    "header_blocks": Target(header_blocks, seeds.header_blocks, seeds.HPACK_WORDS, 600),
    "websocket": Target(websocket, seeds.websocket, seeds.WEBSOCKET_WORDS, 2000),
    "tls": Target(
        tls, seeds.tls, (MARK + b"C", MARK + b"S", b"\x16\x03\x01", b"\0\0", b"\0\x10", b"\0\x2b"), 1500, is_python=True
    ),
    "decryption": Target(
        decryption,
        seeds.decryption,
        (
            MARK + b"C",
            MARK + b"S",
            MARK + b"X\1",
            MARK + b"Y\1",
            MARK + b"K",
            MARK + b"w\1",
            b"\x17\3\3",
            b"\x18\0\0\1\0",
            b"\x14\0\0\x20",
        ),
        6000,
        is_python=True,
    ),
    "captures": Target(
        captures,
        seeds.captures,
        (b"\x0a\x0d\x0d\x0a", b"\x4d\x3c\x2b\x1a", b"\6\0\0\0", b"\0\0\0\x0a", b"\x4b\x53\x4c\x54"),
        1500,
    ),
    "documents": Target(documents, seeds.documents, seeds.JSON_WORDS, 600),
    "codings": Target(codings, seeds.codings, seeds.CODING_WORDS, 2000, is_python=True),
    "text": Target(text, seeds.texts, seeds.TEXT_WORDS, 1000),
    "points": Target(points, seeds.points, (MARK, *seeds.TEXT_WORDS), 2000, is_python=True),
}
