"""Inputs to begin with, all made here or by the libraries that the tests use."""

from __future__ import annotations

import gzip
import ssl
import struct
import zlib
from collections.abc import Iterator
from typing import Final

import brotli
import hpack
import zstandard

from tcpmirror.decap.link import LINK_GENEVE, LINK_VXLAN
from tests.fuzz.script import MARK, said, written
from tests.fuzz.sealed import FINISHED, KEY_UPDATE, key_log
from tests.fuzz.segments import ACK, FIN, RST, SYN, Record
from tests.protocols.http2_peers import Call, Peers, frame
from tests.traffic import request, response

LINK_TYPES: Final = (
    1, 0, 9, 12, 50, 51, 101, 104, 105, 108, 113, 127, 166, 192, 204, 219, 228, 229, 239, 276, LINK_VXLAN, LINK_GENEVE,
)  # fmt: skip
JSON: Final = b'{"user": {"id": 7, "tags": ["a", "b"]}, "note": "x\\u0027 or 1=1 --"}'

HTTP1_WORDS: Final = (
    MARK + b"C", MARK + b"S", MARK + b"c\0\4", MARK + b"s\0\4", MARK + b"w\6", b"\r\n", b"\n", b"\r\n\r\n", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n",
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 C\r\n\r\n", b"HTTP/1.1 304 N\r\n", b"HTTP/1.1 101 S\r\n", b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Content-Encoding: gzip\r\n", b"Content-Encoding: br\r\n",
    b"Connection: close\r\n", b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n", b"Upgrade: websocket\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"Host: h\r\n", b"GET / ", b"HEAD / ", b"CONNECT h:1 ", b"5\r\nhello\r\n", b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b";ext=1", b"\0", b"\r",
    b"18446744073709551616", b"-1", b"ffffffffffffffff", b"\x1f\x8b\x08\0", b"text/event-stream", b"Content-Type: ", b"\t ",
)  # fmt: skip
HTTP2_WORDS: Final = (
    MARK + b"C", MARK + b"S", MARK + b"c\0\x20", MARK + b"s\0\x20", MARK + b"w\6", frame(4, 0, 0), frame(4, 1, 0), frame(0, 1, 1),
    frame(1, 5, 1, b"\x82\x84\x86\x41\x01h"), frame(1, 4, 3, b"\x88"), frame(1, 0, 1, b"\x82"), frame(9, 4, 1, b"\x84"), frame(3, 0, 1, b"\0\0\0\x08"),
    frame(8, 0, 0, b"\0\0\xff\xff"), frame(7, 0, 0, b"\0" * 8), frame(0, 8, 1, b"\2ab\0\0"), frame(5, 4, 1, b"\0\0\0\2\x82"), b"\x40\1a\1b",
)  # fmt: skip
HPACK_WORDS: Final = (
    b"\x82",
    b"\x84",
    b"\x88",
    b"\x40\1a\1b",
    b"\x3f\xe1\x1f",
    b"\x20",
    b"\xbe",
    b"\xff\x80\x01",
    b"\x00\1n\x81\xff",
    MARK,
)
WEBSOCKET_WORDS: Final = (
    MARK + b"C", MARK + b"S", b"\x81\x05hello", b"\x81\x85abcd\x09\x07\x0f\x08\x0e", b"\x01\x01a", b"\x80\x01b", b"\x89\0", b"\x88\x02\x03\xe8",
    b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\0", b"\x82\x7e\1\0", b"\x82\x7f\0\0\0\0\0\1\0\0", b"\xf1",
)  # fmt: skip
CODING_WORDS: Final = (
    b"\x1f\x8b\x08\0",
    b"\x28\xb5\x2f\xfd",
    b"\x78\x9c",
    b"\0\0\xff\xff",
    b"\x50\x2a\x4d\x18",
    b"\x1f\x8b\x08\x1e",
    b"\xe0",
)
TEXT_WORDS: Final = (
    b"%27", b"%u0027", b"%2527", b"&#39;", b"&#x27;", b"&lt;", b"\\u0027", b"\\x27", b"+", b"=", b"&", b"{", b"[", b"}", b"]", b'"', b"<a>",
    b"<![CDATA[", b"]]>", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"--b\r\n", b"--b--", b"Content-Disposition: form-data; name=a\r\n\r\n", b"eyJhbGciOiJub25lIn0.e30.",
    b"\xc0\xaf", b"\xef\xbc\x87", b"query{a(b:1){c}}", b"data:;base64,", b"\x1f\x8b\x08\0", b"\xff\xfe", b"1e999", b"\\ud800",
)  # fmt: skip


