"""Connection: what a flow speaks is found out from its first bytes, whatever the cut, and nothing of them is lost."""

from __future__ import annotations

import ssl

import pytest

from tests.protocols.http2_peers import Call, Peers, frame
from tests.protocols.transcript import CLIENT, CUTS, SERVER, Flow, names

GET = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def client_hello(name: str) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2", "http/1.1"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_http_1_is_read_as_before(cut):
    flow = Flow(chooses=True, cut=cut).client(POST, GET).server(OK, OK)
    assert flow.lines == [("POST", "/p", b"hi", 200, b"hi"), ("GET", "/a", b"", 200, b"hi")]
    assert [names(e) for e in flow.exchanges] == [set(), set()]


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_tls_is_counted_and_its_hello_read(cut):
    hello = client_hello("shop.example")
    flow = Flow(chooses=True, cut=cut).client(hello).server(b"\x16\x03\x03\0\x02\x02\0").client(b"\x17\x03\x03\0\x01x").end()
    assert flow.exchanges == []
    assert (flow.factory.tls_flows, flow.factory.tls_bytes) == (1, len(hello) + 13)
    ((server, told),) = flow.factory.hellos
    assert (server, told.sni, told.alpn) == ("10.0.0.2:80", "shop.example", ("h2", "http/1.1"))
    assert flow.sink.held_bytes == 0


def test_a_server_that_answers_tls_in_clear_is_read():
    flow = (
        Flow(chooses=True).client(client_hello("h")).server(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").end()
    )
    assert flow.lines == [(None, None, None, 400, b"")]


def test_a_guess_that_fails_goes_back_to_http_1():
    looks_like_a_frame = frame(8, 0, 1, b"\0\0\0\1")
    flow = Flow(chooses=True, is_client_known=False)
    flow.client(looks_like_a_frame + b"\xff" * 40 + b"\r\n" + GET).server(OK).end()
    assert flow.lines == [("GET", "/a", b"", 200, b"hi")]


KEPT = {
    "half a preface": b"PRI * HTTP/2",
    "half a record header": b"\x16\x03",
    "half a frame header": b"\0\0\0\4",
}


@pytest.mark.parametrize("opening", KEPT.values(), ids=KEPT)
@pytest.mark.parametrize("how", ["end", "gap", "other side"])
def test_what_stays_undecided_is_given_to_http_1(opening, how):
    flow = Flow(chooses=True).client(opening)
    if how == "gap":
        flow.lose(CLIENT, 10).client(b"\n" + GET).server(OK)
    elif how == "other side":
        flow.server(OK)
    flow.end()
    assert ("GET", "/a", b"", 200, b"hi") in flow.lines or how != "gap"
    assert flow.factory.not_http_bytes >= len(opening)


def test_a_tunnel_carries_on_with_http_1_or_is_counted_as_tls():
    opening = b"CONNECT h:1 HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"
    plain = Flow(chooses=True).client(opening[0]).server(opening[1]).client(GET).server(OK)
    assert [e.request.method for e in plain.exchanges] == [b"CONNECT", b"GET"]
    assert [e.index for e in plain.exchanges] == [0, 1]
    tls = Flow(chooses=True).client(opening[0]).server(opening[1]).client(client_hello("inner.example"))
    assert [told.sni for _, told in tls.factory.hellos] == ["inner.example"]


UNKNOWN = {
    "a name nobody knows": b"Upgrade: frob/2\r\n",
    "several, the first unknown": b"Upgrade: IRC/6.9, RTA/x11\r\n",
    "TLS": b"Upgrade: TLS/1.0\r\n",
    "no name at all": b"Upgrade: \r\n",
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("upgrade", UNKNOWN.values(), ids=UNKNOWN)
def test_an_upgrade_to_what_is_not_known_ends_parsing_and_counts_what_follows(upgrade, cut):
    """What follows may look like HTTP and is none, so each byte of it is counted and none of it is read."""
    ask = b"GET /up HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n" + upgrade + b"\r\n"
    flow = Flow(chooses=True, cut=cut).client(ask)
    flow.server(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" + upgrade + b"\r\n" + b"hello\n")
    flow.client(GET, b"\0\1\2" * 5000).server(OK).lose(CLIENT, 1000).client(POST).end()
    assert flow.lines == [("GET", "/up", b"", 101, b"")]
    assert names(flow.exchanges[0]) == {"upgraded"}
    assert flow.factory.not_http_bytes == len(b"hello\n" + GET + b"\0\1\2" * 5000 + OK + POST)
    assert flow.sink.held_bytes == 0
    assert flow.sink.deadline_ns == 0


def test_an_upgrade_that_the_server_passes_over_changes_nothing():
    flow = (
        Flow(chooses=True)
        .client(GET[:-2] + b"Upgrade: frob/2\r\nConnection: Upgrade\r\n\r\n")
        .server(OK)
        .client(GET)
        .server(OK)
    )
    assert flow.lines == [("GET", "/a", b"", 200, b"hi")] * 2


def test_either_protocol_counts_on_one_factory():
    flow = Flow(chooses=True)
    for side, chunk in Peers().run(Call(path=b"/x")).said:
        flow.send(side, chunk)
    flow.sink = flow.factory.open_flow(flow.flow)
    flow.send(CLIENT, GET).send(SERVER, OK)
    assert (flow.factory.exchanges, flow.factory.http2_flows) == (2, 1)
