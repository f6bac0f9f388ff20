"""Which requests are one session, and what is noted of it."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.sessions.digest import SessionDigest, merged
from tcpmirror.sessions.headers import header_values
from tcpmirror.sessions.keys import SessionKeys
from tcpmirror.sessions.track import Tracker
from tcpmirror.settings.tree import SessionParameter
from tests.behavior.exchanges import every, exchange


def noted(exchanges: Iterable[Exchange], *parameters: SessionParameter) -> list[SessionDigest]:
    tracker = Tracker(SessionKeys(parameters))
    for each in exchanges:
        tracker.observe(each, [])
    return tracker.take()


def jwt(**claims: Any) -> str:
    parts = (orjson.dumps({"alg": "HS256"}), orjson.dumps(claims), b"signature")
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


SAME = {
    "the same cookie": ({"Cookie": "a=1; PHPSESSID=abc"}, {"Cookie": "PHPSESSID=abc; b=2"}),
    "a cookie in quotes": ({"Cookie": "sid=abc"}, {"Cookie": 'sid="abc"'}),
    "the same bearer token": ({"Authorization": "Bearer abcdefgh"}, {"Authorization": "bearer abcdefgh"}),
    "the token elsewhere": ({"Authorization": "Bearer abcdefgh"}, {"X_Auth_Token": "abcdefgh"}),
    "the same address and agent": ({"User_Agent": "u"}, {"User_Agent": "u"}),
}
OTHER = {
    "another cookie": ({"Cookie": "PHPSESSID=abc"}, {"Cookie": "PHPSESSID=abd"}),
    "another agent": ({"User_Agent": "u"}, {"User_Agent": "v"}),
    "another address": ({"client": "192.0.2.1"}, {"client": "192.0.2.2"}),
    "a cookie and none": ({"Cookie": "PHPSESSID=abc"}, {}),
}


@pytest.mark.parametrize(("first", "second"), SAME.values(), ids=SAME)
def test_requests_with_the_same_key_are_one_session(first: dict[str, str], second: dict[str, str]) -> None:
    (found,) = noted([exchange(**first), exchange(**second)])
    assert found.requests == 2


@pytest.mark.parametrize(("first", "second"), OTHER.values(), ids=OTHER)
def test_requests_with_other_keys_are_other_sessions(first: dict[str, str], second: dict[str, str]) -> None:
    assert len(noted([exchange(**first), exchange(**second)])) == 2


def test_the_operators_keys_go_first_in_their_order() -> None:
    own = (SessionParameter("X-Account"), SessionParameter("tenant", "query"))
    requests = [
        exchange("/?tenant=7", X_Account="9", Cookie="sid=a"),
        exchange("/", X_Account="9", Cookie="sid=b"),
        exchange("/?tenant=7", Cookie="sid=c"),
        exchange("/?tenant=7", Cookie="sid=d"),
    ]
    assert sorted((each.kind, each.requests) for each in noted(requests, *own)) == [
        ("header X-Account", 2),
        ("query tenant", 2),
    ]


HANDED_OUT = {
    "in JSON": {"answer": b'{"access_token":"0123456789abcdef","expires_in":3600}'},
    "in JSON, below data": {"answer": b'{"data":{"token":"0123456789abcdef"}}'},
    "in a cookie": {"answer_headers": ("Set-Cookie: sessionid=0123456789abcdef; Path=/; HttpOnly",)},
}


@pytest.mark.parametrize("answer", HANDED_OUT.values(), ids=HANDED_OUT)
def test_a_token_handed_out_links_later_requests(answer: dict[str, Any]) -> None:
    login = exchange("/login", "POST", b'{"username":"bob","password":"x"}', **answer)
    later = exchange("/me", client="198.51.100.7", Authorization="Bearer 0123456789abcdef")
    (found,) = noted([login, later])
    assert (found.requests, found.users) == (2, {"bob"})
    assert {event.path for event in found.events} == {"/login", "/me"}


def test_a_session_that_gets_another_token_is_linked_to_it() -> None:
    change = exchange("/refresh", "POST", answer=b'{"token":"new-token-value"}', Authorization="Bearer old-token-value")
    later = exchange("/me", Authorization="Bearer new-token-value")
    first, second = noted([change, later])
    assert first.linked == {second.id}


def test_user_and_role_come_from_claims_or_from_what_the_operator_names() -> None:
    (found,) = noted([exchange(Authorization=f"Bearer {jwt(sub='42', email='a@b.example', roles=['admin', 'dev'])}")])
    assert (found.users, found.roles) == ({"a@b.example"}, {"admin", "dev"})
    own = (SessionParameter("X-User", type="user"), SessionParameter("X-Role", type="role"))
    (found,) = noted([exchange(X_User="carol", X_Role="clerk")], *own)
    assert (found.users, found.roles) == ({"carol"}, {"clerk"})
    (found,) = noted([exchange(Authorization="Basic " + base64.b64encode(b"dave:secret").decode())])
    assert found.users == {"dave"}


def test_no_key_and_no_hashed_value_leaves_the_worker() -> None:
    own = (SessionParameter("card", "form", "context", hashed=True), SessionParameter("color", "form", "context"))
    requests = [
        exchange("/pay?token=querysecret", "POST", b"card=4111111111111111&color=red", Cookie="sid=cookiesecret"),
        exchange("/me", Authorization="Bearer tokensecret", answer=b'{"token":"handedsecret"}'),
    ]
    found = noted(requests, *own)
    told = repr(found)
    assert "secret" not in told and "4111" not in told
    (paid,) = [each for each in found if each.context]
    assert "color=red" in paid.context
    assert any(value.startswith("card=sha256:") for value in paid.context)


def test_attacks_stand_on_the_time_line_however_many_requests_came_before() -> None:
    tracker = Tracker(SessionKeys())
    for each in every(0.01, 500, target="/a"):
        tracker.observe(each, [])
    tracker.observe(exchange("/b?q=1", at_s=6.0, status=500), [Finding("sqli", ("get", "q"), "x", "r", 0.9)])
    (found,) = tracker.take()
    assert (found.requests, found.errors, found.attacks, found.statuses) == (501, 1, {"sqli": 1}, {"2xx": 500, "5xx": 1})
    assert found.time_line[0].attacks == "sqli"


def test_a_session_over_midnight_is_split() -> None:
    found = noted([exchange(Cookie="sid=a"), exchange(at_s=86_400, Cookie="sid=a")])
    assert len({each.day for each in found}) == 2
    assert len({each.id for each in found}) == 1


def test_one_worker_and_eight_come_to_the_same() -> None:
    requests = list(
        every(0.1, 120, target=lambda n: f"/x/{n}", Cookie=lambda n: f"sid={n % 5}", client=lambda n: f"192.0.2.{n % 9}")
    )
    shares = [noted(requests[worker::8]) for worker in range(8)]
    assert merged(each for share in shares for each in share) == merged(noted(requests))


def test_more_sessions_than_there_is_room_for_are_counted() -> None:
    tracker = Tracker(SessionKeys(), 10)
    for each in every(0.1, 25, Cookie=lambda n: f"sid={n}"):
        tracker.observe(each, [])
    assert (len(tracker.take()), tracker.refused, tracker.observed) == (10, 15, 10)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=100), st.binary(max_size=100))
def test_no_bytes_make_it_fail(head: bytes, body: bytes, answer: bytes) -> None:
    each = exchange("/a", "POST", b"{" + body, answer=b"{" + answer + b'"token"')
    assert each.request is not None
    each.request.head = b"POST / HTTP/1.1\r\nAuthorization: Bearer " + head + b"\r\nCookie: " + head
    for found in noted([each], SessionParameter("a", "json"), SessionParameter("b", "form", "user")):
        assert decode_and_encode(found) == found


def decode_and_encode(digest: SessionDigest) -> SessionDigest:
    from tcpmirror.sessions.record import decode_rows, encode_rows, wire_row

    (found,) = decode_rows(encode_rows("id", [wire_row(digest)]))[1]
    return found


def test_headers_are_found_by_name_without_case() -> None:
    head = b"GET / HTTP/1.1\r\nHOST: a\r\nX-Api-Key:  k \r\nx-api-key: second\r\nX-Api-Kex: no\r\n\r\nX-Api-Key: body"
    assert header_values(head, {9: (b"x-api-key",), 4: (b"host",)}) == {b"host": b"a", b"x-api-key": b"k"}
    assert header_values(b"", {4: (b"host",)}) == {}
