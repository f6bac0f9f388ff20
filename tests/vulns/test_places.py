"""Places are counted whatever their numbers, and nothing that may be owned is passed over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpmirror.model.exchange import Request, Response
from tcpmirror.vulns.places import OWNED_WORDS, PLACES, Places, may_be_owned
from tcpmirror.vulns.signs import is_owned


def request(target: str, method: bytes = b"GET", host: bytes = b"shop.example") -> Request:
    head = b"%s %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (method, target.encode("latin-1"), host)
    return Request(head, b"", 1, method, target.encode("latin-1"))


def answered(status: int = 200) -> Response:
    return Response(b"HTTP/1.1 200 OK\r\n\r\n", b"", 1, status)


SAME = {"numbers": "/items/17", "other numbers": "/items/2a9f", "a query": "/items/?q=1"}
OTHER = {
    "method": (request("/items/1", b"PUT"), 200),
    "host": (request("/items/1", host=b"other.example"), 200),
    "status": (request("/items/1"), 404),
    "path": (request("/goods/1"), 200),
}


@pytest.mark.parametrize("target", SAME.values(), ids=SAME)
def test_numbers_and_queries_make_no_other_place(target: str) -> None:
    places = Places()
    assert places.seen(request("/items/1"), answered()) == 1
    assert places.seen(request(target), answered()) == 2


@pytest.mark.parametrize(("other", "status"), OTHER.values(), ids=OTHER)
def test_another_makes_another_place(other: Request, status: int) -> None:
    places = Places()
    places.seen(request("/items/1"), answered())
    assert places.seen(other, answered(status)) == 1


def test_places_without_end_take_no_more_room() -> None:
    places = Places()
    letters = "ghijklmnopqrstuvwxyz"
    for number in range(PLACES + 10):
        name = "".join(letters[number // 20**place % 20] for place in range(4))
        assert places.seen(request(f"/{name}"), answered()) == 1
    assert places.known <= PLACES


@given(target=st.lists(st.sampled_from([*OWNED_WORDS, "/", "s/", "1", "x", "/USERS/9", "?"]), max_size=8).map("".join))
def test_what_is_owned_may_be(target: str) -> None:
    asked = request("/" + target)
    assert not is_owned(asked, answered()) or may_be_owned(asked, answered())
