"""Exchange: headers as they were sent, addresses as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.model.anomaly import Anomaly, anomaly_names
from tcpmirror.model.exchange import Exchange, Request, Response

HEADS = {
    "plain": (b"GET / HTTP/1.1\r\nHost: a\r\nX-Y: z\r\n\r\n", ((b"Host", b"a"), (b"X-Y", b"z"))),
    "blanks around the value": (b"GET / HTTP/1.1\r\nA:  b c \t\r\n\r\n", ((b"A", b"b c"),)),
    "no value": (b"GET / HTTP/1.1\r\nA:\r\nB: \r\n\r\n", ((b"A", b""), (b"B", b""))),
    "no colon": (b"GET / HTTP/1.1\r\nnonsense\r\nB: c\r\n\r\n", ((b"nonsense", b""), (b"B", b"c"))),
    "folded": (b"GET / HTTP/1.1\r\nA: b\r\n  c\r\n\r\n", ((b"A", b"b c"),)),
    "bare line feeds": (b"GET / HTTP/1.1\nA: b\nC: d\n\n", ((b"A", b"b"), (b"C", b"d"))),
    "colons in the value": (b"GET / HTTP/1.1\r\nA: b:c:d\r\n\r\n", ((b"A", b"b:c:d"),)),
    "no headers": (b"GET / HTTP/1.1\r\n\r\n", ()),
    "no end": (b"GET / HTTP/1.1\r\nA: b", ((b"A", b"b"),)),
    "empty": (b"", ()),
}


@pytest.mark.parametrize("name", HEADS)
def test_headers_come_in_wire_order(name: str) -> None:
    head, expected = HEADS[name]
    assert Request(head).headers == expected


HOSTS = {
    "host header": (b"GET / HTTP/1.1\r\nHost: shop:80\r\n\r\n", b"/", "shop:80"),
    "absolute target wins": (b"GET http://other/x HTTP/1.1\r\nHost: shop\r\n\r\n", b"http://other/x", "other"),
    "none": (b"GET / HTTP/1.0\r\n\r\n", b"/", None),
}


@pytest.mark.parametrize("name", HOSTS)
def test_the_host_is_the_authority_the_request_is_for(name: str) -> None:
    head, target, expected = HOSTS[name]
    assert Exchange(Request(head, target=target)).host == expected


def test_endpoints_and_times() -> None:
    request, response = Request(time_ns=100), Response(time_ns=150)
    response.end_ns = 180
    item = Exchange(request, response, b"\x0a\0\0\1", 5, bytes(15) + b"\1", 80)
    assert (item.client, item.server) == ("10.0.0.1:5", "[::1]:80")
    assert (item.time_ns, item.duration_ns) == (100, 80)
    assert Exchange(None, response).duration_ns is None


def test_encapsulation_is_told_outermost_first() -> None:
    item = Exchange(Request())
    assert item.encapsulation == ""
    item.vlan, item.tunnel, item.vni = 5, 1, 42
    assert item.encapsulation == "vlan:5/vxlan:42"


def test_anomaly_bits_are_distinct_and_fit_a_mask() -> None:
    assert len({anomaly.value for anomaly in Anomaly}) == len(Anomaly)
    assert all(0 <= anomaly < 64 for anomaly in Anomaly)
    assert anomaly_names(1 << Anomaly.GAP | 1 << Anomaly.BARE_LF) == ["gap", "bare_lf"]


LINES = st.lists(
    st.sampled_from(
        [
            b"A: 1",
            b"a:2 \t",
            b"A : 3",
            b" folded",
            b"\tmore",
            b"a",
            b"AB: 4",
            b"a:",
            b":",
            b"B: 5\0",
            b"\xff: 6",
            b"b:\t \t7\r",
        ]
    ),
    max_size=6,
)


@given(LINES, st.sampled_from([b"\r\n", b"\n"]), st.sampled_from([b"a", b"b", b"ab", b"c"]))
def test_one_header_is_found_as_among_all(lines: list[bytes], end: bytes, name: bytes) -> None:
    head = end.join([b"GET / HTTP/1.1", *lines, b"", b""])
    wanted = next((value for key, value in Request(head=head).headers if key.lower() == name), None)
    assert Request(head=head).header(name) == wanted