def frames() -> Iterator[bytes]:
    from tests.decap.test_encapsulations import INNER, INNER6, REFUSED, WRAPPED, WRAPPINGS, ether

    for table in (WRAPPED, REFUSED):
        for link_type, packet, _ in table.values():
            yield bytes([LINK_TYPES.index(link_type)]) + bytes(packet)
    for takes, gives, wrap in WRAPPINGS.values():
        for inner in (INNER, INNER6):
            made = wrap((ether() / inner) if takes == "frame" else inner.copy())
            yield b"\0" + bytes(made if gives == "frame" else ether() / made)


def roads() -> Iterator[bytes]:
    from tests.processes.test_accounting import material

    for kind in material():
        yield b"\2" + MARK.join(b"\1" + data for _, data in kind[:25])


def segments() -> Iterator[bytes]:
    def record(
        side: int, flags: int, at: int, size: int, ack: int | None = None, port: int = 4000, missing: int = 0
    ) -> bytes:
        return Record(side, flags, at, size, ack, 1, port, missing, False).raw()

    hello = record(0, SYN, 299, 0) + record(1, SYN | ACK, 299, 0, 300) + record(0, ACK, 300, 0, 300)
    talk = record(0, ACK, 300, 100, 300) + record(1, ACK, 300, 200, 400)
    over = record(0, FIN | ACK, 400, 0, 500) + record(1, FIN | ACK, 500, 0, 401)
    yield b"\0" + hello + talk + over
    yield b"\3" + hello + record(0, ACK, 350, 100, 300) + record(1, ACK, 300, 10, 500) + record(0, ACK, 310, 45, 300) + over
    yield b"\1" + talk + record(1, RST, 500, 0) + record(0, ACK, 410, 40, None, missing=20) + record(0, SYN, 900, 0)
    yield b"\2" + b"".join(record(0, ACK, at, 5, 300, port=4000 + at % 4) for at in range(700, 300, -10))


