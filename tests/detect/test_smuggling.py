"""A request inside another is found however it is hidden; a request sent as content, and harmless oddities, are not."""

from __future__ import annotations

import hpack
import pytest

from tcpmirror.detect.detector import Detector
from tcpmirror.detect.smuggling import findings
from tcpmirror.model.anomaly import Anomaly
from tcpmirror.model.disagreement import Disagreement
from tcpmirror.model.exchange import Exchange, Request
from tests.detect.requests import request
from tests.protocols.http2_peers import frame
from tests.protocols.transcript import Flow

HIDDEN = b"GET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n"


def http2(body: bytes = b"", *fields: tuple[bytes, bytes], method: bytes = b"POST", target: bytes = b"/") -> Exchange:
    head = b"POST / HTTP/2\r\n" + b"".join(name + b": " + value.replace(b"\r\n", b"  ") + b"\r\n" for name, value in fields)
    made = Request(head + b"\r\n", body, 0, method, target, b"HTTP/2")
    made.anomalies = 1 << Anomaly.BAD_HEADER
    return Exchange(made)


def sent(*fields: tuple[bytes, bytes]) -> Exchange:
    """A request as it is read from HTTP/2 frames with *fields*."""
    pseudo = [(b":method", b"GET"), (b":path", b"/"), (b":scheme", b"http"), (b":authority", b"shop.example")]
    block = hpack.Encoder().encode([*pseudo, *fields])
    flow = Flow(chooses=True, parse_responses=False).client(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame(1, 5, 1, block))
    (exchange,) = flow.exchanges
    return exchange


SMUGGLING: dict[str, tuple[Exchange, str]] = {
    "a body that a server ignores": (request(b"POST", b"/static/x.js", b"", HIDDEN), "smuggling-cl-0"),
    "chunks that a server ignores": (request(b"OPTIONS", b"/", b"Transfer-Encoding: chunked\r\n", HIDDEN), "smuggling-te-0"),
    "HTTP/2, a length too short": (http2(b"a=1" + HIDDEN, (b"content-length", b"3")), "smuggling-h2-cl"),
    "HTTP/2, a length of nothing": (http2(HIDDEN, (b"content-length", b"0")), "smuggling-h2-cl"),
    "HTTP/2, chunks": (http2(b"0\r\n\r\n" + HIDDEN, (b"transfer-encoding", b"chunked")), "smuggling-h2-te"),
    "HTTP/2, a header in a value": (sent((b"foo", b"b\r\nTransfer-Encoding: chunked")), "smuggling-h2-injection"),
    "HTTP/2, a header in a name": (sent((b"foo: b\r\nhost", b"x")), "smuggling-h2-injection"),
    "HTTP/2, a colon in a name": (sent((b"transfer-encoding: chunked", b"x")), "smuggling-h2-injection"),
    "HTTP/2, a request in the path": (http2(target=b"/ HTTP/1.1\r\nHost: x\r\n\r\nGET /admin"), "smuggling-h2-injection"),
    "HTTP/2, a version in the path": (http2(target=b"/admin HTTP/1.1"), "smuggling-h2-injection"),
    "HTTP/2, a request in the method": (http2(method=b"GET /admin HTTP/1.1\r\nX:"), "smuggling-h2-injection"),
    "HTTP/2, a body that a server ignores": (http2(HIDDEN), "smuggling-cl-0"),
    "an expectation with a word before it": (
        request(b"GET", b"/x", b"Expect: y 100-continue\r\n", b"GET /404 HTTP/1.1\r\nX: y"),
        "smuggling-expect",
    ),
    "one with a word behind it": (request(b"POST", b"/x", b"Expect: 100-continue, z\r\n", b"a=1"), "smuggling-expect"),
    "one whose name has a blank behind it": (
        request(b"POST", b"/x", b"Expect : 100-continue\r\n", b"a=1"),
        "smuggling-expect",
    ),
    "one behind a control character": (request(b"POST", b"/x", b"Expect: \x0b100-continue\r\n", b"a=1"), "smuggling-expect"),
    "two of them": (
        request(b"POST", b"/x", b"Expect: 100-continue\r\nExpect: 100-continue\r\n", b"a=1"),
        "smuggling-expect",
    ),
    "a plain one, and a body that is a request": (
        request(b"POST", b"/x", b"Expect: 100-continue\r\n", HIDDEN),
        "smuggling-cl-0",
    ),
}
HARMLESS: dict[str, Exchange] = {
    "GET with a body": request(b"GET", b"/_search", b"Content-Type: application/json\r\n", b'{"query":{"match_all":{}}}'),
    "a request as content": request(b"POST", b"/replay", b"Content-Type: message/http\r\n", HIDDEN),
    "a sentence about HTTP": request(b"POST", b"/notes", b"Content-Type: text/plain\r\n", b"GET the HTTP/1.1 book\r\n"),
    "a request quoted in JSON": request(b"POST", b"/notes", b"", b'{"log":"GET /admin HTTP/1.1\\r\\nHost: localhost"}'),
    "a request in a WebSocket message": Exchange(Request(b"", HIDDEN, 0, b"WEBSOCKET", b"/echo", b"WEBSOCKET")),
    "a plain expectation": request(b"PUT", b"/x", b"Expect: 100-continue\r\n", b"a=1"),
    "one in capitals": request(b"PUT", b"/x", b"EXPECT: 100-Continue \r\n", b"a=1"),
    "one that no server knows": request(b"PUT", b"/x", b"Expect: 200-ok\r\n", b"a=1"),
    "an odd one without a body": request(b"GET", b"/x", b"Expect: y 100-continue\r\n"),
    "a number that begins like one": request(b"PUT", b"/x", b"X-Range: 100-continue, 100-200\r\n", b"a=1"),
    "HTTP/2 with its length": http2(b"a=1", (b"content-length", b"3")),
    "HTTP/2 with a coding that is none": http2(b"a=1", (b"transfer-encoding", b"chunked")),
    "HTTP/2 with names in capitals": http2(b"a=1", (b"Content-Type", b"text/plain")),
}


@pytest.mark.parametrize("case", SMUGGLING)
def test_a_hidden_request_is_found(detector: Detector, case: str) -> None:
    exchange, rule = SMUGGLING[case]
    found = [finding for finding in detector.inspect(exchange) if finding.type == "request_smuggling"]
    assert [finding.rule for finding in found] == [rule]
    assert 0.7 <= found[0].confidence <= 1


@pytest.mark.parametrize("case", HARMLESS)
def test_an_oddity_that_hides_nothing_is_no_finding(case: str) -> None:
    assert findings(HARMLESS[case]) == []


def test_a_disagreement_tells_both_readings_and_what_is_hidden() -> None:
    exchange = request(b"POST", b"/", b"Transfer-Encoding: chunked\r\nContent-Length: 45\r\n")
    assert exchange.request is not None
    exchange.request.disagreement = Disagreement(
        "CL.TE", (("Content-Length 45", 45), ("Transfer-Encoding chunked", 5)), HIDDEN
    )
    (finding,) = findings(exchange)
    assert (finding.type, finding.point, finding.rule) == ("request_smuggling", ("framing",), "smuggling-cl-te")
    assert finding.payload == (
        "Content-Length 45: body of 45 bytes; Transfer-Encoding chunked: body of 5 bytes; then 'GET /admin HTTP/1.1'"
    )


def test_a_body_cut_short_by_the_network_is_no_lie_about_its_length() -> None:
    exchange = http2(b"a", (b"content-length", b"3"))
    exchange.anomalies = 1 << Anomaly.INCOMPLETE
    assert findings(exchange) == []
