"""Which exchanges are looked at for weaknesses."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tcpmirror.model.exchange import Exchange
from tcpmirror.model.finding import Finding
from tcpmirror.vulns.places import FIRST, Places, is_owned
from tcpmirror.vulns.signs import Sign
from tests.behavior.exchanges import exchange

# What `is_owned` says, as an expression.
OWNED = re.compile(
    rb"(?i)/(?:users?|accounts?|customers?|patients?|profiles?|members?|employees?|invoices?|orders?|cards?|payments?)/[^/?]*\d"
)


class Shown(Places):
    """Notes what it is asked about: (is it due, is it new, is it followed)."""

    def __init__(self) -> None:
        self.asked: list[tuple[bool, bool, bool]] = []

    def shown(
        self, exchange: Exchange, findings: list[Finding], is_due: bool, is_new: bool, is_followed: bool
    ) -> list[Sign]:
        self.asked.append((is_due, is_new, is_followed))
        return []


def test_of_a_place_the_first_are_looked_at_and_then_one_in_64() -> None:
    places = Shown()
    for number in range(64 * 3):
        places.look(exchange(f"/items/{number}"), [])
    assert places.asked == [(True, True, False)] * FIRST + [(True, False, False)] * 3
    assert places.looked_at == FIRST + 3


DIFFERENT = {
    "a path": {"target": "/other"},
    "a method": {"target": "/", "method": "POST"},
    "a host": {"target": "/", "host": "other.example"},
    "a status": {"target": "/", "status": 404},
}


@pytest.mark.parametrize("given", DIFFERENT.values(), ids=DIFFERENT)
def test_another_place_is_looked_at_anew(given: dict[str, str]) -> None:
    places = Shown()
    for _ in range(10):
        places.look(exchange("/"), [])
    places.look(exchange(**given), [])  # type: ignore[arg-type]
    assert places.looked_at == FIRST + 1


def test_what_shows_an_attack_is_always_asked_about() -> None:
    places = Shown()
    for _ in range(10):
        places.look(exchange("/"), [Finding("sqli", ("get", "q"), "x", "r", 0.9)])
    assert len(places.asked) == 10


def test_one_object_in_sixteen_is_followed_for_all_who_read_it() -> None:
    first, second = Shown(), Shown()
    for places in (first, second):
        for number in range(2000):
            places.look(exchange(f"/orders/{number}?view={id(places)}"), [])
    followed = [[asked[2] for asked in places.asked].count(True) for places in (first, second)]
    assert followed[0] == followed[1]
    assert 60 < followed[0] < 200


def test_places_are_forgotten_when_there_are_too_many() -> None:
    places = Shown()
    letters = "ghijklmnopqrstuvwxyz"
    for number in range(17_000):
        name = "".join(letters[number // 20**place % 20] for place in range(4))
        places.look(exchange(f"/{name}"), [])
    assert places.looked_at == 17_000


@given(
    st.lists(
        st.sampled_from(
            ["/", "user", "users", "USERS", "orders", "order", "cards", "1", "a7", "x", "?", ".", "//", "profile"]
        ),
        max_size=12,
    ).map(lambda parts: "".join(parts).encode())
)
@example(b"/users/?1")
@example(b"http://host/users/1")
def test_what_belongs_to_one_user_is_what_the_expression_says(target: bytes) -> None:
    assert is_owned(target) is (OWNED.search(target.partition(b"?")[0]) is not None)