def http1() -> Iterator[bytes]:
    ok = response(b"fine")
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n4;a=b\r\nfine\r\n0\r\nT: 1\r\n\r\n"
    packed = gzip.compress(b"fine" * 9, mtime=0)
    coded = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
    post = request("/p?a=1", "POST", b"name=value", Content_Type="application/x-www-form-urlencoded")
    scripts: list[list[tuple[str, bytes | int]]] = [
        [
            ("C", request("/a")),
            ("S", ok),
            ("C", request("/b", "HEAD")),
            ("S", ok[:-4]),
            ("C", request("/c")),
            ("S", chunked),
        ],
        [("C", request("/1") + request("/2") + post), ("S", ok + coded + ok)],
        [("C", post[:-10]), ("S", b"HTTP/1.1 100 Continue\r\n\r\n"), ("C", post[-10:]), ("S", ok)],
        [("C", b"GET /old\r\n"), ("S", b"whatever there is")],
        [("C", b"GET / HTTP/1.0\r\n\r\n"), ("S", b"HTTP/1.0 200 OK\r\n\r\nuntil the end"), ("E", b"\0")],
        [
            ("C", request("/x", "POST", b"x" * 50)[:-40]),
            ("c", 39),
            ("S", ok),
            ("C", request("/y")),
            ("S", ok[:30]),
            ("s", 20),
            ("w", b"\x09"),
        ],
        [
            ("C", request("/n")),
            ("S", b"HTTP/1.1 304 N\r\nContent-Length: 9\r\n\r\n"),
            ("C", request("/m")),
            ("S", b"HTTP/1.1 204 N\r\n\r\n" + ok),
        ],
        [
            ("C", request("/u", Connection="Upgrade", Upgrade="h2c")),
            ("S", b"HTTP/1.1 101 S\r\nUpgrade: h2c\r\n\r\n"),
            *said(Peers().run(Call()).said),
        ],
        [("C", b"CONNECT h:80 HTTP/1.1\r\n\r\n"), ("S", b"HTTP/1.1 200 OK\r\n\r\n"), ("C", request("/in")), ("S", ok)],
        [
            ("C", request("/e")),
            ("S", b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: a\n\n"),
            ("w", b"\7"),
            ("S", b"data: b\n\n"),
        ],
    ]
    for script in scripts:
        yield b"\0" + written(*script)
        yield b"\x11" + written(*script)


def http2() -> Iterator[bytes]:
    calls = (
        Call(),
        Call(
            b"POST",
            b"/p",
            headers=((b"x-a", b"b"),),
            body=b"x" * 30,
            response_body=b"y" * 40,
            trailers=((b"grpc-status", b"0"),),
        ),
    )
    for chunk, padding in ((10_000, None), (7, 3)):
        peers = Peers().run(*calls, chunk=chunk, padding=padding)
        (_, first), *rest = peers.said
        yield b"\0" + written(("C", first.removeprefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")), *said(rest))
        yield b"\x83" + written(*said(peers.said[2:]))
    yield b"\0" + written(
        ("C", b"".join(HTTP2_WORDS[5:12])),
        ("S", frame(4, 0, 0) + frame(1, 4, 1, b"\x88") + frame(0, 1, 1, b"ok")),
        ("c", 300),
    )


def header_blocks() -> Iterator[bytes]:
    encoder = hpack.Encoder()
    fields = [(b":method", b"GET"), (b":path", b"/a?b=c"), (b"cookie", b"s=1; t=2"), (b"x-long", b"v" * 60)]
    blocks = [encoder.encode(fields, huffman=number % 2 == 0) for number in range(4)]
    encoder.header_table_size = 100
    yield MARK.join([*blocks, encoder.encode(fields)])
    yield from blocks
    yield from HPACK_WORDS


def websocket_opening(is_deflated: bool) -> bytes:
    from tests.protocols.test_websocket import ANSWER, DEFLATED, HANDSHAKE

    return b"C" + HANDSHAKE + MARK + b"S" + (DEFLATED if is_deflated else ANSWER) + MARK


def websocket() -> Iterator[bytes]:
    yield b"\0" + written(
        ("C", b"\x81\x85abcd\x09\x07\x0f\x08\x0e"), ("S", b"\x01\x03abc\x89\x01p\x80\x03def"), ("C", b"\x88\x82abcd\x62\x8a")
    )
    yield b"\x80" + written(
        ("S", b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\0"),
        ("S", b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\0"),
        ("s", 3),
        ("S", b"\x82\x7e\0\x80" + b"x" * 128),
    )
    yield b"\1" + written(
        ("C", b"\x82\xfe\1\0abcd" + b"z" * 256), ("S", b"\x82\x7f" + (300).to_bytes(8, "big") + b"q" * 300)
    )


def tls() -> Iterator[bytes]:
    from tests.protocols.test_client_hello import hello, record

    whole = record(hello())
    answer = record(b"\2\0\0\x26\3\3" + b"r" * 32 + b"\0\x13\x01\0")
    yield b"\0" + written(("C", whole), ("S", answer + b"\x17\3\3\0\x10" + b"e" * 16))
    yield b"\2" + written(("C", record(hello()[:40]) + record(hello()[40:])), ("c", 9), ("C", b"\x15\3\3\0\2\1\0"))
    yield b"\0" + written(("C", record(hello([]))), ("S", b"\x15\3\3\0\2\2\x28"), ("E", b"\1"))


def decryption() -> Iterator[bytes]:
    from tests.protocols.tls_peers import Talk

    ask = request("/a", "POST", b"x" * 20)
    shaken = MARK.join([b"Y\4\x08\0\0\2\0\0", b"Y\4" + FINISHED, b"X\4" + FINISHED, b""])
    talk = MARK.join([b"X\1" + ask[:30], b"X\x21" + ask[30:], b"Y\1" + response(b"fine")])
    yield b"\0" + shaken + talk
    yield b"\x04" + shaken + talk + MARK + written(("c", 40), ("w", b"\1")) + MARK + b"Y\x11" + response(b"lost")
    yield b"\6" + shaken + talk + MARK + b"w\1" + MARK + b"K" + key_log() + MARK + talk
    yield (
        b"\0"
        + shaken
        + MARK.join([b"X\5" + KEY_UPDATE, b"X\2" + ask, b"Y\5" + KEY_UPDATE + b"\4\0\0\0", b"Y\2" + response(b"ok")])
    )
    peers = Peers().run(Call())
    yield b"\0" + shaken + MARK.join(b"XY"[side : side + 1] + b"\1" + chunk for side, chunk in peers.said)
    for version, ciphers in (
        (ssl.TLSVersion.TLSv1_2, "ECDHE+AESGCM"),
        (ssl.TLSVersion.TLSv1_2, "AES128-SHA"),
        (ssl.TLSVersion.TLSv1_3, ""),
    ):
        made = Talk(version, ciphers).ask(ask, response(b"fine"))
        yield b"\1" + b"K" + made.keys + MARK + written(*said(made.wire))
        yield b"\5" + written(*said(made.wire)) + MARK + b"K" + made.keys + MARK + b"w\3"


def captures() -> Iterator[bytes]:
    from tests.capture.frames import segment
    from tests.capture.test_pcapng_file import interface, obsolete, packet, section, simple

    for order in "<>":
        made = section(order) + interface(order, options=((9, b"\x09"), (14, bytes(8)))) + interface(order, 101, 60)
        made += (
            packet(order, segment(1))
            + packet(order, segment(2)[14:], 1)
            + simple(order, segment(3)[:60], 154)
            + obsolete(order, segment(4))
        )
        keys = b"CLIENT_RANDOM 00 00\n".ljust(24)
        secrets = (
            struct.pack(order + "IIII", 10, 20 + len(keys), 0x544C534B, len(keys))
            + keys
            + struct.pack(order + "I", 20 + len(keys))
        )
        yield made
        yield (
            section(order) + secrets + interface(order) + packet(order, segment(5)) + section(order) + interface(order, 113)
        )
        yield gzip.compress(section(order) + secrets, mtime=0)
        frames = b"".join(struct.pack(order + "IIII", 1, 2, 64, 64) + segment(port) for port in (1, 2))
        yield struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + frames


JSON_WORDS: Final = (
    b'"', b'":', b',"', b"{}", b"[]", b"\\u0041", b"\\ud83d\\ude00", b"\\n", b"\\/", b"1e5", b"-0.5", b"true", b"null", b"\\", b"\0", b"\xff",
    b"\xef\xbb\xbf", b"}", b"]", b"%27", b"&", b"+", b"JTI3",
)  # fmt: skip


def documents() -> Iterator[bytes]:
    yield JSON[1:]
    yield b'"a":[1,-2.5e3,true,null,"\\u0041\\ud83d\\ude00\\n\\"x"],"b":{"c":{}},"b":"again","long":"' + b"y" * 70 + b'"}'
    yield b'"a" : "x&y+z%41"\n,\t"k": "PHNjcmlwdD4=" }'
    yield b'"a": tru}'


def codings() -> Iterator[bytes]:
    plain = b"the same words again and again, " * 20
    raw = zlib.compressobj(wbits=-15)
    deflated = raw.compress(plain) + raw.flush()
    checked = b"\x1f\x8b\x08\x1e\0\0\0\0\0\3\2\0ab" + b"name\0comment\0" + b"cc" + gzip.compress(plain, mtime=0)[10:]
    for name, body in (
        (0, gzip.compress(plain, mtime=0)), (0, checked), (0, gzip.compress(b"a", mtime=0) * 2 + b"tail"), (2, zlib.compress(plain)), (2, deflated), (2, plain),
        (4, brotli.compress(plain)), (5, zstandard.ZstdCompressor().compress(plain)), (0, gzip.compress(b"\0" * 100_000, mtime=0)),
        (64, gzip.compress(gzip.compress(plain, mtime=0), mtime=0)),
    ):  # fmt: skip
        yield bytes([name]) + body
        yield bytes([name | 128]) + body


def texts() -> Iterator[bytes]:
    yield from TEXT_WORDS
    yield b"%3Cscript%3Ealert(1)%3C/script%3E&lt;b&#x3e;&quot;"
    yield b"PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=="
    yield b"\\u003cscript\\u003e\\x27\\101"


def points() -> Iterator[bytes]:
    head = b"/a/b.php?q=%27+or+1%3D1&r=eyJhIjoxfQ==\nHost: h\r\nCookie: s=1; t=%7B%7D\r\nX: a"
    bodies = (
        b"", JSON, b"a=1&b=%3Cx%3E&c[d]=" + JSON, b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\nxyz\r\n--b--\r\n',
        b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a x='1'>&b;<![CDATA[<i>]]></a>", b'{"query": "{ user(id: \\"1\\") { name } }"}',
        gzip.compress(JSON, mtime=0), b"[1, 2\n{3", JSON.decode().encode("utf-16"),
    )  # fmt: skip
    for kind, body in enumerate(bodies):
        yield bytes([kind]) + head + MARK + body
        yield bytes([kind | 128]) + head + MARK + body
