"""An endpoint that asks nobody who calls is told where those beside it do, and what is meant for everybody is not."""

from __future__ import annotations

import pytest

from tcpmirror.discovery.sensitive import class_of, classes_within
from tcpmirror.model.exchange import Exchange, Request, Response
from tcpmirror.processes.weakness_news import template
from tcpmirror.vulns.assessor import Assessor
from tcpmirror.vulns.authentication import FOLDERS, SIBLINGS, Guards, is_anonymous

PERSON = b'{"id": 7, "email": "jo@sea.example", "iban": "DE89370400440532013000"}'
TOKEN = "Authorization: Bearer 0123456789abcdef\r\n"


def call(
    line: str, headers: str = "", status: int = 200, content: bytes = PERSON, client: bytes = b"\x0a\0\0\1"
) -> Exchange:
    method, target = line.split(" ")
    head = f"{line} HTTP/1.1\r\nHost: api.example\r\n{headers}\r\n".encode()
    answer = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n\r\n".encode()
    request = Request(head, b"", 1000, method.encode(), target.encode())
    return Exchange(request, Response(answer, content, 2000, status), client, 1234, b"\x0a\0\0\2", 80)


def guarded(*names: str) -> list[Exchange]:
    """Return calls that show that the endpoints of these *names* ask who calls."""
    return [
        call(f"GET /api/{name}/{one}", who, status) for name in names for one, who, status in ((1, "", 401), (2, TOKEN, 200))
    ]


OPEN = [call(f"GET /api/users/{number}") for number in (1, 2)]


def proven(*seen: Exchange) -> dict[str, bool]:
    """Return by kind whether it is proven, of what is about authentication."""
    assessor = Assessor(class_of, classes_within, template)
    for one in seen:
        for sign in assessor.look(one, []):
            assessor.note(one, sign, "api.example", one.request.target if one.request else b"")
    return {row.kind: row.is_proven for row in assessor.take() if row.kind == "missing-authentication"}


def test_private_data_for_anybody_beside_guarded_endpoints_is_told_once_it_was_seen_twice() -> None:
    siblings = guarded("orders", "invoices")
    assert proven(*siblings, OPEN[0]) == {"missing-authentication": False}
    assert proven(*siblings, *OPEN) == {"missing-authentication": True}
    changes = [call(f"DELETE /api/users/{number}", status=204, content=b"") for number in (1, 2)]
    assert proven(*siblings, *changes) == {"missing-authentication": True}


NONE = {
    "no siblings": OPEN,
    "too few siblings": [*guarded("orders"), *OPEN],
    "siblings that refuse everybody": [*(call(f"GET /api/{name}/1", status=403) for name in ("a", "b", "c")), *OPEN],
    "siblings that nobody called without credentials": [*(call(f"GET /api/{name}/1", TOKEN) for name in ("a", "b", "c")), *OPEN],
    "siblings elsewhere": [*guarded("orders", "invoices"), *(call(f"GET /shop/v1/users/{number}") for number in (1, 2))],
    "a caller with a cookie": [*guarded("orders", "invoices"), *(call(f"GET /api/users/{n}", "Cookie: a=1\r\n") for n in (1, 2))],
    "a caller with a key": [*guarded("orders", "invoices"), *(call(f"GET /api/users/{n}", "X-Api-Key: k\r\n") for n in (1, 2))],
    "a key in the address": [*guarded("orders", "invoices"), *(call(f"GET /api/users/{n}?sig=aa") for n in (1, 2))],
    "nothing private": [*guarded("orders", "invoices"), *(call(f"GET /api/items/{n}", content=b'{"price": 7}') for n in (1, 2))],
    "a shop's telephone": [
        *guarded("orders", "invoices"),
        *(call(f"GET /api/stores/{n}", content=b'{"phone": "+49 731 1234567"}') for n in (1, 2)),
    ],
    "a sign-in": [*guarded("orders", "invoices"), *(call("POST /api/login") for _ in range(3))],
    "the same call again": [*guarded("orders", "invoices"), OPEN[0], OPEN[0]],
}  # fmt: skip


@pytest.mark.parametrize("seen", NONE.values(), ids=NONE)
def test_what_is_open_on_purpose_is_not_told(seen: list[Exchange]) -> None:
    assert not any(proven(*seen).values())


def test_what_says_who_calls_is_known_wherever_it_stands() -> None:
    asked = {"": True, TOKEN: False, "X-Auth-Token: a\r\n": False, "Accept: a\r\n": True, "X-Amz-Date: 1\r\n": False}
    for headers, expected in asked.items():
        request = call("GET /api/a", headers).request
        assert request is not None
        assert is_anonymous(request) is expected


def test_folders_are_bounded_and_the_oldest_go() -> None:
    guards = Guards(classes_within, template)

    def look(one: Exchange) -> list[object]:
        assert one.request is not None
        assert one.response is not None
        return list(guards.look(one, one.request, one.response))

    for one in guarded(*(f"n{number}" for number in range(SIBLINGS))):
        look(one)
    assert look(OPEN[0])
    for number in range(FOLDERS):
        look(call(f"GET /f{number}/x/1", TOKEN))
    assert look(OPEN[0]) == []
